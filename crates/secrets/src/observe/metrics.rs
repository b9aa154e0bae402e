//! Metrics, by store and outcome, for whatever recorder the application installs.
//!
//! They go through the [`metrics`](https://docs.rs/metrics) facade: without a recorder they cost next to nothing,
//! and with one, such as that of `metrics-exporter-prometheus`, they are exported as it does. Call [`describe`]
//! once the recorder is installed.
//!
//! - No label is a secret's name or version: names say what an application uses, and there may be very many.
//! - **Cached reads are not counted.** A counter that all readers share would make them wait for each other, and
//!   that is what a cached read never does.
//! - A metric has one set of labels, always.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{CallRecord, Event, EventKind, Subject, outcome};
use crate::ErrorKind;

/// Counter: calls of a backend, by `store`, `operation` and `outcome` (`ok`, or the kind of the error).
pub const CALLS_TOTAL: &str = "modelmesh_secrets_calls_total";

/// Histogram: how long a call of a backend took, its retries included, in seconds, by `store` and `operation`.
pub const CALL_SECONDS: &str = "modelmesh_secrets_call_seconds";

/// Counter: what happened to secrets, by `store` and `event` (see [`EventKind::as_str`]).
pub const EVENTS_TOTAL: &str = "modelmesh_secrets_events_total";

/// Counter: what happened to providers, by `provider` (its ID) and `event` (see [`EventKind::as_str`]).
pub const PROVIDER_EVENTS_TOTAL: &str = "modelmesh_secrets_provider_events_total";

/// Counter: values that began to be served stale, by `store` and `reason`, why the store could not answer.
pub const STALE_TOTAL: &str = "modelmesh_secrets_stale_total";

/// Histogram: how long a value may have been out of date when a rotation was noticed, in seconds, by `store`.
pub const ROTATION_LAG_SECONDS: &str = "modelmesh_secrets_rotation_lag_seconds";

/// Gauge: what a store's cache holds, by `store` and `state`: `fresh`, `stale`, `lapsed` (too old to be served,
/// and waiting to be asked for) or `negative` (a remembered 'not found').
pub const ENTRIES: &str = "modelmesh_secrets_entries";

/// Gauge: of the values that a store serves, how long ago the one validated longest ago was, in seconds, by
/// `store`. Beyond `cache_ttl` it says how stale the stalest value is.
pub const OLDEST_SECONDS: &str = "modelmesh_secrets_oldest_seconds";

/// Gauge: 1 while a store is left alone because it failed (its breaker is open), or else 0, by `store`.
pub const BREAKER_OPEN: &str = "modelmesh_secrets_breaker_open";

/// Gauge: calls of a backend that are under way, by `store`.
pub const IN_FLIGHT: &str = "modelmesh_secrets_in_flight";

/// Counter: calls that were tried again, by `store` and `reason`, why the try before failed.
pub const RETRIES_TOTAL: &str = "modelmesh_secrets_retries_total";

/// Counter: lines of the audit log that could not be written.
pub const AUDIT_FAILURES_TOTAL: &str = "modelmesh_secrets_audit_failures_total";

/// Tells the installed recorder what each metric means, and its unit. Harmless if repeated.
pub fn describe() {
    describe_counter!(CALLS_TOTAL, Unit::Count, "calls of a backend");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "how long a call of a backend took, retries included");
    describe_counter!(EVENTS_TOTAL, Unit::Count, "what happened to secrets");
    describe_counter!(PROVIDER_EVENTS_TOTAL, Unit::Count, "what happened to providers");
    describe_counter!(STALE_TOTAL, Unit::Count, "values that began to be served stale");
    describe_histogram!(
        ROTATION_LAG_SECONDS,
        Unit::Seconds,
        "how long a value may have been out of date when its rotation was noticed"
    );
    describe_gauge!(ENTRIES, Unit::Count, "what a store's cache holds");
    describe_gauge!(OLDEST_SECONDS, Unit::Seconds, "age of the served value that was validated longest ago");
    describe_gauge!(BREAKER_OPEN, Unit::Count, "1 while a store is left alone because it failed");
    describe_gauge!(IN_FLIGHT, Unit::Count, "calls of a backend that are under way");
    describe_counter!(RETRIES_TOTAL, Unit::Count, "calls of a backend that were tried again");
    describe_counter!(AUDIT_FAILURES_TOTAL, Unit::Count, "lines of the audit log that could not be written");
}

// Handles are looked up each time: beside a call of a backend that costs nothing, and a handle that was kept
// would stay with the recorder of the moment it was made.

pub(super) fn call_ended(call: &CallRecord<'_>) {
    let (store, operation) = (call.store.to_owned(), call.operation.as_str());
    let outcome = outcome(call.outcome);
    histogram!(CALL_SECONDS, "store" => store.clone(), "operation" => operation).record(call.took);
    counter!(CALLS_TOTAL, "store" => store, "operation" => operation, "outcome" => outcome).increment(1);
}

pub(super) fn event(event: &Event) {
    let kind = event.kind.as_str();
    let store = match &event.subject {
        Subject::Secret { store, .. } => store.to_string(),
        Subject::Provider { id } => {
            let provider = id.to_string();
            counter!(PROVIDER_EVENTS_TOTAL, "provider" => provider, "event" => kind).increment(1);
            return;
        }
    };
    counter!(EVENTS_TOTAL, "store" => store.clone(), "event" => kind).increment(1);
    match &event.kind {
        EventKind::ServedStale { reason, .. } => {
            counter!(STALE_TOTAL, "store" => store, "reason" => reason.as_str()).increment(1);
        }
        EventKind::Rotated { lag, .. } => histogram!(ROTATION_LAG_SECONDS, "store" => store).record(*lag),
        _ => {}
    }
}

/// What a store's cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) fresh: usize,
    pub(crate) stale: usize,
    pub(crate) lapsed: usize,
    pub(crate) negative: usize,
    /// The time since the last validation of the entry validated longest ago, of those that are served.
    pub(crate) oldest: Duration,
}

pub(crate) fn entries(store: &str, census: &Census) {
    let states = [
        ("fresh", census.fresh),
        ("stale", census.stale),
        ("lapsed", census.lapsed),
        ("negative", census.negative),
    ];
    for (state, entries) in states {
        gauge!(ENTRIES, "store" => store.to_owned(), "state" => state).set(count(entries));
    }
    gauge!(OLDEST_SECONDS, "store" => store.to_owned()).set(census.oldest);
}

pub(crate) fn breaker(store: &str, is_open: bool) {
    gauge!(BREAKER_OPEN, "store" => store.to_owned()).set(i32::from(is_open));
}

pub(crate) fn in_flight(store: &str, calls: usize) {
    gauge!(IN_FLIGHT, "store" => store.to_owned()).set(count(calls));
}

pub(crate) fn retried(store: &str, reason: ErrorKind) {
    counter!(RETRIES_TOTAL, "store" => store.to_owned(), "reason" => reason.as_str()).increment(1);
}

pub(super) fn audit_failed(lines: usize) {
    counter!(AUDIT_FAILURES_TOTAL).increment(lines as u64);
}

/// A number of things as a gauge holds it: exact far beyond what a cache can hold.
fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::{
        SecretName,
        observe::{CallSecret, Operation},
    };

    /// What `told` recorded, as `name{label=value,…} number`, sorted.
    fn recorded(told: impl FnOnce()) -> Vec<String> {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, told);
        let mut lines: Vec<String> = recorder
            .snapshotter()
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| {
                let labels: Vec<String> =
                    key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
                let value = match value {
                    DebugValue::Counter(number) => number.to_string(),
                    DebugValue::Gauge(number) => number.to_string(),
                    DebugValue::Histogram(numbers) => {
                        numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                    }
                };
                let name = key.key().name().trim_start_matches("modelmesh_secrets_");
                format!("{name}{{{}}} {value}", labels.join(","))
            })
            .collect();
        lines.sort();
        lines
    }

    fn secret(kind: EventKind) -> Event {
        let subject = Subject::Secret { store: "prod".into(), name: "openai-key".into(), selector: None };
        Event { at: Timestamp::UNIX_EPOCH, subject, kind }
    }

    #[test]
    fn a_call_is_counted_once_whatever_number_of_secrets_it_fetched() {
        let name = SecretName::new("openai-key").unwrap();
        let secret = || CallSecret { name: &name, version: None, outcome: Ok(()) };
        let lines = recorded(|| {
            call_ended(&CallRecord {
                store: "prod",
                operation: Operation::Get,
                secrets: &[secret(), secret()],
                outcome: Err(ErrorKind::Throttled),
                took: Duration::from_millis(250),
            });
        });
        assert_eq!(
            lines,
            [
                "call_seconds{store=prod,operation=get} 0.25",
                "calls_total{store=prod,operation=get,outcome=throttled} 1"
            ]
        );
    }

    #[test]
    fn stale_values_and_rotations_have_metrics_of_their_own_beside_the_count_of_events() {
        let stale =
            EventKind::ServedStale { reason: ErrorKind::Unavailable, at_most: Duration::from_mins(1) };
        assert_eq!(
            recorded(|| event(&secret(stale))),
            ["events_total{store=prod,event=served_stale} 1", "stale_total{store=prod,reason=unavailable} 1"]
        );
        let rotated = EventKind::Rotated { from: 1.into(), to: 2.into(), lag: Duration::from_secs(7) };
        assert_eq!(
            recorded(|| event(&secret(rotated))),
            ["events_total{store=prod,event=rotated} 1", "rotation_lag_seconds{store=prod} 7"]
        );
        assert_eq!(
            recorded(|| event(&secret(EventKind::Expired))),
            ["events_total{store=prod,event=expired} 1"]
        );
    }

    #[test]
    fn what_happens_to_a_provider_is_counted_by_provider() {
        let activated = Event {
            subject: Subject::Provider { id: "openai".into() },
            ..secret(EventKind::Activated { generation: 1, reason: "init" })
        };
        assert_eq!(
            recorded(|| event(&activated)),
            ["provider_events_total{provider=openai,event=activated} 1"]
        );
    }

    #[test]
    fn a_census_sets_every_state_so_that_none_keeps_an_old_number() {
        let lines = recorded(|| {
            entries("prod", &Census { fresh: 4, stale: 3, lapsed: 2, negative: 1, oldest: Duration::ZERO });
            entries("prod", &Census { fresh: 4, oldest: Duration::from_secs(90), ..Census::default() });
        });
        assert_eq!(
            lines,
            [
                "entries{store=prod,state=fresh} 4",
                "entries{store=prod,state=lapsed} 0",
                "entries{store=prod,state=negative} 0",
                "entries{store=prod,state=stale} 0",
                "oldest_seconds{store=prod} 90"
            ]
        );
    }

    #[test]
    fn the_guard_of_a_store_tells_its_breaker_its_calls_and_its_retries() {
        let lines = recorded(|| {
            breaker("prod", true);
            in_flight("prod", 3);
            retried("prod", ErrorKind::Throttled);
            retried("prod", ErrorKind::Throttled);
            audit_failed(20);
        });
        assert_eq!(
            lines,
            [
                "audit_failures_total{} 20",
                "breaker_open{store=prod} 1",
                "in_flight{store=prod} 3",
                "retries_total{store=prod,reason=throttled} 2"
            ]
        );
        assert_eq!(recorded(|| breaker("prod", false)), ["breaker_open{store=prod} 0"]);
    }

    #[test]
    fn every_metric_is_described() {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            describe();
            let rotated = EventKind::Rotated { from: 1.into(), to: 2.into(), lag: Duration::ZERO };
            let stale = EventKind::ServedStale { reason: ErrorKind::Io, at_most: Duration::ZERO };
            event(&secret(rotated));
            event(&secret(stale));
            event(&Event { subject: Subject::Provider { id: "p".into() }, ..secret(EventKind::Recovered) });
            call_ended(&CallRecord {
                store: "s",
                operation: Operation::List,
                secrets: &[],
                outcome: Ok(()),
                took: Duration::ZERO,
            });
            entries("s", &Census::default());
            breaker("s", false);
            in_flight("s", 0);
            retried("s", ErrorKind::Io);
            audit_failed(1);
        });
        let metrics = recorder.snapshotter().snapshot().into_vec();
        let mut names: Vec<&str> = metrics.iter().map(|(key, ..)| key.key().name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 12);
        for (key, unit, description, _) in &metrics {
            assert!(unit.is_some() && description.is_some(), "{key:?}");
        }
    }
}
