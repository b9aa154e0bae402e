//! `modelmesh.encrypted-file.v1`: the JSON wrapper around AES-256-GCM that ModelMesh packages share.
//!
//! ```json
//! { "version": 1, "algorithm": "aes-256-gcm", "salt": "<base64>", "data": "<base64>" }
//! ```
//!
//! `data` is the nonce (12 bytes), the ciphertext and the tag (16 bytes), without associated data. The key is
//! PBKDF2-HMAC-SHA256 of a passphrase with `salt`, or 32 raw bytes. The plaintext is a JSON object of texts.

mod cipher;
mod document;
mod key;
mod obfuscated;
mod rekey;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretStoreConnector,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};
use zeroize::Zeroizing;

pub use document::EncryptedDocument;
pub use key::KeySource;
pub use obfuscated::import_obfuscated;

use crate::{
    connector::{Connector, OpenContext},
    disk::{Codec, FileStore},
};

/// What the registry knows of this connector.
pub const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        EncryptedFile::ID,
        "a JSON file encrypted with AES-256-GCM, in the format that ModelMesh packages share",
    )
    .writable()
    .with_batch(WHOLE_STORE)
    .with_settings(&[
        Setting::new("file_path", SettingKind::Path, "the encrypted file").with_aliases(&["path", "file"]),
        Setting::new(
            "passphrase",
            SettingKind::Secret,
            "the key is derived from it; else MODELMESH_PASSPHRASE, else a prompt",
        ),
        Setting::new(
            "encryption_key",
            SettingKind::Secret,
            "the key itself, as 64 hex digits; wins over the passphrase",
        ),
        Setting::new(
            "pbkdf2_iterations",
            SettingKind::Integer(1, u32::MAX as u64),
            "how often the passphrase is hashed; every reader of the file must use the same number",
        )
        .with_default("600000"),
    ]),
    open: |settings, context| {
        let store: Arc<dyn SecretStoreConnector> = Arc::new(EncryptedFileStore::open(settings, context)?);
        Ok(store)
    },
};

/// A store in an encrypted file.
pub type EncryptedFileStore = FileStore<EncryptedFile>;

impl EncryptedFileStore {
    /// The store that `settings` describe. The file is not touched before the first call.
    ///
    /// Fails with `InvalidConfig` if there is no path, or the key is not 64 hex digits.
    pub fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let path = settings.path("file_path").ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "an encrypted file needs a path")
                .with_help("set 'file_path'")
        })?;
        Ok(FileStore::new(path, EncryptedFile::new(path, KeySource::from_settings(settings, context)?)))
    }
}

/// The format: a path for messages, and the key.
pub struct EncryptedFile {
    path: PathBuf,
    key: KeySource,
}

impl EncryptedFile {
    /// The format with this key; `path` is named in messages and prompts.
    pub fn new(path: impl Into<PathBuf>, key: KeySource) -> Self {
        EncryptedFile { path: path.into(), key }
    }
}

impl std::fmt::Debug for EncryptedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Codec for EncryptedFile {
    type Document = EncryptedDocument;

    const ID: &'static str = "modelmesh.encrypted-file.v1";

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.cas = true;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities.watch = true;
        capabilities
    }

    fn blank(&self) -> Result<EncryptedDocument> {
        EncryptedDocument::blank()
    }

    fn decode(&self, bytes: &[u8], holding: bool) -> Result<EncryptedDocument> {
        if bytes.is_empty() {
            // Other writers of this format truncate the file before they write it.
            return if holding {
                Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("'{}' is empty, as if someone were writing it", self.path.display()),
                )
                .with_help("wait for the other writer; if there is none, restore the file"))
            } else {
                self.blank()
            };
        }
        let sealed = document::Wrapper::parse(bytes).map_err(|error| self.located(error))?;
        let key = self.key.derive(&sealed.salt, &self.path, false)?;
        let plaintext = cipher::open(&key, sealed.data.clone()).ok_or_else(|| {
            Error::new(
                ErrorKind::Locked,
                format!("{} does not open '{}'", self.key.kind(), self.path.display()),
            )
            .with_help("check the key and 'pbkdf2_iterations'; a damaged file looks the same")
        })?;
        sealed.document(&plaintext).map_err(|error| self.located(error))
    }

    fn prepare(&self, current: &EncryptedDocument) -> Result<()> {
        self.key.ask(&self.path, current.is_blank())
    }

    fn encode(&self, document: &EncryptedDocument) -> Result<Zeroizing<Vec<u8>>> {
        let key = match document.new_passphrase() {
            Some(passphrase) => self.key.derive_from(passphrase, document.salt())?,
            None => self.key.derive(document.salt(), &self.path, document.is_blank())?,
        };
        Ok(Zeroizing::new(document.seal(&key)?))
    }

    fn saved(&self, document: &mut EncryptedDocument) {
        if let Some(passphrase) = document.saved() {
            self.key.replace(passphrase);
        }
    }
}

impl EncryptedFile {
    fn located(&self, what: document::Unreadable) -> Error {
        Error::new(ErrorKind::Malformed, format!("'{}' {what}", self.path.display())).with_help(what.help())
    }
}
