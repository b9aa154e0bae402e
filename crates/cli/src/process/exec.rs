//! `run` without `--redact`: this process becomes the child.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    process::Command,
};

use modelmesh_secrets::{Error, ErrorKind, printable};

use super::{Hardened, Variables};
use crate::{exit::Exit, failure::Failure};

/// Becomes `program`: the same process ID, terminal, open files and working directory, with `variables` in its
/// environment. Returns only if that failed.
///
/// - `program` is looked for in the `PATH` that the child gets.
/// - SIGPIPE, which Rust programs ignore, ends the child again; the limit on core dumps and the umask are as
///   they were found.
/// - The failure's code is 127 if the program was not found, else 126.
pub fn replace(program: &OsStr, args: &[OsString], variables: &Variables, hardened: &Hardened) -> Failure {
    let mut command = command(program, args, variables);
    // `exec` itself puts SIGPIPE's disposition back; caught signals go back to their defaults by themselves.
    let error = hardened.restored(|| command.exec());
    cannot_start(program, &error)
}

/// The command that both ways of running start.
pub(super) fn command(program: &OsStr, args: &[OsString], variables: &Variables) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    variables.apply(&mut command);
    command
}

/// Why `program` was not started, with the code that shells use.
pub(super) fn cannot_start(program: &OsStr, error: &io::Error) -> Failure {
    let shown = program.to_string_lossy();
    let shown = printable(&shown);
    if error.kind() == io::ErrorKind::NotFound {
        let error = Error::new(ErrorKind::Io, format!("cannot run '{shown}': no such program"))
            .with_help("is it installed, and in a folder of PATH?");
        return Failure::from(error).with_exit(Exit::NOT_FOUND);
    }
    let failure = Error::new(ErrorKind::Io, format!("cannot run '{shown}': {error}"));
    let failure = match error.kind() {
        io::ErrorKind::ArgumentListTooLong => {
            failure.with_help("the variables and arguments together are longer than the system allows")
        }
        io::ErrorKind::PermissionDenied => failure.with_help("is it a program, and may you execute it?"),
        _ => failure,
    };
    Failure::from(failure).with_exit(Exit::CANNOT_EXECUTE)
}
