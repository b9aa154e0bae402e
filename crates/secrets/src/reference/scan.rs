//! From left to right through a text: what is literal, and where references stand.

use std::{fmt, ops::Range};

use super::{
    Reference,
    body::{FALLBACK, parse_body},
};
use crate::{Error, ErrorKind, Result};

/// A stretch of a text: literal, a reference, or a reference that cannot be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Piece<'a> {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// What it is.
    pub text: PieceText<'a>,
}

/// See [`Piece`].
#[derive(Clone)]
pub enum PieceText<'a> {
    /// Plain text, escapes already undone.
    Literal(&'a str),
    /// A reference.
    Reference(Box<Reference>),
    /// What starts like a reference and is none.
    Broken(Box<Error>),
}

/// Shows no literal: it may hold a plaintext key.
impl fmt::Debug for PieceText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PieceText::Literal(_) => f.write_str("Literal([masked])"),
            PieceText::Reference(reference) => f.debug_tuple("Reference").field(reference).finish(),
            PieceText::Broken(error) => f.debug_tuple("Broken").field(error).finish(),
        }
    }
}

const OPENING: &str = "${secrets";

/// Whether `text` may hold a reference or an escaped one: a cheap test before [`scan`].
pub fn may_hold_reference(text: &str) -> bool {
    text.contains(OPENING)
}

/// Reads `text` from left to right into literal stretches and references.
///
/// ```
/// use modelmesh_secrets::reference::{PieceText, scan};
///
/// let pieces: Vec<_> = scan("Bearer ${secrets:openai-key}").collect();
/// assert!(matches!(pieces[0].text, PieceText::Literal("Bearer ")));
/// assert!(matches!(&pieces[1].text, PieceText::Reference(r) if r.name.as_str() == "openai-key"));
/// ```
pub fn scan(text: &str) -> Scan<'_> {
    Scan { text, at: 0, nothing_closes: false }
}

/// The iterator of [`scan`].
#[derive(Clone)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Whether no fallback is closed from here on. Known once it was looked for: each of many open fallbacks
    /// would cost the length of the text again.
    nothing_closes: bool,
}

impl fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let Some(opening) = find_opening(rest) else {
            self.at = self.text.len();
            return Some(Piece { span: start..self.at, text: PieceText::Literal(rest) });
        };
        if rest[..opening].ends_with('$') {
            // An escape: the `$` goes, the opening stays, and reading goes on behind it.
            let dollar = opening - 1;
            if dollar > 0 {
                self.at = start + dollar;
                return Some(Piece { span: start..self.at, text: PieceText::Literal(&rest[..dollar]) });
            }
            self.at = start + opening + OPENING.len();
            return Some(Piece {
                span: start..self.at,
                text: PieceText::Literal(&rest[opening..opening + OPENING.len()]),
            });
        }
        if opening > 0 {
            self.at = start + opening;
            return Some(Piece { span: start..self.at, text: PieceText::Literal(&rest[..opening]) });
        }
        let (length, parsed) = parse_reference(rest, &mut self.nothing_closes);
        self.at = start + length;
        let text = match parsed {
            Ok(reference) => PieceText::Reference(Box::new(reference)),
            Err(error) => PieceText::Broken(Box::new(error)),
        };
        Some(Piece { span: start..self.at, text })
    }
}

/// Where the next `${secrets:` or `${secrets.` starts. Other words that start alike are plain text.
fn find_opening(text: &str) -> Option<usize> {
    text.match_indices(OPENING)
        .map(|(at, _)| at)
        .find(|at| matches!(text.as_bytes().get(at + OPENING.len()), Some(b':' | b'.')))
}

/// Reads the reference at the start of `text`: how many bytes it takes, and what it says.
fn parse_reference(text: &str, nothing_closes: &mut bool) -> (usize, Result<Reference>) {
    match closing_brace(text, nothing_closes) {
        Ok(close) => (close + 1, parse_body(&text[OPENING.len()..close])),
        Err(end) => {
            let error = Error::new(ErrorKind::InvalidReference, "this reference is not closed")
                .with_help("end it with '}'; inside a fallback, write '\\}' for a literal '}'");
            (end, Err(error))
        }
    }
}

/// Where the `}` stands that closes the reference at the start of `text`; where an unclosed one ends.
///
/// An unclosed reference ends with its line, or where the next `${` starts, so that one mistake does not hide
/// the next. In a fallback both are text, and `\}` is too.
fn closing_brace(text: &str, nothing_closes: &mut bool) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let mut at = OPENING.len();
    let line_end = || text.find(['\n', '\r']).unwrap_or(text.len());
    loop {
        match bytes.get(at) {
            Some(b'}') => return Ok(at),
            None | Some(b'\n' | b'\r') => return Err(at),
            Some(b'$') if bytes.get(at + 1) == Some(&b'{') => return Err(at),
            Some(b':') if bytes.get(at + 1) == Some(&b'-') => {
                at += FALLBACK.len();
                break;
            }
            Some(_) => at += 1,
        }
    }
    let mut rest = if *nothing_closes { 0..0 } else { at..bytes.len() };
    let close = rest.find(|&at| bytes[at] == b'}' && bytes[at - 1] != b'\\');
    *nothing_closes = close.is_none();
    close.ok_or_else(line_end)
}

#[cfg(test)]
mod tests {
    use super::super::tests::pieces;

    #[test]
    fn text_around_references_stays() {
        assert_eq!(pieces("a ${secrets:x} b ${secrets:y}"), "'a ' ${secrets:x} ' b ' ${secrets:y}");
        assert_eq!(pieces("${secrets:x}${secrets:y}"), "${secrets:x} ${secrets:y}");
        assert_eq!(
            pieces("${HOME} $x ${secret:x} ${secretsx} {secrets:x}"),
            "'${HOME} $x ${secret:x} ${secretsx} {secrets:x}'"
        );
        assert_eq!(pieces(""), "");
    }

    #[test]
    fn a_dollar_escapes() {
        assert_eq!(pieces("$${secrets:x}"), "'${secrets' ':x}'");
        assert_eq!(pieces("a$${secrets:x} ${secrets:y}"), "'a' '${secrets' ':x} ' ${secrets:y}");
        assert_eq!(pieces("$$${secrets:x}"), "'$' '${secrets' ':x}'");
        assert_eq!(pieces("$${HOME}"), "'$${HOME}'");
    }

    #[test]
    fn an_unclosed_reference_hides_nothing_behind_it() {
        assert_eq!(pieces("${secrets:x"), "!this reference is not closed");
        assert_eq!(pieces("${secrets:x ${secrets:y}"), "!this reference is not closed ${secrets:y}");
        assert_eq!(pieces("${secrets:x\n${secrets:y}"), "!this reference is not closed '\n' ${secrets:y}");
        assert_eq!(pieces("${secrets:x:-y\nz"), "!this reference is not closed '\nz'");
    }
}
