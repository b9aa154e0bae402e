//! The wrapper and its plaintext.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretString, SecretValue};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use zeroize::Zeroizing;

use super::cipher::{self, Key, NONCE, TAG};
use crate::{
    disk::Document,
    json::{self, Fields, SecretText, Unknown},
};

/// The version of the format that this code writes.
const VERSION: u64 = 1;

const ALGORITHM: &str = "aes-256-gcm";

/// What the reference writes where it has no cryptography at hand.
pub(super) const OBFUSCATION: &str = "xor-obfuscation";

/// Why a file cannot be understood; completes "'path' …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    NotTheFormat,
    Algorithm,
    Obfuscated,
    CutShort,
    Plaintext,
}

impl Unreadable {
    pub(super) fn help(self) -> &'static str {
        match self {
            Unreadable::NotTheFormat => "check the path; if the file was cut short, restore it from a copy",
            Unreadable::Algorithm => "a later version may have written it; this one refuses to touch it",
            Unreadable::Obfuscated => {
                "anyone can read it without a key; import it into another store, then replace its secrets"
            }
            Unreadable::CutShort => "restore the file from a copy",
            Unreadable::Plaintext => {
                "every value must be a text; rewrite the file with the tool that made it"
            }
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::NotTheFormat => "is not an encrypted file of this format, or was cut short",
            Unreadable::Algorithm => "is encrypted with an algorithm that this version does not know",
            Unreadable::Obfuscated => "is obfuscated (xor-obfuscation), not encrypted",
            Unreadable::CutShort => "holds less than any encrypted text has: it was cut short",
            Unreadable::Plaintext => "holds something else than a JSON object of texts",
        })
    }
}

/// A file as it lies on disk.
pub(super) struct Wrapper {
    version: u64,
    pub(super) salt: Vec<u8>,
    pub(super) data: Zeroizing<Vec<u8>>,
    unknown: Unknown,
}

impl Wrapper {
    /// Reads a file of the encrypted algorithm.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let wrapper = Wrapper::parse_as(bytes, ALGORITHM)?;
        if wrapper.data.len() < NONCE + TAG { Err(Unreadable::CutShort) } else { Ok(wrapper) }
    }

    /// Reads a file whose algorithm is `expected`.
    pub(super) fn parse_as(bytes: &[u8], expected: &str) -> Result<Self, Unreadable> {
        let not_that = |_| Unreadable::NotTheFormat;
        let mut fields: Fields<'_> = json::parse(bytes).map_err(not_that)?;
        let version: Option<u64> = json::take(&mut fields, "version").map_err(not_that)?;
        let algorithm: Option<String> = json::take(&mut fields, "algorithm").map_err(not_that)?;
        let version = version.filter(|version| *version >= VERSION).ok_or(Unreadable::NotTheFormat)?;
        match algorithm.as_deref().ok_or(Unreadable::NotTheFormat)? {
            found if found == expected => {}
            OBFUSCATION => return Err(Unreadable::Obfuscated),
            _ => return Err(Unreadable::Algorithm),
        }
        let mut base64 = |key| {
            let text: String =
                json::take(&mut fields, key).map_err(not_that)?.ok_or(Unreadable::NotTheFormat)?;
            BASE64.decode(text).map_err(|_| Unreadable::NotTheFormat)
        };
        let (salt, data) = (base64("salt")?, Zeroizing::new(base64("data")?));
        Ok(Wrapper { version, salt, data, unknown: json::unknown(fields) })
    }

    /// The document, given what `data` decrypts to.
    pub(super) fn document(self, plaintext: &[u8]) -> Result<EncryptedDocument, Unreadable> {
        let secrets = json::parse(plaintext).map_err(|_| Unreadable::Plaintext)?;
        let Wrapper { version, salt, unknown, .. } = self;
        Ok(EncryptedDocument { version, salt, unknown, secrets, blank: false, new_passphrase: None })
    }
}

/// The contents of an encrypted file.
#[derive(Clone, Debug)]
pub struct EncryptedDocument {
    version: u64,
    salt: Vec<u8>,
    unknown: Unknown,
    secrets: BTreeMap<String, SecretText>,
    /// There is no file yet.
    blank: bool,
    /// The passphrase that the next write seals with, if it is to be another one.
    new_passphrase: Option<SecretString>,
}

impl EncryptedDocument {
    pub(super) fn blank() -> Result<Self> {
        let salt = cipher::random::<16>()?.to_vec();
        let (unknown, secrets) = (Unknown::new(), BTreeMap::new());
        Ok(EncryptedDocument { version: VERSION, salt, unknown, secrets, blank: true, new_passphrase: None })
    }

    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// Notes that the file holds this document; returns the passphrase that it was sealed with anew.
    pub(super) fn saved(&mut self) -> Option<SecretString> {
        self.blank = false;
        self.new_passphrase.take()
    }

    pub(super) fn new_passphrase(&self) -> Option<&SecretString> {
        self.new_passphrase.as_ref()
    }

    /// Lets the next write use a key of another passphrase.
    pub(super) fn reseal(&mut self, salt: Vec<u8>, passphrase: SecretString) {
        self.salt = salt;
        self.new_passphrase = Some(passphrase);
    }

    /// The salt stays as long as the passphrase: a reader that derived the key once goes on reading.
    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// All secrets.
    pub(super) fn into_secrets(self) -> impl Iterator<Item = (String, SecretValue)> {
        self.secrets.into_iter().map(|(name, SecretText(value))| (name, SecretValue::new(value)))
    }

    /// The file that holds the document.
    pub(super) fn seal(&self, key: &Key) -> Result<Vec<u8>> {
        let data = cipher::seal(key, &json::write(&self.secrets))?;
        Ok(json::write(&Sealed { document: self, data: BASE64.encode(data) }).to_vec())
    }
}

struct Sealed<'a> {
    document: &'a EncryptedDocument,
    data: String,
}

impl Serialize for Sealed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &self.document.version)?;
        map.serialize_entry("algorithm", ALGORITHM)?;
        map.serialize_entry("salt", &BASE64.encode(&self.document.salt))?;
        map.serialize_entry("data", &self.data)?;
        for (key, value) in &self.document.unknown {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Document for EncryptedDocument {
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>> {
        self.secrets.get(name.as_str()).map(|SecretText(value)| Ok(SecretValue::new(value.clone())))
    }

    fn names(&self) -> Vec<&str> {
        self.secrets.keys().map(String::as_str).collect()
    }

    fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    fn check_writable(&self) -> Result<()> {
        if self.version == VERSION {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the file has version {}, and this program writes version {VERSION}", self.version),
        )
        .with_help("the file was left as it is; write it with the newer program that made it"))
    }

    fn set(&mut self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.secrets.insert(name.as_str().to_owned(), SecretText(value.secret().clone()));
        Ok(())
    }

    fn remove(&mut self, name: &SecretName) -> Result<bool> {
        Ok(self.secrets.remove(name.as_str()).is_some())
    }
}
