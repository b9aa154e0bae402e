//! The engine: one backend call for many callers, and answers kept for as long as they may be served.

pub(crate) mod background;
mod claim;
mod entry;
mod flight;
mod handle;
#[cfg(test)]
mod model;
#[cfg(test)]
mod outage;
mod process;
mod revision;
mod table;
#[cfg(test)]
mod tests;
mod view;

use std::{
    borrow::Borrow as _,
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU32},
    time::Duration,
};

use event_listener::{Event as Signal, EventListener};
use futures_util::{FutureExt as _, future::join_all};
use tokio::sync::watch;

pub(crate) use self::handle::Pin;
pub use self::{
    claim::{Claim, Landing, Waiting},
    handle::{AuthFailure, Watch},
};
use self::{
    flight::{Flight, Purpose, Seat},
    revision::Revision,
    table::{Departure, Rules, Table},
    view::{Answer, Key, View},
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretName, SecretStoreConnector, SecretValue, Version,
    clock::{Alarm, Clock, Moment},
    observe::{Event, EventKind, Observer, Subject, metrics},
};

/// How often the entries are counted for metrics.
const CENSUS_INTERVAL: Duration = Duration::from_secs(15);

/// See [`forked`](crate::forked).
pub(crate) fn forked() {
    background::forked();
    claim::forked();
}

/// The engine of one store.
pub(crate) struct Engine {
    store: Arc<dyn SecretStoreConnector>,
    /// The store's name in events and metrics.
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    observer: Observer,
    view: View,
    state: Mutex<State>,
    revision: Option<Revision>,
    hurry: Signal,
    this: Weak<Engine>,
}

/// What is behind the engine's one lock, which no reader of a cached value takes.
struct State {
    table: Table,
    /// Who waits for news of a name. What is new, they ask.
    watches: HashMap<Key, watch::Sender<()>, foldhash::fast::RandomState>,
    counted: Option<Moment>,
}

/// What is asked of the backend.
#[derive(Clone)]
struct Question {
    name: SecretName,
    version: Option<Version>,
}

impl Question {
    fn key(&self) -> Key {
        match &self.version {
            None => Key::current(&self.name),
            Some(version) => Key::version(&self.name, version),
        }
    }
}

/// A question that a flight is to answer.
struct Led {
    question: Question,
    key: Key,
}

impl Led {
    fn of(question: Question) -> Self {
        Led { key: question.key(), question }
    }
}

tokio::task_local! {
    /// The keys that the running fetch was started for, outermost last: to tell a store that asks itself.
    static UNDER_WAY: Vec<(usize, Key)>;
}

impl Engine {
    /// An engine over `store`, to which it leaves time limits, retries and the number of calls at once.
    pub(crate) fn new(
        store: Arc<dyn SecretStoreConnector>,
        name: Arc<str>,
        policy: ResolutionPolicy,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Arc<Self> {
        let capabilities = store.capabilities();
        let rules = Rules {
            policy,
            batch: capabilities.batch.max(1),
            has_ordered_versions: capabilities.ordered_versions,
        };
        let engine = Arc::new_cyclic(|this| Engine {
            store,
            name,
            observer,
            view: View::new(),
            state: Mutex::new(State { table: Table::new(rules), watches: HashMap::default(), counted: None }),
            revision: capabilities.watch.then(Revision::default),
            hurry: Signal::new(),
            this: this.clone(),
            clock,
        });
        let alarm: Weak<dyn Alarm> = Arc::downgrade(&engine) as Weak<dyn Alarm>;
        engine.clock.attach(alarm);
        engine
    }

    pub(crate) fn store(&self) -> &dyn SecretStoreConnector {
        &*self.store
    }

    /// Reads the current value of `name` from the cache: no lock, no clock, no I/O.
    #[inline]
    pub(crate) fn cached<R>(&self, name: &str, read: impl FnOnce(&SecretValue) -> R) -> Option<R> {
        self.view
            .read(name, |answer| match answer {
                Answer::Value(value) => Some(read(value)),
                Answer::Missing(_) => None,
            })
            .flatten()
    }

    /// How many answers readers are served.
    pub(crate) fn served(&self) -> usize {
        self.view.len()
    }

    /// The names of which a value is served.
    pub(crate) fn served_names(&self) -> Vec<String> {
        self.view.names()
    }

    pub(crate) async fn get(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        let question = Question { name: name.clone(), version: version.cloned() };
        let key = question.key();
        match self.ask(question, &key)? {
            Asked::Here(answer) => answer,
            Asked::Wait(seat) => self.or_stale(&key, seat.wait().await),
        }
    }

    pub(crate) fn get_blocking(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        let question = Question { name: name.clone(), version: version.cloned() };
        let key = question.key();
        match self.ask(question, &key)? {
            Asked::Here(answer) => answer,
            Asked::Wait(_) if background::is_here() => Err(cannot_wait_here().with_name(name)),
            Asked::Wait(seat) => self.or_stale(&key, seat.wait_blocking()),
        }
    }

    /// The answer from the view, or the flight that will bring it.
    fn ask(&self, question: Question, key: &Key) -> Result<Asked> {
        let flight = Flight::new(Purpose::Read);
        Ok(match self.depart(key, &flight)? {
            Departure::Here(answer) => Asked::Here(answer.into_result()),
            Departure::Join(seat) => Asked::Wait(seat),
            Departure::Lead(seat) => {
                self.lead(flight, vec![Led { question, key: key.clone() }]);
                Asked::Wait(seat)
            }
        })
    }

    /// The answer from the view, somebody's flight, or the first seat of `flight`.
    fn depart(&self, key: &Key, flight: &Arc<Flight>) -> Result<Departure> {
        if let Some(answer) = self.view.read(key.borrow(), Answer::clone) {
            return Ok(Departure::Here(answer));
        }
        self.refuse_reentry(key)?;
        Ok(self.state().table.depart(key, &self.view, flight, 0))
    }

    /// What a reader gets whose fetch failed: the last good value, if it may be served.
    fn or_stale(&self, key: &Key, answer: Result<SecretValue>) -> Result<SecretValue> {
        let Err(error) = answer else { return answer };
        match self.view.read(key.borrow(), Answer::clone) {
            Some(Answer::Value(value)) => Ok(value),
            _ => Err(error),
        }
    }

    /// The current values of `names`, asked for in one go.
    pub(crate) async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let flight = Flight::new(Purpose::Read);
        let mut led = Vec::new();
        let mut asked = Vec::with_capacity(names.len());
        {
            let mut state = self.state();
            state.table.reserve(names.len());
            for name in names {
                let key = Key::current(name);
                let departure = self
                    .refuse_reentry(&key)
                    .map(|()| state.table.depart(&key, &self.view, &flight, led.len()));
                asked.push(match departure {
                    Err(error) => Asked::Here(Err(error)),
                    Ok(Departure::Here(answer)) => Asked::Here(answer.into_result()),
                    Ok(Departure::Join(seat)) => Asked::Wait(seat),
                    Ok(Departure::Lead(seat)) => {
                        led.push(Led { question: Question { name: name.clone(), version: None }, key });
                        Asked::Wait(seat)
                    }
                });
            }
        }
        if !led.is_empty() {
            self.lead(flight, led);
        }
        let mut answers = Vec::with_capacity(names.len());
        for (asked, name) in asked.into_iter().zip(names) {
            answers.push(match asked {
                Asked::Here(answer) => answer,
                Asked::Wait(seat) => self.or_stale(&Key::current(name), seat.wait().await),
            });
        }
        answers
    }

    /// What the store has now of each name, past the cache. Nothing stale: a failure is an error, and changes
    /// nothing of what is held.
    pub(crate) async fn fetch_anew(
        &self,
        questions: &[(SecretName, Option<Version>)],
    ) -> Vec<Result<SecretValue>> {
        let flight = Flight::new(Purpose::Probe);
        let mut led: Vec<Led> = Vec::with_capacity(questions.len());
        let mut seats = Vec::with_capacity(questions.len());
        {
            let mut state = self.state();
            for (name, version) in questions {
                let new = Led::of(Question { name: name.clone(), version: version.clone() });
                seats.push(self.refuse_reentry(&new.key).map(|()| {
                    let seat = state.table.depart_anew(&new.key, &flight, led.len());
                    led.push(new);
                    seat
                }));
            }
        }
        if !led.is_empty() {
            self.lead(flight, led);
        }
        let mut answers = Vec::with_capacity(questions.len());
        for seat in seats {
            answers.push(match seat {
                Ok(seat) => seat.wait().await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// See [`BaseSecretStore::epoch`](crate::BaseSecretStore::epoch).
    pub(crate) fn epoch(&self) -> &Arc<AtomicU32> {
        self.view.epoch()
    }

    /// Takes over what `before` holds: see [`BaseSecretStore::inherit`](crate::BaseSecretStore::inherit).
    pub(crate) fn inherit(&self, before: &Engine) {
        // In a forked child nobody is left to release a lock that another thread of the parent had.
        let Ok(mut before) = before.state.try_lock() else { return };
        self.with_table(|table, now, view| table.inherit(&mut before.table, now, view));
    }

    /// Forgets `name`: the next caller asks the backend, whatever is on its way now.
    pub(crate) fn forget(&self, name: &SecretName) {
        self.with_table(|table, now, view| table.forget(name, now, view));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.with_table(Table::clear);
    }

    /// `name` is about to be written: nobody joins a fetch of the old value.
    pub(crate) fn doubt(&self, name: &SecretName) {
        self.with_table(|table, now, view| table.doubt(name, now, view));
    }

    /// Whether `name` was written, nobody knows.
    pub(crate) fn doubt_and_ask(&self, name: &SecretName) {
        self.with_table(|table, now, view| table.doubt_and_ask(name, now, view));
    }

    /// `name` was written.
    pub(crate) fn supersede(&self, name: &SecretName) {
        self.with_table(|table, now, view| table.supersede(name, now, view));
    }

    /// Makes the backend call of a flight, as a task of its own: who waits may go.
    fn lead(&self, flight: Arc<Flight>, led: Vec<Led>) {
        let Some(engine) = self.this.upgrade() else { return };
        let mut under_way: Vec<(usize, Key)> =
            led.iter().map(|led| (self.address(), led.key.clone())).collect();
        let _ = UNDER_WAY.try_with(|outer| under_way.extend_from_slice(outer));
        background::spawn(UNDER_WAY.scope(under_way, async move {
            let mut guard = Lead { engine, flight, led };
            guard.engine.note_revision().await;
            match AssertUnwindSafe(guard.engine.fetch(&guard.led)).catch_unwind().await {
                Ok(answers) => guard.land(answers),
                // A panic's message may quote a value, so it is dropped.
                Err(_) => guard.fail(&Error::new(ErrorKind::Unavailable, "the store's own code panicked")),
            }
        }));
    }

    async fn fetch(&self, led: &[Led]) -> Vec<Result<SecretValue>> {
        if let [Led { question: Question { name, version }, .. }] = led {
            return vec![match version {
                None => self.store.get(name).await,
                Some(version) => self.store.get_version(name, version).await,
            }];
        }
        let current: Vec<SecretName> = led
            .iter()
            .filter(|led| led.question.version.is_none())
            .map(|led| led.question.name.clone())
            .collect();
        let versions = led.iter().filter_map(|Led { question: Question { name, version }, .. }| {
            Some(self.store.get_version(name, version.as_ref()?))
        });
        let (current, versions) = tokio::join!(
            async {
                match current[..] {
                    [] => Vec::new(),
                    _ => self.store.get_many(&current).await,
                }
            },
            join_all(versions),
        );
        let (mut current, mut versions) = (current.into_iter(), versions.into_iter());
        led.iter()
            .map(|led| if led.question.version.is_none() { current.next() } else { versions.next() })
            .map(|answer| answer.unwrap_or_else(|| Err(Error::unanswered())))
            .collect()
    }

    /// Takes in what a flight brought, and lets it land.
    fn arrive(&self, flight: &Arc<Flight>, led: Vec<Led>, answers: Vec<Result<SecretValue>>) {
        let wall = self.clock.wall();
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let mut answers: Vec<(Key, Result<SecretValue>)> = led
            .into_iter()
            .zip(answers)
            .map(|(led, answer)| {
                let answer = answer.unwrap_or_else(|| Err(Error::unanswered()));
                (led.key, answer.map_err(|error| error.with_name(&led.question.name)))
            })
            .collect();
        self.with_table(|table, now, view| table.arrive(flight, &mut answers, now, wall, view));
        // Outside the lock: whoever wakes may ask again at once.
        flight.land(answers.into_iter().map(|(_, answer)| answer).collect());
    }

    /// Changes the table, and does what follows: tells events, starts refreshes, wakes the timer.
    fn with_table<R>(&self, change: impl FnOnce(&mut Table, Moment, &View) -> R) -> R {
        let now = self.clock.now();
        let (result, refreshes, is_sooner) = {
            let mut state = self.state();
            let state = &mut *state;
            let before = state.table.next_due();
            let result = change(&mut state.table, now, &self.view);
            let mut refreshes = Vec::new();
            while let Some(refresh) = state.table.next_refresh(now, &self.view) {
                refreshes.push(refresh);
            }
            for (key, kind) in state.table.take_events() {
                if let Some(watch) = state.watches.get(&key) {
                    watch.send_replace(());
                }
                self.observer.queue(self.event(&key, kind));
            }
            let next = state.table.next_due();
            (result, refreshes, next.is_some_and(|next| before.is_none_or(|before| next < before)))
        };
        for (flight, keys) in refreshes {
            let led = keys.into_iter().filter_map(|key| Some(Led { question: question(&key)?, key }));
            self.lead(flight, led.collect());
        }
        if is_sooner {
            self.hurry.notify(usize::MAX);
        }
        self.observer.deliver();
        result
    }

    fn event(&self, key: &Key, kind: EventKind) -> Event {
        let (name, version) = key.parts();
        let subject = Subject::Secret {
            store: Arc::clone(&self.name),
            name: name.into(),
            selector: version.map(Version::from),
        };
        Event { at: self.clock.wall(), subject, kind }
    }

    /// A store's hook that asks the same store for the same name would wait for itself.
    fn refuse_reentry(&self, key: &Key) -> Result<()> {
        let me = (self.address(), key.clone());
        match UNDER_WAY.try_with(|under_way| under_way.contains(&me)) {
            Ok(true) => Err(asks_itself()),
            _ => Ok(()),
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from a broken invariant of the table; what it holds stays true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the entries for metrics, now and then.
    fn take_census(&self, now: Moment) {
        let census = {
            let mut state = self.state();
            if state.counted.is_some_and(|at| now.since(at) < CENSUS_INTERVAL) {
                return;
            }
            state.counted = Some(now);
            state.table.census(now)
        };
        metrics::entries(&self.name, &census);
    }
}

impl Alarm for Engine {
    fn ring(&self) -> Option<Duration> {
        let (next, is_empty, now) = self.with_table(|table, now, view| {
            table.tick(now, view);
            (table.next_due(), table.is_empty(), now)
        });
        self.take_census(now);
        let next = next.map(|next| next.since(now));
        match &self.revision {
            Some(revision) if !is_empty => {
                let again = self.look_for_changes(revision, now);
                Some(next.map_or(again, |next| next.min(again)))
            }
            _ => next,
        }
    }

    fn hurry(&self) -> EventListener {
        self.hurry.listen()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("connector", &self.store.connector_id())
            .field("served", &self.served())
            .finish_non_exhaustive()
    }
}

fn cannot_wait_here() -> Error {
    Error::new(ErrorKind::Unsupported, "the engine's own thread cannot wait for what it is to fetch")
        .with_help("in a hook or a subscriber of events, ask in a task or a thread of your own")
}

fn asks_itself() -> Error {
    Error::new(ErrorKind::InvalidConfig, "the store asked itself for the name it was asked for")
        .with_help("in 'resolve', ask the backend, not the store that caches it")
}

enum Asked {
    Here(Result<SecretValue>),
    Wait(Seat),
}

impl Answer {
    fn into_result(self) -> Result<SecretValue> {
        match self {
            Answer::Value(value) => Ok(value),
            Answer::Missing(error) => Err(error),
        }
    }
}

/// What a key asks for. Its name was valid when the key was made.
fn question(key: &Key) -> Option<Question> {
    let (name, version) = key.parts();
    Some(Question { name: SecretName::new(name).ok()?, version: version.map(Version::from) })
}

/// A flight that this engine leads. It lands however its task ends, or its waiters would wait for ever.
struct Lead {
    engine: Arc<Engine>,
    flight: Arc<Flight>,
    led: Vec<Led>,
}

impl Lead {
    fn land(&mut self, answers: Vec<Result<SecretValue>>) {
        let led = std::mem::take(&mut self.led);
        self.engine.arrive(&self.flight, led, answers);
    }

    fn fail(&mut self, error: &Error) {
        let answers = self.led.iter().map(|_| Err(error.clone())).collect();
        self.land(answers);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.led.is_empty() {
            self.fail(&Error::new(ErrorKind::Unavailable, "the fetch was stopped before it had an answer"));
        }
    }
}
