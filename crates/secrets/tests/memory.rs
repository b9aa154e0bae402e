//! What 100,000 secrets take in memory. This file has one test: the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{alloc::System, sync::Arc, time::Duration};

use modelmesh_secrets::{
    BaseSecretStore, ResolutionPolicy, SecretName, SecretResolution as _, SecretStoreConnector,
    clock::ManualClock,
};
use modelmesh_testkit::supply::Supply;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NAMES: usize = 100_000;
const LIMIT: usize = 64_000_000;
const BATCH: usize = 1_000;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn name(at: usize) -> SecretName {
    SecretName::new(format!("provider-{at:07}-api-key")).unwrap()
}

#[test]
fn a_hundred_thousand_secrets_fit_in_64_megabytes_before_and_after_their_refresh() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (supply, clock) = (Supply::new(BATCH), ManualClock::new());
    let connector: Arc<dyn SecretStoreConnector> = supply.clone();
    let policy = ResolutionPolicy { max_entries: NAMES, ..ResolutionPolicy::default() };
    let store = BaseSecretStore::builder(connector).policy(policy).clock(clock.clone()).build();

    let before = live();
    for at in (0..NAMES).step_by(BATCH) {
        // The names are dropped: those of the cache are counted with it.
        let names: Vec<SecretName> = (at..at + BATCH).map(name).collect();
        assert!(runtime.block_on(store.get_many(&names)).iter().all(Result::is_ok));
    }
    assert_eq!(store.cached_entries(), NAMES);
    let filled = live() - before;
    println!("{} bytes each", filled / NAMES);
    assert!(filled <= LIMIT, "{filled} bytes, {} each", filled / NAMES);

    for at in 0..NAMES {
        store.with_value(name(at).as_str(), |value| assert!(!value.expose().is_empty())).unwrap();
    }
    let refreshed = supply.answers() + NAMES as u64;
    // Past every refresh, and to the end of no value: 0.8 of the TTL, and 0.9 of it.
    clock.advance(Duration::from_secs(250));
    while supply.answers() < refreshed {
        std::thread::sleep(Duration::from_millis(1));
    }
    // One thread fetches: when this answer is here, those before it have arrived.
    runtime.block_on(store.refresh(&name(0))).unwrap();
    clock.advance(Duration::from_mins(1));
    assert_eq!(store.cached_entries(), NAMES, "none ended, for all were refreshed");
    let refreshed = live() - before;
    println!("{} bytes each after a refresh", refreshed / NAMES);
    assert!(refreshed <= LIMIT, "{refreshed} bytes, {} each, after a refresh", refreshed / NAMES);
}
