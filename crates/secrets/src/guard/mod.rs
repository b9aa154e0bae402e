//! The layers around a store: a time limit, retries, a limit of concurrent calls, a circuit breaker, and the
//! record of each call.
//!
//! A connector holds only what is peculiar to its backend; what protects a backend, and those who wait for it,
//! is here, once.

mod attempt;
mod backoff;
mod breaker;
mod retry;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt, slice,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use self::{
    attempt::{Call, Gate},
    retry::Patience,
};
use crate::{
    Capabilities, Change, Error, ErrorKind, ResolutionPolicy, Result, Retry, SecretManagement, SecretName,
    SecretResolution, SecretStoreConnector, SecretValue, Version, async_trait,
    clock::Clock,
    observe::{CallRecord, Observer, Operation},
};

/// Any store, behind what keeps an outage of it small.
///
/// - **Time limit.** A fetch takes at most `fetch_timeout`, its retries and its wait for other calls included.
///   Then it fails as `Unavailable`, and the backend's call is dropped.
/// - **Retries.** A read that is `Throttled` or `Unavailable` is tried again, after a random pause and not
///   before the store's `Retry-After`; if that is not within the time limit, it fails at once. A write is
///   tried again only if it was `Throttled`: of one that is `Unavailable`, nobody knows whether it happened.
/// - **Concurrency.** At most `max_in_flight` calls are under way, writes included.
/// - **Breaker.** A store that fails several times in a row is left alone for a while, and then asked by one
///   caller; the others are refused as `Unavailable` until that one is answered. Writes and listings are not
///   refused, and have no time limit: an operator may try. A store that tells that it has changed is asked anew.
/// - **Observation.** Each call of the backend is told to the [`Observer`], and is a `tracing` span.
///
/// `get_many` asks for as many names a call as the store's [`Capabilities::batch`] says, several calls at a
/// time. The time limit is that of each call, and only names that got no answer are asked for again. Where the store
/// cannot answer a batch, its names are asked for one by one, as calls of their own.
///
/// ```
/// use std::sync::Arc;
/// use modelmesh_secrets::{
///     GuardedStore, ResolutionPolicy, SecretStoreConnector, clock::SystemClock, observe::Observer,
/// };
///
/// fn guarded(store: Arc<dyn SecretStoreConnector>) -> GuardedStore {
///     GuardedStore::new(store, "prod", &ResolutionPolicy::default(), Arc::new(SystemClock), Observer::new())
/// }
/// ```
pub struct GuardedStore {
    inner: Arc<dyn SecretStoreConnector>,
    gate: Gate,
    retry: Retry,
    fetch_timeout: Duration,
    has_time_limit: bool,
    /// The revision that the store told last.
    revision: Mutex<Option<u64>>,
}

impl fmt::Debug for GuardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStore")
            .field("gate", &self.gate)
            .field("retry", &self.retry)
            .field("fetch_timeout", &self.fetch_timeout)
            .field("has_time_limit", &self.has_time_limit)
            .finish_non_exhaustive()
    }
}

/// What of a secret is read.
#[derive(Clone, Copy)]
enum Read<'r> {
    Current,
    Version(&'r Version),
    Stored,
}

impl GuardedStore {
    /// Guards `inner`. `name` is the store's name in metrics, in the audit log and in errors.
    pub fn new(
        inner: Arc<dyn SecretStoreConnector>,
        name: impl Into<Arc<str>>,
        policy: &ResolutionPolicy,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Self {
        let record = move |call: &CallRecord<'_>| observer.call_ended(call);
        GuardedStore {
            gate: Gate::new(name.into(), inner.connector_id(), policy, clock, record),
            retry: policy.retry.clone(),
            fetch_timeout: policy.fetch_timeout,
            has_time_limit: true,
            revision: Mutex::default(),
            inner,
        }
    }

    /// Lets a fetch take as long as it takes: for a program that asks once and ends, at which a person may be
    /// typing a passphrase. A `Retry-After` longer than `fetch_timeout` still fails at once.
    #[must_use]
    pub fn without_time_limit(self) -> Self {
        GuardedStore { has_time_limit: false, ..self }
    }

    /// Whether the store failed so often that it is left alone, or only probed.
    pub fn breaker_is_open(&self) -> bool {
        self.gate.breaker_is_open()
    }

    /// How many calls of the backend are under way.
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }

    /// One fetch: of one secret, or of one batch.
    async fn fetch(&self, names: &[SecretName], read: Read<'_>) -> Vec<Result<SecretValue>> {
        let version = if let Read::Version(version) = read { Some(version) } else { None };
        let names_asked = names.iter().collect();
        let call = Call { operation: Operation::Get, names: names_asked, version, minds_breaker: true };
        let patience = Patience {
            limit: self.has_time_limit.then_some(self.fetch_timeout),
            ..self.patience(ErrorKind::is_retryable)
        };
        self.gate
            .persist(&call, &patience, |open| async move { self.read(&at(names, &open), read).await })
            .await
    }

    async fn read(&self, names: &[SecretName], read: Read<'_>) -> Vec<Result<SecretValue>> {
        match (read, names) {
            (Read::Stored, _) => self.inner.stored(names).await,
            (Read::Current, [name]) => vec![self.inner.get(name).await],
            (Read::Version(version), [name]) => vec![self.inner.get_version(name, version).await],
            (Read::Current | Read::Version(_), _) => self.inner.get_many(names).await,
        }
    }

    /// Fetches any number of secrets, a batch at a time. A batch that waits for earlier ones has not begun, so
    /// its time does not run.
    async fn fetch_all(&self, names: &[SecretName], read: Read<'_>) -> Vec<Result<SecretValue>> {
        let batch = self.batch();
        if names.len() <= batch {
            return if names.is_empty() { Vec::new() } else { self.fetch_batch(names, read).await };
        }
        let starts = stream::iter((0..names.len()).step_by(batch));
        let fetches = starts.map(|start| async move {
            let end = names.len().min(start.saturating_add(batch));
            (start, self.fetch_batch(&names[start..end], read).await)
        });
        let mut answered: Vec<_> = fetches.buffer_unordered(self.gate.max_in_flight()).collect().await;
        answered.sort_unstable_by_key(|(start, _)| *start);
        answered.into_iter().flat_map(|(_, answers)| answers).collect()
    }

    /// Fetches one batch, one by one where the store says that it has to be asked so: before the call by its
    /// capabilities, which may have changed since the batch was cut, or by its answer. Each of these is a call of its
    /// own, with its own time; together they are no more at a time than the batch was.
    async fn fetch_batch(&self, names: &[SecretName], read: Read<'_>) -> Vec<Result<SecretValue>> {
        if names.len() > self.batch() {
            let mut answers = Vec::with_capacity(names.len());
            for name in names {
                answers.push(only(self.fetch(slice::from_ref(name), read).await));
            }
            return answers;
        }
        let mut answers = self.fetch(names, read).await;
        if names.len() > 1 {
            for (name, answer) in names.iter().zip(&mut answers) {
                if matches!(answer, Err(error) if error.kind() == ErrorKind::Unsupported) {
                    *answer = only(self.fetch(slice::from_ref(name), read).await);
                }
            }
        }
        answers
    }

    /// How many names one call may ask for, as far as the store knows by now.
    fn batch(&self) -> usize {
        self.inner.capabilities().batch.max(1)
    }

    /// One write.
    async fn write<F>(
        &self,
        operation: Operation,
        names: Vec<&SecretName>,
        put: impl Fn(Vec<usize>) -> F,
    ) -> Vec<Result<()>>
    where
        F: Future<Output = Vec<Result<()>>>,
    {
        let call = Call { operation, names, version: None, minds_breaker: false };
        // A store that throttles has done nothing; one that did not answer may have.
        let patience = self.patience(|kind| kind == ErrorKind::Throttled);
        self.gate.persist(&call, &patience, put).await
    }

    fn patience(&self, retries: fn(ErrorKind) -> bool) -> Patience<'_> {
        Patience { retry: &self.retry, retries, limit: None, longest_pause: self.fetch_timeout }
    }

    fn writer(&self) -> Result<&dyn SecretManagement> {
        self.inner.management().ok_or_else(|| Error::unsupported("be written"))
    }
}

/// The items at these positions; all of them as they are.
fn at<'i, T: Clone>(items: &'i [T], positions: &[usize]) -> Cow<'i, [T]> {
    if positions.len() == items.len() {
        return Cow::Borrowed(items);
    }
    positions.iter().map(|&at| items[at].clone()).collect()
}

/// The answer of a call that has one.
fn only<T>(answers: Vec<Result<T>>) -> Result<T> {
    answers.into_iter().next().unwrap_or_else(|| Err(Error::unanswered()))
}

#[async_trait]
impl SecretResolution for GuardedStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        only(self.fetch(slice::from_ref(name), Read::Current).await)
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        only(self.fetch(slice::from_ref(name), Read::Version(version)).await)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.fetch_all(names, Read::Current).await
    }
}

#[async_trait]
impl SecretManagement for GuardedStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let writer = self.writer()?;
        only(
            self.write(Operation::Set, vec![name], |_| async move { vec![writer.set(name, value).await] })
                .await,
        )
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(error) => return secrets.iter().map(|_| Err(error.clone())).collect(),
        };
        if secrets.is_empty() {
            return Vec::new();
        }
        let names = secrets.iter().map(|(name, _)| name).collect();
        self.write(Operation::Set, names, |open| async move { writer.set_many(&at(secrets, &open)).await })
            .await
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let writer = self.writer()?;
        let call =
            Call { operation: Operation::List, names: Vec::new(), version: None, minds_breaker: false };
        let patience = self.patience(ErrorKind::is_retryable);
        only(self.gate.persist(&call, &patience, |_| async move { vec![writer.list().await] }).await)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let writer = self.writer()?;
        only(
            self.write(Operation::Delete, vec![name], |_| async move { vec![writer.delete(name).await] })
                .await,
        )
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
        self.inner.management().map(|_| self as &dyn SecretManagement)
    }

    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.fetch_all(names, Read::Stored).await
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        if changes.is_empty() {
            return Vec::new();
        }
        let names = changes.iter().map(|change| &change.name).collect();
        self.write(Operation::Exchange, names, |open| async move {
            self.inner.exchange(&at(changes, &open)).await
        })
        .await
    }

    /// Told to nobody, and without a permit: it is cheap, and asked once a second. But a fetch may wait for it, so its
    /// time is limited. A store that has changed is not left alone any longer.
    async fn revision(&self) -> Result<Option<u64>> {
        let revision = tokio::select! {
            biased;
            revision = self.inner.revision() => revision?,
            () = self.gate.clock.sleep(self.fetch_timeout) => return Err(retry::timed_out(self.fetch_timeout)),
        };
        let before = {
            let mut last = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, revision)
        };
        if before.is_some() && before != revision {
            self.gate.store_changed();
        }
        Ok(revision)
    }
}
