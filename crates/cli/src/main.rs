//! The command `modelmesh`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modelmesh_cli::main(std::env::args_os()).into()
}
