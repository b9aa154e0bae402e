//! A cached get, beside the field's cache and a map under a mutex.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use modelmesh_secrets::{BaseSecretStore, Resolve, Result, SecretName, SecretValue};

use crate::measure::{Contender, Times, in_turns, print};

const NAMES: usize = 1_000;
const GETS: u32 = 200_000;
const ROUNDS: usize = 31;

struct Numbered;

#[async_trait::async_trait]
impl Resolve for Numbered {
    async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>> {
        Ok(Some(SecretValue::new(format!("sk-{}", name.as_str()))))
    }
}

pub(crate) fn bench() {
    let names: Vec<SecretName> = (0..NAMES)
        .map(|at| SecretName::new(format!("provider-{at:04}-api-key")).expect("a valid name"))
        .collect();

    let store = BaseSecretStore::new(Numbered);
    let moka =
        moka::sync::Cache::builder().time_to_live(Duration::from_mins(5)).max_capacity(100_000).build();
    let map: Mutex<HashMap<String, (Arc<SecretValue>, Instant)>> = Mutex::default();
    for name in &names {
        let value = Arc::new(store.get_blocking(name).expect("the store answers"));
        moka.insert(name.as_str().to_owned(), Arc::clone(&value));
        let until = Instant::now() + Duration::from_mins(5);
        map.lock().expect("no poison").insert(name.as_str().to_owned(), (value, until));
    }

    let borrowed =
        || each(&names, |name| store.with_value(name, |value| value.expose().len()).unwrap_or_default());
    let copied = || {
        for name in names.iter().cycle().take(GETS as usize) {
            black_box(store.get_blocking(black_box(name)).expect("the store answers"));
        }
    };
    let from_moka = || each(&names, |name| moka.get(name).map_or(0, |value| value.expose().len()));
    let from_map = || {
        each(&names, |name| match map.lock().expect("no poison").get(name) {
            Some((value, until)) if *until > Instant::now() => value.expose().len(),
            _ => 0,
        });
    };

    let times = in_turns(
        vec![
            Contender::new("moka, sync::Cache with a TTL", from_moka),
            Contender::new("Mutex<HashMap> with a TTL check", from_map),
            Contender::new("modelmesh, with_value (borrowed)", borrowed),
            Contender::new("modelmesh, get_blocking (a copy)", copied),
        ],
        ROUNDS,
    );
    print("a cached get, one thread (per get; x of moka's time)", &times, GETS);

    let times: Vec<Times> = in_turns(
        vec![
            Contender::new("modelmesh, one thread", borrowed),
            Contender::new("modelmesh, two threads", || on_two_threads(&borrowed)),
            Contender::new("moka, one thread", from_moka),
            Contender::new("moka, two threads", || on_two_threads(&from_moka)),
            Contender::new("Mutex<HashMap>, one thread", from_map),
            Contender::new("Mutex<HashMap>, two threads", || on_two_threads(&from_map)),
        ],
        ROUNDS,
    );
    print("a cached get, one thread and two (per get of one thread)", &times, GETS);
    for pair in times.chunks(2) {
        println!("  {:<44} {:.2} x the throughput of one", pair[1].name, 2.0 / pair[1].ratio_to(&pair[0]));
    }
}

fn each(names: &[SecretName], get: impl Fn(&str) -> usize) {
    for name in names.iter().cycle().take(GETS as usize) {
        black_box(get(black_box(name.as_str())));
    }
}

/// Each thread does a whole round.
fn on_two_threads(round: &(impl Fn() + Sync)) {
    thread::scope(|scope| {
        scope.spawn(round);
        scope.spawn(round);
    });
}
