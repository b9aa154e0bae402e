//! A JSON, YAML or TOML file as a tree of secrets.

use std::{path::Path, sync::Arc};

use modelmesh_secrets::{
    Error, ErrorKind, Result, SecretValue,
    document::{Document, Format, Kind, Limits, NodeId, Position},
    printable,
};
use zeroize::{Zeroize as _, Zeroizing};

use super::render::{number, subtree};

/// A document, and its text, which is wiped after it.
pub(super) struct Tree {
    scope: NodeId,
    // Dropped in this order: the text can be wiped once nobody else holds it.
    document: Document,
    _text: Wiped,
}

/// A text that is wiped when its last holder drops it, if that is this one.
struct Wiped(Arc<str>);

impl Drop for Wiped {
    fn drop(&mut self) {
        if let Some(text) = Arc::get_mut(&mut self.0) {
            text.zeroize();
        }
    }
}

impl Tree {
    /// Understands a file, and finds the mapping at the dotted path `scope` in it.
    pub(super) fn decode(
        bytes: &[u8],
        format: Format,
        scope: Option<&str>,
        holding: bool,
        path: &Path,
    ) -> Result<Self> {
        let shown = path.display();
        // An empty YAML or TOML file is a valid one without secrets, and what a file looks like to a reader
        // while somebody writes it in place.
        if bytes.is_empty() && holding {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("'{shown}' is empty, and held secrets a moment ago"),
            )
            .with_help("if its secrets are meant to be gone, leave an empty mapping in it"));
        }
        let malformed = |what: String| Error::new(ErrorKind::Malformed, what);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            malformed(format!("'{shown}' line {line}: not UTF-8 text")).with_help("save the file as UTF-8")
        })?;
        let text: Wiped = Wiped(Arc::from(text));
        let document = Document::parse(Arc::clone(&text.0), format, &Limits::default()).map_err(|error| {
            let place = Position::of(&text.0, error.span.start);
            let error_at = malformed(format!("'{shown}' {place}: {error}"));
            match error.help {
                Some(help) => error_at.with_help(help),
                None => error_at,
            }
        })?;
        let root = document.root();
        let found = match scope {
            None => Some(root),
            Some(scope) => find(&document, root, scope),
        };
        let what = match found.map(|id| document.kind(id)) {
            Some(Kind::Mapping) => None,
            Some(other) => Some(format!("{} instead of a mapping of names to secrets", other.describe())),
            None => Some("nothing".to_owned()),
        };
        match (what, scope) {
            (None, _) => {}
            (Some(what), None) => return Err(malformed(format!("'{shown}' holds {what}"))),
            (Some(what), Some(scope)) => {
                return Err(malformed(format!("'{shown}' has {what} at '{}'", printable(scope)))
                    .with_help("check the file, and 'json_path' in the configuration"));
            }
        }
        Ok(Tree { scope: found.unwrap_or(root), document, _text: text })
    }

    /// The secret of a dotted name.
    pub(super) fn value(&self, name: &str) -> Option<Result<SecretValue>> {
        let document = &self.document;
        let id = find(document, self.scope, name)?;
        Some(Ok(match document.kind(id) {
            Kind::Null => return None,
            Kind::Boolean(value) => SecretValue::new(if value { "true" } else { "false" }),
            Kind::Text(text) => SecretValue::new(text.expose()),
            Kind::Number(literal) => SecretValue::new(&*number(literal.expose())),
            Kind::Sequence | Kind::Mapping => match subtree(document, id) {
                Ok(json) => SecretValue::new(json.as_str()),
                Err(error) => return Some(Err(error)),
            },
        }))
    }

    /// The keys at the top of the scope.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.document.entries(self.scope).map(|entry| entry.key).collect()
    }

    /// The dotted names of all that is no mapping and not null.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.collect(self.scope, &mut Zeroizing::new(String::new()), &mut names);
        names
    }

    fn collect(&self, mapping: NodeId, path: &mut String, names: &mut Vec<String>) {
        let document = &self.document;
        for entry in document.entries(mapping) {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(entry.key);
            match document.kind(entry.value) {
                Kind::Null => {}
                Kind::Mapping => self.collect(entry.value, path, names),
                _ => names.push(path.clone()),
            }
            path.truncate(length);
        }
    }
}

/// The value that a dotted name leads to from `at`: by the longest key that leads on, at each level.
fn find(document: &Document, at: NodeId, name: &str) -> Option<NodeId> {
    document.get(at, name).or_else(|| {
        name.rmatch_indices('.').find_map(|(dot, _)| {
            let next = document.get(at, &name[..dot])?;
            find(document, next, &name[dot + 1..])
        })
    })
}
