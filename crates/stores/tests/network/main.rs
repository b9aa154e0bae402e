//! The network stores, against real servers and protocol servers.
//!
//! - [`backend`]: what the tests that are the same for all stores need of one; `backends/` has one file for each.
//! - The tests that are the same for all: [`conformance`], [`faults`], [`leaks`], [`names`] and [`writers`].
//! - [`asking`]: how the others open a store and ask it.
//! - [`stage`]: a backend behind a proxy that injects faults. [`child`]: other processes.
//! - The tests of what is peculiar to a store have a file each.
//!
//! Its own `main`: servers are shared by all tests, are started by the first that needs them, and end with the
//! last.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "files of tests, in folders of their own")]

mod asking;
mod aws;
mod azure;
mod azure_login;
mod backend;
mod backends;
mod child;
mod conformance;
mod faults;
mod google;
mod kubernetes;
mod leaks;
mod names;
mod onepassword;
mod stage;
mod vault;
mod writers;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(code) = child::run() {
        return code;
    }
    let arguments = Arguments::from_args();
    let backends = backends::all();
    let mut trials: Vec<Trial> = Vec::new();
    for backend in &backends {
        trials.push(conformance::trial(backend));
        trials.extend(faults::trials(backend));
        trials.push(leaks::trial(backend));
        trials.push(names::trial(backend));
        trials.push(writers::trial(backend));
    }
    trials.extend(aws::trials());
    trials.extend(azure::trials());
    trials.extend(azure_login::trials());
    trials.extend(google::trials());
    trials.extend(kubernetes::trials());
    trials.extend(onepassword::trials());
    trials.extend(vault::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that awaits, on a runtime of its own.
fn trial<F: Future<Output = ()>>(
    name: impl Into<String>,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
