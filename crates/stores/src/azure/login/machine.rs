//! Managed identities: of a virtual machine, whose metadata service is asked, and of App Service.
//!
//! - <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! - <https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity>
//!
//! The official library asks the process's own environment where they are, and tries again by itself.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, Secret},
    time::OffsetDateTime,
};
use modelmesh_secrets::{
    Error, ErrorKind, Result,
    setting::{SettingValue, Settings},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    connector::OpenContext,
    environment::{Environment, FixedEnvironment},
    network::{Answer, Endpoint, Http, header, malformed},
};

/// Environment variables by which Azure tells where identities are.
pub(super) mod variable {
    pub(super) const ENDPOINT: &str = "IDENTITY_ENDPOINT";
    /// Whoever has its value is given the identity's tokens.
    pub(in super::super) const HEADER: &str = "IDENTITY_HEADER";
    /// Of Service Fabric.
    pub(super) const THUMBPRINT: &str = "IDENTITY_SERVER_THUMBPRINT";
    /// Of Cloud Shell, and of Azure ML.
    pub(super) const OLDER_ENDPOINT: &str = "MSI_ENDPOINT";
    /// The metadata service, where it is another than the usual one.
    pub(super) const METADATA_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
}

/// The address of the metadata service: on the machine's own link, over HTTP alone.
const METADATA_SERVICE: &str = "http://169.254.169.254";

/// How long is waited to see whether there is a metadata service.
const PROBE: Duration = Duration::from_secs(1);

/// What this runs on.
pub(super) struct Machine {
    http: Http,
    source: Source,
    /// Of a user-assigned identity.
    client_id: Option<String>,
}

enum Source {
    Metadata(Endpoint),
    /// With what is to be sent along, so that no other program can be made to ask.
    AppService(Endpoint, Zeroizing<String>),
    /// Another of Azure's services, whose protocol is not spoken here.
    Unknown,
}

impl Machine {
    pub(super) fn of(settings: &Settings, context: &OpenContext, client_id: Option<String>) -> Result<Self> {
        let source = Source::find(&*context.environment)?;
        // Behind no proxy, and over plain HTTP.
        let settings = settings.clone().with("allow_http", SettingValue::Boolean(true));
        let environment = Arc::new(FixedEnvironment::default());
        let http = Http::open(&settings, &OpenContext { environment, ..context.clone() })?;
        Ok(Machine { http, source, client_id })
    }

    /// Whether there may be an identity.
    pub(super) async fn is_there(&self) -> bool {
        match &self.source {
            Source::Unknown => false,
            Source::AppService(..) => true,
            Source::Metadata(service) => {
                // Without its header it answers 400 at once; something else in its place does not.
                let Ok(url) = service.url(["metadata", "identity", "oauth2", "token"]) else { return false };
                let answer = self.http.send(self.http.request(Method::GET, url));
                let answer = tokio::time::timeout(PROBE, answer).await;
                matches!(answer, Ok(Ok(Answer { status: StatusCode::BAD_REQUEST, .. })))
            }
        }
    }

    /// A token; none if the machine has no such identity.
    pub(super) async fn token(&self, scope: &str) -> Result<Option<AccessToken>> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let request = match &self.source {
            Source::Metadata(service) => {
                let url = service.url(["metadata", "identity", "oauth2", "token"])?;
                self.asked(url, "2018-02-01", resource).header("metadata", "true")
            }
            Source::AppService(endpoint, secret) => {
                let request = self.asked(endpoint.as_url().clone(), "2019-08-01", resource);
                request.header("x-identity-header", header(secret)?)
            }
            Source::Unknown => {
                return Err(Error::unsupported("log in with the managed identity of this service")
                    .with_help("virtual machines, AKS, App Service, Functions and Container Apps have others; or 'auth: cli'"));
            }
        };
        let answer = self.http.send(request).await.map_err(|error| {
            error.with_help(
                "the managed identity of this machine does not answer: 'auth' says what else is meant",
            )
        })?;
        match answer.status {
            status if status.is_success() => answer.json::<Given>()?.token().map(Some),
            StatusCode::BAD_REQUEST => Ok(None),
            StatusCode::TOO_MANY_REQUESTS => {
                let error =
                    Error::new(ErrorKind::Throttled, "the managed identity is asked for too many tokens")
                        .with_help("other programs on this machine ask it, too");
                Err(answer.with_retry_after(error))
            }
            _ => Err(answer.interposed()),
        }
    }

    fn asked(&self, url: reqwest::Url, version: &str, resource: &str) -> RequestBuilder {
        let request =
            self.http.request(Method::GET, url).query(&[("api-version", version), ("resource", resource)]);
        match &self.client_id {
            Some(id) => request.query(&[("client_id", id)]),
            None => request,
        }
    }
}

impl Source {
    /// The order of Azure's own libraries.
    fn find(environment: &dyn Environment) -> Result<Source> {
        let read = |name: &str| environment.var(name)?.into_string().ok().filter(|value| !value.is_empty());
        let endpoint = |key: &str, text: &str| Endpoint::parse(key, text, true);
        match (read(variable::ENDPOINT), read(variable::HEADER)) {
            (Some(at), Some(header)) if read(variable::THUMBPRINT).is_none() => {
                return Ok(Source::AppService(endpoint(variable::ENDPOINT, &at)?, header.into()));
            }
            (Some(_), _) => return Ok(Source::Unknown),
            (None, _) if read(variable::OLDER_ENDPOINT).is_some() => return Ok(Source::Unknown),
            (None, _) => {}
        }
        let address = read(variable::METADATA_HOST).unwrap_or_else(|| METADATA_SERVICE.to_owned());
        endpoint(variable::METADATA_HOST, &address).map(Source::Metadata)
    }
}

/// The error of a machine that has no such identity.
pub(super) fn no_identity() -> Error {
    Error::new(ErrorKind::StoreAuth, "this machine has no such managed identity")
        .with_help("assign it one; with several, 'client_id' says which")
}

#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    expires_on: Seconds,
}

/// Seconds since 1970: text in one of the services, a number in others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

impl Given {
    fn token(self) -> Result<AccessToken> {
        let seconds = match self.expires_on {
            Seconds::Number(seconds) => Some(seconds),
            Seconds::Text(text) => text.parse().ok(),
        };
        let ends = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let ends = ends.ok_or_else(|| malformed("does not say until when the token is good"))?;
        Ok(AccessToken { token: self.access_token, expires_on: ends })
    }
}
