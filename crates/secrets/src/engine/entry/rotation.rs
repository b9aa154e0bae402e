//! Values that the upstream API refused, and the version before.

use std::time::Duration;

use jiff::Timestamp;

use super::{Entry, Held, Phase, State, Turn, arrival::own_end, is_version, pause_after, version_of};
use crate::{Error, ResolutionPolicy, Result, SecretValue, Version, clock::Moment, observe::EventKind};

/// How often a value that was refused, and that the store still calls current, is asked for again before its
/// TTL: a replica of the store may lag behind.
const SECOND_LOOKS: u32 = 5;

/// What is remembered of values that the upstream API refused, and of the version before.
#[derive(Default)]
pub(super) struct Rotation {
    previous: Option<Previous>,
    /// The version that was refused although the store said it is current, and when the store said so.
    confirmed: Option<(Version, Moment)>,
    /// The version that was refused while the store could not be asked, when that was, and why.
    in_vain: Option<(Version, Moment, Error)>,
    second_looks: u32,
}

/// The last value before that the upstream API has not refused.
pub(super) struct Previous {
    value: SecretValue,
    pub(super) until: Moment,
    /// It is served in place of the current value, which was refused.
    is_served: bool,
}

/// What to do about a value that the upstream API refused.
pub(in crate::engine) enum Verdict {
    /// Another value is at hand.
    Rotated(SecretValue),
    /// The version before is at hand, and served from now on.
    FellBack(SecretValue),
    /// The store was asked just now, and has nothing else.
    Unchanged,
    /// The store was asked just now, and could not answer.
    Unavailable(Error),
    /// The store is to be asked.
    Ask,
}

impl Entry {
    pub(super) fn previous(&self) -> Option<&Previous> {
        self.rotation.as_ref()?.previous.as_ref()
    }

    pub(super) fn previous_served(&self) -> Option<&SecretValue> {
        self.previous().filter(|previous| previous.is_served).map(|previous| &previous.value)
    }

    /// Keeps the version before, for a new one that the upstream API does not accept yet.
    pub(super) fn retain(&mut self, old: Held, wall: Timestamp, turn: &Turn<'_>) {
        let rotation = self.rotation.get_or_insert_default();
        rotation.confirmed = None;
        rotation.in_vain = None;
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

    /// The upstream API refused the value of this version.
    pub(in crate::engine) fn refused(&mut self, version: &Version, turn: &mut Turn<'_>) -> Verdict {
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
        self.asked_just_now(version, turn)
            .map_or(Verdict::Ask, |said| self.fall_back(turn).map_or(said, Verdict::FellBack))
    }

    /// What the store said when it was last asked because of this version, if that may count still.
    fn asked_just_now(&self, version: &Version, turn: &Turn<'_>) -> Option<Verdict> {
        let rotation = self.rotation.as_ref()?;
        let counts = |refused: &Version, at: Moment| {
            refused == version && turn.now.since(at) < turn.policy.min_refresh_interval
        };
        let unchanged = rotation.confirmed.as_ref().filter(|(refused, at)| counts(refused, *at));
        let in_vain = rotation.in_vain.as_ref().filter(|(refused, at, _)| counts(refused, *at));
        unchanged
            .map(|_| Verdict::Unchanged)
            .or_else(|| in_vain.map(|(.., error)| Verdict::Unavailable(error.clone())))
    }

    /// As [`refused`](Entry::refused), after the store was `asked` once more.
    pub(in crate::engine) fn refused_still(
        &mut self,
        version: &Version,
        asked: &Result<()>,
        turn: &mut Turn<'_>,
    ) -> Verdict {
        let Some(held) = self.held_mut() else { return Verdict::Unchanged };
        let is_current = is_version(&held.value, version);
        held.is_refused |= is_current;
        let Some(served) = self.servable() else { return Verdict::Unchanged };
        if !is_current {
            return Verdict::Rotated(served.clone());
        }
        let rotation = self.rotation.get_or_insert_default();
        rotation.in_vain = asked.as_ref().err().map(|error| (version.clone(), turn.now, error.clone()));
        if asked.is_ok() {
            let confirmed = rotation.confirmed.replace((version.clone(), turn.now));
            if confirmed.is_none_or(|(confirmed, _)| confirmed != *version) {
                rotation.second_looks = SECOND_LOOKS;
            }
            self.look_again(turn.now, turn.policy);
        }
        self.fall_back(turn).map_or(Verdict::Unchanged, Verdict::FellBack)
    }

    /// The store has answered: what it could not say after a refusal is worth a question again.
    pub(super) fn store_can_say(&mut self) {
        if let Some(rotation) = &mut self.rotation {
            rotation.in_vain = None;
        }
    }

    /// Plans to look at a value again and again, sooner than its refreshes would.
    pub(super) fn plan_second_looks(&mut self) {
        self.rotation.get_or_insert_default().second_looks = SECOND_LOOKS;
    }

    /// Plans another look at a value that was refused, sooner than its refresh would be.
    pub(super) fn look_again(&mut self, now: Moment, policy: &ResolutionPolicy) {
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
        if std::mem::replace(&mut previous.is_served, true) {
            // Somebody else was refused, too, and had it brought back.
            return Some(previous.value.clone());
        }
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
    pub(super) fn end_previous(&mut self, turn: &mut Turn<'_>) {
        if self.previous().is_some_and(|previous| previous.until <= turn.now) {
            self.drop_previous(turn);
        }
    }

    /// Wipes the version before; the current one is served again, if it was not.
    pub(super) fn drop_previous(&mut self, turn: &mut Turn<'_>) {
        let previous = self.rotation.as_mut().and_then(|rotation| rotation.previous.take());
        if let Some(previous) = previous.filter(|previous| previous.is_served) {
            self.serve_current(version_of(&previous.value), turn);
        }
    }
}
