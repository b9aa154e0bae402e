//! stub
use crate::{async_trait, clock::Clock, observe::Observer, *};
use std::{fmt, sync::Arc, time::Duration};
/// stub
pub struct GuardedStore {
    inner: Arc<dyn SecretStoreConnector>,
    clock: Arc<dyn Clock>,
    limit: Duration,
}
impl fmt::Debug for GuardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardedStore")
    }
}
impl GuardedStore {
    /// stub
    pub fn new(
        inner: Arc<dyn SecretStoreConnector>,
        _name: Arc<str>,
        policy: &ResolutionPolicy,
        clock: Arc<dyn Clock>,
        _o: Observer,
    ) -> Self {
        GuardedStore { inner, clock, limit: policy.fetch_timeout }
    }
    async fn limited<T>(&self, f: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! { r = f => r, () = self.clock.sleep(self.limit) => Err(Error::new(ErrorKind::Unavailable, "the store did not answer within 5s")) }
    }
}
#[async_trait]
impl SecretResolution for GuardedStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.limited(self.inner.get(name)).await
    }
    async fn get_version(&self, name: &SecretName, v: &Version) -> Result<SecretValue> {
        self.limited(self.inner.get_version(name, v)).await
    }
    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.inner.get_many(names).await
    }
}
#[async_trait]
impl SecretStoreConnector for GuardedStore {
    fn connector_id(&self) -> &str {
        self.inner.connector_id()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn management(&self) -> Option<&dyn SecretManagement> {
        self.inner.management()
    }
    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.inner.stored(names).await
    }
    async fn exchange(&self, c: &[Change]) -> Vec<Result<()>> {
        self.inner.exchange(c).await
    }
    async fn revision(&self) -> Result<Option<u64>> {
        self.inner.revision().await
    }
}
