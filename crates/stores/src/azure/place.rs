//! Names and versions of secrets, as Key Vault has them.
//! <https://learn.microsoft.com/en-us/azure/key-vault/general/about-keys-secrets-certificates>

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, Version};

/// The longest name of a secret, in characters.
const MAX_NAME: usize = 127;

/// What a name may hold besides ASCII letters and digits.
pub(super) const NAME_CHARACTERS: &str = "-";

/// `InvalidName`, before any I/O, for what Key Vault takes as no name of a secret.
///
/// It is what keeps a name from leaving its place in a URL, too: the SDK encodes nothing.
pub(super) fn check_name(name: &SecretName) -> Result<()> {
    let text = name.as_str();
    if text.len() <= MAX_NAME && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, "no secret of Key Vault can have this name")
        .with_help("a name has up to 127 letters, digits and '-'; 'naming: kebab' turns others into such"))
}

/// `NotFound`, before any I/O, for what can be no version's ID.
pub(super) fn check_version(version: &Version) -> Result<()> {
    let text = version.as_str();
    if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "there can be no such version")
        .with_help("a version is 32 hexadecimal digits; 'az keyvault secret list-versions' shows them"))
}

/// What an ID tells: `https://VAULT/secrets/NAME`, with a version or not.
pub(super) struct Identified<'i> {
    pub(super) name: &'i str,
    pub(super) version: Option<&'i str>,
}

impl<'i> Identified<'i> {
    /// None if `id` is none of a secret's.
    pub(super) fn by(id: &'i str) -> Option<Self> {
        let (_, rest) = id.split_once("/secrets/")?;
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let identified = Identified { name: parts.next()?, version: parts.next() };
        parts.next().is_none().then_some(identified)
    }

    /// Whether it is the secret of this name. Key Vault takes no notice of capitals, and answers with those with
    /// which the secret was made.
    pub(super) fn is(&self, name: &SecretName) -> bool {
        self.name.eq_ignore_ascii_case(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn names_follow_key_vaults_rules() {
        let longest = "x".repeat(MAX_NAME);
        for good in ["openai-key", "OpenAI-Key-2", "-", "1", &longest] {
            assert!(check_name(&name(good)).is_ok(), "{good}");
        }
        let longer = "x".repeat(MAX_NAME + 1);
        for bad in ["openai_key", "team/key", "a.b", "a b", "a%2fb", "a?b", "a#b", "cl\u{e9}", &longer] {
            assert_eq!(check_name(&name(bad)).unwrap_err().kind(), ErrorKind::InvalidName, "{bad}");
        }
    }

    #[test]
    fn a_version_cannot_be_another_part_of_a_path() {
        assert!(check_version(&Version::from("4387e9f3d6e14c459867679a90fd0f79")).is_ok());
        for bad in [
            "",
            "7",
            "versions",
            "../x",
            "4387e9f3d6e14c459867679a90fd0f7/",
            "4387e9f3d6e14c459867679a90fd0f7?",
        ] {
            let error = check_version(&Version::from(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{bad}");
        }
    }

    #[test]
    fn an_id_tells_the_name_and_the_version() {
        for (id, name, version) in [
            ("https://v.vault.azure.net/secrets/key/0a", "key", Some("0a")),
            ("https://v.vault.azure.net/secrets/key", "key", None),
            ("https://v.vault.azure.net/secrets/secrets/0a", "secrets", Some("0a")),
            ("https://gateway/v/secrets/key/", "key", None),
        ] {
            let found = Identified::by(id).unwrap();
            assert_eq!((found.name, found.version), (name, version), "{id}");
        }
        for id in ["", "key", "https://v/keys/key/0a", "https://v/secrets/", "https://v/secrets/a/b/c"] {
            assert!(Identified::by(id).is_none(), "{id}");
        }
    }

    #[test]
    fn an_id_in_other_capitals_is_the_same_secrets() {
        let id = "https://v.vault.azure.net/secrets/OpenAI-Key";
        assert!(Identified::by(id).unwrap().is(&name("openai-key")));
        assert!(!Identified::by(id).unwrap().is(&name("openai-key2")));
    }
}
