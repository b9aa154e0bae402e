//! The subcommands, one file each.

mod completions;
mod man;
mod secrets;

use crate::{
    args::{Cli, Command},
    context::Context,
    failure::{Failure, Result},
    output::Output,
    process::Hardened,
};

/// Does what the command line asks.
pub(crate) fn run(cli: Cli, output: &mut Output, _hardened: &Hardened) -> Result<()> {
    match cli.command {
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        Command::Secrets(command) => secrets::run(command, &Context::load(&cli.global)?, output),
        _ => Err(Failure::usage("this subcommand is not there yet")),
    }
}
