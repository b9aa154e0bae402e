//! Text, read as secrets.

use std::{collections::BTreeMap, collections::HashSet, sync::Arc};

use modelmesh_secrets::{
    Error, ErrorKind, SecretName, SecretValue,
    document::{self, Document, Kind, Limits, NodeId, Position},
    printable,
};
use modelmesh_stores::dotenv;
use zeroize::Zeroize as _;

use super::Bundle;
use crate::args::Format;

/// The secrets of a text.
pub(in super::super) struct Parsed {
    pub(in super::super) secrets: Bundle,
    /// Keys of a dotenv text that stand alone.
    pub(in super::super) without_value: Vec<String>,
}

impl std::fmt::Debug for Parsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parsed").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// Reads `text`, which messages call `'name'`.
///
/// - A nested mapping gives dotted names. Text, numbers and truth values are values, as they are written.
/// - Fails with everything that is wrong, each at its place, and never with a part of a value.
pub(in super::super) fn parse(text: &str, format: Format, name: &str) -> Result<Parsed, Vec<Error>> {
    let format = match format {
        Format::Dotenv => return parse_dotenv(text, name),
        Format::Json => document::Format::Json,
        Format::Yaml => document::Format::Yaml,
        Format::Toml => document::Format::Toml,
    };
    let held = Wiped(Arc::from(text));
    let document = parse_document(&held, format, name).map_err(|error| vec![error])?;
    let root = document.root();
    // An empty file holds no secrets; any other thing than a mapping holds something else.
    if !matches!(document.kind(root), Kind::Mapping) {
        let what = document.kind(root).describe();
        let message = format!("'{}' holds {what} instead of a mapping of names to values", printable(name));
        return Err(vec![Error::new(ErrorKind::Malformed, message)]);
    }
    let mut walk =
        Walk { document: &document, name, seen: HashSet::new(), secrets: Vec::new(), errors: Vec::new() };
    walk.mapping(root, &mut String::new());
    let Walk { secrets, errors, .. } = walk;
    if errors.is_empty() { Ok(Parsed { secrets, without_value: Vec::new() }) } else { Err(errors) }
}

/// Whether a JSON text is a file of `modelmesh.encrypted-file.v1`, and by which algorithm.
pub(in super::super) fn is_encrypted_file(text: &str) -> Option<String> {
    let held = Wiped(Arc::from(text));
    let document = parse_document(&held, document::Format::Json, "").ok()?;
    let field = |key| document.get(document.root(), key).and_then(|id| document.string(id));
    field("salt")?;
    field("data")?;
    field("algorithm").map(str::to_owned)
}

fn parse_document(text: &Wiped, format: document::Format, name: &str) -> Result<Document, Error> {
    Document::parse(Arc::clone(&text.0), format, &Limits::default()).map_err(|error| {
        let place = Position::of(&text.0, error.span.start);
        let located =
            Error::new(ErrorKind::Malformed, format!("'{}' {place}: {}", printable(name), error.message));
        match error.help {
            Some(help) => located.with_help(help),
            None => located,
        }
    })
}

/// A text that is wiped when its last holder drops it, if that is this one. Declared before the document that
/// shares it, it is dropped after it.
struct Wiped(Arc<str>);

impl Drop for Wiped {
    fn drop(&mut self) {
        if let Some(text) = Arc::get_mut(&mut self.0) {
            text.zeroize();
        }
    }
}

struct Walk<'d> {
    document: &'d Document,
    name: &'d str,
    seen: HashSet<SecretName>,
    secrets: Bundle,
    errors: Vec<Error>,
}

impl Walk<'_> {
    fn mapping(&mut self, mapping: NodeId, path: &mut String) {
        let document = self.document;
        for entry in document.entries(mapping) {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(entry.key);
            match document.kind(entry.value) {
                Kind::Mapping => self.mapping(entry.value, path),
                Kind::Text(text) | Kind::Number(text) => {
                    self.secret(path, text.expose(), entry.key_span.start);
                }
                Kind::Boolean(value) => {
                    self.secret(path, if value { "true" } else { "false" }, entry.key_span.start);
                }
                kind @ (Kind::Null | Kind::Sequence) => {
                    let message = format!("'{}' is {}, not a value", printable(path), kind.describe());
                    let help = match kind {
                        Kind::Null => "write '' if an empty value is meant, or leave the name out",
                        _ => "write it in quotes, as one text",
                    };
                    self.wrong(document.span(entry.value).start, &message, help);
                }
            }
            path.truncate(length);
        }
    }

    fn secret(&mut self, path: &str, value: &str, at: usize) {
        match SecretName::new(path) {
            Err(error) => {
                let message = format!("'{}': {}", printable(path), error.message());
                self.wrong(at, &message, "give the secret another name");
            }
            Ok(name) if self.seen.insert(name.clone()) => self.secrets.push((name, SecretValue::new(value))),
            Ok(name) => self.wrong(at, &format!("'{name}' is there twice"), "remove one of the two"),
        }
    }

    fn wrong(&mut self, at: usize, what: &str, help: &'static str) {
        let place = self.document.position(at);
        let message = format!("'{}' {place}: {what}", printable(self.name));
        self.errors.push(Error::new(ErrorKind::Malformed, message).with_help(help));
    }
}

fn parse_dotenv(text: &str, name: &str) -> Result<Parsed, Vec<Error>> {
    let wrong = |what: &str, help: Option<String>| {
        let error = Error::new(ErrorKind::Malformed, format!("'{}' {what}", printable(name)));
        match help {
            Some(help) => error.with_help(help),
            None => error,
        }
    };
    let entries =
        dotenv::parse(text).map_err(|error| vec![wrong(error.message(), error.help().map(str::to_owned))])?;
    let mut last: BTreeMap<&str, SecretValue> = BTreeMap::new();
    let mut order = Vec::new();
    let mut alone = Vec::new();
    let mut errors = Vec::new();
    for entry in &entries {
        let key = entry.key(text);
        let Ok(name) = SecretName::new(key).and_then(|name| {
            let known = dotenv::KEYS.allows(&name);
            if known { Ok(name) } else { Err(Error::new(ErrorKind::InvalidName, "not a key")) }
        }) else {
            // Not shown: a line of a key in base64 that lacks its quotes looks like this.
            let line = line_of(text, key);
            let help = "write NAME=value; a value of several lines must stand in quotes";
            errors.push(wrong(
                &format!("line {line}: what stands before the '=' is no name"),
                Some(help.to_owned()),
            ));
            continue;
        };
        match entry.value(text) {
            None => alone.push(key),
            Some(value) => {
                if last.insert(key, SecretValue::new(value.as_str())).is_none() {
                    order.push((key, name));
                }
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    alone.retain(|key| !last.contains_key(key));
    let without_value = alone.into_iter().map(str::to_owned).collect();
    let secrets = order.into_iter().filter_map(|(key, name)| Some((name, last.remove(key)?))).collect();
    Ok(Parsed { secrets, without_value })
}

/// The number of the line in which `part`, a part of `text`, starts.
fn line_of(text: &str, part: &str) -> usize {
    let at = part.as_ptr() as usize - text.as_ptr() as usize;
    Position::of(text, at).line
}
