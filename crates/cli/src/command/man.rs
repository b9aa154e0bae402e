//! `modelmesh man`: pages made from the definition of the command line.

use clap::CommandFactory as _;
use clap_mangen::Man;
use modelmesh_secrets::{Error, ErrorKind, printable};

use crate::{
    args::{Cli, ManArgs},
    failure::{Failure, Result},
    output::Output,
};

pub(super) fn run(args: &ManArgs, output: &mut Output) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    if let Some(folder) = &args.all {
        return clap_mangen::generate_to(command, folder)
            .map_err(|error| Error::new(ErrorKind::Io, "cannot write the pages").with_source(error).into());
    }
    for name in &args.command {
        command = command
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("there is no subcommand '{}'", printable(name))))?;
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    output.document(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(command: &[&str]) -> Result<String> {
        let mut output = Output::memory(false);
        run(&ManArgs { command: command.iter().map(ToString::to_string).collect(), all: None }, &mut output)?;
        Ok(output.printed().0)
    }

    #[test]
    fn the_page_of_a_subcommand_names_it_in_full() {
        assert!(page(&["secrets", "set"]).unwrap().contains("modelmesh\\-secrets\\-set"));
    }

    #[test]
    fn the_first_page_tells_the_exit_codes() {
        assert!(page(&[]).unwrap().contains("the store is locked"));
    }

    #[test]
    fn an_unknown_subcommand_is_wrong_usage() {
        assert_eq!(page(&["nonsense"]).unwrap_err().exit(), crate::exit::Exit::USAGE);
    }
}
