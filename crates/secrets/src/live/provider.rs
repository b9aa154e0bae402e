//! A provider: what it needs, and what it has.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    SecretResolver,
    activation::{ActivationError, LastRun, Reason},
    generation::Generation,
};
use crate::{
    AuthFailure, BaseSecretStore, Error, ErrorKind, Result, SecretName, Version,
    clock::Moment,
    config::{self, Configuration, DEFAULT_STORE, Template},
    document::NodeId,
    engine::Pin,
    reference::Reference,
};

/// A document of a store, as references ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DocumentId {
    pub(super) store: Arc<str>,
    pub(super) name: SecretName,
    pub(super) selector: Option<Version>,
}

impl DocumentId {
    pub(super) fn of(reference: &Reference) -> Self {
        DocumentId {
            store: reference.store.as_deref().unwrap_or(DEFAULT_STORE).into(),
            name: reference.name.clone(),
            selector: reference.version.clone(),
        }
    }

    /// The error of a document whose value may not be used any more. It names no store: the others of the store are
    /// none the worse.
    pub(super) fn ended(&self) -> Error {
        Error::new(ErrorKind::Unavailable, "the value ended, and its store gave no other")
            .with_name(&self.name)
            .with_help("a value ends with its own expiry, or 'max_stale' after its store last confirmed it")
    }

    pub(super) fn is_of(&self, reference: &Reference) -> bool {
        self.name == reference.name
            && self.selector == reference.version
            && *self.store == *reference.store.as_deref().unwrap_or(DEFAULT_STORE)
    }
}

/// What a provider needs: known from the configuration, and the same for all of its generations.
pub(super) struct Needs {
    pub(super) id: Arc<str>,
    /// Every text in its settings, by its path in them.
    pub(super) texts: Vec<(String, NodeId)>,
    /// Those of its texts that hold references.
    pub(super) templates: Vec<(String, Template)>,
    /// The places of its references among those of the configuration, ascending.
    pub(super) places: Vec<usize>,
    /// Its references, in the order of [`places`](Needs::places).
    pub(super) references: Vec<Reference>,
    pub(super) documents: Vec<DocumentId>,
}

/// One provider: what it needs, and what it has.
pub(super) struct Provider {
    pub(super) needs: Arc<Needs>,
    state: ArcSwap<State>,
    /// The generation that is not in use but may be again: the one before, or, after falling back to that, the
    /// one that was refused.
    aside: Mutex<Option<Aside>>,
    /// What keeps its documents fresh.
    pins: Mutex<HashMap<DocumentId, Pin>>,
    generations: AtomicU64,
    /// How often a document of it has ended. Changes with the state, under the lock of `aside`.
    ends: AtomicU64,
    /// Activations take turns.
    pub(super) turn: AsyncMutex<LastRun>,
    /// How many activations were asked for.
    pub(super) asked: AtomicU64,
}

enum State {
    Active(Arc<Generation>),
    Inactive(Error),
}

struct Aside {
    generation: Arc<Generation>,
    until: Moment,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("id", &self.needs.id)
            .field("current", &self.current())
            .finish_non_exhaustive()
    }
}

impl Needs {
    fn of(configuration: &Configuration, provider: &config::Provider) -> Self {
        let texts =
            configuration.document().map(|document| document.texts_under(provider.node)).unwrap_or_default();
        let usage = configuration.usage();
        let by_node: HashMap<NodeId, &Template> =
            usage.templates().iter().map(|template| (template.node, template)).collect();
        let templates: Vec<(String, Template)> = texts
            .iter()
            .filter_map(|(path, node)| Some((path.clone(), (*by_node.get(node)?).clone())))
            .collect();
        let places: BTreeSet<usize> =
            templates.iter().flat_map(|(_, template)| usage.references_in(template)).collect();
        let references: Vec<Reference> =
            places.iter().map(|&place| usage.references()[place].clone()).collect();
        let mut seen = HashSet::new();
        let documents =
            references.iter().map(DocumentId::of).filter(|document| seen.insert(document.clone()));
        Needs {
            id: provider.id.as_str().into(),
            documents: documents.collect(),
            texts,
            templates,
            places: places.into_iter().collect(),
            references,
        }
    }
}

impl Provider {
    pub(super) fn of(configuration: &Configuration, provider: &config::Provider) -> Self {
        let not_yet = Error::new(ErrorKind::Unavailable, "the provider was not activated yet");
        Provider {
            needs: Arc::new(Needs::of(configuration, provider)),
            state: ArcSwap::from_pointee(State::Inactive(not_yet)),
            aside: Mutex::default(),
            pins: Mutex::default(),
            generations: AtomicU64::new(0),
            ends: AtomicU64::new(0),
            turn: AsyncMutex::default(),
            asked: AtomicU64::new(0),
        }
    }

    pub(super) fn current(&self) -> Result<Arc<Generation>> {
        match &**self.state.load() {
            State::Active(generation) => Ok(Arc::clone(generation)),
            State::Inactive(error) => Err(error.clone()),
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often a document of it has ended.
    pub(super) fn ends(&self) -> u64 {
        self.ends.load(Ordering::SeqCst)
    }

    /// Puts `generation` into use. The one it replaces is kept `until` then.
    ///
    /// False, and nothing is changed, if a document has ended since there were so many `ends`: its value may be in the
    /// generation.
    pub(super) fn publish(&self, generation: &Arc<Generation>, until: Moment, ends: u64) -> bool {
        let mut aside = self.aside();
        if self.ends() != ends {
            return false;
        }
        let before = self.state.swap(Arc::new(State::Active(Arc::clone(generation))));
        match &*before {
            // Nothing rotated: what was aside is still the version before.
            State::Active(before) if before.has_versions_of(generation) => {}
            State::Active(before) => *aside = Some(Aside { generation: Arc::clone(before), until }),
            State::Inactive(_) => *aside = None,
        }
        true
    }

    /// Puts the generation that is kept aside into use, and the other aside, if it holds `version` of `document`
    /// and may still be used.
    pub(super) fn change_over(
        &self,
        document: &DocumentId,
        version: &Version,
        now: Moment,
    ) -> Option<Arc<Generation>> {
        let mut aside = self.aside();
        let kept = aside.as_mut().filter(|kept| now < kept.until)?;
        if kept.generation.version_of(document) != Some(version) {
            return None;
        }
        let generation = Arc::clone(&kept.generation);
        let before = self.state.swap(Arc::new(State::Active(Arc::clone(&generation))));
        match &*before {
            State::Active(before) => kept.generation = Arc::clone(before),
            State::Inactive(_) => *aside = None,
        }
        Some(generation)
    }

    /// A document has ended: takes the values away. Whether there were any.
    pub(super) fn deactivate(&self, error: Error) -> bool {
        let mut aside = self.aside();
        self.ends.fetch_add(1, Ordering::SeqCst);
        *aside = None;
        matches!(&*self.state.swap(Arc::new(State::Inactive(error))), State::Active(_))
    }

    /// Why it is not active, as long as it is not.
    pub(super) fn stay_inactive(&self, error: Error) {
        if self.current().is_err() {
            self.state.store(Arc::new(State::Inactive(error)));
        }
    }

    /// Wipes what was kept aside, if its time is over.
    pub(super) fn end_aside(&self, now: Moment) {
        let mut aside = self.aside();
        if aside.as_ref().is_some_and(|kept| kept.until <= now) {
            *aside = None;
        }
    }

    fn aside(&self) -> MutexGuard<'_, Option<Aside>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that its documents of `store`, which has this name, are kept fresh.
    pub(super) fn hold(&self, name: &str, store: &BaseSecretStore) {
        for document in self.needs.documents.iter().filter(|document| *document.store == *name) {
            if self.pins().contains_key(document) {
                continue;
            }
            let pin = store.pin(&document.name, document.selector.as_ref());
            // The guard is a statement of its own: a pin that is dropped takes the engine's lock.
            let before = self.pins().insert(document.clone(), pin);
            drop(before);
        }
    }

    pub(super) fn pins(&self) -> MutexGuard<'_, HashMap<DocumentId, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a store that it needs could not be opened yet, so that nothing of it is kept fresh.
    pub(super) fn lacks_pins(&self) -> bool {
        self.pins().len() < self.needs.documents.len()
    }
}

/// A live handle on one provider. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ProviderHandle {
    resolver: SecretResolver,
    provider: Arc<Provider>,
}

impl ProviderHandle {
    pub(super) fn new(resolver: SecretResolver, provider: Arc<Provider>) -> Self {
        ProviderHandle { resolver, provider }
    }

    /// The provider's ID.
    pub fn id(&self) -> &str {
        &self.provider.needs.id
    }

    /// The generation in use: to be taken anew for each request. No lock and no I/O.
    ///
    /// Fails if the provider is inactive, with the reason: its store was down at the start, a secret of it was
    /// revoked, or could not be validated for too long. It comes back by itself.
    pub fn current(&self) -> Result<Arc<Generation>> {
        self.provider.current()
    }

    /// Re-resolves its references: see [`SecretResolver::activate`].
    pub async fn activate(&self, reason: Reason) -> Result<Arc<Generation>, ActivationError> {
        self.resolver.0.activate(&self.provider, reason).await
    }

    /// Reports that the upstream API refused the secret in the setting at `path` of `generation`.
    ///
    /// As [`SecretResolver::report_auth_failure`], with the whole generation to try once more with.
    pub async fn report_auth_failure(
        &self,
        generation: &Generation,
        path: &str,
    ) -> AuthFailure<Arc<Generation>> {
        let Some((reference, version)) =
            generation.secret(path).and_then(|(reference, value)| Some((reference, value.version()?)))
        else {
            // A literal, or a fallback: no store has anything else to offer.
            return AuthFailure::Unchanged;
        };
        let outcome = self.resolver.0.refused(reference, version, Some(&self.provider)).await;
        match (outcome, self.current()) {
            (AuthFailure::Rotated(_), Ok(current)) => AuthFailure::Rotated(current),
            (AuthFailure::FellBack(_), Ok(current)) => AuthFailure::FellBack(current),
            (AuthFailure::Unchanged, _) => AuthFailure::Unchanged,
            (AuthFailure::Unavailable(error), _) | (_, Err(error)) => AuthFailure::Unavailable(error),
        }
    }
}
