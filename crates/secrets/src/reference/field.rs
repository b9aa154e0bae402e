//! A field of a secret's value: a view into a JSON document.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// A view into a value that is a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// A key of the top-level object.
    Key(Box<str>),
    /// A JSON pointer (RFC 6901), which starts with `/`.
    Pointer(Box<str>),
}

impl Field {
    /// The key or the pointer, as it was written, unencoded.
    pub fn as_str(&self) -> &str {
        let (Field::Key(text) | Field::Pointer(text)) = self;
        text
    }

    /// The field's text in `document`: a string as it is; a number or truth value as JSON writes it.
    ///
    /// - `Malformed` if `document` is not JSON, or the field is an object, a list or null.
    /// - `NotFound` if the document has no such field.
    pub fn of(&self, document: &str) -> Result<crate::SecretString> {
        // The parser's own message may quote what it read, so it is dropped.
        let json: serde_json::Value = serde_json::from_str(document).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the value is not a JSON document, so it has no fields")
        })?;
        let found = match self {
            Field::Key(key) => json.get(&**key),
            Field::Pointer(pointer) => json.pointer(pointer),
        };
        match found {
            Some(serde_json::Value::String(text)) => Ok(text.as_str().into()),
            Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                Ok(value.to_string().into())
            }
            Some(_) => Err(Error::new(
                ErrorKind::Malformed,
                format!("field '{self}' is not text, a number or a truth value"),
            )),
            None => Err(Error::new(ErrorKind::NotFound, format!("the document has no field '{self}'"))),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Field::Key(text) | Field::Pointer(text)) = self;
        crate::printable(text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::parsed, *};

    #[test]
    fn fields_view_into_a_document() {
        let document = r#"{"user":"u","port":5432,"tls":true,"a":{"b":"deep","c/d":"slash"},"none":null}"#;
        let field = |text: &str| parsed(&format!("${{secrets:x#{text}}}")).field.unwrap().of(document);
        let text = |text: &str| secrecy::ExposeSecret::expose_secret(&field(text).unwrap()).to_owned();
        assert_eq!(text("user"), "u");
        assert_eq!(text("port"), "5432");
        assert_eq!(text("tls"), "true");
        assert_eq!(text("/a/b"), "deep");
        assert_eq!(text("/a/c~1d"), "slash");
        assert_eq!(field("missing").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(field("a").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(field("none").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn a_value_that_is_no_document_is_not_quoted() {
        let error = Field::Key("x".into()).of("canary-value").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(!format!("{error:?}").contains("canary"));
    }
}
