//! The dotenv dialect, read: which keys a text holds, and where.
//!
//! There is no standard. This reader takes what the readers of Node, Python and Docker Compose agree on, takes
//! what only one of them knows where the others would fail anyway, and refuses a line that two of them would
//! read as different secrets. It is linear in the length of the text.

use std::ops::Range;

use modelmesh_secrets::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// Some editors put it before the first line. It is no part of a key.
pub(super) const BOM: &str = "\u{FEFF}";

/// One `KEY=value` of a dotenv text, or a `KEY` alone.
///
/// It holds places in the text, so that an edit can keep every other byte; the value is decoded when asked for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From the start of the entry's first line past the end of its last, line break included.
    pub(super) lines: Range<usize>,
    pub(super) key: Range<usize>,
    pub(super) export: bool,
    pub(super) value: Option<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The value as written, quotes included.
    pub(super) span: Range<usize>,
    pub(super) quote: Quote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
    Backtick,
}

impl Entry {
    /// The key. `text` is the text that was parsed.
    pub fn key<'t>(&self, text: &'t str) -> &'t str {
        &text[self.key.clone()]
    }

    /// The value, unquoted and unescaped; none of a key that stands alone. `text` is the text that was parsed.
    pub fn value(&self, text: &str) -> Option<Zeroizing<String>> {
        let Value { span, quote } = self.value.as_ref()?;
        let written = &text[span.clone()];
        Some(match quote {
            Quote::None => decode_unquoted(written),
            Quote::Single => decode_single(&written[1..written.len() - 1]),
            Quote::Double => decode_double(&written[1..written.len() - 1]),
            Quote::Backtick => decode_literal(&written[1..written.len() - 1]),
        })
    }
}

/// Reads a dotenv text.
///
/// - `KEY=value`, with blanks around `=` and `export ` before the key; `KEY: value` is read too.
/// - Unquoted: up to the end of the line or a `#` behind a blank, without the blanks around it. A `\` at the
///   end of the line goes on in the next line.
/// - `'single'`: as it stands, over several lines; `\'` is a quote.
/// - `"double"`: over several lines; `\n \r \t \a \b \f \v \\ \" \' \$ \`` are unescaped, a `\` before a line
///   break takes the break away, any other `\` stands for itself.
/// - `` `backtick` ``: as it stands, over several lines.
/// - A line break inside quotes is read as `\n`, whatever ends the file's lines.
/// - `$VAR` and `${VAR}` are not replaced: a value may hold any `$`.
/// - A `KEY` alone has no value. Of several values of one key the last counts.
///
/// Fails with `Malformed` and the number of the line, never with its text.
///
/// ```
/// let text = "# for tests\nexport OPENAI_KEY='sk-1' # rotated in May\n";
/// let entries = modelmesh_stores::dotenv::parse(text)?;
/// assert_eq!(entries[0].key(text), "OPENAI_KEY");
/// assert_eq!(*entries[0].value(text).unwrap(), "sk-1");
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut reader = Reader { text, at: if text.starts_with(BOM) { BOM.len() } else { 0 } };
    let mut entries = Vec::new();
    while reader.at < text.len() {
        match reader.entry() {
            Ok(entry) => entries.extend(entry),
            Err(fault) => return Err(fault.into_error(text)),
        }
    }
    Ok(entries)
}

/// The entry that a reader of `text` gets for `key`: the last one with a value.
pub(super) fn winner<'e>(entries: &'e [Entry], text: &str, key: &str) -> Option<&'e Entry> {
    entries.iter().rev().find(|entry| entry.value.is_some() && entry.key(text) == key)
}

/// What is wrong, and where. It must not hold any of the text.
struct Fault {
    at: usize,
    what: &'static str,
    help: &'static str,
}

impl Fault {
    fn into_error(self, text: &str) -> Error {
        Error::new(ErrorKind::Malformed, format!("line {}: {}", line_of(text, self.at), self.what))
            .with_help(self.help)
    }
}

/// The number of the line on which the byte `at` stands, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let bytes = &text.as_bytes()[..at];
    let ends = |(i, &b): (usize, &u8)| b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    1 + bytes.iter().enumerate().filter(|&pair| ends(pair)).count()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn next_is(&self, c: char) -> bool {
        self.rest().starts_with(c)
    }

    fn at_line_end(&self) -> bool {
        self.rest().is_empty() || self.next_is('\n') || self.next_is('\r')
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
    }

    /// Files that were put together have a byte order mark in the middle. If it were a part of the key, the key
    /// would be another once the lines before it are gone.
    fn skip_indent(&mut self) {
        let before_key = |c: char| is_blank(c) || BOM.contains(c);
        self.at += self.rest().len() - self.rest().trim_start_matches(before_key).len();
    }

    fn skip_line(&mut self) {
        self.at += line_length(self.rest());
        self.at += break_length(self.rest());
    }

    /// Reads the line at hand, and those that its value goes on in. A blank line and a comment are no entry.
    fn entry(&mut self) -> Result<Option<Entry>, Fault> {
        let start = self.at;
        self.skip_indent();
        if self.at_line_end() || self.next_is('#') {
            self.skip_line();
            return Ok(None);
        }
        let head = self.head();
        let (key, value) = match head.separator {
            Separator::None => {
                if !(self.at_line_end() || self.next_is('#')) || !is_plain_key(&self.text[head.key.clone()]) {
                    return Err(Fault {
                        at: start,
                        what: "neither KEY=value nor a comment",
                        help: "a value of several lines must stand in quotes; a comment starts with '#'",
                    });
                }
                (head.key, None)
            }
            Separator::Sign => {
                if head.key.is_empty() {
                    return Err(Fault { at: start, what: "no key before the '='", help: "write KEY=value" });
                }
                (head.key, Some(self.value()?))
            }
        };
        self.skip_line();
        Ok(Some(Entry { lines: start..self.at, key, export: head.export, value }))
    }

    /// Reads up to the separator, and the separator with it.
    fn head(&mut self) -> Head {
        let mut key = self.key();
        self.skip_blanks();
        let mut export = false;
        if &self.text[key.clone()] == "export" && self.at > key.end && !self.next_is('=') {
            let next = self.key();
            // `export` with nothing but a comment behind it is a key of that name.
            if !next.is_empty() {
                (key, export) = (next, true);
                self.skip_blanks();
            }
        }
        if self.next_is('=') {
            self.at += 1;
            return Head { key, export, separator: Separator::Sign };
        }
        // `KEY: value`, of Node and Docker Compose. A colon that nothing follows is no separator for them.
        let colon = self.text[key.clone()].ends_with(':') && key.len() > 1;
        if colon && self.at > key.end && !self.at_line_end() && !self.next_is('#') {
            key.end -= 1;
            return Head { key, export, separator: Separator::Sign };
        }
        Head { key, export, separator: Separator::None }
    }

    fn key(&mut self) -> Range<usize> {
        let start = self.at;
        let ends = |c: char| c.is_whitespace() || matches!(c, '=' | '#' | '\'' | '"' | '`');
        self.at += self.rest().find(ends).unwrap_or(self.rest().len());
        start..self.at
    }

    /// Reads a value up to the blanks or the comment behind it.
    fn value(&mut self) -> Result<Value, Fault> {
        let after_separator = self.at;
        self.skip_blanks();
        let start = self.at;
        let (quote, end) = match self.rest().as_bytes().first() {
            Some(b'\'') => (Quote::Single, self.literal_end('\'')?),
            Some(b'`') => (Quote::Backtick, self.literal_end('`')?),
            Some(b'"') => (Quote::Double, self.double_end()?),
            // Nothing but a comment: the place for a value is right behind the separator.
            Some(b'#') if start > after_separator => {
                return Ok(Value { span: after_separator..after_separator, quote: Quote::None });
            }
            Some(b'\n' | b'\r') | None => {
                return Ok(Value { span: after_separator..after_separator, quote: Quote::None });
            }
            Some(_) => (Quote::None, self.unquoted_end()?),
        };
        self.at = end;
        if quote != Quote::None && !is_clean_tail(self.rest()) {
            return Err(Fault {
                at: start,
                what: "text behind the closing quote",
                help: "put the whole value in one pair of quotes",
            });
        }
        Ok(Value { span: start..end, quote })
    }

    /// The end of a value in `'` or `` ` ``, from its opening quote on.
    ///
    /// A quote behind a backslash belongs to the value, as in the other dialects, but `'C:\dir\'` is a value
    /// too. As in Node: the first quote without a backslash ends the value if nothing but a comment follows it;
    /// otherwise the last one with a backslash of which that is true.
    fn literal_end(&self, quote: char) -> Result<usize, Fault> {
        let content = self.at + 1;
        let mut behind_backslash = None;
        for (i, _) in self.text[content..].match_indices(quote) {
            let end = content + i + 1;
            let clean = is_clean_tail(&self.text[end..]);
            if !self.text[content..content + i].ends_with('\\') {
                // If no end is clean, this one is reported by the caller.
                return Ok(if clean { end } else { behind_backslash.unwrap_or(end) });
            }
            if clean {
                behind_backslash = Some(end);
            }
        }
        behind_backslash.ok_or_else(|| self.unterminated())
    }

    /// The end of a value in `"`, from its opening quote on.
    fn double_end(&self) -> Result<usize, Fault> {
        let mut bytes = self.rest().bytes().enumerate().skip(1);
        while let Some((i, byte)) = bytes.next() {
            match byte {
                b'"' => return Ok(self.at + i + 1),
                b'\\' => _ = bytes.next(),
                _ => {}
            }
        }
        Err(self.unterminated())
    }

    fn unterminated(&self) -> Fault {
        Fault {
            at: self.at,
            what: "the quote that opens here is never closed",
            help: "close it, or if the quote is a part of the value put the value in quotes of another kind",
        }
    }

    /// The end of a value without quotes, over the lines that a backslash joins.
    fn unquoted_end(&self) -> Result<usize, Fault> {
        let mut line_start = self.at;
        loop {
            let line = &self.text[line_start..line_start + line_length(&self.text[line_start..])];
            let (shown, comment) = without_comment(line);
            let end = line_start + shown.len();
            if comment || !shown.ends_with('\\') {
                return Ok(end);
            }
            let line_end = line_start + line.len();
            let next_start = line_end + break_length(&self.text[line_end..]);
            match self.follows_up(next_start) {
                FollowUp::Nothing => return Ok(end),
                FollowUp::Continuation => line_start = next_start,
                // `DIR=C:\tools\` in every other dialect, a continuation in the existing package: two
                // readers would disagree on both values.
                FollowUp::Assignment => {
                    return Err(Fault {
                        at: line_start,
                        what: "a '\\' ends this line, and the next line has a '='",
                        help: "put the value in quotes: single quotes keep a '\\', double quotes join lines",
                    });
                }
            }
        }
    }

    fn follows_up(&self, next_start: usize) -> FollowUp {
        let mut next = Reader { text: self.text, at: next_start };
        next.skip_blanks();
        if next.at_line_end() || next.next_is('#') {
            return FollowUp::Nothing;
        }
        match next.head().separator {
            Separator::Sign => FollowUp::Assignment,
            Separator::None => FollowUp::Continuation,
        }
    }
}

struct Head {
    key: Range<usize>,
    export: bool,
    separator: Separator,
}

enum Separator {
    Sign,
    None,
}

enum FollowUp {
    Nothing,
    Continuation,
    Assignment,
}

/// White space that does not end a line.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n' && c != '\r'
}

/// Whether `key` may stand alone on a line. Stricter than a key before `=`: a line of a key file that lost its
/// quotes must not pass for a name.
fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The length of the first line, without its break.
fn line_length(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

/// The length of the line break that `text` starts with: `\n`, `\r\n`, or a lone `\r`.
pub(super) fn break_length(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with(['\n', '\r'])) }
}

/// Whether nothing but blanks and a comment stands before the line's end.
fn is_clean_tail(text: &str) -> bool {
    let tail = text.trim_start_matches(is_blank);
    tail.is_empty() || tail.starts_with(['#', '\n', '\r'])
}

/// A line without the comment behind a blank, and without the blanks at its end; and whether there was one.
fn without_comment(line: &str) -> (&str, bool) {
    let comment = line.match_indices('#').find(|(i, _)| line[..*i].ends_with(is_blank));
    (comment.map_or(line, |(i, _)| &line[..i]).trim_end_matches(is_blank), comment.is_some())
}

/// A buffer that never grows: no decoding makes a text longer, and growth would leave copies behind.
fn buffer(written: &str) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(written.len()))
}

/// Joins the lines that a backslash ended.
fn decode_unquoted(written: &str) -> Zeroizing<String> {
    let mut value = buffer(written);
    let mut rest = written;
    loop {
        let (line, after) = rest.split_at(line_length(rest));
        if after.is_empty() {
            value.push_str(line);
            return value;
        }
        let line = line.trim_end_matches(is_blank);
        value.push_str(line.strip_suffix('\\').unwrap_or(line));
        rest = &after[break_length(after)..];
    }
}

fn decode_literal(written: &str) -> Zeroizing<String> {
    let mut value = buffer(written);
    push_lines(&mut value, written);
    value
}

fn decode_single(written: &str) -> Zeroizing<String> {
    let mut value = buffer(written);
    for (i, part) in written.split("\\'").enumerate() {
        if i > 0 {
            value.push('\'');
        }
        push_lines(&mut value, part);
    }
    value
}

fn decode_double(written: &str) -> Zeroizing<String> {
    let mut value = buffer(written);
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        push_lines(&mut value, before);
        let joined = break_length(after);
        if joined > 0 {
            rest = &after[joined..];
            continue;
        }
        if let Some(c) = after.chars().next().and_then(unescape) {
            value.push(c);
            // Every character that can be escaped is one byte.
            rest = &after[1..];
        } else {
            value.push('\\');
            rest = after;
        }
    }
    push_lines(&mut value, rest);
    value
}

fn unescape(c: char) -> Option<char> {
    Some(match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '"' | '\'' | '$' | '`' => c,
        _ => return None,
    })
}

/// Appends `text` with every line break as `\n`.
fn push_lines(value: &mut Zeroizing<String>, mut text: &str) {
    while let Some(end) = text.find('\r') {
        value.push_str(&text[..end]);
        value.push('\n');
        text = &text[end + break_length(&text[end..])..];
    }
    value.push_str(text);
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
