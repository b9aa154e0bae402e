//! What was seen during a run: values where none may be, and errors that break the rules of errors.

use std::{
    error::Error as _,
    fmt::Write as _,
    sync::{Mutex, MutexGuard},
};

use modelmesh_secrets::{Error, misleads};

use crate::canary::{Canary, CanarySet};

/// Where a value may leak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// An error: its texts, its help, or its causes.
    Error,
    /// A `tracing` event or span.
    Tracing,
    /// `Debug` of a store.
    Debug,
    /// A panic's message, or whatever else would have been printed in a report.
    Report,
}

pub(super) struct Witness {
    canaries: CanarySet,
    /// In every value that the suite makes, unless the case is about the value's exact text.
    marker: Canary,
    /// In a few values: nothing can encode it without changing it.
    thorny: Canary,
    leaks: Mutex<Vec<(Channel, String)>>,
    faulty_errors: Mutex<Vec<String>>,
}

impl Witness {
    pub(super) fn new(credentials: Vec<Canary>) -> Self {
        let marker = Canary::new("a secret's value");
        let thorny = Canary::with_special_characters("a secret's value with special characters");
        let canaries = credentials.into_iter().chain([marker.clone(), thorny.clone()]).collect();
        Witness { canaries, marker, thorny, leaks: Mutex::default(), faulty_errors: Mutex::default() }
    }

    pub(super) fn marker(&self) -> &Canary {
        &self.marker
    }

    pub(super) fn thorny(&self) -> &Canary {
        &self.thorny
    }

    /// Searches what came out at `place`, and remembers what was found.
    pub(super) fn search(&self, channel: Channel, text: &[u8], place: &str) {
        let findings = self.canaries.find_in(text, place);
        lock(&self.leaks).extend(findings.iter().map(|finding| (channel, finding.to_string())));
    }

    /// Looks at an error that `call` returned.
    pub(super) fn see_error(&self, call: &str, error: &Error) {
        let mut text = format!("{error}\n{error:?}\n{error:#?}\n{}", error.help().unwrap_or_default());
        let mut cause = error.source();
        while let Some(error) = cause {
            // Writing to a String does not fail.
            let _ = write!(text, "\n{error}\n{error:?}");
            cause = error.source();
        }
        self.search(Channel::Error, text.as_bytes(), &format!("an error of '{call}'"));
        if let Some(fault) = broken_rule(error) {
            lock(&self.faulty_errors).push(format!("an error of '{call}' ({}) {fault}", error.kind()));
        }
    }

    /// Every distinct leak through `channel` so far.
    pub(super) fn leaks(&self, channel: Channel) -> Vec<String> {
        let leaks = lock(&self.leaks);
        distinct(leaks.iter().filter(|(through, _)| *through == channel).map(|(_, leak)| leak.clone()))
    }

    /// Every distinct fault of an error so far.
    pub(super) fn faulty_errors(&self) -> Vec<String> {
        distinct(lock(&self.faulty_errors).iter().cloned())
    }

    /// `text`, unless it holds a value: then that counts as a leak, and a remark stands in its place.
    pub(super) fn without_values(&self, text: &str) -> String {
        if self.canaries.find_in(text.as_bytes(), "").is_empty() {
            return modelmesh_secrets::printable(text).to_string();
        }
        self.search(Channel::Report, text.as_bytes(), "the reason of a failure");
        "(withheld: the reason holds a value)".to_owned()
    }
}

/// The rule of errors that this one breaks, if any.
fn broken_rule(error: &Error) -> Option<&'static str> {
    let message = error.message();
    if error.to_string().chars().any(misleads) {
        Some("shows control or invisible characters unescaped")
    } else if error.retry_after().is_some() && !error.kind().is_retryable() {
        Some("says when to retry what cannot be retried")
    } else if message.is_empty() {
        Some("has no message")
    } else if message.ends_with('.') {
        Some("has a message that ends in a dot")
    } else if message.starts_with(char::is_uppercase) && !starts_with_acronym(message) {
        Some("has a message that starts with a capital letter")
    } else {
        None
    }
}

fn starts_with_acronym(message: &str) -> bool {
    message.chars().nth(1).is_some_and(|second| !second.is_lowercase())
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts.dedup();
    texts
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds what was seen")
}
