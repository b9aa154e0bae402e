//! The printer: the one place that writes to standard output and standard error.
//!
//! - Results go to standard output; errors, warnings and notes to standard error.
//! - With `--json`, both carry JSON: one document on standard output, one line for each message on standard
//!   error, all with `"version": 1`. Fields may be added within a version, none is removed or changes meaning.
//! - Text that came from files, backends or the command line is escaped; only [`Output::value`] and
//!   [`Output::document`] write bytes as they are, for they are what was asked for.

mod drawing;
mod json;
pub(crate) mod log;

use std::{
    error::Error as _,
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Write},
};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use modelmesh_secrets::{Error, ExposeSecret as _, SecretString, config::Report, printable};
use serde::Serialize;

use self::drawing::Canvas;
pub(crate) use self::json::Described;
use crate::failure::{Failure, Problem, Result};

/// The version of everything printed as JSON.
pub const JSON_VERSION: u32 = 1;

/// Styles by meaning. Written with anstyle's `{style}text{style:#}`; stripped where colours are not wanted.
pub mod style {
    use super::{AnsiColor, Style};

    /// The word `error`, and what is missing.
    pub const ERROR: Style = AnsiColor::Red.on_default().bold();
    /// The word `warning`.
    pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    /// What is as it should be.
    pub const GOOD: Style = AnsiColor::Green.on_default();
    /// What the reader may try.
    pub const HELP: Style = AnsiColor::Cyan.on_default();
    /// Headings and names that stand out.
    pub const STRONG: Style = Style::new().bold();
    /// What matters less.
    pub const FAINT: Style = Style::new().dimmed();
}

/// Where results and messages go, and in which form.
#[derive(Debug)]
pub struct Output {
    json: bool,
    stdout: Sink,
    stderr: Sink,
}

#[derive(Debug)]
enum Sink {
    Stdout(ColorChoice),
    Stderr(ColorChoice),
    Memory(Vec<u8>),
}

impl Sink {
    /// Writes styled text, with its styles only where they are wanted.
    fn styled(&mut self, text: &str) -> io::Result<()> {
        match self {
            Sink::Stdout(choice) => write_all(AutoStream::new(io::stdout().lock(), *choice), text.as_bytes()),
            Sink::Stderr(choice) => write_all(AutoStream::new(io::stderr().lock(), *choice), text.as_bytes()),
            Sink::Memory(buffer) => write_all(AutoStream::never(buffer), text.as_bytes()),
        }
    }

    /// Writes bytes as they are.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout(_) => write_all(io::stdout().lock(), bytes),
            Sink::Stderr(_) => write_all(io::stderr().lock(), bytes),
            Sink::Memory(buffer) => buffer.write_all(bytes),
        }
    }

    fn is_terminal(&self) -> bool {
        match self {
            Sink::Stdout(_) => io::stdout().is_terminal(),
            Sink::Stderr(_) => io::stderr().is_terminal(),
            Sink::Memory(_) => false,
        }
    }
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    // Flushed here, where a full disk can still be reported; at exit it would be dropped in silence.
    stream.flush()
}

impl Output {
    /// The process's own streams. With [`ColorChoice::Auto`] colours go to terminals alone, and
    /// `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` are honoured.
    pub fn process(json: bool, color: ColorChoice) -> Self {
        let or_detected = |detected: ColorChoice| match color {
            ColorChoice::Auto => detected,
            asked => asked,
        };
        Output {
            json,
            stdout: Sink::Stdout(or_detected(AutoStream::choice(&io::stdout()))),
            stderr: Sink::Stderr(or_detected(AutoStream::choice(&io::stderr()))),
        }
    }

    /// Keeps everything in memory, for tests: see [`printed`](Output::printed).
    pub fn memory(json: bool) -> Self {
        Output { json, stdout: Sink::Memory(Vec::new()), stderr: Sink::Memory(Vec::new()) }
    }

    /// What an output in memory holds: standard output and standard error.
    pub fn printed(&self) -> (String, String) {
        let text = |sink: &Sink| match sink {
            Sink::Memory(buffer) => String::from_utf8_lossy(buffer).into_owned(),
            _ => String::new(),
        };
        (text(&self.stdout), text(&self.stderr))
    }

    /// Whether results are asked for as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person reads standard output at a terminal.
    pub fn is_terminal(&self) -> bool {
        self.stdout.is_terminal()
    }

    /// A line of a result for people. Text from outside goes through [`printable`] first.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        Ok(self.stdout.styled(&format!("{text}\n"))?)
    }

    /// A result as JSON: `result` must serialize to an object, whose fields follow `"version"`.
    pub fn json(&mut self, result: &impl Serialize) -> Result<()> {
        let text = json::document(result).map_err(io::Error::from)?;
        Ok(self.stdout.raw(text.as_bytes())?)
    }

    /// A document that was asked for, byte for byte.
    pub fn document(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stdout.raw(bytes)?)
    }

    /// A secret's value that was asked for, with a newline on a terminal only.
    pub fn value(&mut self, value: &SecretString) -> Result<()> {
        self.stdout.raw(value.expose_secret().as_bytes())?;
        if self.stdout.is_terminal() {
            self.stdout.raw(b"\n")?;
        }
        Ok(())
    }

    /// Says what was done, for people alone: with `--json` the result says it.
    pub fn note(&mut self, text: impl Display) {
        if !self.json {
            // Messages about work that is done: losing one must not make the work look failed.
            let _ = self.stderr.styled(&format!("{text}\n"));
        }
    }

    /// Warns of something that does not stop the command.
    pub fn warn(&mut self, message: &str, help: Option<&str>) {
        let written = if self.json {
            self.stderr.raw(json::warning(message, help).as_bytes())
        } else {
            let mut text = headed("warning", style::WARNING, printable(message));
            push_help(&mut text, help);
            self.stderr.styled(&text)
        };
        // Nowhere is left to say that a message could not be written.
        let _ = written;
    }

    /// Tells what is wrong with a configuration, where that does not stop the command.
    pub(crate) fn report(&mut self, report: &Report) {
        if report.problems().is_empty() {
            return;
        }
        let _ = if self.json {
            report.problems().iter().try_for_each(|problem| {
                self.stderr.raw(json::problem(&Described::problem(problem, report.source())).as_bytes())
            })
        } else {
            self.stderr.styled(&drawing::draw(report, Canvas::of_stderr()))
        };
    }

    /// Tells why the command failed.
    ///
    /// A reader that went away is not told: it closed standard output because it had seen enough.
    pub fn failure(&mut self, failure: &Failure) {
        if matches!(failure.problem(), Problem::Reported)
            || matches!(failure.problem(), Problem::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
        {
            return;
        }
        let _ = if self.json {
            self.stderr.raw(json::failure(failure).as_bytes())
        } else {
            self.stderr.styled(&human(failure))
        };
    }
}

fn human(failure: &Failure) -> String {
    let mut text = String::new();
    match failure.problem() {
        Problem::Errors(errors) => {
            for error in errors {
                text.push_str(&headed("error", style::ERROR, error));
                for cause in causes(error) {
                    let _ = writeln!(text, "  {}caused by:{:#} {cause}", style::FAINT, style::FAINT);
                }
                push_help(&mut text, error.help());
            }
        }
        Problem::Report(report) => text.push_str(&drawing::draw(report, Canvas::of_stderr())),
        Problem::Usage { message, help } => {
            text.push_str(&headed("error", style::ERROR, printable(message)));
            push_help(&mut text, help.as_deref());
        }
        Problem::Output(error) => {
            text.push_str(&headed("error", style::ERROR, format!("cannot write the output: {error}")));
        }
        Problem::Reported => {}
    }
    text
}

fn headed(word: &str, style: Style, message: impl Display) -> String {
    format!("{style}{word}{style:#}: {message}\n")
}

fn push_help(text: &mut String, help: Option<&str>) {
    if let Some(help) = help {
        // A help of several lines is indented as one; its lines are ours, what they quote is not.
        for (i, line) in help.lines().enumerate() {
            let head = if i == 0 { format!("{}help:{:#}", style::HELP, style::HELP) } else { " ".repeat(5) };
            let _ = writeln!(text, "  {head} {}", printable(line));
        }
    }
}

/// The causes of `error`, outermost first, escaped. A cause that only repeats the text before it is left out.
fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = printable(&cause.to_string()).to_string();
        if !last.ends_with(&text) {
            causes.push(text.clone());
        }
        last = text;
        source = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;

    use super::*;

    fn error() -> Error {
        Error::new(ErrorKind::Locked, "the passphrase does not open the file")
            .with_store("local")
            .with_name("openai\u{1b}[2J-key")
            .with_help("set MODELMESH_PASSPHRASE")
            .with_source(io::Error::other("bad \u{202e}header"))
    }

    #[test]
    fn an_error_shows_its_causes_and_what_to_try_and_no_terminal_escape() {
        let mut output = Output::memory(false);
        output.failure(&error().into());
        let (stdout, stderr) = output.printed();
        assert_eq!(stdout, "");
        assert_eq!(
            stderr,
            "error: store 'local': secret 'openai\\u{1b}[2J-key': the passphrase does not open the file\n\
             \x20 caused by: bad \\u{202e}header\n\
             \x20 help: set MODELMESH_PASSPHRASE\n"
        );
    }

    #[test]
    fn an_error_as_json_keeps_its_parts_exactly() {
        let mut output = Output::memory(true);
        output.failure(&error().into());
        let (_, stderr) = output.printed();
        let parsed: serde_json::Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({
                "version": 1,
                "exit_code": 6,
                "errors": [{
                    "kind": "locked",
                    "store": "local",
                    "name": "openai\u{1b}[2J-key",
                    "message": "the passphrase does not open the file",
                    "help": "set MODELMESH_PASSPHRASE",
                    "causes": ["bad \\u{202e}header"],
                }]
            })
        );
        assert!(!stderr.contains('\u{1b}'), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "one line for each message: {stderr}");
    }

    #[test]
    fn a_result_as_json_carries_the_version_first() {
        let mut output = Output::memory(true);
        output.json(&serde_json::json!({ "names": ["a"] })).unwrap();
        assert_eq!(output.printed().0, "{\n  \"version\": 1,\n  \"names\": [\n    \"a\"\n  ]\n}\n");
    }

    #[test]
    fn a_value_is_printed_alone_where_no_terminal_is() {
        let mut output = Output::memory(false);
        output.value(&"line\n\u{1b}[0m ".into()).unwrap();
        assert_eq!(output.printed().0, "line\n\u{1b}[0m ");
    }

    #[test]
    fn notes_are_for_people_alone() {
        let mut output = Output::memory(true);
        output.note("done");
        assert_eq!(output.printed(), (String::new(), String::new()));
    }

    #[test]
    fn a_reader_that_went_away_is_left_in_peace() {
        let mut output = Output::memory(false);
        output.failure(&io::Error::from(io::ErrorKind::BrokenPipe).into());
        assert_eq!(output.printed().1, "");
    }
}
