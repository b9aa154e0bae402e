//! A backend call under way, and everyone who waits for it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    thread::{self, ThreadId},
    time::Duration,
};

use event_listener::{Event, EventListener, Listener};

use crate::{Error, Result, SecretValue};

/// One backend call, for one name or many, shared by all who asked while it ran. Dropping a waiter cancels
/// nothing.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) purpose: Purpose,
    /// The thread that makes the call, where a caller of ours does.
    pub(super) leader: Option<ThreadId>,
    answers: OnceLock<Vec<Result<SecretValue>>>,
    landed: Event,
}

/// Why a backend is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody reads, and there is nothing to serve.
    #[default]
    Read,
    /// A value is brought up to date while it is served.
    Refresh,
    /// A value was refused: somebody needs to know what the store has now.
    Force,
    /// A set of values is to be swapped, all or none: what fails changes nothing.
    Probe,
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("landed", &self.answers.get().is_some()).finish_non_exhaustive()
    }
}

impl Flight {
    pub(super) fn new(purpose: Purpose) -> Arc<Self> {
        Arc::new(Flight { purpose, ..Flight::default() })
    }

    /// A flight for a reader who makes the call, on this thread.
    pub(super) fn led_here() -> Arc<Self> {
        Arc::new(Flight { leader: Some(thread::current().id()), ..Flight::default() })
    }

    /// Gives the answers to all who wait. The first to land stays.
    pub(super) fn land(&self, answers: Vec<Result<SecretValue>>) {
        let _ = self.answers.set(answers);
        self.landed.notify(usize::MAX);
    }
}

/// One name's place in a flight.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) flight: Arc<Flight>,
    pub(super) at: usize,
}

impl Seat {
    /// Whether this is a place in `flight`.
    pub(super) fn is_in(&self, flight: &Arc<Flight>) -> bool {
        Arc::ptr_eq(&self.flight, flight)
    }

    /// Waits for the answer.
    pub(super) async fn wait(&self) -> Result<SecretValue> {
        loop {
            if let Some(answer) = self.answer() {
                return answer;
            }
            let landed = self.flight.landed.listen();
            // It may have landed before the listener was there.
            if self.flight.answers.get().is_none() {
                landed.await;
            }
        }
    }

    /// Waits for the answer on this thread, without an executor.
    pub(super) fn wait_blocking(&self) -> Result<SecretValue> {
        loop {
            if let Some(answer) = self.wait_once(Listener::wait) {
                return answer;
            }
        }
    }

    /// As [`wait_blocking`](Seat::wait_blocking), for no longer than `patience`.
    pub(super) fn wait_blocking_for(&self, patience: Duration) -> Option<Result<SecretValue>> {
        self.wait_once(|landed| {
            let _ = landed.wait_timeout(patience);
        })
    }

    fn wait_once(&self, sleep: impl FnOnce(EventListener)) -> Option<Result<SecretValue>> {
        if self.flight.answers.get().is_none() {
            let landed = self.flight.landed.listen();
            // It may have landed before the listener was there.
            if self.flight.answers.get().is_none() {
                sleep(landed);
            }
        }
        self.answer()
    }

    /// The answer, if it is there.
    pub(super) fn answer(&self) -> Option<Result<SecretValue>> {
        Some(self.flight.answers.get()?.get(self.at).cloned().unwrap_or_else(|| Err(Error::unanswered())))
    }
}
