//! The macOS Keychain: generic passwords of the login keychain.
//!
//! Every call reads an entry at most once, for the system may ask the person each time. Listing reads
//! attributes alone, which asks nobody.

use std::{collections::HashMap, sync::Arc};

use apple_native_keyring_store::keychain::Store;
use keyring_core::{Entry, Error as Failure, api::CredentialStore};
use modelmesh_secrets::{Error, Result, SecretName, SecretValue};
use security_framework::base::Error as Status;

use super::{failure, value_of};
use crate::connector::OpenContext;

/// The Keychain states no limit.
pub(super) const MAX_BYTES: Option<usize> = None;

/// There are no batches.
pub(super) const BATCH: usize = 1;

/// One service's entries.
pub(super) struct Keyring {
    service: String,
}

impl Keyring {
    pub(super) fn new(service: &str, _: &OpenContext) -> Self {
        Keyring { service: service.to_owned() }
    }

    pub(super) fn get(&self, name: &SecretName) -> Result<SecretValue> {
        value_of(self.entry(name)?.get_secret().map_err(refused_or)?)
    }

    pub(super) fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        names.iter().map(|name| self.get(name)).collect()
    }

    pub(super) fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.entry(name)?.set_secret(value.expose().as_bytes()).map_err(refused_or)
    }

    pub(super) fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        secrets.iter().map(|(name, value)| self.set(name, value)).collect()
    }

    pub(super) fn delete(&self, name: &SecretName) -> Result<()> {
        self.entry(name)?.delete_credential().map_err(refused_or)
    }

    /// The account names of all entries.
    pub(super) fn users(&self) -> Result<Vec<String>> {
        let of_service = HashMap::from([("service", self.service.as_str())]);
        let found = store()?.search(&of_service).map_err(refused_or)?;
        Ok(found.iter().filter_map(Entry::get_specifiers).map(|(_, user)| user).collect())
    }

    fn entry(&self, name: &SecretName) -> Result<Entry> {
        store()?.build(&self.service, name.as_str(), None).map_err(refused_or)
    }
}

/// Names the login keychain; the system is asked only when an entry is used.
fn store() -> Result<Arc<CredentialStore>> {
    Ok(Store::new().map_err(refused_or)?)
}

fn refused_or(error: Failure) -> Error {
    /// `errSecAuthFailed`, `errSecInteractionNotAllowed` (locked, and nobody to ask), `userCanceledErr`:
    /// <https://developer.apple.com/documentation/security/security-framework-result-codes>.
    const REFUSED: [i32; 3] = [-25293, -25308, -128];

    match &error {
        Failure::PlatformFailure(cause)
            if cause.downcast_ref::<Status>().is_some_and(|status| REFUSED.contains(&status.code())) =>
        {
            failure::locked()
        }
        _ => failure::failure(error),
    }
}
