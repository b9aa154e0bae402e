//! The Windows Credential Manager: generic credentials.
//!
//! A credential is found by its target alone. The Python `keyring` library keeps the entry it wrote last
//! under the service's bare name and the others under `USER@SERVICE`; both are read here, and written so
//! that it finds them. Values are UTF-16, as there.

use std::{collections::HashMap, sync::Arc};

use keyring_core::{Entry, Error as Failure, api::CredentialStore};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use windows_native_keyring_store::Store;

use super::{failure::failure, not_found};
use crate::connector::OpenContext;

/// A credential holds 2,560 bytes (`CRED_MAX_CREDENTIAL_BLOB_SIZE`). UTF-16 takes at most two for each byte
/// of UTF-8, so any value of this length fits.
pub(super) const MAX_BYTES: Option<usize> = Some(2560 / 2);

/// There are no batches.
pub(super) const BATCH: usize = 1;

/// `CRED_MAX_USERNAME_LENGTH`.
const MAX_NAME_BYTES: usize = 513;

/// The attribute that holds the user name.
const USER: &str = "username";

/// One service's entries.
pub(super) struct Keyring {
    service: String,
}

impl Keyring {
    pub(super) fn new(service: &str, _: &OpenContext) -> Self {
        Keyring { service: service.to_owned() }
    }

    pub(super) fn get(&self, name: &SecretName) -> Result<SecretValue> {
        match self.current(name)?.get_password() {
            Ok(text) => Ok(SecretValue::new(text)),
            Err(error) => Err(failure(error)),
        }
    }

    pub(super) fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        names.iter().map(|name| self.get(name)).collect()
    }

    pub(super) fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.current(name)?.set_password(value.expose()).map_err(failure)
    }

    pub(super) fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        secrets.iter().map(|(name, value)| self.set(name, value)).collect()
    }

    pub(super) fn delete(&self, name: &SecretName) -> Result<()> {
        let mut deleted = false;
        // Both: an older value under the other target must not come back to life.
        for entry in [self.bare(name)?, Some(self.compound(name)?)].into_iter().flatten() {
            match entry.delete_credential() {
                Ok(()) => deleted = true,
                Err(Failure::NoEntry) => {}
                Err(error) => return Err(failure(error)),
            }
        }
        if deleted { Ok(()) } else { Err(not_found()) }
    }

    /// The user names of all entries.
    pub(super) fn users(&self) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for entry in store()?.search(&HashMap::new()).map_err(failure)? {
            let mut attributes = match entry.get_attributes() {
                Ok(attributes) => attributes,
                // Not a generic credential, or deleted since.
                Err(Failure::NoEntry) => continue,
                Err(error) => return Err(failure(error)),
            };
            let (target, user) = (attributes.remove("target_name"), attributes.remove(USER));
            if let (Some(target), Some(user)) = (target, user)
                && (target == self.service || target == self.compound_target(&user))
            {
                users.push(user);
            }
        }
        Ok(users)
    }

    /// The entry that a reader of this name finds first, whether it exists or not.
    fn current(&self, name: &SecretName) -> Result<Entry> {
        match self.bare(name)? {
            Some(entry) => Ok(entry),
            None => self.compound(name),
        }
    }

    /// The entry under the service's bare name, if it is of this user.
    fn bare(&self, name: &SecretName) -> Result<Option<Entry>> {
        let target = HashMap::from([("target", self.service.as_str())]);
        let entry = store()?.build(&self.service, name.as_str(), Some(&target)).map_err(failure)?;
        match entry.get_attributes() {
            Ok(attributes) => {
                Ok((attributes.get(USER).map(String::as_str) == Some(name.as_str())).then_some(entry))
            }
            Err(Failure::NoEntry) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    fn compound(&self, name: &SecretName) -> Result<Entry> {
        if name.as_str().len() > MAX_NAME_BYTES {
            return Err(Error::new(ErrorKind::InvalidName, "Windows takes names of 513 bytes at most"));
        }
        store()?.build(&self.service, name.as_str(), None).map_err(failure)
    }

    fn compound_target(&self, user: &str) -> String {
        format!("{user}@{}", self.service)
    }
}

/// Names targets `USER@SERVICE`; the system is asked only when an entry is used.
fn store() -> Result<Arc<CredentialStore>> {
    Ok(Store::new_with_configuration(&HashMap::from([("divider", "@")])).map_err(failure)?)
}
