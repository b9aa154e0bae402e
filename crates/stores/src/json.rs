//! JSON that holds secrets: read without leaving copies, with what is unknown kept as it was written.

use std::{collections::BTreeMap, fmt, io};

use modelmesh_secrets::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The fields of an object, their values not yet read.
pub(crate) type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The fields that this version does not know, to be written again as they were.
pub(crate) type Unknown = BTreeMap<String, Verbatim>;

/// That a text is not the JSON it should be. The parser's own message may quote the text, so it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotThat;

/// `text` as a `T`.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, NotThat> {
    serde_json::from_slice(text).map_err(|_| NotThat)
}

/// Takes a field out; none if it is missing or null.
pub(crate) fn take<'a, T: Deserialize<'a>>(fields: &mut Fields<'a>, key: &str) -> Result<Option<T>, NotThat> {
    match fields.remove(key) {
        None => Ok(None),
        Some(raw) => parse(raw.get().as_bytes()),
    }
}

/// What is left of the fields when the known ones are taken.
pub(crate) fn unknown(fields: Fields<'_>) -> Unknown {
    fields.into_iter().map(|(key, raw)| (key, Verbatim(Zeroizing::new(raw.get().to_owned())))).collect()
}

/// `value` as indented JSON, in a buffer that is wiped when dropped.
pub(crate) fn write<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    // A buffer that grows leaves its former self in freed memory, so the length is found out first.
    let mut length = Length(0);
    serde_json::to_writer_pretty(&mut length, value).expect("text keys and infallible writers");
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer_pretty(&mut *bytes, value).expect("text keys and infallible writers");
    bytes
}

struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON value as it was written, wiped when dropped: numbers keep their digits.
#[derive(Clone)]
pub(crate) struct Verbatim(Zeroizing<String>);

/// Shows nothing: nobody knows what the value is.
impl fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verbatim([masked])")
    }
}

impl Serialize for Verbatim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

/// A JSON string read straight into a secret type.
#[derive(Clone, Debug)]
pub(crate) struct SecretText(pub(crate) SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(text.into()))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_written_as_they_were_read() {
        let text = br#"{"a": 1e400, "b": {"x": [1.10, "\u00e9"]}, "c": null}"#;
        let fields: Fields<'_> = parse(text).unwrap();
        let written = String::from_utf8(write(&unknown(fields)).to_vec()).unwrap();
        for part in ["1e400", r#"{"x": [1.10, "\u00e9"]}"#, "null"] {
            assert!(written.contains(part), "{written}");
        }
    }

    #[test]
    fn secret_text_takes_any_string_and_nothing_else() {
        for text in ["\"\"", r#""a\n\u0000\ud83d\ude00""#, "\"plain\""] {
            let expected: String = serde_json::from_str(text).unwrap();
            let SecretText(read) = parse(text.as_bytes()).unwrap();
            assert_eq!(read.expose_secret(), expected);
        }
        for text in ["1", "null", "[]", r#""\ud83d""#] {
            assert!(parse::<SecretText>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
