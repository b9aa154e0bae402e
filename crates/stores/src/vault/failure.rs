//! What Vault refuses, in our terms.
//!
//! An error of Vault is `{"errors": ["…"]}`, and has neither a code nor a request ID. What it says is prose, which
//! changes and may quote, so the status decides; it is Vault's own word only in this shape.

use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::{Deserialize, de::IgnoredAny};

use crate::network::Answer;

/// What to do without a leader.
const ELECTION: &str =
    "wait for the election; if it stays so, look at 'operator raft list-peers' of the vendor's command";

#[derive(Deserialize)]
struct Shape {
    errors: Vec<IgnoredAny>,
}

/// Whether this is Vault's own error, and not that of something in between.
pub(super) fn is_its_own(answer: &Answer) -> bool {
    answer.json::<Shape>().is_ok()
}

/// Whether it is Vault that answers: with an error of its own, or with what it gives a number, such as the 404 of a
/// version that was deleted.
pub(super) fn is_of_vault(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Numbered {
        #[serde(rename = "request_id")]
        _number: IgnoredAny,
    }
    is_its_own(answer) || answer.json::<Numbered>().is_ok()
}

/// Whether this is Vault's own word that there is nothing under the path.
pub(super) fn is_nothing(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
        && answer.json::<Shape>().is_ok_and(|shape| shape.errors.is_empty())
}

/// Whether this is Vault's own refusal: of the token, or of what it may do.
pub(super) fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) && is_its_own(answer)
}

/// The error of an answer that is neither a success nor what the caller knows better.
pub(super) fn of(answer: &Answer) -> Error {
    let status = answer.status;
    let error = |kind, what: &str| Error::new(kind, format!("{what} (HTTP {})", status.as_u16()));
    if status == StatusCode::TOO_MANY_REQUESTS {
        return throttled(answer);
    }
    if !is_its_own(answer) {
        return answer.interposed();
    }
    let error = match status {
        // What is asked is well-formed, so it is not the request that is at fault. A standby answers so while a new
        // mount is set up.
        StatusCode::BAD_REQUEST => error(ErrorKind::Unavailable, "the server does not take the request now")
            .with_help(
                "a mount that was just made does so for a moment; if it stays so, the server's log says why",
            ),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => denied(),
        StatusCode::NOT_FOUND => no_mount(),
        StatusCode::METHOD_NOT_ALLOWED => {
            error(ErrorKind::InvalidConfig, "what is mounted there does not do this")
                .with_help("check that 'mount' is a key/value secrets engine, and 'kv_version'")
        }
        StatusCode::PRECONDITION_FAILED => error(ErrorKind::Unavailable, "the server lags behind the leader")
            .with_help("try again; if it stays so, look at the replication of the cluster"),
        StatusCode::PAYLOAD_TOO_LARGE => Error::unsupported("hold a value this long")
            .with_help("the server and its storage have a limit: it refused the value with HTTP 413"),
        StatusCode::NOT_IMPLEMENTED => error(ErrorKind::Unavailable, "the server is not initialized")
            .with_help("initialize it: 'vault operator init' or 'bao operator init'"),
        StatusCode::SERVICE_UNAVAILABLE => {
            error(ErrorKind::Unavailable, "no server of the cluster leads it").with_help(ELECTION)
        }
        status if status.is_server_error() => {
            error(ErrorKind::Unavailable, "the server has trouble of its own")
                .with_help("the server's log says why")
        }
        _ => return answer.interposed(),
    };
    if error.kind().is_retryable() { answer.with_retry_after(error) } else { error }
}

fn throttled(answer: &Answer) -> Error {
    let error = Error::new(ErrorKind::Throttled, "a rate limit quota of the server is used up (HTTP 429)")
        .with_help("a longer 'cache_ttl' asks less often; quotas are under sys/quotas/rate-limit");
    answer.with_retry_after(error)
}

/// The token is good, and its policies do not allow this.
pub(super) fn denied() -> Error {
    Error::new(ErrorKind::Denied, "no policy of the token allows this (HTTP 403)").with_help(
        "'token capabilities PATH' of the vendor's command says what a token may do; a path that does not exist is \
         refused in the same way",
    )
}

/// The token is not accepted, or may do too little to find that out.
pub(super) fn doubtful() -> Error {
    Error::new(
        ErrorKind::StoreAuth,
        "the token has expired or is not valid, or it may do neither this nor look itself up (HTTP 403)",
    )
    .with_help(
        "log in again, or set another 'token'; of a valid token, the policies do not allow this, and not even \
         auth/token/lookup-self, which the policy 'default' does",
    )
}

/// No login is made from these credentials. `what` says what may be wrong with them.
pub(super) fn login_refused(status: StatusCode, what: &'static str) -> Error {
    Error::new(ErrorKind::StoreAuth, format!("the login is refused (HTTP {})", status.as_u16()))
        .with_help(what)
}

pub(super) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "not found")
}

/// What the setting names is a path in a mount, not a mount.
pub(super) fn below_mount() -> Error {
    Error::new(ErrorKind::InvalidConfig, "'mount' is a path below a mount")
        .with_help("name the mount alone, and put the rest into 'prefix'")
}

pub(super) fn other_engine() -> Error {
    Error::new(ErrorKind::InvalidConfig, "'mount' is no key/value secrets engine")
        .with_help("'secrets list' of the vendor's command shows the mounts; 'kv_version: 1' reads the paths of any engine")
}

/// There is no such mount, or not for this token.
pub(super) fn no_mount() -> Error {
    Error::new(ErrorKind::InvalidConfig, "nothing is mounted there (HTTP 404)")
        .with_help("check 'mount' and 'namespace': 'secrets list' of the vendor's command shows the mounts")
}

/// The mount is of the other version of the engine than was said.
pub(super) fn wrong_version() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        "the mount is a key/value engine of another version than 'kv_version' says",
    )
    .with_help("leave 'kv_version' out: it is found out")
}

pub(super) fn sealed() -> Error {
    Error::new(ErrorKind::Unavailable, "the server is sealed (HTTP 503)").with_help(
        "unseal it: 'vault operator unseal' or 'bao operator unseal', with the keys that were given out when it was \
         initialized",
    )
}

/// Servers send us to a leader that does not answer: it is gone, and no other is elected yet.
pub(super) fn absent_leader() -> Error {
    Error::new(ErrorKind::Unavailable, "the leader of the cluster does not answer").with_help(ELECTION)
}

/// A server sends us to a leader whose address nobody configured.
pub(super) fn foreign_leader() -> Error {
    Error::new(ErrorKind::Unavailable, "the server sends us to an address that is not configured").with_help(
        "if that is the leader of the cluster, add it to 'addresses', as its 'api_addr' has it; else check the address, \
         and proxies on the way",
    )
}

pub(super) fn no_server() -> Error {
    Error::new(ErrorKind::Unavailable, "no server answered").with_help("check 'addresses'")
}

pub(super) fn disabled() -> Error {
    Error::new(ErrorKind::Disabled, "the version is deleted or destroyed")
        .with_help("'kv undelete' brings back what is not destroyed, or set it anew")
}

/// Somebody else writes to the same path all the time.
pub(super) fn contended() -> Error {
    Error::new(ErrorKind::Conflict, "somebody else changes it at the same time (HTTP 400)").with_help(
        "look at what it holds now, and try again; if it stays so, the server's log says what is wrong",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use zeroize::Zeroizing;

    use super::*;

    pub(in crate::vault) fn answer(status: u16, body: &str) -> Answer {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body }
    }

    #[test]
    fn the_status_decides_and_the_prose_is_not_shown() {
        for (status, kind) in [
            (400, ErrorKind::Unavailable),
            (403, ErrorKind::Denied),
            (404, ErrorKind::InvalidConfig),
            (405, ErrorKind::InvalidConfig),
            (412, ErrorKind::Unavailable),
            (413, ErrorKind::Unsupported),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Unavailable),
            (501, ErrorKind::Unavailable),
            (502, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
        ] {
            let error = of(&answer(status, r#"{"errors":["canary"]}"#));
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert!(error.help().is_some(), "{status}");
        }
    }

    #[test]
    fn an_answer_in_another_shape_is_not_vaults() {
        for body in ["", "Forbidden", "<html></html>", "{}", r#"{"error":"no"}"#, r#"{"errors":"no"}"#] {
            for status in [301, 400, 401, 403, 404, 405, 502, 503] {
                let answer = answer(status, body);
                assert!(!is_nothing(&answer) && !is_refusal(&answer), "{status} {body}");
                assert_eq!(of(&answer).kind(), ErrorKind::Unavailable, "{status} {body}");
            }
        }
    }

    #[test]
    fn nothing_is_an_empty_list_of_errors() {
        assert!(is_nothing(&answer(404, r#"{"errors":[]}"#)));
        for (status, body) in [
            (404, r#"{"errors":["no handler for route"]}"#),
            (404, r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#),
            (403, r#"{"errors":[]}"#),
        ] {
            assert!(!is_nothing(&answer(status, body)), "{body}");
        }
    }

    #[test]
    fn an_outage_may_say_when_it_is_over() {
        for status in [412, 500, 503] {
            let mut answer = answer(status, r#"{"errors":["sealed"]}"#);
            answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
            assert_eq!(of(&answer).retry_after(), Some(Duration::from_secs(7)), "{status}");
        }
    }

    #[test]
    fn vault_answers_with_errors_or_a_number() {
        for (body, is_of_vault) in [
            (r#"{"errors":[]}"#, true),
            (r#"{"request_id":"1","data":{"data":null,"metadata":{"version":1}}}"#, true),
            (r#"{"request_id":"1","data":null,"warnings":["Invalid path"]}"#, true),
            (r#"{"data":"of some other program"}"#, false),
            ("<html></html>", false),
            ("{}", false),
            ("", false),
        ] {
            assert_eq!(super::is_of_vault(&answer(404, body)), is_of_vault, "{body}");
        }
    }

    #[test]
    fn a_throttle_is_one_whoever_throttles_and_says_how_long() {
        let mut answer = answer(429, "slow down");
        assert_eq!(of(&answer).retry_after(), None);
        answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let error = of(&answer);
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(7))));
    }
}
