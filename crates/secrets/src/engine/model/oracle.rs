//! What the contract says of one name, computed from the history of what happened to it.
//!
//! It is naive on purpose: it keeps no state that could be wrong, but everything that happened since the name was
//! last forgotten, and reads from that what may be served, what must be, and what must not.

use std::{sync::Arc, time::Duration};

use super::super::flight::Flight;
use crate::{ResolutionPolicy, Version, clock::Moment};

/// A value as the store gave it; the text is a stand-in for the value, which only the engine may keep alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) version: Version,
    pub(super) ends: Option<Moment>,
}

/// Something that happened to a name.
#[derive(Clone, Debug)]
pub(super) enum What {
    Given(Given),
    /// The store could not answer.
    Failed,
    /// The store said that there is no such value.
    Gone,
    /// It may have been changed.
    Doubted,
    /// It was replaced through this store.
    Written {
        is_held: bool,
    },
    /// The store changed somewhere: what is in use is served on, the rest is not.
    Looked,
    /// The upstream API refused this version.
    Refused(Version),
    /// The store said, after a refusal, that this version is the current one.
    Confirmed(Version),
    /// The store could not say, after a refusal, whether this version is the current one.
    AskedInVain(Version),
    /// A reader got the value from the view.
    Read,
    /// It was said that the value is served stale.
    Stale,
    /// From now on somebody holds the name, or nobody does.
    Pinned,
    Unpinned,
}

/// One name's past.
#[derive(Default)]
pub(super) struct Past {
    pub(super) history: Vec<(Moment, What)>,
    pub(super) pins: u32,
    /// The flight whose answer counts.
    pub(super) kept: Option<Arc<Flight>>,
    /// When the store first said 'denied' since it last gave a value.
    pub(super) denied: Option<Moment>,
    /// A value was forgotten while somebody held the name: between when and when they are told that it has ended.
    pub(super) owed: Option<(Moment, Moment)>,
}

impl Past {
    pub(super) fn note(&mut self, now: Moment, what: What) {
        self.history.push((now, what));
    }

    pub(super) fn forget(&mut self) {
        self.history.clear();
        self.denied = None;
        if self.pins > 0 {
            // Its holder is not forgotten; since when, does not matter.
            self.history.push((Moment::default(), What::Pinned));
        }
    }

    /// Forgets by order of an application: whoever holds the name still has what was made of the value.
    pub(super) fn forget_by_hand(&mut self, policy: &ResolutionPolicy) {
        let ends = self.first_end(policy).zip(self.hard_end(policy));
        self.owed = ends.or(self.owed).filter(|_| self.pins > 0);
        self.forget();
    }

    pub(super) fn given(&self) -> Option<(usize, Moment, &Given)> {
        self.history.iter().enumerate().rev().find_map(|(at, (when, what))| match what {
            What::Given(given) => Some((at, *when, given)),
            _ => None,
        })
    }

    pub(super) fn gone(&self) -> Option<Moment> {
        self.history.iter().find_map(|(when, what)| matches!(what, What::Gone).then_some(*when))
    }

    /// Where the last thing of this sort stands, if it came after the value.
    fn last(&self, is_it: impl Fn(&What) -> bool) -> Option<usize> {
        let from = self.given().map_or(0, |(at, ..)| at);
        (from..self.history.len()).rev().find(|at| is_it(&self.history[*at].1))
    }

    pub(super) fn was_written(&self) -> bool {
        self.last(|what| matches!(what, What::Written { .. })).is_some()
    }

    fn doubted(&self) -> Option<usize> {
        self.last(|what| matches!(what, What::Doubted | What::Written { .. }))
    }

    /// Whether the store failed since it gave the value, and since that was last doubted.
    pub(super) fn has_failed(&self) -> bool {
        self.last(|what| matches!(what, What::Failed)) > self.doubted()
    }

    /// Whether the store failed since it gave the value.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.last(|what| matches!(what, What::Failed)).is_some()
    }

    pub(super) fn is_said_stale(&self) -> bool {
        self.last(|what| matches!(what, What::Stale)) > self.doubted()
    }

    /// Whether the value is older than its TTL, or its freshness is in doubt: only an outage excuses serving it.
    pub(super) fn needs_excuse(&self, now: Moment, policy: &ResolutionPolicy) -> bool {
        let is_old = self.given().is_some_and(|(_, when, _)| now >= when.later(policy.cache_ttl));
        is_old || self.doubted().is_some()
    }

    /// When the value ends, whatever happens.
    pub(super) fn hard_end(&self, policy: &ResolutionPolicy) -> Option<Moment> {
        let (at, when, given) = self.given()?;
        let mut end = when.later(policy.cache_ttl.max(policy.max_stale));
        for (when, what) in &self.history[at..] {
            if let What::Written { is_held: false } = what {
                end = end.min(when.later(policy.previous_retain));
            }
        }
        Some(given.ends.map_or(end, |own| end.min(own)))
    }

    /// When the value may end already: jitter shortens the TTL, and with it a life that is no longer.
    pub(super) fn first_end(&self, policy: &ResolutionPolicy) -> Option<Moment> {
        let (_, when, given) = self.given()?;
        let life = given.ends.map_or(policy.cache_ttl, |own| policy.cache_ttl.min(own.since(when)));
        let shortest = when.later(life.mul_f64(1.0 - policy.ttl_jitter).max(policy.max_stale));
        self.hard_end(policy).map(|end| end.min(shortest))
    }

    /// Why a value with this text and version must not be served now; none if it may be.
    pub(super) fn must_not_serve(
        &self,
        text: &str,
        version: &Version,
        now: Moment,
        policy: &ResolutionPolicy,
    ) -> Option<&'static str> {
        let Some((_, _, given)) = self.given() else { return Some("the store has given no value") };
        if self.hard_end(policy).is_some_and(|end| now >= end) {
            return Some("it is past its hard end");
        }
        if self.was_written() {
            return Some("it was replaced through this store");
        }
        if self.needs_excuse(now, policy) && !self.has_failed() {
            return Some("it is past its TTL or in doubt, and no refresh failed");
        }
        if given.text == text && given.version == *version {
            return None;
        }
        if self.may_fall_back_to(version, now, policy) {
            return None;
        }
        Some("it is neither the last value nor one that may stand in for it")
    }

    /// The values that the store gave one after another: where each begins and ends, and what it is.
    fn runs(&self) -> Vec<(usize, usize, &Given)> {
        let mut runs: Vec<(usize, usize, &Given)> = Vec::new();
        for (at, (_, what)) in self.history.iter().enumerate() {
            let What::Given(given) = what else { continue };
            match runs.last_mut() {
                Some((_, _, last)) if last.version == given.version && last.text == given.text => {
                    *last = given;
                }
                _ => {
                    if let Some((_, end, _)) = runs.last_mut() {
                        *end = at;
                    }
                    runs.push((at, usize::MAX, given));
                }
            }
        }
        runs
    }

    /// Whether the value of this version may be at hand still, after another took its place.
    pub(super) fn may_be_retained(&self, version: &Version, now: Moment, policy: &ResolutionPolicy) -> bool {
        self.runs().iter().any(|(start, end, given)| {
            *end != usize::MAX
                && given.version == *version
                && now < self.history[*end].0.later(policy.previous_retain)
                && given.ends.is_none_or(|own| now < own)
                && !self.is_refused_since(*start, version)
        })
    }

    /// Whether the value of this version may stand in for the current one.
    pub(super) fn may_fall_back_to(&self, version: &Version, now: Moment, policy: &ResolutionPolicy) -> bool {
        let is_refused = self
            .runs()
            .last()
            .is_some_and(|(start, _, current)| self.is_refused_since(*start, &current.version));
        is_refused && self.may_be_retained(version, now, policy)
    }

    fn is_refused_since(&self, start: usize, version: &Version) -> bool {
        self.history[start..]
            .iter()
            .any(|(_, what)| matches!(what, What::Refused(refused) if refused == version))
    }

    /// Whether the store said so lately of this version, so that it need not be asked.
    pub(super) fn was_confirmed(&self, version: &Version, now: Moment, within: Duration) -> bool {
        self.history.iter().any(|(when, what)| {
            matches!(what, What::Confirmed(confirmed) if confirmed == version) && now.since(*when) < within
        })
    }

    /// Whether it was asked so lately, in vain, that it need not be asked again.
    pub(super) fn was_asked_in_vain(&self, version: &Version, now: Moment, within: Duration) -> bool {
        self.history.iter().any(|(when, what)| {
            matches!(what, What::AskedInVain(asked) if asked == version) && now.since(*when) < within
        })
    }

    /// Whether a reader must find a value in the view, the cache being large enough.
    pub(super) fn must_serve(&self, now: Moment, policy: &ResolutionPolicy) -> bool {
        let Some((_, when, given)) = self.given() else { return false };
        let is_over = self.hard_end(policy).is_some_and(|end| now >= end);
        if !policy.cache_enabled || is_over || self.was_written() {
            return false;
        }
        let doubted = self.last(|what| matches!(what, What::Doubted | What::Looked));
        let life = given.ends.map_or(policy.cache_ttl, |own| policy.cache_ttl.min(own.since(when)));
        let is_fresh = now < when.later(life.mul_f64(1.0 - policy.ttl_jitter));
        if doubted.is_none() && is_fresh {
            return true;
        }
        // The first failure since it was sure to be served.
        let failed = (doubted.unwrap_or(0)..self.history.len())
            .filter(|at| Some(*at) >= self.given().map(|(at, ..)| at))
            .find(|at| matches!(self.history[*at].1, What::Failed));
        let Some(failed) = failed else { return false };
        let is_held = self.pins > 0
            && !self.history[failed..].iter().any(|(_, what)| matches!(what, What::Pinned | What::Unpinned));
        let is_read = self.history[failed..]
            .iter()
            .any(|(read, what)| matches!(what, What::Read) && now.since(*read) < policy.cache_ttl);
        is_held || is_read
    }

    /// Lets time do its work: what has ended is forgotten. Says whether a value ended.
    pub(super) fn pass(&mut self, now: Moment, is_held: bool, policy: &ResolutionPolicy) -> bool {
        let has_ended = self.hard_end(policy).is_some_and(|end| now >= end)
            || (!is_held && self.first_end(policy).is_some_and(|end| now >= end));
        let is_asked_again = self.gone().is_some_and(|when| now >= when.later(policy.negative_ttl));
        if has_ended || is_asked_again {
            let denied = self.denied.filter(|_| self.pins > 0);
            self.forget();
            self.denied = denied;
        }
        has_ended
    }
}
