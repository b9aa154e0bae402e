//! Who we are to the vault: tokens, by the ways that Azure's own tools have.
//!
//! The official library exchanges credentials for tokens. It is given them here, and not left to find them, for it
//! reads the process's own environment; and managed identities are asked here for the same reason (`machine.rs`). A
//! token is held here alone: when the vault refuses it, it is dropped, and made anew from credentials that are read
//! again. The library's own copies of credentials and tokens are not wiped.

mod entra;
mod machine;
mod tool;

use std::{fmt, path::PathBuf};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    time::{Duration, OffsetDateTime},
};
use modelmesh_secrets::{
    Error, ErrorKind, ExposeSecret as _, Result, SecretString, async_trait, setting::Settings,
};
use tokio::sync::Mutex;

use self::{entra::Directory, machine::Machine, tool::Tool};
use super::transport::passed;
use crate::{
    connector::OpenContext,
    network::{Endpoint, Http},
};

/// Environment variables that Azure's own tools read, too.
mod variable {
    pub(super) const TENANT_ID: &str = "AZURE_TENANT_ID";
    pub(super) const CLIENT_ID: &str = "AZURE_CLIENT_ID";
    pub(super) const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
    pub(super) const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
    pub(super) const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
}

/// The variables that are credentials.
pub(super) const CREDENTIALS: &[&str] = &[variable::CLIENT_SECRET, machine::variable::HEADER];

/// Where Azure's public cloud gives tokens.
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// A token this close to its end is replaced, as the SDK does.
const MARGIN: Duration = Duration::minutes(5);

/// What `auth` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    Default,
    ManagedIdentity,
    WorkloadIdentity,
    ClientSecret,
    Cli,
}

/// Gives the SDK tokens. Logs in when first asked to, and anew when a token is refused or near its end.
pub(super) struct Login {
    auth: Auth,
    settings: Settings,
    context: OpenContext,
    http: Http,
    /// For one service: a vault names it in its challenge, and it stays the same.
    held: Mutex<Option<(String, AccessToken)>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Login {
    /// Checks the settings. Reads no credentials, and asks nobody.
    pub(super) fn new(settings: &Settings, context: &OpenContext, http: &Http) -> Result<Self> {
        let auth = match settings.text("auth") {
            Some("managed_identity") => Auth::ManagedIdentity,
            Some("workload_identity") => Auth::WorkloadIdentity,
            Some("client_secret") => Auth::ClientSecret,
            Some("cli") => Auth::Cli,
            _ => Auth::Default,
        };
        if settings.secret("client_secret").is_some() && !matches!(auth, Auth::Default | Auth::ClientSecret) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "'client_secret' is of no use with this 'auth'",
            )
            .with_help("set 'auth: client_secret', or leave the secret out"));
        }
        let login = Login {
            auth,
            settings: settings.clone(),
            context: context.clone(),
            http: http.clone(),
            held: Mutex::default(),
        };
        if settings.text("authority_host").is_some() {
            login.authority()?;
        }
        login.tenant_id()?;
        Ok(login)
    }

    /// Where tokens are given.
    pub(super) fn authority(&self) -> Result<Endpoint> {
        let written = self.setting_or("authority_host", variable::AUTHORITY_HOST);
        let written = written.unwrap_or_else(|| PUBLIC_AUTHORITY.to_owned());
        // Azure's own tools take a bare host, too.
        let whole = if written.contains("://") { written } else { format!("https://{written}") };
        let authority = Endpoint::parse("authority_host", &whole, false)?;
        if authority.as_url().scheme() == "https" {
            return Ok(authority);
        }
        Err(Error::new(ErrorKind::InvalidConfig, "'authority_host' is not an https:// URL")
            .with_help("credentials are sent there: Azure's libraries take nothing else"))
    }

    /// Drops a token that the vault refused; `authorization` is the header that it was sent in.
    pub(super) async fn forget(&self, authorization: &str) {
        let refused = authorization.strip_prefix("Bearer ").unwrap_or_default();
        // Another call may have logged in anew meanwhile.
        self.held.lock().await.take_if(|(_, token)| token.token.secret() == refused);
    }

    async fn log_in(&self, scope: &str) -> Result<AccessToken> {
        match self.auth {
            Auth::Default => self.by_what_is_there(scope).await,
            Auth::ClientSecret => {
                let secret =
                    self.client_secret().ok_or_else(|| missing("client_secret", variable::CLIENT_SECRET))?;
                self.directory()?.ok_or_else(no_application)?.by_secret(&secret, scope).await
            }
            Auth::WorkloadIdentity => {
                let file = self.token_file().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidConfig, "the variable AZURE_FEDERATED_TOKEN_FILE is not set")
                        .with_help("in a cluster, label the pod 'azure.workload.identity/use: \"true\"'")
                })?;
                self.directory()?.ok_or_else(no_application)?.by_file(file, scope).await
            }
            Auth::ManagedIdentity => self.machine()?.token(scope).await?.ok_or_else(machine::no_identity),
            Auth::Cli => Tool::Az.token(&self.context, self.tenant_id()?, scope).await,
        }
    }

    /// The first way that is there is taken, and its failure is final: the order and the rule of Azure's own
    /// `DefaultAzureCredential`, in
    /// <https://learn.microsoft.com/en-us/azure/developer/intro/authentication-overview>.
    async fn by_what_is_there(&self, scope: &str) -> Result<AccessToken> {
        if let Some(directory) = self.directory()? {
            if let Some(secret) = self.client_secret() {
                return directory.by_secret(&secret, scope).await;
            }
            if let Some(file) = self.token_file() {
                return directory.by_file(file, scope).await;
            }
        }
        let machine = self.machine()?;
        if machine.is_there().await
            && let Some(token) = machine.token(scope).await?
        {
            return Ok(token);
        }
        for tool in [Tool::Az, Tool::Azd] {
            if tool.is_there(&*self.context.environment) {
                return tool.token(&self.context, self.tenant_id()?, scope).await;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "there are no credentials, and no managed identity answers").with_help(
            "outside Azure, 'az login' gives credentials, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; \
             'auth' says which are meant",
        ))
    }

    /// The application of ours, if it is known.
    fn directory(&self) -> Result<Option<Directory<'_>>> {
        let client_id = self.setting_or("client_id", variable::CLIENT_ID);
        let Some((tenant_id, client_id)) = self.tenant_id()?.zip(client_id) else { return Ok(None) };
        Ok(Some(Directory { authority: self.authority()?, tenant_id, client_id, http: &self.http }))
    }

    fn machine(&self) -> Result<Machine> {
        // A user-assigned identity; else the machine's own.
        let client_id = self.setting_or("client_id", variable::CLIENT_ID);
        Machine::of(&self.settings, &self.context, client_id)
    }

    /// The directory's ID or one of its domains: a part of the address that credentials are sent to.
    fn tenant_id(&self) -> Result<Option<String>> {
        let Some(id) = self.setting_or("tenant_id", variable::TENANT_ID) else { return Ok(None) };
        if id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) && !matches!(&*id, "." | "..")
        {
            return Ok(Some(id));
        }
        Err(Error::new(ErrorKind::InvalidConfig, "'tenant_id' holds what no directory's ID can")
            .with_help("'az account show --query tenantId' shows it"))
    }

    fn client_secret(&self) -> Option<SecretString> {
        let of_settings =
            self.settings.secret("client_secret").filter(|secret| !secret.expose_secret().is_empty());
        of_settings.cloned().or_else(|| self.variable(variable::CLIENT_SECRET).map(SecretString::from))
    }

    fn token_file(&self) -> Option<PathBuf> {
        self.variable(variable::FEDERATED_TOKEN_FILE).map(PathBuf::from)
    }

    fn setting_or(&self, key: &str, variable: &str) -> Option<String> {
        let of_settings = self.settings.text(key).map(str::trim).filter(|text| !text.is_empty());
        of_settings.map(str::to_owned).or_else(|| self.variable(variable))
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = self.context.environment.var(name)?.into_string().ok()?;
        (!value.trim().is_empty()).then(|| value.trim().to_owned())
    }
}

#[async_trait]
impl TokenCredential for Login {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        // Held while one call logs in: the others wait for its token.
        let mut held = self.held.lock().await;
        let is_good = |(of, token): &&(String, AccessToken)| {
            of == scope && token.expires_on > OffsetDateTime::now_utc() + MARGIN
        };
        if let Some((_, token)) = held.as_ref().filter(is_good) {
            return Ok(token.clone());
        }
        let token = self.log_in(scope).await.map_err(passed)?;
        *held = Some((scope.to_owned(), token.clone()));
        Ok(token)
    }
}

fn missing(key: &str, variable: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("there is no '{key}'"))
        .with_help(format!("set it, or the variable {variable}"))
}

fn no_application() -> Error {
    Error::new(ErrorKind::InvalidConfig, "it is not known which application logs in, or of which directory")
        .with_help("set 'tenant_id' and 'client_id', or the variables AZURE_TENANT_ID and AZURE_CLIENT_ID")
}
