//! An hour of everything at once, on the machine's clock: does memory grow?

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use modelmesh_secrets::{Breaker, ResolutionPolicy, Retry};
use modelmesh_testkit::life::{Life, Time, growth};

use crate::heap;

const SAMPLE: Duration = Duration::from_secs(2);
const REPORT: Duration = Duration::from_mins(1);
/// By what share the live bytes may grow, and it is noise.
const NOISE: f64 = 0.05;

/// Every time of the policy, a hundred times shorter or more.
fn hurried() -> ResolutionPolicy {
    ResolutionPolicy {
        cache_ttl: Duration::from_secs(1),
        max_stale: Duration::from_secs(10),
        negative_ttl: Duration::from_millis(100),
        fetch_timeout: Duration::from_millis(500),
        retry: Retry { tries: 3, base: Duration::from_millis(1), max: Duration::from_millis(20) },
        breaker: Breaker { failures: 5, open: Duration::from_millis(200) },
        min_refresh_interval: Duration::from_millis(50),
        previous_retain: Duration::from_secs(2),
        ..ResolutionPolicy::default()
    }
}

pub(crate) fn run(minutes: f64) -> ExitCode {
    let length = Duration::from_secs_f64(minutes * 60.0);
    println!("\na life of {minutes} minutes, its live bytes every {} s", SAMPLE.as_secs());
    // Three stores, with a short, a middling and a long time to live.
    let mut lives: Vec<Life> = [200, 700, 2_000]
        .into_iter()
        .zip(1..)
        .map(|(ttl, seed)| {
            let policy = ResolutionPolicy { cache_ttl: Duration::from_millis(ttl), ..hurried() };
            Life::new(Time::Real, policy, seed)
        })
        .collect();
    // Room for all samples at once, or they would count themselves.
    let mut samples =
        Vec::with_capacity(usize::try_from(length.as_secs() / SAMPLE.as_secs()).unwrap_or(0) + 1);
    let (start, mut steps) = (Instant::now(), 0_u64);
    let (mut sample_at, mut report_at) = (start + SAMPLE, start + REPORT);
    while start.elapsed() < length {
        for life in &mut lives {
            life.step();
            steps += 1;
        }
        // A load, and not all of the machine.
        thread::sleep(Duration::from_millis(2));
        let now = Instant::now();
        if now >= sample_at {
            samples.push(heap::live());
            sample_at = now + SAMPLE;
        }
        if now >= report_at {
            let resident = heap::resident().unwrap_or_default();
            println!(
                "  {:>5} s  {steps:>9} steps  {:>9} live  {resident:>9} resident",
                start.elapsed().as_secs(),
                heap::live()
            );
            report_at = now + REPORT;
        }
    }
    if samples.len() < 10 {
        println!("  too short to tell");
        return ExitCode::FAILURE;
    }
    let growth = growth(&samples);
    let activations: u64 = lives.iter().map(Life::activations).sum();
    let is_steady = growth <= NOISE && activations > 0;
    println!(
        "  {steps} steps, {activations} activations, {} samples: live bytes changed by {:+.2} %: {}",
        samples.len(),
        growth * 100.0,
        if is_steady { "steady" } else { "FAILED" }
    );
    if is_steady { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
