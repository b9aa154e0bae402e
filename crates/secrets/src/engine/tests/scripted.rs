//! A store that answers by a script.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::{SecretManagement, async_trait};

/// What a scripted store answers: the name and the number of the call go in.
type Answering = Box<dyn Fn(&SecretName, usize) -> Result<SecretValue> + Send>;

/// A store with one script: it counts its calls, and may be held or changed from outside.
pub(super) struct Scripted {
    calls: AtomicUsize,
    /// Each call takes a permit before it answers.
    pub(super) gate: Semaphore,
    answer: Mutex<Answering>,
    pub(super) revision: AtomicU64,
    pub(super) watch: bool,
    /// Whether it never says if it changed.
    pub(super) hangs: bool,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Scripted {
    pub(super) fn new(
        answer: impl Fn(&SecretName, usize) -> Result<SecretValue> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Scripted {
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            answer: Mutex::new(Box::new(answer)),
            revision: AtomicU64::new(1),
            watch: false,
            hangs: false,
        })
    }

    /// Answers with the number of the call.
    pub(super) fn counting() -> Arc<Self> {
        Scripted::new(|_, call| Ok(call.to_string().into()))
    }

    pub(super) fn held(self: Arc<Self>) -> Arc<Self> {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
        self
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretResolution for Scripted {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = (self.answer.lock().unwrap())(name, call);
        self.gate.acquire().await.unwrap().forget();
        answer
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(format!("{name}@{version}").into())
    }
}

#[async_trait]
impl SecretManagement for Scripted {
    async fn set(&self, _: &SecretName, _: &SecretValue) -> Result<()> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        Ok(Vec::new())
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        Err(Error::not_found(name.as_str()))
    }
}

#[async_trait]
impl SecretStoreConnector for Scripted {
    fn connector_id(&self) -> &'static str {
        "test.scripted.v1"
    }

    fn capabilities(&self) -> crate::Capabilities {
        crate::Capabilities { watch: self.watch, ..crate::Capabilities::default() }
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(Some(self.revision.load(Ordering::SeqCst)))
    }
}
