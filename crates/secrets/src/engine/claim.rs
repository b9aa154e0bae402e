//! Fetches that a caller makes itself, on its own thread: for hooks in languages whose code must run there.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, ThreadId},
    time::Duration,
};

use super::{
    Asked, Engine, Lead, Led, Question, asks_itself, background, cannot_wait_here,
    flight::{Flight, Seat},
    process::PerProcess,
    table::Departure,
    view::Key,
};
use crate::{Error, Result, SecretName, SecretValue};

/// What a caller does who can fetch a value itself: see
/// [`BaseSecretStore::claim`](crate::BaseSecretStore::claim).
#[derive(Debug)]
#[must_use = "it says what to do"]
pub enum Claim {
    /// The answer is in the cache.
    Answer(Result<SecretValue>),
    /// Somebody is fetching it: wait for them.
    Wait(Waiting),
    /// Nobody is fetching it: do it, and land the answer.
    Lead(Landing),
}

/// A place among those who wait for a fetch.
pub struct Waiting {
    engine: Arc<Engine>,
    key: Key,
    seat: Seat,
    store: Arc<str>,
}

/// The duty to fetch a value for everyone who waits for it.
///
/// Dropped without an answer, it lands an error of kind `Unavailable`.
pub struct Landing {
    lead: Lead,
    /// The place of who has the duty.
    own: Waiting,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landing").field("key", &self.own.key).finish_non_exhaustive()
    }
}

impl Waiting {
    /// Waits for the answer on this thread.
    ///
    /// Fails with `InvalidConfig` where that would be for ever: this thread makes the fetch itself, or whoever makes
    /// it waits for one that this thread makes. Fails with `Unsupported` on the engine's own thread.
    pub fn wait_blocking(self) -> Result<SecretValue> {
        let answer = self.wait_here(|seat| Some(seat.wait_blocking()));
        answer.unwrap_or_else(|| Err(Error::unanswered()))
    }

    /// As [`wait_blocking`](Waiting::wait_blocking), for no longer than `patience`: for a thread that has to look for
    /// signals now and then. Without an answer by then, it may wait on.
    pub fn wait_blocking_for(&self, patience: Duration) -> Option<Result<SecretValue>> {
        self.wait_here(|seat| seat.wait_blocking_for(patience))
    }

    fn wait_here(
        &self,
        wait: impl FnOnce(&Seat) -> Option<Result<SecretValue>>,
    ) -> Option<Result<SecretValue>> {
        let answer = match self.seat.answer() {
            Some(answer) => Some(answer),
            None if background::is_here() => Some(Err(cannot_wait_here())),
            None => match Sleeper::on(&self.seat.flight) {
                Ok(_sleeper) => wait(&self.seat),
                Err(error) => Some(Err(error)),
            },
        };
        Some(self.named(answer?))
    }

    /// Waits for the answer.
    ///
    /// Nothing is known of who polls this, so a fetch that waits for itself in this way is not noticed.
    pub async fn wait(self) -> Result<SecretValue> {
        let answer = self.seat.wait().await;
        self.named(answer)
    }

    fn named(&self, answer: Result<SecretValue>) -> Result<SecretValue> {
        let answer = self.engine.or_stale(&self.key, answer);
        answer.map_err(|error| error.with_store(Arc::clone(&self.store)))
    }
}

impl Landing {
    /// Gives the answer to everyone who waits, and to the cache; returns what this caller gets, which is the last
    /// good value where the answer is a failure that it may outlive.
    pub fn land(mut self, answer: Result<SecretValue>) -> Result<SecretValue> {
        self.lead.land(vec![answer]);
        self.own.named(self.own.seat.answer().unwrap_or_else(|| Err(Error::unanswered())))
    }
}

impl Engine {
    /// The answer, or a place among those who wait for it.
    pub(crate) fn begin(self: &Arc<Self>, name: &SecretName, store: &Arc<str>) -> Result<Claim> {
        let question = Question { name: name.clone(), version: None };
        let key = question.key();
        Ok(match self.ask(question, &key)? {
            Asked::Here(answer) => Claim::Answer(answer.map_err(|error| error.with_store(Arc::clone(store)))),
            Asked::Wait(seat) => Claim::Wait(self.waiting(key, seat, store)),
        })
    }

    /// Claims the fetch of `name` for this thread.
    pub(crate) fn claim(self: &Arc<Self>, name: &SecretName, store: &Arc<str>) -> Result<Claim> {
        let question = Question { name: name.clone(), version: None };
        let key = question.key();
        let flight = Flight::led_here();
        Ok(match self.depart(&key, &flight)? {
            Departure::Here(answer) => {
                Claim::Answer(answer.into_result().map_err(|error| error.with_store(Arc::clone(store))))
            }
            Departure::Join(seat) => Claim::Wait(self.waiting(key, seat, store)),
            Departure::Lead(seat) => {
                let led = vec![Led { question, key: key.clone() }];
                let own = self.waiting(key, seat, store);
                Claim::Lead(Landing { lead: Lead { engine: Arc::clone(self), flight, led }, own })
            }
        })
    }

    /// Fails if this thread makes the fetch of `name`, or whoever makes it waits for one that this thread makes.
    pub(crate) fn refuse_reentry_here(&self, name: &SecretName) -> Result<()> {
        let flight = self.state().table.flight(&Key::current(name)).cloned();
        flight.map_or(Ok(()), |flight| Sleeper::on(&flight).map(drop))
    }

    fn waiting(self: &Arc<Self>, key: Key, seat: Seat, store: &Arc<str>) -> Waiting {
        Waiting { engine: Arc::clone(self), key, seat, store: Arc::clone(store) }
    }
}

/// Which thread waits for which flight.
type Sleepers = Vec<(ThreadId, Arc<Flight>)>;

static SLEEPERS: PerProcess<Mutex<Sleepers>> = PerProcess::new();

/// See [`forked`](crate::forked).
pub(crate) fn forked() {
    SLEEPERS.forked();
}

/// This thread, for as long as it waits for a flight that another thread may lead.
struct Sleeper(ThreadId);

impl Sleeper {
    /// Fails if `flight` can only land when this thread goes on.
    fn on(flight: &Arc<Flight>) -> Result<Self> {
        let me = thread::current().id();
        with_sleepers(|sleepers| {
            let mut awaited = Some(flight);
            while let Some(leader) = awaited.and_then(|flight| flight.leader) {
                if leader == me {
                    return Err(asks_itself());
                }
                awaited = sleepers.iter().find(|(thread, _)| *thread == leader).map(|(_, flight)| flight);
            }
            sleepers.push((me, Arc::clone(flight)));
            Ok(Sleeper(me))
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        with_sleepers(|sleepers| sleepers.retain(|(thread, _)| *thread != self.0));
    }
}

fn with_sleepers<R>(act: impl FnOnce(&mut Sleepers) -> R) -> R {
    let sleepers = SLEEPERS.get_or_make(Mutex::default);
    let mut sleepers = sleepers.lock().unwrap_or_else(PoisonError::into_inner);
    act(&mut sleepers)
}
