//! The entries of one store, their timers, and the order in which they are refreshed: a state machine without
//! I/O.
//!
//! The table decides what the [`View`] shows; every change of either happens under the table's lock. It is
//! told the time and asks nobody, so a test can drive it through any schedule. What follows from a change, it
//! collects: events to tell, and flights to fly.

use std::{
    borrow::Borrow as _,
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, hash_map},
    hash::BuildHasher,
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    entry::{Arrival, Entry, Standing, Turn, Verdict},
    flight::{Flight, Purpose, Seat},
    view::{Answer, Key, View},
};
use crate::{
    ResolutionPolicy, Result, SecretName, SecretValue, Version, clock::Moment, duration::share,
    observe::EventKind, observe::metrics::Census,
};

/// How many timers are looked at to fill up one batch.
const MOST_PASSED_OVER: usize = 4_096;

pub(super) struct Table {
    entries: HashMap<Key, Entry, foldhash::fast::RandomState>,
    /// When entries are to be looked at, earliest first. One that its entry no longer has is passed over.
    timers: BinaryHeap<Reverse<(Moment, Key)>>,
    /// Names whose values lapsed, oldest first: these go first when there are too many entries.
    lapsed: VecDeque<Key>,
    /// Names that wait to be refreshed, until the store has a place free.
    queue: VecDeque<Key>,
    /// How many refreshes are under way.
    refreshing: usize,
    /// How many entries have something to remember.
    held: usize,
    rules: Rules,
    /// Whether any entry is of a version: without, forgetting a name is one look-up.
    has_versions: bool,
    /// Seeded at random, and good enough to spread timers.
    random: foldhash::fast::RandomState,
    /// Counts draws, so that each answer's jitter is another.
    draws: u64,
    /// Numbers the versions of a store that has none.
    versions: u64,
    events: Vec<(Key, EventKind)>,
}

/// What the table goes by.
pub(super) struct Rules {
    pub(super) policy: ResolutionPolicy,
    /// How many names one call to the store can fetch.
    pub(super) batch: usize,
    pub(super) has_ordered_versions: bool,
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

/// What a caller does whose value was refused.
pub(super) enum Refusal {
    Settled(Verdict),
    /// Somebody asks the store for the same reason: wait for them, then [`Table::refused_still`].
    Join(Seat),
    /// The seat that was offered is taken, and its flight must be flown.
    Lead(Seat),
}

impl Table {
    pub(super) fn new(rules: Rules) -> Self {
        Table {
            entries: HashMap::default(),
            timers: BinaryHeap::new(),
            lapsed: VecDeque::new(),
            queue: VecDeque::new(),
            refreshing: 0,
            held: 0,
            rules,
            has_versions: false,
            random: foldhash::fast::RandomState::default(),
            draws: 0,
            versions: 0,
            events: Vec::new(),
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

    /// The flight that will bring `key`.
    pub(super) fn flight(&self, key: &Key) -> Option<&Arc<Flight>> {
        self.entries.get(key)?.seat.as_ref().map(|seat| &seat.flight)
    }

    /// Takes the seat `at` of a new flight, whatever is on its way already: that may have been asked too early.
    pub(super) fn depart_anew(&mut self, key: &Key, flight: &Arc<Flight>, at: usize) -> Seat {
        self.has_versions |= key.is_version();
        let seat = Seat { flight: Arc::clone(flight), at };
        self.entries.entry(key.clone()).or_default().seat = Some(seat.clone());
        seat
    }

    /// Takes in what a flight brought. The answer of a flight that was called off in between (the name was
    /// written, or is asked for anew) goes to its waiters and is not kept.
    pub(super) fn arrive(
        &mut self,
        flight: &Arc<Flight>,
        answers: &mut [(Key, Result<SecretValue>)],
        now: Moment,
        wall: Timestamp,
        view: &View,
    ) {
        if flight.purpose == Purpose::Refresh {
            self.refreshing -= 1;
        }
        for (key, answer) in answers {
            let number = self.versions + 1;
            // A stage or an alias may be moved back to a lower version.
            let has_ordered_versions = self.rules.has_ordered_versions && !key.is_version();
            self.with(key, now, view, |entry, turn| {
                if !entry.seat.as_ref().is_some_and(|seat| seat.is_in(flight)) {
                    return;
                }
                entry.seat = None;
                if flight.purpose == Purpose::Probe && answer.is_err() && entry.value().is_some() {
                    entry.probed_in_vain(turn);
                    return;
                }
                entry.arrive(answer, &Arrival { wall, number, has_ordered_versions }, turn);
            });
            if let Ok(value) = answer {
                if value.version().is_none() {
                    // Of a flight that was called off.
                    *value = value.clone().with_version(number);
                }
                self.versions = number;
            }
        }
        self.evict(view);
        self.sweep();
    }

    /// Lets time do its work on every entry that is due.
    pub(super) fn tick(&mut self, now: Moment, view: &View) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse((due, key))) = self.timers.pop() else { return };
            self.with(&key, now, view, |entry, turn| {
                if entry.timer == Some(due) {
                    entry.timer = None;
                }
                entry.tick(turn);
            });
        }
    }

    /// When the next entry is to be looked at; never later than that.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// The next refresh, if one is wanted and the store has a place free: a flight that must be flown, and the
    /// names it is to bring.
    pub(super) fn next_refresh(&mut self, now: Moment, view: &View) -> Option<(Arc<Flight>, Vec<Key>)> {
        if self.queue.is_empty() || self.refreshing >= self.rules.policy.max_in_flight.max(1) {
            return None;
        }
        let flight = Flight::new(Purpose::Refresh);
        let mut keys = Vec::new();
        while keys.len() < self.rules.batch
            && let Some(key) = self.queue.pop_front()
        {
            // One that was forgotten while it waited is not fetched, and may be nothing to remember.
            self.with(&key, now, view, |entry, _| {
                entry.is_queued = false;
                if entry.is_wanted() {
                    entry.seat = Some(Seat { flight: Arc::clone(&flight), at: keys.len() });
                    keys.push(key.clone());
                }
            });
        }
        if keys.is_empty() {
            return None;
        }
        self.fill_up(&flight, &mut keys, now, view);
        self.refreshing += 1;
        Some((flight, keys))
    }

    /// Gives the places that are left in a batch to names whose refresh is due soon: jitter spreads what could be
    /// one call.
    fn fill_up(&mut self, flight: &Arc<Flight>, keys: &mut Vec<Key>, now: Moment, view: &View) {
        let policy = &self.rules.policy;
        let soon = now.later(share(policy.cache_ttl, policy.ttl_jitter.clamp(0.0, 1.0)));
        let mut later = Vec::new();
        while keys.len() < self.rules.batch
            && later.len() < MOST_PASSED_OVER
            && self.next_due().is_some_and(|due| due <= soon)
        {
            let Some(Reverse((due, key))) = self.timers.pop() else { break };
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.timer == Some(due)) else {
                continue;
            };
            if entry.may_come_along(&key, soon, view) {
                entry.seat = Some(Seat { flight: Arc::clone(flight), at: keys.len() });
                keys.push(key.clone());
            }
            later.push(Reverse((due, key)));
        }
        self.timers.extend(later);
    }

    /// What has happened since this was last asked.
    pub(super) fn take_events(&mut self) -> Vec<(Key, EventKind)> {
        std::mem::take(&mut self.events)
    }

    /// The upstream API refused the value of this version.
    pub(super) fn refused(
        &mut self,
        key: &Key,
        version: &Version,
        flight: &Arc<Flight>,
        now: Moment,
        view: &View,
    ) -> Refusal {
        self.has_versions |= key.is_version();
        self.entries.entry(key.clone()).or_default();
        let mut refusal = Refusal::Settled(Verdict::Ask);
        self.with(key, now, view, |entry, turn| {
            refusal = match entry.refused(version, turn) {
                Verdict::Ask => match &entry.seat {
                    // It was asked because of a refusal, too. A refresh may have been asked before the rotation.
                    Some(seat) if seat.flight.purpose == Purpose::Force => Refusal::Join(seat.clone()),
                    _ => {
                        let seat = Seat { flight: Arc::clone(flight), at: 0 };
                        entry.seat = Some(seat.clone());
                        Refusal::Lead(seat)
                    }
                },
                verdict => Refusal::Settled(verdict),
            };
        });
        refusal
    }

    /// As [`refused`](Table::refused), after the store was `asked` once more.
    pub(super) fn refused_still(
        &mut self,
        key: &Key,
        version: &Version,
        asked: &Result<()>,
        now: Moment,
        view: &View,
    ) -> Verdict {
        let mut verdict = Verdict::Unchanged;
        self.with(key, now, view, |entry, turn| verdict = entry.refused_still(version, asked, turn));
        verdict
    }

    /// Holds `key`: from now on it is refreshed whether it is read or not.
    pub(super) fn pin(&mut self, key: &Key) {
        self.has_versions |= key.is_version();
        self.entries.entry(key.clone()).or_default().pins += 1;
    }

    /// Undoes one [`pin`](Table::pin).
    pub(super) fn unpin(&mut self, key: &Key, now: Moment, view: &View) {
        self.with(key, now, view, |entry, turn| entry.unpin(turn));
    }

    /// The value held for `key`, whether the view shows it or not.
    pub(super) fn value(&self, key: &Key) -> Option<SecretValue> {
        self.entries.get(key)?.value().cloned()
    }

    /// Prepares for this many more names.
    pub(super) fn reserve(&mut self, names: usize) {
        self.entries.reserve(names);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// `name` is about to be written: what is held of it is not served, and what is on its way is not kept.
    pub(super) fn doubt(&mut self, name: &SecretName, now: Moment, view: &View) {
        self.with_versions_of(name, now, view, |entry, turn| entry.doubt(turn));
    }

    /// Nobody knows whether `name` was written.
    pub(super) fn doubt_and_ask(&mut self, name: &SecretName, now: Moment, view: &View) {
        self.with_versions_of(name, now, view, |entry, turn| entry.doubt_and_ask(turn));
    }

    /// `name` was written.
    pub(super) fn supersede(&mut self, name: &SecretName, now: Moment, view: &View) {
        self.with_versions_of(name, now, view, |entry, turn| entry.supersede(turn));
    }

    /// Forgets `name` in all its versions, and calls off its flights.
    pub(super) fn forget(&mut self, name: &SecretName, now: Moment, view: &View) {
        self.with_versions_of(name, now, view, |entry, turn| entry.forget(turn));
    }

    /// Forgets everything, and calls off all flights.
    pub(super) fn clear(&mut self, now: Moment, view: &View) {
        self.with_all(now, view, |entry, turn| entry.forget(turn));
        self.lapsed.clear();
    }

    /// Takes over the values of `before`, with their times: not its flights, which nobody flies any more, nor those
    /// who hold its names.
    pub(super) fn inherit(&mut self, before: &mut Table, now: Moment, view: &View) {
        self.versions = before.versions;
        self.has_versions = before.has_versions;
        for (key, entry) in before.entries.drain() {
            let Some(entry) = entry.inherited(now) else { continue };
            self.held += 1;
            self.entries.insert(key.clone(), entry);
            self.with(&key, now, view, |entry, turn| entry.show(turn));
        }
    }

    /// The store changed: what is in use is asked for anew, and the rest by its next reader.
    pub(super) fn look_anew(&mut self, now: Moment, view: &View) {
        self.with_all(now, view, Entry::look_anew);
    }

    /// How many entries stand where, and how old the oldest answer is that readers get.
    pub(super) fn census(&self, now: Moment) -> Census {
        let mut census = Census::default();
        for entry in self.entries.values() {
            let is_served = match entry.standing() {
                Standing::Empty => continue,
                Standing::Refused => {
                    census.negative += 1;
                    continue;
                }
                Standing::Lapsed => {
                    census.lapsed += 1;
                    false
                }
                Standing::Fresh => {
                    census.fresh += 1;
                    true
                }
                Standing::Stale => {
                    census.stale += 1;
                    true
                }
            };
            if let Some(validated) = entry.validated().filter(|_| is_served) {
                census.oldest = census.oldest.max(now.since(validated));
            }
        }
        census
    }

    fn with_versions_of(
        &mut self,
        name: &SecretName,
        now: Moment,
        view: &View,
        mut act: impl FnMut(&mut Entry, &mut Turn<'_>),
    ) {
        let versions = self.has_versions.then(|| self.entries.keys().filter(|key| key.is_version_of(name)));
        let versions: Vec<Key> = versions.into_iter().flatten().cloned().collect();
        for key in versions.into_iter().chain([Key::current(name)]) {
            self.with(&key, now, view, &mut act);
        }
    }

    fn with_all(&mut self, now: Moment, view: &View, mut act: impl FnMut(&mut Entry, &mut Turn<'_>)) {
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        for key in keys {
            self.with(&key, now, view, &mut act);
        }
    }

    /// Gives the entry of `key` a turn, if there is one, and keeps the books: the count of entries, its timer,
    /// its place in the queue, and whether there is anything left to remember.
    fn with(&mut self, key: &Key, now: Moment, view: &View, act: impl FnOnce(&mut Entry, &mut Turn<'_>)) {
        let hash_map::Entry::Occupied(mut slot) = self.entries.entry(key.clone()) else { return };
        let entry = slot.get_mut();
        let before = entry.standing();
        let draw = draw(&self.random, self.draws);
        self.draws += 1;
        let policy = &self.rules.policy;
        let mut turn = Turn { key, now, policy, view, draw, events: &mut self.events, wants_refresh: false };
        act(entry, &mut turn);
        if turn.wants_refresh && !entry.is_queued {
            entry.is_queued = true;
            self.queue.push_back(key.clone());
        }
        let after = entry.standing();
        match (before == Standing::Empty, after == Standing::Empty) {
            (true, false) => self.held += 1,
            (false, true) => self.held -= 1,
            _ => {}
        }
        if after == Standing::Lapsed && before != Standing::Lapsed {
            self.lapsed.push_back(key.clone());
        }
        if entry.is_idle() {
            slot.remove();
            return;
        }
        if let Some(due) = entry.due()
            && entry.timer.is_none_or(|timer| due < timer)
        {
            entry.timer = Some(due);
            self.timers.push(Reverse((due, key.clone())));
        }
    }

    /// Lets go of entries until there are no more than may be: of values that lapsed first, then of what would
    /// change first. What a generation or a watch holds stays.
    fn evict(&mut self, view: &View) {
        let max = self.rules.policy.max_entries;
        while self.held > max
            && let Some(key) = self.lapsed.pop_front()
        {
            if self.entries.get(&key).is_some_and(|entry| entry.standing() == Standing::Lapsed) {
                self.let_go(&key, view);
            }
        }
        let mut kept = Vec::new();
        while self.held > max
            && let Some(Reverse((due, key))) = self.timers.pop()
        {
            let is_timer = self.entries.get(&key).is_some_and(|entry| entry.timer == Some(due));
            if is_timer && !self.let_go(&key, view) {
                kept.push(Reverse((due, key)));
            }
        }
        self.timers.extend(kept);
    }

    /// Forgets an entry that nobody holds; false if somebody does.
    fn let_go(&mut self, key: &Key, view: &View) -> bool {
        let hash_map::Entry::Occupied(mut slot) = self.entries.entry(key.clone()) else { return true };
        if slot.get().pins > 0 {
            return false;
        }
        if !slot.get().is_empty() {
            self.held -= 1;
        }
        view.withdraw(key);
        slot.get_mut().let_go();
        if slot.get().is_idle() {
            slot.remove();
        }
        true
    }

    /// Drops what no entry has any more, once it is the greater part.
    fn sweep(&mut self) {
        let entries = &self.entries;
        if self.timers.len() > 2 * entries.len() + 64 {
            self.timers.retain(|Reverse((due, key))| {
                entries.get(key).is_some_and(|entry| entry.timer == Some(*due))
            });
        }
        if self.lapsed.len() > 2 * entries.len() + 64 {
            self.lapsed
                .retain(|key| entries.get(key).is_some_and(|entry| entry.standing() == Standing::Lapsed));
        }
    }
}

#[cfg(test)]
impl Table {
    /// Checks that the books agree with the entries.
    pub(super) fn audit(&self) {
        let held = self.entries.values().filter(|entry| !entry.is_empty()).count();
        assert_eq!(self.held, held, "the count of entries");
        assert!(self.refreshing <= self.rules.policy.max_in_flight.max(1), "refreshes under way");
        for (key, entry) in &self.entries {
            assert!(!entry.is_idle(), "{key:?} has nothing to remember");
            let queued = self.queue.iter().filter(|queued| *queued == key).count();
            assert_eq!(queued, usize::from(entry.is_queued), "{key:?} in the queue");
            if let Some(timer) = entry.timer {
                let is_set = self.timers.iter().any(|Reverse((due, other))| *due == timer && other == key);
                assert!(is_set, "{key:?} has a timer that is not there");
            }
            if let Some(due) = entry.due() {
                assert!(entry.timer.is_some_and(|timer| timer <= due), "{key:?} is due, and no timer is");
                assert!(self.next_due().is_some_and(|next| next <= due), "{key:?} is due too late");
            }
        }
    }

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// How many entries have something to remember, and how many refreshes are under way.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.held, self.refreshing)
    }
}

/// A number from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "a spread of timers needs no 53rd bit")]
fn draw(random: &impl BuildHasher, count: u64) -> f64 {
    random.hash_one(count) as f64 / u64::MAX as f64
}
