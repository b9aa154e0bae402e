//! Live configurations: providers whose secrets follow their stores, without a restart.
//!
//! ```text
//! stores ──events──► SecretResolver ──publishes──► Generation ──read by──► requests
//!    ▲                    │
//!    └──── activate, report_auth_failure
//! ```

mod activation;
mod fetch;
mod follow;
mod generation;
mod provider;
mod start;
#[cfg(test)]
mod tests;
mod texts;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, Weak, atomic::AtomicBool},
};

use secrecy::SecretString;

use self::provider::{DocumentId, Provider};
pub use self::{
    activation::{ActivationError, Reason},
    generation::Generation,
    provider::ProviderHandle,
    start::Start,
};
use crate::{
    AuthFailure, BaseSecretStore, Error, ErrorKind, Resolver, Result, SecretStoreConnector, SecretValue,
    StoreSource, Version, Watch, async_trait,
    clock::Clock,
    config::{Configuration, DEFAULT_STORE, nearest},
    observe::{Observer, Subscription},
    printable,
    reference::Reference,
};

/// Opens the stores of a configuration by name, each once, with an engine around it.
#[async_trait]
pub trait LiveStores: Send + Sync {
    /// The store with this name, opened when first asked for.
    ///
    /// `InvalidConfig` if there is none, or whatever kept it from being opened: it is asked again then.
    async fn live(&self, name: &str) -> Result<BaseSecretStore>;
}

/// Resolves a configuration's references, at initialization and from then on.
///
/// - Each [provider](SecretResolver::provider) has a [`Generation`]: one consistent set of its values. It is
///   replaced as a whole when one of its secrets rotates, and when it is [activated](SecretResolver::activate).
/// - What a generation holds is refreshed in the background, whether it is read or not. A value that its store
///   revokes, or that can no longer be validated, ends its provider's generation; the provider comes back by
///   itself when all its secrets are there again.
/// - Dropping the last clone ends all of that.
#[derive(Clone)]
pub struct SecretResolver(Arc<Inner>);

struct Inner {
    configuration: Arc<Configuration>,
    stores: Arc<dyn LiveStores>,
    clock: Arc<dyn Clock>,
    observer: Observer,
    providers: Vec<Arc<Provider>>,
    /// Whether the providers have had their first activation.
    has_started: AtomicBool,
    /// Which providers a document is part of.
    users: HashMap<DocumentId, Vec<usize>>,
    subscription: OnceLock<Subscription>,
    this: Weak<Inner>,
}

impl fmt::Debug for SecretResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretResolver").field("providers", &self.0.providers).finish_non_exhaustive()
    }
}

impl SecretResolver {
    /// Prepares to start over the stores of `configuration`.
    pub fn of(configuration: Arc<Configuration>, stores: Arc<dyn LiveStores>) -> Start {
        Start::new(configuration, stores)
    }

    /// The configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.0.configuration
    }

    /// Where events are told.
    pub fn observer(&self) -> &Observer {
        &self.0.observer
    }

    /// Every provider, in the order of the configuration.
    pub fn providers(&self) -> impl Iterator<Item = ProviderHandle> {
        self.0.providers.iter().map(|provider| ProviderHandle::new(self.clone(), Arc::clone(provider)))
    }

    /// The provider with this ID.
    pub fn provider(&self, id: &str) -> Option<ProviderHandle> {
        self.providers().find(|provider| provider.id() == id)
    }

    /// The provider with this ID. `InvalidConfig` if there is none, with the nearest there is.
    pub fn known_provider(&self, id: &str) -> Result<ProviderHandle> {
        self.provider(id).ok_or_else(|| {
            let error = format!("the configuration has no provider '{}'", printable(id));
            let error = Error::new(ErrorKind::InvalidConfig, error);
            match nearest(id, self.0.providers.iter().map(|provider| &*provider.needs.id)) {
                Some(near) => error.with_help(format!("did you mean '{}'?", printable(near))),
                None => error.with_help("its providers stand under 'providers:'"),
            }
        })
    }

    /// The value of a reference, from the cache or its store.
    pub async fn get(&self, reference: &Reference) -> Result<SecretValue> {
        self.resolver().get(reference).await
    }

    /// The text with values in place of references: see [`Resolver::resolve`].
    pub async fn resolve(&self, text: &str) -> Result<SecretString> {
        self.resolver().resolve(text).await
    }

    /// One-off resolution over the same stores and caches.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(Arc::new(Cached(Arc::clone(&self.0.stores))))
    }

    /// A live handle on a reference, which yields each new version.
    ///
    /// Fails as [`get`](SecretResolver::get) does if there is no value to begin with. A fallback is not watched.
    pub async fn watch(&self, reference: &Reference) -> Result<Watch> {
        let store = self.0.store_of(reference).await?;
        let watch = store.watch_version(&reference.name, reference.version.as_ref()).await?;
        Ok(match &reference.field {
            None => watch,
            Some(field) => watch.reading(field.clone()),
        })
    }

    /// Forgets what is cached of a reference's document: the next reader asks the store.
    pub async fn invalidate(&self, reference: &Reference) -> Result<()> {
        self.0.store_of(reference).await?.invalidate(&reference.name);
        Ok(())
    }

    /// Reports that the upstream API refused the value of `reference` with this version.
    ///
    /// As [`BaseSecretStore::report_auth_failure`], and the providers that use the reference have changed over to
    /// the new value, or back to the one before, when this returns. Where a provider cannot change over as a
    /// whole, it stays as it is, and the answer is `Unavailable`.
    pub async fn report_auth_failure(&self, reference: &Reference, version: &Version) -> AuthFailure {
        match self.0.refused(reference, version, None).await {
            AuthFailure::Rotated(value) => read_field(reference, &value, AuthFailure::Rotated),
            AuthFailure::FellBack(value) => read_field(reference, &value, AuthFailure::FellBack),
            outcome => outcome,
        }
    }

    /// Re-resolves the references of a provider past the cache, and swaps its generation.
    ///
    /// - All of its values are swapped, or none: if one reference fails, the generation it has stays in use, and
    ///   the error says so.
    /// - With `reload_on_rotation: false`, an activation for `Rotation` takes what is in the cache.
    /// - Who activates while an activation is under way shares the next one.
    /// - Fails with `InvalidConfig` if there is no such provider.
    pub async fn activate(&self, provider: &str, reason: Reason) -> Result<Arc<Generation>, ActivationError> {
        match self.known_provider(provider) {
            Ok(known) => known.activate(reason).await,
            Err(error) => Err(ActivationError::new(provider.into(), reason, vec![error], None)),
        }
    }

    /// Activates every provider by hand: as many outcomes, in the order of the configuration.
    pub async fn reload(&self) -> Vec<Result<Arc<Generation>, ActivationError>> {
        let activations = self.0.providers.iter().map(|known| self.0.activate(known, Reason::Manual));
        futures_util::future::join_all(activations).await
    }
}

impl Inner {
    async fn store_of(&self, reference: &Reference) -> Result<BaseSecretStore> {
        self.live(reference.store.as_deref().unwrap_or(DEFAULT_STORE)).await
    }

    fn users(&self, document: &DocumentId) -> impl Iterator<Item = &Arc<Provider>> {
        self.users.get(document).into_iter().flatten().map(|&at| &self.providers[at])
    }
}

fn read_field(
    reference: &Reference,
    value: &SecretValue,
    outcome: fn(SecretValue) -> AuthFailure,
) -> AuthFailure {
    match crate::plan::read_answer(reference, Ok(value)) {
        Ok(value) => outcome(value),
        Err(error) => AuthFailure::Unavailable(error),
    }
}

/// Live stores as sources of a [`Resolver`].
struct Cached(Arc<dyn LiveStores>);

#[async_trait]
impl StoreSource for Cached {
    async fn store(&self, name: &str) -> Result<Arc<dyn SecretStoreConnector>> {
        Ok(Arc::new(self.0.live(name).await?))
    }
}
