//! Outages, seen by a reader that comes every second: what each kind of error means for a value that is served.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::*;
use crate::{SecretResolution, async_trait, clock::ManualClock, observe::Subscription};

const HOUR: u64 = 3_600;

/// A store that gives one value, or fails as it is told.
#[derive(Debug)]
struct Failing {
    calls: AtomicUsize,
    fails: Mutex<Option<Error>>,
    number: AtomicUsize,
    gate: Semaphore,
    given: Mutex<Vec<std::sync::Weak<SecretString>>>,
}

impl Failing {
    fn new() -> Arc<Self> {
        Arc::new(Failing {
            calls: AtomicUsize::new(0),
            fails: Mutex::new(None),
            number: AtomicUsize::new(1),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            given: Mutex::new(Vec::new()),
        })
    }

    fn fail(&self, error: Option<Error>) {
        *self.fails.lock().unwrap() = error;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn rotate(&self) {
        self.number.fetch_add(1, Ordering::SeqCst);
    }

    /// How many of the values that it gave are alive somewhere.
    fn alive(&self) -> usize {
        self.given.lock().unwrap().iter().filter(|value| value.strong_count() > 0).count()
    }
}

#[async_trait]
impl SecretResolution for Failing {
    async fn get(&self, _: &SecretName) -> Result<SecretValue> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let number = self.number.load(Ordering::SeqCst);
        let answer = match self.fails.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(SecretValue::new(format!("v{number}")).with_version(number as u64)),
        };
        if let Ok(value) = &answer {
            self.given.lock().unwrap().push(value.downgrade());
        }
        answer
    }
}

#[async_trait]
impl SecretStoreConnector for Failing {
    fn connector_id(&self) -> &'static str {
        "test.failing.v1"
    }
}

/// A store, its clock, and what was told of it.
struct Scene {
    backend: Arc<Failing>,
    engine: Arc<Engine>,
    clock: ManualClock,
    told: Arc<Mutex<Vec<&'static str>>>,
    _subscription: Subscription,
}

impl Scene {
    fn new(policy: ResolutionPolicy) -> Self {
        let (backend, clock, observer) = (Failing::new(), ManualClock::new(), Observer::new());
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let subscription =
            observer.subscribe(move |event| listener.lock().unwrap().push(event.kind.as_str()));
        // Without a guard, whose retries and breaker have tests of their own: one refresh is one call.
        let store = Arc::clone(&backend) as Arc<dyn SecretStoreConnector>;
        let engine = Engine::new(store, "test".into(), policy, Arc::new(clock.clone()), observer);
        Scene { backend, engine, clock, told, _subscription: subscription }
    }

    fn read(&self) -> Result<String, ErrorKind> {
        let answer = self.engine.get_blocking(&SecretName::new("k").unwrap(), None);
        let answer = answer.map(|value| value.expose().to_owned()).map_err(|error| error.kind());
        self.wait();
        answer
    }

    fn served(&self) -> Option<String> {
        self.engine.cached("k", |value| value.expose().to_owned())
    }

    fn told(&self, what: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|kind| **kind == what).count()
    }

    /// One second passes, and every call that it causes is answered and taken in.
    fn second(&self) {
        self.clock.advance(Duration::from_secs(1));
        self.wait();
    }

    fn seconds(&self, seconds: u64) {
        for _ in 0..seconds {
            self.second();
        }
    }

    /// Waits until no flight is under way: each holds the engine until it has landed and its events are told.
    fn wait(&self) {
        for look in 0..1_000_000 {
            if Arc::strong_count(&self.engine) == 1 {
                return;
            }
            // It is a matter of microseconds, unless the other thread has no turn.
            if look < 1_000 {
                std::thread::yield_now();
            } else {
                std::thread::park_timeout(Duration::from_micros(50));
            }
        }
        panic!("a call has no end");
    }

    /// A reader comes every second: how many seconds it is served, until it gets its first error, or all of them.
    fn read_for(&self, seconds: u64) -> (u64, Option<ErrorKind>) {
        for second in 0..seconds {
            self.second();
            if let Err(kind) = self.read() {
                return (second, Some(kind));
            }
        }
        (seconds, None)
    }
}

fn policy() -> ResolutionPolicy {
    ResolutionPolicy { ttl_jitter: 0.0, ..ResolutionPolicy::default() }
}

fn ten_minutes() -> ResolutionPolicy {
    ResolutionPolicy { max_stale: Duration::from_mins(10), ..policy() }
}

/// A value is read for 100 seconds; then its store fails with `kind`.
fn outage(kind: ErrorKind, policy: ResolutionPolicy) -> Scene {
    let scene = Scene::new(policy);
    assert_eq!(scene.read().as_deref(), Ok("v1"));
    assert_eq!(scene.read_for(100), (100, None));
    scene.backend.fail(Some(Error::new(kind, "as told")));
    scene
}

fn is_authoritative(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Disabled)
}

#[test]
fn what_is_no_answer_is_survived_for_an_hour_by_default() {
    for kind in ErrorKind::ALL.into_iter().filter(|kind| !is_authoritative(*kind)) {
        let scene = outage(kind, policy());
        assert_eq!(scene.read_for(HOUR), (HOUR, None), "{kind}");
        let told =
            ["resolved", "served_stale", "expired", "revoked", "recovered"].map(|what| scene.told(what));
        assert_eq!(told, [1, 1, 0, 0, 0], "{kind}");
        let calls = scene.backend.calls() - 1;
        assert_eq!(scene.told("refresh_failed"), calls, "{kind}");
        // From the refresh at 240 s to 3700 s: every 15 to 30 seconds, after a quicker beginning.
        assert!((115..=240).contains(&calls), "{kind}: {calls} calls");
    }
}

#[test]
fn what_is_no_answer_never_extends_max_stale() {
    for kind in ErrorKind::ALL.into_iter().filter(|kind| !is_authoritative(*kind)) {
        let scene = outage(kind, ten_minutes());
        // The store confirmed it at 0 s: at 599 s it is served for the last time, 499 s after the outage began.
        assert_eq!(scene.read_for(HOUR), (499, Some(kind)), "{kind}");
        assert_eq!((scene.told("served_stale"), scene.told("expired")), (1, 1), "{kind}");
        assert_eq!(scene.backend.alive(), 0, "{kind}: it is wiped");
    }
}

#[test]
fn an_answer_ends_a_value_at_the_next_refresh() {
    for kind in [ErrorKind::NotFound, ErrorKind::Disabled] {
        let scene = outage(kind, policy());
        // The refresh is due at 240 s.
        assert_eq!(scene.read_for(HOUR), (139, Some(kind)), "{kind}");
        assert_eq!(
            (scene.told("revoked"), scene.told("served_stale"), scene.told("expired")),
            (1, 0, 0),
            "{kind}"
        );
        assert_eq!(scene.backend.alive(), 0, "{kind}: it is wiped");
        // What was said is remembered for ten seconds, however often it is read.
        let calls = scene.backend.calls();
        for _ in 0..9 {
            scene.second();
            assert_eq!(scene.read(), Err(kind));
        }
        assert_eq!(scene.backend.calls(), calls, "{kind}");
        scene.second();
        assert_eq!(scene.read(), Err(kind));
        assert_eq!(scene.backend.calls(), calls + 1, "{kind}");
    }
}

#[test]
fn denied_ends_a_value_when_it_is_said_twice() {
    let scene = outage(ErrorKind::Denied, policy());
    assert_eq!(scene.read_for(HOUR), (144, Some(ErrorKind::Denied)), "at 240 s, and again at 245 s");
    assert_eq!((scene.told("refresh_failed"), scene.told("revoked")), (1, 1));
    assert_eq!(scene.backend.alive(), 0);
}

#[test]
fn denied_once_means_nothing() {
    let scene = outage(ErrorKind::Denied, policy());
    assert_eq!(scene.read_for(141), (141, None));
    scene.backend.fail(None);
    assert_eq!(scene.read_for(HOUR), (HOUR, None));
    assert_eq!((scene.told("recovered"), scene.told("revoked")), (1, 0));
}

#[test]
fn a_store_that_comes_back_is_noticed_without_a_reader() {
    let scene = outage(ErrorKind::Unavailable, policy());
    assert_eq!(scene.read_for(HOUR / 2), (HOUR / 2, None));
    scene.backend.rotate();
    scene.backend.fail(None);
    scene.seconds(31);
    assert_eq!(scene.served().as_deref(), Some("v2"), "nobody has read since, nobody waits");
    assert_eq!((scene.told("recovered"), scene.told("rotated")), (1, 1));
}

#[test]
fn a_store_that_asks_for_time_gets_it() {
    let scene = outage(ErrorKind::Throttled, policy());
    let error = Error::new(ErrorKind::Throttled, "later").with_retry_after(Duration::from_secs(400));
    scene.backend.fail(Some(error));
    assert_eq!(scene.read_for(HOUR), (HOUR, None));
    let calls = scene.backend.calls() - 1;
    assert_eq!(calls, 9, "at 240 s, and every 400 s after it until 3700 s");
}

#[test]
fn ten_thousand_readers_of_a_value_that_has_ended_make_one_call() {
    let scene = Scene::new(policy());
    assert_eq!(scene.read().as_deref(), Ok("v1"));
    scene.wait();
    scene.clock.advance(Duration::from_secs(3 * HOUR));
    assert_eq!(scene.served(), None);
    scene.backend.gate.forget_permits(Semaphore::MAX_PERMITS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let readers: Vec<_> = (0..10_000)
        .map(|_| {
            let engine = Arc::clone(&scene.engine);
            runtime.spawn(async move { engine.get(&SecretName::new("k").unwrap(), None).await.map(|_| ()) })
        })
        .collect();
    while scene.backend.calls() < 2 {
        std::thread::yield_now();
    }
    // Every other one gives up, the first included.
    for reader in readers.iter().step_by(2) {
        reader.abort();
    }
    scene.backend.gate.add_permits(1);
    for reader in readers.into_iter().skip(1).step_by(2) {
        runtime.block_on(reader).unwrap().unwrap();
    }
    assert_eq!(scene.backend.calls(), 2);
}

#[test]
fn readers_are_served_while_a_refresh_is_under_way() {
    let scene = Scene::new(policy());
    assert_eq!(scene.read().as_deref(), Ok("v1"));
    assert_eq!(scene.read_for(239), (239, None));
    scene.backend.gate.forget_permits(Semaphore::MAX_PERMITS);
    scene.backend.rotate();
    scene.clock.advance(Duration::from_secs(1));
    while scene.backend.calls() < 2 {
        std::thread::yield_now();
    }
    for _ in 0..59 {
        assert_eq!(scene.served().as_deref(), Some("v1"), "a refresh is no reason to wait");
        scene.clock.advance(Duration::from_secs(1));
    }
    scene.backend.gate.add_permits(1);
    scene.wait();
    assert_eq!(scene.served().as_deref(), Some("v2"));
}

#[test]
fn the_version_before_is_wiped_when_its_time_is_over() {
    let scene = Scene::new(policy());
    assert_eq!(scene.read().as_deref(), Ok("v1"));
    assert_eq!(scene.read_for(100), (100, None));
    scene.backend.rotate();
    assert_eq!(scene.read_for(140), (140, None));
    assert_eq!((scene.served().as_deref(), scene.backend.alive()), (Some("v2"), 2), "v1 is kept, in case");
    assert_eq!(scene.read_for(299), (299, None));
    let before = scene.backend.given.lock().unwrap()[0].strong_count();
    scene.second();
    let after = scene.backend.given.lock().unwrap()[0].strong_count();
    assert_eq!((before, after), (1, 0));
}
