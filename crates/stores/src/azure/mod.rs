//! `microsoft.key-vault.v1`: Azure Key Vault.
//!
//! - One secret of the vault is one secret here, and `get` reads its newest version.
//! - The calls are the official SDK's. It is given the HTTP client that all network stores share (`transport.rs`), and
//!   tries nothing again. Bodies with values go past it, for it leaves copies of them behind.
//! - A vault answers the first call with a challenge: where tokens are had, and for what. It is judged before it is
//!   followed (`challenge.rs`).

mod bundle;
mod challenge;
mod failure;
mod login;
mod place;
mod transport;

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_security_keyvault_secrets::{
    SecretClient, SecretClientOptions,
    models::{SecretClientGetSecretOptions, SecretClientListSecretPropertiesOptions},
};
use futures_util::StreamExt as _;
use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
    setting::{ConnectorSpec, Price, Setting, SettingKind, Settings},
};

use self::{
    bundle::{Bundle, Notes},
    failure::{Asked, Fault},
    login::Login,
    transport::{VaultTransport, body_of},
};
use crate::{
    connector::{Connector, OpenContext},
    network::{Http, malformed},
};

/// The largest value: <https://learn.microsoft.com/en-us/azure/key-vault/secrets/about-secrets>.
const MAX_VALUE: usize = 25 << 10;

/// How many names a page of a listing has: the most that Key Vault gives.
const PAGE: i32 = 25;

/// How long is waited, time after time, for a recovery to take effect. It takes a few seconds.
const RECOVERY: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
];

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("microsoft.key-vault.v1", "Azure Key Vault")
        .writable()
        .over_network()
        .with_credential_variables(login::CREDENTIALS)
        .with_price(Price::new(3, "https://azure.microsoft.com/pricing/details/key-vault/", "2026-11-25"))
        .with_settings(&[
            Setting::new(
                "vault_url",
                SettingKind::Text,
                "the vault's address, such as https://acme.vault.azure.net",
            ),
            Setting::new("tenant_id", SettingKind::Text, "the directory of the application that logs in")
                .with_default("(AZURE_TENANT_ID)"),
            Setting::new(
                "auth",
                SettingKind::Choice(&[
                    "default",
                    "managed_identity",
                    "workload_identity",
                    "client_secret",
                    "cli",
                ]),
                "how to log in: as Azure's own tools find out, or in this one way",
            )
            .with_default("default"),
            Setting::new(
                "client_id",
                SettingKind::Text,
                "the application, or the user-assigned managed identity",
            )
            .with_default("(AZURE_CLIENT_ID)"),
            Setting::new("client_secret", SettingKind::Secret, "the application's secret")
                .with_default("(AZURE_CLIENT_SECRET)"),
            Setting::new(
                "authority_host",
                SettingKind::Text,
                "where tokens are given, in another cloud than the public one",
            )
            .with_default("(AZURE_AUTHORITY_HOST, else login.microsoftonline.com)"),
            Setting::new(
                "verify_challenge_resource",
                SettingKind::Boolean,
                "whether the vault must be under the domain of the service that it asks a token for",
            )
            .with_default("true"),
        ]),
    open: |settings, context| Ok(Arc::new(KeyVaultStore::open(settings, context)?)),
};

/// Secrets of a vault in Azure Key Vault.
///
/// - `get` reads the newest version: `Disabled` if that one is disabled, even if an older one is not, and if the secret
///   was deleted and can be recovered.
/// - `set` adds a version, with the content type and the tags of the one before. A deleted secret is recovered first.
/// - `list` holds every secret of the vault, disabled ones and those of certificates, too.
/// - `delete` leaves the secret recoverable, as long as the vault keeps what is deleted.
/// - `expires_at` is `exp`, in whole seconds. One that is past is passed over on a read, with a warning.
/// - Names that differ in capitals alone are one name.
pub struct KeyVaultStore {
    client: SecretClient,
    login: Arc<Login>,
}

impl fmt::Debug for KeyVaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVaultStore")
            .field("vault", &self.client.endpoint().as_str())
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl KeyVaultStore {
    /// Checks the settings. Reads no credentials, and connects to nothing.
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let invalid = |what: &'static str| Error::new(ErrorKind::InvalidConfig, what);
        let http = Http::open(settings, context)?;
        let address = settings.text("vault_url").ok_or_else(|| {
            invalid("there is no 'vault_url'")
                .with_help("set it to the vault's address, such as https://acme.vault.azure.net")
        })?;
        let vault = http.endpoint("vault_url", address)?;
        if vault.as_url().scheme() != "https" {
            return Err(invalid("'vault_url' is not an https:// URL")
                .with_help("Key Vault is asked over https:// alone, wherever it is"));
        }
        let login = Arc::new(Login::new(settings, context, &http)?);
        let verifies_resource = settings.boolean("verify_challenge_resource").unwrap_or(true);
        let transport =
            VaultTransport { http, vault: vault.clone(), login: Arc::clone(&login), verifies_resource };
        let options = SecretClientOptions {
            client_options: ClientOptions {
                transport: Some(Transport::new(Arc::new(transport))),
                retry: RetryOptions::none(),
                ..ClientOptions::default()
            },
            verify_challenge_resource: Some(verifies_resource),
            ..SecretClientOptions::default()
        };
        let credential: Arc<Login> = Arc::clone(&login);
        let client = SecretClient::new(&vault.to_string(), credential, Some(options))
            .map_err(|_| invalid("'vault_url' is no address of a vault"))?;
        Ok(KeyVaultStore { client, login })
    }

    /// A version with its value.
    async fn fetch(&self, name: &SecretName, version: Option<&Version>) -> Result<Bundle, Fault> {
        let options = SecretClientGetSecretOptions {
            secret_version: version.map(|version| version.as_str().to_owned()),
            ..SecretClientGetSecretOptions::default()
        };
        let body = body_of(self.client.get_secret(name.as_str(), Some(options))).await?;
        Bundle::read(&body).map_err(Fault::Other)
    }

    async fn read(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        place::check_name(name)?;
        match self.fetch(name, version).await {
            Ok(bundle) => bundle.value(name),
            Err(fault) if fault.refusal().is_some_and(failure::Refusal::is_not_found) => {
                Err(self.absence(name, fault).await)
            }
            Err(fault) => Err(fault.told(Asked::Get)),
        }
    }

    /// What it means that the vault has no such secret: it tells a deleted one, which can be recovered, only to those
    /// who ask for it. To those who may not ask, the secret is missing, as the vault said.
    async fn absence(&self, name: &SecretName, missing: Fault) -> Error {
        match about(name, self.client.get_deleted_secret(name.as_str(), None)).await {
            Ok(()) => Error::new(ErrorKind::Disabled, "the secret was deleted, and can be recovered").with_help(
                "'az keyvault secret recover' brings it back; 'modelmesh secrets set' does so, too, with a new value",
            ),
            Err(fault) => {
                let refusal = fault.refusal();
                if refusal.is_some_and(|refusal| refusal.is_not_found() || refusal.is_forbidden()) {
                    missing.told(Asked::Get)
                } else {
                    fault.told(Asked::Get)
                }
            }
        }
    }

    /// The content type and the tags of the current version. Who may not read it, or finds none, keeps none.
    async fn notes(&self, name: &SecretName) -> Result<Notes, Fault> {
        match self.fetch(name, None).await {
            Ok(bundle) => Ok(bundle.into_notes()),
            Err(Fault::Refused(refusal)) if refusal.is_not_found() || refusal.is_forbidden() => {
                Ok(Notes::default())
            }
            Err(fault) => Err(fault),
        }
    }

    async fn put(&self, name: &SecretName, value: &SecretValue) -> Result<(), Fault> {
        let body = bundle::to_set(value, &self.notes(name).await?);
        // The answer repeats the value.
        let body = body_of(self.client.set_secret(name.as_str(), body.into(), None)).await?;
        bundle::check_made(&body, name).map_err(Fault::Other)
    }

    async fn write(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        place::check_name(name)?;
        bundle::check_expiry(value)?;
        self.capabilities().check_value(value)?;
        let mut waits = RECOVERY.into_iter();
        loop {
            let Err(fault) = self.put(name, value).await else { return Ok(()) };
            match fault.refusal().and_then(failure::Refusal::inner) {
                Some("ObjectIsDeletedButRecoverable") => self.recover(name).await?,
                Some("ObjectIsBeingRecovered" | "ObjectIsBeingDeleted") => {}
                _ => return Err(fault.told(Asked::Set)),
            }
            let Some(wait) = waits.next() else { return Err(fault.told(Asked::Set)) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Begins the recovery of a deleted secret. That it is no more deleted, or recovered by somebody else, is as good.
    async fn recover(&self, name: &SecretName) -> Result<()> {
        match about(name, self.client.recover_deleted_secret(name.as_str(), None)).await {
            Err(fault)
                if fault.refusal().is_some_and(|refusal| refusal.is_not_found() || refusal.is_conflict()) =>
            {
                Ok(())
            }
            recovered => recovered.map_err(|fault| fault.told(Asked::Recover)),
        }
    }

    async fn names(&self) -> Result<Vec<SecretName>, Fault> {
        let options =
            SecretClientListSecretPropertiesOptions { maxresults: Some(PAGE), ..Default::default() };
        let mut pages = self.client.list_secret_properties(Some(options))?.into_pages();
        let (mut names, mut links) = (Vec::new(), HashSet::new());
        while let Some(page) = pages.next().await {
            let page = bundle::Page::read(&page?.into_body()).map_err(Fault::Other)?;
            names.extend(page.names().map_err(Fault::Other)?);
            if let Some(link) = page.next_link
                && !link.is_empty()
                && !links.insert(link)
            {
                return Err(Fault::Other(malformed("repeats a page of the listing")));
            }
        }
        names.sort_unstable();
        // A secret that was made while pages were read may be on two of them.
        names.dedup();
        Ok(names)
    }
}

/// Makes a call that says nothing but that it was done, to the secret `name`.
async fn about<T>(name: &SecretName, call: impl Future<Output = azure_core::Result<T>>) -> Result<(), Fault> {
    let body = body_of(call).await?;
    bundle::check_answer(&body, name).map_err(Fault::Other)
}

#[async_trait]
impl SecretResolution for KeyVaultStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.read(name, None).await.map_err(|error| error.with_name(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        place::check_version(version).map_err(|error| error.with_name(name))?;
        self.read(name, Some(version)).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretManagement for KeyVaultStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write(name, value).await.map_err(|error| error.with_name(name))
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.names().await.map_err(|fault| fault.told(Asked::List))
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let delete = async {
            place::check_name(name)?;
            let deleted = about(name, self.client.delete_secret(name.as_str(), None)).await;
            deleted.map_err(|fault| fault.told(Asked::Delete))
        };
        delete.await.map_err(|error: Error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for KeyVaultStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = Some(MAX_VALUE);
        capabilities.names = NameRule::Only(place::NAME_CHARACTERS);
        capabilities.versions = true;
        capabilities.expiry = true;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{config::Configuration, document::Format};

    use super::*;

    #[test]
    fn the_variables_that_hold_credentials_are_known() {
        let text = "secrets: { store: microsoft.key-vault.v1, client_secret: '${env:NAMED}' }";
        let parsed =
            Configuration::parse("m.yaml", ".".into(), text, Format::Yaml, &[CONNECTOR.spec]).unwrap();
        let variables: Vec<&str> = parsed.store("default").unwrap().credential_variables().collect();
        assert_eq!(variables, ["NAMED", "AZURE_CLIENT_SECRET", "IDENTITY_HEADER"]);
    }
}
