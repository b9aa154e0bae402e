//! A store that is one hook.

use std::fmt;

use crate::{Error, Result, SecretName, SecretResolution, SecretStoreConnector, SecretValue, async_trait};

/// The hook of a custom store: look one name up.
///
/// ```
/// use modelmesh_secrets::{BaseSecretStore, Resolve, Result, SecretName, SecretValue, async_trait};
///
/// struct TeamDrawer;
///
/// #[async_trait]
/// impl Resolve for TeamDrawer {
///     async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>> {
///         Ok((name.as_str() == "openai-key").then(|| "sk-123".into()))
///     }
/// }
///
/// # tokio_test(async {
/// let store = BaseSecretStore::new(TeamDrawer);
/// let key = store.get(&SecretName::new("openai-key")?).await?;
/// assert_eq!(key.expose(), "sk-123");
/// # Ok(()) });
/// # fn tokio_test(f: impl Future<Output = Result<()>>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f).unwrap();
/// # }
/// ```
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Looks `name` up in the backend: its value, or `None` if the backend says it has no such name.
    ///
    /// - Called only when the cache has no answer, once for all who ask at the same time, on a thread of the
    ///   engine. Blocking work belongs in [`tokio::task::spawn_blocking`].
    /// - An outage is an error of kind `Unavailable`, never `None`.
    async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>>;
}

/// A hook as a connector.
pub(super) struct HookStore<H>(pub(super) H);

/// Shows nothing of the hook, which may hold whatever it likes.
impl<H> fmt::Debug for HookStore<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookStore")
    }
}

#[async_trait]
impl<H: Resolve> SecretResolution for HookStore<H> {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.0.resolve(name).await?.ok_or_else(|| Error::not_found(name.as_str()))
    }
}

impl<H: Resolve> SecretStoreConnector for HookStore<H> {
    fn connector_id(&self) -> &'static str {
        "custom"
    }
}
