//! What each fault means for each backend: the kind of error, how often it is tried, how long that takes, and what a
//! cache serves meanwhile. [`TABLE`] is the contract.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use modelmesh_secrets::{
    BaseSecretStore, Error, ErrorKind,
    ErrorKind::{Denied, Malformed, NotFound, StoreAuth, Throttled, Unavailable},
    SecretName, SecretResolution, SecretValue, StoreSource as _,
    clock::ManualClock,
    live::LiveStores as _,
    observe::EventKind,
};

use modelmesh_testkit::servers::proxy::{Fault, Request};
use serde::{Deserialize, Serialize};

use crate::{
    backend::{Backend, Refusal},
    child::{Errand, Orders, Other, Task, say},
    stage::{
        Cause::{self, Bare, Body, Drip, OutageFor, Oversized, Own, Redirect, Refused, Reset, RetryAfter},
        Cause::{Silence, Truncated, Unauthenticated, UnknownAuthority},
        OVERSIZED, Stage,
    },
};

/// How often a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tries {
    Once,
    /// As often as `retry.tries` says.
    All,
}

/// What a cache makes of a value that it holds, when the TTL is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It is served on, up to `max_stale`.
    Stale,
    /// It is gone.
    Ended,
    /// It is served on until the refusal is repeated after `min_refresh_interval`.
    EndedWhenConfirmed,
}

/// One fault, and what follows from it.
#[derive(Clone, Copy, Debug)]
struct Row {
    cause: Cause,
    /// The kind of error of a read, and of a write.
    kind: ErrorKind,
    /// How often a read is tried.
    tries: Tries,
    held: Held,
}

const fn row(cause: Cause, kind: ErrorKind, tries: Tries, held: Held) -> Row {
    Row { cause, kind, tries, held }
}

/// DESIGN section 6, and STORES.md on each backend.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    //  what happens                         the error is  a read is    a value that is held is
    row(Refused,                             Unavailable,  Tries::All,  Held::Stale),
    row(UnknownAuthority,                    Unavailable,  Tries::All,  Held::Stale),
    row(Reset,                               Unavailable,  Tries::All,  Held::Stale),
    row(Truncated,                           Unavailable,  Tries::All,  Held::Stale),
    // Nothing is left of `fetch_timeout` for another try.
    row(Silence,                             Unavailable,  Tries::Once, Held::Stale),
    row(Drip,                                Unavailable,  Tries::Once, Held::Stale),
    // Whatever is not in the backend's own shape says nothing of a secret.
    row(Redirect,                            Unavailable,  Tries::All,  Held::Stale),
    row(Bare(403),                           Unavailable,  Tries::All,  Held::Stale),
    row(Bare(404),                           Unavailable,  Tries::All,  Held::Stale),
    row(Bare(500),                           Unavailable,  Tries::All,  Held::Stale),
    row(Bare(502),                           Unavailable,  Tries::All,  Held::Stale),
    row(Bare(503),                           Unavailable,  Tries::All,  Held::Stale),
    row(Own(Refusal::Throttled),             Throttled,    Tries::All,  Held::Stale),
    row(Own(Refusal::ThrottledWith400),      Throttled,    Tries::All,  Held::Stale),
    row(Own(Refusal::ThrottledWith403),      Throttled,    Tries::All,  Held::Stale),
    row(RetryAfter(1),                       Throttled,    Tries::All,  Held::Stale),
    // Longer than `fetch_timeout`: it fails at once.
    row(RetryAfter(3600),                    Throttled,    Tries::Once, Held::Stale),
    row(Own(Refusal::Outage),                Unavailable,  Tries::All,  Held::Stale),
    row(OutageFor(1),                        Unavailable,  Tries::All,  Held::Stale),
    row(OutageFor(3600),                     Unavailable,  Tries::Once, Held::Stale),
    row(Unauthenticated,                     StoreAuth,    Tries::Once, Held::Stale),
    row(Body("{\"value\": \"cut"),           Malformed,    Tries::Once, Held::Stale),
    row(Body("<html>Please log in</html>"),  Malformed,    Tries::Once, Held::Stale),
    row(Body(""),                            Malformed,    Tries::Once, Held::Stale),
    row(Oversized { is_announced: true },    Malformed,    Tries::Once, Held::Stale),
    row(Oversized { is_announced: false },   Malformed,    Tries::Once, Held::Stale),
    row(Own(Refusal::Denied),                Denied,       Tries::Once, Held::EndedWhenConfirmed),
    row(Own(Refusal::NotFound),              NotFound,     Tries::Once, Held::Ended),
];

/// `retry.tries` of the stores here.
const TRIES: usize = 3;

/// What a busy machine may add to the time of a call.
const GRACE: Duration = Duration::from_secs(4);

const TTL: Duration = Duration::from_mins(1);
const MAX_STALE: Duration = Duration::from_mins(10);

/// How long something may take that happens in the background.
const SOON: Duration = Duration::from_secs(30);

pub(crate) fn trials(backend: &Arc<dyn Backend>) -> Vec<Trial> {
    let label = backend.label();
    let rows = TABLE.iter().flat_map(|&row| {
        let (one, other) = (Arc::clone(backend), Arc::clone(backend));
        let id = row.cause.id();
        [
            crate::trial(format!("faults::{label}::{id}::calls"), move || calls(one, row)),
            crate::trial(format!("faults::{label}::{id}::cache"), move || cache(other, row)),
        ]
    });
    let (one, two, other) = (Arc::clone(backend), Arc::clone(backend), Arc::clone(backend));
    let logins = crate::trial(format!("faults::{label}::logins"), move || logins(one));
    let confirmations = crate::trial(format!("faults::{label}::confirmations"), move || confirmations(two));
    // Other systems do not tell how much memory a process has had.
    let memory = cfg!(target_os = "linux")
        .then(|| crate::trial(format!("faults::{label}::memory"), move || memory(other)));
    rows.chain([logins, confirmations]).chain(memory).collect()
}

/// What really happens for this backend: one that has no such refusal may see its status from others alone.
fn of_backend(stage: &Stage, row: Row) -> (Row, Fault) {
    if let Some(fault) = stage.fault(row.cause) {
        return (row, fault);
    }
    let status = match row.cause {
        Own(Refusal::ThrottledWith400) => 400,
        Unauthenticated => 401,
        Own(Refusal::ThrottledWith403) => 403,
        Own(Refusal::Throttled) => 429,
        cause => panic!("{} never answers so: {cause:?}", stage.backend.label()),
    };
    let other = self::row(Bare(status), Unavailable, Tries::All, Held::Stale);
    (other, stage.fault(other.cause).unwrap())
}

/// Whether an error is of the kind that the table says.
fn assert_kind(row: Row, error: &Error) {
    // Anybody on the way may throttle, and a client of any store may take that for what it says.
    let is_bare_throttle = row.cause == Bare(429) && error.kind() == Throttled;
    assert!(error.kind() == row.kind || is_bare_throttle, "{:?} is to be {}: {error:?}", row.cause, row.kind);
}

/// The time limit of a fetch: short where it will be used up, and else long enough for all tries.
fn fetch_timeout(cause: Cause) -> Duration {
    if cause.takes_forever() { Duration::from_secs(1) } else { Duration::from_secs(10) }
}

fn settings(cause: Cause, tries: usize) -> String {
    let limit = fetch_timeout(cause).as_secs();
    format!(
        "fetch_timeout: {limit}s, retry: {{ tries: {tries}, base: 1ms, max: 1ms }}, \
         breaker: {{ failures: 1000000 }}"
    )
}

/// A read and a write, without a cache: the kind of error, the number of tries, and the time spent.
async fn calls(backend: Arc<dyn Backend>, row: Row) {
    let stage = Stage::new(&backend).await;
    let (row, fault) = of_backend(&stage, row);
    let store = stage.warm_store(&settings(row.cause, TRIES)).await;
    let tries = if row.tries == Tries::All { TRIES } else { 1 };

    stage.proxy.inject(fault);
    let begun = Instant::now();
    let error = store.get(&stage.name).await.map(drop).unwrap_err();
    let took = begun.elapsed();
    assert_kind(row, &error);
    assert_helpful(&error, &stage);
    assert_tried(&stage, row.cause, "get", tries);
    assert!(took < fetch_timeout(row.cause) + GRACE, "{took:?}");
    if let RetryAfter(seconds) | OutageFor(seconds) = row.cause {
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        assert!(took >= Duration::from_secs(seconds) * (u32::try_from(tries).unwrap() - 1), "{took:?}");
    }
    if let Oversized { .. } = row.cause {
        let read = stage.proxy.take_oversized_bytes();
        assert!(read < OVERSIZED / 2, "{read} bytes were taken: the limit is 8 MiB, and what sockets buffer");
    }

    // Of a write that got no answer, nobody knows whether it happened: it is not made again. For an answer that is
    // none see `confirmations`; what a write makes of 'not found' is its own affair.
    if matches!(row.kind, Throttled | Unavailable | Denied) {
        let written = store.management().unwrap().set(&stage.name, &stage.value.value()).await;
        let error = written.unwrap_err();
        assert_kind(row, &error);
        let tries = if error.kind() == Throttled { tries } else { 1 };
        assert_tried(&stage, row.cause, "set", tries);
    }
    assert!(stage.bystander.visits().is_empty(), "nobody follows a redirect to another host");

    stage.proxy.forward();
    recovers(&*store, &stage).await;
}

/// The fault is over. The time limit of a fetch may be too short for a machine that is busy: then it is read again.
async fn recovers<S: SecretResolution + ?Sized>(store: &S, stage: &Stage) {
    let deadline = Instant::now() + SOON;
    loop {
        match store.get(&stage.name).await {
            Ok(value) => break assert!(value.expose() == stage.value.text(), "a fault changed the value"),
            Err(error) => assert!(Instant::now() < deadline, "it is over: {error:?}"),
        }
    }
}

/// As many calls of the backend as are allowed, and not one request more: nothing below tries again.
fn assert_tried(stage: &Stage, cause: Cause, operation: &str, tries: usize) {
    assert_eq!(stage.take_calls(operation).len(), tries, "calls, by the audit log");
    let requests = stage.take_requests();
    assert_eq!(requests.len(), tries * stage.requests_a_try(cause, operation), "{requests:?}");
    let connections = stage.proxy.take_connections();
    if cause == UnknownAuthority {
        assert_eq!(connections, tries, "connections");
    }
}

/// An error says on which store and name it happened and what to do, and nothing of what a stranger wrote.
fn assert_helpful(error: &Error, stage: &Stage) {
    let shown = format!("{error} {error:?}");
    assert_eq!(error.name(), Some(stage.name.as_str()), "{shown}");
    assert!(error.kind() == NotFound || error.help().is_some(), "no help: {shown}");
    for strange in ["Injected", "<h1>", "Please log in", "cut", "elsewhere"] {
        assert!(!shown.contains(strange), "{shown}");
    }
}

/// A cache that holds a value, when its TTL is over and the fault is there.
async fn cache(backend: Arc<dyn Backend>, row: Row) {
    let stage = Stage::new(&backend).await;
    let (row, fault) = of_backend(&stage, row);
    let cached = Cached::new(&stage, row.cause).await;

    stage.proxy.inject(fault);
    cached.clock.advance(TTL);
    match row.held {
        Held::Stale => {
            cached.serves(&stage).await;
            cached.tells_of_staleness(row);
            let rest = MAX_STALE.saturating_sub(TTL + Duration::from_secs(1));
            cached.clock.advance(rest);
            cached.serves(&stage).await;
            cached.clock.advance(Duration::from_secs(1));
            assert_kind(row, &cached.fails(&stage).await);
        }
        Held::Ended => {
            assert_kind(row, &cached.fails(&stage).await);
            cached.tells_of_the_end(row);
        }
        Held::EndedWhenConfirmed => {
            cached.serves(&stage).await;
            cached.tells_of_staleness(row);
            cached.clock.advance(Cached::MIN_REFRESH_INTERVAL.saturating_sub(Duration::from_secs(1)));
            cached.serves(&stage).await;
            cached.clock.advance(Duration::from_secs(1));
            cached.tells_of_the_end(row);
            assert_kind(row, &cached.fails(&stage).await);
        }
    }

    stage.proxy.forward();
    // A refusal is remembered for a moment.
    cached.clock.advance(Cached::NEGATIVE_TTL);
    recovers(&cached.store, &stage).await;
}

/// A cached store by a clock of its own, and what it tells.
struct Cached {
    store: BaseSecretStore,
    clock: ManualClock,
    events: mpsc::Receiver<EventKind>,
    _subscription: modelmesh_secrets::observe::Subscription,
}

impl Cached {
    const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
    const NEGATIVE_TTL: Duration = Duration::from_secs(10);

    /// A store that holds the value of the stage.
    async fn new(stage: &Stage, cause: Cause) -> Self {
        let clock = ManualClock::new();
        let more = format!(
            "{}, cache_ttl: {}s, max_stale: {}s, min_refresh_interval: {}s, negative_ttl: {}s, ttl_jitter: 0, \
             refresh_ahead: 1",
            // The pauses between tries are of a clock that stands still.
            settings(cause, 1),
            TTL.as_secs(),
            MAX_STALE.as_secs(),
            Self::MIN_REFRESH_INTERVAL.as_secs(),
            Self::NEGATIVE_TTL.as_secs(),
        );
        let stores = stage.stores(&more).with_clock(clock.clone());
        let (tell, events) = mpsc::channel();
        // Nobody may listen any more.
        let subscription = stores.observer().subscribe(move |event| drop(tell.send(event.kind.clone())));
        let store = stores.live("s").await.unwrap_or_else(|error| panic!("{error:?}"));
        let cached = Cached { store, clock, events, _subscription: subscription };
        let deadline = Instant::now() + SOON;
        while let Err(error) = cached.store.get(&stage.name).await {
            assert!(Instant::now() < deadline, "{error:?}");
        }
        assert!(matches!(cached.next_event(), EventKind::Resolved { .. }));
        stage.forget();
        cached
    }

    async fn serves(&self, stage: &Stage) {
        let value = self.store.get(&stage.name).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert!(value.expose() == stage.value.text(), "another value");
    }

    async fn fails(&self, stage: &Stage) -> Error {
        self.store.get(&stage.name).await.map(drop).unwrap_err()
    }

    fn tells_of_staleness(&self, row: Row) {
        match self.next_event() {
            EventKind::RefreshFailed { error } => assert_kind(row, &error),
            other => panic!("{other:?}"),
        }
        match self.next_event() {
            EventKind::ServedStale { reason, at_most } => {
                assert!(reason == row.kind || row.cause == Bare(429), "{reason}");
                assert_eq!(at_most, MAX_STALE.saturating_sub(TTL));
            }
            other => panic!("{other:?}"),
        }
    }

    /// The end, after as many failures as come before it.
    fn tells_of_the_end(&self, row: Row) {
        match self.next_event() {
            EventKind::Revoked { reason } => assert_eq!(reason, row.kind),
            other => panic!("{other:?}"),
        }
    }

    fn next_event(&self) -> EventKind {
        self.events.recv_timeout(SOON).expect("an event")
    }
}

/// Where a store logs in through the same server, what goes wrong there is an outage, and never a missing secret; and
/// it is tried no more often than a read.
async fn logins(backend: Arc<dyn Backend>) {
    let stage = Stage::new(&backend).await;
    stage.proxy.take_requests();
    stage.store("").await.get(&stage.name).await.unwrap_or_else(|error| panic!("{error:?}"));
    let logs_in = stage.proxy.take_requests().iter().any(|request| request.is_login);
    for cause in [
        Bare(500),
        Bare(503),
        Reset,
        Truncated,
        Silence,
        Redirect,
        Body("<html>Please log in</html>"),
        Oversized { is_announced: false },
    ] {
        stage.forget();
        let store = stage.store(&settings(cause, TRIES)).await;
        stage.proxy.inject_into_logins(stage.fault(cause).unwrap());
        let begun = Instant::now();
        let answer = store.get(&stage.name).await;
        let took = begun.elapsed();
        let requests = stage.proxy.take_requests();
        let logins = requests.iter().filter(|request| request.is_login).count();
        assert_eq!(logins > 0, logs_in, "{cause:?}: {requests:?}");
        assert!(took < fetch_timeout(cause) + GRACE, "{cause:?}: {took:?}");
        if logs_in {
            let error = answer.map(drop).unwrap_err();
            let kinds = if matches!(cause, Body(_) | Oversized { .. }) {
                [Unavailable, Malformed].as_slice()
            } else {
                &[Unavailable]
            };
            assert!(kinds.contains(&error.kind()), "{cause:?}: {error:?}");
            assert_helpful(&error, &stage);
            assert!(logins <= TRIES, "{cause:?}: {requests:?}");
            assert_eq!(requests.len(), logins, "no data without a login: {requests:?}");
            assert!(stage.proxy.take_oversized_bytes() < OVERSIZED / 2, "{cause:?}");
        } else if let Err(error) = answer {
            // Nobody logs in, so nothing is wrong but that the time limit may be too short.
            assert!(cause.takes_forever() && error.kind() == Unavailable, "nobody logs in: {error:?}");
            recovers(&*store, &stage).await;
        }
        assert!(stage.bystander.visits().is_empty(), "nobody follows a redirect to another host");
        stage.proxy.forward();
    }
}

/// A success of somebody in between confirms no write. It is not made again, for it may have been made.
async fn confirmations(backend: Arc<dyn Backend>) {
    let stage = Stage::new(&backend).await;
    // Google has nothing more to say of a removal than '{}'.
    let bodies = [("", &[false, true][..]), ("{}", &[false]), ("<html>Blocked</html>", &[false, true])];
    for (body, calls) in bodies {
        let store = stage.warm_store(&settings(Body(body), TRIES)).await;
        let management = store.management().unwrap();
        for &is_removal in calls {
            let judge = Arc::clone(&backend);
            let strikes = move |request: &Request| !request.is_login && judge.is_write(request);
            stage.proxy.inject_where(stage.fault(Body(body)).unwrap(), strikes.clone());
            let done = if is_removal {
                management.delete(&stage.name).await
            } else {
                management.set(&stage.name, &SecretValue::new("another value")).await
            };
            let error = done.unwrap_err();
            assert_eq!(error.kind(), Malformed, "{body:?}: {error:?}");
            assert_helpful(&error, &stage);
            let writes = stage.take_requests().iter().filter(|&request| strikes(request)).count();
            assert_eq!(writes, 1, "{body:?}");
            stage.proxy.forward();
            let held = store.get(&stage.name).await.unwrap();
            assert!(held.expose() == stage.value.text(), "the backend was not asked");
        }
    }
}

/// What another process reads whose memory is measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    name: String,
}

/// The other process: it reads once before and once after each line that it is sent, and says how much memory it has
/// had at the most.
pub(crate) async fn measure_memory(errand: &Errand, Measured { name }: &Measured, orders: Orders) {
    let store = errand.stores().without_cache().store("s").await.unwrap();
    let name = SecretName::new(name).unwrap();
    store.get(&name).await.unwrap();
    say(&peak().to_string());
    for order in orders {
        let error = store.get(&name).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), Malformed, "{}: {error:?}", order.unwrap());
        say(&peak().to_string());
    }
}

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A body of 64 MiB is neither held nor read: the limit of an answer is 8 MiB, and it grows by doubling.
async fn memory(backend: Arc<dyn Backend>) {
    const LIMIT: u64 = 32 << 10;
    let stage = Stage::new(&backend).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let task = Task::MeasureMemory(Measured { name: stage.name.to_string() });
    let mut other = Other::start(&stage, "fetch_timeout: 30s", task, &log);
    let hear = |other: &mut Other| -> u64 {
        let said = other.hear();
        said.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&log).unwrap())).parse().unwrap()
    };
    let before = hear(&mut other);
    for is_announced in [true, false] {
        stage.proxy.inject(stage.fault(Oversized { is_announced }).unwrap());
        other.order("read");
        let grown = hear(&mut other) - before;
        assert!(grown < LIMIT, "{grown} KiB more than before");
    }
    assert!(other.end().success());
}
