//! `modelmesh.keyring.v1`: the keyring of the operating system.
//!
//! One secret is one entry, found by the service name and the secret's name (the "user"), where every other
//! program of the same person finds it too: an entry of the Python `keyring` library is ours and the reverse.
//!
//! Nothing is connected to before the first call. Names are listed by asking the system, never from an index
//! of our own: an index drifts as soon as another program writes, and it would have to fit one credential.

#[cfg(any(test, target_os = "macos", windows))]
mod failure;

#[cfg_attr(target_os = "macos", path = "keychain.rs")]
#[cfg_attr(windows, path = "credential_manager.rs")]
#[cfg_attr(not(any(target_os = "macos", windows)), path = "secret_service.rs")]
mod platform;

use std::{fmt, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
    setting::{ConnectorSpec, Setting, SettingKind, Settings},
};
use zeroize::Zeroize;

use self::platform::Keyring;
use crate::{
    blocking,
    connector::{Connector, OpenContext},
};

const DEFAULT_SERVICE: &str = "modelmesh";

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        "modelmesh.keyring.v1",
        "the keyring of the operating system: macOS Keychain, Windows Credential Manager, Secret Service",
    )
    .writable()
    .with_batch(platform::BATCH)
    .with_settings(&[Setting::new(
        "service_name",
        SettingKind::Text,
        "the service under which entries are kept",
    )
    .with_aliases(&["service"])
    .with_default(DEFAULT_SERVICE)]),
    open: |settings, context| Ok(Arc::new(KeyringStore::open(settings, context)?)),
};

/// Secrets in the operating system's keyring.
///
/// - `get` is `NotFound` only if the keyring is open and has no such entry; a locked one is `Locked`, an
///   absent one `Unavailable`. Two entries of one name are a `Conflict`, never a guess.
/// - `list` holds every entry of the service, whoever made it. An entry whose user name is not a
///   [`SecretName`] can be neither asked for nor listed.
/// - A locked keyring is unlocked by the system's own dialog where somebody can be asked
///   ([`OpenContext::prompt`]), and once: after a refusal the store stays locked until it is opened anew.
#[derive(Clone)]
pub struct KeyringStore(Arc<Keyring>);

impl KeyringStore {
    /// The entries of `service`. Connects to nothing yet.
    ///
    /// Fails with `InvalidConfig` if `service` is empty: an empty service matches every program's entries.
    pub fn new(service: &str, context: &OpenContext) -> Result<Self> {
        if service.is_empty() {
            return Err(Error::new(ErrorKind::InvalidConfig, "'service_name' cannot be empty"));
        }
        Ok(KeyringStore(Arc::new(Keyring::new(service, context))))
    }

    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        KeyringStore::new(settings.text("service_name").unwrap_or(DEFAULT_SERVICE), context)
    }

    /// Runs `call` where it may block: every platform's library does, for as long as a dialog is open.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Keyring) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let keyring = Arc::clone(&self.0);
        blocking::elsewhere(move || call(&keyring)).await
    }
}

impl fmt::Debug for KeyringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretResolution for KeyringStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let asked = name.clone();
        self.blocking(move |keyring| keyring.get(&asked)).await.map_err(|error| error.with_name(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let asked = names.to_vec();
        let answers = self
            .blocking(move |keyring| Ok(keyring.get_many(&asked)))
            .await
            .unwrap_or_else(|error| names.iter().map(|_| Err(error.clone())).collect());
        answers.into_iter().zip(names).map(|(answer, name)| answer.map_err(|e| e.with_name(name))).collect()
    }
}

#[async_trait]
impl SecretManagement for KeyringStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let (asked, value) = (name.clone(), value.clone());
        let capabilities = self.capabilities();
        let set = self.blocking(move |keyring| {
            capabilities.check_value(&value)?;
            keyring.set(&asked, &value)
        });
        set.await.map_err(|error| error.with_name(name))
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        // Each entry is written by itself, so values that do not fit keep the others from nothing.
        let capabilities = self.capabilities();
        let mut answers: Vec<_> = secrets.iter().map(|(_, value)| capabilities.check_value(value)).collect();
        let fitting = secrets.iter().zip(&answers).filter(|(_, checked)| checked.is_ok());
        let fitting: Vec<_> = fitting.map(|(secret, _)| secret.clone()).collect();
        let count = fitting.len();
        let written = self.blocking(move |keyring| Ok(keyring.set_many(&fitting))).await;
        let written = written.unwrap_or_else(|error| vec![Err(error); count]);
        for (answer, written) in answers.iter_mut().filter(|checked| checked.is_ok()).zip(written) {
            *answer = written;
        }
        answers
            .into_iter()
            .zip(secrets)
            .map(|(answer, (name, _))| answer.map_err(|e| e.with_name(name)))
            .collect()
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let users = self.blocking(Keyring::users).await?;
        let mut names: Vec<_> = users.into_iter().filter_map(|user| SecretName::new(user).ok()).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let asked = name.clone();
        self.blocking(move |keyring| keyring.delete(&asked)).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for KeyringStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = platform::MAX_BYTES;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "not found")
}

fn ambiguous() -> Error {
    Error::new(ErrorKind::Conflict, "the keyring has several entries of this service and name")
        .with_help("remove all but one in the system's password manager")
}

/// The value of an entry (on Windows the library decodes it). Bytes that are not text are wiped and appear in no error.
#[cfg(not(windows))]
fn value_of(bytes: Vec<u8>) -> Result<SecretValue> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SecretValue::new(text)),
        Err(error) => Err(not_text(error.into_bytes())),
    }
}

fn not_text(mut bytes: Vec<u8>) -> Error {
    bytes.zeroize();
    Error::new(ErrorKind::Malformed, "the entry does not hold text")
        .with_help("another program may keep binary data under this name; set it anew to replace that")
}
