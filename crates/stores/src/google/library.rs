//! What Google's library needs before it is used, and what its errors mean.

use std::error::Error as StdError;

use google_cloud_auth::errors::CredentialsError;
use modelmesh_secrets::{Error, ErrorKind, Result};
use rustls::crypto::{CryptoProvider, ring};

/// The error of a login without a token. What the library says is not shown: it holds the answer of whoever gives
/// tokens.
pub(super) fn no_token(error: &CredentialsError) -> Error {
    let mut causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |&cause| cause.source());
    let http = causes.find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    let status = http.and_then(reqwest::Error::status);
    // So a login is refused (RFC 6749, section 5.2, and Google's exchange of tokens). To the library, so is what a
    // proxy says with another status, and what cannot be read.
    let is_refusal = status.is_some_and(|status| matches!(status.as_u16(), 400 | 401 | 403));
    let status = status.map(|status| format!(" (HTTP {})", status.as_u16())).unwrap_or_default();
    if error.is_transient() || (http.is_some() && !is_refusal) {
        return Error::new(
            ErrorKind::Unavailable,
            format!("no token could be had from Google's login{status}"),
        )
        .with_help(
            "check that it can be reached; outside Google Cloud, 'gcloud auth application-default login' or \
             'credentials_file' give credentials",
        );
    }
    Error::new(ErrorKind::StoreAuth, format!("no token is given for these credentials{status}"))
        .with_help("log in again, or look whether the key or the account was disabled or deleted")
}

/// The library signs and connects with the process's default provider of cryptography, and panics without one. If
/// the program has chosen none, it is the one that all stores use: the library's own would be a second one to build.
pub(super) fn provide_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // It fails if another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

/// The library's HTTP client panics where the system has no certificates, so that is found out before.
pub(super) fn check_certificates() -> Result<()> {
    if reqwest::Client::builder().build().is_ok() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidConfig,
        "the system has no certificates by which to trust Google's login",
    )
    .with_help("install 'ca-certificates', or name a file of them in SSL_CERT_FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_refused_by_who_gives_tokens_and_nobody_else() {
        for (status, kind) in [
            (400, ErrorKind::StoreAuth),
            (401, ErrorKind::StoreAuth),
            (403, ErrorKind::StoreAuth),
            (404, ErrorKind::Unavailable),
            (407, ErrorKind::Unavailable),
            (502, ErrorKind::Unavailable),
        ] {
            let answer = http::Response::builder().status(status).body("canary").unwrap();
            let refused = reqwest::Response::from(answer).error_for_status().unwrap_err();
            let error = no_token(&CredentialsError::new(false, "canary", refused));
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.message().contains(&status.to_string()), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
