//! Bootstrap references: what the settings of a store may be filled in from.
//!
//! Inside the `secrets:` section alone, `${env:VAR}` and `${VAR}` (with `:-TEXT` as a default) read the
//! environment, and `${secrets.OTHER:…}` another store. `$${` is a literal `${`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{
    Error, ErrorKind, Result, SecretValue,
    document::NodeId,
    reference::{PieceText, Reference, scan},
};

/// A setting's text with references in it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) node: NodeId,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// Plain text: in a secret type, for it may be a plaintext passphrase.
    Literal(SecretString),
    Variable(String, Option<SecretString>),
    Reference(Reference),
}

impl Template {
    pub(super) fn of_text(node: NodeId, text: &str) -> Self {
        Template { node, parts: vec![Part::Literal(text.into())] }
    }

    /// Reads `text`; broken references go to `broken` with their place in it.
    pub(super) fn read(
        node: NodeId,
        text: &str,
        mut broken: impl FnMut(std::ops::Range<usize>, Error),
    ) -> Option<Self> {
        let mut parts = Vec::new();
        let mut whole = true;
        for piece in scan(text) {
            match piece.text {
                PieceText::Literal(literal) => read_variables(literal, &mut parts),
                PieceText::Reference(reference) => parts.push(Part::Reference(*reference)),
                PieceText::Broken(error) => {
                    whole = false;
                    broken(piece.span, *error);
                }
            }
        }
        whole.then_some(Template { node, parts })
    }

    /// The whole text, if there is nothing to fill in.
    pub(super) fn literal(&self) -> Option<SecretString> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.expose_secret()),
                Part::Variable(..) | Part::Reference(_) => None,
            })
            .collect::<Option<String>>()
            .map(SecretString::from)
    }

    /// The environment variables it reads.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name, _) => Some(name.as_str()),
            Part::Literal(_) | Part::Reference(_) => None,
        })
    }

    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) | Part::Variable(..) => None,
        })
    }
}

/// Splits `text` at its `${VAR}`, `${env:VAR}` and `${VAR:-TEXT}`; any other `${…}` is plain text.
fn read_variables(text: &str, parts: &mut Vec<Part>) {
    // Looked for once: each of many `${` that nothing closes would cost the length of the text again.
    let closed = text.rfind('}').map_or(0, |close| close + 1);
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            literal.push_str(&rest[..at - 1]);
            literal.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        let is_closed = text.len() - rest.len() + at < closed;
        let Some((length, variable)) = is_closed.then(|| read_variable(&rest[at..])).flatten() else {
            literal.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        literal.push_str(&rest[..at]);
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal).into()));
        }
        parts.push(variable);
        rest = &rest[at + length..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
}

/// Reads the variable at the start of `text`. Its name is looked at before its end is searched for, so that what
/// is no variable costs no more than its own length.
fn read_variable(text: &str) -> Option<(usize, Part)> {
    let body = &text["${".len()..];
    // `${env:-x}` is the variable `env`.
    let name = body.strip_prefix("env:").filter(|name| !name.starts_with('-')).unwrap_or(body);
    let end = name.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_'))?;
    let (name, rest) = name.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (default, rest) = match rest.strip_prefix(":-") {
        Some(default) => default.split_once('}').map(|(default, rest)| (Some(default.into()), rest))?,
        None => (None, rest.strip_prefix('}')?),
    };
    Some((text.len() - rest.len(), Part::Variable(name.to_owned(), default)))
}

/// What templates are filled in from.
pub struct Filler<'a> {
    /// Reads an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The values of the references that [`StoreEntry::references`](super::StoreEntry::references) named.
    pub values: &'a HashMap<Reference, SecretValue>,
    /// The folder to which paths are relative.
    pub base: &'a Path,
}

impl std::fmt::Debug for Filler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filler").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Filler<'_> {
    pub(super) fn fill(&self, template: &Template) -> Result<SecretString> {
        let mut filled = Zeroizing::new(String::new());
        for part in &template.parts {
            match part {
                Part::Literal(text) => filled.push_str(text.expose_secret()),
                Part::Variable(name, default) => match ((self.variable)(name), default) {
                    (Some(value), _) => filled.push_str(&value),
                    (None, Some(default)) => filled.push_str(default.expose_secret()),
                    (None, None) => {
                        return Err(Error::new(
                            ErrorKind::InvalidConfig,
                            format!("the environment variable '{name}' is not set"),
                        )
                        .with_help(format!("set {name}, or give a default with ${{{name}:-…}}")));
                    }
                },
                Part::Reference(reference) => match self.values.get(reference) {
                    Some(value) => filled.push_str(value.expose()),
                    None => {
                        return Err(Error::new(
                            ErrorKind::InvalidConfig,
                            "a bootstrap reference was not resolved",
                        )
                        .with_name(&reference.name));
                    }
                },
            }
        }
        Ok(SecretString::from(filled.as_str()))
    }

    /// `path` under the base folder, with a leading `~/` read as the home folder.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        let home = path.strip_prefix("~").ok().zip((self.variable)("HOME"));
        match home {
            Some((below, home)) => Path::new(&home).join(below),
            None => self.base.join(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String> {
        let variable = |name: &str| match name {
            "TOKEN" => Some("t0k3n".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let values = HashMap::from([(
            Reference::parse("${secrets.local:vault-token}").unwrap(),
            SecretValue::from("${TOKEN} raw"),
        )]);
        let document = crate::document::Document::parse(
            "a: b",
            crate::document::Format::Yaml,
            &crate::document::Limits::default(),
        )
        .unwrap();
        let template = Template::read(document.root(), text, |_, error| panic!("{error}")).unwrap();
        let filler = Filler { variable: &variable, values: &values, base: Path::new("/base") };
        filler.fill(&template).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn variables_and_references_are_filled_in() {
        assert_eq!(fill("a ${TOKEN} b ${env:TOKEN}").unwrap(), "a t0k3n b t0k3n");
        assert_eq!(fill("${EMPTY}").unwrap(), "");
        assert_eq!(fill("${MISSING:-d e}").unwrap(), "d e");
        assert_eq!(fill("${env:MISSING:-d}${env:-e}${_1:-}").unwrap(), "de");
        assert_eq!(
            fill("x${secrets.local:vault-token}y").unwrap(),
            "x${TOKEN} rawy",
            "a value is not read again"
        );
    }

    #[test]
    fn other_text_stays() {
        for text in [
            "$x", "${", "${}", "${1}", "${a b}", "${a.b}", "${a:b}", "${env:}", "${A:-", "${A", "$${",
            "plain",
        ] {
            let literal = text.replace("$${", "${");
            assert_eq!(fill(text).unwrap(), literal);
        }
        assert_eq!(fill("$${TOKEN}").unwrap(), "${TOKEN}");
        assert_eq!(fill("$${secrets:x}").unwrap(), "${secrets:x}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_an_error() {
        assert_eq!(fill("${MISSING}").unwrap_err().kind(), ErrorKind::InvalidConfig);
    }

    #[test]
    fn paths_are_relative_to_the_base_or_the_home_folder() {
        let values = HashMap::new();
        let variable = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let filler = Filler { variable: &variable, values: &values, base: Path::new("/base") };
        assert_eq!(filler.absolute(Path::new("x/y")), Path::new("/base/x/y"));
        assert_eq!(filler.absolute(Path::new("/x")), Path::new("/x"));
        assert_eq!(filler.absolute(Path::new("~/x")), Path::new("/home/me/x"));
        assert_eq!(filler.absolute(Path::new("~x")), Path::new("/base/~x"));
    }
}
