//! What the engine knows of each name, and when it changes its mind: a state machine without I/O.
//!
//! ```text
//! Empty --depart--> Loading --arrive--> Fresh | Negative --timer--> Empty
//! ```
//!
//! The table decides what the [`View`] shows; every change of either happens under the table's lock. It is
//! told the time and asks nobody, so a test can drive it through any schedule.

use std::{
    borrow::Borrow as _,
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map},
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    flight::{Flight, Seat},
    view::{Answer, Key, View},
};
use crate::{ErrorKind, ResolutionPolicy, Result, SecretName, SecretValue, clock::Moment};

pub(super) struct Table {
    entries: HashMap<Key, Entry, foldhash::fast::RandomState>,
    /// When answers in the view end, earliest first. An end that its entry no longer has is passed over.
    due: BinaryHeap<Reverse<(Moment, Key)>>,
    /// How many answers the view holds.
    held: usize,
    policy: ResolutionPolicy,
    /// Whether any entry is of a version: without, forgetting a name is one look-up.
    has_versions: bool,
    /// Seeded at random, and good enough to spread timers.
    random: foldhash::fast::RandomState,
    /// Counts draws, so that each answer's jitter is another.
    draws: u64,
}

/// One name, or one version of a name.
#[derive(Default)]
struct Entry {
    seat: Option<Seat>,
    /// When the answer in the view ends; none while there is no answer.
    until: Option<Moment>,
}

/// What a caller does who found no answer in the view.
pub(super) enum Departure {
    /// Somebody asked in between, and the answer is here.
    Here(Answer),
    /// Somebody is asking: wait for them.
    Join(Seat),
    /// Nobody is asking: the seat that was offered is taken, and its flight must be flown.
    Lead(Seat),
}

impl Table {
    pub(super) fn new(policy: ResolutionPolicy) -> Self {
        Table {
            entries: HashMap::default(),
            due: BinaryHeap::new(),
            held: 0,
            policy,
            has_versions: false,
            random: foldhash::fast::RandomState::default(),
            draws: 0,
        }
    }

    /// Joins the flight for `key`; where there is none, takes the seat `at` of a new flight.
    pub(super) fn depart(&mut self, key: &Key, view: &View, flight: &Arc<Flight>, at: usize) -> Departure {
        if let Some(answer) = view.read(key.borrow(), Answer::clone) {
            return Departure::Here(answer);
        }
        self.has_versions |= key.is_version();
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(seat) = &entry.seat {
            return Departure::Join(seat.clone());
        }
        let seat = Seat { flight: Arc::clone(flight), at };
        entry.seat = Some(seat.clone());
        Departure::Lead(seat)
    }

    /// Takes in what a flight brought. The answer of a flight that was called off in between (the name was
    /// written, or the cache cleared) goes to its waiters and is not kept.
    pub(super) fn arrive(
        &mut self,
        key: &Key,
        flight: &Arc<Flight>,
        answer: &Result<SecretValue>,
        now: Moment,
        wall: Timestamp,
        view: &View,
    ) {
        let hash_map::Entry::Occupied(mut entry) = self.entries.entry(key.clone()) else { return };
        if !entry.get().seat.as_ref().is_some_and(|seat| seat.is_in(flight)) {
            return;
        }
        entry.get_mut().seat = None;
        let kept = match answer {
            Ok(value) => Some((Answer::Value(value.clone()), value_ttl(&self.policy, value, wall))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Some((Answer::Missing(error.clone()), self.policy.negative_ttl))
            }
            Err(_) => None,
        };
        let kept = kept.filter(|(_, ttl)| self.policy.cache_enabled && !ttl.is_zero());
        let Some((answer, ttl)) = kept else {
            if entry.get().until.is_none() {
                entry.remove();
            }
            return;
        };
        let draw = draw(&self.random, self.draws);
        self.draws += 1;
        let until = now.later(shortened(ttl, self.policy.ttl_jitter, draw));
        if entry.get_mut().until.replace(until).is_none() {
            self.held += 1;
        }
        self.due.push(Reverse((until, key.clone())));
        view.publish(key.clone(), answer);
        while self.held > self.policy.max_entries {
            // The answers that would end first go first.
            self.end_earliest(view);
        }
        self.sweep();
    }

    /// Ends every answer that is due.
    pub(super) fn expire(&mut self, now: Moment, view: &View) {
        while self.next_due().is_some_and(|until| until <= now) {
            self.end_earliest(view);
        }
    }

    /// When the next answer ends; never later than that.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((until, _))| *until)
    }

    /// Prepares for this many more names.
    pub(super) fn reserve(&mut self, names: usize) {
        self.entries.reserve(names);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets `name` in all its versions, and calls off its flights.
    pub(super) fn forget(&mut self, name: &SecretName, view: &View) {
        let versions = self.has_versions.then(|| self.entries.keys().filter(|key| key.is_version_of(name)));
        let versions: Vec<Key> = versions.into_iter().flatten().cloned().collect();
        for key in versions.into_iter().chain([Key::current(name)]) {
            if let Some(Entry { until: Some(_), .. }) = self.entries.remove(&key) {
                self.held -= 1;
                view.withdraw(&key);
            }
        }
    }

    /// Forgets everything, and calls off all flights.
    pub(super) fn clear(&mut self, view: &View) {
        self.entries.clear();
        self.due.clear();
        self.held = 0;
        view.clear();
    }

    /// Takes the earliest end, and ends its answer unless that got another end, or was forgotten, since.
    fn end_earliest(&mut self, view: &View) {
        let Some(Reverse((until, key))) = self.due.pop() else { return };
        let hash_map::Entry::Occupied(mut entry) = self.entries.entry(key) else { return };
        if entry.get().until != Some(until) {
            return;
        }
        view.withdraw(entry.key());
        self.held -= 1;
        entry.get_mut().until = None;
        if entry.get().seat.is_none() {
            entry.remove();
        }
    }

    /// Drops ends that no entry has any more, once they are the greater part.
    fn sweep(&mut self) {
        if self.due.len() > 2 * self.held + 64 {
            let entries = &self.entries;
            self.due.retain(|Reverse((until, key))| {
                entries.get(key).is_some_and(|entry| entry.until == Some(*until))
            });
        }
    }
}

/// How long a value may be served: the TTL, or less if the value itself ends earlier.
fn value_ttl(policy: &ResolutionPolicy, value: &SecretValue, wall: Timestamp) -> Duration {
    match value.expires_at() {
        None => policy.cache_ttl,
        // A value that has ended already is handed to whoever asked, and never kept.
        Some(end) => policy.cache_ttl.min(Duration::try_from(end.duration_since(wall)).unwrap_or_default()),
    }
}

/// `ttl` less up to the share `jitter` of it: only ever earlier, for the TTL is a promise.
fn shortened(ttl: Duration, jitter: f64, draw: f64) -> Duration {
    ttl.mul_f64((1.0 - jitter * draw).clamp(0.0, 1.0))
}

/// A number from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "a spread of timers needs no 53rd bit")]
fn draw(random: &impl BuildHasher, count: u64) -> f64 {
    random.hash_one(count) as f64 / u64::MAX as f64
}
