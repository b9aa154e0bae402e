//! The table and the view, driven through random schedules, and judged by an oracle.
//!
//! A schedule is a list of operations on a virtual clock: time passes, promptly or late; names are read, held,
//! written, forgotten, refused; flights land with whatever a store may answer. After each operation the view is
//! compared with what the [oracle](oracle) says may and must be served, the events with what happened, and the
//! table's books with its entries. `PROPTEST_CASES` makes more schedules than the usual number.

mod oracle;
mod schedule;

use std::{borrow::Borrow as _, collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

use self::{
    oracle::{Given, Past, What},
    schedule::{End, Op, Outcome, Setting, Which},
};
use super::{
    entry::Verdict,
    flight::{Flight, Purpose},
    table::{Departure, Refusal, Rules, Table},
    view::{Answer, Key, View},
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretName, SecretValue, Version, clock::Moment,
    observe::EventKind,
};

/// How long a pinned name may wait for its next refresh, besides what the policy says.
const LONGEST_WAIT: Duration = Duration::from_secs(200);

/// What the store has under one name.
#[derive(Clone, Copy, Debug)]
struct Stored {
    number: u64,
    ends: Option<Moment>,
}

struct InAir {
    flight: Arc<Flight>,
    keys: Vec<Key>,
}

struct Model {
    setting: Setting,
    now: Moment,
    /// The table was told the time.
    is_prompt: bool,
    table: Table,
    view: View,
    past: BTreeMap<Key, Past>,
    stored: BTreeMap<Key, Vec<Stored>>,
    last_number: u64,
    in_air: Vec<InAir>,
    /// Who waits for which flight to hear what became of which version.
    reports: Vec<(Arc<Flight>, Key, Version)>,
    writing: BTreeSet<usize>,
    alive: Vec<(Key, String, Version, std::sync::Weak<SecretString>)>,
    events: Vec<(Key, EventKind)>,
}

fn name(at: usize) -> SecretName {
    SecretName::new(["a", "b", "c"][at % 3]).unwrap()
}

fn key(at: usize) -> Key {
    match at {
        3 => Key::version(&name(0), &Version::from(1)),
        4 => Key::version(&name(0), &Version::from(2)),
        at => Key::current(&name(at)),
    }
}

/// The keys of a name, its versions included.
fn keys_of(at: usize) -> Vec<Key> {
    match at % 3 {
        0 => vec![key(0), key(3), key(4)],
        at => vec![key(at)],
    }
}

fn as_given(value: &SecretValue) -> Given {
    let ends = value.expires_at().map(|end| {
        let since = end.duration_since(Timestamp::UNIX_EPOCH);
        Moment::after_origin(Duration::try_from(since).unwrap())
    });
    let version = value.version().cloned().unwrap_or_else(|| Version::from("none"));
    Given { text: value.expose().into(), version, ends }
}

impl Model {
    fn new(setting: Setting) -> Self {
        let rules = Rules {
            policy: setting.policy.clone(),
            batch: setting.batch,
            has_ordered_versions: setting.is_ordered,
        };
        Model {
            setting,
            now: Moment::after_origin(Duration::from_secs(1)),
            is_prompt: true,
            table: Table::new(rules),
            view: View::new(),
            past: (0..5).map(|at| (key(at), Past::default())).collect(),
            stored: BTreeMap::new(),
            last_number: 0,
            in_air: Vec::new(),
            reports: Vec::new(),
            writing: BTreeSet::new(),
            alive: Vec::new(),
            events: Vec::new(),
        }
    }

    fn policy(&self) -> ResolutionPolicy {
        self.setting.policy.clone()
    }

    fn past(&mut self, key: &Key) -> &mut Past {
        self.past.get_mut(key).unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.now.since(Moment::default())
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Advance(time) => self.advance(time),
            Op::Leap(time) => {
                self.now = self.now.later(time);
                self.tick();
            }
            Op::Late(time) => {
                self.now = self.now.later(time);
                self.is_prompt = false;
            }
            Op::Read(at) => self.read(&key(at)),
            Op::Force(at) => self.force(&key(at)),
            Op::Land(at, outcome) => self.land(at, |_| outcome),
            Op::Refuse(at, which) => self.refuse(&key(at), which),
            Op::Pin(at) => self.pin(&key(at)),
            Op::Unpin(at) => self.unpin(&key(at)),
            Op::Write(at, end) => self.write(at % 3, end),
            Op::Forget(at) => {
                self.table.forget(&name(at), self.now, &self.view);
                let policy = self.policy();
                for key in keys_of(at) {
                    self.past(&key).kept = None;
                    self.past(&key).forget_by_hand(&policy);
                }
            }
            Op::Clear => {
                self.table.clear(self.now, &self.view);
                let policy = self.policy();
                for past in self.past.values_mut() {
                    past.kept = None;
                    past.forget_by_hand(&policy);
                }
            }
            Op::LookAnew => self.look_anew(),
        }
        self.settle();
    }

    /// As the engine after each change: refreshes start, events are told. Then everything is checked.
    fn settle(&mut self) {
        while let Some((flight, keys)) = self.table.next_refresh(self.now, &self.view) {
            assert!(!keys.is_empty() && keys.len() <= self.setting.batch, "a batch of {}", keys.len());
            for key in &keys {
                let past = self.past(key);
                assert!(past.kept.is_none(), "{key:?} is asked for twice");
                assert!(past.pins > 0 || past.given().is_some(), "nobody needs {key:?}");
                past.kept = Some(Arc::clone(&flight));
            }
            self.in_air.push(InAir { flight, keys });
        }
        self.note_events();
        self.check();
    }

    fn advance(&mut self, time: Duration) {
        let until = self.now.later(time);
        for _ in 0..10_000 {
            match self.table.next_due() {
                Some(due) if due <= until => {
                    self.now = due.max(self.now);
                    self.tick();
                    self.settle();
                }
                _ => {
                    self.now = until;
                    self.tick();
                    return;
                }
            }
        }
        panic!("timers come to no end");
    }

    fn tick(&mut self) {
        self.table.tick(self.now, &self.view);
        self.is_prompt = true;
        self.note_events();
        let (now, policy) = (self.now, self.policy());
        for (key, past) in &mut self.past {
            let was_superseded = past.was_written();
            let own_end = past.given().and_then(|(_, _, given)| given.ends);
            let (is_pinned, was_in_trouble) = (past.pins > 0, past.is_in_trouble());
            let owed = past.owed;
            let has_ended = past.pass(now, self.table.value(key).is_some(), &policy);
            let told = self
                .events
                .iter()
                .filter(|(other, kind)| other == key && matches!(kind, EventKind::Expired))
                .count();
            if let Some((first, last)) = owed {
                assert!(told == 1 || now < last, "{key:?} was forgotten and ended, and nobody was told");
                assert!(told == 0 || now >= first, "{key:?} was forgotten, and is said to have ended");
                past.owed = owed.filter(|_| told == 0);
                continue;
            }
            let is_missed = has_ended && (is_pinned || (!was_superseded && own_end.is_some()));
            let may_be_missed = has_ended && (is_missed || was_in_trouble);
            assert!(told >= usize::from(is_missed), "{key:?} ended, and nobody was told");
            assert!(told <= usize::from(may_be_missed), "{key:?} is said to have ended");
        }
        self.events.clear();
    }

    /// Takes the events that tell of what the oracle does not foresee, and keeps the others to be compared.
    fn note_events(&mut self) {
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

    fn read(&mut self, key: &Key) {
        let is_hit = self.view.read(key.borrow(), |answer| matches!(answer, Answer::Value(_)));
        let now = self.now;
        match is_hit {
            Some(true) => self.past(key).note(now, What::Read),
            Some(false) => {}
            None => {
                let flight = Flight::new(Purpose::Read);
                let kept = self.past(key).kept.clone();
                match self.table.depart(key, &self.view, &flight, 0) {
                    Departure::Here(_) => panic!("the view had no answer"),
                    Departure::Join(seat) => assert!(kept.is_some_and(|kept| seat.is_in(&kept))),
                    Departure::Lead(_) => {
                        assert!(kept.is_none(), "{key:?} is asked for twice");
                        self.fly(key, flight);
                    }
                }
            }
        }
    }

    fn fly(&mut self, key: &Key, flight: Arc<Flight>) {
        self.past(key).kept = Some(Arc::clone(&flight));
        self.in_air.push(InAir { flight, keys: vec![key.clone()] });
    }

    fn force(&mut self, key: &Key) {
        let flight = Flight::new(Purpose::Force);
        self.table.depart_anew(key, &flight, 0);
        self.fly(key, flight);
    }

    fn pin(&mut self, key: &Key) {
        self.table.pin(key);
        let now = self.now;
        let past = self.past(key);
        past.pins += 1;
        if past.pins == 1 {
            past.note(now, What::Pinned);
        }
        // Who holds a name has asked for it.
        self.read(key);
    }

    fn unpin(&mut self, key: &Key) {
        if self.past(key).pins == 0 {
            return;
        }
        self.table.unpin(key, self.now, &self.view);
        let (now, is_cached) = (self.now, self.setting.policy.cache_enabled);
        let past = self.past(key);
        past.pins -= 1;
        if past.pins == 0 {
            past.note(now, What::Unpinned);
            past.owed = None;
            if !is_cached {
                past.forget();
            }
            past.denied = past.denied.filter(|_| past.given().is_some());
        }
    }

    fn write(&mut self, at: usize, end: End) {
        let is_begun = self.writing.remove(&at);
        let name = name(at);
        let (now, view) = (self.now, &self.view);
        let what = match (is_begun, end) {
            (false, _) => {
                self.writing.insert(at);
                self.table.doubt(&name, now, view);
                What::Doubted
            }
            (true, End::Unknown) => {
                self.table.doubt_and_ask(&name, now, view);
                What::Doubted
            }
            (true, End::Written) => {
                self.table.supersede(&name, now, view);
                What::Written { is_held: false }
            }
            (true, End::Deleted) => return self.run(&Op::Forget(at)),
        };
        for key in keys_of(at) {
            let past = self.past(&key);
            past.kept = None;
            if past.gone().is_some() {
                past.forget();
            }
            let is_held = past.pins > 0;
            let is_written = matches!(what, What::Written { .. });
            past.note(now, if is_written { What::Written { is_held } } else { what.clone() });
        }
    }

    fn look_anew(&mut self) {
        self.table.look_anew(self.now, &self.view);
        let now = self.now;
        for (key, past) in &mut self.past {
            past.kept = None;
            if past.gone().is_some() {
                past.forget();
            }
            let is_served = matches!(self.view.peek(key), Some(Answer::Value(_)));
            past.note(now, if past.pins > 0 && is_served { What::Read } else { What::Looked });
        }
    }

    /// Lands one of the flights in the air.
    fn land(&mut self, at: usize, outcome: impl Fn(&Key) -> Outcome) {
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
    fn answer(&mut self, key: &Key, outcome: Outcome) -> Result<SecretValue> {
        let stored = self.stored.entry(key.clone()).or_default();
        let stored_now = match outcome {
            Outcome::Fails(kind, retry_after) => {
                let error = Error::new(kind, "as the schedule says");
                return Err(match retry_after {
                    Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
                    None => error,
                });
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

    fn refuse(&mut self, key: &Key, which: Which) {
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
    fn hear_reports(&mut self, answers: &BTreeMap<Key, Result<()>>) {
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

    /// What must be true at any time.
    fn check(&mut self) {
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
                assert!(
                    entry.is_some_and(super::entry::Entry::is_tended),
                    "{key:?} is held, and never asked for"
                );
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

    /// The store is healthy and time passes: whoever holds a name has what the store has.
    fn recover(&mut self) {
        for at in self.writing.clone() {
            self.run(&Op::Write(at, End::Unknown));
        }
        let keys: Vec<Key> = self.past.keys().cloned().collect();
        for key in &keys {
            let _ = self.answer(key, Outcome::New);
        }
        let time = self.setting.policy.cache_ttl + self.setting.policy.negative_ttl + LONGEST_WAIT;
        for _ in 0..8 {
            while !self.in_air.is_empty() {
                self.land(0, |_| Outcome::Same);
                self.settle();
            }
            self.run(&Op::Advance(time / 4));
        }
        while !self.in_air.is_empty() {
            self.land(0, |_| Outcome::Same);
            self.settle();
        }
        for key in keys {
            if self.past[&key].pins > 0 && !self.setting.policy.cache_ttl.is_zero() {
                let current = self.stored[&key].last().unwrap().number.to_string();
                let value = self.table.value(&key).map(|value| value.expose().to_owned());
                let is_stand_in = value.as_ref().is_some_and(|value| *value != current);
                assert!(!is_stand_in, "{key:?} has {value:?}, and the store has {current}");
                assert!(value.is_some(), "{key:?} has no value");
            }
        }
    }
}

/// Many short schedules find more than few long ones, and shrink sooner.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(3_000), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_table_and_the_view_do_what_the_contract_says(
        setting in schedule::setting(),
        ops in proptest::collection::vec(schedule::op(), 1..80),
    ) {
        let mut model = Model::new(setting);
        for op in &ops {
            model.run(op);
        }
        model.recover();
    }
}
