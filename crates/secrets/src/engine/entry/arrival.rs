//! What a store's answer makes of an entry.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    super::view::Answer, Entry, Held, LONGEST_PAUSE, Phase, SHORTEST_PAUSE, State, Trouble, Turn,
    pause_after, version_of,
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretValue, Version, duration::share, observe::EventKind,
};

/// The longest `Retry-After` of a store that a refresh heeds: a nonsense one must not keep a name from being asked
/// for ever.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What an answer is judged by.
pub(in crate::engine) struct Arrival {
    pub(in crate::engine) wall: Timestamp,
    /// The number of the version, should the store give none and the value be another one.
    pub(in crate::engine) number: u64,
    pub(in crate::engine) has_ordered_versions: bool,
}

impl Entry {
    /// Takes in what the store answered. What waiters get may be changed: a version number is added, and an
    /// answer older than what is held becomes an error.
    pub(in crate::engine) fn arrive(
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
                    self.store_can_say();
                    if old.is_superseded {
                        // It was replaced, and the store still has it: a replica that lags behind, or no change.
                        self.plan_second_looks();
                    }
                }
            }
            _ if is_kept => turn.tell(EventKind::Resolved { version: version_of(value) }),
            State::Forgotten { .. } => turn.tell(EventKind::Expired),
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
            ahead if ahead < 1.0 => {
                // Towards a value's own end, the share of what is left would be asked for ever more often. A TTL
                // that is short by itself is meant so.
                let meant = ahead.max(0.1) * (1.0 - turn.policy.ttl_jitter).max(0.1);
                let shortest = SHORTEST_PAUSE.min(share(turn.policy.cache_ttl, meant));
                Some(turn.now.later(share(fresh_for, ahead.max(0.0)).max(shortest)))
            }
            _ => None,
        };
        self.look_again(turn.now, turn.policy);
    }

    /// Somebody wanted to know what the store has, and it failed: the next refresh judges that, and comes soon,
    /// for this one may have come in place of another.
    pub(in crate::engine) fn probed_in_vain(&mut self, turn: &Turn<'_>) {
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
            share(pause_after(trouble.failures, turn.policy), 1.0 - turn.draw / 2.0)
        };
        let pause = pause.max(error.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER));
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
        if self.held().is_some() || matches!(self.state, State::Forgotten { .. }) {
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
}

/// Whether both are one version of a secret.
fn is_same(a: &SecretValue, b: &SecretValue) -> bool {
    a.version() == b.version() && a.same_value(b)
}

/// Whether `value` is of a lower version than `than`, in a store that counts its versions.
fn is_older(value: &SecretValue, than: &SecretValue) -> bool {
    let number =
        |value: &SecretValue| value.version().and_then(|version| version.as_str().parse::<u64>().ok());
    matches!((number(value), number(than)), (Some(value), Some(than)) if value < than)
}

/// How long a value may be served: the TTL, or less if the value itself ends earlier.
fn value_ttl(policy: &ResolutionPolicy, value: &SecretValue, wall: Timestamp) -> Duration {
    // A value that has ended already is handed to whoever asked, and never kept.
    own_end(value, wall).map_or(policy.cache_ttl, |end| policy.cache_ttl.min(end))
}

/// How long it is until the value's own end.
pub(super) fn own_end(value: &SecretValue, wall: Timestamp) -> Option<Duration> {
    value.expires_at().map(|end| Duration::try_from(end.duration_since(wall)).unwrap_or_default())
}

/// `ttl` less up to the share `jitter` of it: only ever earlier, for the TTL is a promise.
fn shortened(ttl: Duration, jitter: f64, draw: f64) -> Duration {
    share(ttl, (1.0 - jitter * draw).clamp(0.0, 1.0))
}
