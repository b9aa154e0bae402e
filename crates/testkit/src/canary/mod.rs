//! Canaries: unique values that must be found nowhere.
//!
//! A test puts a canary wherever a secret goes (a value, a token, a passphrase), lets the code run, and then
//! searches everything the code put out. [`observe`] does that for a whole process.
//!
//! ```
//! use modelmesh_testkit::canary::{Canary, CanarySet, Encoding};
//!
//! let token = Canary::new("the vault token");
//! let canaries = CanarySet::from_iter([token.clone()]);
//!
//! canaries.assert_absent(b"GET /v1/secret: 403", "the log");
//! let leaked = format!("header: {}", token.text());
//! assert_eq!(token.find_in(leaked.as_bytes()), Some(Encoding::Raw));
//! ```

mod encoding;
mod process;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use modelmesh_secrets::{ExposeSecret, SecretString, SecretValue};

pub use self::{
    encoding::Encoding,
    process::{Observation, Source, observe},
};
use encoding::{Haystack, Needles};

/// A value that occurs nowhere by chance, and a label by which a report names it.
///
/// `Debug` shows the label alone, so that a failed assertion about leaks is not one.
#[derive(Clone)]
pub struct Canary {
    label: String,
    text: SecretString,
    needles: Needles,
}

impl Canary {
    /// A new canary of letters and digits: fit for a password, a token, an environment variable.
    pub fn new(label: impl Into<String>) -> Self {
        let text = random_text();
        let (start, end) = text.as_bytes().split_at(text.len() / 2);
        Canary::made(label.into(), &text, vec![start.to_vec(), end.to_vec()])
    }

    /// A new canary with quotes, backslashes, `%`, `/`, `&`, spaces and letters outside ASCII between its
    /// random parts, so that every encoder has to change it.
    pub fn with_special_characters(label: impl Into<String>) -> Self {
        const SPECIAL: [&str; 8] = ["\"", "\\", "/", "é", "%2", "& ", "'", "+🔑"];
        let random = random_text();
        let text: String = SPECIAL.iter().zip(random.as_bytes().chunks(4)).fold(
            String::new(),
            |mut text, (special, part)| {
                text.extend(part.iter().copied().map(char::from));
                text.push_str(special);
                text
            },
        );
        Canary::made(label.into(), &text, Vec::new())
    }

    /// A canary of text that a test already has, such as the token that a server made.
    ///
    /// # Panics
    ///
    /// Panics if `text` is shorter than 8 bytes: it could be found by chance.
    pub fn of(label: impl Into<String>, text: &str) -> Self {
        assert!(text.len() >= 8, "a canary under 8 bytes could be found by chance");
        Canary::made(label.into(), text, Vec::new())
    }

    fn made(label: String, text: &str, fragments: Vec<Vec<u8>>) -> Self {
        Canary { label, text: text.into(), needles: Needles::of(text, fragments) }
    }

    /// What this canary stands for.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The unique text.
    pub fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// The canary as a secret's value.
    pub fn value(&self) -> SecretValue {
        SecretValue::new(self.text.clone())
    }

    /// How the canary is spelled in `bytes`, if it is there.
    pub fn find_in(&self, bytes: &[u8]) -> Option<Encoding> {
        self.needles.find_in(&Haystack::new(bytes))
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary").field("label", &self.label).finish_non_exhaustive()
    }
}

/// 160 random bits as 32 letters and digits, without a fixed part: halves of two canaries never agree.
fn random_text() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// Where a canary was found. It shows the canary's label and its spelling, never its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The label of the canary.
    pub label: String,
    /// How it was spelled.
    pub encoding: Encoding,
    /// Where it was.
    pub place: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) in {}", self.label, self.encoding, self.place)
    }
}

/// Several canaries that are searched for together.
#[derive(Clone, Debug, Default)]
pub struct CanarySet(Vec<Canary>);

impl FromIterator<Canary> for CanarySet {
    fn from_iter<T: IntoIterator<Item = Canary>>(canaries: T) -> Self {
        CanarySet(canaries.into_iter().collect())
    }
}

impl CanarySet {
    /// A set without canaries: it finds nothing.
    pub fn new() -> Self {
        CanarySet::default()
    }

    /// Adds a canary.
    pub fn insert(&mut self, canary: Canary) {
        self.0.push(canary);
    }

    /// Every canary that is in `bytes`. `place` is what the findings call them.
    pub fn find_in(&self, bytes: &[u8], place: &str) -> Vec<Finding> {
        let haystack = Haystack::new(bytes);
        self.0
            .iter()
            .filter_map(|canary| {
                let encoding = canary.needles.find_in(&haystack)?;
                Some(Finding { label: canary.label.clone(), encoding, place: place.to_owned() })
            })
            .collect()
    }

    /// Every canary that is in the name or the content of a file under `path`. Symbolic links are not
    /// followed: what they say is searched, not what they point at.
    ///
    /// A file that vanishes during the search is skipped; one that cannot be read is an error.
    pub fn scan_dir(&self, path: &Path) -> io::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for (file, content) in files_under(path)? {
            let place = file.display().to_string();
            findings.extend(self.find_in(place.as_bytes(), "the name of a file"));
            findings.extend(self.find_in(&content, &place));
        }
        Ok(findings)
    }

    /// Asserts that no canary is in `bytes`; `what` names them in the panic.
    ///
    /// # Panics
    ///
    /// Panics with the labels and spellings found, never with a canary.
    pub fn assert_absent(&self, bytes: impl AsRef<[u8]>, what: &str) {
        assert_none(&self.find_in(bytes.as_ref(), what));
    }

    /// Asserts that no canary is in a name or a file under `path`.
    ///
    /// # Panics
    ///
    /// Panics with what was found and where, and if the folder cannot be searched: an unread file proves
    /// nothing.
    pub fn assert_absent_in_dir(&self, path: &Path) {
        match self.scan_dir(path) {
            Ok(findings) => assert_none(&findings),
            Err(error) => panic!("'{}' cannot be searched: {error}", path.display()),
        }
    }
}

fn assert_none(findings: &[Finding]) {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "leaked: {}", shown.join("; "));
}

/// Every file under `path` with its content; of a symbolic link, its target's path.
fn files_under(path: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let content = if kind.is_dir() {
                folders.push(path.clone());
                Ok(Vec::new())
            } else if kind.is_symlink() {
                fs::read_link(&path).map(|target| target.into_os_string().into_encoded_bytes())
            } else if kind.is_file() {
                fs::read(&path)
            } else {
                continue; // a socket or a pipe holds nothing at rest, and reading one may never end
            };
            match content {
                Ok(content) => files.push((path, content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a temporary folder need no safe replacement")]
mod tests {
    use base64::{Engine, engine::general_purpose};

    use super::*;

    fn found(canary: &Canary, text: impl AsRef<[u8]>) -> Option<Encoding> {
        canary.find_in(text.as_ref())
    }

    #[test]
    fn two_canaries_never_agree() {
        let (a, b) = (Canary::new("a"), Canary::new("b"));
        assert_ne!(a.text(), b.text());
        assert_eq!(found(&a, b.text()), None);
    }

    #[test]
    fn debug_shows_the_label_alone() {
        let canary = Canary::new("the token");
        let shown = format!("{canary:#?} {:?}", CanarySet::from_iter([canary.clone()]));
        assert!(shown.contains("the token"));
        assert_eq!(found(&canary, shown), None);
    }

    #[test]
    fn a_value_cut_short_is_found() {
        let canary = Canary::new("x");
        assert_eq!(found(&canary, format!("key={}…", &canary.text()[..16])), Some(Encoding::Fragment));
        assert_eq!(found(&canary, format!("…{}", &canary.text()[16..])), Some(Encoding::Fragment));
    }

    #[test]
    fn hexadecimal_is_found_in_either_case() {
        let canary = Canary::with_special_characters("x");
        let hex = canary.text().bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(found(&canary, &hex), Some(Encoding::Hex));
        assert_eq!(found(&canary, hex.to_uppercase()), Some(Encoding::Hex));
    }

    #[test]
    fn base64_is_found_at_every_alignment_in_both_alphabets() {
        let canary = Canary::with_special_characters("x");
        for before in 0..6 {
            for after in 0..4 {
                let text = format!("{}{}{}", "x".repeat(before), canary.text(), "y".repeat(after));
                for engine in [
                    &general_purpose::STANDARD,
                    &general_purpose::STANDARD_NO_PAD,
                    &general_purpose::URL_SAFE,
                    &general_purpose::URL_SAFE_NO_PAD,
                ] {
                    assert_eq!(
                        found(&canary, engine.encode(&text)),
                        Some(Encoding::Base64),
                        "{before} {after}"
                    );
                }
            }
        }
    }

    #[test]
    fn base64_wrapped_as_in_pem_is_found() {
        let canary = Canary::new("x");
        let encoded = general_purpose::STANDARD.encode(format!("some text before {}", canary.text()));
        let lines: Vec<&str> =
            (0..encoded.len()).step_by(8).map(|at| &encoded[at..(at + 8).min(encoded.len())]).collect();
        assert_eq!(found(&canary, lines.join("\r\n")), Some(Encoding::Base64));
    }

    #[test]
    fn percent_encoding_is_found_whatever_was_encoded() {
        let canary = Canary::with_special_characters("x");
        let all = canary.text().bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let some: String = canary
            .text()
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        assert_eq!(found(&canary, all), Some(Encoding::Percent));
        assert_eq!(found(&canary, format!("https://host/?key={some}")), Some(Encoding::Percent));
    }

    #[test]
    fn escapes_of_json_and_of_debug_are_found() {
        let canary = Canary::with_special_characters("x");
        assert_eq!(found(&canary, format!("{:?}", canary.text())), Some(Encoding::Escaped));
        let units =
            canary.text().encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        assert_eq!(found(&canary, units), Some(Encoding::Escaped));
        let braces: String = canary.text().chars().map(|c| c.escape_unicode().to_string()).collect();
        assert_eq!(found(&canary, braces), Some(Encoding::Escaped));
    }

    #[test]
    fn utf16_and_reversed_text_are_found() {
        let canary = Canary::new("x");
        let utf16: Vec<u8> = canary.text().encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(&canary, utf16), Some(Encoding::Utf16));
        assert_eq!(found(&canary, canary.text().chars().rev().collect::<String>()), Some(Encoding::Reversed));
    }

    #[test]
    fn innocent_text_holds_no_canary() {
        let canary = Canary::with_special_characters("x");
        for text in
            ["", "\\", "%", "%4", "\\u", "\\u12", "\\ud83d", "\\u{", "\\ud83d\\u0041", "{\"a\": \"\\n\"}"]
        {
            assert_eq!(found(&canary, text), None, "{text}");
        }
    }

    #[test]
    fn an_assertion_names_the_label_and_shows_no_value() {
        let canary = Canary::new("the passphrase");
        let set = CanarySet::from_iter([canary.clone()]);
        let text = canary.text().to_owned();
        let panic = std::panic::catch_unwind(move || set.assert_absent(text, "the log")).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("the passphrase (raw) in the log"), "{message}");
        assert_eq!(found(&canary, message), None);
    }

    #[test]
    fn a_folder_is_searched_to_its_depth_names_included() {
        let canary = Canary::new("x");
        let set = CanarySet::from_iter([canary.clone()]);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/innocent"), "nothing").unwrap();
        set.assert_absent_in_dir(folder.path());

        fs::write(folder.path().join("a/b/.tmp"), canary.text()).unwrap();
        let findings = set.scan_dir(folder.path()).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].place.ends_with("a/b/.tmp"));

        fs::write(folder.path().join(canary.text()), "").unwrap();
        assert!(
            set.scan_dir(folder.path()).unwrap().iter().any(|finding| finding.place == "the name of a file")
        );
    }
}
