//! A person's login, as `gcloud auth application-default login` keeps it.
//!
//! Its tokens are had through the client that all network stores share: Google's library would follow a redirect,
//! and take the refresh token along.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretString};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::network::{Answer, Endpoint, Http, bearer};

/// Where tokens are had, unless the file says otherwise.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// A token that ends within this time is not used for another call.
const MARGIN: Duration = Duration::from_mins(1);

/// The header of the project whose quota is used: <https://cloud.google.com/apis/docs/system-parameters>.
const QUOTA_PROJECT: &str = "x-goog-user-project";

/// The file.
#[derive(Deserialize)]
struct File {
    client_id: String,
    client_secret: Zeroizing<String>,
    refresh_token: Zeroizing<String>,
    token_uri: Option<String>,
    quota_project_id: Option<String>,
}

/// A login that gets tokens, and keeps one as long as it is good.
pub(super) struct User {
    http: Http,
    endpoint: Endpoint,
    request: Bytes,
    quota_project: Option<HeaderValue>,
    token: Mutex<Option<Token>>,
}

struct Token {
    authorization: HeaderValue,
    /// None if it is not known.
    ends: Option<Instant>,
}

/// What the login gives: RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Given {
    access_token: Zeroizing<String>,
    expires_in: Option<u64>,
}

/// What it refuses: RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl User {
    /// Reads the file of a login; none if it is not complete.
    ///
    /// Fails with `InvalidConfig` if it names an address that is none.
    pub(super) fn read(http: &Http, file: Value, quota_project: Option<String>) -> Result<Option<Self>> {
        let Ok(file) = serde_json::from_value::<File>(file) else { return Ok(None) };
        let endpoint = http.endpoint("token_uri", file.token_uri.as_deref().unwrap_or(TOKEN_URI))?;
        let quota_project = quota_project.or(file.quota_project_id);
        let quota_project = quota_project.and_then(|project| HeaderValue::try_from(project).ok());
        // Of its final size at once, whatever is encoded: a buffer that grows leaves copies behind.
        let longest = 3 * (file.client_id.len() + file.client_secret.len() + file.refresh_token.len()) + 128;
        let form = form_urlencoded::Serializer::new(String::with_capacity(longest))
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", &file.client_id)
            .append_pair("client_secret", &file.client_secret)
            .append_pair("refresh_token", &file.refresh_token)
            .finish();
        let request = Bytes::from_owner(Zeroizing::new(form.into_bytes()));
        Ok(Some(User { http: http.clone(), endpoint, request, quota_project, token: Mutex::default() }))
    }

    /// The headers of a call. One caller gets a token, and the others wait for it.
    ///
    /// - `StoreAuth` if the login is refused.
    /// - `Unavailable` or `Malformed` if there is no answer, or one that Google's login does not give.
    pub(super) async fn headers(&self) -> Result<HeaderMap> {
        let mut token = self.token.lock().await;
        let is_good = |token: &Token| token.ends.is_none_or(|ends| ends > Instant::now() + MARGIN);
        let authorization = match token.as_ref().filter(|token| is_good(token)) {
            Some(token) => token.authorization.clone(),
            None => token.insert(self.log_in().await?).authorization.clone(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization);
        if let Some(project) = &self.quota_project {
            headers.insert(QUOTA_PROJECT, project.clone());
        }
        Ok(headers)
    }

    async fn log_in(&self) -> Result<Token> {
        let request = self.http.request(Method::POST, self.endpoint.as_url().clone());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.http.send(request.body(self.request.clone())).await?;
        if !answer.status.is_success() {
            return Err(refused(&answer));
        }
        let Given { mut access_token, expires_in } = answer.json()?;
        let authorization = bearer(&SecretString::from(std::mem::take(&mut *access_token)))?;
        let ends = expires_in.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Ok(Token { authorization, ends })
    }
}

/// The error of a login that gives no token.
fn refused(answer: &Answer) -> Error {
    let is_code =
        |code: &String| code.len() <= 63 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let code = answer.json::<Refused>().ok().map(|refused| refused.error).filter(is_code);
    match code {
        Some(code) if matches!(answer.status.as_u16(), 400 | 401) => {
            Error::new(ErrorKind::StoreAuth, format!("the login refuses these credentials ({code})"))
                .with_help("log in again: gcloud auth application-default login")
        }
        _ => answer.interposed(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        refused(&Answer { status, headers: HeaderMap::new(), body: Zeroizing::new(body.into()) })
    }

    #[test]
    fn only_the_logins_own_word_is_a_refusal() {
        let refused = error(400, r#"{"error": "invalid_grant", "error_description": "canary"}"#);
        assert_eq!(refused.kind(), ErrorKind::StoreAuth);
        assert!(refused.message().contains("invalid_grant"), "{refused}");
        assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
        for (status, body) in [
            (400, "<html>"),
            (400, r#"{"error": "Not A Code"}"#),
            (401, "{}"),
            (403, r#"{"error": "invalid_grant"}"#),
            (307, ""),
            (503, r#"{"error": "temporarily_unavailable"}"#),
        ] {
            assert_eq!(error(status, body).kind(), ErrorKind::Unavailable, "{status} {body}");
        }
    }
}
