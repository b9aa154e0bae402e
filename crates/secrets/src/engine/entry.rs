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
//! reader's fetch decides whether it is replaced, confirmed, or served stale.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    flight::Seat,
    view::{Answer, Key, View},
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretValue, Version, clock::Moment, observe::EventKind,
};

/// The longest pause between two refreshes of a name whose store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest, however short `min_refresh_interval` is.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// How often a value that was refused, and that the store still calls current, is asked for again before its
/// TTL: a replica of the store may lag behind.
const SECOND_LOOKS: u32 = 5;

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

/// What is remembered of values that the upstream API refused, and of the version before.
#[derive(Default)]
struct Rotation {
    previous: Option<Previous>,
    /// The version that was refused although the store said it is current, and when the store said so.
    confirmed: Option<(Version, Moment)>,
    second_looks: u32,
}

/// The last value before that the upstream API has not refused.
struct Previous {
    value: SecretValue,
    until: Moment,
    /// It is served in place of the current value, which was refused.
    is_served: bool,
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

/// What to do about a value that the upstream API refused.
pub(super) enum Verdict {
    /// Another value is at hand.
    Rotated(SecretValue),
    /// The version before is at hand, and served from now on.
    FellBack(SecretValue),
    /// The store was asked just now, and has nothing else.
    Unchanged,
    /// The store is to be asked.
    Ask,
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

/// What an answer is judged by.
pub(super) struct Arrival {
    pub(super) wall: Timestamp,
    /// The number of the version, should the store give none and the value be another one.
    pub(super) number: u64,
    pub(super) has_ordered_versions: bool,
}

impl Entry {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.state, State::Empty)
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
            State::Empty => Standing::Empty,
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

    fn previous(&self) -> Option<&Previous> {
        self.rotation.as_ref()?.previous.as_ref()
    }

    fn previous_served(&self) -> Option<&SecretValue> {
        self.previous().filter(|previous| previous.is_served).map(|previous| &previous.value)
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
        let Some(held) = self.held().filter(|held| held.dead <= turn.now) else { return };
        let is_missed = held.phase != Phase::Lapsed || self.pins > 0 || held.value.expires_at().is_some();
        if is_missed && !held.is_superseded {
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

    /// Takes in what the store answered. What waiters get may be changed: a version number is added, and an
    /// answer older than what is held becomes an error.
    pub(super) fn arrive(
        &mut self,
        answer: &mut Result<SecretValue>,
        arrival: &Arrival,
        turn: &mut Turn<'_>,
    ) {
        if let (Ok(value), Some(held)) = (&*answer, self.held())
            && arrival.has_ordered_versions
            && is_older(value, &held.value)
        {
            *answer = Err(Error::new(
                ErrorKind::Unavailable,
                "the store answered with an older version than it did before",
            ));
        }
        match answer {
            Ok(value) => {
                self.number(value, arrival.number);
                self.take_in(value, arrival, turn);
            }
            Err(error) => self.fail(error, turn),
        }
    }

    /// Gives the value a version if the store did not: the number it had, if it is the same value.
    fn number(&self, value: &mut SecretValue, number: u64) {
        if value.version().is_none() {
            let known = self.held().filter(|held| held.value.same_value(value));
            let version = known.and_then(|held| held.value.version().cloned());
            *value = value.clone().with_version(version.unwrap_or_else(|| Version::from(number)));
        }
    }

    fn take_in(&mut self, value: &SecretValue, arrival: &Arrival, turn: &mut Turn<'_>) {
        let ttl = value_ttl(turn.policy, value, arrival.wall);
        let had_trouble = self.trouble.take().is_some();
        let is_kept = !ttl.is_zero() && (turn.policy.cache_enabled || self.pins > 0);
        let (fresh_for, ends_after) =
            (shortened(ttl, turn.policy.ttl_jitter, turn.draw), own_end(value, arrival.wall));
        let fresh_until = turn.now.later(fresh_for);
        let mut dead = fresh_until.max(turn.now.later(turn.policy.max_stale));
        if let Some(ends_after) = ends_after {
            dead = dead.min(turn.now.later(ends_after));
        }
        let mut new = Held {
            value: value.clone(),
            validated: turn.now,
            fresh_until,
            dead,
            phase: Phase::Fresh,
            is_superseded: false,
            is_refused: false,
        };
        self.insists = false;
        match std::mem::take(&mut self.state) {
            State::Held(old) => {
                if had_trouble {
                    turn.tell(EventKind::Recovered);
                }
                if !is_kept {
                    turn.tell(EventKind::Expired);
                } else if !is_same(&old.value, value) {
                    turn.tell(EventKind::Rotated {
                        from: version_of(&old.value),
                        to: version_of(value),
                        lag: turn.now.since(old.validated),
                    });
                    self.retain(old, arrival.wall, turn);
                } else {
                    new.is_refused = old.is_refused;
                    if old.is_superseded {
                        // It was replaced, and the store still has it: a replica that lags behind, or no change.
                        self.rotation.get_or_insert_default().second_looks = SECOND_LOOKS;
                    }
                }
            }
            _ if is_kept => turn.tell(EventKind::Resolved { version: version_of(value) }),
            _ => {}
        }
        if !is_kept {
            self.rotation = None;
            // Whoever holds the name waits for a successor of a value that has ended.
            let is_awaited = self.pins > 0 && !turn.policy.cache_ttl.is_zero();
            self.refresh_at = is_awaited.then(|| turn.now.later(LONGEST_PAUSE));
            turn.view.withdraw(turn.key);
            return;
        }
        self.state = State::Held(new);
        turn.publish(self.previous_served().unwrap_or(value));
        self.refresh_at = match turn.policy.refresh_ahead {
            share if share < 1.0 => {
                // Towards a value's own end, the share of what is left would be asked for ever more often.
                let shortest = SHORTEST_PAUSE.min(turn.policy.cache_ttl);
                Some(turn.now.later(fresh_for.mul_f64(share.max(0.0)).max(shortest)))
            }
            _ => None,
        };
        self.look_again(turn.now, turn.policy);
    }

    /// Keeps the version before, for a new one that the upstream API does not accept yet.
    fn retain(&mut self, old: Held, wall: Timestamp, turn: &Turn<'_>) {
        let rotation = self.rotation.get_or_insert_default();
        rotation.confirmed = None;
        rotation.second_looks = 0;
        if old.is_refused {
            // It can stand in for nothing; what stood in for it may do so for its successor.
            if let Some(previous) = &mut rotation.previous {
                previous.is_served = false;
            }
        } else {
            let retain = turn.policy.previous_retain;
            let retain = own_end(&old.value, wall).map_or(retain, |end| end.min(retain));
            rotation.previous = (!retain.is_zero()).then(|| Previous {
                value: old.value,
                until: turn.now.later(retain),
                is_served: false,
            });
        }
        if rotation.previous.is_none() {
            self.rotation = None;
        }
    }

    /// Somebody wanted to know what the store has, and it failed: the next refresh judges that, and comes soon,
    /// for this one may have come in place of another.
    pub(super) fn probed_in_vain(&mut self, turn: &Turn<'_>) {
        let soon = turn.now.later(pause_after(1, turn.policy));
        self.refresh_at = Some(self.refresh_at.map_or(soon, |planned| planned.min(soon)));
    }

    fn fail(&mut self, error: &Error, turn: &mut Turn<'_>) {
        let denied_since = self.trouble.as_ref().and_then(|trouble| trouble.denied_since);
        let is_denied = error.kind() == ErrorKind::Denied;
        let is_confirmed = is_denied
            && denied_since.is_some_and(|since| turn.now.since(since) >= turn.policy.min_refresh_interval);
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled) || is_confirmed {
            self.refuse(error, turn);
            return;
        }
        if self.is_empty() && self.pins == 0 {
            return;
        }
        if let State::Refused { .. } = self.state {
            // Asked again by force, and the store cannot answer: what it said before stands until its end.
            return;
        }
        let trouble = self.trouble.get_or_insert_with(|| {
            Box::new(Trouble { reason: error.kind(), failures: 0, denied_since: None, used_at: turn.now })
        });
        trouble.reason = error.kind();
        trouble.failures = trouble.failures.saturating_add(1);
        let pause = if is_denied {
            trouble.denied_since.get_or_insert(turn.now);
            self.insists = true;
            turn.policy.min_refresh_interval
        } else {
            pause_after(trouble.failures, turn.policy).mul_f64(1.0 - turn.draw / 2.0)
        };
        let pause = pause.max(error.retry_after().unwrap_or_default());
        self.refresh_at = Some(turn.now.later(pause));
        turn.tell(EventKind::RefreshFailed { error: error.clone() });
        if let Some(held) = self.held()
            && held.phase == Phase::Lapsed
            && !held.is_superseded
            && turn.now < held.dead
        {
            self.serve_stale(error.kind(), turn);
        }
    }

    /// The store says that there is no such value: nothing of it is served any more.
    fn refuse(&mut self, error: &Error, turn: &mut Turn<'_>) {
        if self.held().is_some() {
            turn.tell(EventKind::Revoked { reason: error.kind() });
        }
        self.wipe(turn);
        self.trouble = None;
        self.insists = false;
        let remember = turn.policy.negative_ttl;
        if turn.policy.cache_enabled && !remember.is_zero() {
            self.state = State::Refused { until: turn.now.later(remember) };
            self.refresh_at = None;
            turn.view.publish(turn.key.clone(), Answer::Missing(error.clone()));
        } else {
            self.refresh_at = (self.pins > 0).then(|| turn.now.later(remember.max(SHORTEST_PAUSE)));
        }
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

    /// Forgets everything but who holds the name.
    pub(super) fn forget(&mut self, turn: &Turn<'_>) {
        self.seat = None;
        self.trouble = None;
        self.insists = false;
        self.refresh_at = None;
        self.wipe(turn);
        self.refresh_if_pinned(turn.now);
    }

    /// One who held the name holds it no more.
    pub(super) fn unpin(&mut self, turn: &Turn<'_>) {
        self.pins -= 1;
        if self.pins == 0 && !turn.policy.cache_enabled {
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

    /// Forgets what is remembered, but not what is on its way: to make room.
    pub(super) fn let_go(&mut self) {
        let Entry { seat, is_queued, .. } = std::mem::take(self);
        *self = Entry { seat, is_queued, ..Entry::default() };
    }

    /// The upstream API refused the value of this version.
    pub(super) fn refused(&mut self, version: &Version, turn: &mut Turn<'_>) -> Verdict {
        if self.previous().is_some_and(|previous| is_version(&previous.value, version)) {
            self.drop_previous(turn);
        }
        let Some(held) = self.held_mut() else { return Verdict::Ask };
        let is_current = is_version(&held.value, version);
        held.is_refused |= is_current;
        let Some(served) = self.servable() else { return Verdict::Ask };
        if !is_current {
            return Verdict::Rotated(served.clone());
        }
        if let Some(previous) = self.previous_served() {
            return Verdict::FellBack(previous.clone());
        }
        let confirmed = self.rotation.as_ref().and_then(|rotation| rotation.confirmed.as_ref());
        match confirmed {
            Some((confirmed, at))
                if confirmed == version && turn.now.since(*at) < turn.policy.min_refresh_interval =>
            {
                self.fall_back(turn).map_or(Verdict::Unchanged, Verdict::FellBack)
            }
            _ => Verdict::Ask,
        }
    }

    /// As [`refused`](Entry::refused), after the store was asked once more, and `answered` or could not.
    pub(super) fn refused_still(
        &mut self,
        version: &Version,
        answered: bool,
        turn: &mut Turn<'_>,
    ) -> Verdict {
        let Some(held) = self.held_mut() else { return Verdict::Unchanged };
        let is_current = is_version(&held.value, version);
        held.is_refused |= is_current;
        let Some(served) = self.servable() else { return Verdict::Unchanged };
        if !is_current {
            return Verdict::Rotated(served.clone());
        }
        if answered {
            let rotation = self.rotation.get_or_insert_default();
            if rotation.confirmed.as_ref().is_none_or(|(confirmed, _)| confirmed != version) {
                rotation.second_looks = SECOND_LOOKS;
            }
            rotation.confirmed = Some((version.clone(), turn.now));
            self.look_again(turn.now, turn.policy);
        }
        self.fall_back(turn).map_or(Verdict::Unchanged, Verdict::FellBack)
    }

    /// Plans another look at a value that was refused, sooner than its refresh would be.
    fn look_again(&mut self, now: Moment, policy: &ResolutionPolicy) {
        let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.second_looks > 0) else {
            return;
        };
        let taken = SECOND_LOOKS - rotation.second_looks + 1;
        rotation.second_looks -= 1;
        let at = now.later(pause_after(taken, policy));
        self.refresh_at = Some(self.refresh_at.map_or(at, |planned| planned.min(at)));
        self.insists = true;
    }

    /// Serves the version before, if it is at hand and was not refused itself.
    fn fall_back(&mut self, turn: &mut Turn<'_>) -> Option<SecretValue> {
        let State::Held(held) = &self.state else { return None };
        let previous = self.rotation.as_mut()?.previous.as_mut()?;
        if previous.until <= turn.now {
            return None;
        }
        previous.is_served = true;
        let (from, to) = (version_of(&held.value), version_of(&previous.value));
        let value = previous.value.clone();
        if held.phase != Phase::Lapsed {
            turn.publish(&value);
        }
        turn.tell(EventKind::FellBack { from, to });
        Some(value)
    }

    /// Serves the current value again, after the previous one was.
    fn serve_current(&mut self, from: Version, turn: &mut Turn<'_>) {
        let State::Held(held) = &self.state else { return };
        if held.phase != Phase::Lapsed {
            turn.publish(&held.value);
        }
        let to = version_of(&held.value);
        turn.tell(EventKind::Rotated { from, to, lag: Duration::ZERO });
    }

    /// Wipes the version before when its time is over.
    fn end_previous(&mut self, turn: &mut Turn<'_>) {
        if self.previous().is_some_and(|previous| previous.until <= turn.now) {
            self.drop_previous(turn);
        }
    }

    /// Wipes the version before; the current one is served again, if it was not.
    fn drop_previous(&mut self, turn: &mut Turn<'_>) {
        let previous = self.rotation.as_mut().and_then(|rotation| rotation.previous.take());
        if let Some(previous) = previous.filter(|previous| previous.is_served) {
            self.serve_current(version_of(&previous.value), turn);
        }
    }
}

/// How long to wait before a name whose store fails is asked for again: doubling, within bounds.
fn pause_after(failures: u32, policy: &ResolutionPolicy) -> Duration {
    let first = policy.min_refresh_interval.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    first.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE)
}

/// Whether both are one version of a secret.
fn is_same(a: &SecretValue, b: &SecretValue) -> bool {
    a.version() == b.version() && a.same_value(b)
}

fn is_version(value: &SecretValue, version: &Version) -> bool {
    value.version() == Some(version)
}

/// Whether `value` is of a lower version than `than`, in a store that counts its versions.
fn is_older(value: &SecretValue, than: &SecretValue) -> bool {
    let number =
        |value: &SecretValue| value.version().and_then(|version| version.as_str().parse::<u64>().ok());
    matches!((number(value), number(than)), (Some(value), Some(than)) if value < than)
}

/// The version of a value that the engine holds: all have one.
fn version_of(value: &SecretValue) -> Version {
    value.version().cloned().unwrap_or_else(|| Version::from(0))
}

/// How long a value may be served: the TTL, or less if the value itself ends earlier.
fn value_ttl(policy: &ResolutionPolicy, value: &SecretValue, wall: Timestamp) -> Duration {
    // A value that has ended already is handed to whoever asked, and never kept.
    own_end(value, wall).map_or(policy.cache_ttl, |end| policy.cache_ttl.min(end))
}

/// How long it is until the value's own end.
fn own_end(value: &SecretValue, wall: Timestamp) -> Option<Duration> {
    value.expires_at().map(|end| Duration::try_from(end.duration_since(wall)).unwrap_or_default())
}

/// `ttl` less up to the share `jitter` of it: only ever earlier, for the TTL is a promise.
fn shortened(ttl: Duration, jitter: f64, draw: f64) -> Duration {
    ttl.mul_f64((1.0 - jitter * draw).clamp(0.0, 1.0))
}
