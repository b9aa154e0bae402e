//! What is checked: the events as they come, and after each operation the table's books and the view.

use super::{
    super::{
        entry::Entry,
        flight::Purpose,
        view::{Answer, Key},
    },
    Model, keys_of,
    oracle::{Past, What},
};
use crate::observe::EventKind;

impl Model {
    /// Takes the events that tell of what the oracle does not foresee, and keeps the others to be compared.
    pub(super) fn note_events(&mut self) {
        let (now, policy, is_prompt) = (self.now, self.policy(), self.is_prompt);
        for (key, kind) in self.table.take_events() {
            let past = self.past.get_mut(&key).unwrap();
            if let EventKind::ServedStale { at_most, .. } = &kind {
                assert!(past.has_failed(), "{key:?} is said to be stale, and no refresh failed");
                if is_prompt {
                    let most = past.hard_end(&policy).unwrap().since(now);
                    assert!(*at_most <= most, "{key:?} may not be stale that long");
                    let least = past.first_end(&policy).unwrap().since(now);
                    assert!(*at_most >= least, "{key:?} may be stale longer");
                }
                past.note(now, What::Stale);
            }
            if let EventKind::FellBack { from, to } = &kind {
                assert_eq!(*from, past.given().unwrap().2.version);
                assert!(past.may_be_retained(to, now, &policy) || !is_prompt, "{key:?} falls back to {to}");
            }
            self.events.push((key, kind));
        }
    }

    /// What must be true at any time.
    pub(super) fn check(&mut self) {
        self.events.clear();
        self.table.audit();
        let (now, policy) = (self.now, self.policy());
        let (_, refreshing) = self.table.counts();
        let in_air = self.in_air.iter().filter(|in_air| in_air.flight.purpose == Purpose::Refresh).count();
        assert_eq!(refreshing, in_air, "refreshes under way");
        for (key, past) in &self.past {
            let entry = self.table.entry(key);
            let seat = entry.and_then(|entry| entry.seat.as_ref());
            match &past.kept {
                Some(kept) => {
                    assert!(seat.is_some_and(|seat| seat.is_in(kept)), "{key:?} has lost its flight");
                }
                None => assert!(seat.is_none(), "{key:?} keeps a flight that was called off"),
            }
            let is_being_written = self.writing.iter().any(|at| keys_of(*at).contains(key));
            if past.pins > 0 && !is_being_written && !policy.cache_ttl.is_zero() {
                assert!(entry.is_some_and(Entry::is_tended), "{key:?} is held, and never asked for");
            }
            if self.is_prompt {
                self.check_view(key, past);
            }
        }
        if self.is_prompt {
            for (key, text, version, value) in &self.alive {
                let past = &self.past[key];
                let is_held = past.given().is_some_and(|(_, _, given)| given.text == *text);
                let is_retained = past.may_be_retained(version, now, &policy);
                assert!(value.strong_count() == 0 || is_held || is_retained, "{key:?}: {text} is not wiped");
            }
            self.alive.retain(|(.., value)| value.strong_count() > 0);
        }
    }

    fn check_view(&self, key: &Key, past: &Past) {
        let (now, policy) = (self.now, self.policy());
        let answer = self.view.peek(key);
        let is_roomy = policy.max_entries > 5;
        assert!(policy.cache_enabled || answer.is_none(), "{key:?} is cached");
        match &answer {
            Some(Answer::Value(value)) => {
                let version = value.version().expect("every value has a version");
                let objection = past.must_not_serve(value.expose(), version, now, &policy);
                assert_eq!(objection, None, "{key:?} is served {version}: {:?}", past.history);
                let is_excused = !past.needs_excuse(now, &policy) || past.is_said_stale();
                assert!(is_excused, "{key:?} is served stale, and nobody was told");
                let entry = self.table.entry(key).unwrap();
                assert!(
                    !past.has_failed() || entry.is_tended(),
                    "{key:?} is in trouble, and never asked for"
                );
            }
            Some(Answer::Missing(_)) => assert!(past.gone().is_some(), "{key:?} is served as missing"),
            None => {
                let must = past.must_serve(now, &policy) || past.gone().is_some();
                assert!(!must || !is_roomy, "{key:?} is not served: {:?}", past.history);
            }
        }
        let is_known = past.given().is_some();
        assert_eq!(self.table.value(key).is_some(), is_known, "{key:?} is held: {:?}", past.history);
    }
}
