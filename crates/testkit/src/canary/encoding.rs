//! The spellings under which a value may hide in output.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose};
use memchr::memmem;

/// How a value was written where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As it is.
    Raw,
    /// A half of it, as it is: a log that shortens values leaks them all the same.
    Fragment,
    /// With the escapes of JSON, or of Rust's `Debug`: `\"`, `\\`, `\n`, `\u00e9`, `\u{e9}`.
    Escaped,
    /// With some or all bytes as `%XX`.
    Percent,
    /// Hexadecimal, in either case.
    Hex,
    /// Base64, standard or URL-safe, at any of its three alignments, padded or not, wrapped or not.
    Base64,
    /// UTF-16, little-endian: how Windows keeps text.
    Utf16,
    /// Back to front.
    Reversed,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Raw => "raw",
            Encoding::Fragment => "a fragment, raw",
            Encoding::Escaped => "escaped",
            Encoding::Percent => "percent-encoded",
            Encoding::Hex => "hexadecimal",
            Encoding::Base64 => "base64",
            Encoding::Utf16 => "UTF-16",
            Encoding::Reversed => "reversed",
        })
    }
}

/// What is searched for, made once for each canary.
#[derive(Clone)]
pub(super) struct Needles {
    raw: Vec<u8>,
    reversed: Vec<u8>,
    utf16: Vec<u8>,
    hex: Vec<u8>,
    base64: Vec<Vec<u8>>,
    fragments: Vec<Vec<u8>>,
}

impl Needles {
    pub(super) fn of(text: &str, fragments: Vec<Vec<u8>>) -> Self {
        let raw = text.as_bytes().to_vec();
        Needles {
            reversed: raw.iter().rev().copied().collect(),
            utf16: text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            hex: raw.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
            base64: (0..3).flat_map(|shift| base64_at(shift, &raw)).collect(),
            fragments,
            raw,
        }
    }

    /// The first spelling found in `haystack`. The haystack is decoded rather than the needle encoded where
    /// an encoder has choices: which characters it escapes, and in what case.
    pub(super) fn find_in(&self, haystack: &Haystack<'_>) -> Option<Encoding> {
        let text = haystack.bytes;
        let among = |needles: &[Vec<u8>], text: &[u8]| needles.iter().any(|needle| holds(text, needle));
        [
            (Encoding::Raw, holds(text, &self.raw)),
            (Encoding::Escaped, haystack.unescaped.as_deref().is_some_and(|text| holds(text, &self.raw))),
            (
                Encoding::Percent,
                haystack.percent_decoded.as_deref().is_some_and(|text| holds(text, &self.raw)),
            ),
            (Encoding::Hex, holds(&haystack.lowercase, &self.hex)),
            (Encoding::Base64, among(&self.base64, &haystack.unwrapped)),
            (Encoding::Utf16, holds(text, &self.utf16)),
            (Encoding::Reversed, holds(text, &self.reversed)),
            (Encoding::Fragment, among(&self.fragments, text)),
        ]
        .into_iter()
        .find_map(|(encoding, found)| found.then_some(encoding))
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    memmem::find(haystack, needle).is_some()
}

/// Both alphabets' base64 of `raw` as it stands `shift` bytes into a group of three, without the characters
/// that its neighbours also decide.
fn base64_at(shift: usize, raw: &[u8]) -> [Vec<u8>; 2] {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(raw);
    let (from, to) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
    [&general_purpose::STANDARD, &general_purpose::URL_SAFE]
        .map(|engine| engine.encode(&padded).into_bytes()[from..to].to_vec())
}

/// Text to search, with its decodings made once for all canaries.
pub(super) struct Haystack<'a> {
    bytes: &'a [u8],
    lowercase: Vec<u8>,
    unwrapped: Cow<'a, [u8]>,
    unescaped: Option<Vec<u8>>,
    percent_decoded: Option<Vec<u8>>,
}

impl<'a> Haystack<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let wrapped = memchr::memchr2(b'\n', b'\r', bytes).is_some();
        Haystack {
            bytes,
            lowercase: bytes.to_ascii_lowercase(),
            unwrapped: if wrapped {
                bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect()
            } else {
                Cow::Borrowed(bytes)
            },
            unescaped: memchr::memchr(b'\\', bytes).map(|_| unescape(bytes)),
            percent_decoded: memchr::memchr(b'%', bytes).map(|_| percent_decode(bytes)),
        }
    }
}

fn percent_decode(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        if let [b'%', high, low, after @ ..] = text
            && let Some(byte) = hex_number(&[*high, *low]).and_then(|number| u8::try_from(number).ok())
        {
            decoded.push(byte);
            text = after;
        } else {
            decoded.push(*first);
            text = rest;
        }
    }
    decoded
}

/// Undoes the escapes of JSON and of Rust's `Debug`, and leaves what is no escape as it is.
fn unescape(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        let (b'\\', [escape, after @ ..]) = (*first, rest) else {
            decoded.push(*first);
            continue;
        };
        text = after;
        match escape {
            b'n' => decoded.push(b'\n'),
            b'r' => decoded.push(b'\r'),
            b't' => decoded.push(b'\t'),
            b'b' => decoded.push(8),
            b'f' => decoded.push(12),
            b'0' => decoded.push(0),
            b'u' => {
                if let Some((character, after)) = unicode_escape(after) {
                    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    text = after;
                } else {
                    decoded.extend_from_slice(b"\\u");
                }
            }
            // `\"`, `\\`, `\/`, `\'` stand for the character itself.
            other => decoded.push(*other),
        }
    }
    decoded
}

/// Reads what follows `\u`: `{e9}`, `00e9`, or the two halves of a surrogate pair.
fn unicode_escape(text: &[u8]) -> Option<(char, &[u8])> {
    if let [b'{', inside @ ..] = text {
        let end = memchr::memchr(b'}', inside)?;
        return Some((char::from_u32(hex_number(&inside[..end])?)?, &inside[end + 1..]));
    }
    let (digits, rest) = text.split_at_checked(4)?;
    let unit = hex_number(digits)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, rest));
    }
    let (digits, rest) = rest.strip_prefix(b"\\u")?.split_at_checked(4)?;
    let units = [u16::try_from(unit).ok()?, u16::try_from(hex_number(digits)?).ok()?];
    Some((char::decode_utf16(units).next()?.ok()?, rest))
}

fn hex_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}
