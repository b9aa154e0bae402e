//! Names of secrets: valid once made.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::{Error, ErrorKind, Result, printable};

/// The logical name of a secret.
///
/// - One to [`SecretName::MAX_BYTES`] bytes of UTF-8, in segments parted by `/`.
/// - No segment is empty, `.` or `..`, and no character is a control character, so that what is asked of a
///   backend stays under its mount and prefix.
/// - Anything else is allowed: an ARN is a name, and so is a title with spaces. In a reference, characters
///   outside `[A-Za-z0-9:/.@+=_-]` are percent-encoded; [`SecretName::to_reference`] does that.
///
/// Cloning is cheap.
///
/// ```
/// use modelmesh_secrets::SecretName;
///
/// let name = SecretName::new("team/openai key")?;
/// assert_eq!(name.to_reference(), "${secrets:team/openai%20key}");
/// assert!(SecretName::new("../etc/passwd").is_err());
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// The longest name: what the longest identifier of a supported backend (an AWS ARN, 2,048) needs.
    pub const MAX_BYTES: usize = 2048;

    /// Checks `name` and makes it a `SecretName`.
    ///
    /// Fails with [`ErrorKind::InvalidName`] if a rule above is broken.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        match broken_rule(name) {
            None => Ok(SecretName(Arc::from(name))),
            Some(rule) => {
                let shown = name.char_indices().nth(80).map_or(name, |(end, _)| &name[..end]);
                Err(Error::new(ErrorKind::InvalidName, rule).with_name(shown))
            }
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference to this name in the default store, percent-encoded where the grammar needs it.
    pub fn to_reference(&self) -> String {
        format!("${{secrets:{}}}", crate::reference::encode_name(&self.0))
    }
}

fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name cannot be empty");
    }
    if name.len() > SecretName::MAX_BYTES {
        return Some("a name cannot be longer than 2048 bytes");
    }
    if name.chars().any(char::is_control) {
        return Some("a name cannot hold control characters");
    }
    name.split('/').find_map(|segment| match segment {
        "" => Some("a name cannot start or end with '/', or hold '//'"),
        "." | ".." => Some("a segment of a name cannot be '.' or '..'"),
        _ => None,
    })
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for SecretName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        SecretName::new(name)
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SecretName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<SecretName> for Arc<str> {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl From<&SecretName> for Arc<str> {
    fn from(name: &SecretName) -> Self {
        Arc::clone(&name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_backend_are_names() {
        for name in [
            "openai-key",
            "OPENAI_API_KEY",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf",
            "team/prod/openai",
            "My Login (work)",
            "ключ",
            "..a/b..",
            "constructor",
        ] {
            assert!(SecretName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_reach_outside_are_refused() {
        for name in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "../a",
            "a/.",
            "a\0b",
            "a\nb",
            "a\u{1b}[2Jb",
            "a\u{85}b",
        ] {
            let error = SecretName::new(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }

    #[test]
    fn a_long_name_is_refused_and_not_echoed_whole() {
        assert!(SecretName::new("x".repeat(SecretName::MAX_BYTES)).is_ok());
        let error = SecretName::new("x".repeat(SecretName::MAX_BYTES + 1)).unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
