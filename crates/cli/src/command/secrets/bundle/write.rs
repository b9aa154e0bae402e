//! Secrets, written as text.

use modelmesh_secrets::{
    Error, ErrorKind, SecretName, SecretValue,
    document::{self, quoted},
    misleads,
};
use modelmesh_stores::dotenv;
use zeroize::Zeroizing;

use super::{Bundle, parse};
use crate::args::Format;

/// `secrets` in a format, so that [`parse`] reads exactly them.
///
/// Fails with each secret that the format cannot hold.
pub(in super::super) fn write(secrets: &Bundle, format: Format) -> Result<Zeroizing<String>, Vec<Error>> {
    let text = match format {
        Format::Dotenv => return write_dotenv(secrets),
        Format::Json => write_json(secrets),
        Format::Toml => join(secrets.iter().map(|(name, value)| {
            [key(name, document::Format::Toml), equals(), quoted(value.expose(), document::Format::Toml)]
        })),
        Format::Yaml => {
            let text = write_yaml(secrets, block_or_quoted);
            if reads_back(&text, format, secrets) {
                text
            } else {
                write_yaml(secrets, |value| in_quotes(value.expose()))
            }
        }
    };
    if reads_back(&text, format, secrets) {
        return Ok(text);
    }
    let message = "these secrets cannot be written in this format so that they read back the same";
    Err(vec![Error::new(ErrorKind::Unsupported, message).with_help("use another --format")])
}

fn reads_back(text: &str, format: Format, secrets: &Bundle) -> bool {
    let Ok(parsed) = parse(text, format, "") else { return false };
    parsed.secrets.len() == secrets.len()
        && parsed
            .secrets
            .iter()
            .zip(secrets)
            .all(|((name, value), (other, expected))| name == other && value.same_value(expected))
}

fn write_dotenv(secrets: &Bundle) -> Result<Zeroizing<String>, Vec<Error>> {
    let refused: Vec<Error> = secrets
        .iter()
        .filter_map(|(name, value)| {
            if !dotenv::KEYS.allows(name) {
                return Some(
                    Error::new(ErrorKind::InvalidName, "a .env file cannot hold this name").with_name(name),
                );
            }
            let nul = value.expose().contains('\0');
            nul.then(|| {
                Error::new(ErrorKind::Unsupported, "a .env file cannot hold the character NUL")
                    .with_name(name)
            })
        })
        .map(|error| error.with_help("use --format json, yaml or toml; nothing was written"))
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let changes = secrets.iter().map(|(name, value)| (name, dotenv::Change::Set(value.expose())));
    dotenv::edit("", changes).map_err(|error| vec![error])
}

fn write_json(secrets: &Bundle) -> Zeroizing<String> {
    let format = document::Format::Json;
    let piece = |text: &str| Zeroizing::new(text.to_owned());
    if secrets.is_empty() {
        return piece("{}\n");
    }
    let last = secrets.len() - 1;
    let lines = secrets.iter().enumerate().map(|(at, (name, value))| {
        [
            piece(if at == 0 { "{\n  " } else { "  " }),
            quoted(name.as_str(), format),
            piece(": "),
            quoted(value.expose(), format),
            piece(if at == last { "\n}" } else { "," }),
        ]
    });
    join(lines)
}

fn write_yaml(secrets: &Bundle, written: fn(&SecretValue) -> Zeroizing<String>) -> Zeroizing<String> {
    join(secrets.iter().map(|(name, value)| {
        [key(name, document::Format::Yaml), Zeroizing::new(": ".to_owned()), written(value)]
    }))
}

fn equals() -> Zeroizing<String> {
    Zeroizing::new(" = ".to_owned())
}

fn in_quotes(value: &str) -> Zeroizing<String> {
    quoted(value, document::Format::Yaml)
}

/// A text of several lines as a block, which a person can read; any other in quotes.
fn block_or_quoted(value: &SecretValue) -> Zeroizing<String> {
    let value = value.expose();
    let body = value.strip_suffix('\n').unwrap_or(value);
    let fits = body.contains('\n') || body.len() < value.len();
    let plain = !body.chars().any(|c| c != '\n' && (misleads(c) || matches!(c, '\u{FFFE}' | '\u{FFFF}')));
    // Blank first and last lines, and blanks at the first line's start, need indicators that nobody reads.
    if !fits || !plain || body.is_empty() || body.starts_with([' ', '\n']) || body.ends_with('\n') {
        return in_quotes(value);
    }
    let lines = body.split('\n').count();
    let mut block = Zeroizing::new(String::with_capacity(body.len() + 3 * lines + 4));
    block.push_str(if body.len() < value.len() { "|" } else { "|-" });
    for line in body.split('\n') {
        block.push('\n');
        if !line.is_empty() {
            block.push_str("  ");
            block.push_str(line);
        }
    }
    block
}

/// A name as a key: bare where every reader takes it for text.
fn key(name: &SecretName, format: document::Format) -> Zeroizing<String> {
    // What one version of YAML or another takes for something else than text.
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let text = name.as_str();
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if bare { Zeroizing::new(text.to_owned()) } else { quoted(text, format) }
}

/// The lines, in one buffer of the right size: growth would leave copies behind.
fn join<const N: usize>(lines: impl Iterator<Item = [Zeroizing<String>; N]>) -> Zeroizing<String> {
    let lines: Vec<_> = lines.collect();
    let length = lines.iter().flatten().map(|part| part.len()).sum::<usize>() + lines.len();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for line in &lines {
        for part in line {
            text.push_str(part);
        }
        text.push('\n');
    }
    text
}
