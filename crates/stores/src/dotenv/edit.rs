//! The dotenv dialect, written: a value is put into a text, and every other byte stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use modelmesh_secrets::{Error, ErrorKind, NameRule, Result, SecretName};
use zeroize::Zeroizing;

use super::parse::{BOM, Entry, Quote, Value, break_length, line_of, parse, winner};

/// What a key may hold, so that the readers of Python, Node and Docker Compose take it for a key too: letters
/// and digits, `_`, `.` and `-`. Reading is more generous.
pub const KEYS: NameRule = NameRule::Without(concat!(
    " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~",
    "\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}",
    "\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}",
));

pub(super) const KEYS_HELP: &str =
    "use letters, digits, '_', '.' and '-' alone, or set 'naming: screaming-snake' on the store";

/// What becomes of a key.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a value")]
pub enum Change<'a> {
    /// It gets this value.
    Set(&'a str),
    /// It goes, wherever it stands.
    Delete,
}

/// `text` with `changes` made, and every other byte as it was: comments, order, blank lines, line endings.
///
/// - A key that is there keeps its place, its `export`, the comment behind it, and its quotes where they do
///   for the new value. Of a key that is there several times, the one that counts is changed.
/// - A new key goes to the end. Of several changes of one key the last counts.
/// - To delete a key that is not there changes nothing.
/// - Fails with `InvalidName` for a key outside [`KEYS`], with `Unsupported` for a value with a NUL character,
///   with `Malformed` if `text` is no dotenv text, or if the result would not read back as meant.
///
/// A value is written so that [`parse`] gives back exactly it, and so that no other reader expands a part of
/// it:
///
/// | the value                                            | is written                    | is read by                |
/// | ---------------------------------------------------- | ----------------------------- | ------------------------- |
/// | letters, digits, `_./:@%+,=-` alone; nothing         | as it is                      | all                       |
/// | lines, with no `"`, `\`, `$`, `` ` `` and CR in them  | in `"`, `\n` for a line break | all but shells            |
/// | others without `'`, CR, `\\`, and `\` at the end     | in `'`                        | all                       |
/// | others without `"`, `\`, `$`, `` ` `` and CR          | in `"`                        | all                       |
/// | any other                                            | in `"`, with escapes          | Docker Compose, see below |
///
/// All are python-dotenv, Node's `dotenv` and `--env-file`, Docker Compose, and shells that source the file.
/// No spelling helps these:
///
/// - `docker run --env-file` knows no quotes, so it reads the first kind alone.
/// - python-dotenv replaces `${VAR}` in any quotes, unless it is told not to (`interpolate=False`).
/// - Escapes: python-dotenv leaves the `\` before `$` and `` ` ``, Docker Compose that before `` ` ``, Node all
///   but `\n` and `\r`. They are written all the same, for a shell would run what stands in `` ` `` and `$()`.
/// - A `\` at the end: python-dotenv takes the closing quote for a part of the value, and misreads the keys up
///   to the next quote.
///
/// ```
/// use modelmesh_secrets::SecretName;
/// use modelmesh_stores::dotenv::{Change, edit};
///
/// let (a, b) = (SecretName::new("A")?, SecretName::new("B")?);
/// let text = edit("# keys\nA=1 # one\n", [(&a, Change::Set("it's")), (&b, Change::Set("a b"))])?;
/// assert_eq!(*text, "# keys\nA=\"it's\" # one\nB='a b'\n");
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
pub fn edit<'a>(
    text: &str,
    changes: impl IntoIterator<Item = (&'a SecretName, Change<'a>)>,
) -> Result<Zeroizing<String>> {
    let entries = parse(text)?;
    let (names, changes) = last_of_each(changes);
    let mut splices = Vec::new();
    let mut new = Vec::new();
    for name in names {
        let key = name.as_str();
        match changes[name] {
            Change::Delete => {
                let doomed = entries.iter().filter(|entry| entry.key(text) == key);
                splices.extend(doomed.map(|entry| (entry.lines.clone(), Zeroizing::default())));
            }
            Change::Set(value) => {
                check(name, value)?;
                match place(&entries, text, key) {
                    Some(entry) => splices.push(replacement(entry, text, value)),
                    None => new.push((key, value)),
                }
            }
        }
    }
    splices.sort_unstable_by_key(|(span, _)| span.start);
    let export = if !entries.is_empty() && entries.iter().all(|entry| entry.export) { "export " } else { "" };
    let line_break = match text.find(['\n', '\r']) {
        Some(first) => &text[first..first + break_length(&text[first..])],
        None => "\n",
    };
    let edited = rewrite(text, &splices, &Addition { export, line_break, new: &new });
    verify(text, &entries, &edited, &changes)?;
    Ok(edited)
}

/// The changes by name, and the names in the order in which they were first given.
fn last_of_each<'a>(
    changes: impl IntoIterator<Item = (&'a SecretName, Change<'a>)>,
) -> (Vec<&'a SecretName>, BTreeMap<&'a SecretName, Change<'a>>) {
    let mut names = Vec::new();
    let mut last = BTreeMap::new();
    for (name, change) in changes {
        if last.insert(name, change).is_none() {
            names.push(name);
        }
    }
    (names, last)
}

fn check(name: &SecretName, value: &str) -> Result<()> {
    if !KEYS.allows(name) {
        return Err(Error::new(ErrorKind::InvalidName, "a dotenv file cannot hold this name")
            .with_name(name)
            .with_help(KEYS_HELP));
    }
    if value.contains('\0') {
        return Err(Error::unsupported("hold a value with a NUL character").with_name(name));
    }
    Ok(())
}

/// Where the value of `key` goes: to the entry that counts, or else to a key that stands alone.
fn place<'e>(entries: &'e [Entry], text: &str, key: &str) -> Option<&'e Entry> {
    winner(entries, text, key).or_else(|| entries.iter().rev().find(|entry| entry.key(text) == key))
}

type Splice = (Range<usize>, Zeroizing<String>);

fn replacement(entry: &Entry, text: &str, value: &str) -> Splice {
    let ends_line = |at: usize| text[at..].is_empty() || break_length(&text[at..]) > 0;
    let Some(Value { span, quote }) = &entry.value else {
        let end = entry.key.end;
        let quote = if ends_line(end) { Quote::None } else { Quote::Single };
        let mut assignment = Zeroizing::new(String::with_capacity(1 + longest(value)));
        assignment.push('=');
        assignment.push_str(&written(value, quote));
        return (end..end, assignment);
    };
    // `KEY= # comment` has the comment for its value in other dialects, and `KEY: ` has none.
    let nothing_would_show = value.is_empty() && !(text[..span.start].ends_with('=') && ends_line(span.end));
    // `KEY: =x` is the key `KEY:`.
    let colon_would_be_key = value.starts_with('=') && text[entry.key.end..].starts_with(':');
    let misread = nothing_would_show || colon_would_be_key;
    let quote = if *quote == Quote::None && misread { Quote::Single } else { *quote };
    (span.clone(), written(value, quote))
}

/// What goes to the end of the text: keys that it does not have.
struct Addition<'a> {
    export: &'static str,
    line_break: &'a str,
    new: &'a [(&'a str, &'a str)],
}

fn rewrite(text: &str, splices: &[Splice], addition: &Addition<'_>) -> Zeroizing<String> {
    let Addition { export, line_break, new } = *addition;
    let replaced: usize = splices.iter().map(|(_, new)| new.len()).sum();
    let added =
        new.iter().map(|(key, value)| export.len() + key.len() + 1 + longest(value) + line_break.len());
    // Room for all of it: growth would leave copies behind.
    let room = text.len() + replaced + 3 * line_break.len() + added.sum::<usize>();
    let mut edited = Zeroizing::new(String::with_capacity(room));
    let mut at = 0;
    for (span, new) in splices {
        edited.push_str(&text[at..span.start]);
        edited.push_str(new);
        at = span.end;
    }
    edited.push_str(&text[at..]);

    if !new.is_empty() {
        let open_line = !edited.is_empty() && *edited != BOM && !edited.ends_with(['\n', '\r']);
        // A `\` in the last line is a `\`; with an assignment in the next line it would be none.
        let backslash = edited.trim_end().ends_with('\\');
        // The CR that ends a line and an LF behind it would be one line break.
        let joined = backslash && edited.ends_with('\r') && line_break == "\n";
        let breaks = [open_line, backslash, joined].into_iter().filter(|needed| *needed);
        breaks.for_each(|_| edited.push_str(line_break));
    }
    for (key, value) in new {
        for part in [export, key, "=", &written(value, Quote::None), line_break] {
            edited.push_str(part);
        }
    }
    edited
}

/// Refuses `edited` unless it differs from `text` in what `changes` say and in nothing else.
///
/// There is one text of which no edit is sure: `'C:\dir\'` is a value only as long as none of the lines below has
/// a `'` that could end it too. [`parse`] says when that is, and so do the other readers.
fn verify(
    text: &str,
    entries: &[Entry],
    edited: &str,
    changes: &BTreeMap<&SecretName, Change<'_>>,
) -> Result<()> {
    let touched: BTreeSet<&str> = changes.keys().map(|name| name.as_str()).collect();
    let reads_as_meant = parse(edited).is_ok_and(|new| {
        others(entries, text, &touched).eq(others(&new, edited, &touched))
            && changes.iter().all(|(name, change)| match change {
                Change::Set(value) => winner(&new, edited, name.as_str())
                    .and_then(|entry| entry.value(edited))
                    .is_some_and(|read| *read == **value),
                Change::Delete => new.iter().all(|entry| entry.key(edited) != name.as_str()),
            })
    });
    if reads_as_meant {
        return Ok(());
    }
    let unsure = entries.iter().find(|entry| {
        let literal = |value: &&Value| matches!(value.quote, Quote::Single | Quote::Backtick);
        let value = entry.value.as_ref().filter(literal);
        value.is_some_and(|value| text[..value.span.end - 1].ends_with('\\'))
    });
    Err(match unsure {
        Some(entry) => Error::new(
            ErrorKind::Malformed,
            format!("line {}: this value would no longer end where it does", line_of(text, entry.key.start)),
        )
        .with_help(
            "a '\\' stands before its closing quote: put it in double quotes, with '\\\\' for each '\\'",
        ),
        None => Error::new(ErrorKind::Malformed, "the edited text would not read back as meant")
            .with_help("this is a defect; the file was left as it is"),
    })
}

/// The keys and values that nothing was to change.
fn others<'t>(
    entries: &'t [Entry],
    text: &'t str,
    touched: &BTreeSet<&str>,
) -> impl Iterator<Item = (&'t str, Option<Zeroizing<String>>)> {
    entries
        .iter()
        .map(|entry| (entry.key(text), entry))
        .filter(|(key, _)| !touched.contains(key))
        .map(|(key, entry)| (key, entry.value(text)))
}

/// The most bytes that a value takes in writing: every character escaped, and the quotes.
fn longest(value: &str) -> usize {
    2 * value.len() + 2
}

/// `value` as it stands in the file: in the quotes `kept` where they do, else in the first that do.
fn written(value: &str, kept: Quote) -> Zeroizing<String> {
    let order = [kept, Quote::None, Quote::Single, Quote::Double];
    let lines = value.contains('\n');
    // A value of several lines is one line in the file if nothing else needs an escape.
    let quote = match order.into_iter().find(|quote| fits(value, *quote)) {
        Some(Quote::Single) if lines && kept != Quote::Single && fits(value, Quote::Double) => Quote::Double,
        Some(quote) => quote,
        None => return escaped(value),
    };
    let mark = match quote {
        Quote::None => "",
        Quote::Single => "'",
        Quote::Backtick => "`",
        Quote::Double => return escaped(value),
    };
    let mut text = Zeroizing::new(String::with_capacity(longest(value)));
    for part in [mark, value, mark] {
        text.push_str(part);
    }
    text
}

/// Whether every reader that knows these quotes reads `value` out of them.
fn fits(value: &str, quote: Quote) -> bool {
    match quote {
        Quote::None => value.chars().all(|c| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c)),
        Quote::Single => !value.contains(['\'', '\r']) && !value.contains("\\\\") && !value.ends_with('\\'),
        Quote::Backtick => !value.contains(['`', '\r']) && !value.ends_with('\\'),
        Quote::Double => !value.contains(['"', '\\', '$', '`', '\r']),
    }
}

fn escaped(value: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(longest(value)));
    text.push('"');
    for c in value.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '"' | '\\' | '$' | '`' => {
                text.push('\\');
                text.push(c);
            }
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
