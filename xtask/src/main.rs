//! Chores of the repository: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bindings`, `cargo xtask schema`, `cargo xtask fuzz`.

// This program talks to whoever runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore's output is its purpose")]

mod bindings;
mod demo;
mod fuzz;
mod kube_apiserver;
mod schema;
mod steps;
mod test;
mod tools;

use std::process::ExitCode;

use steps::Outcome;

const USAGE: &str = "\
usage: cargo xtask <chore>

  demo      build the command, and resolve a configuration of three providers with it
  test      everything that must hold: format, lints, docs, and every test on real servers
  bindings  of these, what concerns the packages of Python and Node
  schema    write docs/modelmesh.schema.json from the code
  fuzz      [target] [--minutes N]: look for inputs that break a parser; 'cargo test' replays those that are kept
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome: Outcome = match arguments.next().as_deref() {
        Some("demo") => demo::run(),
        Some("test") => test::run(),
        Some("bindings") => bindings::test(),
        Some("schema") => schema::write(),
        Some("fuzz") => fuzz::run(arguments),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
