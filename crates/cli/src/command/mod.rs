//! The subcommands, one file each.

mod completions;
mod man;

use crate::{
    args::{Cli, Command},
    failure::{Failure, Result},
    output::Output,
    process::Hardened,
};

/// Does what the command line asks.
pub(crate) fn run(cli: Cli, output: &mut Output, _hardened: &Hardened) -> Result<()> {
    match cli.command {
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        _ => Err(Failure::usage("this subcommand is not there yet")),
    }
}
