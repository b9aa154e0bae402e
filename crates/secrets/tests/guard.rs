//! The guard around a store that fails as told, on a clock that stands still.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use modelmesh_secrets::{
    Breaker, Capabilities, Change, Error, ErrorKind, GuardedStore, ResolutionPolicy, Result, Retry,
    SecretManagement as _, SecretName, SecretResolution as _, SecretStoreConnector, SecretValue, async_trait,
    clock::{ManualClock, SystemClock},
    observe::Observer,
};
use modelmesh_testkit::{
    ReferenceBacking, ReferenceStore,
    conformance::{self, StoreFactory},
    faults::{Call, FaultyStore, Gate, Rule},
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

// The time limit

#[tokio::test]
async fn a_store_that_hangs_costs_the_limit_and_not_more() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(Duration::from_millis(4_999));
    settle().await;
    assert!(!caller.is_finished());
    bench.clock.advance(Duration::from_millis(1));
    let error = caller.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "store 'prod': secret 'k0': the store did not answer within 5s");
    assert_eq!(bench.faulty.calls(Call::Get), 1, "a time-out is not retried");
    assert_eq!((bench.faulty.in_flight(), bench.store.in_flight()), (0, 0), "the call is dropped");
}

#[tokio::test]
async fn the_limit_is_that_of_all_tries_and_pauses() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).times(1).fail_with(throttled(seconds(4))));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(seconds(4));
    settle().await;
    assert_eq!((bench.faulty.calls(Call::Get), caller.is_finished()), (2, false));
    bench.clock.advance(seconds(1));
    let error = caller.await.unwrap().unwrap_err();
    assert_eq!(error.message(), "the store did not answer within 5s");
}

#[tokio::test]
async fn the_limit_includes_the_wait_for_a_permit_which_is_no_failure_of_the_store() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..breaking_after(2) });
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let callers = [bench.get("k0"), bench.get("k1"), bench.get("k2")];
    settle().await;
    bench.clock.advance(seconds(5));
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().message(), "the store did not answer within 5s");
    }
    assert_eq!(bench.faulty.calls(Call::Get), 1, "who gets a permit when it is too late makes no call");
    assert!(!bench.store.breaker_is_open(), "one call hung");
}

#[tokio::test]
async fn names_that_were_answered_before_the_limit_keep_their_answers() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k1")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get_many(names(3));
    settle().await;
    bench.clock.advance(seconds(5));
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "unavailable", "k2"]);
}

#[tokio::test]
async fn without_the_limit_a_person_may_take_their_time() {
    let bench = bench(&at_once()).without_time_limit();
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(seconds(3_600));
    settle().await;
    gate.release();
    assert_eq!(caller.await.unwrap().unwrap().expose(), "k0");
}

// Retries

#[tokio::test]
async fn what_is_worth_a_retry_is_tried_as_often_as_the_policy_says() {
    for kind in [ErrorKind::Throttled, ErrorKind::Unavailable] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::on(Call::Get).times(2).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap().expose(), "k0");
        bench.faulty.rule(Rule::on(Call::Get).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap_err().kind(), kind);
        assert_eq!(bench.faulty.calls(Call::Get), 6);
    }
}

#[tokio::test]
async fn any_other_answer_is_final_and_none_of_the_breakers_business() {
    for kind in ErrorKind::ALL.into_iter().filter(|kind| !kind.is_retryable()) {
        let bench = bench(&ResolutionPolicy { retry: at_once().retry, ..breaking_after(1) });
        bench.faulty.rule(Rule::on(Call::Get).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap_err().kind(), kind);
        assert_eq!((bench.faulty.calls(Call::Get), bench.store.breaker_is_open()), (1, false), "{kind}");
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_limit_fails_at_once() {
    let limited = || bench(&at_once());
    let unlimited = || limited().without_time_limit();
    // Where there is no limit, a pause as long as the limit is still bearable.
    let longer = seconds(5) + Duration::from_millis(1);
    let hour = seconds(3_600);
    for (bench, wait) in
        [(limited(), seconds(5)), (limited(), hour), (unlimited(), longer), (unlimited(), hour)]
    {
        bench.faulty.rule(Rule::on(Call::Get).fail_with(throttled(wait)));
        let error = bench.store.get(&name("k0")).now_or_never().expect("at once").unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(wait)));
        assert_eq!(bench.faulty.calls(Call::Get), 1);
    }
}

#[tokio::test]
async fn in_a_batch_only_names_without_an_answer_are_asked_for_again() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k1")).times(1).fail(ErrorKind::Unavailable));
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k3")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k4")).fail(ErrorKind::Denied));
    let answers = bench.store.get_many(&names(5)).await;
    assert_eq!(shown(&answers), ["k0", "k1", "k2", "k3", "denied"]);
    let asked: Vec<usize> = names(5).iter().map(|name| bench.faulty.calls_for(name)).collect();
    assert_eq!(asked, [1, 2, 1, 2, 1]);
}

// Batches

#[tokio::test]
async fn names_are_asked_for_in_batches_of_the_stores_size() {
    for (batch, many, single) in [(1, 0, 250), (100, 3, 0), (249, 1, 1), (250, 1, 0), (usize::MAX, 1, 0)] {
        let bench = bench_of(batch, &at_once());
        let answers = bench.store.get_many(&names(250)).await;
        assert_eq!(shown(&answers), names(250).iter().map(SecretName::to_string).collect::<Vec<_>>());
        let calls = (bench.faulty.calls(Call::GetMany), bench.faulty.calls(Call::Get));
        assert_eq!(calls, (many, single), "batches of {batch}");
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_answered_is_asked_one_by_one_within_the_limit_of_calls() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).fail(ErrorKind::Unsupported));
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k7")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k8")).fail(ErrorKind::Denied));
    let answers = bench.store.get_many(&names(200)).await;
    let expected = names(200).iter().map(SecretName::to_string).collect::<Vec<_>>();
    let expected: Vec<_> = expected.iter().map(|name| if name == "k8" { "denied" } else { name }).collect();
    assert_eq!(shown(&answers), expected);
    let calls = (bench.faulty.calls(Call::GetMany), bench.faulty.calls(Call::Get));
    assert_eq!(calls, (20, 201));
    assert!(bench.faulty.high_water() <= 8);
}

#[tokio::test]
async fn each_name_that_is_asked_one_by_one_has_its_own_time() {
    let bench = bench_of(3, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).fail(ErrorKind::Unsupported));
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    for gate in &gates {
        bench.faulty.rule(Rule::on(Call::Get).times(1).hold(gate));
    }
    let caller = bench.get_many(names(3));
    for gate in &gates {
        settle().await;
        bench.clock.advance(seconds(4));
        gate.release();
    }
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "k1", "k2"]);
}

/// A store that finds at its first batch that it may not be asked so.
#[derive(Debug, Default)]
struct Narrowing {
    is_narrow: AtomicBool,
    asked: Mutex<Vec<usize>>,
}

#[async_trait]
impl modelmesh_secrets::SecretResolution for Narrowing {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.asked.lock().unwrap().push(1);
        Ok(name.as_str().into())
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.asked.lock().unwrap().push(names.len());
        self.is_narrow.store(true, Ordering::SeqCst);
        names.iter().map(|_| Err(Error::unsupported("be asked for several secrets in one call"))).collect()
    }
}

impl SecretStoreConnector for Narrowing {
    fn connector_id(&self) -> &'static str {
        "test.narrowing.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batch = if self.is_narrow.load(Ordering::SeqCst) { 1 } else { 10 };
        capabilities
    }
}

#[tokio::test]
async fn batches_that_have_not_begun_follow_what_the_store_has_found() {
    let inner = Arc::new(Narrowing::default());
    let policy = ResolutionPolicy { max_in_flight: 1, ..at_once() };
    let store = Arc::clone(&inner) as Arc<dyn SecretStoreConnector>;
    let store = GuardedStore::new(store, "prod", &policy, Arc::new(ManualClock::new()), Observer::new());
    let answers = store.get_many(&names(25)).await;
    assert_eq!(shown(&answers), names(25).iter().map(SecretName::to_string).collect::<Vec<_>>());
    let asked = inner.asked.lock().unwrap().clone();
    assert_eq!(asked, [&[10][..], &[1; 25]].concat());
}

#[tokio::test]
async fn nothing_is_asked_for_no_names() {
    let bench = bench_of(10, &at_once());
    let (read, set) = (bench.store.get_many(&[]).await, bench.store.set_many(&[]).await);
    assert_eq!((read.len(), set.len(), bench.store.exchange(&[]).await.len()), (0, 0, 0));
    assert_eq!(bench.faulty.total(), 0);
}

#[tokio::test]
async fn a_thousand_names_never_exceed_the_limit_of_calls() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).times(100).hold(&gate));
    let caller = bench.get_many(names(1_000));
    settle().await;
    assert_eq!((bench.store.in_flight(), bench.faulty.in_flight()), (8, 8));
    gate.release();
    assert_eq!(caller.await.unwrap().iter().filter(|answer| answer.is_ok()).count(), 1_000);
    assert_eq!((bench.faulty.high_water(), bench.store.in_flight()), (8, 0));
}

#[tokio::test]
async fn many_callers_do_not_exceed_the_limit_of_calls_and_writers_count() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::any().hold(&gate));
    let callers: Vec<_> = names(50).iter().map(|name| bench.get(name.as_str())).collect();
    let store = Arc::clone(&bench.store);
    let writers = tokio::spawn(async move {
        let secrets: Vec<_> = names(50).into_iter().map(|name| (name, SecretValue::from("new"))).collect();
        join_all(secrets.iter().map(|(name, value)| store.set(name, value))).await
    });
    settle().await;
    gate.release();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert!(writers.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(bench.faulty.high_water(), 8);
}

#[tokio::test]
async fn waiting_for_earlier_batches_of_the_same_call_is_not_in_the_limit() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 2, ..at_once() });
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    for gate in &gates {
        bench.faulty.rule(Rule::on(Call::Get).times(2).hold(gate));
    }
    let caller = bench.get_many(names(6));
    for gate in &gates {
        settle().await;
        bench.clock.advance(seconds(4));
        gate.release();
    }
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "k1", "k2", "k3", "k4", "k5"]);
}

#[tokio::test]
async fn what_a_store_itself_holds_is_asked_for_like_any_read() {
    let bench = bench_of(2, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).times(1).fail(ErrorKind::Unavailable));
    let stored = bench.store.stored(&names(3)).await;
    assert_eq!(shown(&stored), ["k0", "k1", "k2"]);
    assert_eq!(bench.faulty.calls(Call::GetMany), 3);
}

// Permits

#[tokio::test]
async fn a_pause_holds_no_permit() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..at_once() });
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k0")).times(1).fail_with(throttled(seconds(2))));
    let pausing = bench.get("k0");
    settle().await;
    assert_eq!(bench.store.get(&name("k1")).await.unwrap().expose(), "k1");
    bench.clock.advance(seconds(2));
    assert_eq!(pausing.await.unwrap().unwrap().expose(), "k0");
}

#[tokio::test]
async fn callers_that_go_away_take_no_permit_with_them() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).times(8).hold(&Gate::new()));
    let callers: Vec<_> = names(100).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    assert_eq!(bench.store.in_flight(), 8);
    for caller in &callers {
        caller.abort();
    }
    for caller in callers {
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    assert_eq!(bench.store.in_flight(), 0);
}

#[tokio::test]
async fn a_panic_stays_one_and_leaves_permits_and_breaker_right() {
    let bench = bench(&breaking_after(2));
    bench.faulty.rule(Rule::on(Call::Get).times(1).panic());
    let panicked = AssertUnwindSafe(bench.store.get(&name("k0"))).catch_unwind().await;
    assert!(panicked.is_err());
    assert_eq!((bench.store.in_flight(), bench.store.breaker_is_open()), (0, false));
    bench.fail(1).await;
    assert!(bench.store.breaker_is_open(), "a panic counts as a failure");
}

#[tokio::test]
async fn a_probe_that_panics_has_failed() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.clock.advance(seconds(12));
    bench.faulty.rule(Rule::on(Call::Get).times(1).panic());
    assert!(AssertUnwindSafe(bench.store.get(&name("k0"))).catch_unwind().await.is_err());
    bench.clock.advance(seconds(12));
    assert!(bench.store.get(&name("k0")).await.is_ok(), "the next probe is let through");
}

// The breaker

#[tokio::test]
async fn a_store_that_fails_in_a_row_is_left_alone() {
    let bench = bench(&breaking_after(5));
    bench.fail(4).await;
    assert!(!bench.store.breaker_is_open());
    bench.fail(1).await;
    assert!(bench.store.breaker_is_open());
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "store 'prod': secret 'k0': the store failed 5 times in a row and is left alone for a while"
    );
    let wait = error.retry_after().unwrap();
    assert!((seconds(10)..=seconds(12)).contains(&wait), "{wait:?}");
    assert_eq!(bench.faulty.calls(Call::Get), 5);
}

#[tokio::test]
async fn one_of_many_callers_probes_and_its_success_closes_the_breaker() {
    let bench = bench(&breaking_after(5));
    bench.fail(5).await;
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate));
    bench.clock.advance(seconds(12));
    let callers: Vec<_> = names(100).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    assert_eq!(bench.faulty.calls(Call::Get), 6, "one probe");
    gate.release();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(!bench.store.breaker_is_open());
    assert!(bench.store.get(&name("k7")).await.is_ok());
}

#[tokio::test]
async fn a_probe_that_fails_opens_the_breaker_again() {
    let bench = bench(&breaking_after(5));
    bench.fail(5).await;
    bench.clock.advance(seconds(12));
    bench.fail(1).await;
    bench.clock.advance(seconds(9));
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert_eq!(error.message(), "the store failed 6 times in a row and is left alone for a while");
    assert_eq!(bench.faulty.calls(Call::Get), 6);
}

#[tokio::test]
async fn a_probe_that_is_dropped_has_failed() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.clock.advance(seconds(12));
    bench.faulty.rule(Rule::on(Call::Get).times(1).hold(&Gate::new()));
    let probe = bench.get("k0");
    settle().await;
    probe.abort();
    assert!(probe.await.is_err());
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert!(error.retry_after().is_some(), "it is open, and not waiting for the probe for ever");
    bench.clock.advance(seconds(12));
    assert!(bench.store.get(&name("k0")).await.is_ok());
}

#[tokio::test]
async fn time_outs_are_failures() {
    let bench = bench(&breaking_after(5));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let callers: Vec<_> = names(5).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    bench.clock.advance(seconds(5));
    for caller in callers {
        caller.await.unwrap().unwrap_err();
    }
    assert!(bench.store.breaker_is_open());
}

#[tokio::test]
async fn who_waited_for_a_permit_sees_the_breaker_that_opened_meanwhile() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..breaking_after(1) });
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate).fail(ErrorKind::Unavailable));
    let callers = [bench.get("k0"), bench.get("k1")];
    settle().await;
    gate.release();
    for caller in callers {
        assert!(caller.await.unwrap().is_err());
    }
    assert_eq!(bench.faulty.calls(Call::Get), 1);
}

#[tokio::test]
async fn a_call_whose_own_failure_opens_the_breaker_does_not_pause_for_nothing() {
    let bench = bench(&ResolutionPolicy { retry: ResolutionPolicy::default().retry, ..breaking_after(1) });
    bench.faulty.rule(Rule::on(Call::Get).fail(ErrorKind::Unavailable));
    let error = bench.store.get(&name("k0")).now_or_never().expect("at once").unwrap_err();
    assert_eq!(error.message(), "a fault that the test asked for", "the store's own error says more");
}

#[tokio::test]
async fn a_refusal_is_not_waited_out() {
    let breaker = Breaker { failures: 1, open: seconds(1) };
    let bench = bench(&ResolutionPolicy { breaker, ..at_once() });
    bench.fail(1).await;
    let refused = bench.store.get(&name("k0")).now_or_never();
    assert!(refused.expect("at once, though the next probe is within the limit").is_err());
}

#[tokio::test]
async fn a_batch_has_failed_only_if_every_name_has() {
    let bench = bench_of(10, &breaking_after(1));
    for failing in ["k0", "k1"] {
        bench.faulty.rule(Rule::on(Call::GetMany).named(&name(failing)).fail(ErrorKind::Unavailable));
    }
    assert_eq!(shown(&bench.store.get_many(&names(3)).await), ["unavailable", "unavailable", "k2"]);
    assert!(!bench.store.breaker_is_open());
    bench.store.get_many(&names(2)).await;
    assert!(bench.store.breaker_is_open());
}

#[tokio::test]
async fn a_batch_that_is_refused_names_each_secret() {
    let bench = bench_of(10, &breaking_after(1));
    bench.fail(1).await;
    let answers = bench.store.get_many(&names(2)).await;
    let named: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap_err().name().unwrap()).collect();
    assert_eq!(named, ["k0", "k1"]);
}

// Writes

#[tokio::test]
async fn a_write_is_tried_again_only_if_the_store_refused_it() {
    let (k0, value) = (name("k0"), SecretValue::from("new"));
    for (kind, calls) in [(ErrorKind::Throttled, 3), (ErrorKind::Unavailable, 1), (ErrorKind::Conflict, 1)] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::any().fail(kind));
        assert_eq!(bench.store.set(&k0, &value).await.unwrap_err().kind(), kind);
        assert_eq!(bench.store.delete(&k0).await.unwrap_err().kind(), kind);
        let set_many = bench.store.set_many(&[(k0.clone(), value.clone())]).await;
        assert_eq!(set_many[0].as_ref().unwrap_err().kind(), kind);
        for call in [Call::Set, Call::Delete, Call::SetMany] {
            assert_eq!(bench.faulty.calls(call), calls, "{call:?} that is {kind}");
        }
    }
}

#[tokio::test]
async fn of_several_writes_only_those_the_store_refused_are_tried_again() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::SetMany).named(&name("k1")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::SetMany).named(&name("k2")).fail(ErrorKind::Unavailable));
    let secrets: Vec<_> = names(3).into_iter().map(|name| (name, SecretValue::from("new"))).collect();
    let written = bench.store.set_many(&secrets).await;
    assert_eq!(written.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    let asked: Vec<usize> = names(3).iter().map(|name| bench.faulty.calls_for(name)).collect();
    assert_eq!(asked, [1, 2, 1]);
}

#[tokio::test]
async fn an_exchange_that_may_have_happened_is_not_repeated() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Set).fail_afterwards(ErrorKind::Unavailable));
    let change = Change { name: name("k0"), before: Some("k0".into()), after: Some("new".into()) };
    assert_eq!(bench.store.exchange(&[change]).await[0].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.faulty.calls(Call::Set), 1);
    assert_eq!(bench.store.get(&name("k0")).await.unwrap().expose(), "new");
}

#[tokio::test]
async fn a_listing_is_a_read() {
    for kind in [ErrorKind::Throttled, ErrorKind::Unavailable] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::on(Call::List).times(2).fail(kind));
        assert_eq!(bench.store.list().await.unwrap().len(), 1_000);
    }
}

#[tokio::test]
async fn an_operator_may_write_to_a_store_that_is_left_alone() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.store.set(&name("k0"), &"new".into()).await.unwrap();
    bench.store.list().await.unwrap();
    bench.store.delete(&name("k0")).await.unwrap();
    assert!(bench.store.breaker_is_open(), "that a write succeeds is not asked of the breaker");
}

#[tokio::test]
async fn failed_writes_are_none_of_the_breakers_business() {
    let bench = bench(&breaking_after(1));
    bench.faulty.rule(Rule::on(Call::Set).fail(ErrorKind::Unavailable));
    bench.store.set(&name("k0"), &"new".into()).await.unwrap_err();
    assert!(!bench.store.breaker_is_open());
}

#[tokio::test]
async fn a_write_has_no_time_limit() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Set).hold(&gate));
    let store = Arc::clone(&bench.store);
    let writer = tokio::spawn(async move { store.set(&name("k0"), &"new".into()).await });
    settle().await;
    bench.clock.advance(seconds(3_600));
    settle().await;
    gate.release();
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_written_stays_so() {
    let inner: Arc<dyn SecretStoreConnector> = Arc::new(ReferenceStore::default().read_only());
    let clock = Arc::new(ManualClock::new());
    let store = GuardedStore::new(inner, "prod", &at_once(), clock, Observer::new());
    assert!(store.management().is_none());
    assert_eq!(store.set(&name("k0"), &"v".into()).await.unwrap_err().kind(), ErrorKind::Unsupported);
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
