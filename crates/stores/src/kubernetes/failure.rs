//! What the API server refuses: by the `reason` of its `Status`, never by its words.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>

use std::time::Duration;

use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;

use super::cluster::Asked;
use crate::network::Answer;

/// The shape of an error.
#[derive(Deserialize)]
struct Status {
    kind: String,
    code: u16,
    /// Absent if an admission webhook gave none.
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Details,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    /// What the error is about: `secrets`, `namespaces`.
    kind: String,
    causes: Vec<Cause>,
    retry_after_seconds: u64,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
}

impl Status {
    /// What the API says in `answer`; none if it is not in the API's shape.
    fn of(answer: &Answer) -> Option<Status> {
        let status: Status = answer.json().ok()?;
        let is_its_own = status.kind == "Status" && status.code == answer.status.as_u16();
        (is_its_own && is_word(&status.reason)).then_some(status)
    }

    fn has_cause(&self, reason: &str) -> bool {
        self.details.causes.iter().any(|cause| cause.reason == reason)
    }
}

/// A reason is a word such as `NotFound`. Anything else was written by something in between, and is not shown.
fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The error that `answer` is, to what was asked.
pub(super) fn of(answer: &Answer, asked: &Asked<'_>) -> Error {
    // Priority and fairness refuses before the API is reached, in plain text.
    // <https://kubernetes.io/docs/concepts/cluster-administration/flow-control/>
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return throttled(answer);
    }
    let Some(status) = Status::of(answer) else {
        return answer.interposed();
    };
    let error = |kind, what: &str| Error::new(kind, format!("{what} ({})", status.reason));
    match (status.code, status.reason.as_str()) {
        // Reads pass no admission, and the API itself has a reason for each of these.
        (400..500, "") if asked.is_change() => Error::new(
            ErrorKind::Denied,
            format!("a policy of the cluster refuses this change ({})", status.code),
        )
        .with_help("an admission webhook forbids it; whoever runs the cluster knows its rules"),
        (_, "") => answer.interposed(),
        (404, "NotFound") if status.details.kind == "secrets" => {
            error(ErrorKind::NotFound, "there is no such Secret")
                .with_help("'modelmesh secrets list' shows those there are; is 'namespace' the right one?")
        }
        (404, "NotFound") if status.details.kind == "namespaces" => {
            error(ErrorKind::InvalidConfig, "the namespace is not there")
                .with_help("correct 'namespace', or make it: kubectl create namespace")
        }
        (401, "Unauthorized") => error(ErrorKind::StoreAuth, "the cluster does not know these credentials")
            .with_help("log in again: the token may have expired, or be of another cluster"),
        (403, "Forbidden") if status.has_cause("NamespaceTerminating") => {
            error(ErrorKind::InvalidConfig, "the namespace is being deleted")
                .with_help("choose another 'namespace', or make it anew when it is gone")
        }
        (403, "Forbidden") => error(
            ErrorKind::Denied,
            "the cluster refuses this to the user or the service account",
        )
        .with_help(
            "a Role must allow it and a RoleBinding give it: see 'kubectl auth can-i --list'; a write may be \
                 against a quota or a policy, too",
        ),
        // Of a change: the Secret is another one by now. Of a new one: there is one by now.
        (409, "Conflict" | "AlreadyExists") => {
            error(ErrorKind::Conflict, "somebody else changed the Secret meanwhile").with_help("try again")
        }
        (413, "RequestEntityTooLarge") => too_large(),
        (422, "Invalid") if status.has_cause("FieldValueTooLong") => too_large(),
        (422, "Invalid") => error(ErrorKind::Unsupported, "the cluster does not take this change").with_help(
            "a type of Secret, such as kubernetes.io/tls, has rules for its keys; so may the cluster",
        ),
        (404 | 405 | 406 | 415, _) => error(ErrorKind::InvalidConfig, "this is not the API of a cluster")
            .with_help("check the 'server' in the kubeconfig"),
        (400, "BadRequest" | "Invalid") => error(ErrorKind::InvalidConfig, "the request is refused as wrong")
            .with_help("check that 'server' in the kubeconfig is a cluster of a version that is supported"),
        // InternalError, ServiceUnavailable, Timeout, ServerTimeout, Expired (of a listing), and what may be added.
        _ => waiting(error(ErrorKind::Unavailable, "the cluster cannot answer now"), answer, Some(&status))
            .with_help("wait, and try again"),
    }
}

fn throttled(answer: &Answer) -> Error {
    let error = Error::new(ErrorKind::Throttled, "the cluster asks to be called less often (429)").with_help(
        "a longer 'cache_ttl' asks less often; the cluster's FlowSchemas say who may ask how much",
    );
    waiting(error, answer, Status::of(answer).as_ref())
}

/// `error`, with how long the cluster asks to be left alone, in a header or in its `Status`.
fn waiting(error: Error, answer: &Answer, status: Option<&Status>) -> Error {
    let told = status.map(|status| Duration::from_secs(status.details.retry_after_seconds));
    error.with_retry_after(answer.retry_after().or(told.filter(|wait| !wait.is_zero())))
}

/// Whether `answer` says, in the API's shape, that it does not know the caller.
pub(super) fn is_unauthorized(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && Status::of(answer).is_some()
}

/// The error of a Secret whose values are more than one Secret can hold.
pub(super) fn too_large() -> Error {
    Error::unsupported("hold this much in one Secret")
        .with_help("the values of a Secret have at most 1 MiB together: keep some in another Secret")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zeroize::Zeroizing;

    use super::*;

    fn answer(code: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(code).unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    fn status(code: u16, reason: &str, details: &Value) -> Error {
        status_to(&Asked::Read("app"), code, reason, details)
    }

    fn status_to(asked: &Asked<'_>, code: u16, reason: &str, details: &Value) -> Error {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "canary",
            "reason": reason, "details": details, "code": code,
        });
        of(&answer(code, &body.to_string()), asked)
    }

    #[test]
    fn kinds_follow_the_reasons() {
        let secret = json!({ "name": "app", "kind": "secrets" });
        for (code, reason, details, kind) in [
            (404, "NotFound", &secret, ErrorKind::NotFound),
            (404, "NotFound", &json!({ "name": "n", "kind": "namespaces" }), ErrorKind::InvalidConfig),
            (404, "NotFound", &json!({}), ErrorKind::InvalidConfig),
            (401, "Unauthorized", &json!({}), ErrorKind::StoreAuth),
            (403, "Forbidden", &secret, ErrorKind::Denied),
            (409, "Conflict", &secret, ErrorKind::Conflict),
            (409, "AlreadyExists", &secret, ErrorKind::Conflict),
            (413, "RequestEntityTooLarge", &json!({}), ErrorKind::Unsupported),
            (422, "Invalid", &secret, ErrorKind::Unsupported),
            (400, "BadRequest", &json!({}), ErrorKind::InvalidConfig),
            (410, "Expired", &json!({}), ErrorKind::Unavailable),
            (500, "InternalError", &json!({}), ErrorKind::Unavailable),
            (503, "ServiceUnavailable", &json!({}), ErrorKind::Unavailable),
            (504, "Timeout", &json!({}), ErrorKind::Unavailable),
        ] {
            let error = status(code, reason, details);
            assert_eq!(error.kind(), kind, "{code} {reason} {details}");
            assert!(error.help().is_some(), "{code} {reason}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_cause_tells_more_than_the_reason() {
        let causes = |reason| json!({ "kind": "secrets", "causes": [{ "reason": reason, "field": "data" }] });
        let terminating = status(403, "Forbidden", &causes("NamespaceTerminating"));
        assert_eq!(terminating.kind(), ErrorKind::InvalidConfig);
        let too_long = status(422, "Invalid", &causes("FieldValueTooLong"));
        assert!(too_long.help().unwrap().contains("1 MiB"), "{too_long:?}");
    }

    #[test]
    fn a_webhook_without_a_reason_denies_a_change_and_says_nothing_about_a_secret() {
        let change = Asked::Patch("app", bytes::Bytes::new());
        for code in [400, 403, 422] {
            assert_eq!(status_to(&change, code, "", &json!({})).kind(), ErrorKind::Denied, "{code}");
            assert_eq!(status(code, "", &json!({})).kind(), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn what_is_not_in_the_shape_of_the_api_is_an_outage() {
        let text =
            |code: u16, reason: &str| json!({ "kind": "Status", "code": code, "reason": reason }).to_string();
        for (code, body) in [
            (404, "not found".to_owned()),
            (403, "<html>".into()),
            (401, "{}".into()),
            (403, json!({ "kind": "Status", "code": 403 }).to_string()),
            (404, text(403, "Forbidden")),
            (403, text(403, "no\u{1b}[2J word")),
            (403, json!({ "kind": "Problem", "code": 403, "reason": "Forbidden" }).to_string()),
            (502, "bad gateway".into()),
        ] {
            assert_eq!(
                of(&answer(code, &body), &Asked::Read("app")).kind(),
                ErrorKind::Unavailable,
                "{body}"
            );
            assert!(!is_unauthorized(&answer(code, &body)), "{body}");
        }
    }

    #[test]
    fn an_outage_may_say_when_it_is_over() {
        // As an API server answers while it starts, and when what it must look up takes too long.
        let told = status(504, "Timeout", &json!({ "retryAfterSeconds": 10 }));
        assert_eq!(
            (told.kind(), told.retry_after()),
            (ErrorKind::Unavailable, Some(Duration::from_secs(10)))
        );

        let body = json!({ "kind": "Status", "reason": "ServiceUnavailable", "code": 503 }).to_string();
        for body in [&*body, "<html>"] {
            let mut answer = answer(503, body);
            answer.headers.insert("retry-after", "7".parse().unwrap());
            let error = of(&answer, &Asked::Read("app"));
            let told = (error.kind(), error.retry_after());
            assert_eq!(told, (ErrorKind::Unavailable, Some(Duration::from_secs(7))), "{body}");
        }
    }

    #[test]
    fn a_throttle_says_when_to_come_back() {
        let mut plain = answer(429, "Too many requests, please try again later.\n");
        let asked = Asked::Read("app");
        assert_eq!(of(&plain, &asked).kind(), ErrorKind::Throttled);
        assert_eq!(of(&plain, &asked).retry_after(), None);
        plain.headers.insert("retry-after", "1".parse().unwrap());
        assert_eq!(of(&plain, &asked).retry_after(), Some(Duration::from_secs(1)));

        let told = status(429, "TooManyRequests", &json!({ "retryAfterSeconds": 10 }));
        assert_eq!((told.kind(), told.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(10))));
    }
}
