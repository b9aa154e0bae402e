//! The table and the view, driven through random schedules, and judged by an oracle.
//!
//! A schedule is a list of operations on a virtual clock: time passes, promptly or late; names are read, held,
//! written, forgotten, refused; flights land with whatever a store may answer. After each operation the view is
//! compared with what the [oracle](oracle) says may and must be served, the events with what happened, and the
//! table's books with its entries. `PROPTEST_CASES` makes more schedules than the usual number.

mod checks;
mod landing;
mod operations;
mod oracle;
mod refusal;
mod schedule;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

use self::{
    oracle::{Given, Past},
    schedule::{End, Op, Outcome, Setting},
};
use super::{
    flight::Flight,
    table::{Rules, Table},
    view::{Key, View},
};
use crate::{ResolutionPolicy, SecretName, SecretValue, Version, clock::Moment, observe::EventKind};

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
