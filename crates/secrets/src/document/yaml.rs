//! YAML 1.2 with the core schema, from the events of `saphyr-parser`.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::{
    Limits, NodeId, SyntaxError,
    tree::{Builder, Scalar, ScalarKind, Span, Tree},
};

/// Parses `source` from byte `base` on.
pub(super) fn parse(source: &str, base: usize, limits: &Limits) -> Result<Tree, SyntaxError> {
    check_directives(source, base)?;
    let mut reader = Reader {
        source,
        offsets: Offsets::new(source, base),
        builder: Builder::new(source, limits),
        anchors: Vec::new(),
        last_end: base,
        documents: 0,
    };
    for event in Parser::new_from_str(&source[base..]) {
        let (event, span) = event.map_err(|error| reader.scan_error(&error))?;
        let start = reader.offsets.byte(span.start.index());
        let end = reader.offsets.byte(span.end.index());
        // The event of what is not written spans the token after it.
        let unwritten = match &event {
            Event::DocumentStart(explicit) => !explicit,
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => text.is_empty(),
            _ => false,
        };
        reader.event(event, start, end)?;
        if !unwritten {
            reader.last_end = end;
        }
    }
    let Reader { mut builder, documents, .. } = reader;
    if documents == 0 {
        builder.open(true, Span::new(source.len(), source.len()))?;
        builder.close(source.len())?;
    }
    Ok(builder.finish())
}

/// Behind a directive that it does not know, the parser counts bytes where it should count characters, and all
/// places would be wrong: such a directive is taken in ASCII alone.
fn check_directives(source: &str, base: usize) -> Result<(), SyntaxError> {
    let mut at = base;
    for line in source[base..].split_inclusive(['\n', '\r']) {
        let known = ["---", "%YAML", "%TAG"].iter().find(|known| line.starts_with(**known));
        if line.starts_with('%') && known.is_none() && !line.is_ascii() {
            let message = "a directive that is not known holds characters outside ASCII";
            return Err(
                SyntaxError::new(message, at..at + 1).with_help("take the line out: it means nothing")
            );
        }
        // Directives stand before the document, and in it no line starts so.
        if known == Some(&"---") {
            break;
        }
        at += line.len();
    }
    Ok(())
}

struct Reader<'a> {
    source: &'a str,
    offsets: Offsets<'a>,
    builder: Builder<'a>,
    /// The node of each anchor, by the parser's number. None while there is no such node, or for a key.
    anchors: Vec<Option<NodeId>>,
    /// Where the event before ended.
    last_end: usize,
    documents: usize,
}

impl<'a> Reader<'a> {
    fn event(&mut self, event: Event<'a>, start: usize, end: usize) -> Result<(), SyntaxError> {
        let span = Span::new(start, end.max(start));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(SyntaxError::new("the file holds a second document", span.range())
                        .with_help("keep one document in a file"));
                }
                Ok(())
            }
            Event::Alias(_) if self.builder.expects_key() => {
                Err(SyntaxError::new("an alias cannot be a key", span.range()).with_help("write the key out"))
            }
            Event::Alias(anchor) => match self.anchors.get(anchor).copied().flatten() {
                Some(target) if !self.builder.is_open(target) => self.builder.alias(target, span),
                _ => Err(SyntaxError::new(
                    "this alias refers to a key, or to the collection in which it stands",
                    span.range(),
                )),
            },
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(anchor, _) => self.open(false, anchor, span),
            Event::MappingStart(anchor, _) => self.open(true, anchor, span),
            Event::SequenceEnd | Event::MappingEnd => {
                // A block collection ends where its last child did; the event stands at the next token.
                let end = if end > start { end } else { self.last_end };
                self.builder.close(end).map(drop)
            }
        }
    }

    fn open(&mut self, is_mapping: bool, anchor: usize, span: Span) -> Result<(), SyntaxError> {
        if self.builder.expects_key() {
            return Err(SyntaxError::new("a key must be text", span.range())
                .with_help("a mapping or list cannot be a key; put quotes around text that looks like one"));
        }
        let start = self.skip_properties(span.range().start);
        let id = self.builder.open(is_mapping, Span::new(start, start.max(span.range().end)))?;
        self.anchor(anchor, Some(id));
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, id: Option<NodeId>) {
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = id;
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), SyntaxError> {
        let absent = style == ScalarStyle::Plain && text.is_empty();
        let (span, text_at) = self.place(style, absent, span, anchor > 0 || tag.is_some());
        if self.builder.expects_key() {
            if absent {
                return Err(SyntaxError::new("a key is missing here", span.range()));
            }
            let is_merge = style == ScalarStyle::Plain && &*text == "<<" && tag.is_none_or(is_merge_tag);
            self.builder.key(text, text_at, span, is_merge);
            self.anchor(anchor, None);
            return Ok(());
        }
        let kind = kind(&text, style, tag).ok_or_else(|| {
            SyntaxError::new("this value is not of the type that its tag names", span.range())
        })?;
        let id = if absent && tag.is_none() && self.builder.is_empty() {
            // A file of '---' alone holds no more than an empty one.
            self.builder.open(true, span)?;
            self.builder.close(span.range().end)?
        } else {
            self.builder.scalar(Scalar { kind, text, text_at, span })?
        };
        self.anchor(anchor, Some(id));
        Ok(())
    }

    /// The scalar's own span, without its anchor and tag and with a block scalar's header; and where its text
    /// would stand if it stood there as it is.
    fn place(&self, style: ScalarStyle, absent: bool, span: Span, has_properties: bool) -> (Span, usize) {
        let (start, end) = (span.range().start, span.range().end);
        match style {
            ScalarStyle::Plain if absent => {
                // The event of a value that is not there spans its anchor and tag, or the next token.
                let at = if has_properties { end } else { start };
                (Span::new(at, at), at)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                // The event starts at the first line's text.
                let header = self.skip_properties(self.skip_to_header(start));
                let header_end = self.source[header..].find(['\n', '\r']).map_or(end, |line| header + line);
                let trimmed = self.source[..end].trim_end_matches(BLANK).len();
                (Span::new(header, trimmed.max(header_end.min(end))), start.max(header_end))
            }
            _ => {
                let start = if has_properties { self.skip_properties(start) } else { start };
                let end = start + self.source[start..end].trim_end_matches(BLANK).len();
                (Span::new(start, end), start + usize::from(style != ScalarStyle::Plain))
            }
        }
    }

    /// From the end of the event before a block scalar: past `:`, `-`, `?` and comments, to its properties or
    /// its header.
    fn skip_to_header(&self, first_line: usize) -> usize {
        let mut at = self.last_end.min(first_line);
        loop {
            let rest = &self.source[at..first_line];
            match rest.bytes().next() {
                Some(b'#') => at += rest.find(['\n', '\r']).unwrap_or(rest.len()),
                Some(b'|' | b'>' | b'&' | b'!') | None => return at,
                Some(_) => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
    }

    /// Past the anchor, the tag, and what lies between them and the value.
    fn skip_properties(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            let rest = &self.source[at..];
            at += match rest.bytes().next() {
                Some(b'&' | b'!') if rest.starts_with("!<") => {
                    rest.find('>').map_or(rest.len(), |end| end + 1)
                }
                Some(b'&' | b'!') => rest.find([' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
                Some(b' ' | b'\t' | b'\n' | b'\r') => rest.len() - rest.trim_start_matches(BLANK).len(),
                Some(b'#') => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                _ => return at,
            };
        }
    }

    /// The parser's messages are fixed words; at most they name one of the characters `%`, `@` and `` ` ``.
    fn scan_error(&mut self, error: &ScanError) -> SyntaxError {
        let at = self.offsets.byte(error.marker().index());
        let end = self.source[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        let broken = SyntaxError::new(error.info().to_owned(), at..end);
        let line = self.source[..at].rfind('\n').map_or(0, |end| end + 1);
        if self.source[line..end].contains("${") {
            return broken
                .with_help("inside [...] and {...}, put quotes around a text that holds a reference");
        }
        broken
    }
}

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

fn is_merge_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "merge"
}

/// The kind of a value, by its tag or the core schema; none if the tag names a type that the text is not of.
fn kind(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<ScalarKind> {
    let plain = || core_schema(text);
    match tag {
        None if style == ScalarStyle::Plain => Some(plain()),
        Some(tag) if tag.is_yaml_core_schema() => {
            let wanted = |right: fn(ScalarKind) -> bool| Some(plain()).filter(|kind| right(*kind));
            match tag.suffix.as_str() {
                "null" => wanted(|kind| kind == ScalarKind::Null),
                "bool" => wanted(|kind| matches!(kind, ScalarKind::Boolean(_))),
                "int" | "float" => wanted(|kind| kind == ScalarKind::Number),
                _ => Some(ScalarKind::Text),
            }
        }
        _ => Some(ScalarKind::Text),
    }
}

/// What a plain scalar is (YAML 1.2.2, section 10.3.2).
fn core_schema(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "true" | "True" | "TRUE" => ScalarKind::Boolean(true),
        "false" | "False" | "FALSE" => ScalarKind::Boolean(false),
        _ if is_number(text) => ScalarKind::Number,
        _ => ScalarKind::Text,
    }
}

fn is_number(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return false;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

/// Turns the parser's places, counted in characters, into bytes.
///
/// The parser moves forward, apart from small steps back, so walking from the last place asked is linear in
/// the whole; in an ASCII text the two are the same.
struct Offsets<'a> {
    text: &'a [u8],
    base: usize,
    ascii: bool,
    chars: usize,
    bytes: usize,
}

impl<'a> Offsets<'a> {
    fn new(source: &'a str, base: usize) -> Self {
        let text = &source.as_bytes()[base..];
        Offsets { text, base, ascii: text.is_ascii(), chars: 0, bytes: 0 }
    }

    fn byte(&mut self, chars: usize) -> usize {
        if self.ascii {
            return self.base + chars.min(self.text.len());
        }
        let starts_char = |byte: u8| byte & 0xC0 != 0x80;
        while self.chars < chars && self.bytes < self.text.len() {
            self.bytes += 1;
            while self.bytes < self.text.len() && !starts_char(self.text[self.bytes]) {
                self.bytes += 1;
            }
            self.chars += 1;
        }
        while self.chars > chars {
            self.bytes -= 1;
            while !starts_char(self.text[self.bytes]) {
                self.bytes -= 1;
            }
            self.chars -= 1;
        }
        self.base + self.bytes
    }
}
