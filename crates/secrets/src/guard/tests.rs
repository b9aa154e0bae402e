//! What only the inside shows: pauses with the dice held still, and the record of each call.

use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
};

use tokio::task::yield_now;

use super::*;
use crate::clock::ManualClock;

/// A store that gives these answers, one a call, and then hangs.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<Result<SecretValue>>>>,
    calls: AtomicUsize,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Vec<Result<SecretValue>>>) -> Arc<Self> {
        Arc::new(Scripted { answers: Mutex::new(answers.into_iter().collect()), ..Scripted::default() })
    }

    async fn next(&self) -> Vec<Result<SecretValue>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let next = self.answers.lock().unwrap().pop_front();
        match next {
            Some(answers) => answers,
            None => std::future::pending().await,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretResolution for Scripted {
    async fn get(&self, _: &SecretName) -> Result<SecretValue> {
        only(self.next().await)
    }

    async fn get_version(&self, _: &SecretName, _: &Version) -> Result<SecretValue> {
        only(self.next().await)
    }

    async fn get_many(&self, _: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.next().await
    }
}

#[async_trait]
impl SecretManagement for Scripted {
    async fn set(&self, _: &SecretName, _: &SecretValue) -> Result<()> {
        only(self.next().await).map(|_| ())
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        only(self.next().await).map(|_| Vec::new())
    }

    async fn delete(&self, _: &SecretName) -> Result<()> {
        only(self.next().await).map(|_| ())
    }
}

#[async_trait]
impl SecretStoreConnector for Scripted {
    fn connector_id(&self) -> &'static str {
        "test.scripted.v1"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { batch: 3, ..Capabilities::default() }
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn exchange(&self, _: &[Change]) -> Vec<Result<()>> {
        self.next().await.into_iter().map(|answer| answer.map(|_| ())).collect()
    }
}

type Log = Arc<Mutex<Vec<String>>>;

/// A record, as a line.
fn line(call: &CallRecord<'_>) -> String {
    let outcome = |outcome: Result<(), ErrorKind>| outcome.map_or_else(ErrorKind::as_str, |()| "ok");
    let secret = |secret: &crate::observe::CallSecret<'_>| {
        let version = secret.version.map_or("-", Version::as_str);
        format!(" {}@{version}={}", secret.name, outcome(secret.outcome))
    };
    let secrets: String = call.secrets.iter().map(secret).collect();
    format!(
        "{} {} in {:?}: {}{secrets}",
        call.store,
        call.operation.as_str(),
        call.took,
        outcome(call.outcome)
    )
}

fn guarded(
    scripted: &Arc<Scripted>,
    draw: fn() -> f64,
    policy: &ResolutionPolicy,
) -> (GuardedStore, ManualClock, Log) {
    let (clock, log) = (ManualClock::new(), Log::default());
    let inner = Arc::clone(scripted) as Arc<dyn SecretStoreConnector>;
    let mut store = GuardedStore::new(inner, "prod", policy, Arc::new(clock.clone()), Observer::new());
    let told = Arc::clone(&log);
    let record = move |call: &CallRecord<'_>| told.lock().unwrap().push(line(call));
    store.gate = Gate::new("prod".into(), scripted.connector_id(), policy, Arc::new(clock.clone()), record);
    store.gate.draw = draw;
    (store, clock, log)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn failed(kind: ErrorKind) -> Result<SecretValue> {
    Err(Error::new(kind, "no"))
}

#[allow(clippy::unnecessary_wraps, reason = "it reads like `failed`")]
fn found(version: &str) -> Result<SecretValue> {
    Ok(SecretValue::new("v").with_version(version))
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Lets everything run that can run without time passing.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// When, in milliseconds, each call of one fetch was made.
async fn calls_of_one_fetch(answers: Vec<Vec<Result<SecretValue>>>, draw: fn() -> f64) -> Vec<u64> {
    let tries = answers.len();
    let scripted = Scripted::new(answers);
    let (store, clock, _) = guarded(&scripted, draw, &ResolutionPolicy::default());
    let fetch = tokio::spawn(async move { store.get(&name("k")).await });
    let mut calls = Vec::new();
    for now in 0..5_000 {
        settle().await;
        calls.resize(scripted.calls(), now);
        if fetch.is_finished() {
            break;
        }
        clock.advance(milliseconds(1));
    }
    assert!(fetch.is_finished() && calls.len() <= tries);
    calls
}

#[tokio::test]
async fn pauses_double_and_are_drawn_from_their_whole_range() {
    let outage = || vec![vec![failed(ErrorKind::Unavailable)]; 3];
    assert_eq!(calls_of_one_fetch(outage(), || 1.0).await, [0, 100, 300]);
    assert_eq!(calls_of_one_fetch(outage(), || 0.5).await, [0, 50, 150]);
    assert_eq!(calls_of_one_fetch(outage(), || 0.0).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let throttled = Error::new(ErrorKind::Throttled, "slow down").with_retry_after(milliseconds(700));
    let answers = vec![vec![Err(throttled)], vec![found("1")]];
    assert_eq!(calls_of_one_fetch(answers, || 0.5).await, [0, 700]);
}

#[tokio::test]
async fn the_longest_retry_after_of_a_batch_is_waited_for() {
    let throttled = |wait| Err(Error::new(ErrorKind::Throttled, "no").with_retry_after(milliseconds(wait)));
    let scripted = Scripted::new([vec![throttled(50), throttled(400), found("1")]]);
    let (store, clock, _) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    let fetch = tokio::spawn(async move { store.get_many(&[name("a"), name("b"), name("c")]).await });
    settle().await;
    clock.advance(milliseconds(399));
    settle().await;
    assert_eq!(scripted.calls(), 1);
    clock.advance(milliseconds(1));
    settle().await;
    assert_eq!(scripted.calls(), 2);
    fetch.abort();
}

#[tokio::test]
async fn a_name_without_an_answer_is_malformed_and_the_others_have_theirs() {
    let scripted = Scripted::new([vec![found("1")]]);
    let (store, _, log) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    let answers = store.get_many(&[name("a"), name("b")]).await;
    assert_eq!(answers[0].as_ref().unwrap().expose(), "v");
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Malformed);
    let told = "prod get in 0ns: malformed a@1=ok b@-=malformed";
    assert_eq!(*log.lock().unwrap(), [told]);
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_dropped() {
    let scripted = Scripted::new([vec![found("1"), found("2"), found("3")]]);
    let (store, ..) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    assert_eq!(store.get_many(&[name("a"), name("b")]).await.len(), 2);
}

#[tokio::test]
async fn every_try_is_recorded() {
    let scripted = Scripted::new([vec![failed(ErrorKind::Throttled)], vec![found("7")]]);
    let (store, _, log) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    store.get(&name("k")).await.unwrap();
    let told = ["prod get in 0ns: throttled k@-=throttled", "prod get in 0ns: ok k@7=ok"];
    assert_eq!(*log.lock().unwrap(), told);
}

#[tokio::test]
async fn the_version_asked_for_is_recorded_where_none_came() {
    let scripted = Scripted::new([vec![failed(ErrorKind::NotFound)]]);
    let (store, _, log) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    store.get_version(&name("k"), &Version::from("AWSPREVIOUS")).await.unwrap_err();
    let told = "prod get in 0ns: not_found k@AWSPREVIOUS=not_found";
    assert_eq!(*log.lock().unwrap(), [told]);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_recorded_with_the_time_it_had() {
    let scripted = Scripted::new([]);
    let (store, clock, log) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    let fetch = tokio::spawn(async move { store.get(&name("k")).await });
    settle().await;
    clock.advance(Duration::from_secs(5));
    fetch.await.unwrap().unwrap_err();
    let told = "prod get in 5s: unavailable k@-=unavailable";
    assert_eq!(*log.lock().unwrap(), [told]);
}

#[tokio::test]
async fn a_refusal_of_the_breaker_is_no_call_and_not_recorded() {
    let scripted = Scripted::new([vec![failed(ErrorKind::Unavailable)]]);
    let breaker = crate::Breaker { failures: 1, open: Duration::from_secs(10) };
    let policy = ResolutionPolicy { breaker, ..ResolutionPolicy::default() };
    let (store, _, log) = guarded(&scripted, || 0.0, &policy);
    store.get(&name("k")).await.unwrap_err();
    store.get(&name("k")).await.unwrap_err();
    assert_eq!((scripted.calls(), log.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn writes_and_listings_are_recorded() {
    let scripted = Scripted::new([
        vec![found("1")],
        vec![failed(ErrorKind::Denied)],
        vec![found("1")],
        vec![found("1"), failed(ErrorKind::Conflict)],
    ]);
    let (store, _, log) = guarded(&scripted, || 0.0, &ResolutionPolicy::default());
    store.set(&name("a"), &"sk-canary".into()).await.unwrap();
    store.delete(&name("a")).await.unwrap_err();
    store.list().await.unwrap();
    let change = |text| Change { name: name(text), before: None, after: Some("sk-canary".into()) };
    store.exchange(&[change("a"), change("b")]).await;
    let told = [
        "prod set in 0ns: ok a@-=ok",
        "prod delete in 0ns: denied a@-=denied",
        "prod list in 0ns: ok",
        "prod exchange in 0ns: conflict a@-=ok b@-=conflict",
    ];
    assert_eq!(*log.lock().unwrap(), told);
}
