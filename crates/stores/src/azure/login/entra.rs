//! Entra: credentials of an application are exchanged for a token.

use std::{path::PathBuf, sync::Arc};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{AccessToken, Secret, TokenCredential},
    http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport},
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, async_trait};
use serde::Deserialize;

use super::super::{
    failure::{Fault, request_id},
    transport::{passed, seen_by_sdk, send},
};
use crate::{
    blocking,
    network::{Answer, Endpoint, Http},
};

/// A directory, and an application in it.
pub(super) struct Directory<'l> {
    pub(super) authority: Endpoint,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) http: &'l Http,
}

impl Directory<'_> {
    pub(super) async fn by_secret(&self, secret: &SecretString, scope: &str) -> Result<AccessToken> {
        let options = ClientSecretCredentialOptions { client_options: self.options() };
        let secret = Secret::new(secret.expose_secret().to_owned());
        let credential =
            ClientSecretCredential::new(&self.tenant_id, self.client_id.clone(), secret, Some(options));
        token(credential.map_err(|_| unusable())?, scope).await
    }

    /// By the token that another provider, such as a cluster, puts into a file and renews there.
    pub(super) async fn by_file(&self, file: PathBuf, scope: &str) -> Result<AccessToken> {
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options: self.options() },
            client_id: Some(self.client_id.clone()),
            tenant_id: Some(self.tenant_id.clone()),
            token_file_path: Some(file.clone()),
        };
        // It reads the file when it is made.
        let credential = blocking::run(move || {
            WorkloadIdentityCredential::new(Some(options)).map_err(|_| {
                Error::new(ErrorKind::Io, format!("{}: cannot be read", file.display()))
                    .with_help("AZURE_FEDERATED_TOKEN_FILE names it; the pod may lack its service account")
            })
        });
        token(credential.await?, scope).await
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.to_string();
        ClientOptions {
            transport: Some(Transport::new(Arc::new(EntraTransport(self.http.clone())))),
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            ..ClientOptions::default()
        }
    }
}

async fn token(credential: Arc<dyn TokenCredential>, scope: &str) -> Result<AccessToken> {
    let token = credential.get_token(&[scope], None).await;
    token.map_err(|error| match Fault::from(error) {
        Fault::Other(error) => error,
        Fault::Refused(_) => unusable(),
    })
}

fn unusable() -> Error {
    Error::new(ErrorKind::InvalidConfig, "these credentials cannot be used")
        .with_help("check 'tenant_id', 'client_id' and 'client_secret'")
}

/// What the library reaches Entra by. It judges errors, for the library cannot read those that hold a line break,
/// which is all of them.
#[derive(Debug)]
struct EntraTransport(Http);

#[async_trait]
impl HttpClient for EntraTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = send(&self.0, request).await.map_err(passed)?;
        if answer.status.is_success() { Ok(seen_by_sdk(answer)) } else { Err(passed(refused(&answer))) }
    }
}

/// The shape of an error: RFC 6749, section 5.2, with the numbers that Entra adds.
#[derive(Deserialize)]
struct Body {
    error: String,
    error_codes: Vec<u32>,
    trace_id: Option<String>,
}

/// The error that `answer` is.
fn refused(answer: &Answer) -> Error {
    let read: Option<Body> = answer.json().ok();
    let is_code = |error: &str| error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let Some(body) = read.filter(|body| is_code(&body.error)) else {
        return answer.interposed();
    };
    let numbers = body.error_codes.iter().map(|number| format!(", AADSTS{number}"));
    let id = request_id(body.trace_id.as_deref()).map(|id| format!(", request {id}"));
    let shown: String = [body.error.clone()].into_iter().chain(numbers).chain(id).collect();
    if answer.status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return Error::new(ErrorKind::Throttled, format!("the directory gets too many logins ({shown})"))
            .with_help("many processes of one application share its limit")
            .with_retry_after(answer.retry_after());
    }
    if answer.status.is_server_error() || matches!(&*body.error, "temporarily_unavailable" | "server_error") {
        return Error::new(ErrorKind::Unavailable, format!("the directory failed ({shown})"))
            .with_help("try again; https://azure.status.microsoft tells of outages");
    }
    let help = body.error_codes.iter().find_map(|&number| help(number));
    Error::new(ErrorKind::StoreAuth, format!("the directory gives these credentials no token ({shown})"))
        .with_help(help.unwrap_or("https://login.microsoftonline.com/error tells what a number means"))
}

/// What to do about an error. Nothing else may depend on the numbers, which Microsoft may change:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes>.
fn help(number: u32) -> Option<&'static str> {
    Some(match number {
        7_000_215 => "'client_secret' is the secret's value, not its ID; make a new one if it is lost",
        7_000_222 => "the client secret has expired: make a new one",
        700_016 => "there is no such application in this directory: check 'client_id' and 'tenant_id'",
        90_002 | 900_023 => {
            "there is no such directory: check 'tenant_id', and 'authority_host' of another cloud"
        }
        70_021 | 700_211 | 700_212 | 700_213 => {
            "no federated credential of the application has this issuer, subject and audience"
        }
        700_024 => "the federated token has expired: look whether it is still renewed, and at the clock",
        500_011 => "the directory does not know the vault's service: check 'vault_url' and 'authority_host'",
        7_000_112 => "the application is disabled",
        53_003 => "a policy of conditional access keeps the application out",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::HeaderMap};
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    fn error(status: u16, body: &Value) -> Error {
        refused(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.to_string().into_bytes()),
        })
    }

    fn coded(status: u16, code: &str, number: u32) -> Error {
        let description = format!("AADSTS{number}: canary\r\nTrace ID: canary");
        error(status, &json!({ "error": code, "error_description": description, "error_codes": [number] }))
    }

    #[test]
    fn a_refusal_shows_its_codes_and_what_to_do() {
        for (status, code, number, kind) in [
            (401, "invalid_client", 7_000_215, ErrorKind::StoreAuth),
            (400, "unauthorized_client", 700_016, ErrorKind::StoreAuth),
            (400, "invalid_request", 90_002, ErrorKind::StoreAuth),
            (400, "something_new", 1, ErrorKind::StoreAuth),
            (400, "temporarily_unavailable", 90_033, ErrorKind::Unavailable),
            (503, "server_error", 90_033, ErrorKind::Unavailable),
            (429, "invalid_request", 90_055, ErrorKind::Throttled),
        ] {
            let error = coded(status, code, number);
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.message().contains(&format!("{code}, AADSTS{number}")), "{error}");
            assert!(error.help().is_some(), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_entras_is_an_outage() {
        for body in [
            json!("<html>"),
            json!({ "error": "invalid_client" }),
            json!({ "error": { "code": "Forbidden" }, "error_codes": [1] }),
            json!({ "error": "An error\n", "error_codes": [1] }),
        ] {
            assert_eq!(error(401, &body).kind(), ErrorKind::Unavailable, "{body}");
        }
    }
}
