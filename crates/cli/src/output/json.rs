//! What `--json` prints.

use std::io;

use modelmesh_secrets::{
    Error,
    config::{self, Report, Severity, Source},
    misleads,
};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::{JSON_VERSION, causes};
use crate::failure::{Failure, Problem};

#[derive(Serialize)]
struct Envelope<'a, T> {
    version: u32,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Warning<'a> {
    warning: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct Failed<'a> {
    exit_code: u8,
    errors: Vec<Described<'a>>,
}

#[derive(Serialize)]
struct Warned<'a> {
    warning: &'a Described<'a>,
}

/// An error with all of its parts.
///
/// `kind` is a name of [`ErrorKind`](modelmesh_secrets::ErrorKind), or `usage` or `output`. What concerns a
/// place in a configuration file has `severity` (`error` or `warning`), `file`, `line`, `column` and `path`.
#[derive(Serialize)]
pub(crate) struct Described<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    message: Message<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(flatten)]
    place: Option<DescribedPlace<'a>>,
}

#[derive(Serialize)]
struct DescribedPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    path: &'a str,
}

impl<'a> Described<'a> {
    fn plain(kind: &'static str, message: &'a str, help: Option<&'a str>) -> Self {
        let message = Message { message, help };
        Described { kind, severity: None, store: None, name: None, message, causes: Vec::new(), place: None }
    }

    fn error(error: &'a Error) -> Self {
        Described {
            store: error.store(),
            name: error.name(),
            causes: causes(error),
            ..Described::plain(error.kind().as_str(), error.message(), error.help())
        }
    }

    /// A problem of the configuration in the file `source`.
    pub(crate) fn problem(problem: &'a config::Problem, source: Option<&'a Source>) -> Self {
        let place = source.zip(problem.place.as_ref()).map(|(source, place)| DescribedPlace {
            file: source.name(),
            line: place.position.line,
            column: place.position.column,
            path: &place.path,
        });
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Described { severity: Some(severity), place, ..Described::error(&problem.error) }
    }

    /// Every problem of a report, in the order of the file.
    pub(crate) fn report(report: &'a Report) -> Vec<Self> {
        report.problems().iter().map(|problem| Described::problem(problem, report.source())).collect()
    }
}

/// A result, indented, with a final newline.
pub(super) fn document(result: &impl Serialize) -> serde_json::Result<String> {
    write(result, Escaping(PrettyFormatter::new()))
}

/// A warning, on one line.
pub(super) fn warning(message: &str, help: Option<&str>) -> String {
    line(&Warning { warning: Message { message, help } })
}

/// A problem that does not stop the command, on one line.
pub(super) fn problem(problem: &Described<'_>) -> String {
    line(&Warned { warning: problem })
}

/// A failure, on one line.
pub(super) fn failure(failure: &Failure) -> String {
    let system;
    let errors = match failure.problem() {
        Problem::Errors(errors) => errors.iter().map(Described::error).collect(),
        Problem::Report(report) => Described::report(report),
        Problem::Usage { message, help } => vec![Described::plain("usage", message, help.as_deref())],
        Problem::Output(error) => {
            system = format!("cannot write the output: {error}");
            vec![Described::plain("output", &system, None)]
        }
        Problem::Reported => Vec::new(),
    };
    line(&Failed { exit_code: failure.exit().code(), errors })
}

fn line(body: &impl Serialize) -> String {
    // Structs of text and numbers with fixed keys always serialize.
    write(body, Escaping(CompactFormatter)).unwrap_or_default()
}

fn write(body: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    Envelope { version: JSON_VERSION, body }.serialize(&mut serializer)?;
    bytes.push(b'\n');
    // The serializer and the formatter write UTF-8 alone.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// Writes what misleads a terminal or its reader as `\uXXXX`: the same text to a parser, harmless on a screen.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| misleads(c)) {
            self.0.write_string_fragment(out, &rest[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(out, rest)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped_and_parses_back_to_itself() {
        let name = "a\u{7f}\u{202e}b\u{e0041}é\u{1b}";
        let text = document(&serde_json::json!({ "name": name })).unwrap();
        assert!(text.contains(r"a\u007f\u202eb\udb40\udc41é\u001b"), "{text}");
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["name"], name);
    }
}
