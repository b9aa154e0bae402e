//! Why a subcommand did not do what was asked.

use std::{borrow::Cow, io};

use modelmesh_secrets::{Error, config::Report};

use crate::exit::Exit;

/// `Result` of everything that may end a subcommand.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What to tell, and the code to end with.
#[derive(Debug)]
pub struct Failure {
    problem: Problem,
    exit: Exit,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// Errors of stores, references, configuration or the system: at least one.
    Errors(Vec<Error>),
    /// What is wrong with the configuration, each at its place.
    Report(Box<Report>),
    /// The command was asked in a way that cannot work.
    Usage {
        /// What is wrong: lower case, no final dot, never a value.
        message: Cow<'static, str>,
        /// What to do instead.
        help: Option<Cow<'static, str>>,
    },
    /// Standard output cannot be written.
    Output(io::Error),
    /// The subcommand's own report has said it already.
    Reported,
}

impl Failure {
    /// The command was asked in a way that cannot work.
    pub fn usage(message: impl Into<Cow<'static, str>>) -> Self {
        Failure { problem: Problem::Usage { message: message.into(), help: None }, exit: Exit::USAGE }
    }

    /// Adds what to do instead to a [`Failure::usage`].
    pub fn with_help(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        if let Problem::Usage { help, .. } = &mut self.problem {
            *help = Some(text.into());
        }
        self
    }

    /// Ends with `exit` and no further word: the subcommand's own report has said what there is to say.
    pub fn reported(exit: Exit) -> Self {
        Failure { problem: Problem::Reported, exit }
    }

    /// Ends with `exit` rather than with the code of the error's kind.
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The failure as `run` reports it: 125, so that it cannot be taken for the child's own code.
    ///
    /// 126 and 127, which say that the child could not be started, stay, and so does a broken pipe. What was
    /// reported already is the code of the child itself.
    pub fn of_run(self) -> Self {
        match self.exit {
            _ if matches!(self.problem, Problem::Reported) => self,
            Exit::CANNOT_EXECUTE | Exit::NOT_FOUND | Exit::BROKEN_PIPE => self,
            _ => self.with_exit(Exit::RUN_FAILED),
        }
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The report on a configuration, if that is what went wrong.
    pub fn report(&self) -> Option<&Report> {
        match &self.problem {
            Problem::Report(report) => Some(report),
            _ => None,
        }
    }

    /// What went wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { exit: Exit::from(error.kind()), problem: Problem::Errors(vec![error]) }
    }
}

impl From<Vec<Error>> for Failure {
    /// An empty list is a broken promise of the caller, told as a plain failure.
    fn from(errors: Vec<Error>) -> Self {
        let exit = match Exit::of_all(errors.iter().map(Error::kind)) {
            Exit::DONE => Exit::FAILURE,
            exit => exit,
        };
        Failure { exit, problem: Problem::Errors(errors) }
    }
}

impl From<Box<Report>> for Failure {
    /// A report without errors is a broken promise of the caller, told as a plain failure.
    fn from(report: Box<Report>) -> Self {
        let exit = match Exit::of_all(report.kinds()) {
            Exit::DONE => Exit::FAILURE,
            exit => exit,
        };
        Failure { exit, problem: Problem::Report(report) }
    }
}

/// For the printer alone: every other I/O error becomes an [`Error`] that says what was being done.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::BROKEN_PIPE,
            _ => Exit::FAILURE,
        };
        Failure { exit, problem: Problem::Output(error) }
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;

    use super::*;

    #[test]
    fn run_reports_failures_of_secrets_as_125_and_keeps_those_of_the_child() {
        let missing = Failure::from(Error::not_found("openai-key"));
        assert_eq!(missing.of_run().exit(), Exit::RUN_FAILED);
        let absent = Failure::from(Error::new(ErrorKind::Io, "not found")).with_exit(Exit::NOT_FOUND);
        assert_eq!(absent.of_run().exit(), Exit::NOT_FOUND);
        assert_eq!(
            Failure::reported(Exit::DIFFERENCES).of_run().exit(),
            Exit::DIFFERENCES,
            "the child's own 7"
        );
    }

    #[test]
    fn a_gone_reader_is_told_from_a_full_disk() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::BROKEN_PIPE);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::FAILURE);
    }
}
