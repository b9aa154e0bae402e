//! What must not appear in the output: the values, and the forms in which programs commonly print them.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use base64::{Engine as _, engine::general_purpose as base64_alphabet};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::{Zeroize as _, Zeroizing};

/// The shortest text that is masked, in bytes.
///
/// Masking every `1` or `on` would leave output that says nothing, and would tell the value by its holes.
pub const MINIMUM: usize = 4;

/// The shortest base64 that is masked: shorter ones are found by chance in any base64.
const MINIMUM_BASE64: usize = 8;

/// RFC 3986's unreserved characters stay.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What `encodeURIComponent` of browsers leaves.
const URI_COMPONENT: &AsciiSet = &URL.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

/// The texts to mask, each once, none shorter than [`MINIMUM`].
///
/// For every value: the value; each of its lines, with and without the blanks around it, for programs print
/// keys line by line; and of these the JSON, percent, base64 and hexadecimal encodings. Base64 is found inside
/// longer base64 too, as in the header of HTTP's basic authentication.
#[derive(Debug, Default)]
pub struct Patterns {
    texts: BTreeSet<Secret>,
}

/// Wiped when dropped, without a `Debug` that shows it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[masked]")
    }
}

impl Patterns {
    /// The patterns of these values.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Patterns::default();
        for value in values {
            patterns.add_forms(value);
            for line in value.lines() {
                patterns.add_forms(line);
                patterns.add_forms(line.trim());
            }
        }
        patterns
    }

    fn add_forms(&mut self, text: &str) {
        if text.len() < MINIMUM {
            return;
        }
        self.add(text);
        self.add_json(text);
        self.add_percent(text);
        self.add_base64(text.as_bytes());
        self.add_hexadecimal(text);
    }

    fn add(&mut self, text: impl Into<Vec<u8>>) {
        let text = Secret(text.into());
        if text.0.len() >= MINIMUM {
            self.texts.insert(text);
        }
    }

    /// As most encoders write it, and as those do that keep to ASCII (Python's `json.dumps`).
    fn add_json(&mut self, text: &str) {
        let Ok(quoted) = serde_json::to_string(text) else { return };
        let quoted = Zeroizing::new(quoted);
        let inner = &quoted[1..quoted.len() - 1];
        self.add(inner);
        let mut ascii = Zeroizing::new(String::with_capacity(inner.len() * 2));
        for c in inner.chars() {
            if c.is_ascii() {
                ascii.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
        self.add(ascii.as_str());
    }

    fn add_hexadecimal(&mut self, text: &str) {
        let mut digits = Zeroizing::new(String::with_capacity(text.len() * 2));
        for byte in text.bytes() {
            let _ = write!(digits, "{byte:02x}");
        }
        self.add(digits.as_str());
        digits.make_ascii_uppercase();
        self.add(digits.as_str());
    }

    fn add_percent(&mut self, text: &str) {
        let url = Zeroizing::new(utf8_percent_encode(text, URL).to_string());
        self.add(url.replace("%20", "+"));
        self.add(url.as_str());
        self.add(utf8_percent_encode(text, URI_COMPONENT).to_string());
    }

    /// The characters of base64 that the text alone decides, at each of its three positions in a longer input.
    fn add_base64(&mut self, text: &[u8]) {
        for offset in 0..3 {
            let mut input = Zeroizing::new(vec![0; offset]);
            input.extend_from_slice(text);
            for engine in [base64_alphabet::STANDARD_NO_PAD, base64_alphabet::URL_SAFE_NO_PAD] {
                let encoded = Zeroizing::new(engine.encode(&*input));
                // Six bits a character: the first ones hold bits of what comes before, the last of what follows.
                let first = (offset * 8).div_ceil(6);
                let end = input.len() * 8 / 6;
                if end - first >= MINIMUM_BASE64 {
                    self.add(&encoded.as_bytes()[first..end]);
                }
            }
        }
    }

    /// The texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|text| text.0.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, form: &str) -> bool {
        Patterns::of([value]).texts().any(|text| text == form.as_bytes())
    }

    #[test]
    fn common_encodings_of_a_value_are_masked_too() {
        let value = "p\"ss wörd/+\n!";
        assert!(has(value, value), "raw");
        assert!(has(value, r#"p\"ss wörd/+\n!"#), "JSON");
        assert!(has(value, r#"p\"ss w\u00f6rd/+\n!"#), "JSON in ASCII");
        assert!(has(value, "p%22ss%20w%C3%B6rd%2F%2B%0A%21"), "URL");
        assert!(has(value, "p%22ss+w%C3%B6rd%2F%2B%0A%21"), "form");
        assert!(has(value, "p%22ss%20w%C3%B6rd%2F%2B%0A!"), "encodeURIComponent");
        assert!(has("p\"ss", "70227373"), "hexadecimal");
    }

    #[test]
    fn base64_is_found_at_every_position_in_a_longer_input() {
        let value = "sk-canary-4711";
        for before in ["", "u", "us", "user:"] {
            for after in ["", "x", "xy"] {
                let whole = base64_alphabet::STANDARD.encode(format!("{before}{value}{after}"));
                let patterns = Patterns::of([value]);
                assert!(
                    patterns.texts().any(|text| whole.contains(std::str::from_utf8(text).unwrap())),
                    "'{before}' '{after}'"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_value_is_masked() {
        assert!(has("first line\r\n  second\nabc", "first line"));
        assert!(has("first line\r\n  second\nabc", "second"));
        assert!(!has("first line\r\n  second\nabc", "abc"), "too short");
    }

    #[test]
    fn what_is_too_short_is_left_alone() {
        assert_eq!(Patterns::of(["", "1", "on\n", "abc"]).texts().count(), 0);
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", Patterns::of(["canary"])).contains(&format!("{:?}", b'c')));
    }
}
