//! Changing whom a file is encrypted to.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretString};

use super::{
    AgeFile, AgeFileStore,
    document::AgeDocument,
    recipient::{PASSPHRASE, Recipient, Recipients},
};

/// What [`AgeFileStore::rekey`] does to the recipients of a file.
///
/// A plan that changes nothing encrypts the file anew, and records the recipients of a file made elsewhere.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RekeyPlan {
    only: Option<Vec<String>>,
    add: Vec<String>,
    remove: Vec<String>,
    passphrase: Option<SecretString>,
}

impl RekeyPlan {
    /// Adds a recipient: `age1…`, or an SSH public key. One that is there already stays as it is.
    pub fn add_recipient(mut self, recipient: impl Into<String>) -> Self {
        self.add.push(recipient.into());
        self
    }

    /// Removes a recipient. Whoever it is keeps what they have read, and copies of the file as it was: replace
    /// the secrets too.
    pub fn remove_recipient(mut self, recipient: impl Into<String>) -> Self {
        self.remove.push(recipient.into());
        self
    }

    /// Starts from these recipients in place of the file's own; `["passphrase"]` is a passphrase alone.
    pub fn only_recipients<T: Into<String>>(mut self, recipients: impl IntoIterator<Item = T>) -> Self {
        self.only = Some(recipients.into_iter().map(Into::into).collect());
        self
    }

    /// Encrypts to this passphrase and to nothing else.
    pub fn passphrase(mut self, passphrase: SecretString) -> Self {
        self.only = Some(vec![PASSPHRASE.to_owned()]);
        self.passphrase = Some(passphrase);
        self
    }

    fn apply(&self, current: Vec<String>) -> Result<Recipients> {
        let mut texts = self.only.clone().unwrap_or(current);
        for removed in &self.remove {
            let before = texts.len();
            if removed.trim() == PASSPHRASE {
                texts.retain(|text| text != PASSPHRASE);
            } else {
                let removed = Recipient::parse(removed)?;
                texts.retain(|text| Recipient::parse(text).map_or(true, |known| !known.is(&removed)));
            }
            if texts.len() == before {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    "a recipient to remove is not one of the file's",
                )
                .with_help("list the recipients first; nothing was changed"));
            }
        }
        texts.extend(self.add.iter().cloned());
        Recipients::parse(&texts)
    }
}

/// What a rekey did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rekeyed {
    /// The recipients that the file named before; none if another tool had made it.
    pub before: Option<Vec<String>>,
    /// The recipients that it is encrypted to now.
    pub after: Vec<String>,
}

impl AgeFileStore {
    /// Whom the file is encrypted to, as it says itself; none if there is no file, or another tool made it.
    pub async fn recipients(&self) -> Result<Option<Vec<String>>> {
        Ok(self.document().await?.recipients.clone())
    }

    /// Encrypts the file to other recipients.
    ///
    /// - A file that names none (another tool made it) starts from the recipients of the identities at hand.
    /// - Fails with `InvalidConfig`, and changes nothing, if no recipient would be left, if a passphrase would
    ///   not be alone, or if afterwards none of the identities at hand could open the file.
    /// - Fails with `Unsupported` if the file is of another version, and as every write does.
    pub async fn rekey(&self, plan: RekeyPlan) -> Result<Rekeyed> {
        self.change(move |codec, document| plan.run(codec, document)).await
    }
}

impl RekeyPlan {
    fn run(self, codec: &AgeFile, document: &mut AgeDocument) -> Result<Rekeyed> {
        document.check_version()?;
        let before = document.recipients.clone();
        let current = match &before {
            Some(recipients) => recipients.clone(),
            None => codec.own_recipients(document)?,
        };
        let after = self.apply(current)?;
        if after == Recipients::Passphrase {
            document.new_passphrase = match self.passphrase {
                Some(passphrase) => Some(passphrase),
                None if document.by_passphrase => None,
                None => Some(codec.passphrase_at_hand()?),
            };
        }
        let after = after.to_texts();
        document.recipients = Some(after.clone());
        Ok(Rekeyed { before, after })
    }
}
