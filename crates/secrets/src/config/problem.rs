//! What is wrong with a configuration, each at its place, and all of it together.

use std::{fmt, ops::Range, sync::Arc};

use crate::{
    Error, ErrorKind,
    document::{Document, Excerpt, NodeId, Position, SyntaxError},
};

/// One thing that is wrong, and where.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// What is wrong.
    pub error: Error,
    /// Where; none if it concerns no place in a file.
    pub place: Option<Place>,
    /// Whether it stops the work, or only deserves a look.
    pub severity: Severity,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It stops the work.
    Error,
    /// It deserves a look.
    Warning,
}

/// A place in a configuration file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Place {
    /// The value that it is about; none where the text is no document.
    pub node: Option<NodeId>,
    /// The configuration path, such as `providers.openai.api_key`. Safe to print.
    pub path: String,
    /// The line and column.
    pub position: Position,
    /// The bytes of the file that the problem is about.
    pub span: Range<usize>,
    /// The bytes of the file that may be shown: never a fallback, never what stands beside a reference.
    pub visible: Vec<Range<usize>>,
}

impl Problem {
    /// A problem that stops the work, at `place`.
    pub fn at(place: Place, error: Error) -> Self {
        Problem { error, place: Some(place), severity: Severity::Error }
    }

    /// A problem that concerns no place in a file.
    pub fn elsewhere(error: Error) -> Self {
        Problem { error, place: None, severity: Severity::Error }
    }

    pub(super) fn warning(place: Place, error: Error) -> Self {
        Problem { error, place: Some(place), severity: Severity::Warning }
    }
}

/// A file as it was read, for the places of problems.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<SourceText>,
}

/// A text that did not parse, or the document it became.
#[derive(Debug)]
enum SourceText {
    Document(Document),
    Raw(RawText),
}

/// Shows nothing in `Debug`: a file may hold plaintext keys.
struct RawText(String);

impl fmt::Debug for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawText({} bytes)", self.0.len())
    }
}

impl Source {
    pub(super) fn parsed(name: &str, document: Document) -> Self {
        Source { name: name.into(), text: Arc::new(SourceText::Document(document)) }
    }

    pub(super) fn raw(name: &str, text: &str) -> Self {
        Source { name: name.into(), text: Arc::new(SourceText::Raw(RawText(text.to_owned()))) }
    }

    /// The file's name, as the caller gave it. Escape it before printing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's text. It may hold plaintext keys: show none of it but what a [`Place`] says is visible.
    pub fn text(&self) -> &str {
        match &*self.text {
            SourceText::Document(document) => document.text(),
            SourceText::Raw(text) => &text.0,
        }
    }

    /// The lines on which `place` lies, masked but for what the place says is visible, and the keys that lead
    /// to it.
    pub fn excerpt(&self, place: &Place) -> Excerpt {
        match (self.document(), place.node) {
            (Some(document), Some(node)) => document.excerpt(node, &place.visible, place.span.clone()),
            _ => Excerpt::of(self.text(), &place.visible, place.span.clone()),
        }
    }

    /// The document, if the text is one.
    pub fn document(&self) -> Option<&Document> {
        match &*self.text {
            SourceText::Document(document) => Some(document),
            SourceText::Raw(_) => None,
        }
    }
}

/// Everything that is wrong with one configuration: never empty of errors when used as an `Err`.
#[derive(Clone, Debug)]
pub struct Report {
    source: Option<Source>,
    problems: Vec<Problem>,
}

impl Report {
    /// A report on `source`, in the order of the file.
    pub fn new(source: Option<Source>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place.as_ref().map_or(usize::MAX, |place| place.span.start));
        Report { source, problems }
    }

    pub(super) fn of_syntax(name: &str, text: &str, error: SyntaxError) -> Self {
        let mut wrong = Error::new(ErrorKind::InvalidConfig, error.message);
        if let Some(help) = error.help {
            wrong = wrong.with_help(help);
        }
        let place = Place {
            node: None,
            path: String::new(),
            position: Position::of(text, error.span.start),
            span: error.span,
            visible: Vec::new(),
        };
        Report { source: Some(Source::raw(name, text)), problems: vec![Problem::at(place, wrong)] }
    }

    /// The file.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Every problem, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The kinds of all errors, warnings left out: an exit code follows from them.
    pub fn kinds(&self) -> impl Iterator<Item = ErrorKind> {
        self.errors().map(|problem| problem.error.kind())
    }

    /// Whether anything stops the work.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

/// One line a problem, without drawings: `modelmesh.yaml:7:14: providers.openai.api_key: …`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            if let (Some(source), Some(place)) = (&self.source, &problem.place) {
                write!(f, "{}:{}: ", crate::printable(source.name()), place.position)?;
                if !place.path.is_empty() {
                    write!(f, "{}: ", place.path)?;
                }
            }
            write!(f, "{}", problem.error)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
