//! Tokens: who is given one, and whose is accepted.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use rustls::{
    SignatureScheme,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::Signer,
};
use serde_json::{Value, json};

use super::{
    super::serving::parameters,
    http::Asked,
    reply::{Outcome, Reply, invalid},
};
use crate::canary::Canary;

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Google's Python library names this one, wherever it was told to ask.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
const SERVICE: &str = "https://secretmanager.googleapis.com/";

/// The longest that a signed assertion may hold, with some seconds for clocks that differ.
const LONGEST_ASSERTION: u64 = 3600 + 60;

/// A person's login.
#[derive(Clone, Debug)]
pub struct UserLogin {
    /// The file in which `gcloud` keeps it.
    pub file: String,
    /// What of it, and of the token that it gives, may show nowhere.
    pub canaries: Vec<Canary>,
    refresh_token: String,
}

/// Who asks. Nobody, where no token was sent.
pub(super) struct Caller {
    pub(super) is_known: bool,
}

#[derive(Default)]
pub(super) struct Logins {
    /// Where this server gives tokens.
    pub(super) token_uri: String,
    /// The project of the metadata server's machine.
    pub(super) machine: Option<String>,
    /// How many calls came with a token that was not accepted.
    pub(super) refused_tokens: usize,
    /// The accounts that can be impersonated, each with how often that was asked for.
    pub(super) impersonated: HashMap<String, usize>,
    /// Whether tokens of them can be had at the moment.
    pub(super) is_impersonation_down: bool,
    /// By refresh token.
    users: HashMap<String, User>,
    /// By ID.
    keys: HashMap<String, Key>,
    /// What other providers of identities gave their own.
    subjects: Vec<String>,
    /// Tokens of keys, of the machine and of federated identities.
    others: Vec<String>,
}

struct User {
    client_secret: String,
    access_token: String,
    is_refused: bool,
    count: usize,
}

struct Key {
    project: String,
    email: String,
    signer: Box<dyn Signer>,
}

impl Logins {
    pub(super) fn user(&mut self) -> UserLogin {
        let canaries = ["the client secret", "the refresh token", "the access token"].map(Canary::new);
        let [client_secret, refresh_token, access_token] =
            canaries.each_ref().map(|canary| canary.text().to_owned());
        let file = json!({
            "type": "authorized_user",
            "client_id": "client.apps.googleusercontent.com",
            "client_secret": client_secret,
            "refresh_token": refresh_token,
            "token_uri": self.token_uri,
        });
        let user = User { client_secret, access_token, is_refused: false, count: 0 };
        self.users.insert(refresh_token.clone(), user);
        UserLogin { file: file.to_string(), canaries: canaries.into(), refresh_token }
    }

    pub(super) fn service_account(&mut self, project: &str, pem: &str) -> String {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key in PEM");
        let key = ring::default_provider().key_provider.load_private_key(key).expect("an RSA key");
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).expect("an RSA key");
        let id = format!("{:040x}", self.keys.len() + 1);
        let email = format!("tester@{project}.iam.gserviceaccount.com");
        self.keys.insert(id.clone(), Key { project: project.to_owned(), email: email.clone(), signer });
        json!({
            "type": "service_account",
            "project_id": project,
            "private_key_id": id,
            "private_key": pem,
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": self.token_uri,
        })
        .to_string()
    }

    pub(super) fn federated(&mut self, subject_file: &Path) -> (String, String) {
        let subject = Canary::new("a token of another provider").text().to_owned();
        self.subjects.push(subject.clone());
        let file = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": self.token_uri,
            "credential_source": { "file": subject_file },
        });
        (file.to_string(), subject)
    }

    pub(super) fn revoke_keys(&mut self, project: &str) {
        self.keys.retain(|_, key| key.project != project);
    }

    pub(super) fn expire(&mut self, user: &UserLogin) {
        let later = Canary::new("a later access token");
        later.text().clone_into(&mut self.of(user).access_token);
    }

    pub(super) fn refuse(&mut self, user: &UserLogin) {
        self.of(user).is_refused = true;
    }

    pub(super) fn count(&mut self, user: &UserLogin) -> usize {
        self.of(user).count
    }

    fn of(&mut self, user: &UserLogin) -> &mut User {
        self.users.get_mut(&user.refresh_token).expect("a login of this server")
    }

    /// Whose token was sent. A key's own signature is one: <https://google.aip.dev/auth/4111>.
    pub(super) fn caller(&mut self, asked: &Asked) -> Result<Caller, Reply> {
        let Some(header) = &asked.authorization else {
            return Ok(Caller { is_known: false });
        };
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        let is_given = || self.users.values().any(|user| user.access_token == token);
        let is_other = || self.others.iter().any(|other| other == token);
        let is_signed = || self.is_signed(token, |claims| claims["aud"] == SERVICE || is_scope(claims));
        if is_given() || is_other() || is_signed() {
            return Ok(Caller { is_known: true });
        }
        self.refused_tokens += 1;
        Err(Reply::error("UNAUTHENTICATED", "Request had invalid authentication credentials.")
            .because("ACCESS_TOKEN_TYPE_UNSUPPORTED"))
    }

    /// `POST /token`: RFC 6749, section 6; RFC 7523, section 2.1; RFC 8693, section 2.1.
    pub(super) fn give(&mut self, asked: &Asked) -> Outcome {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        // Google reads both; its libraries differ in what they send.
        let form = serde_json::from_str::<HashMap<String, Value>>(&body).map_or_else(
            |_| parameters(&body),
            |json| {
                let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
                json.into_iter().filter_map(text).collect()
            },
        );
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let token = match field("grant_type") {
            "refresh_token" => match self.users.get_mut(field("refresh_token")) {
                Some(user) if !user.is_refused && user.client_secret == field("client_secret") => {
                    user.count += 1;
                    user.access_token.clone()
                }
                _ => return Err(refused("invalid_grant", "Token has been expired or revoked.")),
            },
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                let is_ours = |claims: &Value| {
                    (claims["aud"] == *self.token_uri || claims["aud"] == TOKEN_ENDPOINT) && is_scope(claims)
                };
                if !self.is_signed(field("assertion"), is_ours) {
                    return Err(refused("invalid_grant", "Invalid JWT Signature."));
                }
                self.another_token()
            }
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                if !self.subjects.iter().any(|subject| subject == field("subject_token")) {
                    return Err(refused("invalid_grant", "The subject token is not accepted."));
                }
                self.another_token()
            }
            _ => return Err(refused("unsupported_grant_type", "Invalid grant_type")),
        };
        Ok(json!({
            "access_token": token,
            "expires_in": 3599,
            "token_type": "Bearer",
            "scope": CLOUD_PLATFORM,
            // Of a token exchange; the others pass it over.
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }))
    }

    /// The file of a service account that `user` may impersonate.
    pub(super) fn impersonating(&mut self, user: &UserLogin, account: &str) -> String {
        self.impersonated.insert(account.to_owned(), 0);
        let service = self.token_uri.trim_end_matches("/token");
        let address = format!("{service}/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
        let source: Value = serde_json::from_str(&user.file).expect("a file of this server");
        json!({
            "type": "impersonated_service_account",
            "delegates": [],
            "service_account_impersonation_url": address,
            "source_credentials": source,
        })
        .to_string()
    }

    /// `ACCOUNT:generateAccessToken` of the IAM Service Account Credentials API:
    /// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>
    pub(super) fn impersonate(&mut self, asked: &Asked, account: &str) -> Outcome {
        let is_known = self.caller(asked)?.is_known;
        let asked_for = account.strip_suffix(":generateAccessToken");
        let count = asked_for.and_then(|account| self.impersonated.get_mut(account));
        let (Some(count), true) = (count, is_known) else {
            return Err(Reply::error(
                "PERMISSION_DENIED",
                "Permission 'iam.serviceAccounts.getAccessToken' denied.",
            )
            .because("IAM_PERMISSION_DENIED"));
        };
        *count += 1;
        if self.is_impersonation_down {
            return Err(Reply::error("UNAVAILABLE", "The service is currently unavailable."));
        }
        let body = asked.json()?;
        if !body["scope"].as_array().is_some_and(|scopes| scopes.iter().any(|scope| scope == CLOUD_PLATFORM))
        {
            return Err(invalid("Scope list is invalid."));
        }
        let hour = jiff::Timestamp::now() + Duration::from_hours(1);
        let ends = hour.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Ok(json!({ "accessToken": self.another_token(), "expireTime": ends }))
    }

    /// The metadata server: <https://cloud.google.com/compute/docs/metadata/overview>.
    pub(super) fn metadata(&mut self, asked: &Asked, key: &str) -> Response<Full<Bytes>> {
        let text = match (key, self.machine.clone()) {
            _ if !asked.is_for_metadata => None,
            ("project/project-id", Some(project)) => Some(project),
            ("instance/service-accounts/default/token", Some(_)) => {
                let token = json!({ "access_token": self.another_token(), "expires_in": 3599, "token_type": "Bearer" });
                Some(token.to_string())
            }
            _ => None,
        };
        let mut response = Response::new(Full::from(text.clone().unwrap_or_default()));
        if text.is_none() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response.headers_mut().insert("metadata-flavor", http::HeaderValue::from_static("Google"));
        response
    }

    fn another_token(&mut self) -> String {
        let token = Canary::new("an access token").text().to_owned();
        self.others.push(token.clone());
        token
    }

    /// Whether one of the keys signed `token` (RFC 7515, RFC 7519), for now, and with claims that are fit.
    fn is_signed(&self, token: &str, is_fit: impl Fn(&Value) -> bool) -> bool {
        let read = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let judge = || -> Option<bool> {
            let (message, signature) = token.rsplit_once('.')?;
            let (header, claims) = message.split_once('.')?;
            let (header, claims) = (read(header)?, read(claims)?);
            let key = self.keys.get(header["kid"].as_str()?)?;
            // This signature has no random part, so it can be made again.
            let made = key.signer.sign(message.as_bytes()).ok()?;
            let is_genuine = header["alg"] == "RS256" && URL_SAFE_NO_PAD.decode(signature).ok()? == made;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
            let (issued, ends) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
            let is_now = issued <= now + 60 && now < ends && ends - issued <= LONGEST_ASSERTION;
            Some(is_genuine && is_now && claims["iss"] == *key.email && is_fit(&claims))
        };
        judge().unwrap_or(false)
    }
}

fn is_scope(claims: &Value) -> bool {
    claims["scope"].as_str().is_some_and(|scopes| scopes.split(' ').any(|scope| scope == CLOUD_PLATFORM))
}

/// An error of a token endpoint: RFC 6749, section 5.2.
fn refused(error: &str, description: &str) -> Reply {
    let body = json!({ "error": error, "error_description": description });
    Reply { status: StatusCode::BAD_REQUEST, body }
}
