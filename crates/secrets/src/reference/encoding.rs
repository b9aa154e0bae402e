//! Percent-encoding: how the parts of a reference hold characters that have a meaning there.

use std::{borrow::Cow, fmt};

use crate::{Error, ErrorKind, Result};

pub(super) fn is_name_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":/.@+=_-".contains(&byte)
}

/// A version or a field: as a name, and `~`, the escape character of JSON pointers.
pub(super) fn is_part_char(byte: u8) -> bool {
    is_name_char(byte) || byte == b'~'
}

/// A name as it stands in a reference. The `:` of a `:-` is encoded too, for `:-` would end the name.
pub(crate) fn encode_name(name: &str) -> String {
    encode(name, is_name_char)
}

pub(super) fn encode(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    use fmt::Write as _;
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        // `:-` would start a fallback, and a leading `-` would make one with the `:` before the name.
        let starts_fallback = (byte == b':' && bytes.get(at + 1) == Some(&b'-')) || (byte == b'-' && at == 0);
        if allowed(byte) && !starts_fallback {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub(super) fn decode<'a>(text: &'a str, allowed: fn(u8) -> bool, part: &str) -> Result<Cow<'a, str>> {
    let mut bytes = text.bytes().enumerate();
    let mut decoded = Vec::new();
    let mut changed = false;
    while let Some((at, byte)) = bytes.next() {
        if byte == b'%' {
            changed = true;
            let mut digit = || bytes.next().and_then(|(_, b)| char::from(b).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(Error::new(
                    ErrorKind::InvalidReference,
                    format!("'%' in the {part} is not followed by two hexadecimal digits"),
                )
                .with_help("a literal '%' is written %25"));
            };
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
        } else if allowed(byte) {
            decoded.push(byte);
        } else {
            // The one character is named and not the text around it: beside a brace that was forgotten, the
            // rest may be anything.
            let c = text[at..].chars().next().unwrap_or_default();
            return Err(Error::new(
                ErrorKind::InvalidReference,
                format!("the {part} holds a '{c}', which must be percent-encoded"),
            )
            .with_help(format!("write '{c}' as {}", encode(c.encode_utf8(&mut [0; 4]), |_| false))));
        }
    }
    if !changed {
        return Ok(Cow::Borrowed(text));
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| {
        Error::new(ErrorKind::InvalidReference, format!("the {part}, percent-decoded, is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Reference,
            tests::{parsed, pieces},
        },
        *,
    };
    use crate::SecretName;

    #[test]
    fn names_of_backends_need_no_encoding() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf";
        assert_eq!(parsed(&format!("${{secrets:{arn}}}")).name.as_str(), arn);
        assert_eq!(parsed("${secrets:a.b@c+d=e_f-g/h:i}").name.as_str(), "a.b@c+d=e_f-g/h:i");
    }

    #[test]
    fn other_characters_are_percent_encoded() {
        assert_eq!(parsed("${secrets:My%20Login%3F}").name.as_str(), "My Login?");
        assert_eq!(parsed("${secrets:cl%C3%A9}").name.as_str(), "clé");
        assert_eq!(pieces("${secrets:My Login}"), "!the name holds a ' ', which must be percent-encoded");
        assert_eq!(pieces("${secrets:clé}"), "!the name holds a 'é', which must be percent-encoded");
        assert_eq!(pieces("${secrets:a%2}"), "!'%' in the name is not followed by two hexadecimal digits");
        assert_eq!(pieces("${secrets:a%FF}"), "!the name, percent-decoded, is not UTF-8");
    }

    #[test]
    fn encoding_never_reaches_outside() {
        for text in [
            "${secrets:%2e%2e/x}",
            "${secrets:a/%2E%2E}",
            "${secrets:a%2F%2Fb}",
            "${secrets:a%00b}",
            "${secrets:a%0Ab}",
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().kind(), ErrorKind::InvalidName, "{text}");
        }
    }

    #[test]
    fn any_name_comes_back_from_its_reference() {
        for name in ["-x", "a:-b", "a b?c#d}e", "clé", "50%", "$x", "a:b", "~"] {
            let name = SecretName::new(name).unwrap();
            assert_eq!(parsed(&name.to_reference()).name, name);
        }
    }
}
