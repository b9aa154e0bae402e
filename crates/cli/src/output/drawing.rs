//! The problems of a configuration, each drawn under the text that it is about.
//!
//! Of the file nothing is read here but [`Source::excerpt`], in which everything is masked that must not be
//! shown.

use std::{
    env,
    fmt::{self, Write as _},
};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use modelmesh_secrets::{
    config::{Problem, Report, Severity, Source},
    document::Excerpt,
    printable,
};

/// What a terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub(super) unicode: bool,
}

impl Canvas {
    /// That of standard error.
    ///
    /// Only a locale that says so takes away Unicode: containers have none, and terminals that show it.
    pub(super) fn of_stderr() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env::var_os(name).filter(|value| !value.is_empty()))
            .map(|locale| locale.to_string_lossy().to_ascii_lowercase());
        let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let unicode = locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"));
        Canvas { unicode: unicode && !dumb }
    }
}

/// Every problem of `report`, in the order of the file, and a line that counts them.
pub(super) fn draw(report: &Report, canvas: Canvas) -> String {
    let handler = GraphicalReportHandler::new_themed(theme(canvas))
        .with_links(false)
        .with_context_lines(0)
        // A terminal wraps by itself; a break within a path would keep it from being copied.
        .with_wrap_lines(false);
    let mut text = String::new();
    for problem in report.problems() {
        let drawn = Drawn::of(problem, report.source(), canvas);
        if handler.render_report(&mut text, &drawn).is_err() {
            // Drawing writes to a string, so only a place outside its own text could fail: say it without.
            let _ = writeln!(text, "{}", problem.error);
        }
        text.push('\n');
    }
    text.push_str(&summary(report));
    text
}

/// `7 problems and 1 warning in modelmesh.yaml`.
fn summary(report: &Report) -> String {
    let errors = report.kinds().count();
    let warnings = report.problems().len() - errors;
    let count = |count: usize, word| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let counts: Vec<String> =
        [count(errors, "problem"), count(warnings, "warning")].into_iter().flatten().collect();
    let place = report.source().map(|source| format!(" in {}", printable(source.name())));
    format!("{}{}\n", counts.join(" and "), place.unwrap_or_default())
}

fn theme(canvas: Canvas) -> GraphicalTheme {
    let mut characters = if canvas.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    // The words of every other message of this command.
    characters.error = "error:".into();
    characters.warning = "warning:".into();
    GraphicalTheme { characters, styles: ThemeStyles::ansi() }
}

/// A problem as miette draws it: all of its text escaped, all of the file's masked.
#[derive(Debug)]
struct Drawn {
    message: String,
    cause: Option<Cause>,
    help: Option<String>,
    severity: Severity,
    snippet: Option<Snippet>,
}

impl Drawn {
    fn of(problem: &Problem, source: Option<&Source>, canvas: Canvas) -> Self {
        let help = problem.error.help().map(|help| {
            let lines: Vec<String> = help.lines().map(|line| printable(line).to_string()).collect();
            lines.join("\n")
        });
        let snippet = source.zip(problem.place.as_ref()).map(|(source, place)| Snippet {
            name: printable(source.name()).to_string(),
            path: place.path.clone(),
            excerpt: one_line(source.excerpt(place), canvas),
        });
        let cause = super::causes(&problem.error).into_iter().rev();
        let cause = cause.fold(None, |next, text| Some(Cause { text, next: next.map(Box::new) }));
        Drawn { message: problem.error.to_string(), cause, help, severity: problem.severity, snippet }
    }
}

/// The first line of what is wrong is where it starts; what is masked on the lines below tells nothing.
fn one_line(mut excerpt: Excerpt, canvas: Canvas) -> Excerpt {
    if let Some(end) = excerpt.text.find('\n') {
        excerpt.text.truncate(end);
        excerpt.span.end = excerpt.span.end.min(end);
    }
    if !canvas.unicode {
        let masked = |text: &str| text.replace(Excerpt::MASK, "*");
        let (start, end) = (excerpt.span.start, excerpt.span.end);
        excerpt.span = masked(&excerpt.text[..start]).len()..masked(&excerpt.text[..end]).len();
        excerpt.text = masked(&excerpt.text);
    }
    excerpt
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl Diagnostic for Drawn {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.snippet.as_ref().map(|snippet| snippet as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Snippet { path, excerpt, .. } = self.snippet.as_ref()?;
        let label = (!path.is_empty()).then(|| path.clone());
        let span = (excerpt.span.start, excerpt.span.len());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(label, span))))
    }
}

/// A cause, escaped.
#[derive(Debug)]
struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

/// A line of the file, which knows that it is not the file's first.
#[derive(Debug)]
struct Snippet {
    name: String,
    path: String,
    excerpt: Excerpt,
}

impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _context_before: usize,
        _context_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let Excerpt { text, first_line, first_column, .. } = &self.excerpt;
        let before = text.get(..span.offset()).ok_or(MietteError::OutOfBounds)?;
        let column = first_column - 1 + before.chars().count();
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            text.as_bytes(),
            (0, text.len()).into(),
            first_line - 1,
            column,
            1,
        )))
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{config::Configuration, document::Format};

    use super::*;

    fn drawn(text: &str, unicode: bool) -> String {
        let catalogue = modelmesh_stores::registry::catalogue();
        let report = match Configuration::parse("m.yaml", "/".into(), text, Format::Yaml, &catalogue) {
            Ok(configuration) => configuration.report(configuration.problems().to_vec()),
            Err(report) => *report,
        };
        anstream::adapter::strip_str(&draw(&report, Canvas { unicode })).to_string()
    }

    #[test]
    fn a_problem_is_drawn_under_its_text_and_the_rest_is_masked() {
        assert_eq!(
            drawn(
                "a: 1\nproviders:\n  openai: { org: acme, key: 'sk-plain ${secrets:a b:-canary}' }\n",
                true
            ),
            "  error: the name holds a ' ', which must be percent-encoded
   ╭─[m.yaml:3:39]
 3 │   openai: • •••• ••••• key: ••••••••• ${secrets:a •••••••••}• •
   ·                                       ───────────┬──────────
   ·                                                  ╰── providers.openai.key
   ╰────
  help: write ' ' as %20

1 problem in m.yaml
"
        );
    }

    #[test]
    fn a_plain_terminal_is_given_ascii_alone() {
        let text = drawn("providers:\n  openai: { org: acme, key: 'sk-plain ${secrets.prd:a}' }\n", false);
        assert!(text.is_ascii(), "{text}");
    }
}
