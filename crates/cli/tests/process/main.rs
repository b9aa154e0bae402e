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

/// A test: its name and what it does.
type Test = (&'static str, fn());

/// Lists functions as tests under their names.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}
use tests;
