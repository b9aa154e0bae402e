//! What stands between the braces of a reference.

use super::{
    Fallback, Field, Reference,
    encoding::{decode, is_name_char, is_part_char},
};
use crate::{Error, ErrorKind, Result, SecretName, Version};

pub(super) const FALLBACK: &str = ":-";
const VERSION: &str = "?version=";

pub(super) fn parse_body(body: &str) -> Result<Reference> {
    let (store, rest) = match body.strip_prefix('.') {
        None => (None, &body[1..]),
        Some(named) => {
            let (store, rest) = named.split_once(':').ok_or_else(|| {
                invalid("a reference to a named store needs ':' and a secret's name after the store")
            })?;
            if !is_store_name(store) {
                return Err(invalid("a store's name holds letters, digits, '_' and '-' alone"));
            }
            (Some(store), rest)
        }
    };
    // In `${secrets:-x}` the `:` of a `:-` is gone already, and nothing stood before it.
    if rest.starts_with('-') {
        return Err(invalid("the reference names no secret")
            .with_help("a name that starts with '-' is written with %2D"));
    }
    let (target, fallback) = match rest.split_once(FALLBACK) {
        Some((target, fallback)) => (target, Some(fallback)),
        None => (rest, None),
    };
    if fallback.is_some_and(|text| text.rsplit_once("${").is_some_and(|(_, tail)| !tail.contains("\\}"))) {
        return Err(invalid("references do not nest: a fallback is literal text")
            .with_help("write '\\}' for a '}' that belongs to the fallback"));
    }
    let (target, field) = match target.split_once('#') {
        Some((target, field)) => (target, Some(field)),
        None => (target, None),
    };
    let (name, version) = match target.split_once('?') {
        None => (target, None),
        Some((name, _)) => match target[name.len()..].strip_prefix(VERSION) {
            Some(version) => (name, Some(version)),
            None => {
                return Err(invalid("the only parameter of a reference is '?version='")
                    .with_help("a '?' in a secret's name is written %3F"));
            }
        },
    };
    if name.is_empty() {
        return Err(invalid("the reference names no secret"));
    }
    Ok(Reference {
        store: store.map(Box::from),
        name: SecretName::new(decode(name, is_name_char, "name")?)?,
        version: version.map(parse_version).transpose()?,
        field: field.map(parse_field).transpose()?,
        fallback: fallback.map(|text| Fallback(text.replace("\\}", "}").into())),
    })
}

fn parse_version(text: &str) -> Result<Version> {
    if text.is_empty() {
        return Err(invalid("'?version=' is followed by no version"));
    }
    Ok(Version::from(&*decode(text, is_part_char, "version")?))
}

fn parse_field(text: &str) -> Result<Field> {
    if text.is_empty() {
        return Err(invalid("'#' is followed by no field"));
    }
    let field = decode(text, is_part_char, "field")?;
    Ok(if field.starts_with('/') { Field::Pointer(field.into()) } else { Field::Key(field.into()) })
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidReference, message)
}

/// Whether `text` can be the name of a store: `[A-Za-z0-9_-]+`.
pub fn is_store_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{parsed, pieces},
        *,
    };

    #[test]
    fn every_documented_form_is_read() {
        let reference = parsed("${secrets.prod:team/openai-key?version=7#/a/b:-none}");
        assert_eq!(reference.store.as_deref(), Some("prod"));
        assert_eq!(reference.name.as_str(), "team/openai-key");
        assert_eq!(reference.version, Some(Version::from("7")));
        assert_eq!(reference.field, Some(Field::Pointer("/a/b".into())));
        assert_eq!(reference.fallback.unwrap().expose(), "none");
        assert_eq!(parsed("${secrets:k#field}").field, Some(Field::Key("field".into())));
        assert_eq!(parsed("${secrets:k?version=AWSPREVIOUS}").version, Some(Version::from("AWSPREVIOUS")));
    }

    #[test]
    fn a_fallback_is_literal_text() {
        assert_eq!(parsed("${secrets:x:-}").fallback.unwrap().expose(), "");
        assert_eq!(parsed("${secrets:x:-a:-b#c?d e}").fallback.unwrap().expose(), "a:-b#c?d e");
        assert_eq!(parsed(r"${secrets:x:-{a\}\b}").fallback.unwrap().expose(), r"{a}\b");
        assert_eq!(parsed(r"${secrets:x:-${HOME\}}").fallback.unwrap().expose(), "${HOME}");
        assert_eq!(
            pieces("${secrets:x:-${HOME}}"),
            "!references do not nest: a fallback is literal text '}'"
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        for (text, message) in [
            ("${secrets:}", "the reference names no secret"),
            ("${secrets:-x}", "the reference names no secret"),
            ("${secrets.prod:-x}", "the reference names no secret"),
            ("${secrets:?version=1}", "the reference names no secret"),
            ("${secrets:x?version=}", "'?version=' is followed by no version"),
            ("${secrets:x?stage=1}", "the only parameter of a reference is '?version='"),
            ("${secrets:x#}", "'#' is followed by no field"),
            ("${secrets.prod}", "a reference to a named store needs ':' and a secret's name after the store"),
            ("${secrets.pr od:x}", "a store's name holds letters, digits, '_' and '-' alone"),
            ("${secrets.:x}", "a store's name holds letters, digits, '_' and '-' alone"),
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert_eq!(error.message(), message, "{text}");
            assert_eq!(error.kind(), ErrorKind::InvalidReference, "{text}");
        }
    }
}
