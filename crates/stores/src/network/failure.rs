//! Why there is no answer, or none that can be used.

use std::{error::Error as StdError, fmt, io, time::Duration};

use modelmesh_secrets::{Error, ErrorKind, duration};
use reqwest::StatusCode;

use super::{MAX_ANSWER, host};

/// The error of a request that got no whole answer: always `Unavailable`, for nobody knows what the store would
/// have said. What it says is ours alone: a URL may tell more than it should.
pub(super) fn transport(error: &reqwest::Error, timeout: Duration) -> Error {
    let unavailable = |what: String| Error::new(ErrorKind::Unavailable, what);
    if error.is_timeout() {
        return unavailable(format!("the store did not answer within {}", duration::format(timeout)))
            .with_help("'fetch_timeout' is the longest a fetch may take");
    }
    if let Some(why) = causes(error).find_map(certificate_problem) {
        return unavailable(format!("the certificate of the store is not accepted: {why}"))
            .with_help(
                "if its authority is one of your own, name a PEM file with it in 'ca_cert'; else somebody is in between",
            )
            .with_source(Unsent);
    }
    if error.is_connect() {
        let why = causes(error).find_map(connection_problem);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        return unavailable(format!("the store cannot be reached{why}"))
            .with_help("check the address, and that a proxy or firewall lets it through")
            .with_source(Unsent);
    }
    closed_early()
}

/// By which an error is known of a request that nobody got.
#[derive(Debug)]
struct Unsent;

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was sent")
    }
}

impl StdError for Unsent {}

/// Whether the request cannot have reached the store.
pub(crate) fn is_unsent(error: &Error) -> bool {
    error.source().is_some_and(<dyn StdError>::is::<Unsent>)
}

/// The error of an answer that ends before its end.
pub(crate) fn closed_early() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection ended before the answer was complete")
        .with_help("try again; if it stays so, look at the store's log, and at proxies on the way")
}

/// The error of an answer that is longer than any store's.
pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::Malformed, format!("the answer is longer than {} MiB", MAX_ANSWER >> 20))
        .with_help("check that the address is that of the store")
        .with_source(TooLong)
}

/// By which that error is known to who could ask for less.
#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no more of it was read")
    }
}

impl StdError for TooLong {}

/// Whether the answer was longer than is read.
pub(crate) fn is_too_long(error: &Error) -> bool {
    error.source().is_some_and(<dyn StdError>::is::<TooLong>)
}

/// The error of an answer that the store does not give: `what` completes "the answer …".
///
/// The parser's own words are left out, for they quote what they cannot read.
pub(crate) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("the answer {what}"))
        .with_help("check that the address is that of the store, and its version one that is supported")
}

/// The error of an answer with this status that is not in the store's own shape: a proxy or a gateway in between
/// gave it, and what the store would have said is not known.
pub(crate) fn interposed(status: StatusCode) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the answer was HTTP {}, and not in the store's own shape", status.as_u16()),
    )
    .with_help("something in between may have answered: check the address, and proxies on the way")
}

fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // What an I/O error wraps is not its source but what it is made of.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// Why there is no connection, in words that say something.
fn connection_problem(cause: &(dyn StdError + 'static)) -> Option<String> {
    if cause.is::<host::Unknown>() {
        return Some("there is no host of this name".into());
    }
    if let Some(rustls::Error::InvalidMessage(_)) = cause.downcast_ref() {
        return Some("what answers there does not speak TLS".into());
    }
    let kind = cause.downcast_ref::<io::Error>()?.kind();
    // These are made of another error, which says more.
    (!matches!(kind, io::ErrorKind::Other | io::ErrorKind::InvalidData)).then(|| kind.to_string())
}

fn certificate_problem(cause: &(dyn StdError + 'static)) -> Option<String> {
    use rustls::CertificateError as Problem;
    match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => Some(match problem {
            Problem::UnknownIssuer => "nobody who is trusted issued it".into(),
            Problem::Expired | Problem::ExpiredContext { .. } => "it has expired".into(),
            Problem::NotValidYet | Problem::NotValidYetContext { .. } => "it is not valid yet".into(),
            Problem::NotValidForName | Problem::NotValidForNameContext { .. } => {
                "it is for another host".into()
            }
            Problem::Revoked => "it is revoked".into(),
            other => other.to_string(),
        }),
        rustls::Error::AlertReceived(alert) => Some(format!("the store refused the connection ({alert:?})")),
        _ => None,
    }
}
