//! Where things are: lines and columns, and paths through the tree.

use std::{fmt, fmt::Write as _, ops::Range, sync::OnceLock};

use super::{Document, Entry, NodeId, tree::MERGED};

/// A line and a column, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Position {
    /// The position of a byte of `text`. To ask for many, use [`Document::position`].
    pub fn of(text: &str, byte: usize) -> Self {
        let byte = floor_char(text, byte);
        let start = text[..byte].rfind('\n').map_or(0, |end| end + 1);
        let line = 1 + text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count();
        Position { line, column: column(text, start, byte) }
    }
}

/// Where each line starts, found when first asked.
#[derive(Default)]
pub(super) struct Lines(OnceLock<Box<[usize]>>);

impl Lines {
    fn starts(&self, text: &str) -> &[usize] {
        self.0.get_or_init(|| {
            let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).collect()
        })
    }
}

/// The start of the character in which `byte` lies.
fn floor_char(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

fn column(text: &str, line_start: usize, byte: usize) -> usize {
    let before = &text[line_start..byte];
    // An editor does not show a byte order mark.
    let before = if line_start == 0 { before.trim_start_matches('\u{FEFF}') } else { before };
    1 + before.chars().count()
}

impl Document {
    /// The line and column of a byte of the source.
    pub fn position(&self, byte: usize) -> Position {
        let text = self.text();
        let byte = floor_char(text, byte);
        let starts = self.lines.starts(text);
        let line = starts.partition_point(|&start| start <= byte);
        Position { line, column: column(text, starts[line - 1], byte) }
    }

    /// Where the key of `id` is written; none for an item of a list and for the root.
    pub fn key_span(&self, id: NodeId) -> Option<Range<usize>> {
        self.entry_of(id).map(|entry| entry.key_span)
    }

    /// The configuration path at which `id` is defined: `providers.openai.api_key`, `servers[0].key`,
    /// `a."b.c"`. The root's is empty. Safe to print: control characters in keys are escaped.
    pub fn path(&self, id: NodeId) -> String {
        let mut chain = vec![id];
        while let Some(parent) = self.parent(chain[chain.len() - 1]) {
            chain.push(parent);
        }
        let mut path = String::new();
        for &id in chain.iter().rev().skip(1) {
            match self.entry_of(id) {
                Some(entry) => push_key(&mut path, entry.key),
                None if self.tree.node(id).slot == MERGED => push_key(&mut path, "<<"),
                None => _ = write!(path, "[{}]", self.tree.node(id).slot),
            }
        }
        path
    }

    /// Every text at or under `id`, with its path from there: `api_key`, `headers.organization`, `keys[0]`.
    ///
    /// What an alias stands for is there at each place of the alias.
    pub fn texts_under(&self, id: NodeId) -> Vec<(String, NodeId)> {
        let mut texts = Vec::new();
        let mut open = vec![(String::new(), id)];
        while let Some((path, id)) = open.pop() {
            if self.string(id).is_some() {
                texts.push((path, id));
                continue;
            }
            for entry in self.entries(id) {
                let mut path = path.clone();
                push_key(&mut path, entry.key);
                open.push((path, entry.value));
            }
            for (at, &item) in self.items(id).iter().enumerate() {
                open.push((format!("{path}[{at}]"), item));
            }
        }
        texts.sort_unstable_by_key(|(_, id)| *id);
        texts
    }

    fn entry_of(&self, id: NodeId) -> Option<Entry<'_>> {
        let parent = self.parent(id)?;
        let slot = self.tree.node(id).slot;
        // A merge key's own value is no entry.
        let slot = (slot != MERGED).then_some(slot as usize)?;
        self.tree.entries(parent).get(slot).map(|entry| self.entry(entry))
    }
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '<');
    // Writing to a string cannot fail.
    _ = if !key.is_empty() && key.chars().all(bare) {
        write!(path, "{key}")
    } else {
        let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
        write!(path, "\"{}\"", crate::printable(&quoted))
    };
}
