//! Which field of a document is the secret.

use std::collections::BTreeMap;

use bytes::Bytes;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretString, SecretValue, printable};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::reply::{Document, Held};
use crate::{
    json::{self, Fields, SecretText},
    network::malformed,
};

/// The field of a document that is the secret, unless another is named.
const DEFAULT: &str = "value";

/// The `field` that stands for all.
const DOCUMENT: &str = "*";

/// The setting `field`.
#[derive(Debug)]
pub(super) enum FieldRule {
    Named(String),
    /// The whole document, as JSON.
    Document,
}

impl FieldRule {
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(FieldRule::Named(DEFAULT.to_owned())),
            Some("") => Err(Error::new(ErrorKind::InvalidConfig, "'field' is empty")
                .with_help("leave it out for the field 'value', or write '*' for whole documents")),
            Some(DOCUMENT) => Ok(FieldRule::Document),
            Some(named) => Ok(FieldRule::Named(named.to_owned())),
        }
    }

    /// The secret of a document. What is no text in it is its JSON.
    ///
    /// `NotFound` if the document has no such field, `Malformed` if it is null.
    pub(super) fn read(&self, document: &Document<'_>) -> Result<SecretString> {
        let name = match self {
            FieldRule::Document => return Ok(document.text.get().into()),
            FieldRule::Named(name) => name,
        };
        let raw = document.fields.get(name.as_str()).ok_or_else(|| no_field(name))?.get();
        match raw.as_bytes().first() {
            Some(b'"') => {
                let text: SecretText =
                    json::parse(raw.as_bytes()).map_err(|_| malformed("holds a text that is not Unicode"))?;
                Ok(text.0)
            }
            Some(b'n') => Err(Error::new(
                ErrorKind::Malformed,
                format!("the field '{}' of the document is null", printable(name)),
            )
            .with_help("set it, or remove the field")),
            _ => Ok(raw.into()),
        }
    }

    /// The body of a write that makes `value` the secret, and leaves all other fields as they are.
    ///
    /// With `cas`, as version 2 of the engine takes it. `Unsupported` if a whole document is written that is no JSON
    /// object.
    pub(super) fn body(&self, held: &Held<'_>, value: &SecretValue, cas: Option<u64>) -> Result<Bytes> {
        let mut fields: BTreeMap<&str, Written<'_>> = BTreeMap::new();
        let whole: Fields<'_>;
        match self {
            FieldRule::Document => {
                whole = json::parse(value.expose().as_bytes()).map_err(|_| no_object())?;
                fields.extend(whole.iter().map(|(key, raw)| (key.as_str(), Written::Kept(raw))));
            }
            FieldRule::Named(name) => {
                if let Held::Document(document) = held {
                    fields
                        .extend(document.fields.iter().map(|(key, raw)| (key.as_str(), Written::Kept(raw))));
                }
                fields.insert(name, Written::New(SecretText(value.secret().clone())));
            }
        }
        // Wiped when the request is done with it.
        Ok(Bytes::from_owner(match cas {
            None => json::write(&fields),
            Some(cas) => json::write(&Versioned { data: fields, options: Options { cas } }),
        }))
    }
}

/// A field of a document to be written.
enum Written<'a> {
    Kept(&'a RawValue),
    New(SecretText),
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Written::Kept(raw) => raw.serialize(serializer),
            Written::New(text) => text.serialize(serializer),
        }
    }
}

/// A write of version 2 of the engine.
#[derive(Serialize)]
struct Versioned<'a> {
    data: BTreeMap<&'a str, Written<'a>>,
    options: Options,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

fn no_field(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the document there has no field '{}'", printable(name)))
        .with_help(
            "name one that it has in 'field'; or set 'field: \"*\"', and write NAME#FIELD in the reference",
        )
}

fn no_object() -> Error {
    Error::unsupported("hold anything but a JSON object as a whole document")
        .with_help("'field: \"*\"' reads and writes whole documents; name a field to write that alone")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{failure::tests::answer, place::Kv},
        *,
    };

    const DOCUMENT_TEXT: &str =
        r#"{"value":"old","note":"a\u003cb","n":1e400,"on":true,"deep":{"x":[1]},"none":null}"#;

    fn with<T>(text: &str, judge: impl FnOnce(&Held<'_>) -> T) -> T {
        let answer = answer(200, &format!(r#"{{"data":{text}}}"#));
        judge(&Held::of(&answer, Kv::V1).unwrap())
    }

    fn read(field: &str) -> Result<String> {
        with(DOCUMENT_TEXT, |held| Ok(held.value(&FieldRule::parse(Some(field))?)?.expose().to_owned()))
    }

    #[test]
    fn a_field_is_text_or_its_json() {
        for (field, text) in
            [("value", "old"), ("note", "a<b"), ("n", "1e400"), ("on", "true"), ("deep", r#"{"x":[1]}"#)]
        {
            assert_eq!(read(field).unwrap(), text, "{field}");
        }
        assert_eq!(read("none").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(read("absent").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(read("").unwrap_err().kind(), ErrorKind::InvalidConfig);
        assert_eq!(read("*").unwrap(), DOCUMENT_TEXT);
    }

    fn written(field: &str, value: &str, cas: Option<u64>) -> Result<String> {
        let rule = FieldRule::parse(Some(field))?;
        let body = with(DOCUMENT_TEXT, |held| rule.body(held, &value.into(), cas))?;
        let text: String = String::from_utf8(body.to_vec()).unwrap();
        Ok(text.split_whitespace().collect())
    }

    #[test]
    fn a_write_leaves_the_other_fields_as_they_were() {
        let expected =
            r#"{"deep":{"x":[1]},"n":1e400,"none":null,"note":"a\u003cb","on":true,"value":"new"}"#;
        assert_eq!(written("value", "new", None).unwrap(), expected);
        let versioned = format!(r#"{{"data":{expected},"options":{{"cas":3}}}}"#);
        assert_eq!(written("value", "new", Some(3)).unwrap(), versioned);
    }

    #[test]
    fn a_whole_document_is_replaced_by_another() {
        assert_eq!(written("*", r#"{"a": 1.50}"#, None).unwrap(), r#"{"a":1.50}"#);
        for text in ["canary", "[1]", "\"x\"", "{"] {
            let error = written("*", text, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
