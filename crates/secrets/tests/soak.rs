//! A long life in little time. This file has one test: the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;

use modelmesh_secrets::{
    ResolutionPolicy,
    clock::{Clock as _, ManualClock, Moment},
};
use modelmesh_testkit::life::{Life, Time, growth};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SAMPLES: usize = 1_000;
const STEPS: usize = 40;

#[test]
fn memory_does_not_grow_in_a_hundred_hours() {
    let clock = ManualClock::new();
    let mut life = Life::new(Time::Virtual(clock.clone()), ResolutionPolicy::default(), 7);
    let samples: Vec<usize> = (0..SAMPLES)
        .map(|_| {
            (0..STEPS).for_each(|_| life.step());
            let stats = ALLOCATOR.stats();
            stats.bytes_allocated - stats.bytes_deallocated
        })
        .collect();
    let lived = clock.now().since(Moment::default());
    assert!(lived.as_secs() > 100 * 3_600, "only {lived:?}");
    assert!(life.activations() > 100, "only {} activations", life.activations());
    let growth = growth(&samples);
    println!("{growth:+.4} in {lived:?}; {} bytes at last", samples[SAMPLES - 1]);
    assert!(growth < 0.05, "live bytes grew by {:.1} %", growth * 100.0);
}
