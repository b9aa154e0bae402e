//! Events: what happened, and to what.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{Error, ErrorKind, Version};

/// Something that happened to a secret or a provider. Holds no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When, by the calendar.
    pub at: Timestamp,
    /// To what.
    pub subject: Subject,
    /// What.
    pub kind: EventKind,
}

/// To what an [`Event`] happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A secret of a store.
    Secret {
        /// The store's name.
        store: Arc<str>,
        /// The secret's name.
        name: Arc<str>,
        /// The version or stage that was asked for; none for the current one.
        selector: Option<Version>,
    },
    /// A provider of the configuration.
    Provider {
        /// The provider's ID.
        id: Arc<str>,
    },
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A secret has a value now, and had none.
    Resolved {
        /// The value's version.
        version: Version,
    },
    /// A secret has another value.
    Rotated {
        /// The version before.
        from: Version,
        /// The version now.
        to: Version,
        /// How long the value before may have been out of date: the time since its last validation.
        lag: Duration,
    },
    /// A refresh failed. What is held is served on for as long as it may be.
    RefreshFailed {
        /// Why.
        error: Error,
    },
    /// A value is served though it is older than its TTL, for its store cannot answer.
    ServedStale {
        /// Why the store cannot answer.
        reason: ErrorKind,
        /// For how long at the most, unless the store answers.
        at_most: Duration,
    },
    /// The store answers again, after a refresh had failed.
    Recovered,
    /// A value is gone for good: its store says so.
    Revoked {
        /// What the store said: `NotFound`, `Disabled`, or `Denied` twice.
        reason: ErrorKind,
    },
    /// A value is gone: its store could not be asked for longer than `max_stale`, or it came to its own end.
    Expired,
    /// The version before is served again, for the new one was refused.
    FellBack {
        /// The version that was refused.
        from: Version,
        /// The version that is served.
        to: Version,
    },
    /// A provider has a new generation.
    Activated {
        /// The generation's number.
        generation: u64,
        /// Why it was activated: `init`, `rotation`, `recovery` or `manual`.
        reason: &'static str,
    },
    /// A provider could not be activated; the generation it had, if any, stays.
    ActivationFailed {
        /// Why it was to be activated.
        reason: &'static str,
        /// Why it could not be.
        error: Error,
    },
    /// A provider has no values any more.
    Deactivated {
        /// Why.
        error: Error,
    },
}

impl EventKind {
    /// The kind's name in logs and metrics: stable across versions.
    pub fn as_str(&self) -> &'static str {
        match self {
            EventKind::Resolved { .. } => "resolved",
            EventKind::Rotated { .. } => "rotated",
            EventKind::RefreshFailed { .. } => "refresh_failed",
            EventKind::ServedStale { .. } => "served_stale",
            EventKind::Recovered => "recovered",
            EventKind::Revoked { .. } => "revoked",
            EventKind::Expired => "expired",
            EventKind::FellBack { .. } => "fell_back",
            EventKind::Activated { .. } => "activated",
            EventKind::ActivationFailed { .. } => "activation_failed",
            EventKind::Deactivated { .. } => "deactivated",
        }
    }
}
