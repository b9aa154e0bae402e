//! A store of our own: somewhere else, written by somebody else, and silent about it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use modelmesh_secrets::{
    BaseSecretStore, Capabilities, Error, ErrorKind, Result, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
    config::Configuration,
    live::{LiveStores, SecretResolver, Start},
    observe::Observer,
    setting::ConnectorSpec,
};
use modelmesh_stores::memory::MemoryStore;

/// How many secrets one call returns.
const BATCH: usize = 20;

/// What a configuration calls the [`Vault`].
pub const SPEC: ConnectorSpec =
    ConnectorSpec::new("example.vault.v1", "a store behind a network").with_batch(BATCH);

/// Reads secrets, and counts the calls. It cannot tell when they change: only asking shows that.
#[derive(Clone, Debug)]
pub struct Vault {
    secrets: MemoryStore,
    reads: Arc<AtomicUsize>,
}

impl Vault {
    /// A vault over `secrets`, whose other clones write it as another process would.
    pub fn over(secrets: MemoryStore) -> Self {
        Vault { secrets, reads: Arc::default() }
    }

    /// How many calls it answered.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Prepares the live configuration over this store.
    pub fn live_configuration(&self, configuration: Configuration) -> Start {
        let observer = Observer::new();
        let store = BaseSecretStore::builder(Arc::new(self.clone()))
            .name("default")
            .policy(configuration.policy().clone())
            .observer(&observer)
            .build();
        SecretResolver::of(Arc::new(configuration), Arc::new(OneStore(store))).observer(&observer)
    }

    fn count(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl SecretResolution for Vault {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.count();
        self.secrets.get(name).await
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.count();
        self.secrets.get_many(names).await
    }
}

#[async_trait]
impl SecretStoreConnector for Vault {
    fn connector_id(&self) -> &str {
        SPEC.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batch = BATCH;
        capabilities
    }
}

/// The stores of a configuration that has one.
struct OneStore(BaseSecretStore);

#[async_trait]
impl LiveStores for OneStore {
    async fn live(&self, name: &str) -> Result<BaseSecretStore> {
        if name == self.0.name() {
            return Ok(self.0.clone());
        }
        Err(Error::new(ErrorKind::InvalidConfig, "there is no such store"))
    }
}
