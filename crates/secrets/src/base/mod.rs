//! The base of every store: one hook, and the engine around it.

mod builder;
mod hook;
mod writing;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

pub use self::{builder::Builder, hook::Resolve};
use self::{hook::HookStore, writing::Writing};
use crate::{
    Capabilities, Change, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
    engine::{AuthFailure, Claim, Engine, Pin, Watch},
};

/// A store with a cache: what applications talk to.
///
/// - A value is served from memory until its TTL, or its own expiry, has passed; a 'not found' for
///   `negative_ttl`. A timer ends them, so a cached read looks at no clock.
/// - A value that is read, or [watched](BaseSecretStore::watch), is refreshed in the background before its TTL
///   ends.
/// - While the backend cannot answer, the last good value is served, for `max_stale` since the backend last
///   confirmed it and never past the value's own expiry. 'Not found', 'disabled', and 'denied' twice are
///   answers: they end it.
/// - Callers who ask for one name at the same time share one backend call. A caller that gives up cancels
///   nothing for the others.
/// - Calls of the backend are limited in time and number, retried, and held back while it keeps failing: see
///   [`GuardedStore`](crate::GuardedStore).
/// - A write through this store is seen by the next read. A change from outside is seen when the value is
///   refreshed, or within about a second where the store can tell ([`Capabilities::watch`]).
/// - Every value has a [version](SecretValue::version): a store that gives none has its values numbered.
///
/// Cloning is cheap, and clones share one cache.
#[derive(Clone)]
pub struct BaseSecretStore {
    engine: Arc<Engine>,
    name: Arc<str>,
    fail_on_missing: bool,
}

impl fmt::Debug for BaseSecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseSecretStore")
            .field("name", &self.name)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl BaseSecretStore {
    /// A store over one hook, with the default policy.
    pub fn new(hook: impl Resolve + 'static) -> Self {
        BaseSecretStore::builder(Arc::new(HookStore(hook))).build()
    }

    /// A store over one hook, to be configured.
    pub fn with_hook(hook: impl Resolve + 'static) -> Builder {
        BaseSecretStore::builder(Arc::new(HookStore(hook)))
    }

    /// A store over a connector, to be configured.
    pub fn builder(connector: Arc<dyn SecretStoreConnector>) -> Builder {
        Builder::over(connector)
    }

    /// The value of `name`, from the cache or the backend.
    ///
    /// Fails with `NotFound` if the store has no such name; see [`find`](BaseSecretStore::find).
    pub async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.named(self.engine.get(name, None).await)
    }

    /// As [`get`](BaseSecretStore::get), for code without an executor: blocks this thread while it waits.
    ///
    /// Fails with `Unsupported` where that thread is the engine's own, and the cache has no answer: in a subscriber of
    /// events, or a hook. The value is fetched meanwhile.
    pub fn get_blocking(&self, name: &SecretName) -> Result<SecretValue> {
        self.named(self.engine.get_blocking(name, None))
    }

    /// The value of `name`; `None` if the store has no such name.
    pub async fn find(&self, name: &SecretName) -> Result<Option<SecretValue>> {
        match self.get(name).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the value of `name` where it lies, if it is in the cache.
    ///
    /// This is the fast path: no await, no copy, no lock shared with a writer, no clock. `None` says only that
    /// the cache has no value; ask [`get`](BaseSecretStore::get) then. `read` should be short: a value that is
    /// replaced meanwhile is wiped only when it returns.
    ///
    /// ```
    /// # use modelmesh_secrets::{BaseSecretStore, Resolve, Result, SecretName, SecretValue, async_trait};
    /// # struct Drawer;
    /// # #[async_trait]
    /// # impl Resolve for Drawer {
    /// #     async fn resolve(&self, _: &SecretName) -> Result<Option<SecretValue>> { Ok(Some("sk-123".into())) }
    /// # }
    /// let store = BaseSecretStore::new(Drawer);
    /// assert_eq!(store.with_value("key", |value| value.expose().len()), None);
    /// store.get_blocking(&SecretName::new("key")?)?;
    /// assert_eq!(store.with_value("key", |value| value.expose().len()), Some(6));
    /// # Ok::<(), modelmesh_secrets::Error>(())
    /// ```
    #[inline]
    pub fn with_value<R>(&self, name: &str, read: impl FnOnce(&SecretValue) -> R) -> Option<R> {
        self.engine.cached(name, read)
    }

    /// A number that changes when copies of values that were read from this store's cache are to be dropped: because
    /// a value changed or ended, or because the engine wants to see once more whether they are in use.
    ///
    /// For hosts that hand out values in a form of their own, such as strings of an interpreter. Load it, with
    /// [`Acquire`](std::sync::atomic::Ordering::Acquire), *before* the value is read by
    /// [`with_value`](BaseSecretStore::with_value); the copy may be used as long as the number is the same. It wraps
    /// around: compare it for equality alone.
    pub fn epoch(&self) -> &Arc<AtomicU32> {
        self.engine.epoch()
    }

    /// The value of `name`, or the task to fetch it: for a hook that must run on the thread of its caller.
    ///
    /// - Where the cache has no answer and nobody is fetching one, the caller is to fetch it and to
    ///   [land](crate::Landing::land) the answer, for itself and for all who ask meanwhile.
    /// - None of the guard's time limits and retries apply to that fetch. Only the hook itself can bound it.
    /// - The store's own hook is called when the engine asks by itself: to refresh a value, or to activate a provider.
    ///
    /// ```
    /// # use modelmesh_secrets::{BaseSecretStore, Claim, Resolve, Result, SecretName, SecretValue, async_trait};
    /// # struct Drawer;
    /// # #[async_trait]
    /// # impl Resolve for Drawer {
    /// #     async fn resolve(&self, _: &SecretName) -> Result<Option<SecretValue>> { Ok(Some("sk-123".into())) }
    /// # }
    /// let store = BaseSecretStore::new(Drawer);
    /// let name = SecretName::new("openai-key")?;
    /// let value = match store.claim(&name)? {
    ///     Claim::Answer(answer) => answer?,
    ///     Claim::Wait(waiting) => waiting.wait_blocking()?,
    ///     Claim::Lead(landing) => landing.land(Ok("sk-from-here".into()))?,
    /// };
    /// assert_eq!(value.expose(), "sk-from-here");
    /// # Ok::<(), modelmesh_secrets::Error>(())
    /// ```
    ///
    /// Fails with `InvalidConfig` in the store's own hook, for the name that it was asked for.
    pub fn claim(&self, name: &SecretName) -> Result<Claim> {
        self.engine.claim(name, &self.name).map_err(|error| error.with_store(Arc::clone(&self.name)))
    }

    /// For who is about to have `name` [claimed](BaseSecretStore::claim) on another thread, and to wait for it on this
    /// one. Fails with `InvalidConfig` if this thread itself makes the fetch of `name`, which would then never end.
    pub fn refuse_reentry(&self, name: &SecretName) -> Result<()> {
        self.engine.refuse_reentry_here(name).map_err(|error| error.with_store(Arc::clone(&self.name)))
    }

    /// Takes over the cached values of `before`, a store of the process that this one was forked from, until the
    /// same times.
    ///
    /// `before` holds nothing afterwards, and must not be used any more, nor dropped: what it has open is the
    /// parent's. What readers of the parent were served stays in memory, and is not wiped in the child. Nothing is
    /// taken over if the parent was just changing its cache.
    pub fn inherit(&self, before: &BaseSecretStore) {
        self.engine.inherit(&before.engine);
    }

    /// As [`get_blocking`](BaseSecretStore::get_blocking), for a thread that cannot wait without end: the answer, or a
    /// place among those who wait for it. It is never [`Claim::Lead`], for the engine makes the fetch.
    pub fn begin_get(&self, name: &SecretName) -> Result<Claim> {
        self.engine.begin(name, &self.name).map_err(|error| error.with_store(Arc::clone(&self.name)))
    }

    /// The value of `name` as the backend has it now: past the cache, into the cache.
    ///
    /// Fails where the backend fails; what is cached stays then.
    pub async fn refresh(&self, name: &SecretName) -> Result<SecretValue> {
        let mut answers = self.fetch_anew(&[(name.clone(), None)]).await;
        answers.pop().unwrap_or_else(|| Err(Error::unanswered()))
    }

    /// A live handle on `name`, which yields each new version.
    ///
    /// Fails as [`get`](BaseSecretStore::get) does if there is no value to begin with.
    pub async fn watch(&self, name: &SecretName) -> Result<Watch> {
        self.watch_version(name, None).await
    }

    pub(crate) async fn watch_version(&self, name: &SecretName, selector: Option<&Version>) -> Result<Watch> {
        let pin = self.pin(name, selector);
        let value = self.named(self.engine.get(name, selector).await)?;
        Ok(self.engine.watch(pin, &value))
    }

    /// Reports that the upstream API refused the value of `name` with this version.
    ///
    /// - If another version is at hand already, it is returned without a call.
    /// - Otherwise the backend is asked once, for all who report the same; again after
    ///   `min_refresh_interval` at the earliest. Nobody waits for that interval.
    /// - If it has nothing new, the version before is served again, for as long as it is at hand
    ///   (`previous_retain`) and was not refused itself.
    ///
    /// Try again once with what is returned, and fail over if there is nothing.
    pub async fn report_auth_failure(&self, name: &SecretName, version: &Version) -> AuthFailure {
        self.report_refused(name, None, version).await
    }

    pub(crate) async fn report_refused(
        &self,
        name: &SecretName,
        selector: Option<&Version>,
        version: &Version,
    ) -> AuthFailure {
        match self.engine.report_auth_failure(name, selector, version).await {
            AuthFailure::Unavailable(error) => {
                AuthFailure::Unavailable(error.with_store(Arc::clone(&self.name)))
            }
            outcome => outcome,
        }
    }

    /// Holds a name, or one version of it: it is refreshed whether it is read or not.
    pub(crate) fn pin(&self, name: &SecretName, selector: Option<&Version>) -> Pin {
        self.engine.pin(name, selector)
    }

    /// The value held for a name, whether the cache serves it or not.
    pub(crate) fn held_value(&self, name: &SecretName, selector: Option<&Version>) -> Option<SecretValue> {
        self.engine.held_value(name, selector)
    }

    /// What the backend has now of each name, past the cache.
    pub(crate) async fn fetch_anew(
        &self,
        questions: &[(SecretName, Option<Version>)],
    ) -> Vec<Result<SecretValue>> {
        let answers = self.engine.fetch_anew(questions).await;
        answers.into_iter().map(|answer| self.named(answer)).collect()
    }

    /// The store's name in errors, events and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Forgets what is cached of `name`: the next reader asks the backend.
    pub fn invalidate(&self, name: &SecretName) {
        self.engine.forget(name);
    }

    /// Forgets everything that is cached.
    pub fn clear_cache(&self) {
        self.engine.clear();
    }

    /// The names of which the cache serves a value, in no order.
    pub fn cached_names(&self) -> Vec<String> {
        self.engine.served_names()
    }

    /// How many answers the cache serves, missing names included.
    pub fn cached_entries(&self) -> usize {
        self.engine.served()
    }

    /// Whether a missing reference fails an initialization that uses this store.
    pub fn fail_on_missing(&self) -> bool {
        self.fail_on_missing
    }

    fn named(&self, answer: Result<SecretValue>) -> Result<SecretValue> {
        answer.map_err(|error| error.with_store(Arc::clone(&self.name)))
    }

    fn writer(&self) -> Result<&dyn SecretManagement> {
        let unsupported = || Error::unsupported("be written").with_store(Arc::clone(&self.name));
        self.engine.store().management().ok_or_else(unsupported)
    }
}

#[async_trait]
impl SecretResolution for BaseSecretStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        BaseSecretStore::get(self, name).await
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        self.named(self.engine.get(name, Some(version)).await)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let answers = self.engine.get_many(names).await;
        answers.into_iter().map(|answer| self.named(answer)).collect()
    }
}

#[async_trait]
impl SecretStoreConnector for BaseSecretStore {
    fn connector_id(&self) -> &str {
        self.engine.store().connector_id()
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.store().capabilities()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.engine.store().management().map(|_| self as &dyn SecretManagement)
    }

    /// Past the cache: who asks is about to write.
    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let answers = self.engine.store().stored(names).await;
        answers
            .into_iter()
            .map(|answer| answer.map_err(|error| error.with_store(Arc::clone(&self.name))))
            .collect()
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        let mut writing = Writing::begin(&self.engine, changes.iter().map(|change| &change.name));
        let results = self.engine.store().exchange(changes).await;
        for (change, result) in changes.iter().zip(&results) {
            match (result, &change.after) {
                (Ok(()), Some(_)) => writing.written(&change.name),
                (Ok(()), None) => writing.deleted(&change.name),
                (Err(_), _) => {}
            }
        }
        results
            .into_iter()
            .map(|result| result.map_err(|error| error.with_store(Arc::clone(&self.name))))
            .collect()
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.engine.store().revision().await
    }
}
