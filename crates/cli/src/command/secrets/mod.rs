//! `modelmesh secrets`: one file for each subcommand, and what several of them work with: the store that is
//! [`chosen`], [`bundle`]s of secrets as text, and [`changes`] to make.

mod bundle;
mod changes;
mod chosen;
mod delete;
mod edit;
mod export;
mod get;
mod import;
mod list;
mod rekey;
mod set;

use self::chosen::Chosen;
use crate::{args::SecretsCommand, context::Context, failure::Result, output::Output};

pub(super) fn run(command: SecretsCommand, context: &Context, output: &mut Output) -> Result<()> {
    let chosen = Chosen::open(context)?;
    match command {
        SecretsCommand::Set(args) => set::run(args, &chosen, output),
        SecretsCommand::Get(args) => get::run(&args, &chosen, output),
        SecretsCommand::List(_) => list::run(&chosen, output),
        SecretsCommand::Delete(args) => delete::run(&args, &chosen, output),
        SecretsCommand::Import(args) => import::run(&args, &chosen, output),
        SecretsCommand::Export(args) => export::run(&args, &chosen, output),
        SecretsCommand::Edit => edit::run(&chosen, output),
        SecretsCommand::Rekey(args) => rekey::run(&args, &chosen, output),
    }
}
