//! Which key of which Secret a name means.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName};

/// The longest key of a Secret, and the longest name of one.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
const MAX_LENGTH: usize = 253;

/// The longest name of a namespace: a label of RFC 1123.
const MAX_LABEL: usize = 63;

/// How names are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Names are keys of this Secret.
    Keys(String),
    /// Names are `SECRET/KEY`.
    Pairs {
        /// The one Secret that names can mean, because a prefix is put before them that has a `/`.
        only: Option<String>,
    },
}

/// One key of one Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'n> {
    pub(super) secret: &'n str,
    pub(super) key: &'n str,
}

impl Layout {
    /// The layout that the settings `secret` and `prefix` make.
    pub(super) fn of(secret: Option<&str>, prefix: &str) -> Result<Self> {
        if let Some(secret) = secret {
            check_secret("secret", secret)?;
            return Ok(Layout::Keys(secret.to_owned()));
        }
        let Some((secret, _)) = prefix.split_once('/') else {
            return Ok(Layout::Pairs { only: None });
        };
        check_secret("prefix", secret)?;
        Ok(Layout::Pairs { only: Some(secret.to_owned()) })
    }

    /// The place of `name`; `InvalidName` if the cluster could have none such.
    pub(super) fn place<'n>(&'n self, name: &'n SecretName) -> Result<Place<'n>> {
        let invalid = |what, help| Error::new(ErrorKind::InvalidName, what).with_help(help);
        let (secret, key) = match self {
            Layout::Keys(secret) => (secret.as_str(), name.as_str()),
            Layout::Pairs { .. } => name.as_str().split_once('/').ok_or_else(|| {
                invalid(
                    "a name in this store is SECRET/KEY",
                    "write both, or name the Secret of all names in the setting 'secret'",
                )
            })?,
        };
        if !is_object_name(secret) {
            return Err(invalid(
                "no Secret can have this name",
                "the name of a Secret has up to 253 small letters, digits, '-' and '.'",
            ));
        }
        if !is_key(key) {
            return Err(invalid(
                "no key of a Secret can have this name",
                "a key has up to 253 letters, digits, '-', '_' and '.', and does not start with '..'",
            ));
        }
        Ok(Place { secret, key })
    }
}

/// `InvalidConfig` if `text` cannot be the name of a namespace.
pub(super) fn check_namespace(text: &str) -> Result<()> {
    if text.len() <= MAX_LABEL && is_label(text) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, "no namespace can have this name").with_help(
        "'namespace' (or else that of the context or the pod) has up to 63 small letters, digits and '-'",
    ))
}

/// `InvalidConfig` if `text`, from the setting `key`, cannot be the name of a Secret.
fn check_secret(key: &str, text: &str) -> Result<()> {
    if is_object_name(text) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, format!("'{key}' names what no Secret can be called"))
        .with_help("the name of a Secret has up to 253 small letters, digits, '-' and '.'"))
}

/// A DNS subdomain, as RFC 1123 has it.
fn is_object_name(name: &str) -> bool {
    name.len() <= MAX_LENGTH && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_inner)
}

/// What `IsConfigMapKey` of the Kubernetes API takes.
fn is_key(key: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (1..=MAX_LENGTH).contains(&key.len()) && key.bytes().all(is_part) && key != "." && !key.starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn a_name_is_a_key_of_the_secret_or_a_secret_and_a_key() {
        let key = name("OPENAI_KEY.v1-a");
        let keys = Layout::of(Some("app"), "").unwrap();
        assert_eq!(keys.place(&key).unwrap(), Place { secret: "app", key: "OPENAI_KEY.v1-a" });
        let pair = name("app.prod/openai-key");
        let pairs = Layout::of(None, "").unwrap();
        assert_eq!(pairs.place(&pair).unwrap(), Place { secret: "app.prod", key: "openai-key" });
    }

    #[test]
    fn a_prefix_with_a_slash_leaves_one_secret() {
        assert_eq!(Layout::of(None, "app/v1-").unwrap(), Layout::Pairs { only: Some("app".into()) });
        assert_eq!(Layout::of(None, "team-").unwrap(), Layout::Pairs { only: None });
        assert_eq!(Layout::of(None, "App/").unwrap_err().kind(), ErrorKind::InvalidConfig);
    }

    #[test]
    fn what_the_cluster_has_no_name_for_is_refused() {
        let longest = "k".repeat(254);
        for text in ["a/b", "a b", "ключ", "a%2f", "a\"b", "a:b", "..a", "...", &longest] {
            let keys = Layout::of(Some("app"), "").unwrap();
            assert_eq!(keys.place(&name(text)).unwrap_err().kind(), ErrorKind::InvalidName, "{text}");
        }
        let longest = format!("{}/k", "a".repeat(254));
        for text in
            ["key", "App/key", "-a/key", "a-/key", "a_b/key", "a..b/key", "a/b/c", "a/b c", "a/..b", &longest]
        {
            let pairs = Layout::of(None, "").unwrap();
            assert_eq!(pairs.place(&name(text)).unwrap_err().kind(), ErrorKind::InvalidName, "{text}");
        }
        for text in ["", "..", "a/b", "App", "a b", "a."] {
            let error = Layout::of(Some(text), "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
        }
        for text in ["", "a.b", "..", "A", "a/b", &"a".repeat(64)] {
            assert_eq!(check_namespace(text).unwrap_err().kind(), ErrorKind::InvalidConfig, "{text}");
        }
    }
}
