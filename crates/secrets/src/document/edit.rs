//! Edits that replace text scalars and leave every other byte as it was.

use std::{collections::HashMap, ops::Range};

use zeroize::Zeroizing;

use super::{
    Document, Format, Limits, NodeId, parse_tree,
    tree::{Stored, Tree, Words},
};
use crate::{Error, ErrorKind, Result, misleads};

impl Document {
    /// The source with each of these text scalars replaced by a new text.
    ///
    /// - Each new text is written in double quotes with escapes, so that it reads back as exactly itself and as
    ///   text: `true`, an empty text, quotes, line breaks and control characters included.
    /// - Every byte outside the replaced scalars stays: comments, blank lines, order, line ends.
    /// - A value with aliases changes in all of its places, for it is written once.
    /// - The result is parsed and compared before it is returned. `Malformed` if it would not read back as
    ///   meant, `Unsupported` if one of `replacements` is not text or is there twice; nothing is returned then.
    pub fn replace(&self, replacements: &[(NodeId, &str)]) -> Result<Zeroizing<String>> {
        let mut wanted: HashMap<NodeId, &str> = HashMap::with_capacity(replacements.len());
        let mut cuts: Vec<Cut<'_>> = Vec::with_capacity(replacements.len());
        for &(id, new) in replacements {
            if self.string(id).is_none() || wanted.insert(id, new).is_some() {
                return Err(Error::new(ErrorKind::Unsupported, "only text can be replaced, and only once")
                    .with_help("this is a defect of the caller"));
            }
            self.cut(id, new, &mut cuts);
        }
        cuts.sort_by_key(|cut| cut.span.start);

        // Reserved in full: a buffer that grew would leave copies behind, unwiped.
        let quoted: usize =
            cuts.iter().filter_map(|cut| cut.new).map(|new| 3 + LONGEST_ESCAPE * new.len()).sum();
        let mut edited = Zeroizing::new(String::with_capacity(self.text().len() + quoted));
        let mut at = 0;
        for cut in &cuts {
            edited.push_str(&self.text()[at..cut.span.start]);
            if let Some(new) = cut.new {
                if cut.spaced {
                    edited.push(' ');
                }
                quote(&mut edited, new, self.format());
            }
            at = cut.span.end;
        }
        edited.push_str(&self.text()[at..]);
        self.verify(&edited, &wanted)?;
        Ok(edited)
    }

    fn cut<'a>(&self, id: NodeId, new: &'a str, cuts: &mut Vec<Cut<'a>>) {
        let span = self.span(id);
        let text = &self.text()[span.clone()];
        if self.format() == Format::Yaml && text.starts_with(['|', '>']) {
            // The header's indicators become the text, the lines below go; a comment beside the header and the
            // line break at the end stay.
            let line = text.find(['\n', '\r']).unwrap_or(text.len());
            let indicators = text[..line].find([' ', '\t']).unwrap_or(line);
            cuts.push(Cut { span: span.start..span.start + indicators, new: Some(new), spaced: false });
            cuts.push(Cut { span: span.start + line..span.end, new: None, spaced: false });
        } else {
            // Of a tag without a text ('!!str') only the place after it is there.
            let spaced = span.is_empty() && !self.text()[..span.start].ends_with([' ', '\t', '\n']);
            cuts.push(Cut { span, new: Some(new), spaced });
        }
    }

    /// Refuses `edited` unless it differs from this document in the `wanted` texts and nothing else.
    fn verify(&self, edited: &str, wanted: &HashMap<NodeId, &str>) -> Result<()> {
        let broken = || {
            Error::new(
                ErrorKind::Malformed,
                "the edited file would not read back as meant, so it was not made",
            )
            .with_help("write the value in double quotes in the file and try again")
        };
        let limits = Limits { max_bytes: usize::MAX, max_depth: usize::MAX, max_nodes: usize::MAX };
        let tree = parse_tree(edited, self.format(), &limits).map_err(|_| broken())?;
        let old = Sourced { tree: &self.tree, source: self.text() };
        let new = Sourced { tree: &tree, source: edited };
        let same = old.tree.nodes.len() == new.tree.nodes.len()
            && (0..old.tree.nodes.len()).all(|index| {
                let id = NodeId(super::tree::index_u32(index));
                match wanted.get(&id) {
                    Some(text) => new.tree.text(new.source, id) == Some(text),
                    None => old.matches(&new, id),
                }
            });
        if same { Ok(()) } else { Err(broken()) }
    }
}

struct Cut<'a> {
    span: Range<usize>,
    new: Option<&'a str>,
    /// Whether a space has to come first.
    spaced: bool,
}

struct Sourced<'a> {
    tree: &'a Tree,
    source: &'a str,
}

impl Sourced<'_> {
    fn matches(&self, other: &Sourced<'_>, id: NodeId) -> bool {
        let same = |a: Words, b: Words| self.tree.words(self.source, a) == other.tree.words(other.source, b);
        match (self.tree.node(id).stored, other.tree.node(id).stored) {
            (Stored::Null, Stored::Null) => true,
            (Stored::Boolean(a), Stored::Boolean(b)) => a == b,
            (Stored::Number(a), Stored::Number(b)) | (Stored::Text(a), Stored::Text(b)) => same(a, b),
            (Stored::Sequence(_), Stored::Sequence(_)) => self.tree.items(id) == other.tree.items(id),
            (Stored::Mapping(_), Stored::Mapping(_)) => {
                let (a, b) = (self.tree.entries(id), other.tree.entries(id));
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.value == b.value && same(a.key, b.key))
            }
            _ => false,
        }
    }
}

/// The most bytes that one byte of text becomes: a control character, `\u0001`.
const LONGEST_ESCAPE: usize = 6;

/// `text` in double quotes, with escapes: every reader of `format` reads it back as exactly itself, and as text.
///
/// ```
/// use modelmesh_secrets::document::{Format, quoted};
///
/// assert_eq!(*quoted("two\nlines", Format::Toml), r#""two\nlines""#);
/// ```
pub fn quoted(text: &str, format: Format) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 + LONGEST_ESCAPE * text.len()));
    quote(&mut out, text, format);
    out
}

/// Writes `text` in double quotes. The three formats share the escapes used, but for characters beyond U+FFFF.
fn quote(out: &mut String, text: &str, format: Format) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Besides what a reader would not see, what YAML does not count as printable.
            c if misleads(c) || matches!(c, '\u{FFFE}' | '\u{FFFF}') => match (u32::from(c), format) {
                (code @ ..=0xFFFF, _) => push_hex(out, 'u', code, 4),
                (code, Format::Json) => {
                    push_hex(out, 'u', 0xD800 + ((code - 0x1_0000) >> 10), 4);
                    push_hex(out, 'u', 0xDC00 + ((code - 0x1_0000) & 0x3FF), 4);
                }
                (code, _) => push_hex(out, 'U', code, 8),
            },
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push_hex(out: &mut String, letter: char, code: u32, digits: u32) {
    out.push('\\');
    out.push(letter);
    for place in (0..digits).rev() {
        let digit = (code >> (4 * place)) & 0xF;
        out.extend(char::from_digit(digit, 16));
    }
}
