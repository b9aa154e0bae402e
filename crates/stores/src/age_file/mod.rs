//! `modelmesh.age-file.v1`: one file that the standard `age` tool can open.
//!
//! An armoured age file whose plaintext is JSON:
//!
//! ```json
//! { "version": 2,
//!   "recipients": ["age1…"],
//!   "secrets": { "openai-key": { "value": "…", "version": 3, "updated_at": "2025-01-31T12:00:00Z" } } }
//! ```
//!
//! - `age --decrypt -i identity.txt secrets.age | jq -r '.secrets["openai-key"].value'` reads it.
//! - Recipients are X25519 keys, SSH keys, or a passphrase, which is alone then. An age header does not name
//!   them, so the plaintext does, and every write reuses them; [`AgeFileStore::rekey`] alone changes them.
//! - Whoever knows a recipient can make a file for it: age proves who can read, not who wrote.

mod cipher;
mod document;
mod identities;
pub mod identity;
mod recipient;
mod rekey;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretStoreConnector, SecretString,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};
use zeroize::Zeroizing;

pub use document::AgeDocument;
pub use recipient::PASSPHRASE;
pub use rekey::{RekeyPlan, Rekeyed};

use crate::{
    connector::{Connector, OpenContext},
    disk::{Codec, FileStore},
    passphrase::PassphraseSource,
};
use cipher::Sealed;
use identities::{IdentitySource, error_at};
use recipient::Recipients;

const DEFAULT_PATH: &str = "secrets.age";

/// What the registry knows of this connector.
pub const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(AgeFile::ID, "one encrypted file that the standard age tool can open")
        .writable()
        .with_batch(WHOLE_STORE)
        .with_settings(&[
            Setting::new("path", SettingKind::Path, "the file")
                .with_aliases(&["file_path", "file"])
                .with_default(DEFAULT_PATH),
            Setting::new(
                "identity",
                SettingKind::Path,
                "an identity file or an SSH private key; else MODELMESH_IDENTITY, MODELMESH_IDENTITY_FILE, \
                 or the user's own",
            ),
            Setting::new(
                "recipients",
                SettingKind::TextList,
                "whom a new file is encrypted to: age1…, SSH public keys, or 'passphrase'; \
                 'rekey' changes those of a file that exists",
            )
            .with_default("(the identity's own)"),
            Setting::new(
                "passphrase",
                SettingKind::Secret,
                "opens a file encrypted to a passphrase; else MODELMESH_PASSPHRASE, else a prompt",
            ),
        ]),
    open: |settings, context| {
        let store: Arc<dyn SecretStoreConnector> = Arc::new(AgeFileStore::open(settings, context)?);
        Ok(store)
    },
};

/// A store in an age file.
pub type AgeFileStore = FileStore<AgeFile>;

impl AgeFileStore {
    /// The store that `settings` describe. The file and the identity are not touched before the first call.
    ///
    /// Fails with `InvalidConfig` if `recipients` holds something else.
    pub fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let codec = AgeFile::from_settings(settings, context)?;
        Ok(FileStore::new(codec.path.clone(), codec))
    }
}

/// The format: keys, and whom a new file is encrypted to.
pub struct AgeFile {
    path: PathBuf,
    identities: IdentitySource,
    passphrase: PassphraseSource,
    /// For a new file.
    seed: Option<Recipients>,
    /// Of new passphrase files: less in tests.
    work_factor: u8,
}

impl std::fmt::Debug for AgeFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgeFile").field("path", &self.path).field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl AgeFile {
    fn from_settings(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let seed = settings.text_list("recipients").filter(|list| !list.is_empty());
        Ok(AgeFile {
            path: settings.path("path").unwrap_or(Path::new(DEFAULT_PATH)).to_owned(),
            identities: IdentitySource::new(settings.path("identity"), context),
            passphrase: PassphraseSource::new(settings.secret("passphrase"), context),
            seed: seed.map(Recipients::parse).transpose()?,
            work_factor: cipher::WORK_FACTOR,
        })
    }

    fn described(&self) -> String {
        format!("'{}'", self.path.display())
    }

    /// The passphrase at hand. Nobody is asked: the file is locked while this is called.
    fn passphrase_at_hand(&self) -> Result<SecretString> {
        self.passphrase.at_hand()?.ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "there is no passphrase to encrypt the file to")
                .with_help("give one with the call, or set MODELMESH_PASSPHRASE")
        })
    }

    /// The recipients of a file that names none.
    ///
    /// For a new file: those configured, else the passphrase if one is configured and no identity is, else the
    /// identities' own, else the passphrase if one is at hand.
    fn own_recipients(&self, document: &AgeDocument) -> Result<Vec<String>> {
        let passphrase = || Ok(vec![PASSPHRASE.to_owned()]);
        if document.blank {
            if let Some(seed) = &self.seed {
                return Ok(seed.to_texts());
            }
            if self.passphrase.is_configured() && !self.identities.is_configured() {
                return passphrase();
            }
        } else if document.by_passphrase {
            return passphrase();
        }
        match self.identities.load() {
            Ok(identities) => Ok(identities.recipients().to_vec()),
            Err(error) if error.kind() == ErrorKind::Locked && self.passphrase.at_hand()?.is_some() => {
                passphrase()
            }
            Err(error) => Err(error),
        }
    }

    fn recipients(&self, document: &AgeDocument) -> Result<Recipients> {
        match &document.recipients {
            Some(texts) => Recipients::parse(texts),
            None => Recipients::parse(&self.own_recipients(document)?),
        }
    }
}

impl Codec for AgeFile {
    type Document = AgeDocument;

    const ID: &'static str = "modelmesh.age-file.v1";

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.cas = true;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities.watch = true;
        capabilities.expiry = true;
        capabilities
    }

    fn blank(&self) -> Result<AgeDocument> {
        Ok(AgeDocument::blank())
    }

    fn decode(&self, bytes: &[u8], _holding: bool) -> Result<AgeDocument> {
        let whence = self.described();
        let at = |error| error_at(&whence, &error);
        let sealed = Sealed::parse(bytes).map_err(at)?;
        let by_passphrase = sealed.needs_passphrase();
        let plaintext = if by_passphrase {
            sealed.open_by_passphrase(self.passphrase.get(&whence, false)?)
        } else {
            let opened = sealed.open(&*self.identities.load()?);
            if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Locked) {
                self.identities.forget();
            }
            opened
        };
        AgeDocument::parse(&plaintext.map_err(at)?, by_passphrase).map_err(at)
    }

    fn prepare(&self, current: &AgeDocument) -> Result<()> {
        if current.recipients.is_none() && !current.blank {
            return Ok(());
        }
        match self.recipients(current)? {
            Recipients::Passphrase => self.passphrase.get(&self.described(), current.blank).map(drop),
            Recipients::Keys(_) => self.identities.load().map(drop),
        }
    }

    fn encode(&self, document: &AgeDocument) -> Result<Zeroizing<Vec<u8>>> {
        let recipients = self.recipients(document)?;
        let mut document = document.clone();
        document.recipients = Some(recipients.to_texts());
        let plaintext = document.to_plaintext();
        let file = match recipients {
            Recipients::Passphrase => {
                let passphrase = match document.new_passphrase.take() {
                    Some(new) => new,
                    None => self.passphrase.get(&self.described(), document.blank)?,
                };
                cipher::seal_by_passphrase(&plaintext, passphrase, self.work_factor)?
            }
            Recipients::Keys(keys) => {
                let file = cipher::seal(&plaintext, &keys)?;
                // Tried before the old file is replaced: afterwards it would be too late.
                if !Sealed::parse(&file)?.opens_for(&*self.identities.load()?) {
                    return Err(Error::new(
                        ErrorKind::InvalidConfig,
                        "none of the identities at hand could open the file that this would make",
                    )
                    .with_help("nothing was changed: keep your own public key among the recipients"));
                }
                file
            }
        };
        Ok(Zeroizing::new(file))
    }

    fn saved(&self, document: &mut AgeDocument) {
        // The same answer as the encoding just had: everything it asks for is known.
        let Ok(recipients) = self.recipients(document) else { return };
        document.by_passphrase = recipients == Recipients::Passphrase;
        document.recipients = Some(recipients.to_texts());
        document.blank = false;
        if let Some(passphrase) = document.new_passphrase.take() {
            self.passphrase.replace(passphrase);
        }
    }
}
