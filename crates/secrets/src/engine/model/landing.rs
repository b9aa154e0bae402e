//! What a landing does: who waited gets an answer, and the table takes in what counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    super::view::{Answer, Key},
    InAir, Model, Stored, as_given,
    oracle::{Given, What},
    schedule::Outcome,
};
use crate::{Error, ErrorKind, Result, SecretValue, Version, clock::Moment, observe::EventKind};

impl Model {
    /// Lands one of the flights in the air.
    pub(super) fn land(&mut self, at: usize, outcome: impl Fn(&Key) -> Outcome) {
        if self.in_air.is_empty() {
            return;
        }
        let InAir { flight, keys } = self.in_air.swap_remove(at % self.in_air.len());
        self.note_events();
        self.events.clear();
        let mut answers = Vec::new();
        for key in keys {
            let answer = self.answer(&key, outcome(&key));
            answers.push((key, answer));
        }
        let sent: Vec<(Key, Result<Given, Error>)> = answers
            .iter()
            .map(|(key, answer)| (key.clone(), answer.as_ref().map(as_given).map_err(Error::clone)))
            .collect();
        let was_stale: BTreeSet<Key> = self
            .past
            .iter()
            .filter(|(key, past)| {
                past.is_said_stale() && matches!(self.view.peek(key), Some(Answer::Value(_)))
            })
            .map(|(key, _)| key.clone())
            .collect();
        let wall = self.wall();
        self.table.arrive(&flight, &mut answers, self.now, wall, &self.view);
        let mut expected = Vec::new();
        for ((key, sent), (_, answer)) in sent.into_iter().zip(&answers) {
            if let Ok(value) = answer {
                let version = value.version().expect("every value has a version").clone();
                self.alive.push((key.clone(), value.expose().into(), version, value.downgrade()));
            }
            if self.past(&key).kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &flight)) {
                self.past(&key).kept = None;
                self.take_in(&key, sent, answer, &mut expected);
            }
        }
        self.note_events();
        let told: Vec<(Key, &str)> = self
            .events
            .drain(..)
            .filter_map(|(key, kind)| match kind {
                EventKind::ServedStale { .. } => {
                    assert!(!was_stale.contains(&key), "{key:?} is said to be stale twice");
                    None
                }
                kind => Some((key, kind.as_str())),
            })
            .collect();
        assert_eq!(told, expected, "events");
        self.note_evictions();
        let answered: BTreeMap<Key, Result<()>> = answers
            .iter()
            .map(|(key, answer)| (key.clone(), answer.as_ref().map(|_| ()).map_err(Error::clone)))
            .collect();
        flight.land(answers.into_iter().map(|(_, answer)| answer).collect());
        drop(flight);
        self.hear_reports(&answered);
    }

    /// What the contract says of an answer that counts, and the events that follow.
    fn take_in(
        &mut self,
        key: &Key,
        sent: Result<Given, Error>,
        answer: &Result<SecretValue>,
        expected: &mut Vec<(Key, &'static str)>,
    ) {
        let (now, policy) = (self.now, self.policy());
        // A stage may be moved back.
        let is_ordered = self.setting.is_ordered && !key.is_version();
        let given_now = answer.as_ref().map(as_given);
        let past = self.past.get_mut(key).unwrap();
        let held = past.given().map(|(_, _, given)| given.clone());
        let is_owed = past.owed.is_some();
        let mut tell = |kind: &'static str| expected.push((key.clone(), kind));
        let number = |version: &Version| version.as_str().parse::<u64>().ok();
        let is_lower = |sent: &Given| {
            let held = held.as_ref().and_then(|held| number(&held.version));
            is_ordered && number(&sent.version).is_some_and(|sent| held.is_some_and(|held| sent < held))
        };
        let error = match sent {
            Ok(sent) if is_lower(&sent) => Error::new(ErrorKind::Unavailable, "lower"),
            Ok(_) => {
                let given = given_now.expect("what the store gave is handed out");
                let has_ended = given.ends.is_some_and(|own| own <= now);
                let is_kept =
                    !policy.cache_ttl.is_zero() && !has_ended && (policy.cache_enabled || past.pins > 0);
                let is_other = held
                    .as_ref()
                    .is_some_and(|held| held.version != given.version || held.text != given.text);
                let is_same_text = held.as_ref().is_some_and(|held| held.text == given.text);
                assert!(!(is_other && is_same_text), "{key:?} has one value and two versions");
                if held.is_some() && past.is_in_trouble() {
                    tell("recovered");
                }
                past.owed = None;
                match (held.is_some(), is_kept) {
                    (false, false) if is_owed => tell("expired"),
                    (true, false) => tell("expired"),
                    (true, true) if is_other => tell("rotated"),
                    (false, true) => tell("resolved"),
                    _ => {}
                }
                past.denied = None;
                if past.gone().is_some() || !is_kept {
                    past.forget();
                }
                if is_kept {
                    past.note(now, What::Given(given));
                }
                return;
            }
            Err(error) => error,
        };
        let got = answer.as_ref().expect_err("a failure stays one").kind();
        assert_eq!(got, error.kind());
        let is_denied = error.kind() == ErrorKind::Denied;
        let is_confirmed =
            is_denied && past.denied.is_some_and(|first| now.since(first) >= policy.min_refresh_interval);
        if is_confirmed || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled) {
            if held.is_some() || is_owed {
                tell("revoked");
            }
            past.owed = None;
            past.forget();
            if policy.cache_enabled && !policy.negative_ttl.is_zero() {
                past.note(now, What::Gone);
            }
        } else if past.gone().is_none() && (held.is_some() || past.pins > 0) {
            tell("refresh_failed");
            past.note(now, What::Failed);
            if is_denied {
                past.denied.get_or_insert(now);
            }
        }
    }

    /// What a store may answer.
    pub(super) fn answer(&mut self, key: &Key, outcome: Outcome) -> Result<SecretValue> {
        let stored = self.stored.entry(key.clone()).or_default();
        let stored_now = match outcome {
            Outcome::Fails(kind, retry_after) => {
                let wait = retry_after.map(Duration::from_secs);
                return Err(Error::new(kind, "as the schedule says").with_retry_after(wait));
            }
            Outcome::Same if !stored.is_empty() => stored[stored.len() - 1],
            Outcome::Lower if stored.len() > 1 => stored[stored.len() - 2],
            Outcome::Same | Outcome::Lower | Outcome::New | Outcome::Ends(_) => {
                self.last_number += 1;
                let ends = match outcome {
                    Outcome::Ends(after) => Some(self.now.later(Duration::from_secs(after))),
                    _ => None,
                };
                let new = Stored { number: self.last_number, ends };
                stored.push(new);
                new
            }
        };
        let mut value = SecretValue::new(format!("{}", stored_now.number));
        if self.setting.has_versions {
            value = value.with_version(stored_now.number);
        }
        if let Some(ends) = stored_now.ends {
            value = value.with_expires_at(Timestamp::UNIX_EPOCH + ends.since(Moment::default()));
        }
        Ok(value)
    }

    /// What had to make room is forgotten; nobody held it, and there were too many.
    fn note_evictions(&mut self) {
        let (held, _) = self.table.counts();
        let max = self.setting.policy.max_entries;
        let mut pinned = 0;
        for (key, past) in &mut self.past {
            let is_known = past.given().is_some() || past.gone().is_some();
            let is_there = self.table.entry(key).is_some_and(|entry| !entry.is_empty());
            if is_known && !is_there {
                assert!(past.pins == 0 && held >= max, "{key:?} was let go without need");
                past.forget();
            }
            pinned += usize::from(past.pins > 0 && is_there);
        }
        assert!(held <= max.max(pinned), "{held} entries are held");
    }
}
