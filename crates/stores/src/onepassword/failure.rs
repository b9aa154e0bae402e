//! What Connect refuses, in our terms.
//!
//! An error of Connect is `{"status": 403, "message": "…"}`. Its message is prose, which changes and may quote, so
//! the status decides; it is Connect's own word only in this shape.

use modelmesh_secrets::{Error, ErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::network::Answer;

/// It has no other members, by which those of gateways are told apart: some of them have a `status`, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    status: u16,
    #[serde(rename = "message")]
    _message: Option<serde::de::IgnoredAny>,
}

/// Whether this is Connect's own error, and not that of something in between.
pub(super) fn is_its_own(answer: &Answer) -> bool {
    answer.json::<Shape>().is_ok_and(|shape| shape.status == answer.status.as_u16())
}

/// The error of an answer that is not a success.
pub(super) fn refused(answer: &Answer) -> Error {
    let status = answer.status;
    let error = |kind, what: &str| Error::new(kind, format!("{what} (HTTP {})", status.as_u16()));
    if status == StatusCode::TOO_MANY_REQUESTS {
        let throttled =
            error(ErrorKind::Throttled, "the Connect server, or something before it, asks for fewer calls")
                .with_help("a longer 'cache_ttl' asks less often; 1Password limits the calls of an account");
        return answer.with_retry_after(throttled);
    }
    if !is_its_own(answer) {
        return answer.interposed();
    }
    match status {
        StatusCode::UNAUTHORIZED => error(ErrorKind::StoreAuth, "the Connect server refused the token")
            .with_help("it may have expired, be revoked, or be for another server: set 'token' or OP_CONNECT_TOKEN"),
        StatusCode::FORBIDDEN => error(ErrorKind::Denied, "the token may not do this in the vault").with_help(
            "give the token access to the vault, to write if it is to write; 1Password asks for a new token then",
        ),
        StatusCode::NOT_FOUND => no_vault(),
        StatusCode::CONFLICT => error(ErrorKind::Conflict, "somebody else changed the vault at the same time")
            .with_help("look at what it holds now, and try again"),
        StatusCode::PAYLOAD_TOO_LARGE => Error::unsupported("hold a value this long")
            .with_help("1Password has a limit for items: the Connect server refused it with HTTP 413"),
        status if status.is_server_error() => {
            let trouble = error(ErrorKind::Unavailable, "the Connect server has trouble of its own")
                .with_help("its /health tells which part; its log says why");
            answer.with_retry_after(trouble)
        }
        _ => error(ErrorKind::Unsupported, "the Connect server does not take this request")
            .with_help("its log says what is wrong with it; a server of version 1.5 or later is supported"),
    }
}

/// The vault is not there, or not for this token: Connect shows a token no other vaults.
pub(super) fn no_vault() -> Error {
    Error::new(ErrorKind::InvalidConfig, "the Connect server has no such vault for this token")
        .with_help("check 'vault_id' (an ID or a title, to the letter), and that the token may use the vault")
}

pub(super) fn ambiguous_vault() -> Error {
    Error::new(ErrorKind::InvalidConfig, "several vaults have this title")
        .with_help("put the ID of the one that is meant in 'vault_id'")
}

pub(super) fn ambiguous() -> Error {
    Error::new(ErrorKind::Conflict, "several items of the vault have this title")
        .with_help("rename or remove all but one, or ask for the one that is meant by its ID")
}

/// A write that found something else than what it had read before. Nothing is written.
pub(super) fn overtaken() -> Error {
    Error::new(ErrorKind::Conflict, "somebody else changed or removed the item at the same time")
        .with_help("look at what it holds now, and try again")
}

/// Two answers contradict each other.
pub(super) fn changing() -> Error {
    Error::new(ErrorKind::Unavailable, "the item was listed, and is not there or is another one now")
        .with_help("somebody changes it, or not every Connect server has heard of it yet: try again")
}

pub(super) fn archived() -> Error {
    Error::new(ErrorKind::Disabled, "the item is archived").with_help("restore it in 1Password")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body }
    }

    #[test]
    fn the_status_decides_and_the_prose_is_not_shown() {
        for (status, kind) in [
            (400, ErrorKind::Unsupported),
            (401, ErrorKind::StoreAuth),
            (403, ErrorKind::Denied),
            (404, ErrorKind::InvalidConfig),
            (409, ErrorKind::Conflict),
            (413, ErrorKind::Unsupported),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
        ] {
            let error = refused(&answer(status, &format!(r#"{{"status":{status},"message":"canary"}}"#)));
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert!(error.help().is_some(), "{status}");
        }
    }

    #[test]
    fn an_answer_in_another_shape_is_not_connects() {
        for body in ["", "Forbidden", "<html></html>", "{}", r#"{"error":"no"}"#, r#"{"status":200}"#] {
            for status in [301, 400, 401, 403, 404, 409, 502] {
                let answer = answer(status, body);
                assert!(!is_its_own(&answer), "{status} {body}");
                assert_eq!(refused(&answer).kind(), ErrorKind::Unavailable, "{status} {body}");
            }
        }
    }

    #[test]
    fn an_error_of_a_gateway_may_look_much_like_connects() {
        let body = r#"{"timestamp":"2026-01-02","status":404,"error":"Not Found","message":"","path":"/v1"}"#;
        let answer = answer(404, body);
        assert!(!is_its_own(&answer));
        assert_eq!(refused(&answer).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_throttle_is_one_whoever_throttles_and_says_how_long() {
        let mut answer = answer(429, "slow down");
        answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let error = refused(&answer);
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(7))));
    }

    #[test]
    fn an_outage_may_say_when_it_is_over() {
        for body in [r#"{"status":503}"#, "<html></html>"] {
            let mut answer = answer(503, body);
            answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
            let error = refused(&answer);
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{body}");
        }
    }
}
