//! `modelmesh completions`: a script made from the definition of the command line. It asks no store.

use clap::CommandFactory as _;

use crate::{
    args::{Cli, CompletionsArgs},
    failure::Result,
    output::Output,
};

pub(super) fn run(args: &CompletionsArgs, output: &mut Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "modelmesh", &mut script);
    output.document(&script)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_the_subcommands() {
        for &shell in clap_complete::Shell::value_variants() {
            let mut output = Output::memory(false);
            run(&CompletionsArgs { shell }, &mut output).unwrap();
            assert!(output.printed().0.contains("rekey"), "{shell}");
        }
    }
}
