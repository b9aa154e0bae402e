//! When a store that fails is left alone: a state machine without I/O.
//!
//! ```text
//! Closed --failures in a row--> Open --time--> Probing --success--> Closed
//!                                 ^---failure----'
//! ```
//!
//! It is told the time and the draw of the dice, so a test can drive it through any schedule.

use std::time::Duration;

use crate::{Breaker as Policy, clock::Moment, duration::share};

/// How much longer than told a breaker stays open at the most, so that the probes of a fleet are spread.
const SPREAD: f64 = 0.2;

pub(super) struct Breaker {
    policy: Policy,
    state: State,
    /// Failures since the store last answered.
    in_a_row: u32,
    /// Counts changes of the state.
    epoch: u64,
}

enum State {
    Closed,
    Open {
        until: Moment,
    },
    /// One call finds out whether the store is back.
    Probing,
}

/// The leave to make one call, to be given back with how it ended.
#[derive(Debug)]
#[must_use = "a probe that is not settled is waited for, for ever"]
pub(super) struct Ticket {
    epoch: u64,
}

/// No leave to call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Failures since the store last answered.
    pub(super) in_a_row: u32,
    /// The time until the next probe; none while one is under way, for it may succeed at any moment.
    pub(super) retry_after: Option<Duration>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The store answered, if only that it refuses.
    Answered,
    /// The store asked to be left alone, or did not answer.
    Failed,
}

/// What the end of a call changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The store is left alone from now on.
    Opened,
    /// The store is asked again.
    Closed,
}

impl Breaker {
    pub(super) fn new(policy: Policy) -> Self {
        Breaker { policy, state: State::Closed, in_a_row: 0, epoch: 0 }
    }

    /// Lets a call through, or not.
    pub(super) fn admit(&mut self, now: Moment) -> Result<Ticket, Refusal> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        if let State::Open { .. } = self.state {
            self.enter(State::Probing);
        }
        Ok(Ticket { epoch: self.epoch })
    }

    /// Why a call would not be let through at that moment, as far as can be told now.
    pub(super) fn refusal(&self, at: Moment) -> Option<Refusal> {
        let retry_after = match self.state {
            State::Open { until } if at < until => Some(until.since(at)),
            State::Probing => None,
            State::Closed | State::Open { .. } => return None,
        };
        Some(Refusal { in_a_row: self.in_a_row, retry_after })
    }

    /// Takes in how a call ended. `draw` is a number from 0 to 1.
    ///
    /// A call that was let through before the state last changed decides nothing any more: stragglers of an
    /// outage must not close the breaker in place of its probe, nor count against a store that is back.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is good for one call")]
    pub(super) fn settle(&mut self, ticket: Ticket, end: End, now: Moment, draw: f64) -> Option<Turn> {
        let Ticket { epoch } = ticket;
        if epoch != self.epoch {
            return None;
        }
        let is_probe = matches!(self.state, State::Probing);
        if end == End::Answered {
            self.in_a_row = 0;
            return is_probe.then(|| self.enter(State::Closed)).map(|()| Turn::Closed);
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if !is_probe && self.in_a_row < self.policy.failures {
            return None;
        }
        let open = self.policy.open;
        self.enter(State::Open { until: now.later(open).later(share(open, SPREAD * draw)) });
        (!is_probe).then_some(Turn::Opened)
    }

    /// Forgets the failures: the store is another one than that which failed.
    pub(super) fn reset(&mut self) -> Option<Turn> {
        self.in_a_row = 0;
        self.is_open().then(|| self.enter(State::Closed)).map(|()| Turn::Closed)
    }

    /// Whether the store is left alone, or only probed.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(seconds))
    }

    fn breaker() -> Breaker {
        Breaker::new(Policy { failures: 5, open: Duration::from_secs(10) })
    }

    /// Makes one call that ends at once.
    fn call(breaker: &mut Breaker, now: Moment, end: End) -> Option<Turn> {
        let ticket = breaker.admit(now).unwrap();
        breaker.settle(ticket, end, now, 0.0)
    }

    fn opened() -> Breaker {
        let mut breaker = breaker();
        for _ in 0..4 {
            assert_eq!(call(&mut breaker, at(0), End::Failed), None);
        }
        assert_eq!(call(&mut breaker, at(0), End::Failed), Some(Turn::Opened));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let refusal = opened().admit(at(4)).unwrap_err();
        assert_eq!(refusal, Refusal { in_a_row: 5, retry_after: Some(Duration::from_secs(6)) });
    }

    #[test]
    fn an_answer_in_between_starts_the_count_again() {
        let mut breaker = breaker();
        for _ in 0..10 {
            for _ in 0..4 {
                call(&mut breaker, at(0), End::Failed);
            }
            call(&mut breaker, at(0), End::Answered);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_probe_goes_through_when_its_time_has_come() {
        let mut breaker = opened();
        assert!(breaker.admit(at(9)).is_err());
        let _probe = breaker.admit(at(10)).unwrap();
        assert_eq!(breaker.admit(at(10)).unwrap_err(), Refusal { in_a_row: 5, retry_after: None });
        assert!(breaker.is_open());
    }

    #[test]
    fn a_probe_that_is_answered_closes_it() {
        let mut breaker = opened();
        assert_eq!(call(&mut breaker, at(10), End::Answered), Some(Turn::Closed));
        assert!(!breaker.is_open());
        assert_eq!(call(&mut breaker, at(10), End::Failed), None, "the count has started again");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_as_long_again() {
        let mut breaker = opened();
        assert_eq!(call(&mut breaker, at(12), End::Failed), None, "it was open before");
        let refusal = breaker.admit(at(21)).unwrap_err();
        assert_eq!(refusal, Refusal { in_a_row: 6, retry_after: Some(Duration::from_secs(1)) });
        assert!(breaker.admit(at(22)).is_ok());
    }

    #[test]
    fn probes_are_spread_over_a_fifth_and_only_later() {
        for (draw, seconds) in [(0.0, 10), (0.5, 11), (1.0, 12)] {
            let mut breaker = Breaker::new(Policy { failures: 1, open: Duration::from_secs(10) });
            let ticket = breaker.admit(at(0)).unwrap();
            breaker.settle(ticket, End::Failed, at(0), draw);
            assert!(breaker.refusal(at(seconds - 1)).is_some(), "draw {draw}");
            assert_eq!(breaker.refusal(at(seconds)), None, "draw {draw}");
        }
    }

    #[test]
    fn stragglers_of_an_outage_decide_nothing() {
        let mut breaker = breaker();
        let stragglers: Vec<Ticket> = (0..3).map(|_| breaker.admit(at(0)).unwrap()).collect();
        for _ in 0..5 {
            call(&mut breaker, at(0), End::Failed);
        }
        let mut stragglers = stragglers.into_iter();
        assert_eq!(breaker.settle(stragglers.next().unwrap(), End::Answered, at(1), 0.0), None);
        assert!(breaker.admit(at(1)).is_err(), "a late answer closes nothing");
        let _probe = breaker.admit(at(10)).unwrap();
        assert_eq!(breaker.settle(stragglers.next().unwrap(), End::Answered, at(10), 0.0), None);
        assert_eq!(breaker.settle(stragglers.next().unwrap(), End::Failed, at(10), 0.0), None);
        assert_eq!(breaker.admit(at(10)).unwrap_err().in_a_row, 5, "the probe alone is waited for");
    }
}
