//! The subcommands, one file each.

mod check;
mod completions;
mod examination;
mod explain;
mod init;
mod man;
mod render;
mod run;
mod schema;
mod secrets;
mod stores;

use crate::{
    args::{Cli, Command},
    context::Context,
    failure::Result,
    output::Output,
    process::Hardened,
};

/// Does what the command line asks.
pub(crate) fn run(cli: Cli, output: &mut Output, hardened: &Hardened) -> Result<()> {
    match cli.command {
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        Command::Secrets(command) => secrets::run(command, &Context::load(&cli.global)?, output),
        Command::Init(args) => init::run(&args, hardened, output),
        Command::Check(args) => check::run(&args, &cli.global, output),
        Command::Explain(_) => explain::run(&cli.global, output),
        Command::Render(args) => render::run(&args, &cli.global, output),
        Command::Run(args) => run::run(&args, &cli.global, hardened, output),
        Command::Stores(args) => stores::run(&args, &cli.global, output),
        Command::Schema => schema::run(output),
    }
}
