//! Text from files and backends, made safe to print.
//!
//! A secret's name comes from a configuration file, a listing of a backend, or the command line: it may hold
//! terminal escapes, or characters that reorder what a person reads. Everything this project prints goes
//! through here first.

use std::fmt::{self, Write as _};

/// `text` with control, bidirectional and invisible characters written as `\u{…}`.
///
/// ```
/// use modelmesh_secrets::printable;
///
/// assert_eq!(printable("key\u{1b}[2J").to_string(), "key\\u{1b}[2J");
/// assert_eq!(printable("clé/née").to_string(), "clé/née");
/// ```
pub fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

/// See [`printable`].
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if misleads(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal would act on `c`, or a reader would not see it.
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}'                          // soft hyphen
            | '\u{061C}' | '\u{180E}'           // Arabic letter mark, Mongolian vowel separator
            | '\u{200B}'..='\u{200F}'           // zero width, and left-to-right / right-to-left marks
            | '\u{2028}'..='\u{202E}'           // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206F}'           // word joiner, isolates, deprecated formatting
            | '\u{FEFF}'                        // byte order mark
            | '\u{FFF9}'..='\u{FFFB}'           // interlinear annotation
            | '\u{E0000}'..='\u{E007F}') // tags
}
