//! Key Vault's errors, by their codes and never by their words.

use std::{error::Error as StdError, fmt, time::Duration};

use azure_core::error::ErrorKind as SdkErrorKind;
use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::network::{Answer, malformed};

/// What was asked, for the words of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Get,
    Set,
    List,
    Delete,
    Recover,
}

impl Asked {
    /// The permission of an access policy that it takes, and the predefined role with the fewest others that has it.
    /// <https://learn.microsoft.com/en-us/azure/key-vault/general/rbac-guide>
    fn permission(self) -> (&'static str, &'static str) {
        const OFFICER: &str = "Key Vault Secrets Officer";
        match self {
            Asked::Get => ("get", "Key Vault Secrets User"),
            Asked::Set => ("set", OFFICER),
            // Names alone, but of keys and certificates, too.
            Asked::List => ("list", "Key Vault Reader"),
            Asked::Delete => ("delete", OFFICER),
            Asked::Recover => ("recover", OFFICER),
        }
    }
}

/// The shape of an error: <https://learn.microsoft.com/en-us/azure/key-vault/general/rest-error-codes>.
#[derive(Deserialize)]
struct Body {
    error: Coded,
}

#[derive(Deserialize)]
struct Coded {
    code: String,
    innererror: Option<Box<Coded>>,
}

/// What Key Vault says of a call that it refuses.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: String,
    inner: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// What Key Vault says in `answer`; none if it is not in its shape.
    pub(super) fn of(answer: &Answer) -> Option<Refusal> {
        let Body { error } = answer.json().ok()?;
        let inner = error.innererror.map(|inner| inner.code).filter(|inner| is_code(inner));
        is_code(&error.code).then(|| Refusal {
            status: answer.status,
            code: error.code,
            inner,
            request_id: request_id(answer.header("x-ms-request-id")),
            retry_after: answer.retry_after(),
        })
    }

    /// The inner code, which tells what a `Conflict` or a `Forbidden` is.
    pub(super) fn inner(&self) -> Option<&str> {
        self.inner.as_deref()
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.code == "SecretNotFound"
    }

    pub(super) fn is_forbidden(&self) -> bool {
        self.code == "Forbidden"
    }

    pub(super) fn is_conflict(&self) -> bool {
        self.code == "Conflict"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if let Some(inner) = &self.inner {
            write!(f, ", {inner}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        Ok(())
    }
}

impl StdError for Refusal {}

/// Codes are words: letters, digits and `_`. Anything else is not shown, for a proxy may have written it.
fn is_code(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The ID by which Microsoft's support finds a request, if it looks like one.
pub(super) fn request_id(text: Option<&str>) -> Option<String> {
    let is_id =
        |id: &&str| (1..=63).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    text.filter(is_id).map(str::to_owned)
}

/// Why a call of the SDK failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The vault refused it.
    Refused(Refusal),
    /// It did not get as far, or its answer is of no use.
    Other(Error),
}

impl Fault {
    /// The error that it is, to what was asked.
    pub(super) fn told(self, asked: Asked) -> Error {
        match self {
            Fault::Refused(refusal) => of(&refusal, asked),
            Fault::Other(error) => error,
        }
    }

    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Fault::Refused(refusal) => Some(refusal),
            Fault::Other(_) => None,
        }
    }
}

impl From<azure_core::Error> for Fault {
    /// Finds what went into the SDK. Its own words are left out: they quote what was answered.
    fn from(error: azure_core::Error) -> Self {
        let causes =
            std::iter::successors(Some(&error as &(dyn StdError + 'static)), |&cause| cause.source());
        for cause in causes {
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                return Fault::Refused(refusal.clone());
            }
            if let Some(error) = cause.downcast_ref::<Error>() {
                return Fault::Other(error.clone());
            }
        }
        Fault::Other(match error.kind() {
            SdkErrorKind::HttpResponse { status, raw_response, .. } if u16::from(*status) == 401 => {
                let id = raw_response.as_ref().and_then(|response| {
                    request_id(response.headers().get_optional_str(&"x-ms-request-id".into()))
                });
                token_refused(id.as_deref())
            }
            _ => malformed("is not what the store sends"),
        })
    }
}

/// The SDK asked for another token once before, so the one refused was fresh.
fn token_refused(request_id: Option<&str>) -> Error {
    let request = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
    let what = format!("the vault does not accept the token of a fresh login (Unauthorized{request})");
    Error::new(ErrorKind::StoreAuth, what)
        .with_help("check that 'tenant_id' is the directory of the vault's subscription, and 'vault_url'")
}

fn of(refusal: &Refusal, asked: Asked) -> Error {
    let error = |kind, what: &str| Error::new(kind, format!("{what} ({refusal})"));
    match (refusal.code.as_str(), refusal.inner()) {
        // The service and what stands before it have several codes for this, and one status.
        (code, _) if code == "Throttled" || refusal.status == StatusCode::TOO_MANY_REQUESTS => {
            error(ErrorKind::Throttled, "the vault gets too many calls")
                .with_help("a longer 'cache_ttl' asks less often; several vaults have several limits")
                .with_retry_after(refusal.retry_after)
        }
        ("SecretNotFound", _) => {
            error(ErrorKind::NotFound, "not found").with_help("check the name, the version and the vault")
        }
        ("Forbidden", Some("SecretDisabled")) => error(ErrorKind::Disabled, "the version is disabled")
            .with_help(
                "enable it with 'az keyvault secret set-attributes --enabled true', or set the secret anew",
            ),
        // Of the network, and of no secret.
        ("Forbidden", Some("ForbiddenByFirewall" | "ForbiddenByConnection")) => {
            error(ErrorKind::StoreAuth, "the vault does not serve this network")
                .with_help("allow it in the vault's firewall, or use its private endpoint")
        }
        ("Forbidden", _) => {
            let (permission, role) = asked.permission();
            error(ErrorKind::Denied, "the caller has no permission for this").with_help(format!(
                "it takes the role '{role}', or '{permission}' in the vault's access policy; a new role works after minutes",
            ))
        }
        (
            "Conflict",
            Some("ObjectIsDeletedButRecoverable" | "ObjectIsBeingRecovered" | "ObjectIsBeingDeleted"),
        ) => error(ErrorKind::Conflict, "the secret is between its deletion and its recovery")
            .with_help("try again in a minute; 'az keyvault secret recover' brings it back by hand"),
        ("Conflict", _) => {
            error(ErrorKind::Conflict, "somebody else changes the secret").with_help("try again")
        }
        ("Unauthorized", _) => token_refused(refusal.request_id.as_deref()),
        ("BadParameter", _) => error(ErrorKind::InvalidConfig, "the request is refused as wrong").with_help(
            "check that 'vault_url' is the vault's address alone, such as https://acme.vault.azure.net",
        ),
        // InternalServerError, ServiceUnavailable, and what may be added.
        _ => error(ErrorKind::Unavailable, "the vault failed")
            .with_help("try again; https://azure.status.microsoft tells of outages")
            .with_retry_after(refusal.retry_after),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.to_string().into_bytes()),
        }
    }

    fn refusal(status: u16, code: &str, inner: Option<&str>) -> Option<Refusal> {
        let mut error = json!({ "code": code, "message": "canary" });
        if let Some(inner) = inner {
            error["innererror"] = json!({ "code": inner, "message": "canary" });
        }
        Refusal::of(&answer(status, &json!({ "error": error })))
    }

    #[test]
    fn kinds_follow_the_codes() {
        for (status, code, inner, kind) in [
            (404, "SecretNotFound", None, ErrorKind::NotFound),
            (404, "VaultNotFound", None, ErrorKind::Unavailable),
            (403, "Forbidden", Some("SecretDisabled"), ErrorKind::Disabled),
            (403, "Forbidden", Some("AccessDenied"), ErrorKind::Denied),
            (403, "Forbidden", Some("ForbiddenByRbac"), ErrorKind::Denied),
            (403, "Forbidden", Some("ForbiddenByPolicy"), ErrorKind::Denied),
            (403, "Forbidden", None, ErrorKind::Denied),
            (403, "Forbidden", Some("ForbiddenByFirewall"), ErrorKind::StoreAuth),
            (403, "Forbidden", Some("ForbiddenByConnection"), ErrorKind::StoreAuth),
            (409, "Conflict", Some("ObjectIsDeletedButRecoverable"), ErrorKind::Conflict),
            (409, "Conflict", None, ErrorKind::Conflict),
            (429, "Throttled", None, ErrorKind::Throttled),
            (429, "TooManyRequests", None, ErrorKind::Throttled),
            (400, "BadParameter", None, ErrorKind::InvalidConfig),
            (401, "Unauthorized", None, ErrorKind::StoreAuth),
            (500, "InternalServerError", None, ErrorKind::Unavailable),
            (503, "ServiceUnavailable", None, ErrorKind::Unavailable),
        ] {
            let error = of(&refusal(status, code, inner).unwrap(), Asked::Get);
            assert_eq!(error.kind(), kind, "{code} {inner:?}");
            assert!(error.help().is_some(), "{error}");
            assert!(error.to_string().contains(code), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_in_key_vaults_shape_is_no_refusal() {
        for body in [
            json!("not found"),
            json!({ "error": "not found" }),
            json!({ "error": { "message": "not found" } }),
            json!({ "error": { "code": 404, "message": "" } }),
            json!({ "error": { "code": "not\u{1b}[2J found" } }),
            json!({}),
        ] {
            assert!(Refusal::of(&answer(404, &body)).is_none(), "{body}");
        }
    }

    #[test]
    fn an_outage_may_say_when_it_is_over() {
        for (status, code, kind) in [
            (429, "SomethingNew", ErrorKind::Throttled),
            (500, "InternalServerError", ErrorKind::Unavailable),
            (503, "ServiceUnavailable", ErrorKind::Unavailable),
        ] {
            let mut answer = answer(status, &json!({ "error": { "code": code } }));
            answer.headers.insert("retry-after", "7".parse().unwrap());
            let error = of(&Refusal::of(&answer).unwrap(), Asked::Get);
            assert_eq!((error.kind(), error.retry_after()), (kind, Some(Duration::from_secs(7))), "{code}");
        }
    }

    #[test]
    fn a_refusal_tells_its_request_and_when_to_come_back() {
        let mut answer = answer(429, &json!({ "error": { "code": "Throttled" } }));
        answer.headers.insert("x-ms-request-id", "b1c6683d-909d-4ee5-8dab-7f21051e24a2".parse().unwrap());
        answer.headers.insert("retry-after", "7".parse().unwrap());
        let error = of(&Refusal::of(&answer).unwrap(), Asked::List);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(
            error.message().ends_with("(Throttled, request b1c6683d-909d-4ee5-8dab-7f21051e24a2)"),
            "{error}"
        );

        answer.headers.insert("x-ms-request-id", "canary or anything".parse().unwrap());
        assert!(!of(&Refusal::of(&answer).unwrap(), Asked::List).message().contains("canary"));
    }
}
