//! What the engine knows of one name, and when it changes its mind: a state machine without I/O.
//!
//! ```text
//!            depart            arrive: a value                     TTL ends, no refresh failed
//! Empty ───────────► (flight) ───────────────► Fresh ───────────────────────────────────────────► Lapsed
//!   ▲                    │                       │  ▲ a refresh, ahead of the TTL, brings a value     │
//!   │                    │ 'not found'           │  └───────────────── Stale ◄──────────────────────┤
//!   │                    ▼                       │ TTL ends after a      ▲   │    a fetch that failed   │
//!   └─────────────── Refused ◄───────────────────┤ refresh that failed ──┘   │ nobody reads it          │
//!     negative_ttl      ▲   'not found', disabled,                           └─────────────────────────►│
//!                       └── or denied twice: the value is wiped    max_stale, or the value's own end: Empty
//! ```
//!
//! *Fresh* and *Stale* values are in the view, where readers find them. A *Lapsed* value is not: the next
//! reader's fetch decides whether it is replaced, confirmed, or served stale. A value that is *Forgotten* is gone, but
//! who holds the name may have made something of it: they are told of its end as if it were held.

mod arrival;
mod rotation;

use std::time::Duration;

use self::rotation::Rotation;
pub(super) use self::{arrival::Arrival, rotation::Verdict};
use super::{
    flight::Seat,
    view::{Answer, Key, View},
};
use crate::{ErrorKind, ResolutionPolicy, SecretValue, Version, clock::Moment, observe::EventKind};

/// The longest pause between two refreshes of a name whose store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest, however short `min_refresh_interval` is.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// One name, or one version of a name.
#[derive(Default)]
pub(super) struct Entry {
    /// The flight whose answer this entry will take in.
    pub(super) seat: Option<Seat>,
    state: State,
    /// How many generations and watches hold this name: it is refreshed whether it is read or not.
    pub(super) pins: u32,
    /// When a refresh is next considered.
    refresh_at: Option<Moment>,
    /// That refresh happens even if nobody reads the value.
    insists: bool,
    /// It waits for its turn to be refreshed.
    pub(super) is_queued: bool,
    /// The earliest moment for which the table has a timer of this entry.
    pub(super) timer: Option<Moment>,
    trouble: Option<Box<Trouble>>,
    rotation: Option<Box<Rotation>>,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// The value was forgotten while somebody held the name: what was made of it is in use until then.
    Forgotten {
        dead: Moment,
    },
    Held(Held),
    /// The store says that there is no such value; remembered until then.
    Refused {
        until: Moment,
    },
}

/// The last good value, as the store had it.
struct Held {
    value: SecretValue,
    /// When the store last confirmed it.
    validated: Moment,
    fresh_until: Moment,
    /// When it may not be served any more, whatever happens.
    dead: Moment,
    phase: Phase,
    /// It was replaced through this store, so it is never served again; kept for a new one that is refused.
    is_superseded: bool,
    /// The upstream API refused it.
    is_refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Fresh,
    Stale,
    Lapsed,
}

/// What has gone wrong since the store last gave a value.
struct Trouble {
    reason: ErrorKind,
    failures: u32,
    /// When the store first said 'denied'.
    denied_since: Option<Moment>,
    /// When somebody was last seen to read the value.
    used_at: Moment,
}

/// Where an entry stands, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Empty,
    Fresh,
    Stale,
    Lapsed,
    Refused,
}

/// One turn of one entry: what it goes by, and where it leaves what follows.
pub(super) struct Turn<'t> {
    pub(super) key: &'t Key,
    pub(super) now: Moment,
    pub(super) policy: &'t ResolutionPolicy,
    pub(super) view: &'t View,
    /// A random number from 0 to 1.
    pub(super) draw: f64,
    pub(super) events: &'t mut Vec<(Key, EventKind)>,
    /// Set if the value is to be fetched now, in the background.
    pub(super) wants_refresh: bool,
}

impl Turn<'_> {
    fn tell(&mut self, event: EventKind) {
        self.events.push((self.key.clone(), event));
    }

    fn publish(&self, value: &SecretValue) {
        if self.policy.cache_enabled {
            self.view.publish(self.key.clone(), Answer::Value(value.clone()));
        }
    }
}

impl Entry {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.state, State::Empty | State::Forgotten { .. })
    }

    /// Whether a refresh that was wanted some time ago is still worth a call.
    pub(super) fn is_wanted(&self) -> bool {
        self.seat.is_none() && (self.pins > 0 || self.held().is_some())
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.seat.is_none() && self.pins == 0 && !self.is_queued
    }

    pub(super) fn standing(&self) -> Standing {
        match &self.state {
            State::Empty | State::Forgotten { .. } => Standing::Empty,
            State::Refused { .. } => Standing::Refused,
            State::Held(held) => match held.phase {
                Phase::Fresh => Standing::Fresh,
                Phase::Stale => Standing::Stale,
                Phase::Lapsed => Standing::Lapsed,
            },
        }
    }

    /// When the store last confirmed the value that is held.
    pub(super) fn validated(&self) -> Option<Moment> {
        self.held().map(|held| held.validated)
    }

    /// The value that is held, whether it may be served or not.
    pub(super) fn value(&self) -> Option<&SecretValue> {
        self.held().map(|held| self.previous_served().unwrap_or(&held.value))
    }

    /// The value that may be served now.
    pub(super) fn servable(&self) -> Option<&SecretValue> {
        let held = self.held().filter(|held| held.phase != Phase::Lapsed)?;
        Some(self.previous_served().unwrap_or(&held.value))
    }

    fn held(&self) -> Option<&Held> {
        match &self.state {
            State::Held(held) => Some(held),
            _ => None,
        }
    }

    fn held_mut(&mut self) -> Option<&mut Held> {
        match &mut self.state {
            State::Held(held) => Some(held),
            _ => None,
        }
    }

    /// Whether it needs nobody's help to be asked for again: a refresh is planned or under way, or an end is due
    /// after which one will be.
    #[cfg(test)]
    pub(super) fn is_tended(&self) -> bool {
        let is_quiet = matches!(self.standing(), Standing::Fresh | Standing::Refused);
        is_quiet || self.refresh_at.is_some() || self.seat.is_some() || self.is_queued
    }

    /// When this entry is to be looked at next.
    pub(super) fn due(&self) -> Option<Moment> {
        let state = match &self.state {
            State::Empty => None,
            State::Forgotten { dead } => Some(*dead),
            State::Refused { until } => Some(*until),
            State::Held(held) if held.phase == Phase::Fresh => Some(held.fresh_until.min(held.dead)),
            State::Held(held) => Some(held.dead),
        };
        let refresh = self.refresh_at.filter(|_| self.seat.is_none() && !self.is_queued);
        let previous = self.previous().map(|previous| previous.until);
        [state, refresh, previous].into_iter().flatten().min()
    }

    /// Lets time do its work.
    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) {
        self.end_previous(turn);
        match &self.state {
            State::Refused { until } if *until <= turn.now => {
                self.state = State::Empty;
                turn.view.withdraw(turn.key);
                self.refresh_if_pinned(turn.now);
            }
            State::Held(held) if held.phase == Phase::Fresh && held.fresh_until <= turn.now => {
                self.end_freshness(turn);
            }
            _ => {}
        }
        self.end_life(turn);
        if self.seat.is_none() && self.refresh_at.is_some_and(|at| at <= turn.now) {
            self.consider_refresh(turn);
        }
    }

    /// The TTL has ended. If a refresh failed since the value was last confirmed, the store cannot answer, and the
    /// value is served on while the store is asked again; otherwise nobody has asked, and the next reader does.
    fn end_freshness(&mut self, turn: &mut Turn<'_>) {
        let is_asked = self.refresh_at.is_some() || self.seat.is_some() || self.is_queued;
        let is_alive = self.held().is_some_and(|held| turn.now < held.dead);
        match &self.trouble {
            Some(trouble) if is_asked && is_alive => {
                let reason = trouble.reason;
                self.serve_stale(reason, turn);
            }
            // It may not be served stale, and ends right now.
            Some(_) if is_asked => {}
            _ => {
                self.lapse(turn);
                self.refresh_if_pinned(turn.now);
            }
        }
    }

    /// Wipes the value when it may not be served any more, whatever happens.
    fn end_life(&mut self, turn: &mut Turn<'_>) {
        let is_missed = match &self.state {
            State::Forgotten { dead } if *dead <= turn.now => true,
            State::Held(held) if held.dead <= turn.now => {
                let is_served = held.phase != Phase::Lapsed || held.value.expires_at().is_some();
                self.pins > 0 || (is_served && !held.is_superseded)
            }
            _ => return,
        };
        if is_missed {
            turn.tell(EventKind::Expired);
        }
        self.wipe(turn);
        self.end_trouble_if_free();
        self.refresh_if_pinned(turn.now);
    }

    fn consider_refresh(&mut self, turn: &mut Turn<'_>) {
        self.refresh_at = None;
        let insists = std::mem::take(&mut self.insists);
        let mut is_used = turn.view.take_use(turn.key);
        if let Some(trouble) = &mut self.trouble {
            // Tries follow each other faster than readers may come: who read within a TTL counts.
            if is_used {
                trouble.used_at = turn.now;
            }
            is_used = turn.now.since(trouble.used_at) < turn.policy.cache_ttl;
        }
        if self.pins > 0 || is_used || insists {
            turn.wants_refresh = true;
        } else if self.standing() == Standing::Stale {
            // The store may come back any time; who reads it next finds out.
            self.lapse(turn);
        }
    }

    /// Whether a refresh that others are about to have can be had at once: it is due soon, and the value is used.
    pub(super) fn may_come_along(&mut self, key: &Key, soon: Moment, view: &View) -> bool {
        let is_due_soon = self.refresh_at.is_some_and(|at| at <= soon) && self.trouble.is_none();
        self.standing() == Standing::Fresh
            && self.seat.is_none()
            && !self.is_queued
            && is_due_soon
            && (self.pins > 0 || view.take_use(key))
    }

    /// Takes the value from the view. It is kept, in case the store cannot say better.
    fn lapse(&mut self, turn: &Turn<'_>) {
        let Some(held) = self.held_mut() else { return };
        if held.phase != Phase::Lapsed {
            held.phase = Phase::Lapsed;
            turn.view.withdraw(turn.key);
        }
    }

    fn serve_stale(&mut self, reason: ErrorKind, turn: &mut Turn<'_>) {
        let Some(held) = self.held() else { return };
        if held.phase == Phase::Lapsed {
            turn.publish(self.previous_served().unwrap_or(&held.value));
        }
        let at_most = held.dead.since(turn.now);
        if let Some(held) = self.held_mut() {
            held.phase = Phase::Stale;
        }
        turn.tell(EventKind::ServedStale { reason, at_most });
    }

    fn refresh_if_pinned(&mut self, now: Moment) {
        if self.pins > 0 && self.refresh_at.is_none() {
            self.refresh_at = Some(now);
        }
    }

    /// Drops the value, which is wiped when its last reader is gone.
    fn wipe(&mut self, turn: &Turn<'_>) {
        self.state = State::Empty;
        self.rotation = None;
        turn.view.withdraw(turn.key);
    }

    /// Calls the flight off: its waiters get its answer, and this entry does not. A value that is held may not be
    /// the current one any more, but it may be: the next reader finds out.
    pub(super) fn doubt(&mut self, turn: &Turn<'_>) {
        self.seat = None;
        if let State::Refused { .. } = self.state {
            self.state = State::Empty;
            turn.view.withdraw(turn.key);
        }
        self.lapse(turn);
    }

    /// As [`doubt`](Entry::doubt), and whoever holds the name is brought up to date.
    pub(super) fn doubt_and_ask(&mut self, turn: &Turn<'_>) {
        self.doubt(turn);
        if self.pins > 0 {
            self.refresh_at = Some(turn.now);
        }
    }

    /// The value was replaced through this store: it is never served again, but in place of one that is refused.
    pub(super) fn supersede(&mut self, turn: &Turn<'_>) {
        self.doubt_and_ask(turn);
        let is_pinned = self.pins > 0;
        if let Some(held) = self.held_mut() {
            held.is_superseded = true;
            if !is_pinned {
                held.dead = held.dead.min(turn.now.later(turn.policy.previous_retain));
            }
        }
    }

    /// Something changed in the store: a value that is in use is fetched anew and served until then.
    pub(super) fn look_anew(&mut self, turn: &mut Turn<'_>) {
        self.seat = None;
        if self.servable().is_some() && (self.pins > 0 || turn.view.take_use(turn.key)) {
            self.refresh_at = None;
            turn.wants_refresh = true;
        } else {
            self.doubt_and_ask(turn);
        }
    }

    /// Forgets everything but who holds the name, and until when what they have of it may be in use.
    pub(super) fn forget(&mut self, turn: &Turn<'_>) {
        let dead = match &self.state {
            State::Held(held) => Some(held.dead),
            State::Forgotten { dead } => Some(*dead),
            State::Empty | State::Refused { .. } => None,
        };
        self.seat = None;
        self.trouble = None;
        self.insists = false;
        self.refresh_at = None;
        self.wipe(turn);
        if let Some(dead) = dead.filter(|_| self.pins > 0) {
            self.state = State::Forgotten { dead };
        }
        self.refresh_if_pinned(turn.now);
    }

    /// One who held the name holds it no more.
    pub(super) fn unpin(&mut self, turn: &Turn<'_>) {
        self.pins -= 1;
        if self.pins == 0 && (!turn.policy.cache_enabled || self.is_empty()) {
            self.wipe(turn);
        }
        self.end_trouble_if_free();
    }

    /// What went wrong with a value that is gone and that nobody holds says nothing of the next one.
    fn end_trouble_if_free(&mut self) {
        if self.is_empty() && self.pins == 0 {
            self.trouble = None;
        }
    }

    /// What a new table takes over of this entry: the value with its times, if there is one. A fetch that was under
    /// way is made anew.
    pub(super) fn inherited(self, now: Moment) -> Option<Self> {
        let State::Held(_) = self.state else { return None };
        let was_asked = self.seat.is_some() || self.is_queued;
        let refresh_at = self.refresh_at.or(was_asked.then_some(now));
        let Entry { state, insists, trouble, rotation, .. } = self;
        Some(Entry { state, refresh_at, insists, trouble, rotation, ..Entry::default() })
    }

    /// Shows readers the value, if it may be served.
    pub(super) fn show(&self, turn: &Turn<'_>) {
        if let Some(value) = self.servable() {
            turn.publish(value);
        }
    }

    /// Forgets what is remembered, but not what is on its way: to make room.
    pub(super) fn let_go(&mut self) {
        let Entry { seat, is_queued, .. } = std::mem::take(self);
        *self = Entry { seat, is_queued, ..Entry::default() };
    }
}

/// How long to wait before a name whose store fails is asked for again: doubling, within bounds.
fn pause_after(failures: u32, policy: &ResolutionPolicy) -> Duration {
    let first = policy.min_refresh_interval.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    first.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE)
}

fn is_version(value: &SecretValue, version: &Version) -> bool {
    value.version() == Some(version)
}

/// The version of a value that the engine holds: all have one.
fn version_of(value: &SecretValue) -> Version {
    value.version().cloned().unwrap_or_else(|| Version::from(0))
}
