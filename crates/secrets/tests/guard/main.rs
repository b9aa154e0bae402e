//! The guard around a store that fails as told, on a clock that stands still.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod breaker;
mod permits;
mod retries;
mod time_limit;
mod writes;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use modelmesh_secrets::{
    Breaker, Capabilities, Error, ErrorKind, GuardedStore, ResolutionPolicy, Result, Retry, SecretName,
    SecretResolution as _, SecretStoreConnector, SecretValue, async_trait,
    clock::{ManualClock, SystemClock},
    observe::Observer,
};
use modelmesh_testkit::{
    ReferenceBacking, ReferenceStore,
    conformance::{self, StoreFactory},
    faults::{Call, FaultyStore, Rule},
};
use tokio::task::{JoinHandle, yield_now};

/// A guarded store, the faulty one in it, and their time.
struct Bench {
    store: Arc<GuardedStore>,
    faulty: Arc<FaultyStore>,
    clock: ManualClock,
}

/// Without pauses, so that a retry needs no passing of time.
fn at_once() -> ResolutionPolicy {
    let retry = Retry { tries: 3, base: Duration::ZERO, max: Duration::ZERO };
    ResolutionPolicy { retry, ..ResolutionPolicy::default() }
}

fn breaking_after(failures: u32) -> ResolutionPolicy {
    let retry = Retry { tries: 1, ..Retry::clone(&at_once().retry) };
    ResolutionPolicy { breaker: Breaker { failures, open: seconds(10) }, retry, ..at_once() }
}

fn bench(policy: &ResolutionPolicy) -> Bench {
    bench_of(1, policy)
}

/// Over a store with batches of this size that holds `k0`, `k1`, … with their own names as values.
fn bench_of(batch: usize, policy: &ResolutionPolicy) -> Bench {
    let backing = ReferenceBacking::new();
    for name in names(1_000) {
        backing.put(&name, &name.as_str().into());
    }
    let mut capabilities = Capabilities::default();
    capabilities.batch = batch;
    capabilities.watch = true;
    let faulty = FaultyStore::new(Arc::new(ReferenceStore::new(backing).with_capabilities(capabilities)));
    let clock = ManualClock::new();
    let inner = Arc::clone(&faulty) as Arc<dyn SecretStoreConnector>;
    let store = GuardedStore::new(inner, "prod", policy, Arc::new(clock.clone()), Observer::new());
    Bench { store: Arc::new(store), faulty, clock }
}

impl Bench {
    fn without_time_limit(self) -> Self {
        let store = Arc::new(Arc::into_inner(self.store).unwrap().without_time_limit());
        Bench { store, ..self }
    }

    fn get(&self, text: &str) -> JoinHandle<Result<SecretValue>> {
        let (store, name) = (Arc::clone(&self.store), name(text));
        tokio::spawn(async move { store.get(&name).await })
    }

    fn get_many(&self, names: Vec<SecretName>) -> JoinHandle<Vec<Result<SecretValue>>> {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move { store.get_many(&names).await })
    }

    /// Lets the store fail this often, with a caller for each.
    async fn fail(&self, times: usize) {
        self.faulty.rule(Rule::on(Call::Get).times(times).fail(ErrorKind::Unavailable));
        for _ in 0..times {
            self.store.get(&name("k0")).await.unwrap_err();
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn names(count: usize) -> Vec<SecretName> {
    (0..count).map(|i| name(&format!("k{i}"))).collect()
}

fn throttled(retry_after: Duration) -> Error {
    Error::new(ErrorKind::Throttled, "slow down").with_retry_after(retry_after)
}

/// What came for each name: the value, or the kind of the error.
fn shown(answers: &[Result<SecretValue>]) -> Vec<String> {
    let shown = |answer: &Result<SecretValue>| match answer {
        Ok(value) => value.expose().to_owned(),
        Err(error) => error.kind().to_string(),
    };
    answers.iter().map(shown).collect()
}

/// Lets everything run that can run without time passing.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

// The contract

#[derive(Default)]
struct Guarded(Mutex<ReferenceBacking>);

impl Guarded {
    fn open(&self) -> Arc<dyn SecretStoreConnector> {
        let inner = Arc::new(ReferenceStore::new(self.0.lock().unwrap().clone()));
        // The suite lets a store fail as often as it needs: what it asks about is the store's own answers.
        let breaker = Breaker { failures: u32::MAX, open: seconds(10) };
        let policy = ResolutionPolicy { breaker, ..at_once() };
        Arc::new(GuardedStore::new(inner, "guarded", &policy, Arc::new(SystemClock), Observer::new()))
    }
}

#[async_trait]
impl StoreFactory for Guarded {
    fn label(&self) -> &'static str {
        "guard"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        *self.0.lock().unwrap() = ReferenceBacking::new();
        self.open()
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(self.open())
    }

    async fn staged(&self, kind: ErrorKind) -> Option<conformance::Staged> {
        let store = self.empty().await;
        let name = name("refused-key");
        self.0.lock().unwrap().trouble(name.clone(), kind);
        Some(conformance::Staged { store, name, whole_store: false })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_store_conforms() {
    conformance::run(&Guarded::default()).await.assert_green();
}
