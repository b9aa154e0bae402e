//! Google's errors, by their code and never by their words.

use std::{borrow::Cow, time::Duration};

use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::network::Answer;

/// What was asked, for the words of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Access,
    AddVersion,
    Create,
    List,
    Delete,
}

impl Asked {
    /// The permission it takes, and the predefined role with the fewest others that has it.
    /// <https://cloud.google.com/secret-manager/docs/access-control>
    fn permission(self) -> (&'static str, &'static str) {
        match self {
            Asked::Access => ("secretmanager.versions.access", "roles/secretmanager.secretAccessor"),
            Asked::AddVersion => ("secretmanager.versions.add", "roles/secretmanager.secretVersionAdder"),
            Asked::Create => ("secretmanager.secrets.create", "roles/secretmanager.admin"),
            Asked::List => ("secretmanager.secrets.list", "roles/secretmanager.viewer"),
            Asked::Delete => ("secretmanager.secrets.delete", "roles/secretmanager.admin"),
        }
    }
}

/// The shape of an error: <https://cloud.google.com/apis/design/errors#http_mapping>.
#[derive(Deserialize)]
struct Body {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    /// The HTTP status, again.
    code: u16,
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

/// A detail, as far as it is an `ErrorInfo` or a `RetryInfo` of `google.rpc`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    reason: Option<String>,
    retry_delay: Option<String>,
}

impl Refusal {
    /// What Google says in `answer`; none if it is not in Google's shape.
    fn of(answer: &Answer) -> Option<Refusal> {
        let Body { error } = answer.json().ok()?;
        (error.code == answer.status.as_u16() && is_code(&error.status)).then_some(error)
    }

    fn reason(&self) -> Option<&str> {
        self.details.iter().find_map(|detail| detail.reason.as_deref()).filter(|reason| is_code(reason))
    }

    fn retry_delay(&self) -> Option<Duration> {
        let text = self.details.iter().find_map(|detail| detail.retry_delay.as_deref())?;
        Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
    }

    /// The code as errors show it, with the reason that tells more.
    fn shown(&self) -> String {
        match self.reason() {
            Some(reason) => format!("{}, {reason}", self.status),
            None => self.status.clone(),
        }
    }
}

/// Codes are words of ours: letters in capitals, digits and `_`. Anything else is not shown, for a proxy may have
/// written it.
fn is_code(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(is_part)
}

/// The error that `answer` is, to what was asked.
pub(super) fn of(answer: &Answer, asked: Asked) -> Error {
    let Some(refusal) = Refusal::of(answer) else {
        return answer.interposed();
    };
    let error = |kind, what: &str| Error::new(kind, format!("{what} ({})", refusal.shown()));
    // A rate limit has this reason whatever its status.
    if refusal.reason() == Some("RATE_LIMIT_EXCEEDED") {
        return throttled(answer, &refusal);
    }
    // Of what a project holds, a listing and a new secret need nothing: what is not there is the place itself.
    let is_of_place = matches!(asked, Asked::Create | Asked::List);
    match refusal.status.as_str() {
        "NOT_FOUND" if !is_of_place => error(ErrorKind::NotFound, "not found"),
        "PERMISSION_DENIED" => denied(&refusal, asked),
        "UNAUTHENTICATED" => error(ErrorKind::StoreAuth, "the credentials are not accepted").with_help(
            "log in again, or look whether the key or the service account was disabled or deleted",
        ),
        // Of a read it says that the version is disabled or destroyed, or that its own encryption key is.
        "FAILED_PRECONDITION" if asked == Asked::Access => {
            error(ErrorKind::Disabled, "the version is disabled or destroyed").with_help(
                "enable it, or add a newer one: 'latest' is the newest that was made, enabled or not",
            )
        }
        "RESOURCE_EXHAUSTED" => throttled(answer, &refusal),
        "ALREADY_EXISTS" | "ABORTED" => {
            error(ErrorKind::Conflict, "somebody else changed the secret meanwhile").with_help("try again")
        }
        "NOT_FOUND" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => {
            error(ErrorKind::InvalidConfig, "the request is refused as wrong").with_help(
                "check 'project', 'location' and 'replication', and the policies of the organization",
            )
        }
        "UNIMPLEMENTED" => error(ErrorKind::Unsupported, "the service does not know this call")
            .with_help("check that 'endpoint' is that of Secret Manager"),
        // CANCELLED, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, UNKNOWN, DATA_LOSS, and what may be added.
        _ => waiting(error(ErrorKind::Unavailable, "the service failed"), answer, &refusal)
            .with_help("try again; https://status.cloud.google.com tells of outages"),
    }
}

/// The error that `answer` is, to a call for a token of a service account that is to be impersonated: nothing follows
/// about any secret.
pub(super) fn of_impersonation(answer: &Answer) -> Error {
    match Refusal::of(answer) {
        Some(refusal) if matches!(answer.status.as_u16(), 401 | 403 | 404) => {
            let what = format!("the service account cannot be impersonated ({})", refusal.shown());
            Error::new(ErrorKind::StoreAuth, what).with_help(
                "the login needs roles/iam.serviceAccountTokenCreator on that account, and the project \
                 iamcredentials.googleapis.com",
            )
        }
        _ => of(answer, Asked::List),
    }
}

/// A refusal is of this secret only if IAM or a policy says so: of a project or a token that cannot be used at all,
/// nothing follows about any secret.
fn denied(refusal: &Refusal, asked: Asked) -> Error {
    let unserved = |help: Cow<'static, str>| {
        let what = format!("the project or the credentials are not served ({})", refusal.shown());
        Error::new(ErrorKind::StoreAuth, what).with_help(help)
    };
    match refusal.reason() {
        Some("SERVICE_DISABLED") => {
            unserved("enable it: gcloud services enable secretmanager.googleapis.com".into())
        }
        Some("BILLING_DISABLED") => unserved("the project needs a billing account".into()),
        Some(
            "CONSUMER_INVALID" | "CONSUMER_SUSPENDED" | "RESOURCE_PROJECT_INVALID" | "USER_PROJECT_DENIED",
        ) => unserved("check 'project', and the quota project of the credentials".into()),
        Some("ACCESS_TOKEN_SCOPE_INSUFFICIENT") => {
            unserved("the machine or the login lacks the scope 'cloud-platform'".into())
        }
        Some(reason) if reason.starts_with("ACCESS_TOKEN_") || reason == "ACCOUNT_STATE_INVALID" => {
            unserved("log in again, or look at the state of the account".into())
        }
        _ => {
            let (permission, role) = asked.permission();
            Error::new(ErrorKind::Denied, format!("the caller has no permission for this ({})", refusal.shown()))
                .with_help(format!("it takes {permission}, which {role} has; a secret that does not exist is refused in the same way"))
        }
    }
}

fn throttled(answer: &Answer, refusal: &Refusal) -> Error {
    let what = format!("the quota of the project is used up ({})", refusal.shown());
    let error = Error::new(ErrorKind::Throttled, what)
        .with_help("a longer 'cache_ttl' asks less often; the quota can be raised in the console");
    waiting(error, answer, refusal)
}

/// `error`, with how long Google asks to be left alone, in a header or in a detail.
fn waiting(error: Error, answer: &Answer, refusal: &Refusal) -> Error {
    error.with_retry_after(answer.retry_after().or_else(|| refusal.retry_delay()))
}

/// Whether `answer` says, in Google's shape, that the token is not accepted.
pub(super) fn is_unauthenticated(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && Refusal::of(answer).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    fn answer(code: u16, body: &Value) -> Answer {
        Answer {
            status: StatusCode::from_u16(code).unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: Zeroizing::new(body.to_string().into_bytes()),
        }
    }

    fn error(code: u16, status: &str, details: &Value, asked: Asked) -> Error {
        let error = json!({ "code": code, "message": "canary", "status": status, "details": details });
        of(&answer(code, &json!({ "error": error })), asked)
    }

    fn with_reason(code: u16, status: &str, reason: &str) -> Error {
        let info = "type.googleapis.com/google.rpc.ErrorInfo";
        error(code, status, &json!([{ "@type": info, "reason": reason }]), Asked::Access)
    }

    #[test]
    fn kinds_follow_the_codes() {
        for (code, status, asked, kind) in [
            (404, "NOT_FOUND", Asked::Access, ErrorKind::NotFound),
            (403, "PERMISSION_DENIED", Asked::Access, ErrorKind::Denied),
            (401, "UNAUTHENTICATED", Asked::Access, ErrorKind::StoreAuth),
            (400, "FAILED_PRECONDITION", Asked::Access, ErrorKind::Disabled),
            (400, "FAILED_PRECONDITION", Asked::Create, ErrorKind::InvalidConfig),
            (400, "INVALID_ARGUMENT", Asked::Access, ErrorKind::InvalidConfig),
            (429, "RESOURCE_EXHAUSTED", Asked::List, ErrorKind::Throttled),
            (404, "NOT_FOUND", Asked::AddVersion, ErrorKind::NotFound),
            (404, "NOT_FOUND", Asked::List, ErrorKind::InvalidConfig),
            (404, "NOT_FOUND", Asked::Create, ErrorKind::InvalidConfig),
            (409, "ALREADY_EXISTS", Asked::Create, ErrorKind::Conflict),
            (409, "ABORTED", Asked::Delete, ErrorKind::Conflict),
            (501, "UNIMPLEMENTED", Asked::List, ErrorKind::Unsupported),
            (499, "CANCELLED", Asked::Access, ErrorKind::Unavailable),
            (500, "INTERNAL", Asked::Access, ErrorKind::Unavailable),
            (503, "UNAVAILABLE", Asked::AddVersion, ErrorKind::Unavailable),
            (504, "DEADLINE_EXCEEDED", Asked::Access, ErrorKind::Unavailable),
        ] {
            let error = error(code, status, &json!([]), asked);
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().contains(status), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_in_googles_shape_is_an_outage() {
        let not_found = |code, status| json!({ "error": { "code": code, "status": status, "message": "" } });
        for (code, body) in [
            (404, json!("not found")),
            (404, json!({ "error": "not found" })),
            (404, json!({ "error": { "message": "not found" } })),
            (404, not_found(400, "NOT_FOUND")),
            (404, not_found(404, "no such\u{1b}[2J thing")),
            (403, json!({})),
            (502, json!("<html>")),
        ] {
            let error = of(&answer(code, &body), Asked::Access);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{body}");
        }
    }

    #[test]
    fn a_project_or_a_token_that_cannot_be_used_says_nothing_about_a_secret() {
        for reason in
            ["SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_INVALID", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"]
        {
            let error = with_reason(403, "PERMISSION_DENIED", reason);
            assert_eq!(error.kind(), ErrorKind::StoreAuth, "{reason}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        for reason in ["IAM_PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED", "SOMETHING_NEW"] {
            assert_eq!(with_reason(403, "PERMISSION_DENIED", reason).kind(), ErrorKind::Denied, "{reason}");
        }
    }

    #[test]
    fn a_token_that_is_refused_says_nothing_about_a_secret() {
        for (code, status, kind) in [
            (401, "UNAUTHENTICATED", ErrorKind::StoreAuth),
            (403, "PERMISSION_DENIED", ErrorKind::StoreAuth),
            (404, "NOT_FOUND", ErrorKind::StoreAuth),
            (400, "INVALID_ARGUMENT", ErrorKind::InvalidConfig),
            (429, "RESOURCE_EXHAUSTED", ErrorKind::Throttled),
            (503, "UNAVAILABLE", ErrorKind::Unavailable),
        ] {
            let error = json!({ "error": { "code": code, "status": status, "message": "canary" } });
            let error = of_impersonation(&answer(code, &error));
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert_eq!(of_impersonation(&answer(403, &json!("<html>"))).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn an_outage_may_say_when_it_is_over() {
        for body in [json!({ "error": { "code": 503, "status": "UNAVAILABLE" } }), json!("<html>")] {
            let mut answer = answer(503, &body);
            answer.headers.insert("retry-after", "7".parse().unwrap());
            let error = of(&answer, Asked::Access);
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{body}");
        }
    }

    #[test]
    fn a_throttle_says_when_to_come_back() {
        let info = "type.googleapis.com/google.rpc.RetryInfo";
        let delay = json!([{ "@type": info, "retryDelay": "1.5s" }]);
        let error = error(429, "RESOURCE_EXHAUSTED", &delay, Asked::Access);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));

        let body = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED" } });
        let mut answer = answer(429, &body);
        answer.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(of(&answer, Asked::Access).retry_after(), Some(Duration::from_secs(7)));

        let limited = with_reason(403, "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED");
        assert_eq!(limited.kind(), ErrorKind::Throttled);
    }
}
