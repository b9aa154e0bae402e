//! Activation: a provider's references are resolved anew, and its generation is swapped.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Inner,
    fetch::Source,
    generation::Generation,
    provider::{DocumentId, Provider},
};
use crate::{
    Error, ErrorKind, Result, SecretValue,
    observe::{Event, EventKind, Subject},
};

/// Why a provider is activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The application starts.
    Init,
    /// One of its secrets has another value, or it is rotated in.
    Rotation,
    /// It was inactive, and its secrets are there again.
    Recovery,
    /// Somebody asked for it.
    Manual,
}

impl Reason {
    const ALL: [Reason; 4] = [Reason::Init, Reason::Rotation, Reason::Recovery, Reason::Manual];

    /// The reason's name in events and logs: stable across versions.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Init => "init",
            Reason::Rotation => "rotation",
            Reason::Recovery => "recovery",
            Reason::Manual => "manual",
        }
    }
}

/// The reason of this [name](Reason::as_str); `InvalidConfig` if there is none.
impl FromStr for Reason {
    type Err = Error;

    fn from_str(name: &str) -> Result<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == name).ok_or_else(|| {
            let known = Reason::ALL.map(Reason::as_str).join("', '");
            Error::new(ErrorKind::InvalidConfig, "there is no such reason of an activation")
                .with_help(format!("a reason is one of '{known}'"))
        })
    }
}

/// Why a provider could not be activated. Nothing was changed.
#[derive(Clone, Debug)]
pub struct ActivationError(Box<Failed>);

#[derive(Clone, Debug)]
struct Failed {
    provider: Arc<str>,
    reason: Reason,
    errors: Vec<Error>,
    kept: Option<u64>,
}

impl ActivationError {
    pub(super) fn new(provider: Arc<str>, reason: Reason, errors: Vec<Error>, kept: Option<u64>) -> Self {
        ActivationError(Box::new(Failed { provider, reason, errors, kept }))
    }

    /// What failed: an error for each reference that has no value.
    pub fn errors(&self) -> &[Error] {
        &self.0.errors
    }

    /// The number of the generation that stays in use; none if the provider is inactive.
    pub fn kept(&self) -> Option<u64> {
        self.0.kept
    }

    /// The first failure.
    pub fn into_error(self) -> Error {
        let Failed { provider, errors, .. } = *self.0;
        errors.into_iter().next().unwrap_or_else(|| Error::not_found(&provider))
    }
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { provider, reason, errors, kept } = &*self.0;
        write!(f, "provider '{}' was not activated ({})", crate::printable(provider), reason.as_str())?;
        match kept {
            Some(number) => write!(f, ", generation {number} stays in use")?,
            None => write!(f, " and is inactive")?,
        }
        for error in errors {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ActivationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.errors.first().map(|error| error as &(dyn std::error::Error + 'static))
    }
}

/// The last activation of a provider, for those who asked before it started.
#[derive(Default)]
pub(super) struct LastRun {
    /// It serves this many of those who ever asked.
    covers: u64,
    outcome: Option<Result<Arc<Generation>, ActivationError>>,
    /// Whether it asked the stores.
    is_past_cache: bool,
}

impl Inner {
    /// Activates `provider` past the cache. Who asks while an activation is under way waits for the next, which
    /// all who wait share: what is under way may have asked its stores too early.
    pub(super) async fn activate(
        &self,
        provider: &Arc<Provider>,
        reason: Reason,
    ) -> Result<Arc<Generation>, ActivationError> {
        let mine = provider.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = provider.turn.lock().await;
        let takes_cache = reason == Reason::Rotation && !self.configuration.policy().reload_on_rotation;
        if last.covers >= mine
            && (last.is_past_cache || takes_cache)
            && let Some(outcome) = &last.outcome
        {
            return outcome.clone();
        }
        let covers = provider.asked.load(Ordering::SeqCst);
        let source = if takes_cache { Source::Cache } else { Source::Store };
        let outcome = self.resolve_and_swap(provider, reason, source).await;
        *last = LastRun { covers, outcome: Some(outcome.clone()), is_past_cache: !takes_cache };
        outcome
    }

    /// Brings `provider` to the value that one of its documents has now; the others are resolved past the cache,
    /// for they may have been rotated together. Does nothing if the provider `is_there` when its turn has come.
    pub(super) async fn adopt(
        &self,
        provider: &Arc<Provider>,
        document: &DocumentId,
        reason: Reason,
        is_there: impl Fn(&Generation) -> bool,
    ) -> Result<Arc<Generation>, ActivationError> {
        let _turn = provider.turn.lock().await;
        if let Ok(current) = provider.current()
            && is_there(&current)
        {
            return Ok(current);
        }
        let source = if self.configuration.policy().reload_on_rotation && reason == Reason::Rotation {
            Source::StoreExcept(document)
        } else {
            Source::Cache
        };
        self.resolve_and_swap(provider, reason, source).await
    }

    /// Activates a provider that is inactive, with what is in the cache, and asks for what is not.
    pub(super) async fn recover(&self, provider: &Arc<Provider>) -> Result<Arc<Generation>, ActivationError> {
        let _turn = provider.turn.lock().await;
        match provider.current() {
            Ok(current) => Ok(current),
            Err(_) => self.resolve_and_swap(provider, Reason::Recovery, Source::Cache).await,
        }
    }

    async fn resolve_and_swap(
        &self,
        provider: &Arc<Provider>,
        reason: Reason,
        source: Source<'_>,
    ) -> Result<Arc<Generation>, ActivationError> {
        loop {
            let ends = provider.ends();
            let outcomes = self.fetch(provider, source).await;
            if let Some(generation) = self.swap(provider, reason, &outcomes, ends)? {
                return Ok(generation);
            }
        }
    }

    /// Publishes a generation made of `outcomes`, if all that must be there is. None if a document has ended since
    /// there were so many `ends`: what was fetched of it may be from before.
    pub(super) fn swap(
        &self,
        provider: &Arc<Provider>,
        reason: Reason,
        outcomes: &[Result<SecretValue>],
        ends: u64,
    ) -> Result<Option<Arc<Generation>>, ActivationError> {
        let errors: Vec<Error> = provider
            .needs
            .references
            .iter()
            .zip(outcomes)
            .filter_map(|(reference, outcome)| Some((reference, outcome.as_ref().err()?)))
            .filter(|(reference, error)| !self.configuration.may_be_missing(reference, error))
            .map(|(_, error)| error.clone())
            .collect();
        if !errors.is_empty() {
            return Err(self.failed(provider, reason, errors));
        }
        let (number, at) = (provider.next_number(), self.clock.wall());
        match Generation::build(&provider.needs, &self.configuration, outcomes, number, reason, at) {
            Err(error) => Err(self.failed(provider, reason, vec![error])),
            Ok(generation) => {
                let generation = Arc::new(generation);
                let until = self.clock.now().later(self.configuration.policy().previous_retain);
                if !provider.publish(&generation, until, ends) {
                    return Ok(None);
                }
                self.end_aside_later(provider);
                self.tell(provider, EventKind::Activated { generation: number, reason: reason.as_str() });
                Ok(Some(generation))
            }
        }
    }

    fn failed(&self, provider: &Arc<Provider>, reason: Reason, errors: Vec<Error>) -> ActivationError {
        if let [error, ..] = &errors[..] {
            provider.stay_inactive(error.clone());
            self.tell(
                provider,
                EventKind::ActivationFailed { reason: reason.as_str(), error: error.clone() },
            );
        }
        let kept = provider.current().ok().map(|generation| generation.number());
        ActivationError::new(Arc::clone(&provider.needs.id), reason, errors, kept)
    }

    pub(super) fn tell(&self, provider: &Provider, kind: EventKind) {
        let subject = Subject::Provider { id: Arc::clone(&provider.needs.id) };
        self.observer.queue(Event { at: self.clock.wall(), subject, kind });
        self.observer.deliver();
    }
}
