//! Whom a file is encrypted to, as text.

use modelmesh_secrets::{Error, ErrorKind, Result};

use super::identities::error_at;

/// Stands for the passphrase in a list of recipients. It can have no other beside it.
pub const PASSPHRASE: &str = "passphrase";

/// The recipients of a file: what the plaintext keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recipients {
    /// Whoever knows the passphrase.
    Passphrase,
    /// Public keys, each once, in the order given.
    Keys(Vec<Recipient>),
}

impl Recipients {
    /// Checks a list.
    ///
    /// Fails with `InvalidConfig` if it is empty, if an entry is not a recipient, or if the passphrase is not
    /// alone.
    pub(super) fn parse<T: AsRef<str>>(list: &[T]) -> Result<Self> {
        if let [only] = list
            && only.as_ref().trim() == PASSPHRASE
        {
            return Ok(Recipients::Passphrase);
        }
        let mut keys: Vec<Recipient> = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let recipient = Recipient::parse(text.as_ref())
                .map_err(|error| error_at(&format!("recipient {}:", index + 1), &error))?;
            if !keys.iter().any(|known| known.is(&recipient)) {
                keys.push(recipient);
            }
        }
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::InvalidConfig, "a file needs at least one recipient")
                .with_help("keep or add one; your own is in your identity file"));
        }
        Ok(Recipients::Keys(keys))
    }

    /// As the plaintext keeps them.
    pub(super) fn to_texts(&self) -> Vec<String> {
        match self {
            Recipients::Passphrase => vec![PASSPHRASE.to_owned()],
            Recipients::Keys(keys) => keys.iter().map(|key| key.text.clone()).collect(),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipient {
    /// As it was given, with the comment of an SSH key.
    text: String,
    /// In the one spelling of this key, to compare.
    canonical: String,
}

impl Recipient {
    /// Reads `age1…`, `ssh-ed25519 …` or `ssh-rsa …`.
    ///
    /// The text is not repeated in an error: it may be the private key, pasted by mistake.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let invalid = |what: &'static str| {
            Error::new(ErrorKind::InvalidConfig, what)
                .with_help("a recipient is 'age1…', or an SSH public key of type ssh-ed25519 or ssh-rsa")
        };
        if text == PASSPHRASE {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a passphrase can have no other recipient beside it",
            )
            .with_help("use either public keys or the passphrase"));
        }
        let canonical = if text.starts_with("ssh-") {
            let key: age::ssh::Recipient =
                text.parse().map_err(|_| invalid("not an SSH public key that age can encrypt to"))?;
            key.to_string()
        } else if text.starts_with("age1") {
            let key: age::x25519::Recipient =
                text.parse().map_err(|_| invalid("not a whole age public key of type X25519"))?;
            key.to_string()
        } else {
            return Err(invalid("not a public key"));
        };
        Ok(Recipient { text: text.to_owned(), canonical })
    }

    /// Whether both are the same key, whatever the comment.
    pub(super) fn is(&self, other: &Recipient) -> bool {
        self.canonical == other.canonical
    }

    /// The key as the `age` crate needs it.
    pub(super) fn key(&self) -> Result<Box<dyn age::Recipient>> {
        let broken = || Error::new(ErrorKind::Malformed, "a recipient of the file cannot be read any more");
        if self.canonical.starts_with("ssh-") {
            self.canonical.parse::<age::ssh::Recipient>().map(|key| Box::new(key) as _).map_err(|_| broken())
        } else {
            self.canonical
                .parse::<age::x25519::Recipient>()
                .map(|key| Box::new(key) as _)
                .map_err(|_| broken())
        }
    }
}
