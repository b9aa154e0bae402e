//! Strict JSON (RFC 8259), read token by token.
//!
//! The tokens come from `jsonc-parser`, whose scanner keeps places; the grammar is here, because that crate's
//! own parser builds its whole tree, recursively, before a limit could be applied.

use std::borrow::Cow;

use jsonc_parser::{ParseStringErrorKind, Scanner, ScannerOptions, errors::ParseErrorKind, tokens::Token};

use super::{
    Limits, SyntaxError,
    tree::{Builder, Scalar, ScalarKind, Span, Tree},
};

const STRICT: ScannerOptions = ScannerOptions {
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// What the grammar allows next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After a comma in an object.
    Key,
    /// After `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    End,
}

impl Expect {
    fn message(self) -> &'static str {
        match self {
            Expect::Value => "a value is expected here",
            Expect::ValueOrEnd => "a value or ']' is expected here",
            Expect::Key => "a key in double quotes is expected here",
            Expect::KeyOrEnd => "a key in double quotes, or '}', is expected here",
            Expect::Colon => "':' is expected here",
            Expect::CommaOrEnd => "',' or the closing bracket is expected here",
            Expect::End => "the end of the file is expected here",
        }
    }
}

/// Parses `source` from byte `base` on.
pub(super) fn parse(source: &str, base: usize, limits: &Limits) -> Result<Tree, SyntaxError> {
    let text = &source[base..];
    let mut builder = Builder::new(source, limits);
    let mut scanner = Scanner::new(text, &STRICT);
    // Whether each open collection is an object.
    let mut open: Vec<bool> = Vec::new();
    let mut expect = Expect::Value;
    let mut end = 0;
    loop {
        let token = scanner.scan().map_err(|error| scan_error(&error, base))?;
        let span = Span::new(base + scanner.token_start(), base + scanner.token_end());
        check_gap(&text[end..scanner.token_start()], base + end)?;
        end = scanner.token_end();
        let Some(token) = token else { break };
        let unexpected = || Err(SyntaxError::new(expect.message(), span.range()));
        expect = match (token, expect) {
            (Token::OpenBrace, Expect::Value | Expect::ValueOrEnd) => {
                builder.open(true, span)?;
                open.push(true);
                Expect::KeyOrEnd
            }
            (Token::OpenBracket, Expect::Value | Expect::ValueOrEnd) => {
                builder.open(false, span)?;
                open.push(false);
                Expect::ValueOrEnd
            }
            (Token::CloseBrace, Expect::KeyOrEnd | Expect::CommaOrEnd) if open.last() == Some(&true) => {
                builder.close(base + end)?;
                open.pop();
                after_value(&open)
            }
            (Token::CloseBracket, Expect::ValueOrEnd | Expect::CommaOrEnd) if open.last() == Some(&false) => {
                builder.close(base + end)?;
                open.pop();
                after_value(&open)
            }
            (Token::Comma, Expect::CommaOrEnd) => {
                if open.last() == Some(&true) {
                    Expect::Key
                } else {
                    Expect::Value
                }
            }
            (Token::Colon, Expect::Colon) => Expect::Value,
            (Token::String(key), Expect::Key | Expect::KeyOrEnd) => {
                check_string(source, span)?;
                builder.key(key, span.range().start + 1, span, false);
                Expect::Colon
            }
            (token, Expect::Value | Expect::ValueOrEnd) => {
                let (kind, text, text_at) = match token {
                    Token::String(text) => {
                        check_string(source, span)?;
                        (ScalarKind::Text, text, span.range().start + 1)
                    }
                    Token::Number(text) => (ScalarKind::Number, Cow::Borrowed(text), span.range().start),
                    Token::Boolean(value) => (ScalarKind::Boolean(value), Cow::default(), 0),
                    Token::Null => (ScalarKind::Null, Cow::default(), 0),
                    _ => return unexpected(),
                };
                builder.scalar(Scalar { kind, text, text_at, span })?;
                after_value(&open)
            }
            _ => return unexpected(),
        };
    }
    if expect != Expect::End {
        let message =
            if text.trim_ascii().is_empty() { "the file is empty" } else { "the file ends too early" };
        return Err(SyntaxError::new(message, source.len()..source.len()).with_help(expect.message()));
    }
    Ok(builder.finish())
}

fn after_value(open: &[bool]) -> Expect {
    if open.is_empty() { Expect::End } else { Expect::CommaOrEnd }
}

/// The scanner takes more for white space than JSON does.
fn check_gap(gap: &str, at: usize) -> Result<(), SyntaxError> {
    match gap.char_indices().find(|(_, c)| !matches!(c, ' ' | '\t' | '\n' | '\r')) {
        None => Ok(()),
        Some((offset, c)) => Err(SyntaxError::new(
            "this character is not white space in JSON",
            at + offset..at + offset + c.len_utf8(),
        )),
    }
}

/// The scanner lets control characters stand in strings; JSON does not.
fn check_string(source: &str, span: Span) -> Result<(), SyntaxError> {
    match source[span.range()].bytes().position(|byte| byte < b' ') {
        None => Ok(()),
        Some(offset) => {
            let at = span.range().start + offset;
            Err(SyntaxError::new("a control character cannot stand in a string", at..at + 1)
                .with_help("write it as an escape, such as \\n or \\t"))
        }
    }
}

/// The scanner's error in our words: some of its own quote what they found.
fn scan_error(error: &jsonc_parser::errors::ParseError, base: usize) -> SyntaxError {
    use ParseErrorKind as Kind;
    let message = match error.kind() {
        Kind::SingleQuotedStringsNotAllowed => "a string stands in double quotes",
        Kind::String(ParseStringErrorKind::UnterminatedStringLiteral) => "this string has no closing quote",
        Kind::String(ParseStringErrorKind::ExpectedFourHexDigits) => "\\u takes four hexadecimal digits",
        Kind::String(ParseStringErrorKind::InvalidUnicodeEscapeSequence(_)) => {
            "this escape is half of a surrogate pair, without its other half"
        }
        Kind::String(_) => "this is not an escape in JSON",
        Kind::BareDecimalPointNumbersNotAllowed
        | Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral
        | Kind::HexadecimalNumbersNotAllowed
        | Kind::NonFiniteNumbersNotAllowed
        | Kind::UnaryPlusNumbersNotAllowed => "this is not a number in JSON",
        Kind::UnterminatedCommentBlock | Kind::CommentsNotAllowed => "JSON has no comments",
        _ => "this is not JSON",
    };
    let range = error.range();
    SyntaxError::new(message, base + range.start..base + range.end)
}
