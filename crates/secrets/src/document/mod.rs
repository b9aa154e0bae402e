//! Configuration files as located documents: one tree for YAML, JSON and TOML, in which everything knows its
//! place, and edits that leave every other byte as it was.
//!
//! ```
//! use modelmesh_secrets::document::{Document, Format, Limits};
//!
//! let document = Document::parse("openai:\n  key: ${secrets:openai}\n", Format::Yaml, &Limits::default())?;
//! let (id, text) = document.strings().next().unwrap();
//! assert_eq!(text, "${secrets:openai}");
//! assert_eq!(document.path(id), "openai.key");
//! assert_eq!(document.position(document.span(id).start).to_string(), "2:8");
//! # Ok::<(), modelmesh_secrets::document::SyntaxError>(())
//! ```

mod edit;
mod excerpt;
mod json;
mod locate;
mod place;
#[cfg(test)]
mod tests;
mod toml;
mod tree;
mod yaml;

use std::{borrow::Cow, fmt, ops::Range, path::Path, sync::Arc};

pub use edit::quoted;
pub use excerpt::Excerpt;
pub use place::Position;

use self::{
    place::Lines,
    tree::{Stored, StoredEntry, Tree},
};

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2 with the core schema, one document, and merge keys (`<<`).
    Yaml,
    /// Strict JSON (RFC 8259).
    Json,
    /// TOML 1.1.
    Toml,
}

impl Format {
    /// The format that a file's extension names: `yaml`, `yml`, `json` or `toml`, in either case.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }

    /// The format that a path's extension names.
    pub fn from_path(path: &Path) -> Option<Self> {
        Format::from_extension(path.extension()?.to_str()?)
    }
}

/// What a file may ask of the machine that reads it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The longest file, in bytes: 64 MiB.
    pub max_bytes: usize,
    /// The deepest nesting of mappings and lists: 128. TOML files end at about 80 in any case.
    pub max_depth: usize,
    /// The most values, where each use of an alias counts all that it stands for: 4,000,000.
    pub max_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_bytes: 64 << 20, max_depth: 128, max_nodes: 4_000_000 }
    }
}

/// Why a text is not a document. Its message never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyntaxError {
    /// What is wrong: lower case, no final dot.
    pub message: Cow<'static, str>,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What the reader may try.
    pub help: Option<Cow<'static, str>>,
}

impl SyntaxError {
    fn new(message: impl Into<Cow<'static, str>>, span: Range<usize>) -> Self {
        SyntaxError { message: message.into(), span, help: None }
    }

    fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::printable(&self.message))
    }
}

impl std::error::Error for SyntaxError {}

/// A value of a document. It means nothing to another document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'d> {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, or a date of TOML, as it is written.
    Number(Literal<'d>),
    /// Text, decoded.
    Text(Literal<'d>),
    /// A list: see [`Document::items`].
    Sequence,
    /// A mapping: see [`Document::entries`].
    Mapping,
}

impl Kind<'_> {
    /// The kind in an error message: "a mapping", "text", and so on.
    pub fn describe(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean(_) => "a truth value",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::Sequence => "a list",
            Kind::Mapping => "a mapping",
        }
    }
}

/// The text of a scalar. It may be a plaintext key, so it is not shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Literal<'d>(&'d str);

impl<'d> Literal<'d> {
    /// The text.
    pub fn expose(self) -> &'d str {
        self.0
    }
}

impl fmt::Debug for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Literal([masked])")
    }
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry<'d> {
    /// The key, decoded. Escape it before printing: see [`printable`](crate::printable).
    pub key: &'d str,
    /// Where the key is written, quotes included. For an entry that a merge key brought, this lies elsewhere.
    pub key_span: Range<usize>,
    /// The value.
    pub value: NodeId,
}

/// A configuration file as a tree that keeps places.
///
/// - Values are nodes of an arena, told apart by [`NodeId`]. An alias of YAML is the very node it refers to.
/// - Entries that a merge key (`<<`) brings follow a mapping's own, which win.
pub struct Document {
    text: Arc<str>,
    format: Format,
    tree: Tree,
    lines: Lines,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("format", &self.format)
            .field("bytes", &self.text.len())
            .field("nodes", &self.tree.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Parses `text`.
    ///
    /// - A byte order mark is skipped. An empty YAML or TOML file is an empty mapping.
    /// - Refused, each at its place: a key that is there twice, a key that is not text, a second document in a
    ///   file, an alias within what it refers to, and anything beyond `limits`.
    pub fn parse(text: impl Into<Arc<str>>, format: Format, limits: &Limits) -> Result<Self, SyntaxError> {
        let text = text.into();
        let tree = parse_tree(&text, format, limits)?;
        Ok(Document { text, format, tree, lines: Lines::default() })
    }

    /// The whole value.
    #[allow(clippy::unused_self, reason = "a node belongs to a document")]
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// The source.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The format in which it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the value `id` is.
    pub fn kind(&self, id: NodeId) -> Kind<'_> {
        let literal = |words| Literal(self.tree.words(&self.text, words));
        match self.tree.node(id).stored {
            Stored::Null => Kind::Null,
            Stored::Boolean(value) => Kind::Boolean(value),
            Stored::Number(words) => Kind::Number(literal(words)),
            Stored::Text(words) => Kind::Text(literal(words)),
            Stored::Sequence(_) => Kind::Sequence,
            Stored::Mapping(_) => Kind::Mapping,
        }
    }

    /// Where `id` is written, in bytes: quotes and a block scalar's header included, anchor and tag not.
    ///
    /// In TOML, a table spans its header, or the key that implies it.
    pub fn span(&self, id: NodeId) -> Range<usize> {
        self.tree.node(id).span.range()
    }

    /// The collection in which `id` is defined; none for the root.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        (id != self.root()).then(|| self.tree.node(id).parent)
    }

    /// The text of a text scalar.
    pub fn string(&self, id: NodeId) -> Option<&str> {
        self.tree.text(&self.text, id)
    }

    /// The value under `key` of the mapping `id`; none if it has none, or is no mapping.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.tree.get(&self.text, id, key)
    }

    /// The entries of the mapping `id`, in the order of the file; nothing if it is no mapping.
    pub fn entries(&self, id: NodeId) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.tree.entries(id).iter().map(|entry| self.entry(entry))
    }

    fn entry(&self, entry: &StoredEntry) -> Entry<'_> {
        Entry {
            key: self.tree.words(&self.text, entry.key),
            key_span: entry.key_span.range(),
            value: entry.value,
        }
    }

    /// The items of the list `id`; nothing if it is no list.
    pub fn items(&self, id: NodeId) -> &[NodeId] {
        self.tree.items(id)
    }

    /// Every text scalar that is not a key, once however many aliases it has, in the order of the file.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = (NodeId, &str)> {
        self.tree.texts.iter().map(|&id| (id, self.string(id).unwrap_or_default()))
    }
}

/// Parses without taking the text, which may be a rendered file full of values.
fn parse_tree(text: &str, format: Format, limits: &Limits) -> Result<Tree, SyntaxError> {
    if text.len() > limits.max_bytes || u32::try_from(text.len()).is_err() {
        return Err(SyntaxError::new("the file is too large", 0..0)
            .with_help(format!("at most {} bytes are read", limits.max_bytes)));
    }
    let base = if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
    match format {
        Format::Yaml => yaml::parse(text, base, limits),
        Format::Json => json::parse(text, base, limits),
        Format::Toml => toml::parse(text, base, limits),
    }
}
