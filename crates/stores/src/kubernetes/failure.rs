//! What the API server refuses: by the `reason` of its `Status`, never by its words.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>

use modelmesh_secrets::{Error, ErrorKind};
use serde::Deserialize;

use crate::network::{Answer, interposed};

/// The shape of an error.
#[derive(Deserialize)]
struct Status {
    kind: String,
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Details,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    retry_after_seconds: u64,
}

fn status(answer: &Answer) -> Option<Status> {
    let status: Status = answer.json().ok()?;
    // A reason is a word of the API's; anything else was written by something in between, and is not shown.
    let is_word = status.reason.len() <= 64 && status.reason.bytes().all(|b| b.is_ascii_alphanumeric());
    (status.kind == "Status" && status.code == answer.status.as_u16() && is_word).then_some(status)
}

/// The error that `answer` is.
pub(super) fn of(answer: &Answer) -> Error {
    let Some(status) = status(answer) else {
        return interposed(answer.status);
    };
    let shown = if status.reason.is_empty() { "no reason" } else { &status.reason };
    let error = |kind, what: &str| Error::new(kind, format!("{what} ({}, {shown})", status.code));
    match (status.code, status.reason.as_str()) {
        (404, "NotFound") if matches!(status.details.kind.as_str(), "secrets" | "") => {
            error(ErrorKind::NotFound, "not found")
        }
        (404, "NotFound") => error(ErrorKind::InvalidConfig, "the namespace is not there")
            .with_help("correct 'namespace', or make it"),
        (404, _) => error(ErrorKind::InvalidConfig, "this is not the API of a Kubernetes cluster")
            .with_help("check the address in the kubeconfig"),
        (401, _) => error(ErrorKind::StoreAuth, "the cluster does not know these credentials")
            .with_help("log in again: the token may have expired, or be of another cluster"),
        (403, _) => error(ErrorKind::Denied, "the cluster refuses this to the user or service account")
            .with_help(
                "a Role must allow it, and a RoleBinding give it: 'kubectl auth can-i get secrets' tells",
            ),
        (409, _) => error(ErrorKind::Conflict, "somebody else changed the Secret meanwhile"),
        (413, _) => error(ErrorKind::Unsupported, "the Secret would be too large")
            .with_help("the values of one Secret have at most 1 MiB together"),
        (422, _) => error(ErrorKind::Unsupported, "the cluster does not take this value").with_help(
            "the values of one Secret have at most 1 MiB together; an admission rule may forbid more",
        ),
        (429, _) => {
            let throttled = error(ErrorKind::Throttled, "the cluster asks to be called less often");
            let told = (status.details.retry_after_seconds > 0)
                .then(|| std::time::Duration::from_secs(status.details.retry_after_seconds));
            match answer.retry_after().or(told) {
                Some(wait) => throttled.with_retry_after(wait),
                None => throttled,
            }
        }
        (400, _) => error(ErrorKind::InvalidConfig, "the cluster does not understand the request"),
        _ => error(ErrorKind::Unavailable, "the cluster cannot answer now"),
    }
}

/// The error of a Secret that could not be made: where the API says 'not found', it means the namespace.
pub(super) fn of_create(answer: &Answer) -> Error {
    let error = of(answer);
    if error.kind() == ErrorKind::NotFound {
        return Error::new(ErrorKind::InvalidConfig, "the namespace is not there")
            .with_help("correct 'namespace', or make it");
    }
    error
}

/// Whether the API found the new contents wrong.
pub(super) fn is_invalid(answer: &Answer) -> bool {
    status(answer).is_some_and(|status| status.code == 422)
}

pub(super) fn immutable() -> Error {
    Error::unsupported("change this Secret: it is immutable")
        .with_help("delete it and make it anew, or use another; 'immutable: true' cannot be taken back")
}

pub(super) fn contended() -> Error {
    Error::new(ErrorKind::Conflict, "others kept changing the Secret meanwhile").with_help("try again")
}
