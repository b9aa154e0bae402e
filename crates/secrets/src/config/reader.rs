//! Reads a document and gathers what is wrong with it, each at its place.

use std::ops::Range;

use super::{
    bootstrap::Template,
    problem::{Place, Problem},
};
use crate::{
    Error, ErrorKind,
    document::{Document, Entry, NodeId},
    printable,
    reference::Reference,
};

/// More problems of one file than anybody reads. Each takes time to find its place, as long as a line or a text
/// may be; so many that a file written for the purpose would hold are only counted.
const MAX_PROBLEMS: usize = 1000;

/// More names than anybody looks through.
const MAX_NAMES_SHOWN: usize = 20;

/// More names than a file has by anybody's hand. Each mistake is compared with so many and no more, or a file with
/// as many mistakes as names would take the square of its length.
const MAX_NAMES_COMPARED: usize = 500;

/// A document, and the problems found in it so far.
pub(super) struct Reader<'d> {
    document: &'d Document,
    problems: Vec<Problem>,
    /// How many problems there were beyond [`MAX_PROBLEMS`].
    unlisted: usize,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Reader { document, problems: Vec::new(), unlisted: 0 }
    }

    pub(super) fn document(&self) -> &'d Document {
        self.document
    }

    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        if self.unlisted > 0 {
            let error = format!("there are {} more problems, which are not listed", self.unlisted);
            self.problems.push(Problem::elsewhere(Error::new(ErrorKind::InvalidConfig, error)));
        }
        self.problems
    }

    /// Adds what `problem` makes, unless there are enough.
    pub(super) fn push(&mut self, problem: impl FnOnce(&'d Document) -> Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem(self.document));
        } else {
            self.unlisted += 1;
        }
    }

    /// A problem with the value `node`, which is not shown: only its key is.
    pub(super) fn problem(&mut self, node: NodeId, error: Error) {
        self.push(|document| Problem::at(place_of_value(document, node), error));
    }

    /// A problem with a key.
    pub(super) fn key_problem(&mut self, entry: &Entry<'_>, error: Error) {
        self.push(|document| Problem::at(place_of_key(document, entry), error));
    }

    /// A key that no table knows, with the nearest known one.
    pub(super) fn unknown_key<'k>(&mut self, entry: &Entry<'_>, known: impl Iterator<Item = &'k str>) {
        let mut error =
            Error::new(ErrorKind::InvalidConfig, format!("unknown key '{}'", printable(entry.key)));
        if let Some(near) = nearest(entry.key, known) {
            error = error.with_help(format!("did you mean '{near}'?"));
        }
        self.key_problem(entry, error);
    }

    /// A problem with the reference at `span` of the text of `node`.
    pub(super) fn reference_problem(&mut self, node: NodeId, span: Range<usize>, error: Error) {
        self.push(|document| Problem::at(place_of_reference(document, node, span), error));
    }

    pub(super) fn reference_warning(&mut self, node: NodeId, span: Range<usize>, error: Error) {
        self.push(|document| Problem::warning(place_of_reference(document, node, span), error));
    }

    /// The text of `node` as a bootstrap template; broken references become problems.
    pub(super) fn template(&mut self, node: NodeId, text: &str) -> Option<Template> {
        Template::read(node, text, |span, error| self.reference_problem(node, span, error))
    }
}

/// The place of a value that must not be shown. Of one that starts below its key, that is the key: of the
/// value nothing could be read in a drawing.
pub(super) fn place_of_value(document: &Document, node: NodeId) -> Place {
    let value = document.span(node);
    let below = |key: &Range<usize>| {
        key.start < value.start && document.text()[key.start..value.start].contains('\n')
    };
    let span = document.key_span(node).filter(below).unwrap_or(value);
    Place {
        node: Some(node),
        path: document.path(node),
        position: document.position(span.start),
        visible: document.key_span(node).into_iter().collect(),
        span,
    }
}

fn place_of_key(document: &Document, entry: &Entry<'_>) -> Place {
    Place {
        node: Some(entry.value),
        path: document.path(entry.value),
        position: document.position(entry.key_span.start),
        span: entry.key_span.clone(),
        visible: vec![entry.key_span.clone()],
    }
}

/// The place of a reference within a text: itself and its key are shown, its fallback and all else are not.
pub(super) fn place_of_reference(document: &Document, node: NodeId, span: Range<usize>) -> Place {
    let source = document.locate(node, span);
    let written = &document.text()[source.clone()];
    // An unclosed reference has no end of its own, and behind any character that no reference holds may stand
    // anything: a plaintext key, for instance.
    let shown = written
        .char_indices()
        .skip("${secrets".len())
        .find(|&(at, c)| {
            written[at..].starts_with(":-")
                || c == '}'
                || !(c.is_ascii_alphanumeric() || ":/.@+=_-%#?~".contains(c))
        })
        .map_or(written.len(), |(at, c)| if c == '}' { at + 1 } else { at });
    // Written with escapes, it does not look like a reference, and what looks like none is not shown.
    let shown = if written.starts_with("${") { shown } else { 0 };
    let head = source.start..source.start + shown;
    let mut visible: Vec<_> = std::iter::once(head).chain(document.key_span(node)).collect();
    if shown > 0 && written.ends_with('}') {
        visible.push(source.end - 1..source.end);
    }
    Place {
        node: Some(node),
        path: document.path(node),
        position: document.position(source.start),
        span: source,
        visible,
    }
}

/// The known word that is nearest to `word`, if one is near.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    let furthest = |candidate: &str| (candidate.len().max(word.len()) / 3).max(1);
    known
        .take(MAX_NAMES_COMPARED)
        // A comparison costs the product of the lengths, and a key of a file may be as long as the file.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= furthest(candidate))
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= furthest(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A word that looks like the start of a reference and is none: `${secret:` for `${secrets:`.
pub(super) fn near_miss(text: &str) -> Option<Range<usize>> {
    text.match_indices("${").find_map(|(at, _)| {
        let word = &text[at + 2..];
        // No further than such a word is long: the text may be one of many `${` that nothing ends.
        let end = word.bytes().take("secrets".len() + 1).position(|byte| b":.}".contains(&byte))?;
        let looks_alike = ["secret", "secrets"].iter().any(|near| word[..end].eq_ignore_ascii_case(near));
        let is_reference = &word[..end] == "secrets" && !word[end..].starts_with('}');
        (looks_alike && !is_reference).then(|| at..at + 2 + end + 1)
    })
}

pub(super) fn unknown_store<'k>(reference: &Reference, known: impl Iterator<Item = &'k str>) -> Error {
    let store = reference.store.as_deref().unwrap_or("default");
    unknown_store_name(store, known).with_name(&reference.name)
}

pub(super) fn unknown_store_name<'k>(store: &str, known: impl Iterator<Item = &'k str>) -> Error {
    let known: Vec<&str> = known.take(MAX_NAMES_COMPARED).collect();
    let error =
        Error::new(ErrorKind::InvalidConfig, format!("there is no store named '{}'", printable(store)));
    match (nearest(store, known.iter().copied()), known.get(..MAX_NAMES_SHOWN)) {
        (Some(near), _) => error.with_help(format!("did you mean '{near}'?")),
        (None, Some(some)) => error.with_help(format!(
            "name it under 'secrets.stores'; some of those known are '{}'",
            some.join("', '")
        )),
        (None, None) => {
            error.with_help(format!("name it under 'secrets.stores'; known are '{}'", known.join("', '")))
        }
    }
}
