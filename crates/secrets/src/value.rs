//! Values of secrets: wiped when they die, shown by nobody.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// A resolved secret with optional version and expiration metadata.
///
/// - The value is UTF-8 text, held by [`secrecy`]: wiped when dropped, absent from `Debug`.
/// - There is no `Display` and no `Serialize`; [`expose`](SecretValue::expose) is the one way to read it, so
///   every place that does can be found by that word.
/// - Cloning is cheap and makes no second copy of the text, which is wiped when the last clone dies.
/// - Equality is not offered: use [`same_value`](SecretValue::same_value), whose time does not tell where two
///   values part.
///
/// ```
/// use modelmesh_secrets::SecretValue;
///
/// let value = SecretValue::new("sk-123").with_version("7");
/// assert_eq!(value.expose(), "sk-123");
/// assert!(!format!("{value:?}").contains("sk-123"));
/// ```
#[derive(Clone, Debug)]
pub struct SecretValue {
    value: Arc<SecretString>,
    version: Option<Version>,
    expires_at: Option<Timestamp>,
}

impl SecretValue {
    /// A value without version or expiry.
    pub fn new(value: impl Into<SecretString>) -> Self {
        SecretValue { value: Arc::new(value.into()), version: None, expires_at: None }
    }

    /// Adds the version under which the store keeps this value.
    pub fn with_version(mut self, version: impl Into<Version>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds the instant after which the value must not be used.
    pub fn with_expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// The value as the type that keeps it secret.
    pub fn secret(&self) -> &SecretString {
        &self.value
    }

    /// The version under which the store keeps this value, if it keeps versions.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The instant after which the value must not be used.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Tells, in tests, whether the text is still held by anyone.
    #[cfg(test)]
    pub(crate) fn downgrade(&self) -> std::sync::Weak<SecretString> {
        Arc::downgrade(&self.value)
    }

    /// A part of this value, of the same version and expiry.
    pub(crate) fn with_text(&self, text: SecretString) -> Self {
        SecretValue { value: Arc::new(text), ..self.clone() }
    }

    /// Whether two values are the same text, in a time that depends on their lengths alone.
    pub fn same_value(&self, other: &SecretValue) -> bool {
        let (a, b) = (self.expose().as_bytes(), other.expose().as_bytes());
        a.len() == b.len()
            && std::hint::black_box(a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b))) == 0
    }
}

impl From<String> for SecretValue {
    fn from(value: String) -> Self {
        SecretValue::new(value)
    }
}

impl From<&str> for SecretValue {
    fn from(value: &str) -> Self {
        SecretValue::new(value)
    }
}

impl From<SecretString> for SecretValue {
    fn from(value: SecretString) -> Self {
        SecretValue::new(value)
    }
}

/// A version, or a stage, as the store names it: `7`, a UUID, `AWSPREVIOUS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Arc<str>);

impl Version {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Version {
    fn from(version: &str) -> Self {
        Version(Arc::from(version))
    }
}

impl From<String> for Version {
    fn from(version: String) -> Self {
        Version(Arc::from(version))
    }
}

impl From<u64> for Version {
    fn from(version: u64) -> Self {
        Version::from(version.to_string())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::printable(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_metadata_and_no_value() {
        let value = SecretValue::new("canary-value").with_version(3);
        let shown = format!("{value:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains('3'), "{shown}");
    }

    #[test]
    fn same_value_compares_the_text_alone() {
        let a = SecretValue::new("abc").with_version(1);
        assert!(a.same_value(&SecretValue::new("abc")));
        assert!(!a.same_value(&SecretValue::new("abd")));
        assert!(!a.same_value(&SecretValue::new("abcd")));
    }
}
