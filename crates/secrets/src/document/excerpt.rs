//! Lines of a file for the drawing of an error, in which nothing but what is asked for can be read.

use std::ops::Range;

use super::{Document, NodeId};
use crate::misleads;

/// The most lines of an excerpt: an error is seen at its start.
const MAX_LINES: usize = 8;

/// How much of a long line is shown on either side of the place, in characters.
const MARGIN: usize = 120;

/// The most bytes of an excerpt: the place itself may be a line of megabytes.
const MAX_BYTES: usize = 16 << 10;

/// A few lines of a file, masked.
///
/// Each character stands in its own column, as itself or as `•`, so what is drawn under the text is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excerpt {
    /// The lines, parted by `\n`.
    pub text: String,
    /// The number of the first line, from 1.
    pub first_line: usize,
    /// The column of the first character of the text, from 1. Above 1 only where a long line was cut.
    pub first_column: usize,
    /// The place in question, in bytes of `text`.
    pub span: Range<usize>,
}

impl Excerpt {
    /// What stands for a character that is not shown.
    pub const MASK: char = '•';

    /// The lines of `source` on which `around` lies.
    ///
    /// Characters within one of `visible` are shown, white space is kept, and everything else is masked, as are
    /// control and bidirectional characters wherever they stand. No more than the lines concerned is copied.
    pub fn of(source: &str, visible: &[Range<usize>], around: Range<usize>) -> Self {
        let line =
            1 + source.as_bytes()[..around.start.min(source.len())].iter().filter(|&&b| b == b'\n').count();
        Excerpt::on_line(source, line, visible, around)
    }

    fn on_line(source: &str, first_line: usize, visible: &[Range<usize>], around: Range<usize>) -> Self {
        let start = around.start.min(source.len());
        let end = around.end.clamp(start, source.len());
        let bytes = source.as_bytes();
        let line_start = bytes[..start].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let line_start =
            if source[line_start..].starts_with('\u{FEFF}') { line_start + 3 } else { line_start };
        let from = back(source, line_start, start);
        let first_column = 1 + source.get(line_start..from).map_or(0, |cut| cut.chars().count());

        let mut text = String::new();
        let mut span = None;
        let mut lines = 1;
        let mut after = 0;
        let mut chars = source[from..].char_indices().map(|(at, c)| (from + at, c)).peekable();
        while let Some((at, c)) = chars.next() {
            if at >= start && span.is_none() {
                span = Some(text.len()..text.len());
            }
            if c == '\n' && (at >= end || lines == MAX_LINES) {
                break;
            }
            after += usize::from(at >= end);
            if after > MARGIN || text.len() > MAX_BYTES {
                break;
            }
            match c {
                '\n' => {
                    lines += 1;
                    text.push('\n');
                }
                '\r' if chars.peek().is_none_or(|(_, next)| *next == '\n') => {}
                ' ' | '\t' => text.push(c),
                _ if !misleads(c) && visible.iter().any(|range| range.contains(&at)) => text.push(c),
                _ => text.push(Self::MASK),
            }
            if let Some(span) = span.as_mut().filter(|_| at < end) {
                span.end = text.len();
            }
        }
        let span = span.unwrap_or(text.len()..text.len());
        Excerpt { text, first_line, first_column, span }
    }
}

/// From `start` back to where a shown line begins: its start, or [`MARGIN`] characters before.
fn back(source: &str, line_start: usize, start: usize) -> usize {
    let Some(before) = source.get(line_start..start) else { return line_start.min(start) };
    before.char_indices().rev().take(MARGIN).last().map_or(start, |(at, _)| line_start + at)
}

impl Document {
    /// The lines on which `around` lies, where only `visible` can be read, and the keys on these lines that
    /// lead to `id`.
    pub fn excerpt(&self, id: NodeId, visible: &[Range<usize>], around: Range<usize>) -> Excerpt {
        let mut shown = visible.to_vec();
        let mut at = Some(id);
        while let Some(id) = at {
            shown.extend(self.key_span(id).map(|key| key.start..self.sign_after(key.end)));
            at = self.parent(id);
        }
        Excerpt::on_line(self.text(), self.position(around.start).line, &shown, around)
    }

    /// The end of the `:` or `=` behind a key; the key's own end if none follows.
    fn sign_after(&self, key_end: usize) -> usize {
        let rest = &self.text()[key_end..];
        let sign = rest.trim_start_matches([' ', '\t']);
        if sign.starts_with([':', '=']) { key_end + (rest.len() - sign.len()) + 1 } else { key_end }
    }
}
