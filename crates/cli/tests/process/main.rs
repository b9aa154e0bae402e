//! Real processes: what a child sees, what reaches it, what its output shows; prompts at a real terminal.
//!
//! The tests start this same program again, as one of the roles of [`role`], for `exec` and signals cannot be
//! tried within the process that tests them.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, and clippy knows only the usual harness"
)]

mod editor;
mod exec;
mod prompt;
mod pty;
mod redact;
mod role;

use libtest_mimic::{Arguments, Trial};

fn main() {
    if let Some(exit) = role::play() {
        std::process::exit(exit.code().into());
    }
    require_interrupts();
    let trials: Vec<Trial> = [exec::TESTS, redact::TESTS, prompt::TESTS, editor::TESTS]
        .concat()
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || {
                test();
                Ok(())
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A process that was started to ignore interrupts, as a script does with `&`, passes that on, and tests that interrupt a
/// program would wait for ever.
fn require_interrupts() {
    const SIGINT: u32 = 2;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored_signals(&status).unwrap_or(0);
    assert_eq!(
        ignored & (1 << (SIGINT - 1)),
        0,
        "interrupts are ignored here: run the tests in the foreground"
    );
}

/// The set of ignored signals, a bit each, of what `/proc` says of a process.
fn ignored_signals(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// A test: its name and what it does.
type Test = (&'static str, fn());

/// Lists functions as tests under their names.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}
use tests;
