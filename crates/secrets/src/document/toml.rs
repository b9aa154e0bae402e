//! TOML, read by the `toml` crate, which keeps places.

use std::borrow::Cow;

use toml::de::{DeTable, DeValue};

use super::{
    Limits, SyntaxError,
    tree::{Builder, Scalar, ScalarKind, Span, Tree},
};

/// Parses `source` from byte `base` on.
pub(super) fn parse(source: &str, base: usize, limits: &Limits) -> Result<Tree, SyntaxError> {
    let text = &source[base..];
    // The crate reads all of a file into tokens before it looks at any of them.
    let marks = text.bytes().filter(|byte| matches!(byte, b'=' | b',' | b'[' | b'{' | b'.' | b'\n')).count();
    if marks > limits.max_nodes.saturating_mul(4) {
        return Err(SyntaxError::new("the file holds too many values", base..base)
            .with_help(format!("at most {} are read", limits.max_nodes)));
    }
    let table = DeTable::parse(text).map_err(|error| {
        // Its messages are made of fixed words; only its `Display` quotes the line.
        let span = error.span().unwrap_or(0..0);
        SyntaxError::new(error.message().to_owned(), base + span.start..base + span.end)
    })?;
    let mut reader = Reader { builder: Builder::new(source, limits), source, base };
    let whole = Span::new(base, source.len());
    reader.builder.open(true, whole)?;
    reader.entries(table.get_ref())?;
    reader.builder.close(source.len())?;
    let mut tree = reader.builder.finish();
    // A table may be reopened further down: what is together in the tree may be apart in the file.
    let starts: Vec<u32> = tree.nodes.iter().map(|node| node.span.start).collect();
    tree.texts.sort_by_key(|id| starts[id.index()]);
    Ok(tree)
}

struct Reader<'a> {
    builder: Builder<'a>,
    source: &'a str,
    base: usize,
}

impl<'a> Reader<'a> {
    /// Recursion is bounded: the crate itself reads about 80 levels, and the builder may stop before.
    fn value(&mut self, value: &DeValue<'a>, span: Span) -> Result<(), SyntaxError> {
        let verbatim = |kind| Scalar {
            kind,
            text: Cow::Borrowed(&self.source[span.range()]),
            text_at: span.range().start,
            span,
        };
        let scalar = match value {
            DeValue::String(text) => {
                let text_at = span.range().start + opening(&self.source[span.range()]);
                Scalar { kind: ScalarKind::Text, text: text.clone(), text_at, span }
            }
            DeValue::Boolean(value) => {
                Scalar { kind: ScalarKind::Boolean(*value), text: Cow::default(), text_at: 0, span }
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => verbatim(ScalarKind::Number),
            DeValue::Array(items) => {
                self.builder.open(false, span)?;
                for item in items {
                    self.value(item.get_ref(), self.span(item.span()))?;
                }
                self.builder.close(span.range().end)?;
                return Ok(());
            }
            DeValue::Table(table) => {
                self.builder.open(true, span)?;
                self.entries(table)?;
                self.builder.close(span.range().end)?;
                return Ok(());
            }
        };
        self.builder.scalar(scalar).map(drop)
    }

    fn entries(&mut self, table: &DeTable<'a>) -> Result<(), SyntaxError> {
        // The table is sorted by key; a reader expects the order of the file.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let key_span = self.span(key.span());
            let quoted = self.source[key_span.range()].starts_with(['"', '\'']);
            let text_at = key_span.range().start + usize::from(quoted);
            self.builder.key(key.get_ref().clone(), text_at, key_span, false);
            self.value(value.get_ref(), self.span(value.span()))?;
        }
        Ok(())
    }

    fn span(&self, span: std::ops::Range<usize>) -> Span {
        Span::new(self.base + span.start, self.base + span.end)
    }
}

/// The length of the quotes that open a string, and of the line break right after three of them, which is not
/// part of the text.
fn opening(written: &str) -> usize {
    let Some(rest) = ["\"\"\"", "'''"].iter().find_map(|quotes| written.strip_prefix(quotes)) else {
        return usize::from(written.starts_with(['"', '\'']));
    };
    let text = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    written.len() - text.len()
}
