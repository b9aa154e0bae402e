//! Benchmarks beside peers.
//!
//! Machines are noisy, so nothing here is a test: each benchmark takes turns with its peers in one run, and
//! prints the ratio of the medians. `cargo run --release -p modelmesh-bench` runs all of them, but for the soak,
//! which takes an hour: `cargo run --release -p modelmesh-bench -- soak [--minutes 60]`.

// The benchmark's output is its purpose.
#![allow(clippy::print_stdout, reason = "this program prints figures")]

mod cached_get;
mod heap;
mod latency;
mod measure;
mod memory;
mod resolve;
mod run;
mod soak;
mod vault;

use std::process::ExitCode;

const SOAK_MINUTES: f64 = 60.0;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.first().is_some_and(|first| first == "soak") {
        let minutes = match &wanted[1..] {
            [] => Some(SOAK_MINUTES),
            [option, minutes] if option == "--minutes" => minutes.parse().ok(),
            _ => None,
        };
        let Some(minutes) = minutes else {
            println!("usage: soak [--minutes N]");
            return ExitCode::FAILURE;
        };
        return soak::run(minutes);
    }
    let all: [(&str, fn()); 6] = [
        ("cached-get", cached_get::bench),
        ("latency", latency::bench),
        ("memory", memory::bench),
        ("resolve", resolve::bench),
        ("run", run::bench),
        ("vault", vault::bench),
    ];
    for (name, bench) in all {
        if wanted.is_empty() || wanted.iter().any(|want| want == name) {
            bench();
        }
    }
    ExitCode::SUCCESS
}
