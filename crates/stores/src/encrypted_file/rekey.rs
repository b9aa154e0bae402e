//! Changing the passphrase of a file.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretString};

use super::{EncryptedFileStore, cipher};
use crate::disk::Document as _;

impl EncryptedFileStore {
    /// Encrypts the file anew, under a key that is derived from `passphrase` and a fresh salt.
    ///
    /// - Other processes that hold the file open need the new passphrase from now on.
    /// - Fails with `Unsupported` if the store has a raw key, which the configuration alone can change; with `Io`
    ///   if there is no file; and as every write does. The file is as it was then.
    pub async fn change_passphrase(&self, passphrase: SecretString) -> Result<()> {
        let path = self.path().display().to_string();
        self.change(move |codec, document| {
            document.check_writable()?;
            if document.is_blank() {
                return Err(Error::new(ErrorKind::Io, format!("there is no file '{path}' yet"))
                    .with_help("the first write makes it, and asks for its passphrase"));
            }
            codec.key.require_passphrase()?;
            document.reseal(cipher::random::<16>()?.to_vec(), passphrase);
            Ok(())
        })
        .await
    }
}
