//! Events, and their delivery.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

/// Ends a subscription when it is dropped.
#[must_use = "a subscription that is dropped has ended"]
pub struct Subscription {
    list: Weak<Mutex<Vec<Subscriber>>>,
    id: u64,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(list) = self.list.upgrade() {
            lock(&list).retain(|subscriber| subscriber.id != self.id);
        }
    }
}

#[derive(Clone)]
struct Subscriber {
    id: u64,
    call: Arc<dyn Fn(&Event) + Send + Sync>,
}

/// Who wants to know, and what they are yet to be told.
#[derive(Default)]
pub(super) struct Subscribers {
    list: Arc<Mutex<Vec<Subscriber>>>,
    next: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    is_delivering: bool,
}

impl Subscribers {
    pub(super) fn subscribe(&self, call: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.list).push(Subscriber { id, call: Arc::new(call) });
        Subscription { list: Arc::downgrade(&self.list), id }
    }

    pub(super) fn queue(&self, event: Event) {
        lock(&self.queue).events.push_back(event);
    }

    /// Tells everyone what is queued, in order. Who comes while another delivers leaves it to them, so that
    /// events are told one at a time, and a subscriber that causes an event does not wait for itself.
    pub(super) fn deliver(&self) {
        {
            let mut queue = lock(&self.queue);
            if queue.is_delivering || queue.events.is_empty() {
                return;
            }
            queue.is_delivering = true;
        }
        loop {
            let event = {
                let mut queue = lock(&self.queue);
                let Some(event) = queue.events.pop_front() else {
                    queue.is_delivering = false;
                    return;
                };
                event
            };
            tell(&event);
            let subscribers = lock(&self.list).clone();
            for subscriber in subscribers {
                // A panic's message is the subscriber's own, and may hold anything: it is not repeated.
                if catch_unwind(AssertUnwindSafe(|| (subscriber.call)(&event))).is_err() {
                    tracing::error!(event = event.kind.as_str(), "a subscriber of events panicked");
                }
            }
        }
    }
}

/// Writes the event to the log.
fn tell(event: &Event) {
    tracing::debug!(event = event.kind.as_str(), subject = ?event.subject, "secret event");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
