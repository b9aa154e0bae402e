//! From a place in a scalar's decoded text back to its place in the source.

use std::ops::Range;

use super::{
    Document, Format, NodeId,
    tree::{Stored, Words},
};

impl Document {
    /// Where the bytes `within` of the decoded text of `id` are written.
    ///
    /// Exact to the character for every style: escapes, doubled quotes, folded lines and indentation are walked
    /// alongside the decoded text. Where `within` starts or ends with white space that was folded, the nearest
    /// other characters inside stand for it. The whole of [`Document::span`] if there are none.
    pub fn locate(&self, id: NodeId, within: Range<usize>) -> Range<usize> {
        let whole = self.span(id);
        match self.tree.node(id).stored {
            Stored::Text(Words::Source(span)) if within.end <= span.range().len() => {
                let start = span.range().start;
                start + within.start..start + within.end
            }
            Stored::Text(words @ Words::Decoded(_)) => {
                let decoded = self.tree.words(self.text(), words);
                align(Raw::of(self.text(), whole.clone(), self.format()), decoded, &within).unwrap_or(whole)
            }
            _ => whole,
        }
    }
}

/// White space that folding, trimming and indentation add or take away.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Styles differ in what they do to blanks, and in nothing else: all other characters stand in the source one
/// for one, in order, each as itself or as an escape. None if they do not, which would be a defect here.
fn align(raw: Raw<'_>, decoded: &str, within: &Range<usize>) -> Option<Range<usize>> {
    let mut written = raw.filter(|(_, c)| c.is_some_and(|c| !is_blank(c)));
    let mut found: Option<Range<usize>> = None;
    for (at, c) in decoded.char_indices().filter(|(_, c)| !is_blank(*c)) {
        if at >= within.end {
            break;
        }
        let (place, read) = written.next()?;
        if read != Some(c) {
            return None;
        }
        if at >= within.start {
            let start = found.map_or(place.start, |found| found.start);
            found = Some(start..place.end);
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// `''` is `'`.
    Doubled,
    Backslash,
}

/// The characters of a scalar as written: each with its place, and what it stands for (none for an escaped
/// line break).
struct Raw<'a> {
    source: &'a str,
    at: usize,
    end: usize,
    escapes: Escapes,
}

impl<'a> Raw<'a> {
    fn of(source: &'a str, span: Range<usize>, format: Format) -> Self {
        let text = &source[span.clone()];
        let triple = format == Format::Toml && (text.starts_with("\"\"\"") || text.starts_with("'''"));
        let quotes = if triple { 3 } else { 1 };
        let inner = span.start + quotes..span.end.saturating_sub(quotes);
        let (inside, escapes) = match (text.bytes().next(), format) {
            (Some(b'"'), _) => (inner, Escapes::Backslash),
            (Some(b'\''), Format::Yaml) => (inner, Escapes::Doubled),
            (Some(b'\''), _) => (inner, Escapes::None),
            // A plain scalar of YAML cannot start so: this is a block scalar, whose first line is its header.
            (Some(b'|' | b'>'), Format::Yaml) => {
                (span.start + text.find(['\n', '\r']).unwrap_or(text.len())..span.end, Escapes::None)
            }
            _ => (span, Escapes::None),
        };
        Raw { source, at: inside.start, end: inside.end, escapes }
    }

    /// The character of an escape, and the length of the escape. `text` starts with the backslash.
    fn escape(text: &str) -> (Option<char>, usize) {
        let Some(c) = text[1..].chars().next() else { return (None, 1) };
        let short = match c {
            'b' => '\u{08}',
            'f' => '\u{0C}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'e' => '\u{1B}',
            '0' => '\0',
            'a' => '\u{07}',
            'v' => '\u{0B}',
            'N' => '\u{85}',
            '_' => '\u{A0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => return hexadecimal(text, 2),
            'u' => return hexadecimal(text, 4),
            'U' => return hexadecimal(text, 8),
            '\n' | '\r' => return (None, 2),
            // A quote, a backslash, a slash, a blank: itself.
            c => c,
        };
        (Some(short), 1 + c.len_utf8())
    }
}

fn hexadecimal(text: &str, digits: usize) -> (Option<char>, usize) {
    let number =
        |from: usize| text.get(from..from + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match number(2) {
        // JSON writes a character beyond U+FFFF as two surrogates.
        Some(high @ 0xD800..=0xDBFF) => match number(8) {
            Some(low @ 0xDC00..=0xDFFF) => {
                (char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)), 12)
            }
            _ => (None, 6),
        },
        Some(code) => (char::from_u32(code), 2 + digits),
        None => (None, 2),
    }
}

impl Iterator for Raw<'_> {
    type Item = (Range<usize>, Option<char>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.source.get(self.at..self.end)?;
        let c = rest.chars().next()?;
        let (read, length) = match self.escapes {
            Escapes::Backslash if c == '\\' => Self::escape(rest),
            Escapes::Doubled if rest.starts_with("''") => (Some('\''), 2),
            _ => (Some(c), c.len_utf8()),
        };
        let start = self.at;
        self.at += length;
        Some((start..self.at, read))
    }
}
