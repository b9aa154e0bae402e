//! Opens the stores of a configuration: each once, when first asked for, what it needs before it.

use std::{
    collections::HashMap,
    env, fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use modelmesh_secrets::{
    BaseSecretStore, ChainStore, Error, ErrorKind, GuardedStore, NamedStore, Resolver, Result,
    SecretStoreConnector, SecretValue, StoreSource,
    clock::{Clock, SystemClock},
    config::{Backing, Configuration, Filler, Given, Problem, Report, StoreEntry},
    live::{LiveStores, SecretResolver, Start},
    observe::Observer,
    printable,
    reference::Reference,
    setting::{ConnectorSpec, Settings},
};
use tokio::sync::OnceCell;

use crate::{
    audit,
    registry::{OpenContext, connector},
};

/// A store as far as it has been asked for.
#[derive(Default)]
struct Opened {
    settings: OnceCell<Settings>,
    /// The connector, under its naming rule and behind its guard.
    guarded: OnceCell<Arc<dyn SecretStoreConnector>>,
    live: OnceCell<BaseSecretStore>,
}

/// The stores of a configuration.
///
/// - A store is opened when it is first asked for; one that nobody asks for is never touched.
/// - The references in a store's settings are resolved before, through the stores they name.
/// - A store under a `prefix` or `naming` is asked by logical names.
/// - Each store has a guard ([`GuardedStore`]), which its engine and the chains that it is part of share.
/// - What a store answers is cached by its resolution parameters, unless reading it costs nothing (the
///   environment), or [`without_cache`](StoreSet::without_cache) says otherwise. A chain has a cache of its own
///   over its stores, which are not cached twice.
/// - All of them tell one [`Observer`] what happens, and with `audit_log` an audit log.
#[derive(Clone)]
pub struct StoreSet {
    configuration: Arc<Configuration>,
    context: OpenContext,
    clock: Arc<dyn Clock>,
    observer: Observer,
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
    /// be neither read nor written. Mistakes elsewhere in the file do not matter here. Fails too if there is to
    /// be an audit log and it cannot be opened.
    pub fn new(configuration: Arc<Configuration>, context: OpenContext) -> Result<Self, Box<Report>> {
        configuration.require_valid_stores()?;
        let audit = audit::open(&configuration, &*context.environment)
            .map_err(|error| Box::new(configuration.report(vec![Problem::elsewhere(error)])))?;
        let observer = audit.map_or_else(Observer::new, Observer::with_audit);
        let clock = Arc::new(SystemClock);
        Ok(StoreSet { configuration, context, clock, observer, opened: Arc::default(), is_cached: true })
    }

    /// These stores without caches, for a program that asks once and ends. A fetch of a store on this machine then
    /// takes as long as it takes: a person may be typing a passphrase.
    pub fn without_cache(self) -> Self {
        StoreSet { is_cached: false, opened: Arc::default(), ..self }
    }

    /// These stores by another clock.
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        StoreSet { clock: Arc::new(clock), opened: Arc::default(), ..self }
    }

    /// Where the stores tell what happens.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// A resolver over these stores.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(Arc::new(self.clone()))
    }

    /// Prepares the live configuration: its providers follow these stores once it is
    /// [started](Start::start).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use modelmesh_secrets::{config::Configuration, document::Format};
    /// use modelmesh_stores::{open::StoreSet, registry::{OpenContext, catalogue}};
    ///
    /// let text = "
    /// secrets: { store: modelmesh.memory-secrets.v1, secrets: { openai-key: sk-123 } }
    /// providers: { openai: { api_key: '${secrets:openai-key}', url: 'https://api.openai.com' } }
    /// ";
    /// let file = Configuration::parse("modelmesh.yaml", ".".into(), text, Format::Yaml, &catalogue())?;
    /// let resolver = StoreSet::new(Arc::new(file), OpenContext::default())?.live_configuration().start().await?;
    ///
    /// let openai = resolver.provider("openai").expect("it is configured");
    /// let generation = openai.current()?;
    /// assert_eq!(generation.setting("api_key"), Some("sk-123"));
    /// assert_eq!(generation.setting("url"), Some("https://api.openai.com"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn live_configuration(&self) -> Start {
        SecretResolver::of(Arc::clone(&self.configuration), Arc::new(self.clone()))
            .shared_clock(Arc::clone(&self.clock))
            .observer(&self.observer)
    }

    /// Opens a store by its entry: one of the configuration's, or one that
    /// [`Configuration::select`] made from a connector's ID.
    pub async fn open(&self, entry: &StoreEntry) -> Result<Arc<dyn SecretStoreConnector>> {
        if self.is_cached && entry.connector().is_none_or(|spec| spec.cached) {
            Ok(Arc::new(self.open_live(entry).await?))
        } else {
            self.guarded(entry).await
        }
    }

    /// Opens a store by its entry, with an engine around it.
    pub async fn open_live(&self, entry: &StoreEntry) -> Result<BaseSecretStore> {
        let opened = self.opened(entry);
        let open = async || {
            let is_cached = self.is_cached && entry.connector().is_none_or(|spec| spec.cached);
            let mut policy = entry.policy.clone();
            policy.cache_enabled &= is_cached;
            let store = BaseSecretStore::builder(self.guarded(entry).await?).guarded();
            let store = store.name(Arc::clone(&entry.name)).policy(policy).observer(&self.observer);
            Ok(store.shared_clock(Arc::clone(&self.clock)).build())
        };
        opened.live.get_or_try_init(open).await.cloned()
    }

    /// Opens a store by its entry, without an engine.
    async fn guarded(&self, entry: &StoreEntry) -> Result<Arc<dyn SecretStoreConnector>> {
        let opened = self.opened(entry);
        let store = opened.guarded.get_or_try_init(|| self.open_anew(entry)).await;
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
                let store = self.connector(spec, &settings, entry.policy.fetch_timeout).await?;
                let guarded = guarded(store, entry, &settings, &self.clock, &self.observer);
                // A network does not type passphrases.
                let is_limited = self.is_cached || spec.network;
                Ok(Arc::new(if is_limited { guarded } else { guarded.without_time_limit() }))
            }
            Backing::Chain(links) => {
                let mut stores = Vec::with_capacity(links.len());
                for link in links {
                    // Boxed: a chain's link is opened as the chain is.
                    let store = Box::pin(self.guarded(self.entry(link)?)).await?;
                    stores.push((Arc::clone(link), store));
                }
                Ok(Arc::new(ChainStore::new(stores)))
            }
            _ => Err(Error::new(ErrorKind::InvalidConfig, "the entry of this store is wrong")),
        }
    }

    async fn connector(
        &self,
        spec: &ConnectorSpec,
        settings: &Settings,
        request_timeout: Duration,
    ) -> Result<Arc<dyn SecretStoreConnector>> {
        match &self.context.host {
            Some(host) if spec.free_form => host.open(spec.id, settings.free_form()).await,
            _ => open_connector(spec.id, settings, &self.context, request_timeout),
        }
    }

    /// The values of the references in a store's own settings.
    async fn bootstrap(&self, entry: &StoreEntry) -> Result<HashMap<Reference, SecretValue>> {
        let references: Vec<Reference> = entry.references().cloned().collect();
        let values = self.resolver().get_many(&references).await;
        references.into_iter().zip(values).map(|(reference, value)| Ok((reference, value?))).collect()
    }

    fn entry(&self, name: &str) -> Result<&StoreEntry> {
        let unknown = || Error::new(ErrorKind::InvalidConfig, "there is no such store").with_store(name);
        self.configuration.store(name).ok_or_else(unknown)
    }
}

/// Opens one store from settings that a program gives, with an engine around it: see [`StoreEntry::given`].
///
/// - Relative paths are relative to the context's `base`, or else to the working directory of the time of this call:
///   a program that changes it later goes on with the files that it named.
/// - The store's name in errors is its connector's ID.
/// - Whatever the connector, values are cached unless `cache_enabled` is false.
///
/// ```
/// use modelmesh_secrets::{SecretName, config::Given};
/// use modelmesh_stores::{open::open_given, registry::OpenContext};
///
/// let secrets = Given::Map(vec![("openai-key".into(), Given::Text("sk-123".into()))]);
/// let given = [("secrets".into(), secrets), ("cache_ttl_ms".into(), Given::Integer(60_000))];
/// let store = open_given("modelmesh.memory-secrets.v1", given, &OpenContext::default())?;
/// assert_eq!(store.get_blocking(&SecretName::new("openai-key")?)?.expose(), "sk-123");
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
///
/// Fails with `InvalidConfig` for an unknown connector, for settings that do not fit, or as the connector itself does.
pub fn open_given(
    id: &str,
    given: impl IntoIterator<Item = (String, Given)>,
    context: &OpenContext,
) -> Result<BaseSecretStore> {
    let spec = connector(id).ok_or_else(|| no_connector(id))?.spec;
    let entry = StoreEntry::given(spec.id, spec, given)?;
    let nothing = HashMap::new();
    let base = context.base.clone().unwrap_or_else(working_folder);
    let settings = entry.settings(&Filler { variable: &|_| None, values: &nothing, base: &base })?;
    let (clock, observer): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Observer::new());
    let store = open_connector(spec.id, &settings, context, entry.policy.fetch_timeout)
        .map_err(|error| error.with_store(spec.id))?;
    let guarded = guarded(store, &entry, &settings, &clock, &observer);
    let store = BaseSecretStore::builder(Arc::new(guarded)).guarded().name(spec.id).policy(entry.policy);
    Ok(store.observer(&observer).shared_clock(clock).build())
}

/// The working directory as it is now. Where it is gone, nothing: what is relative then fails where it is used.
pub fn working_folder() -> PathBuf {
    env::current_dir().unwrap_or_default()
}

/// Opens a store of one of this build's connectors.
fn open_connector(
    id: &str,
    settings: &Settings,
    context: &OpenContext,
    request_timeout: Duration,
) -> Result<Arc<dyn SecretStoreConnector>> {
    let connector = connector(id).ok_or_else(|| no_connector(id))?;
    StoreEntry::naming(settings).check()?;
    (connector.open)(settings, &OpenContext { request_timeout, ..context.clone() })
}

/// The store of an entry, under its naming rule and behind its guard.
fn guarded(
    store: Arc<dyn SecretStoreConnector>,
    entry: &StoreEntry,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    observer: &Observer,
) -> GuardedStore {
    let store = NamedStore::wrap(store, StoreEntry::naming(settings));
    let (name, clock) = (Arc::clone(&entry.name), Arc::clone(clock));
    GuardedStore::new(store, name, &entry.policy, clock, observer.clone())
}

fn no_connector(id: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("this build has no connector '{}'", printable(id)))
}

#[async_trait]
impl StoreSource for StoreSet {
    async fn store(&self, name: &str) -> Result<Arc<dyn SecretStoreConnector>> {
        self.open(self.entry(name)?).await
    }
}

#[async_trait]
impl LiveStores for StoreSet {
    async fn live(&self, name: &str) -> Result<BaseSecretStore> {
        self.open_live(self.entry(name)?).await
    }
}
