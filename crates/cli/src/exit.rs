//! Exit codes: part of the command's interface, like its options.

use std::{fmt, os::unix::process::ExitStatusExt as _, process};

use modelmesh_secrets::ErrorKind;

/// The code with which the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exit(u8);

impl Exit {
    /// Everything asked for was done.
    pub const DONE: Exit = Exit(0);
    /// A wrong configuration, a malformed file, a conflict, a failed file operation.
    pub const FAILURE: Exit = Exit(1);
    /// The command line is wrong.
    pub const USAGE: Exit = Exit(2);
    /// A secret is missing.
    pub const MISSING: Exit = Exit(3);
    /// A secret is denied or disabled, or the store refused the login.
    pub const REFUSED: Exit = Exit(4);
    /// The store is throttled or cannot be reached.
    pub const UNAVAILABLE: Exit = Exit(5);
    /// The store is locked: the key at hand does not open it.
    pub const LOCKED: Exit = Exit(6);
    /// Differences were found.
    pub const DIFFERENCES: Exit = Exit(7);
    /// `run` failed before the child was started.
    pub const RUN_FAILED: Exit = Exit(125);
    /// The child was found and cannot be executed.
    pub const CANNOT_EXECUTE: Exit = Exit(126);
    /// The child was not found.
    pub const NOT_FOUND: Exit = Exit(127);
    /// The reader of standard output went away: what a shell shows for a program that SIGPIPE ended.
    pub const BROKEN_PIPE: Exit = Exit(128 + 13);

    /// When errors of several kinds happened, the first of these is the code.
    const PRECEDENCE: [Exit; 5] =
        [Exit::FAILURE, Exit::REFUSED, Exit::UNAVAILABLE, Exit::LOCKED, Exit::MISSING];

    /// The code for errors of these kinds; [`Exit::DONE`] for none.
    ///
    /// ```
    /// use modelmesh_cli::exit::Exit;
    /// use modelmesh_secrets::ErrorKind;
    ///
    /// assert_eq!(Exit::of_all([ErrorKind::NotFound, ErrorKind::Denied]), Exit::REFUSED);
    /// ```
    pub fn of_all(kinds: impl IntoIterator<Item = ErrorKind>) -> Exit {
        let rank = |exit: Exit| Exit::PRECEDENCE.iter().position(|&other| other == exit);
        kinds.into_iter().map(Exit::from).min_by_key(|&exit| rank(exit)).unwrap_or(Exit::DONE)
    }

    /// The code that passes on how a child ended: its own, or 128 and the signal that ended it.
    pub fn of_child(status: process::ExitStatus) -> Exit {
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        // The system's codes and signals fit; a status that is neither means the child is only stopped.
        Exit(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::FAILURE.0))
    }

    /// The code as a number.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Exit {
        match kind {
            ErrorKind::NotFound => Exit::MISSING,
            ErrorKind::Denied | ErrorKind::Disabled | ErrorKind::StoreAuth => Exit::REFUSED,
            ErrorKind::Throttled | ErrorKind::Unavailable => Exit::UNAVAILABLE,
            ErrorKind::Locked => Exit::LOCKED,
            // Kinds of later versions are failures until they get a code of their own.
            _ => Exit::FAILURE,
        }
    }
}

impl From<Exit> for process::ExitCode {
    fn from(exit: Exit) -> process::ExitCode {
        process::ExitCode::from(exit.0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_documented_code() {
        let code_of = |kind| match kind {
            ErrorKind::NotFound => 3,
            ErrorKind::Denied | ErrorKind::Disabled | ErrorKind::StoreAuth => 4,
            ErrorKind::Throttled | ErrorKind::Unavailable => 5,
            ErrorKind::Locked => 6,
            _ => 1,
        };
        for kind in ErrorKind::ALL {
            assert_eq!(Exit::from(kind).code(), code_of(kind), "{kind}");
        }
    }

    #[test]
    fn of_several_kinds_the_first_of_1_4_5_6_3_wins() {
        use ErrorKind::{Conflict, Denied, Locked, NotFound, Unavailable};
        let falling = [NotFound, Locked, Unavailable, Denied, Conflict];
        for (upto, code) in [(1, 3), (2, 6), (3, 5), (4, 4), (5, 1)] {
            assert_eq!(Exit::of_all(falling[..upto].iter().copied()).code(), code, "{:?}", &falling[..upto]);
        }
        assert_eq!(Exit::of_all([]), Exit::DONE);
    }

    #[test]
    fn a_child_passes_its_code_or_128_and_its_signal() {
        assert_eq!(Exit::of_child(process::ExitStatus::from_raw(42 << 8)).code(), 42);
        assert_eq!(Exit::of_child(process::ExitStatus::from_raw(15)).code(), 143);
    }
}
