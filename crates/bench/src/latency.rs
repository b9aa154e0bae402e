//! Cached gets while the engine is busy: refreshing, evicting, retrying against an outage, rotating.
//!
//! One thread reads the same 1,000 names in every situation; another drives the store's time, or fills it with
//! other names, as fast as it can. Each store is measured idle first, then busy: what counts is how it compares
//! with itself.
//!
//! The peers stand still in the same process, so what disturbs all of its threads (a barrier of the collector
//! interrupts every core that runs one) disturbs them too. What a busy machine costs without an engine at work,
//! the first situation tells: there, the other thread only computes.
//!
//! The clock is read once for a batch of gets, or it would be most of what is measured. A percentile is of the
//! batches' means; the longest batch is shown as a whole, for one pause is all of it.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use modelmesh_secrets::{
    BaseSecretStore, ErrorKind, ResolutionPolicy, SecretName, SecretResolution as _, SecretStoreConnector,
    SecretValue, Watch, clock::ManualClock,
};
use modelmesh_testkit::supply::Supply;

const NAMES: usize = 1_000;
const BATCH: u32 = 32;
/// Fresh stores for each situation: where a map happens to lie in memory, and how it is seeded, is worth as much
/// as what goes on in it.
const STORES: usize = 7;
const TURNS: usize = 4;
const TURN: Duration = Duration::from_millis(60);
/// Of what others read, when entries are let go: many more than may be kept.
const OTHERS: usize = 20_000;

/// A store, and what drives it.
struct Subject {
    store: BaseSecretStore,
    supply: Arc<Supply>,
    clock: ManualClock,
    names: Vec<SecretName>,
    runtime: tokio::runtime::Runtime,
}

/// One situation: how it is entered, and what goes on in it, again and again.
struct Situation {
    name: &'static str,
    enter: fn(&Subject) -> Vec<Watch>,
    /// Returns how many names it was about.
    act: fn(&Subject) -> usize,
}

const SITUATIONS: [Situation; 5] = [
    Situation { name: "another thread computes, the engine idles", enter: |_| Vec::new(), act: compute },
    Situation { name: "all refreshed, again and again", enter: |_| Vec::new(), act: refresh },
    Situation { name: "others evict each other", enter: hold, act: churn },
    Situation { name: "an outage, all values stale", enter: cut_off, act: retry },
    Situation { name: "all rotated, again and again", enter: |_| Vec::new(), act: rotate },
];

impl Subject {
    fn new() -> Self {
        let (supply, clock) = (Supply::new(NAMES), ManualClock::new());
        let connector: Arc<dyn SecretStoreConnector> = supply.clone();
        let policy = ResolutionPolicy {
            ttl_jitter: 0.0,
            max_entries: NAMES + NAMES / 2,
            // Longer than the outage of this benchmark, whose time flies.
            max_stale: Duration::from_hours(365 * 24),
            ..ResolutionPolicy::default()
        };
        let store = BaseSecretStore::builder(connector).policy(policy).clock(clock.clone()).build();
        let names: Vec<SecretName> = (0..NAMES).map(|at| name("provider", at)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert!(runtime.block_on(store.get_many(&names)).iter().all(Result::is_ok), "all have values");
        Subject { store, supply, clock, names, runtime }
    }

    fn read_all(&self) {
        for name in &self.names {
            black_box(self.store.with_value(name.as_str(), |value| value.expose().len()));
        }
    }
}

fn name(prefix: &str, at: usize) -> SecretName {
    SecretName::new(format!("{prefix}-{at:06}-api-key")).expect("a valid name")
}

/// The control: what a second busy thread costs, with no work for the engine. It allocates, as the engine does.
fn compute(subject: &Subject) -> usize {
    for at in 0..NAMES {
        black_box(name("other", at));
    }
    subject.names.len()
}

fn refresh(subject: &Subject) -> usize {
    let Subject { store, supply, clock, names, .. } = subject;
    // Only what is read is refreshed, and the reader may be measuring a peer.
    subject.read_all();
    let refreshed = supply.answers() + NAMES as u64;
    clock.advance(Duration::from_secs(241));
    while supply.answers() < refreshed {
        thread::yield_now();
    }
    // One thread fetches: when this answer is here, those before it have arrived.
    store.clone().get_blocking(&name("barrier", 0)).expect("it answers");
    store.invalidate(&name("barrier", 0));
    names.len()
}

fn rotate(subject: &Subject) -> usize {
    subject.supply.rotate();
    refresh(subject)
}

/// What is held is not let go: the others compete for the rest.
fn hold(subject: &Subject) -> Vec<Watch> {
    let watch = |name| subject.runtime.block_on(subject.store.watch(name)).expect("it has a value");
    subject.names.iter().map(watch).collect()
}

fn churn(subject: &Subject) -> usize {
    for at in 0..OTHERS / 100 {
        let others: Vec<SecretName> = (0..100).map(|offset| name("other", at * 100 + offset)).collect();
        black_box(subject.runtime.block_on(subject.store.get_many(&others)));
    }
    OTHERS
}

fn cut_off(subject: &Subject) -> Vec<Watch> {
    subject.supply.fail(Some(ErrorKind::Unavailable));
    // Past the refresh, which fails, and past the TTL.
    subject.read_all();
    subject.clock.advance(Duration::from_secs(241));
    for _ in 0..120 {
        retry(subject);
    }
    Vec::new()
}

fn retry(subject: &Subject) -> usize {
    subject.read_all();
    let before = subject.supply.answers();
    subject.clock.advance(Duration::from_millis(500));
    thread::sleep(Duration::from_micros(200));
    usize::try_from(subject.supply.answers() - before).unwrap_or_default()
}

/// What was measured of one contender, idle or in one situation.
#[derive(Clone)]
struct Figures {
    batches: Histogram<u64>,
    misses: u64,
}

impl Figures {
    fn new() -> Self {
        let batches = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in order");
        Figures { batches, misses: 0 }
    }

    fn measure(&mut self, names: &[SecretName], get: impl Fn(&str) -> Option<usize>) {
        let mut names = names.iter().cycle();
        let start = Instant::now();
        let mut before = start;
        while before.duration_since(start) < TURN {
            for name in names.by_ref().take(BATCH as usize) {
                self.misses += u64::from(black_box(get(black_box(name.as_str()))).is_none());
            }
            let now = Instant::now();
            let took = u64::try_from(now.duration_since(before).as_nanos()).unwrap_or(u64::MAX);
            self.batches.saturating_record(took);
            before = now;
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "nanoseconds, to a few digits")]
    fn per_get(&self, quantile: f64) -> f64 {
        self.batches.value_at_quantile(quantile) as f64 / f64::from(BATCH)
    }
}

/// The same values in the peers. A get is by name, and reads the value's length.
struct Peers {
    moka: moka::sync::Cache<String, Arc<SecretValue>>,
    map: Mutex<HashMap<String, (Arc<SecretValue>, Instant)>>,
}

impl Peers {
    fn holding(subject: &Subject) -> Self {
        let ttl = Duration::from_mins(5);
        let moka = moka::sync::Cache::builder().time_to_live(ttl).max_capacity(100_000).build();
        let mut map = HashMap::new();
        for name in &subject.names {
            let value = Arc::new(subject.store.get_blocking(name).expect("it is cached"));
            moka.insert(name.as_str().to_owned(), Arc::clone(&value));
            map.insert(name.as_str().to_owned(), (value, Instant::now() + ttl));
        }
        Peers { moka, map: Mutex::new(map) }
    }

    fn in_moka(&self, name: &str) -> Option<usize> {
        self.moka.get(name).map(|value| value.expose().len())
    }

    fn in_map(&self, name: &str) -> Option<usize> {
        let map = self.map.lock().expect("no poison");
        let (value, until) = map.get(name)?;
        (*until > Instant::now()).then(|| value.expose().len())
    }
}

const CONTENDERS: [&str; 3] =
    ["modelmesh, with_value", "moka, standing still", "Mutex<HashMap>, standing still"];

/// The contenders take turns.
fn measure(subject: &Subject, peers: &Peers, [own, of_moka, of_map]: &mut [Figures; 3]) {
    for _ in 0..TURNS {
        own.measure(&subject.names, |name| subject.store.with_value(name, |value| value.expose().len()));
        of_moka.measure(&subject.names, |name| peers.in_moka(name));
        of_map.measure(&subject.names, |name| peers.in_map(name));
    }
}

pub(crate) fn bench() {
    println!(
        "\ncached gets while the engine is busy (ns per get, means of {BATCH}; x of the same stores idle)"
    );
    for situation in &SITUATIONS {
        let mut idle = [Figures::new(), Figures::new(), Figures::new()];
        let mut busy = idle.clone();
        let (mut acted, mut took) = (0, Duration::ZERO);
        for _ in 0..STORES {
            let subject = Subject::new();
            let peers = Peers::holding(&subject);
            measure(&subject, &peers, &mut idle);
            let held = (situation.enter)(&subject);
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                let load = scope.spawn(|| {
                    let (start, mut count) = (Instant::now(), 0);
                    while !is_over.load(Ordering::Relaxed) {
                        count += (situation.act)(&subject);
                    }
                    (count, start.elapsed())
                });
                measure(&subject, &peers, &mut busy);
                is_over.store(true, Ordering::Relaxed);
                let (count, for_so_long) = load.join().expect("the load does not panic");
                acted += count;
                took += for_so_long;
            });
            drop(held);
        }
        print(situation.name, acted, took, &idle, &busy);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate, to a few digits")]
fn print(name: &str, acted: usize, took: Duration, idle: &[Figures; 3], busy: &[Figures; 3]) {
    println!("  {name}: {:.0} names a second", acted as f64 / took.as_secs_f64());
    for (at, contender) in CONTENDERS.iter().enumerate() {
        for (when, figures) in [("idle", &idle[at]), ("busy", &busy[at])] {
            println!(
                "    {contender:<30} {when}  p50 {:>6.1}  p99 {:>6.1}  p99.9 {:>8.1}  longest batch {:>6} us  {:>5.2} x  {} misses",
                figures.per_get(0.5),
                figures.per_get(0.99),
                figures.per_get(0.999),
                figures.batches.max() / 1_000,
                figures.per_get(0.5) / idle[at].per_get(0.5),
                figures.misses,
            );
        }
    }
    println!(
        "    {:<36} {:.2} x",
        "modelmesh busy, of moka's idle",
        busy[0].per_get(0.5) / idle[1].per_get(0.5)
    );
}
