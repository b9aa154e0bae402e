//! The engine: one backend call for many callers, and answers kept for as long as they may be served.

pub(crate) mod background;
mod flight;
mod table;
#[cfg(test)]
mod tests;
mod view;

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_listener::{Event, EventListener};
use futures_util::FutureExt as _;

use self::{
    flight::{Flight, Seat},
    table::{Departure, Table},
    view::{Answer, Key, View},
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretName, SecretStoreConnector, SecretValue, Version,
    clock::{Alarm, Clock, Moment},
};

/// How often a store that can tell of outside changes is asked for them.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The engine of one store.
pub(crate) struct Engine {
    store: Arc<dyn SecretStoreConnector>,
    clock: Arc<dyn Clock>,
    fetch_timeout: Duration,
    view: View,
    table: Mutex<Table>,
    watch: Option<Watch>,
    hurry: Event,
    this: Weak<Engine>,
}

/// What is known of a store that can tell of outside changes.
#[derive(Default)]
struct Watch {
    state: Mutex<WatchState>,
    is_asking: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct WatchState {
    revision: Option<u64>,
    asked: Moment,
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

tokio::task_local! {
    /// The keys that the running fetch was started for, outermost last: to tell a store that asks itself.
    static UNDER_WAY: Vec<(usize, Key)>;
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn SecretStoreConnector>,
        policy: ResolutionPolicy,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let watch = store.capabilities().watch.then(Watch::default);
        let engine = Arc::new_cyclic(|this| Engine {
            store,
            fetch_timeout: policy.fetch_timeout,
            view: View::new(),
            table: Mutex::new(Table::new(policy)),
            watch,
            hurry: Event::new(),
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

    pub(crate) fn held(&self) -> usize {
        self.view.len()
    }

    pub(crate) async fn get(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        match self.ask(name, version)? {
            Asked::Here(answer) => answer,
            Asked::Wait(seat) => seat.wait().await,
        }
    }

    pub(crate) fn get_blocking(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        match self.ask(name, version)? {
            Asked::Here(answer) => answer,
            Asked::Wait(seat) => seat.wait_blocking(),
        }
    }

    /// The answer from the view, or the flight that will bring it.
    fn ask(&self, name: &SecretName, version: Option<&Version>) -> Result<Asked> {
        let question = Question { name: name.clone(), version: version.cloned() };
        let key = question.key();
        if let Some(answer) = self.view.read(std::borrow::Borrow::borrow(&key), Answer::clone) {
            return Ok(Asked::Here(answer.into_result()));
        }
        self.refuse_reentry(&key)?;
        let flight = Arc::new(Flight::default());
        let departure = self.table().depart(&key, &self.view, &flight, 0);
        Ok(match departure {
            Departure::Here(answer) => Asked::Here(answer.into_result()),
            Departure::Join(seat) => Asked::Wait(seat),
            Departure::Lead(seat) => {
                self.lead(flight, vec![Led { question, key }]);
                Asked::Wait(seat)
            }
        })
    }

    /// The current values of `names`, asked for in one go.
    pub(crate) async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let flight = Arc::new(Flight::default());
        let mut led = Vec::new();
        let mut asked = Vec::with_capacity(names.len());
        {
            let mut table = self.table();
            table.reserve(names.len());
            for name in names {
                let key = Key::current(name);
                let departure =
                    self.refuse_reentry(&key).map(|()| table.depart(&key, &self.view, &flight, led.len()));
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
        for asked in asked {
            answers.push(match asked {
                Asked::Here(answer) => answer,
                Asked::Wait(seat) => seat.wait().await,
            });
        }
        answers
    }

    /// Forgets `name`: the next caller asks the backend, whatever is on its way now.
    pub(crate) fn forget(&self, name: &SecretName) {
        self.table().forget(name, &self.view);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.table().clear(&self.view);
    }

    /// Makes the backend call of a flight, as a task of its own: who waits may go.
    fn lead(&self, flight: Arc<Flight>, led: Vec<Led>) {
        let Some(engine) = self.this.upgrade() else { return };
        let mut under_way: Vec<(usize, Key)> =
            led.iter().map(|led| (self.address(), led.key.clone())).collect();
        let _ = UNDER_WAY.try_with(|outer| under_way.extend_from_slice(outer));
        background::spawn(UNDER_WAY.scope(under_way, async move {
            let mut guard = Lead { engine: &engine, flight, led };
            engine.note_revision().await;
            let fetch = AssertUnwindSafe(engine.fetch(&guard.led)).catch_unwind();
            let outcome = tokio::select! {
                // A panic's message may quote a value, so it is dropped.
                outcome = fetch => outcome.map_err(|_| Error::new(ErrorKind::Unavailable, "the store's own code panicked")),
                () = engine.clock.sleep(engine.fetch_timeout) => Err(timed_out(engine.fetch_timeout)),
            };
            match outcome {
                Ok(answers) => guard.land(answers),
                Err(error) => guard.fail(&error),
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
        let names: Vec<SecretName> = led.iter().map(|led| led.question.name.clone()).collect();
        self.store.get_many(&names).await
    }

    /// Takes in what a flight brought, and lets it land.
    fn arrive(&self, flight: &Arc<Flight>, led: &[Led], mut answers: Vec<Result<SecretValue>>) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let is_sooner = {
            let mut table = self.table();
            let before = table.next_due();
            for (led, answer) in led.iter().zip(&mut answers) {
                if let Err(error) = answer {
                    *error = error.clone().with_name(&led.question.name);
                }
                table.arrive(&led.key, flight, answer, now, wall, &self.view);
            }
            for led in led.iter().skip(answers.len()) {
                table.arrive(&led.key, flight, &Err(Error::unanswered()), now, wall, &self.view);
            }
            before.is_none_or(|before| table.next_due().is_some_and(|next| next < before))
        };
        // Outside the lock: whoever wakes may ask again at once.
        flight.land(answers);
        if is_sooner {
            self.hurry.notify(usize::MAX);
        }
    }

    /// A store's hook that asks the same store for the same name would wait for itself.
    fn refuse_reentry(&self, key: &Key) -> Result<()> {
        let me = (self.address(), key.clone());
        match UNDER_WAY.try_with(|under_way| under_way.contains(&me)) {
            Ok(true) => Err(Error::new(
                ErrorKind::InvalidConfig,
                "the store asked itself for the name it was asked for",
            )
            .with_help("in 'resolve', ask the backend, not the store that caches it")),
            _ => Ok(()),
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic under the lock can only come from a broken invariant of the table; what it holds stays true.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the store's revision from before the first fetch, so that a change during it is not missed.
    async fn note_revision(&self) {
        let Some(watch) = &self.watch else { return };
        if watch.state().revision.is_none()
            && let Ok(revision) = self.store.revision().await
        {
            *watch.state() = WatchState { revision, asked: self.clock.now() };
        }
    }

    /// Asks whether the store changed behind our back, at most once an interval, on the background thread.
    fn look_for_changes(&self, watch: &Watch, now: Moment) {
        if now.since(watch.state().asked) < WATCH_INTERVAL || watch.is_asking.swap(true, Ordering::AcqRel) {
            return;
        }
        watch.state().asked = now;
        let Some(engine) = self.this.upgrade() else { return };
        background::spawn(async move {
            let Some(watch) = &engine.watch else { return };
            // What cannot be told now is told at the next interval, or by the fetch that fails.
            if let Ok(Ok(revision)) = AssertUnwindSafe(engine.store.revision()).catch_unwind().await {
                let before = std::mem::replace(&mut watch.state().revision, revision);
                if before.is_some() && before != revision {
                    tracing::debug!(
                        connector = engine.store.connector_id(),
                        "the store changed, its cache is dropped"
                    );
                    engine.clear();
                }
            }
            watch.is_asking.store(false, Ordering::Release);
        });
    }
}

impl Alarm for Engine {
    fn ring(&self) -> Option<Duration> {
        let now = self.clock.now();
        let (next, is_empty) = {
            let mut table = self.table();
            table.expire(now, &self.view);
            (table.next_due(), table.is_empty())
        };
        let next = next.map(|next| next.since(now));
        match &self.watch {
            Some(watch) if !is_empty => {
                self.look_for_changes(watch, now);
                Some(next.map_or(WATCH_INTERVAL, |next| next.min(WATCH_INTERVAL)))
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
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// A flight that this engine leads. It lands however its task ends, or its waiters would wait for ever.
struct Lead<'e> {
    engine: &'e Engine,
    flight: Arc<Flight>,
    led: Vec<Led>,
}

impl Lead<'_> {
    fn land(&mut self, answers: Vec<Result<SecretValue>>) {
        let led = std::mem::take(&mut self.led);
        self.engine.arrive(&self.flight, &led, answers);
    }

    fn fail(&mut self, error: &Error) {
        let answers = self.led.iter().map(|_| Err(error.clone())).collect();
        self.land(answers);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.led.is_empty() {
            self.fail(&Error::new(ErrorKind::Unavailable, "the fetch was stopped before it had an answer"));
        }
    }
}

fn timed_out(after: Duration) -> Error {
    let after = crate::duration::format(after);
    Error::new(ErrorKind::Unavailable, format!("the store did not answer within {after}"))
        .with_help("'fetch_timeout' is the longest a fetch may take")
}
