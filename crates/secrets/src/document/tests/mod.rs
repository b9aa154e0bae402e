//! Tests of located documents, by what they ask of them.

mod edit;
mod excerpt;
mod hostile;
mod locate;
mod parse;

use super::{Document, Format, Kind, Limits, NodeId, SyntaxError};

fn yaml(text: &str) -> Document {
    parsed(text, Format::Yaml)
}

#[track_caller]
fn parsed(text: &str, format: Format) -> Document {
    Document::parse(text, format, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[track_caller]
fn refused(text: &str, format: Format) -> SyntaxError {
    match Document::parse(text, format, &Limits::default()) {
        Ok(_) => panic!("accepted: {text:?}"),
        Err(error) => error,
    }
}

/// The value at a path of keys and indices.
#[track_caller]
fn at(document: &Document, path: &[&str]) -> NodeId {
    path.iter().fold(document.root(), |id, step| match step.parse::<usize>() {
        Ok(index) if document.kind(id) == Kind::Sequence => document.items(id)[index],
        _ => document.get(id, step).unwrap_or_else(|| panic!("no {step:?}")),
    })
}

#[track_caller]
fn text<'d>(document: &'d Document, path: &[&str]) -> &'d str {
    document.string(at(document, path)).expect("text")
}
