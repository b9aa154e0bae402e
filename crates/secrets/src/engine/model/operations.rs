//! What each operation does to the table, and to the past that the oracle reads.

use std::{borrow::Borrow as _, sync::Arc, time::Duration};

use super::{
    super::{
        flight::{Flight, Purpose},
        table::Departure,
        view::{Answer, Key},
    },
    InAir, Model, key, keys_of, name,
    oracle::What,
    schedule::{End, Op},
};
use crate::observe::EventKind;

impl Model {
    pub(super) fn run(&mut self, op: &Op) {
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

    pub(super) fn fly(&mut self, key: &Key, flight: Arc<Flight>) {
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
}
