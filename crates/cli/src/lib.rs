//! The command `modelmesh`: provisions secrets across environments, and runs programs with them.
//!
//! A library so that its parts can be tested; the interface is the command line, described in [`args`], with
//! its exit codes in [`exit`] and its JSON in [`output`].

pub mod args;
mod command;
mod context;
pub mod editor;
pub mod exit;
pub mod failure;
mod interrupt;
pub mod output;
pub mod private_dir;
pub mod process;
pub mod prompt;

use std::ffi::OsString;

use anstream::ColorChoice;
use args::Command;
use exit::Exit;
use failure::Failure;
use output::Output;
use process::Hardened;

/// Does what the command line `args` asks, and returns the code to end with.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let hardened = Hardened::new();
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match args::parse(&args) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, &args),
    };
    let color = match cli.global.color {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    output::log::listen(cli.global.json, color);
    let mut output = Output::process(cli.global.json, color);
    let is_run = matches!(cli.command, Command::Run(_));
    match command::run(cli, &mut output, &hardened) {
        Ok(()) => Exit::DONE,
        Err(failure) => {
            let failure = if is_run { failure.of_run() } else { failure };
            output.failure(&failure);
            failure.exit()
        }
    }
}

/// Tells what clap has to say in place of a command: help, the version, or what is wrong.
fn not_parsed(error: &clap::Error, args: &[OsString]) -> Exit {
    let options = args.iter().take_while(|arg| *arg != "--");
    if error.use_stderr() && options.into_iter().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let failure = Failure::usage(text.trim().trim_start_matches("error: ").to_owned());
        Output::process(true, ColorChoice::Never).failure(&failure);
        return failure.exit();
    }
    match error.print() {
        Ok(()) if error.use_stderr() => Exit::USAGE,
        Ok(()) => Exit::DONE,
        Err(error) => Failure::from(error).exit(),
    }
}
