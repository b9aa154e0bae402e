//! Which key of which Secret a name means.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName};

/// The longest key of a Secret, and the longest name of an object.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
const MAX_LENGTH: usize = 253;

/// How names are written.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// Names are keys of this Secret.
    Keys(String),
    /// Names are `SECRET/KEY`.
    Pairs,
}

/// One key of one Secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'n> {
    pub(super) secret: &'n str,
    pub(super) key: &'n str,
}

impl Layout {
    pub(super) fn of(secret: Option<&str>) -> Result<Self> {
        match secret {
            None => Ok(Layout::Pairs),
            Some(secret) => {
                check_object("secret", secret)?;
                Ok(Layout::Keys(secret.to_owned()))
            }
        }
    }

    /// The place of `name`; `InvalidName` if the cluster could have none such.
    pub(super) fn place<'n>(&'n self, name: &'n SecretName) -> Result<Place<'n>> {
        let invalid = |what| Error::new(ErrorKind::InvalidName, what);
        let (secret, key) = match self {
            Layout::Keys(secret) => (secret.as_str(), name.as_str()),
            Layout::Pairs => name.as_str().split_once('/').ok_or_else(|| {
                invalid("a name in this store is SECRET/KEY")
                    .with_help("write both, or name the Secret of all names in the setting 'secret'")
            })?,
        };
        if !is_object_name(secret) {
            return Err(invalid("the name of a Secret is of lower-case letters, digits, '-' and '.'"));
        }
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !(1..=MAX_LENGTH).contains(&key.len()) || !key.bytes().all(is_part) {
            return Err(invalid(
                "a key of a Secret is of letters, digits, '-', '_' and '.', and at most 253 of them",
            ));
        }
        Ok(Place { secret, key })
    }
}

/// `InvalidConfig` if `text`, in the setting `key`, cannot be the name of an object.
pub(super) fn check_object(key: &str, text: &str) -> Result<()> {
    if is_object_name(text) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidConfig,
        format!("'{key}' is not the name of an object: lower-case letters, digits, '-' and '.'"),
    ))
}

/// A DNS subdomain, as RFC 1123 has it.
fn is_object_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        is_edge(label.as_bytes().first())
            && is_edge(label.as_bytes().last())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= MAX_LENGTH && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn a_name_is_a_key_of_the_secret_or_a_secret_and_a_key() {
        let keys = Layout::of(Some("app")).unwrap();
        let key = name("OPENAI_KEY.v1-a");
        let place = keys.place(&key).unwrap();
        assert_eq!((place.secret, place.key), ("app", "OPENAI_KEY.v1-a"));
        let pair = name("app.prod/openai-key");
        let place = Layout::Pairs.place(&pair).unwrap();
        assert_eq!((place.secret, place.key), ("app.prod", "openai-key"));
    }

    #[test]
    fn what_the_cluster_has_no_name_for_is_refused() {
        for text in ["a/b", "a b", "ключ", "a%2f", "a\"b", "a:b", &"k".repeat(254)] {
            let error = Layout::of(Some("app")).unwrap().place(&name(text)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{text}");
        }
        for text in [
            "key",
            "App/key",
            "-a/key",
            "a-/key",
            "a_b/key",
            "a/b/c",
            "a/b c",
            &format!("{}/k", "a".repeat(254)),
        ] {
            let error = Layout::Pairs.place(&name(text)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{text}");
        }
        for text in ["", "..", "a/b", "App", "a b", "a."] {
            assert_eq!(check_object("secret", text).unwrap_err().kind(), ErrorKind::InvalidConfig, "{text}");
        }
    }
}
