//! Errors of `keyring-core`, which holds raw values in some of its own.

use keyring_core::Error as Failure;
use modelmesh_secrets::{Error, ErrorKind};

use super::{ambiguous, not_found, not_text};

/// The error to report for one of the library. Bytes that it carries are wiped, not kept.
pub(super) fn failure(error: Failure) -> Error {
    match error {
        Failure::NoEntry => not_found(),
        Failure::NoStorageAccess(_) => locked(),
        Failure::BadEncoding(bytes) | Failure::BadDataFormat(bytes, _) => not_text(bytes),
        Failure::BadStoreFormat(_) => Error::new(ErrorKind::Malformed, "the keyring cannot be read"),
        Failure::TooLong(_, limit) => Error::unsupported("hold a value this long")
            .with_help(format!("the keyring takes {limit} at most; modelmesh.age-file.v1 has no such limit")),
        Failure::Invalid(..) => Error::new(ErrorKind::InvalidName, "the keyring does not take this name"),
        Failure::Ambiguous(_) => ambiguous(),
        Failure::NotSupportedByStore(_) => Error::unsupported("do this"),
        // Its text is the operating system's own for a number.
        Failure::PlatformFailure(_) => {
            Error::new(ErrorKind::Unavailable, "the keyring failed").with_source(error)
        }
        _ => Error::new(ErrorKind::Unavailable, "the keyring failed"),
    }
}

/// The keyring is locked, or the person refused.
pub(super) fn locked() -> Error {
    Error::new(ErrorKind::Locked, "the keyring is locked, or refused access to this program").with_help(
        "unlock it in the system's password manager and allow this program; without a desktop session, use \
         the store modelmesh.age-file.v1",
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn kinds_follow_the_variants() {
        let cause = || Box::new(std::io::Error::other("-1"));
        for (error, kind) in [
            (Failure::NoEntry, ErrorKind::NotFound),
            (Failure::NoStorageAccess(cause()), ErrorKind::Locked),
            (Failure::BadStoreFormat("?".into()), ErrorKind::Malformed),
            (Failure::TooLong("password".into(), 2560), ErrorKind::Unsupported),
            (Failure::Invalid("user".into(), "?".into()), ErrorKind::InvalidName),
            (Failure::Ambiguous(Vec::new()), ErrorKind::Conflict),
            (Failure::NotSupportedByStore("?".into()), ErrorKind::Unsupported),
            (Failure::PlatformFailure(cause()), ErrorKind::Unavailable),
        ] {
            assert_eq!(failure(error).kind(), kind);
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_malformed_and_not_carried() {
        let canary = b"canary-\xff".to_vec();
        let cause = Box::new(std::io::Error::other("canary"));
        for error in [Failure::BadEncoding(canary.clone()), Failure::BadDataFormat(canary, cause)] {
            let error = failure(error);
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.source().is_none());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
        }
    }
}
