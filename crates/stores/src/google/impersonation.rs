//! A service account that is impersonated: its tokens, had with the login of somebody else.
//!
//! Google's own library can do this, but tries again by itself, for a minute, whatever it is told: so it gives the
//! login, and the token is asked for here.
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use jiff::Timestamp;
use modelmesh_secrets::Result;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::failure;
use crate::{
    json::SecretText,
    network::{Endpoint, Http, bearer, malformed},
};

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long a token is good for, unless the file says otherwise.
const LIFETIME: Duration = Duration::from_hours(1);

/// How long before its end a token is no longer used.
const SLACK: Duration = Duration::from_mins(4);

/// In which of a file's members the address is that the token is had from.
const ADDRESS: &str = "service_account_impersonation_url";

/// The account, and its latest token.
pub(super) struct Impersonation {
    address: Url,
    /// What is asked for.
    request: Value,
    held: Mutex<Option<Token>>,
}

struct Token {
    headers: HeaderMap,
    ends: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_token: SecretText,
    expire_time: String,
}

impl Impersonation {
    /// Takes out of a file what it says of an account to be impersonated; none if it says nothing. Fails with
    /// `InvalidConfig` if that is not an address to which a login may be sent.
    pub(super) fn take(file: &mut Value, allows_plain: bool) -> Result<Option<Self>> {
        let Some(Value::String(address)) = file.as_object_mut().and_then(|file| file.remove(ADDRESS)) else {
            return Ok(None);
        };
        let address = Endpoint::parse(ADDRESS, &address, allows_plain)?.as_url().clone();
        let seconds = file["service_account_impersonation"]["token_lifetime_seconds"].as_u64();
        let request = json!({
            "scope": texts(&file["scopes"]).unwrap_or_else(|| vec![CLOUD_PLATFORM]),
            "delegates": texts(&file["delegates"]).unwrap_or_default(),
            "lifetime": format!("{}s", seconds.unwrap_or(LIFETIME.as_secs())),
        });
        Ok(Some(Impersonation { address, request, held: Mutex::default() }))
    }

    /// The headers with a token of the account. If there has to be a new one, it is had with the headers that `login`
    /// gives; whoever else needs it meanwhile waits for the same one.
    pub(super) async fn headers(
        &self,
        http: &Http,
        login: impl Future<Output = Result<HeaderMap>>,
    ) -> Result<HeaderMap> {
        let mut held = self.held.lock().await;
        let soon = Timestamp::now() + SLACK;
        if let Some(token) = held.as_ref().filter(|token| soon < token.ends) {
            return Ok(token.headers.clone());
        }
        let request = http.request(Method::POST, self.address.clone()).headers(login.await?);
        let request = request.header(CONTENT_TYPE, "application/json").body(self.request.to_string());
        let answer = http.send(request).await?;
        if !answer.status.is_success() {
            return Err(failure::of_impersonation(&answer));
        }
        let Given { access_token, expire_time } = answer.json()?;
        let ends: Timestamp =
            expire_time.parse().map_err(|_| malformed("does not say when its token ends"))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer(&access_token.0)?);
        *held = Some(Token { headers: headers.clone(), ends });
        Ok(headers)
    }
}

/// A list of texts, if it is one that is not empty.
fn texts(list: &Value) -> Option<Vec<&str>> {
    let texts: Option<Vec<&str>> = list.as_array()?.iter().map(Value::as_str).collect();
    texts.filter(|texts| !texts.is_empty())
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;

    use super::*;

    fn taken(mut file: Value) -> Result<Option<Value>> {
        let taken = Impersonation::take(&mut file, false)?;
        assert_eq!(file.get(ADDRESS), None);
        Ok(taken.map(|taken| taken.request))
    }

    #[test]
    fn a_file_says_whom_and_what_for() {
        assert_eq!(taken(json!({ "type": "authorized_user" })).unwrap(), None);
        let plain = json!({ "scope": [CLOUD_PLATFORM], "delegates": [], "lifetime": "3600s" });
        let file = json!({ ADDRESS: "https://iam.example.com/v1/a:b", "delegates": [] });
        assert_eq!(taken(file).unwrap(), Some(plain));

        let all = json!({ "scope": ["one"], "delegates": ["d"], "lifetime": "600s" });
        let file = json!({
            ADDRESS: "https://iam.example.com/v1/a:b", "delegates": ["d"], "scopes": ["one"],
            "service_account_impersonation": { "token_lifetime_seconds": 600 },
        });
        assert_eq!(taken(file).unwrap(), Some(all));
    }

    #[test]
    fn a_login_is_sent_to_no_other_machine_in_the_clear() {
        let error = taken(json!({ ADDRESS: "http://iam.example.com/v1/a:b" })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}
