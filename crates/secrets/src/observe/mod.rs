//! What the engine tells of itself: events, metrics, an audit log. Never a value.

mod audit;
mod delivery;
mod event;
mod log;
pub mod metrics;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::delivery::Subscribers;
pub use self::{
    audit::AuditLog,
    delivery::Subscription,
    event::{Event, EventKind, Subject},
};
use crate::{ErrorKind, SecretName, Version};

/// The `tracing` target of events: stable, so that filters may name it.
const EVENTS: &str = "modelmesh_secrets::event";

/// The `tracing` target of an audit log that cannot be written.
const AUDIT: &str = "modelmesh_secrets::audit";

/// Where the stores of one application tell what happens: subscribers get [`Event`]s, the audit log gets a line
/// for each fetch, write and rotation, [`metrics`] go to the recorder that the application installed, and
/// `tracing` gets each event at its level.
///
/// Cloning is cheap, and clones are one observer: give the same one to every store.
#[derive(Clone, Default)]
pub struct Observer(Arc<Inner>);

#[derive(Default)]
struct Inner {
    subscribers: Subscribers,
    audit: Option<AuditLog>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("audit", &self.0.audit.is_some()).finish_non_exhaustive()
    }
}

impl Observer {
    /// An observer without subscribers and without an audit log.
    pub fn new() -> Self {
        Observer::default()
    }

    /// An observer that keeps an audit log.
    pub fn with_audit(audit: AuditLog) -> Self {
        Observer(Arc::new(Inner { audit: Some(audit), ..Inner::default() }))
    }

    /// Calls `subscriber` for each event from now on, until the subscription is dropped.
    ///
    /// - Events of one secret come in the order in which they happened, and events one at a time.
    /// - It runs on a thread of the engine or of a caller, outside every lock: it may subscribe, end its own
    ///   subscription, and start a task that asks or activates. It must not wait for one: fetches and timers run on
    ///   the engine's thread too. It should be quick, for everyone else is told after it, and what happens meanwhile
    ///   waits in memory.
    /// - An event that it causes is told after the one it was told.
    /// - One that panics is logged, and hinders no other.
    pub fn subscribe(&self, subscriber: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.0.subscribers.subscribe(subscriber)
    }

    /// Queues an event. May be called under a lock: nobody is called before [`deliver`](Observer::deliver).
    pub(crate) fn queue(&self, event: Event) {
        self.0.subscribers.queue(event);
    }

    /// Delivers what was queued. Never called under a lock.
    pub(crate) fn deliver(&self) {
        self.0.subscribers.deliver(|event| {
            log::write(event);
            metrics::event(event);
            if let Some(audit) = &self.0.audit {
                audit.event(event);
            }
        });
    }

    /// Tells of one call of a backend that has ended.
    pub(crate) fn call_ended(&self, call: &CallRecord<'_>) {
        metrics::call_ended(call);
        if let Some(audit) = &self.0.audit {
            audit.call_ended(call);
        }
    }
}

/// One call of a backend.
pub(crate) struct CallRecord<'c> {
    pub(crate) store: &'c str,
    pub(crate) operation: Operation,
    /// What was asked for or written: the name, the version asked for or got, and the outcome.
    pub(crate) secrets: &'c [CallSecret<'c>],
    /// The outcome of the whole call: that of its first failure, if any.
    pub(crate) outcome: Result<(), ErrorKind>,
    pub(crate) took: Duration,
}

/// One secret of a call.
pub(crate) struct CallSecret<'c> {
    pub(crate) name: &'c SecretName,
    pub(crate) version: Option<&'c Version>,
    pub(crate) outcome: Result<(), ErrorKind>,
}

/// What a backend is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
    List,
    Delete,
    Exchange,
}

impl Operation {
    /// The operation's name in metrics, spans and the audit log: stable across versions.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Set => "set",
            Operation::List => "list",
            Operation::Delete => "delete",
            Operation::Exchange => "exchange",
        }
    }
}

/// What an outcome is called in metrics, spans and the audit log: `ok`, or the kind of the error.
pub(crate) fn outcome(outcome: Result<(), ErrorKind>) -> &'static str {
    outcome.map_or_else(ErrorKind::as_str, |()| "ok")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
