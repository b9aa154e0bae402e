//! Opens the stores of a configuration: each once, when first asked for, what it needs before it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use modelmesh_secrets::{
    BaseSecretStore, ChainStore, Error, ErrorKind, NamedStore, Resolver, Result, SecretStoreConnector,
    SecretValue, StoreSource,
    config::{Backing, Configuration, Filler, Report, StoreEntry},
    reference::Reference,
    setting::Settings,
};
use tokio::sync::OnceCell;

use crate::registry::{OpenContext, connector};

/// A store as far as it has been asked for.
#[derive(Default)]
struct Opened {
    settings: OnceCell<Settings>,
    store: OnceCell<Arc<dyn SecretStoreConnector>>,
}

/// The stores of a configuration.
///
/// - A store is opened when it is first asked for; one that nobody asks for is never touched.
/// - The references in a store's settings are resolved before, through the stores they name.
/// - A store under a `prefix` or `naming` is asked by logical names.
/// - What a store answers is cached by its resolution parameters, unless reading it costs nothing (the
///   environment), or [`without_cache`](StoreSet::without_cache) says otherwise.
#[derive(Clone)]
pub struct StoreSet {
    configuration: Arc<Configuration>,
    context: OpenContext,
    opened: Arc<Mutex<HashMap<Arc<str>, Arc<Opened>>>>,
    is_cached: bool,
}

impl fmt::Debug for StoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSet").field("configuration", &self.configuration).finish_non_exhaustive()
    }
}

impl StoreSet {
    /// The stores of `configuration`.
    ///
    /// Fails with everything that is wrong under `secrets:`: a store that might be another than was meant must
    /// be neither read nor written. Mistakes elsewhere in the file do not matter here.
    pub fn new(configuration: Arc<Configuration>, context: OpenContext) -> Result<Self, Box<Report>> {
        configuration.require_valid_stores()?;
        Ok(StoreSet { configuration, context, opened: Arc::default(), is_cached: true })
    }

    /// These stores without caches, for a program that asks once and ends. A fetch then takes as long as it
    /// takes: a person may be typing a passphrase.
    pub fn without_cache(self) -> Self {
        StoreSet { is_cached: false, opened: Arc::default(), ..self }
    }

    /// A resolver over these stores.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(Arc::new(self.clone()))
    }

    /// Opens a store by its entry: one of the configuration's, or one that
    /// [`Configuration::select`] made from a connector's ID.
    pub async fn open(&self, entry: &StoreEntry) -> Result<Arc<dyn SecretStoreConnector>> {
        let opened = self.opened(entry);
        let store = opened.store.get_or_try_init(|| self.open_anew(entry)).await;
        store.cloned().map_err(|error| error.with_store(Arc::clone(&entry.name)))
    }

    fn opened(&self, entry: &StoreEntry) -> Arc<Opened> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(opened.entry(Arc::clone(&entry.name)).or_default())
    }

    /// The settings of a store, filled in once: for callers who open a kind of store that they know.
    pub async fn settings(&self, entry: &StoreEntry) -> Result<Settings> {
        let fill = async || {
            let values = self.bootstrap(entry).await?;
            entry.settings(&Filler {
                variable: &|name| self.context.environment.var(name)?.into_string().ok(),
                values: &values,
                base: self.configuration.base(),
            })
        };
        self.opened(entry).settings.get_or_try_init(fill).await.cloned()
    }

    async fn open_anew(&self, entry: &StoreEntry) -> Result<Arc<dyn SecretStoreConnector>> {
        match &entry.backing {
            Backing::Connector(spec) => {
                let settings = self.settings(entry).await?;
                let connector = connector(spec.id).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidConfig, format!("this build has no connector '{}'", spec.id))
                })?;
                let store = (connector.open)(&settings, &self.context)?;
                let store = NamedStore::wrap(store, StoreEntry::naming(&settings));
                if !self.is_cached || !spec.cached {
                    return Ok(store);
                }
                let cached = BaseSecretStore::builder(store).name(Arc::clone(&entry.name));
                Ok(Arc::new(cached.policy(entry.policy.clone()).build()))
            }
            Backing::Chain(links) => {
                let mut stores = Vec::with_capacity(links.len());
                for link in links {
                    stores.push((Arc::clone(link), self.store(link).await?));
                }
                Ok(Arc::new(ChainStore::new(stores)))
            }
            _ => Err(Error::new(ErrorKind::InvalidConfig, "the entry of this store is wrong")),
        }
    }

    /// The values of the references in a store's own settings.
    async fn bootstrap(&self, entry: &StoreEntry) -> Result<HashMap<Reference, SecretValue>> {
        let references: Vec<Reference> = entry.references().cloned().collect();
        let values = self.resolver().get_many(&references).await;
        references.into_iter().zip(values).map(|(reference, value)| Ok((reference, value?))).collect()
    }
}

#[async_trait]
impl StoreSource for StoreSet {
    async fn store(&self, name: &str) -> Result<Arc<dyn SecretStoreConnector>> {
        let entry = self
            .configuration
            .store(name)
            .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "there is no such store").with_store(name))?;
        self.open(entry).await
    }
}
