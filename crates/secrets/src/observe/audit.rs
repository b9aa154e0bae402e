//! The audit log: who asked for what, when, and what came of it.

use std::{
    fmt,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{AUDIT, CallRecord, Event, EventKind, Subject, lock, metrics, outcome};
use crate::{Version, misleads};

/// The version of the lines' format: `v` in each. Fields may be added under one version; none is renamed, and
/// none gets another meaning.
const FORMAT: u8 = 1;

/// A log of fetches, writes and rotations, as JSON lines. Holds names and versions, never a value.
///
/// - There is a line for each secret of a call of a backend, so twenty for a batch of twenty, and one for a call
///   that concerns none in particular (`list`). What the cache answers is no call.
/// - There is a line for each event by which values come into use or go out of it: `rotated`, `revoked`,
///   `expired`, `fell_back`, `activated`, `activation_failed`, `deactivated`.
/// - The lines of one call are one write, whole, so that processes that append to one file do not mix theirs.
/// - A line that cannot be written breaks nothing: that is logged once, until a line is written again, and
///   counted in [`AUDIT_FAILURES_TOTAL`](super::metrics::AUDIT_FAILURES_TOTAL). What failed is not written
///   later; the next line starts with an empty one, for a part of the lost one may be there.
///
/// ```
/// use modelmesh_secrets::observe::{AuditLog, Observer};
///
/// let file = std::io::sink(); // or a file that is open for appending
/// let observer = Observer::with_audit(AuditLog::new(file, "gateway-7"));
/// ```
pub struct AuditLog {
    who: String,
    sink: Mutex<Sink>,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    has_failed: bool,
}

/// Shows who is logged, and nothing of where.
impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("who", &self.who).finish_non_exhaustive()
    }
}

impl AuditLog {
    /// A log of what `who` does: a user, a process, a service.
    ///
    /// `writer` is called within calls of stores, by one thread at a time: it should be quick, and must not ask
    /// a store itself. It is flushed after each write.
    pub fn new(writer: impl Write + Send + 'static, who: impl Into<String>) -> Self {
        AuditLog { who: who.into(), sink: Mutex::new(Sink { writer: Box::new(writer), has_failed: false }) }
    }

    pub(super) fn call_ended(&self, call: &CallRecord<'_>) {
        self.record(&self.records_of_call(call, Timestamp::now()));
    }

    pub(super) fn event(&self, event: &Event) {
        self.record(self.record_of_event(event).as_slice());
    }

    fn records_of_call<'r>(&'r self, call: &CallRecord<'r>, at: Timestamp) -> Vec<Record<'r>> {
        let of_call = Record {
            store: Some(call.store),
            outcome: outcome(call.outcome),
            took_ms: Some(milliseconds(call.took)),
            ..Record::new(at, &self.who, call.operation.as_str())
        };
        if call.secrets.is_empty() {
            return vec![of_call];
        }
        let of_secret = |secret: &super::CallSecret<'r>| Record {
            name: Some(secret.name.as_str()),
            version: secret.version.map(Version::as_str),
            outcome: outcome(secret.outcome),
            ..of_call.clone()
        };
        call.secrets.iter().map(of_secret).collect()
    }

    /// The record of an event; none if the lines of calls tell it already.
    fn record_of_event<'r>(&'r self, event: &'r Event) -> Option<Record<'r>> {
        let mut record = Record::new(event.at, &self.who, event.kind.as_str());
        match &event.subject {
            Subject::Secret { store, name, selector } => {
                record.store = Some(store);
                record.name = Some(name);
                record.version = selector.as_ref().map(Version::as_str);
            }
            Subject::Provider { id } => record.provider = Some(id),
        }
        // Of an error, its kind alone: its text is for people, and the backend had a part in it.
        match &event.kind {
            EventKind::Resolved { .. }
            | EventKind::RefreshFailed { .. }
            | EventKind::ServedStale { .. }
            | EventKind::Recovered => return None,
            EventKind::Rotated { from, to, .. } | EventKind::FellBack { from, to } => {
                record.from = Some(from.as_str());
                record.version = Some(to.as_str());
            }
            EventKind::Revoked { reason } => record.outcome = reason.as_str(),
            EventKind::Expired => {}
            EventKind::Activated { generation, reason } => {
                record.generation = Some(*generation);
                record.reason = Some(reason);
            }
            EventKind::ActivationFailed { reason, error } => {
                record.reason = Some(reason);
                record.outcome = error.kind().as_str();
            }
            EventKind::Deactivated { error } => record.outcome = error.kind().as_str(),
        }
        Some(record)
    }

    fn record(&self, records: &[Record<'_>]) {
        if records.is_empty() {
            return;
        }
        let lines = render(records);
        let (is_news, failure) = {
            let mut sink = lock(&self.sink);
            let failure = sink.write(&lines).err();
            let had_failed = std::mem::replace(&mut sink.has_failed, failure.is_some());
            (!had_failed, failure)
        };
        // Not under the lock: whoever listens to logs may be slow, or ask for a secret.
        let Some(failure) = failure else { return };
        metrics::audit_failed(records.len());
        if is_news {
            let reason = failure.kind();
            tracing::error!(target: AUDIT, %reason, "the audit log cannot be written: lines are missing from it");
        }
    }
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let Sink { writer, has_failed } = self;
        let write = || {
            if *has_failed {
                // Ends a line that was cut off, so that it does not swallow the first of these.
                writer.write_all(&[b"\n", lines].concat())?;
            } else {
                writer.write_all(lines)?;
            }
            writer.flush()
        };
        // The writer is the application's, and the call that is recorded goes on whatever it does.
        catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    }
}

/// One line. The order of the fields is theirs in the file.
#[derive(Clone, Serialize)]
struct Record<'r> {
    v: u8,
    #[serde(serialize_with = "to_the_millisecond")]
    at: Timestamp,
    who: &'r str,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
}

impl<'r> Record<'r> {
    fn new(at: Timestamp, who: &'r str, operation: &'static str) -> Self {
        Record {
            v: FORMAT,
            at,
            who,
            operation,
            store: None,
            name: None,
            version: None,
            from: None,
            provider: None,
            generation: None,
            reason: None,
            outcome: "ok",
            took_ms: None,
        }
    }
}

fn render(records: &[Record<'_>]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(records.len() * 256);
    for record in records {
        let mut serializer = serde_json::Serializer::with_formatter(&mut lines, Escaping);
        record
            .serialize(&mut serializer)
            .expect("a buffer takes all, and a record is plain text and numbers");
        lines.push(b'\n');
    }
    lines
}

/// Writes what would mislead a reader as `\u…`: whoever parses a line gets the name as it is, and whoever prints
/// one to a terminal is not deceived.
struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(misleads) {
            let (plain, misleading) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = misleading.chars();
            if let Some(c) = characters.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn to_the_millisecond<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
