//! A text that stands for a secret, and must show up nowhere.

use std::{fmt, sync::LazyLock};

use modelmesh_secrets::Error;
use modelmesh_testkit::canary::Canary;

/// Letters and digits, so that no format has to escape it; the same in every run, so that inputs are too.
pub(crate) const CANARY: &str = "qZ7wK3vXp9Lm2Tc8";

static NEEDLE: LazyLock<Canary> = LazyLock::new(|| Canary::of("the secret", CANARY));

/// Panics if `shown` tells the canary, in any common encoding.
#[track_caller]
pub(crate) fn assert_silent(shown: &impl fmt::Debug, what: &str) {
    assert_text_silent(&format!("{shown:?}"), what);
}

/// As [`assert_silent`], for all that an error says.
#[track_caller]
pub(crate) fn assert_error_silent(error: &Error, what: &str) {
    assert_text_silent(&format!("{error} {error:?} {}", error.help().unwrap_or_default()), what);
}

/// As [`assert_silent`], for a text as people see it.
#[track_caller]
pub(crate) fn assert_text_silent(shown: &str, what: &str) {
    if let Some(encoding) = NEEDLE.find_in(shown.as_bytes()) {
        panic!("{what} shows a secret ({encoding}): {shown}");
    }
}
