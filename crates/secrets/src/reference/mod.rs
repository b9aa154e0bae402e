//! References to secrets in text: `${secrets:openai-key}`.
//!
//! ```text
//! ${secrets:NAME}                     the default store
//! ${secrets.STORE:NAME}               a named store, or an environment
//! ${secrets:NAME#field}  #/a/b        a field of a JSON document: a key, or a JSON pointer
//! ${secrets:NAME?version=7}           a version or stage
//! ${secrets:NAME:-fallback}           a literal default, used when the store has no such name
//! $${secrets:NAME}                    escaped: the literal text
//! ```
//!
//! - The parts stand in this order: store, name, version, field, fallback. The first `:-` ends the rest.
//! - STORE is `[A-Za-z0-9_-]+`. NAME holds `[A-Za-z0-9:/.@+=_-]`; any other character is percent-encoded, and
//!   a literal `%` is `%25`. A version and a field are encoded alike, where `~` may stand as it is.
//! - In a fallback `\}` stands for `}`; every other character, a lone `\` included, stands for itself.
//! - References do not nest, and what a reference yields is never read for references again.
//! - A `$` right before a reference escapes it. Any other `${…}` is plain text.

mod body;
mod encoding;
mod field;
mod scan;

use std::fmt;

pub(crate) use self::encoding::encode_name;
use self::encoding::{encode, is_part_char};
pub use self::{
    body::is_store_name,
    field::Field,
    scan::{Piece, PieceText, Scan, may_hold_reference, scan},
};
use crate::{Error, ErrorKind, Result, SecretName, Version};

/// Which secret a reference names: the store, the name, the version, and the field within the document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Reference {
    /// The named store; none means the default one.
    pub store: Option<Box<str>>,
    /// The secret's name.
    pub name: SecretName,
    /// The version or stage; none means the current one.
    pub version: Option<Version>,
    /// The field of the JSON document that the value is.
    pub field: Option<Field>,
    /// The literal text used when the store has no such name.
    pub fallback: Option<Fallback>,
}

/// The literal default of a reference. It may be a plaintext key, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fallback(Box<str>);

impl Fallback {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallback([masked])")
    }
}

impl Reference {
    /// A reference to the current version of `name` in the default store.
    pub fn to(name: SecretName) -> Self {
        Reference { store: None, name, version: None, field: None, fallback: None }
    }

    /// Reads `text` as one reference and nothing else.
    ///
    /// Fails with `InvalidReference` or `InvalidName`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces = scan(text);
        match (pieces.next(), pieces.next()) {
            (Some(Piece { text: PieceText::Reference(reference), .. }), None) => Ok(*reference),
            (Some(Piece { text: PieceText::Broken(error), .. }), _) => Err(*error),
            _ => Err(Error::new(ErrorKind::InvalidReference, "this is not one reference")
                .with_help("write it as ${secrets:NAME}")),
        }
    }

    /// As [`parse`](Reference::parse); a bare name is one of the default store. For arguments of a program's calls.
    ///
    /// ```
    /// use modelmesh_secrets::reference::Reference;
    ///
    /// assert_eq!(Reference::parse_or_name("openai-key")?, Reference::parse("${secrets:openai-key}")?);
    /// # Ok::<(), modelmesh_secrets::Error>(())
    /// ```
    pub fn parse_or_name(text: &str) -> Result<Self> {
        if text.contains("${") { Reference::parse(text) } else { Ok(Reference::to(SecretName::new(text)?)) }
    }
}

/// Writes the reference in its canonical spelling, with the fallback masked.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("${secrets")?;
        if let Some(store) = &self.store {
            write!(f, ".{store}")?;
        }
        write!(f, ":{}", encode_name(self.name.as_str()))?;
        if let Some(version) = &self.version {
            write!(f, "?version={}", encode(version.as_str(), is_part_char))?;
        }
        if let Some(Field::Key(field) | Field::Pointer(field)) = &self.field {
            write!(f, "#{}", encode(field, is_part_char))?;
        }
        if self.fallback.is_some() {
            f.write_str(":-…")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a text as one line: literals in quotes, references canonical, errors as `!message`.
    pub(super) fn pieces(text: &str) -> String {
        let mut end = 0;
        scan(text)
            .map(|piece| {
                assert_eq!(piece.span.start, end, "pieces follow each other");
                end = piece.span.end;
                match piece.text {
                    PieceText::Literal(literal) => format!("'{literal}'"),
                    PieceText::Reference(reference) => reference.to_string(),
                    PieceText::Broken(error) => format!("!{}", error.message()),
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn parsed(text: &str) -> Reference {
        Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn debug_and_display_mask_fallbacks_and_literals() {
        let shown = format!("{:?}", scan("canary-a ${secrets:x:-canary-b}").collect::<Vec<_>>());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(parsed("${secrets:x:-canary}").to_string(), "${secrets:x:-…}");
    }
}
