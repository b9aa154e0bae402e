//! Values that are no text, as JSON writes them.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use modelmesh_secrets::{
    Error, ErrorKind, Result,
    document::{Document, Kind, NodeId},
};
use zeroize::Zeroizing;

use crate::disk::MAX_BYTES;

/// A number as JSON writes it. `literal` is how the file has it.
///
/// What JSON has no number for (a date of TOML, `.inf` of YAML) stays as it is.
pub(super) fn number(literal: &str) -> Cow<'_, str> {
    if is_json_number(literal) {
        return Cow::Borrowed(literal);
    }
    let plain = literal.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |prefix: &str, radix| u128::from_str_radix(digits.strip_prefix(prefix)?, radix).ok();
    if let Some(whole) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        return Cow::Owned(format!("{sign}{whole}"));
    }
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && let Ok(float) = plain.parse::<f64>()
        && let Some(float) = serde_json::Number::from_f64(float)
    {
        // Leading zeros and a '+' alone do not make a whole number a float.
        return Cow::Owned(if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = digits.trim_start_matches('0');
            format!("{sign}{}", if digits.is_empty() { "0" } else { digits })
        } else {
            float.to_string()
        });
    }
    Cow::Borrowed(literal)
}

fn is_json_number(literal: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(literal).is_ok()
}

/// A list or a mapping as JSON: no blanks, keys in the order of their bytes, so that a file that was merely
/// formatted anew holds the same secrets.
///
/// Fails with `Malformed` if aliases make it longer than a file may be.
pub(super) fn subtree(document: &Document, id: NodeId) -> Result<Zeroizing<String>> {
    let mut length = Length(0);
    write(document, id, &mut length).map_err(|fmt::Error| {
        Error::new(ErrorKind::Malformed, "the value is too long, counting each use of an alias")
            .with_help("ask for a part of it by a longer name")
    })?;
    // Written twice, so that the buffer does not grow, which would leave copies behind.
    let mut json = Zeroizing::new(String::with_capacity(length.0));
    write(document, id, &mut *json).expect("writing to a string does not fail");
    Ok(json)
}

/// Counts what is written, up to the longest file.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        if self.0 as u64 > MAX_BYTES { Err(fmt::Error) } else { Ok(()) }
    }
}

fn write(document: &Document, id: NodeId, out: &mut impl Write) -> fmt::Result {
    match document.kind(id) {
        Kind::Null => out.write_str("null"),
        Kind::Boolean(value) => write!(out, "{value}"),
        Kind::Text(text) => write_text(text.expose(), out),
        Kind::Number(literal) => {
            let text = number(literal.expose());
            if is_json_number(&text) { out.write_str(&text) } else { write_text(&text, out) }
        }
        Kind::Sequence => {
            out.write_char('[')?;
            for (i, &item) in document.items(id).iter().enumerate() {
                out.write_str(if i > 0 { "," } else { "" })?;
                write(document, item, out)?;
            }
            out.write_char(']')
        }
        Kind::Mapping => {
            let mut entries: Vec<_> = document.entries(id).collect();
            entries.sort_unstable_by_key(|entry| entry.key);
            out.write_char('{')?;
            for (i, entry) in entries.iter().enumerate() {
                out.write_str(if i > 0 { "," } else { "" })?;
                write_text(entry.key, out)?;
                out.write_char(':')?;
                write(document, entry.value, out)?;
            }
            out.write_char('}')
        }
    }
}

fn write_text(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::document::{Format, Limits};
    use proptest::prelude::*;

    use super::*;

    fn rendered(text: &str, format: Format) -> Result<String> {
        let document = Document::parse(text, format, &Limits::default()).unwrap();
        subtree(&document, document.root()).map(|json| (*json).clone())
    }

    #[test]
    fn numbers_are_as_json_writes_them() {
        for (literal, json) in [
            ("0", "0"),
            ("-12", "-12"),
            ("1.10", "1.10"),
            ("1e3", "1e3"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("+7", "7"),
            ("1_000", "1000"),
            ("0xFF", "255"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5.0"),
            (".inf", ".inf"),
            ("nan", "nan"),
            ("1979-05-27", "1979-05-27"),
            ("07:32:00", "07:32:00"),
        ] {
            assert_eq!(number(literal), json, "{literal}");
        }
    }

    #[test]
    fn a_mapping_is_sorted_json_without_blanks() {
        let yaml = "b: [1, true, ~, .inf]\na: {\"y\\n\\u0001\": 'é\"\\'}\n";
        assert_eq!(
            rendered(yaml, Format::Yaml).unwrap(),
            r#"{"a":{"y\n\u0001":"é\"\\"},"b":[1,true,null,".inf"]}"#
        );
    }

    #[test]
    fn aliases_cannot_make_a_small_file_a_huge_value() {
        let text = "x".repeat(100_000);
        let yaml = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        assert_eq!(rendered(&yaml, Format::Yaml).unwrap_err().kind(), ErrorKind::Malformed);
    }

    proptest! {
        #[test]
        fn text_reads_back_as_json(text in any::<String>()) {
            let mut json = String::new();
            write_text(&text, &mut json).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn any_number_literal_is_rendered_without_a_panic(literal in "[-+0-9a-fox._]{0,12}") {
            _ = number(&literal);
        }
    }
}
