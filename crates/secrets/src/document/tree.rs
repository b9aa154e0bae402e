//! The arena that holds a document, and the builder through which every parser fills it.
//!
//! Nothing here recurses: depth is bounded by [`Limits`] before a parser goes deeper, and an arena drops flat.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{Limits, NodeId, SyntaxError};

/// A range of bytes of the source. `u32`, for a document is below 4 GiB and has as many spans as nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Offsets fit: [`Builder::new`] refused any larger text.
    #[allow(clippy::cast_possible_truncation, reason = "the text is shorter than u32::MAX")]
    pub(super) fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Where a scalar's text stands: in the source as it is, or decoded on the side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Words {
    Source(Span),
    Decoded(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stored {
    Null,
    Boolean(bool),
    Number(Words),
    Text(Words),
    /// A slice of [`Tree::items`].
    Sequence(Span),
    /// A slice of [`Tree::entries`].
    Mapping(Span),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StoredNode {
    pub(super) stored: Stored,
    pub(super) span: Span,
    /// The collection that holds the node's definition; the root is its own parent.
    pub(super) parent: NodeId,
    /// The place among the parent's children, or [`MERGED`].
    pub(super) slot: u32,
}

/// The slot of a node that stands under a merge key, which is not an entry.
pub(super) const MERGED: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct StoredEntry {
    pub(super) key: Words,
    pub(super) key_span: Span,
    pub(super) value: NodeId,
}

/// A parsed document, apart from its text.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<StoredNode>,
    pub(super) items: Vec<NodeId>,
    pub(super) entries: Vec<StoredEntry>,
    /// For each mapping, parallel to its slice of `entries`: their places in the order of their keys.
    pub(super) by_key: Vec<u32>,
    /// Text scalars in source order.
    pub(super) texts: Vec<NodeId>,
    decoded: Vec<Zeroizing<String>>,
}

impl Tree {
    pub(super) fn node(&self, id: NodeId) -> &StoredNode {
        &self.nodes[id.index()]
    }

    pub(super) fn words<'a>(&'a self, source: &'a str, words: Words) -> &'a str {
        match words {
            Words::Source(span) => &source[span.range()],
            Words::Decoded(index) => &self.decoded[index as usize],
        }
    }

    /// The text of a text scalar.
    pub(super) fn text<'a>(&'a self, source: &'a str, id: NodeId) -> Option<&'a str> {
        match self.node(id).stored {
            Stored::Text(words) => Some(self.words(source, words)),
            _ => None,
        }
    }

    pub(super) fn entries(&self, id: NodeId) -> &[StoredEntry] {
        match self.node(id).stored {
            Stored::Mapping(slice) => &self.entries[slice.range()],
            _ => &[],
        }
    }

    pub(super) fn items(&self, id: NodeId) -> &[NodeId] {
        match self.node(id).stored {
            Stored::Sequence(slice) => &self.items[slice.range()],
            _ => &[],
        }
    }

    pub(super) fn get(&self, source: &str, id: NodeId, key: &str) -> Option<NodeId> {
        let Stored::Mapping(slice) = self.node(id).stored else { return None };
        let (entries, order) = (&self.entries[slice.range()], &self.by_key[slice.range()]);
        order
            .binary_search_by(|&at| self.words(source, entries[at as usize].key).cmp(key))
            .ok()
            .map(|found| entries[order[found] as usize].value)
    }
}

/// A scalar as a parser read it.
pub(super) struct Scalar<'a> {
    pub(super) kind: ScalarKind,
    pub(super) text: Cow<'a, str>,
    /// Where the text stands in the source, if it stands there verbatim.
    pub(super) text_at: usize,
    pub(super) span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Null,
    Boolean(bool),
    Number,
    Text,
}

struct Frame {
    id: NodeId,
    /// Where this collection's children start among the pending ones.
    start: usize,
    /// In a mapping: the key whose value comes next.
    key: Option<PendingKey>,
    is_mapping: bool,
    /// Where the value of a merge key stands among the pending entries.
    merge: Option<usize>,
}

struct PendingKey {
    key: Words,
    span: Span,
    is_merge: bool,
}

/// Fills a [`Tree`] in source order and keeps it within [`Limits`].
pub(super) struct Builder<'a> {
    source: &'a str,
    limits: &'a Limits,
    tree: Tree,
    stack: Vec<Frame>,
    pending_items: Vec<NodeId>,
    pending_entries: Vec<StoredEntry>,
    /// How many nodes each node stands for once aliases are followed; kept only once there is an alias.
    sizes: Vec<u32>,
    expanded: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a str, limits: &'a Limits) -> Self {
        Builder {
            source,
            limits,
            tree: Tree::default(),
            stack: Vec::new(),
            pending_items: Vec::new(),
            pending_entries: Vec::new(),
            sizes: Vec::new(),
            expanded: 0,
        }
    }

    /// Whether the next scalar is a key.
    pub(super) fn expects_key(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.is_mapping && frame.key.is_none())
    }

    pub(super) fn key(&mut self, text: Cow<'a, str>, text_at: usize, span: Span, is_merge: bool) {
        let key = self.keep(text, text_at);
        if let Some(frame) = self.stack.last_mut() {
            frame.key = Some(PendingKey { key, span, is_merge });
        }
    }

    pub(super) fn scalar(&mut self, scalar: Scalar<'a>) -> Result<NodeId, SyntaxError> {
        let stored = match scalar.kind {
            ScalarKind::Null => Stored::Null,
            ScalarKind::Boolean(value) => Stored::Boolean(value),
            ScalarKind::Number => Stored::Number(self.keep(scalar.text, scalar.text_at)),
            ScalarKind::Text => Stored::Text(self.keep(scalar.text, scalar.text_at)),
        };
        let id = self.define(stored, scalar.span)?;
        if scalar.kind == ScalarKind::Text {
            self.tree.texts.push(id);
        }
        Ok(id)
    }

    pub(super) fn open(&mut self, is_mapping: bool, span: Span) -> Result<NodeId, SyntaxError> {
        if self.stack.len() >= self.limits.max_depth {
            return Err(SyntaxError::new("the file is nested too deeply", span.range())
                .with_help(format!("at most {} levels are read", self.limits.max_depth)));
        }
        let empty = Span::new(0, 0);
        let stored = if is_mapping { Stored::Mapping(empty) } else { Stored::Sequence(empty) };
        let id = self.define(stored, span)?;
        let start = if is_mapping { self.pending_entries.len() } else { self.pending_items.len() };
        self.stack.push(Frame { id, start, key: None, is_mapping, merge: None });
        Ok(id)
    }

    /// Ends the collection opened last, whose text ends at `end`.
    pub(super) fn close(&mut self, end: usize) -> Result<NodeId, SyntaxError> {
        let Some(frame) = self.stack.pop() else { unreachable!("a parser closes what it opened") };
        let stored = if frame.is_mapping {
            Stored::Mapping(self.close_mapping(&frame)?)
        } else {
            let start = self.tree.items.len();
            self.tree.items.extend(self.pending_items.drain(frame.start..));
            Stored::Sequence(Span::new(start, self.tree.items.len()))
        };
        let size = self.subtree_size(stored);
        let index = frame.id.index();
        if let Some(kept) = self.sizes.get_mut(index) {
            *kept = size;
        }
        let node = &mut self.tree.nodes[index];
        node.stored = stored;
        node.span.end = node.span.end.max(Span::new(0, end).end);
        Ok(frame.id)
    }

    /// Lets what comes next be the node `target` again.
    pub(super) fn alias(&mut self, target: NodeId, span: Span) -> Result<(), SyntaxError> {
        let size = self.size(target) as usize;
        self.count(size, span)?;
        self.attach(target);
        Ok(())
    }

    /// Whether nothing was defined yet.
    pub(super) fn is_empty(&self) -> bool {
        self.tree.nodes.is_empty()
    }

    /// Whether `id` is a collection whose end is still to come.
    pub(super) fn is_open(&self, id: NodeId) -> bool {
        self.stack.iter().any(|frame| frame.id == id)
    }

    /// Ends the document.
    pub(super) fn finish(self) -> Tree {
        debug_assert!(self.stack.is_empty(), "every collection was closed");
        self.tree
    }

    fn keep(&mut self, text: Cow<'a, str>, at: usize) -> Words {
        let end = at + text.len();
        if self.source.get(at..end) == Some(&*text) {
            return Words::Source(Span::new(at, end));
        }
        self.tree.decoded.push(Zeroizing::new(text.into_owned()));
        Words::Decoded(index_u32(self.tree.decoded.len() - 1))
    }

    fn define(&mut self, stored: Stored, span: Span) -> Result<NodeId, SyntaxError> {
        self.count(1, span)?;
        let id = NodeId(index_u32(self.tree.nodes.len()));
        let (parent, slot) = match self.stack.last() {
            None => (id, 0),
            Some(frame) if frame.key.as_ref().is_some_and(|key| key.is_merge) => (frame.id, MERGED),
            Some(frame) if frame.is_mapping => {
                (frame.id, index_u32(self.pending_entries.len() - frame.start))
            }
            Some(frame) => (frame.id, index_u32(self.pending_items.len() - frame.start)),
        };
        self.tree.nodes.push(StoredNode { stored, span, parent, slot });
        self.sizes.push(1);
        self.attach(id);
        Ok(id)
    }

    /// Puts `id` where the open collection expects its next child.
    fn attach(&mut self, id: NodeId) {
        let Some(frame) = self.stack.last_mut() else { return };
        if !frame.is_mapping {
            self.pending_items.push(id);
        } else if let Some(key) = frame.key.take() {
            if key.is_merge {
                frame.merge = Some(self.pending_entries.len());
            }
            self.pending_entries.push(StoredEntry { key: key.key, key_span: key.span, value: id });
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), SyntaxError> {
        self.expanded = self.expanded.saturating_add(nodes);
        if self.expanded <= self.limits.max_nodes {
            return Ok(());
        }
        Err(SyntaxError::new("the file holds too many values, counting each use of an alias", span.range())
            .with_help(format!("at most {} are read", self.limits.max_nodes)))
    }

    fn size(&self, id: NodeId) -> u32 {
        self.sizes[id.index()]
    }

    fn subtree_size(&self, stored: Stored) -> u32 {
        let sum = |total: u32, id: NodeId| total.saturating_add(self.size(id));
        match stored {
            Stored::Sequence(slice) => self.tree.items[slice.range()].iter().copied().fold(1, sum),
            Stored::Mapping(slice) => {
                self.tree.entries[slice.range()].iter().map(|entry| entry.value).fold(1, sum)
            }
            _ => 1,
        }
    }

    fn close_mapping(&mut self, frame: &Frame) -> Result<Span, SyntaxError> {
        let start = self.tree.entries.len();
        self.tree.entries.extend(self.pending_entries.drain(frame.start..));
        let mut order = self.sorted(start);
        if let Some(repeated) = self.first_repeated(start, &order) {
            return Err(repeated);
        }
        if let Some(at) = frame.merge {
            self.merge(frame.id, start, at - frame.start)?;
            order = self.sorted(start);
        }
        self.tree.by_key.append(&mut order);
        Ok(Span::new(start, self.tree.entries.len()))
    }

    /// The places of the entries from `start` on, in the order of their keys.
    fn sorted(&self, start: usize) -> Vec<u32> {
        let entries = &self.tree.entries[start..];
        let mut order: Vec<u32> = (0..index_u32(entries.len())).collect();
        order.sort_by_key(|&at| self.tree.words(self.source, entries[at as usize].key));
        order
    }

    /// The error of the first key of the source that was there before.
    fn first_repeated(&self, start: usize, order: &[u32]) -> Option<SyntaxError> {
        let entries = &self.tree.entries[start..];
        let key = |at: u32| self.tree.words(self.source, entries[at as usize].key);
        // The sort is stable: of two equal keys, the right one came later.
        let later = order.windows(2).filter(|pair| key(pair[0]) == key(pair[1])).map(|pair| pair[1]).min()?;
        Some(
            SyntaxError::new("this key is already in the mapping", entries[later as usize].key_span.range())
                .with_help("remove one of the two"),
        )
    }

    /// Replaces the entry `<<` at place `at` of the mapping `id` by the entries that it merges.
    ///
    /// As YAML's merge key has it: the mapping's own keys win, then the earlier of several sources.
    fn merge(&mut self, id: NodeId, start: usize, at: usize) -> Result<(), SyntaxError> {
        let merged = self.tree.entries.remove(start + at);
        for slot in start + at..self.tree.entries.len() {
            let value = &mut self.tree.nodes[self.tree.entries[slot].value.index()];
            // An alias's target keeps the slot of its definition, which came before.
            if value.parent == id && value.slot == index_u32(slot - start + 1) {
                value.slot -= 1;
            }
        }
        let sources = match self.tree.node(merged.value).stored {
            Stored::Sequence(slice) => self.tree.items[slice.range()].to_vec(),
            _ => vec![merged.value],
        };
        for source in sources {
            let Stored::Mapping(slice) = self.tree.node(source).stored else {
                return Err(SyntaxError::new(
                    "a merge key takes a mapping, or a list of mappings",
                    merged.key_span.range(),
                )
                .with_help("give it an alias such as *defaults"));
            };
            self.tree.entries.extend_from_within(slice.range());
        }
        let order = self.sorted(start);
        let entries = &self.tree.entries[start..];
        let key = |at: u32| self.tree.words(self.source, entries[at as usize].key);
        let mut keep = vec![true; entries.len()];
        for pair in order.windows(2).filter(|pair| key(pair[0]) == key(pair[1])) {
            keep[pair[1] as usize] = false;
        }
        let kept: Vec<StoredEntry> =
            entries.iter().zip(keep).filter_map(|(entry, keep)| keep.then_some(*entry)).collect();
        self.tree.entries.truncate(start);
        self.tree.entries.extend(kept);
        Ok(())
    }
}

/// An index as the arena keeps it: there are fewer nodes than bytes, and fewer bytes than `u32::MAX`.
#[allow(clippy::cast_possible_truncation, reason = "an arena is shorter than the source, except for merges")]
pub(super) fn index_u32(index: usize) -> u32 {
    index as u32
}
