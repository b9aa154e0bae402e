//! What a refusal by the upstream API does: at once, or when a flight has landed.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        entry::Verdict,
        flight::{Flight, Purpose},
        table::Refusal,
        view::{Answer, Key},
    },
    Model,
    oracle::What,
    schedule::Which,
};
use crate::{Error, Result, Version};

impl Model {
    pub(super) fn refuse(&mut self, key: &Key, which: Which) {
        let runs: Vec<Version> = self
            .past(key)
            .history
            .iter()
            .filter_map(|(_, what)| match what {
                What::Given(given) => Some(given.version.clone()),
                _ => None,
            })
            .collect();
        let version = match which {
            Which::Current => runs.last().cloned(),
            Which::Before => runs.iter().rev().find(|version| Some(*version) != runs.last()).cloned(),
            Which::Served => match self.view.peek(key) {
                Some(Answer::Value(value)) => value.version().cloned(),
                _ => None,
            },
        }
        .unwrap_or_else(|| Version::from("unheard-of"));
        let (now, kept) = (self.now, self.past(key).kept.clone());
        self.past(key).note(now, What::Refused(version.clone()));
        let flight = Flight::new(Purpose::Force);
        match self.table.refused(key, &version, &flight, now, &self.view) {
            Refusal::Settled(verdict) => {
                let within = self.setting.policy.min_refresh_interval;
                let was_asked = match verdict {
                    Verdict::Unchanged => self.past(key).was_confirmed(&version, now, within),
                    Verdict::Unavailable(_) => self.past(key).was_asked_in_vain(&version, now, within),
                    _ => true,
                };
                assert!(was_asked, "{key:?} was not asked");
                self.judge(key, &version, &verdict);
            }
            Refusal::Join(seat) => {
                let kept = kept.expect("there is a flight to join");
                assert!(seat.is_in(&kept) && kept.purpose == Purpose::Force);
                self.reports.push((kept, key.clone(), version));
            }
            Refusal::Lead(_) => {
                self.reports.push((Arc::clone(&flight), key.clone(), version));
                self.fly(key, flight);
            }
        }
    }

    /// Those whose value was refused hear what came of it.
    pub(super) fn hear_reports(&mut self, answers: &BTreeMap<Key, Result<()>>) {
        let now = self.now;
        let in_air: Vec<_> = self.in_air.iter().map(|in_air| Arc::clone(&in_air.flight)).collect();
        let (waiting, landed) = std::mem::take(&mut self.reports)
            .into_iter()
            .partition(|(flight, ..)| in_air.iter().any(|other| Arc::ptr_eq(flight, other)));
        self.reports = waiting;
        for (_, key, version) in landed as Vec<(Arc<Flight>, Key, Version)> {
            let asked = answers.get(&key).cloned().unwrap_or_else(|| Err(Error::unanswered()));
            let past = self.past(&key);
            let is_current = past.given().is_some_and(|(_, _, given)| given.version == version);
            if is_current {
                past.note(now, What::Refused(version.clone()));
                let what = if asked.is_ok() { What::Confirmed } else { What::AskedInVain };
                past.note(now, what(version.clone()));
            }
            let verdict = self.table.refused_still(&key, &version, &asked, now, &self.view);
            self.judge(&key, &version, &verdict);
        }
    }

    fn judge(&mut self, key: &Key, reported: &Version, verdict: &Verdict) {
        self.note_events();
        let (now, policy, is_prompt) = (self.now, self.policy(), self.is_prompt);
        let past = self.past(key);
        let value = match verdict {
            Verdict::Rotated(value) | Verdict::FellBack(value) => value,
            Verdict::Unchanged | Verdict::Unavailable(_) => return,
            Verdict::Ask => panic!("nobody is asked"),
        };
        let version = value.version().unwrap();
        assert_ne!(version, reported, "{key:?} is refused, and handed out again");
        if is_prompt {
            let objection = past.must_not_serve(value.expose(), version, now, &policy);
            assert_eq!(objection, None, "{key:?} is handed out in place of {reported}");
        }
    }
}
