//! References to secrets in text: `${secrets:openai-key}`.
//!
//! ```text
//! ${secrets:NAME}                     the default store
//! ${secrets.STORE:NAME}               a named store, or an environment
//! ${secrets:NAME#field}  #/a/b        a field of a JSON document: a key, or a JSON pointer
//! ${secrets:NAME?version=7}           a version or stage
//! ${secrets:NAME:-fallback}           a literal default, used when the store has no such name
//! $${secrets:NAME}                    escaped: the literal text
//! ```
//!
//! - The parts stand in this order: store, name, version, field, fallback. The first `:-` ends the rest.
//! - STORE is `[A-Za-z0-9_-]+`. NAME holds `[A-Za-z0-9:/.@+=_-]`; any other character is percent-encoded, and
//!   a literal `%` is `%25`. A version and a field are encoded alike, where `~` may stand as it is.
//! - In a fallback `\}` stands for `}`; every other character, a lone `\` included, stands for itself.
//! - References do not nest, and what a reference yields is never read for references again.
//! - A `$` right before a reference escapes it. Any other `${…}` is plain text.

use std::{borrow::Cow, fmt, ops::Range};

use crate::{Error, ErrorKind, Result, SecretName, Version};

/// Which secret a reference names: the store, the name, the version, and the field within the document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Reference {
    /// The named store; none means the default one.
    pub store: Option<Box<str>>,
    /// The secret's name.
    pub name: SecretName,
    /// The version or stage; none means the current one.
    pub version: Option<Version>,
    /// The field of the JSON document that the value is.
    pub field: Option<Field>,
    /// The literal text used when the store has no such name.
    pub fallback: Option<Fallback>,
}

/// The literal default of a reference. It may be a plaintext key, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fallback(Box<str>);

impl Fallback {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallback([masked])")
    }
}

/// A view into a value that is a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// A key of the top-level object.
    Key(Box<str>),
    /// A JSON pointer (RFC 6901), which starts with `/`.
    Pointer(Box<str>),
}

impl Field {
    /// The key or the pointer, as it was written, unencoded.
    pub fn as_str(&self) -> &str {
        let (Field::Key(text) | Field::Pointer(text)) = self;
        text
    }

    /// The field's text in `document`: a string as it is; a number or truth value as JSON writes it.
    ///
    /// - `Malformed` if `document` is not JSON, or the field is an object, a list or null.
    /// - `NotFound` if the document has no such field.
    pub fn of(&self, document: &str) -> Result<crate::SecretString> {
        // The parser's own message may quote what it read, so it is dropped.
        let json: serde_json::Value = serde_json::from_str(document).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the value is not a JSON document, so it has no fields")
        })?;
        let found = match self {
            Field::Key(key) => json.get(&**key),
            Field::Pointer(pointer) => json.pointer(pointer),
        };
        match found {
            Some(serde_json::Value::String(text)) => Ok(text.as_str().into()),
            Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                Ok(value.to_string().into())
            }
            Some(_) => Err(Error::new(
                ErrorKind::Malformed,
                format!("field '{self}' is not text, a number or a truth value"),
            )),
            None => Err(Error::new(ErrorKind::NotFound, format!("the document has no field '{self}'"))),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Field::Key(text) | Field::Pointer(text)) = self;
        crate::printable(text).fmt(f)
    }
}

impl Reference {
    /// A reference to the current version of `name` in the default store.
    pub fn to(name: SecretName) -> Self {
        Reference { store: None, name, version: None, field: None, fallback: None }
    }

    /// Reads `text` as one reference and nothing else.
    ///
    /// Fails with `InvalidReference` or `InvalidName`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces = scan(text);
        match (pieces.next(), pieces.next()) {
            (Some(Piece { text: PieceText::Reference(reference), .. }), None) => Ok(*reference),
            (Some(Piece { text: PieceText::Broken(error), .. }), _) => Err(*error),
            _ => Err(Error::new(ErrorKind::InvalidReference, "this is not one reference")
                .with_help("write it as ${secrets:NAME}")),
        }
    }

    /// As [`parse`](Reference::parse); a bare name is one of the default store. For arguments of a program's calls.
    ///
    /// ```
    /// use modelmesh_secrets::reference::Reference;
    ///
    /// assert_eq!(Reference::parse_or_name("openai-key")?, Reference::parse("${secrets:openai-key}")?);
    /// # Ok::<(), modelmesh_secrets::Error>(())
    /// ```
    pub fn parse_or_name(text: &str) -> Result<Self> {
        if text.contains("${") { Reference::parse(text) } else { Ok(Reference::to(SecretName::new(text)?)) }
    }
}

/// Writes the reference in its canonical spelling, with the fallback masked.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("${secrets")?;
        if let Some(store) = &self.store {
            write!(f, ".{store}")?;
        }
        write!(f, ":{}", encode_name(self.name.as_str()))?;
        if let Some(version) = &self.version {
            write!(f, "?version={}", encode(version.as_str(), is_part_char))?;
        }
        if let Some(Field::Key(field) | Field::Pointer(field)) = &self.field {
            write!(f, "#{}", encode(field, is_part_char))?;
        }
        if self.fallback.is_some() {
            f.write_str(":-…")?;
        }
        f.write_str("}")
    }
}

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

const FALLBACK: &str = ":-";
const VERSION: &str = "?version=";

fn parse_body(body: &str) -> Result<Reference> {
    let (store, rest) = match body.strip_prefix('.') {
        None => (None, &body[1..]),
        Some(named) => {
            let (store, rest) = named.split_once(':').ok_or_else(|| {
                invalid("a reference to a named store needs ':' and a secret's name after the store")
            })?;
            if !is_store_name(store) {
                return Err(invalid("a store's name holds letters, digits, '_' and '-' alone"));
            }
            (Some(store), rest)
        }
    };
    // In `${secrets:-x}` the `:` of a `:-` is gone already, and nothing stood before it.
    if rest.starts_with('-') {
        return Err(invalid("the reference names no secret")
            .with_help("a name that starts with '-' is written with %2D"));
    }
    let (target, fallback) = match rest.split_once(FALLBACK) {
        Some((target, fallback)) => (target, Some(fallback)),
        None => (rest, None),
    };
    if fallback.is_some_and(|text| text.rsplit_once("${").is_some_and(|(_, tail)| !tail.contains("\\}"))) {
        return Err(invalid("references do not nest: a fallback is literal text")
            .with_help("write '\\}' for a '}' that belongs to the fallback"));
    }
    let (target, field) = match target.split_once('#') {
        Some((target, field)) => (target, Some(field)),
        None => (target, None),
    };
    let (name, version) = match target.split_once('?') {
        None => (target, None),
        Some((name, _)) => match target[name.len()..].strip_prefix(VERSION) {
            Some(version) => (name, Some(version)),
            None => {
                return Err(invalid("the only parameter of a reference is '?version='")
                    .with_help("a '?' in a secret's name is written %3F"));
            }
        },
    };
    if name.is_empty() {
        return Err(invalid("the reference names no secret"));
    }
    Ok(Reference {
        store: store.map(Box::from),
        name: SecretName::new(decode(name, is_name_char, "name")?)?,
        version: version.map(parse_version).transpose()?,
        field: field.map(parse_field).transpose()?,
        fallback: fallback.map(|text| Fallback(text.replace("\\}", "}").into())),
    })
}

fn parse_version(text: &str) -> Result<Version> {
    if text.is_empty() {
        return Err(invalid("'?version=' is followed by no version"));
    }
    Ok(Version::from(&*decode(text, is_part_char, "version")?))
}

fn parse_field(text: &str) -> Result<Field> {
    if text.is_empty() {
        return Err(invalid("'#' is followed by no field"));
    }
    let field = decode(text, is_part_char, "field")?;
    Ok(if field.starts_with('/') { Field::Pointer(field.into()) } else { Field::Key(field.into()) })
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidReference, message)
}

/// Whether `text` can be the name of a store: `[A-Za-z0-9_-]+`.
pub fn is_store_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_name_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":/.@+=_-".contains(&byte)
}

/// A version or a field: as a name, and `~`, the escape character of JSON pointers.
fn is_part_char(byte: u8) -> bool {
    is_name_char(byte) || byte == b'~'
}

/// A name as it stands in a reference. The `:` of a `:-` is encoded too, for `:-` would end the name.
pub(crate) fn encode_name(name: &str) -> String {
    encode(name, is_name_char)
}

fn encode(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    use fmt::Write as _;
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        // `:-` would start a fallback, and a leading `-` would make one with the `:` before the name.
        let starts_fallback = (byte == b':' && bytes.get(at + 1) == Some(&b'-')) || (byte == b'-' && at == 0);
        if allowed(byte) && !starts_fallback {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode<'a>(text: &'a str, allowed: fn(u8) -> bool, part: &str) -> Result<Cow<'a, str>> {
    let mut bytes = text.bytes().enumerate();
    let mut decoded = Vec::new();
    let mut changed = false;
    while let Some((at, byte)) = bytes.next() {
        if byte == b'%' {
            changed = true;
            let mut digit = || bytes.next().and_then(|(_, b)| char::from(b).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(Error::new(
                    ErrorKind::InvalidReference,
                    format!("'%' in the {part} is not followed by two hexadecimal digits"),
                )
                .with_help("a literal '%' is written %25"));
            };
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
        } else if allowed(byte) {
            decoded.push(byte);
        } else {
            // The one character is named and not the text around it: beside a brace that was forgotten, the
            // rest may be anything.
            let c = text[at..].chars().next().unwrap_or_default();
            return Err(Error::new(
                ErrorKind::InvalidReference,
                format!("the {part} holds a '{c}', which must be percent-encoded"),
            )
            .with_help(format!("write '{c}' as {}", encode(c.encode_utf8(&mut [0; 4]), |_| false))));
        }
    }
    if !changed {
        return Ok(Cow::Borrowed(text));
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| {
        Error::new(ErrorKind::InvalidReference, format!("the {part}, percent-decoded, is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a text as one line: literals in quotes, references canonical, errors as `!message`.
    fn pieces(text: &str) -> String {
        let mut end = 0;
        scan(text)
            .map(|piece| {
                assert_eq!(piece.span.start, end, "pieces follow each other");
                end = piece.span.end;
                match piece.text {
                    PieceText::Literal(literal) => format!("'{literal}'"),
                    PieceText::Reference(reference) => reference.to_string(),
                    PieceText::Broken(error) => format!("!{}", error.message()),
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn parsed(text: &str) -> Reference {
        Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_documented_form_is_read() {
        let reference = parsed("${secrets.prod:team/openai-key?version=7#/a/b:-none}");
        assert_eq!(reference.store.as_deref(), Some("prod"));
        assert_eq!(reference.name.as_str(), "team/openai-key");
        assert_eq!(reference.version, Some(Version::from("7")));
        assert_eq!(reference.field, Some(Field::Pointer("/a/b".into())));
        assert_eq!(reference.fallback.unwrap().expose(), "none");
        assert_eq!(parsed("${secrets:k#field}").field, Some(Field::Key("field".into())));
        assert_eq!(parsed("${secrets:k?version=AWSPREVIOUS}").version, Some(Version::from("AWSPREVIOUS")));
    }

    #[test]
    fn names_of_backends_need_no_encoding() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf";
        assert_eq!(parsed(&format!("${{secrets:{arn}}}")).name.as_str(), arn);
        assert_eq!(parsed("${secrets:a.b@c+d=e_f-g/h:i}").name.as_str(), "a.b@c+d=e_f-g/h:i");
    }

    #[test]
    fn other_characters_are_percent_encoded() {
        assert_eq!(parsed("${secrets:My%20Login%3F}").name.as_str(), "My Login?");
        assert_eq!(parsed("${secrets:cl%C3%A9}").name.as_str(), "clé");
        assert_eq!(pieces("${secrets:My Login}"), "!the name holds a ' ', which must be percent-encoded");
        assert_eq!(pieces("${secrets:clé}"), "!the name holds a 'é', which must be percent-encoded");
        assert_eq!(pieces("${secrets:a%2}"), "!'%' in the name is not followed by two hexadecimal digits");
        assert_eq!(pieces("${secrets:a%FF}"), "!the name, percent-decoded, is not UTF-8");
    }

    #[test]
    fn encoding_never_reaches_outside() {
        for text in [
            "${secrets:%2e%2e/x}",
            "${secrets:a/%2E%2E}",
            "${secrets:a%2F%2Fb}",
            "${secrets:a%00b}",
            "${secrets:a%0Ab}",
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().kind(), ErrorKind::InvalidName, "{text}");
        }
    }

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
    fn a_fallback_is_literal_text() {
        assert_eq!(parsed("${secrets:x:-}").fallback.unwrap().expose(), "");
        assert_eq!(parsed("${secrets:x:-a:-b#c?d e}").fallback.unwrap().expose(), "a:-b#c?d e");
        assert_eq!(parsed(r"${secrets:x:-{a\}\b}").fallback.unwrap().expose(), r"{a}\b");
        assert_eq!(parsed(r"${secrets:x:-${HOME\}}").fallback.unwrap().expose(), "${HOME}");
        assert_eq!(
            pieces("${secrets:x:-${HOME}}"),
            "!references do not nest: a fallback is literal text '}'"
        );
    }

    #[test]
    fn an_unclosed_reference_hides_nothing_behind_it() {
        assert_eq!(pieces("${secrets:x"), "!this reference is not closed");
        assert_eq!(pieces("${secrets:x ${secrets:y}"), "!this reference is not closed ${secrets:y}");
        assert_eq!(pieces("${secrets:x\n${secrets:y}"), "!this reference is not closed '\n' ${secrets:y}");
        assert_eq!(pieces("${secrets:x:-y\nz"), "!this reference is not closed '\nz'");
    }

    #[test]
    fn what_is_missing_is_said() {
        for (text, message) in [
            ("${secrets:}", "the reference names no secret"),
            ("${secrets:-x}", "the reference names no secret"),
            ("${secrets.prod:-x}", "the reference names no secret"),
            ("${secrets:?version=1}", "the reference names no secret"),
            ("${secrets:x?version=}", "'?version=' is followed by no version"),
            ("${secrets:x?stage=1}", "the only parameter of a reference is '?version='"),
            ("${secrets:x#}", "'#' is followed by no field"),
            ("${secrets.prod}", "a reference to a named store needs ':' and a secret's name after the store"),
            ("${secrets.pr od:x}", "a store's name holds letters, digits, '_' and '-' alone"),
            ("${secrets.:x}", "a store's name holds letters, digits, '_' and '-' alone"),
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert_eq!(error.message(), message, "{text}");
            assert_eq!(error.kind(), ErrorKind::InvalidReference, "{text}");
        }
    }

    #[test]
    fn any_name_comes_back_from_its_reference() {
        for name in ["-x", "a:-b", "a b?c#d}e", "clé", "50%", "$x", "a:b", "~"] {
            let name = SecretName::new(name).unwrap();
            assert_eq!(parsed(&name.to_reference()).name, name);
        }
    }

    #[test]
    fn fields_view_into_a_document() {
        let document = r#"{"user":"u","port":5432,"tls":true,"a":{"b":"deep","c/d":"slash"},"none":null}"#;
        let field = |text: &str| parsed(&format!("${{secrets:x#{text}}}")).field.unwrap().of(document);
        let text = |text: &str| secrecy::ExposeSecret::expose_secret(&field(text).unwrap()).to_owned();
        assert_eq!(text("user"), "u");
        assert_eq!(text("port"), "5432");
        assert_eq!(text("tls"), "true");
        assert_eq!(text("/a/b"), "deep");
        assert_eq!(text("/a/c~1d"), "slash");
        assert_eq!(field("missing").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(field("a").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(field("none").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn a_value_that_is_no_document_is_not_quoted() {
        let error = Field::Key("x".into()).of("canary-value").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn debug_and_display_mask_fallbacks_and_literals() {
        let shown = format!("{:?}", scan("canary-a ${secrets:x:-canary-b}").collect::<Vec<_>>());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(parsed("${secrets:x:-canary}").to_string(), "${secrets:x:-…}");
    }
}
