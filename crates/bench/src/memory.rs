//! What 100,000 secrets take in memory.

use std::{sync::Arc, thread, time::Duration};

use modelmesh_secrets::{
    BaseSecretStore, ResolutionPolicy, SecretName, SecretResolution as _, SecretStoreConnector,
    clock::ManualClock,
};
use modelmesh_testkit::supply::{Supply, VALUE_LENGTH};

use crate::heap;

const NAMES: usize = 100_000;
const BATCH: usize = 1_000;

fn name(at: usize) -> SecretName {
    SecretName::new(format!("provider-{at:07}-api-key")).expect("a valid name")
}

pub(crate) fn bench() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (supply, clock) = (Supply::new(BATCH), ManualClock::new());
    let connector: Arc<dyn SecretStoreConnector> = supply.clone();
    let policy = ResolutionPolicy { max_entries: NAMES, ..ResolutionPolicy::default() };
    let store = BaseSecretStore::builder(connector).policy(policy).clock(clock.clone()).build();
    let before = (heap::live(), heap::resident());
    let show = |what: &str| {
        let live = heap::live() - before.0;
        let resident = heap::resident().zip(before.1).map(|(now, before)| now.saturating_sub(before));
        let resident = resident.map_or("unknown".to_owned(), |bytes| format!("{} each", bytes / NAMES));
        println!("  {what:<44} {:>4} bytes each, {live:>10} in all; resident: {resident}", live / NAMES);
    };

    println!("\n{NAMES} secrets of {VALUE_LENGTH} bytes, names of {}", name(0).as_str().len());
    for at in (0..NAMES).step_by(BATCH) {
        // The names are dropped: those of the cache are counted with it.
        let names: Vec<SecretName> = (at..at + BATCH).map(name).collect();
        assert!(runtime.block_on(store.get_many(&names)).iter().all(Result::is_ok), "all have values");
    }
    show("fetched");
    for what in ["refreshed, unchanged", "refreshed, all rotated: two versions each"] {
        for at in 0..NAMES {
            store.with_value(name(at).as_str(), |value| value.expose().len()).expect("it is cached");
        }
        let refreshed = supply.answers() + NAMES as u64;
        // Past every refresh, and to the end of no value: 0.8 of the TTL, and 0.9 of it.
        clock.advance(Duration::from_secs(250));
        while supply.answers() < refreshed {
            thread::sleep(Duration::from_millis(1));
        }
        // One thread fetches: when this answer is here, those before it have arrived.
        runtime.block_on(store.refresh(&name(0))).expect("it answers");
        assert_eq!(store.cached_entries(), NAMES, "none was lost");
        show(what);
        supply.rotate();
    }
}
