//! The key of an encrypted file: raw, or derived from a passphrase.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, setting::Settings};
use sha2::Sha256;

use super::cipher::Key;
use crate::{connector::OpenContext, passphrase::PassphraseSource};

/// What the reference uses, and [OWASP asks for](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#pbkdf2).
const ITERATIONS: u32 = 600_000;

/// Where the key of an encrypted file comes from.
pub struct KeySource(Source);

enum Source {
    Raw(Key),
    Passphrase {
        source: PassphraseSource,
        iterations: u32,
        /// The key of the salt last asked for: a derivation takes a good part of a second.
        derived: Mutex<Option<(Vec<u8>, Key)>>,
    },
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySource").field(&self.kind()).finish()
    }
}

impl KeySource {
    /// The key that `encryption_key`, else `passphrase`, else the context gives.
    ///
    /// Fails with `InvalidConfig` if `encryption_key` is not 64 hex digits.
    pub fn from_settings(settings: &Settings, context: &OpenContext) -> Result<Self> {
        match settings.secret("encryption_key") {
            Some(hex) if !hex.expose_secret().is_empty() => Ok(KeySource(Source::Raw(raw_key(hex)?))),
            _ => {
                let iterations = settings.integer("pbkdf2_iterations").map_or(Ok(ITERATIONS), u32::try_from);
                let iterations = iterations.ok().filter(|count| *count > 0).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidConfig, "'pbkdf2_iterations' is out of range")
                        .with_help("give a number from 1 to 4294967295")
                })?;
                let source = PassphraseSource::new(settings.secret("passphrase"), context);
                Ok(KeySource(Source::Passphrase { source, iterations, derived: Mutex::new(None) }))
            }
        }
    }

    /// For messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.0 {
            Source::Raw(_) => "the encryption key",
            Source::Passphrase { .. } => "the passphrase",
        }
    }

    /// Makes sure that no person will have to be asked from now on.
    pub(super) fn ask(&self, path: &Path, new: bool) -> Result<()> {
        match &self.0 {
            Source::Raw(_) => Ok(()),
            Source::Passphrase { source, .. } => source.get(&described(path), new).map(drop),
        }
    }

    /// The key for a file with this salt.
    pub(super) fn derive(&self, salt: &[u8], path: &Path, new: bool) -> Result<Key> {
        let (source, iterations, derived) = match &self.0 {
            Source::Raw(key) => return Ok(key.clone()),
            Source::Passphrase { source, iterations, derived } => (source, *iterations, derived),
        };
        // Held while deriving: two threads would else do the same work.
        let mut derived = derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, key)) = &*derived
            && known == salt
        {
            return Ok(key.clone());
        }
        let key = stretch(&source.get(&described(path), new)?, salt, iterations);
        *derived = Some((salt.to_vec(), key.clone()));
        Ok(key)
    }

    /// `Unsupported` if the key does not come from a passphrase.
    pub(super) fn require_passphrase(&self) -> Result<()> {
        match &self.0 {
            Source::Passphrase { .. } => Ok(()),
            Source::Raw(_) => Err(no_passphrase()),
        }
    }

    /// The key of another passphrase. It is not kept: see [`replace`](KeySource::replace).
    pub(super) fn derive_from(&self, passphrase: &SecretString, salt: &[u8]) -> Result<Key> {
        match &self.0 {
            Source::Passphrase { iterations, .. } => Ok(stretch(passphrase, salt, *iterations)),
            Source::Raw(_) => Err(no_passphrase()),
        }
    }

    /// Uses `passphrase` from now on.
    pub(super) fn replace(&self, passphrase: SecretString) {
        if let Source::Passphrase { source, derived, .. } = &self.0 {
            source.replace(passphrase);
            *derived.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

fn no_passphrase() -> Error {
    Error::new(ErrorKind::Unsupported, "the file has a raw key, and no passphrase")
        .with_help("'encryption_key' in the configuration is the key: import the secrets into another store")
}

fn stretch(passphrase: &SecretString, salt: &[u8], iterations: u32) -> Key {
    let mut key = Key::default();
    pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.expose_secret().as_bytes(), salt, iterations, &mut *key);
    key
}

fn described(path: &Path) -> String {
    format!("'{}'", path.display())
}

fn raw_key(hex: &SecretString) -> Result<Key> {
    let digits = hex.expose_secret().as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut key = Key::default();
    let is_hex = digits.len() == 2 * key.len()
        && key.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| {
            nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| *byte = high << 4 | low).is_some()
        });
    if is_hex {
        Ok(key)
    } else {
        // Its length would tell something of the key, so it is not said.
        Err(Error::new(ErrorKind::InvalidConfig, "'encryption_key' is not a key of 64 hex digits")
            .with_help("make one with 'openssl rand -hex 32', or use 'passphrase'"))
    }
}
