//! Benchmarks beside peers.
//!
//! Machines are noisy, so nothing here is a test: each benchmark takes turns with its peers in one run, and
//! prints the ratio of the medians. `cargo run --release -p modelmesh-bench` runs all of them.

// The benchmark's output is its purpose.
#![allow(clippy::print_stdout, reason = "this program prints figures")]

mod cached_get;
mod measure;
mod resolve;
mod run;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|want| want == name);
    if is_wanted("cached-get") {
        cached_get::bench();
    }
    if is_wanted("resolve") {
        resolve::bench();
    }
    if is_wanted("run") {
        run::bench();
    }
}
