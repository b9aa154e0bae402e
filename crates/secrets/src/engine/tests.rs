//! The engine on a clock that stands still, over a store that counts and waits.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

use tokio::sync::Semaphore;

use super::*;
use crate::{BaseSecretStore, SecretManagement, SecretResolution, async_trait, clock::ManualClock};

/// What a scripted store answers: the name and the number of the call go in.
type Answering = Box<dyn Fn(&SecretName, usize) -> Result<SecretValue> + Send>;

/// A store with one script: it counts its calls, and may be held or changed from outside.
struct Scripted {
    calls: AtomicUsize,
    /// Each call takes a permit before it answers.
    gate: Semaphore,
    answer: Mutex<Answering>,
    revision: AtomicU64,
    watch: bool,
    /// Whether it never says if it changed.
    hangs: bool,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Scripted {
    fn new(answer: impl Fn(&SecretName, usize) -> Result<SecretValue> + Send + 'static) -> Arc<Self> {
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
    fn counting() -> Arc<Self> {
        Scripted::new(|_, call| Ok(call.to_string().into()))
    }

    fn held(self: Arc<Self>) -> Arc<Self> {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
        self
    }

    fn calls(&self) -> usize {
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

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// Without what is left to chance, and without retries: their pauses end only when the clock is advanced.
fn no_jitter() -> ResolutionPolicy {
    let retry = crate::Retry { tries: 1, ..ResolutionPolicy::default().retry };
    ResolutionPolicy { ttl_jitter: 0.0, retry, ..ResolutionPolicy::default() }
}

fn store_over(scripted: &Arc<Scripted>, policy: ResolutionPolicy) -> (BaseSecretStore, ManualClock) {
    let clock = ManualClock::new();
    let connector = Arc::clone(scripted) as Arc<dyn SecretStoreConnector>;
    (BaseSecretStore::builder(connector).policy(policy).clock(clock.clone()).build(), clock)
}

fn get(store: &BaseSecretStore, text: &str) -> String {
    store.get_blocking(&name(text)).unwrap().expose().to_owned()
}

fn cached(store: &BaseSecretStore, text: &str) -> Option<String> {
    store.with_value(text, |value| value.expose().to_owned())
}

/// Waits for what another thread is about to do.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if condition() {
            return;
        }
        thread::yield_now();
        thread::park_timeout(Duration::from_micros(50));
    }
    panic!("{what} did not happen");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn a_value_is_served_from_memory_until_its_ttl_ends() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, no_jitter());
    assert_eq!(cached(&store, "k"), None);
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(299));
    assert_eq!((get(&store, "k"), cached(&store, "k")), ("1".into(), Some("1".into())));
    clock.advance(seconds(1));
    assert_eq!(cached(&store, "k"), None, "the timer ends it, not the next reader");
    assert_eq!(get(&store, "k"), "2");
    assert_eq!(scripted.calls(), 2);
}

#[test]
fn jitter_only_ever_shortens() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, ResolutionPolicy { ttl_jitter: 0.5, ..no_jitter() });
    for at in 0..200 {
        get(&store, &format!("k{at}"));
    }
    clock.advance(seconds(149));
    assert_eq!(store.cached_entries(), 200, "none ends before its share");
    clock.advance(seconds(75));
    let half_way = store.cached_entries();
    assert!((20..180).contains(&half_way), "{half_way} of 200 left: their ends are spread");
    clock.advance(seconds(76));
    assert_eq!(store.cached_entries(), 0, "none outlives the TTL");
}

#[test]
fn a_values_own_expiry_ends_it_sooner() {
    let clock = ManualClock::new();
    let end = clock.wall() + seconds(20);
    let scripted = Scripted::new(move |_, call| Ok(SecretValue::new(call.to_string()).with_expires_at(end)));
    let connector = Arc::clone(&scripted) as Arc<dyn SecretStoreConnector>;
    let store = BaseSecretStore::builder(connector).policy(no_jitter()).clock(clock.clone()).build();
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(19));
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(1));
    assert_eq!(cached(&store, "k"), None);
    assert_eq!(get(&store, "k"), "2", "what has ended already is handed out");
    assert_eq!(cached(&store, "k"), None, "and not kept");
}

#[test]
fn a_missing_name_is_remembered_for_its_own_time() {
    let scripted =
        Scripted::new(
            |name, call| if call == 1 { Err(Error::not_found(name.as_str())) } else { Ok("v".into()) },
        );
    let (store, clock) = store_over(&scripted, no_jitter());
    for _ in 0..3 {
        assert_eq!(store.get_blocking(&name("k")).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(scripted.calls(), 1);
    clock.advance(seconds(10));
    assert_eq!(get(&store, "k"), "v");
}

#[test]
fn find_tells_a_missing_name_from_an_outage() {
    let scripted = Scripted::new(|name, _| match name.as_str() {
        "missing" => Err(Error::not_found("missing")),
        _ => Err(Error::new(ErrorKind::Unavailable, "down")),
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    assert!(runtime.block_on(store.find(&name("missing"))).unwrap().is_none());
    assert_eq!(runtime.block_on(store.find(&name("other"))).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_failure_is_not_remembered() {
    let scripted = Scripted::new(|_, call| {
        if call == 1 { Err(Error::new(ErrorKind::Unavailable, "down")) } else { Ok("v".into()) }
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    let error = store.get_blocking(&name("k")).unwrap_err();
    assert_eq!(error.to_string(), "store 'test.scripted.v1': secret 'k': down");
    assert_eq!(get(&store, "k"), "v");
}

#[test]
fn ten_thousand_callers_make_one_call() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
        })
        .collect();
    eventually("the call", || scripted.calls() == 1);
    scripted.gate.add_permits(1);
    for caller in callers {
        assert_eq!(runtime.block_on(caller).unwrap(), "1");
    }
    assert_eq!(scripted.calls(), 1);
}

#[test]
fn a_caller_that_gives_up_cancels_nothing() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let leader = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.map(|_| ()) })
    };
    eventually("the call", || scripted.calls() == 1);
    leader.abort();
    let _ = runtime.block_on(leader);
    let follower = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
    };
    scripted.gate.add_permits(1);
    assert_eq!(runtime.block_on(follower).unwrap(), "1");
    assert_eq!(scripted.calls(), 1, "the first call went on for those who came later");
}

#[test]
fn many_names_are_one_question_and_keep_their_order() {
    let scripted = Scripted::new(|name, _| match name.as_str() {
        "missing" => Err(Error::not_found("missing")),
        name => Ok(format!("<{name}>").into()),
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    get(&store, "b");
    let names = ["a", "missing", "b", "a"].map(name);
    let answers = runtime().block_on(store.get_many(&names));
    let shown: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().map(SecretValue::expose).map_err(Error::kind)).collect();
    assert_eq!(shown, [Ok("<a>"), Err(ErrorKind::NotFound), Ok("<b>"), Ok("<a>")]);
    assert_eq!(scripted.calls(), 3, "b was here, and a was asked once");
}

#[test]
fn versions_are_entries_of_their_own() {
    let scripted = Scripted::counting();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let version = |version: &str| {
        runtime.block_on(store.get_version(&name("k"), &version.into())).unwrap().expose().to_owned()
    };
    assert_eq!(
        (get(&store, "k"), version("1"), version("2"), version("1")),
        ("1".into(), "k@1".into(), "k@2".into(), "k@1".into())
    );
    assert_eq!(scripted.calls(), 3);
    store.invalidate(&name("k"));
    assert_eq!(store.cached_entries(), 0, "a name is forgotten in all its versions");
}

#[test]
fn a_write_is_seen_by_the_next_read_even_if_a_fetch_was_under_way() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let early = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
    };
    eventually("the call", || scripted.calls() == 1);
    runtime.block_on(store.set(&name("k"), &"new".into())).unwrap();
    scripted.gate.add_permits(2);
    assert_eq!(runtime.block_on(early).unwrap(), "1", "who asked before the write gets what was there");
    assert_eq!(get(&store, "k"), "2", "who asks after it does not");
    assert_eq!(cached(&store, "k"), Some("2".into()));
}

#[test]
fn a_store_that_asks_itself_is_an_error_and_no_deadlock() {
    struct Recursive(std::sync::OnceLock<BaseSecretStore>);

    #[async_trait]
    impl crate::Resolve for Arc<Recursive> {
        async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>> {
            self.0.get().unwrap().find(name).await
        }
    }

    let hook = Arc::new(Recursive(std::sync::OnceLock::new()));
    let store = BaseSecretStore::new(Arc::clone(&hook));
    hook.0.set(store.clone()).unwrap();
    assert_eq!(store.get_blocking(&name("k")).unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn a_panic_in_a_store_reaches_those_who_wait_as_an_error() {
    let scripted = Scripted::new(|_, call| if call == 1 { panic!("canary-value") } else { Ok("v".into()) });
    // The mutex of the script is poisoned by the panic, so the second call is asked of another store.
    let (store, _clock) = store_over(&scripted, no_jitter());
    let error = store.get_blocking(&name("k")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("canary"));
    let (other, _clock) = store_over(&Scripted::counting(), no_jitter());
    assert_eq!(get(&other, "k"), "1", "the engine's thread lives on");
}

#[test]
fn a_store_that_does_not_answer_is_unavailable_after_the_timeout() {
    let scripted = Scripted::counting().held();
    let (store, clock) = store_over(&scripted, no_jitter());
    let caller = {
        let store = store.clone();
        thread::spawn(move || store.get_blocking(&name("k")).unwrap_err())
    };
    eventually("the time-out", || {
        clock.advance(seconds(1));
        caller.is_finished()
    });
    let error = caller.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("5s"), "{error}");
}

#[test]
fn the_cache_is_bounded_and_lets_go_what_would_end_first() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, ResolutionPolicy { max_entries: 3, ..no_jitter() });
    for key in ["a", "b", "c", "d"] {
        get(&store, key);
        clock.advance(seconds(1));
    }
    assert_eq!(store.cached_entries(), 3);
    assert_eq!(cached(&store, "a"), None);
    assert!(cached(&store, "d").is_some());
}

#[test]
fn without_a_cache_every_read_asks() {
    let scripted = Scripted::counting();
    for policy in [
        ResolutionPolicy { cache_enabled: false, ..no_jitter() },
        ResolutionPolicy { cache_ttl: Duration::ZERO, ..no_jitter() },
    ] {
        let (store, _clock) = store_over(&scripted, policy);
        let before = scripted.calls();
        get(&store, "k");
        get(&store, "k");
        assert_eq!(scripted.calls() - before, 2);
        assert_eq!(store.cached_entries(), 0);
    }
}

#[test]
fn a_change_from_outside_is_fetched_and_what_is_not_read_is_dropped() {
    let mut scripted = Arc::into_inner(Scripted::counting()).unwrap();
    scripted.watch = true;
    let scripted = Arc::new(scripted);
    let (store, clock) = store_over(&scripted, no_jitter());
    assert_eq!((get(&store, "read"), get(&store, "unread")), ("1".into(), "2".into()));
    clock.advance(seconds(1));
    assert_eq!(get(&store, "read"), "1", "nothing changed");
    scripted.revision.store(2, Ordering::SeqCst);
    eventually("the fetch", || {
        clock.advance(seconds(1));
        cached(&store, "read").as_deref() == Some("3")
    });
    assert_eq!(cached(&store, "unread"), None);
    assert_eq!(scripted.calls(), 3);
}

#[test]
fn a_value_that_ends_is_dropped_and_not_only_hidden() {
    let scripted = Scripted::counting();
    let clock = ManualClock::new();
    let observer = Observer::new();
    let engine = Engine::new(scripted, "test".into(), no_jitter(), Arc::new(clock.clone()), observer);
    engine.get_blocking(&name("k"), None).unwrap();
    let answer = engine.view.read("k", Answer::clone).unwrap();
    let Answer::Value(value) = answer else { panic!("a value") };
    let weak = value.downgrade();
    drop(value);
    eventually("the flight's end", || weak.strong_count() == 2);
    clock.advance(seconds(300));
    assert_eq!(weak.strong_count(), 1, "kept for the case that the store cannot answer");
    clock.advance(seconds(2 * 3600 - 300));
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn an_engine_that_nobody_holds_goes_away() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, no_jitter());
    get(&store, "k");
    drop(store);
    clock.advance(seconds(1));
    eventually("the end", || Arc::strong_count(&scripted) == 1);
}

#[test]
fn a_store_that_never_says_whether_it_changed_is_asked_for_values_all_the_same() {
    let mut scripted = Arc::into_inner(Scripted::counting()).unwrap();
    (scripted.watch, scripted.hangs) = (true, true);
    let (store, clock) = store_over(&Arc::new(scripted), no_jitter());
    let caller = thread::spawn(move || get(&store, "k"));
    eventually("the answer", || {
        clock.advance(seconds(1));
        caller.is_finished()
    });
    assert_eq!(caller.join().unwrap(), "1");
}

#[test]
fn durations_near_the_end_of_time_are_no_overflow() {
    for (ttl_jitter, refresh_ahead) in [(0.0, 0.8), (1.0, 0.8), (0.5, 1.0), (0.0, 0.0), (f64::NAN, f64::NAN)]
    {
        let scripted = Scripted::counting();
        let forever = Duration::MAX;
        let policy = ResolutionPolicy {
            cache_ttl: forever,
            max_stale: forever,
            negative_ttl: forever,
            min_refresh_interval: forever,
            previous_retain: forever,
            ttl_jitter,
            refresh_ahead,
            ..no_jitter()
        };
        let (store, clock) = store_over(&scripted, policy);
        assert_eq!(get(&store, "k"), "1");
        clock.advance(seconds(1));
        assert_eq!(runtime().block_on(store.refresh(&name("k"))).unwrap().expose(), "2");
        let failure = runtime().block_on(store.report_auth_failure(&name("k"), &2.into()));
        assert!(failure.value().is_some(), "{failure:?}");
    }
}

#[test]
fn a_refused_value_whose_store_cannot_answer_is_asked_for_once_an_interval() {
    for kind in [ErrorKind::Locked, ErrorKind::StoreAuth, ErrorKind::Unavailable, ErrorKind::Denied] {
        let scripted =
            Scripted::new(
                move |_, call| {
                    if call == 1 { Ok("v".into()) } else { Err(Error::new(kind, "as told")) }
                },
            );
        let (store, clock) = store_over(&scripted, no_jitter());
        get(&store, "k");
        let report = || match runtime().block_on(store.report_auth_failure(&name("k"), &1.into())) {
            AuthFailure::Unavailable(error) => error.kind(),
            other => panic!("{other:?}"),
        };
        for _ in 0..10 {
            assert_eq!(report(), kind);
        }
        assert_eq!(scripted.calls(), 2, "{kind}");
        clock.advance(seconds(5));
        let calls = scripted.calls();
        assert_eq!(report(), kind);
        assert!(scripted.calls() > calls, "{kind}: the interval is over");
    }
}

#[test]
fn a_subscriber_that_waits_for_the_thread_it_is_on_gets_an_error() {
    let scripted = Scripted::counting();
    let (clock, observer) = (ManualClock::new(), Observer::new());
    let connector = Arc::clone(&scripted) as Arc<dyn SecretStoreConnector>;
    let store = BaseSecretStore::builder(connector).clock(clock).observer(&observer).build();
    let (asking, told) = (store.clone(), Arc::new(Mutex::new(Vec::new())));
    let telling = Arc::clone(&told);
    let _subscription = observer.subscribe(move |_| {
        let answer = asking.get_blocking(&name("other")).map(|value| value.expose().to_owned());
        telling.lock().unwrap().push(answer.map_err(|error| error.kind()));
    });
    let caller = thread::spawn(move || get(&store, "k"));
    eventually("the answer", || caller.is_finished() && told.lock().unwrap().len() == 2);
    let told = told.lock().unwrap();
    assert_eq!(told[0], Err(ErrorKind::Unsupported));
    assert_eq!(told[1].as_deref(), Ok("2"), "it was asked for meanwhile");
}
