//! The lines of the audit log, and what becomes of those that cannot be written.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use modelmesh_testkit::canary::{Canary, CanarySet};
use serde_json::{Value, json};

use super::*;
use crate::{
    Error, ErrorKind, SecretName,
    observe::{CallSecret, Observer, Operation},
};

/// A file in memory: every write that reached it, and how many of the next are refused.
#[derive(Clone, Default)]
struct Disk {
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
    refusals: Arc<AtomicUsize>,
    panics: bool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.panics, "a writer's own panic");
        let is_full = self
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok();
        if is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        lock(&self.writes).push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    fn refusing(writes: usize) -> Self {
        Disk { refusals: Arc::new(AtomicUsize::new(writes)), ..Disk::default() }
    }

    fn text(&self) -> String {
        String::from_utf8(lock(&self.writes).concat()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn log(&self) -> AuditLog {
        AuditLog::new(self.clone(), "tester")
    }
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn call<'c>(operation: Operation, secrets: &'c [CallSecret<'c>]) -> CallRecord<'c> {
    let outcome = secrets.iter().map(|secret| secret.outcome).find(Result::is_err).unwrap_or(Ok(()));
    CallRecord { store: "prod", operation, secrets, outcome, took: Duration::from_micros(12_700) }
}

fn event(subject: Subject, kind: EventKind) -> Event {
    Event { at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(), subject, kind }
}

fn secret(selector: Option<Version>) -> Subject {
    Subject::Secret { store: "prod".into(), name: "openai-key".into(), selector }
}

fn provider() -> Subject {
    Subject::Provider { id: "openai".into() }
}

/// The line of an event, without what every line has.
fn line_of(subject: Subject, kind: EventKind) -> Option<Value> {
    let disk = Disk::default();
    disk.log().event(&event(subject, kind));
    let mut line = disk.lines().pop()?;
    let fields = line.as_object_mut().unwrap();
    for of_all in ["v", "at", "who"] {
        assert!(fields.remove(of_all).is_some(), "{of_all}");
    }
    Some(line)
}

#[test]
fn a_line_is_one_object_whose_fields_keep_their_order() {
    let log = Disk::default().log();
    let (name, version) = (name("openai-key"), Version::from(7));
    let secrets = [CallSecret { name: &name, version: Some(&version), outcome: Ok(()) }];
    let call = call(Operation::Get, &secrets);
    let at: Timestamp = "2026-03-01T12:00:00.123987Z".parse().unwrap();
    assert_eq!(
        String::from_utf8(render(&log.records_of_call(&call, at))).unwrap(),
        "{\"v\":1,\"at\":\"2026-03-01T12:00:00.123Z\",\"who\":\"tester\",\"operation\":\"get\",\"store\":\"prod\",\
         \"name\":\"openai-key\",\"version\":\"7\",\"outcome\":\"ok\",\"took_ms\":12}\n"
    );
}

#[test]
fn a_batch_has_a_line_for_each_name_in_one_write() {
    let disk = Disk::default();
    let (a, b) = (name("a"), name("b"));
    let secrets = [
        CallSecret { name: &a, version: None, outcome: Ok(()) },
        CallSecret { name: &b, version: None, outcome: Err(ErrorKind::Denied) },
    ];
    disk.log().call_ended(&call(Operation::Get, &secrets));
    assert_eq!(lock(&disk.writes).len(), 1);
    let lines = disk.lines();
    let seen: Vec<_> = lines.iter().map(|line| (&line["name"], &line["outcome"])).collect();
    assert_eq!(seen, [(&json!("a"), &json!("ok")), (&json!("b"), &json!("denied"))]);
    assert!(lines.iter().all(|line| line.get("version").is_none()));
}

#[test]
fn a_call_of_no_secret_in_particular_has_one_line_without_a_name() {
    let disk = Disk::default();
    let failed = CallRecord { outcome: Err(ErrorKind::Unavailable), ..call(Operation::List, &[]) };
    disk.log().call_ended(&failed);
    let lines = disk.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["operation"], &lines[0]["outcome"]), (&json!("list"), &json!("unavailable")));
    assert!(lines[0].get("name").is_none());
}

#[test]
fn events_by_which_values_come_and_go_have_lines() {
    let at = |subject, kind| line_of(subject, kind).unwrap();
    let (from, to) = (Version::from(1), Version::from(2));
    assert_eq!(
        at(
            secret(None),
            EventKind::Rotated { from: from.clone(), to: to.clone(), lag: Duration::from_secs(1) }
        ),
        json!({"operation": "rotated", "store": "prod", "name": "openai-key", "from": "1", "version": "2",
               "outcome": "ok"})
    );
    assert_eq!(
        at(secret(None), EventKind::FellBack { from: to, to: from }),
        json!({"operation": "fell_back", "store": "prod", "name": "openai-key", "from": "2", "version": "1",
               "outcome": "ok"})
    );
    assert_eq!(
        at(secret(Some("AWSPREVIOUS".into())), EventKind::Revoked { reason: ErrorKind::Disabled }),
        json!({"operation": "revoked", "store": "prod", "name": "openai-key", "version": "AWSPREVIOUS",
               "outcome": "disabled"})
    );
    assert_eq!(
        at(secret(None), EventKind::Expired),
        json!({"operation": "expired", "store": "prod", "name": "openai-key", "outcome": "ok"})
    );
    assert_eq!(
        at(provider(), EventKind::Activated { generation: 3, reason: "rotation" }),
        json!({"operation": "activated", "provider": "openai", "generation": 3, "reason": "rotation",
               "outcome": "ok"})
    );
    let error = || Error::new(ErrorKind::Throttled, "slow down");
    assert_eq!(
        at(provider(), EventKind::ActivationFailed { reason: "manual", error: error() }),
        json!({"operation": "activation_failed", "provider": "openai", "reason": "manual",
               "outcome": "throttled"})
    );
    assert_eq!(
        at(provider(), EventKind::Deactivated { error: error() }),
        json!({"operation": "deactivated", "provider": "openai", "outcome": "throttled"})
    );
}

#[test]
fn events_that_the_lines_of_calls_tell_already_have_none() {
    let error = Error::new(ErrorKind::Unavailable, "down");
    for kind in [
        EventKind::Resolved { version: 1.into() },
        EventKind::RefreshFailed { error },
        EventKind::ServedStale { reason: ErrorKind::Io, at_most: Duration::ZERO },
        EventKind::Recovered,
    ] {
        let told = kind.as_str();
        assert_eq!(line_of(secret(None), kind), None, "{told}");
    }
}

#[test]
fn an_observer_logs_what_it_delivers() {
    let disk = Disk::default();
    let observer = Observer::with_audit(disk.log());
    observer.queue(event(secret(None), EventKind::Expired));
    assert_eq!(disk.text(), "", "queued under a lock, so not written yet");
    observer.deliver();
    assert_eq!(disk.lines().len(), 1);
    assert_eq!(disk.lines()[0]["at"], "2023-11-14T22:13:20.123Z");
}

#[test]
fn a_name_that_would_mislead_is_escaped_and_read_back_as_it_is() {
    let disk = Disk::default();
    let name = name("a\u{202e}b\u{2028}\u{e0041}\"\\é");
    let version = Version::from("7\u{9b}2J\n");
    let secrets = [CallSecret { name: &name, version: Some(&version), outcome: Ok(()) }];
    disk.log().call_ended(&call(Operation::Get, &secrets));
    let text = disk.text();
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains(misleads), "{line:?}");
    assert!(line.contains(r#"a\u202eb\u2028\udb40\udc41\"\\é"#), "{line}");
    assert_eq!(disk.lines()[0]["name"], name.as_str());
    assert_eq!(disk.lines()[0]["version"], version.as_str());
}

/// How often the log complained, and how many lines it counted as lost, while `told` ran.
fn complaints(told: impl FnOnce()) -> (usize, u64) {
    #[derive(Clone, Default)]
    struct Errors(Arc<AtomicUsize>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Errors {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            assert_eq!(event.metadata().target(), AUDIT);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    use tracing_subscriber::layer::SubscriberExt as _;
    let (errors, recorder) = (Errors::default(), DebuggingRecorder::new());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(errors.clone()), || {
        ::metrics::with_local_recorder(&recorder, told);
    });
    let lost = recorder.snapshotter().snapshot().into_vec().into_iter().map(|(_, _, _, value)| match value {
        DebugValue::Counter(lost) => lost,
        other => panic!("not a counter: {other:?}"),
    });
    (errors.0.load(Ordering::Relaxed), lost.sum())
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_complained_of_once() {
    let disk = Disk::refusing(3);
    let log = disk.log();
    let (a, b) = (name("a"), name("b"));
    let secrets = [&a, &b].map(|name| CallSecret { name, version: None, outcome: Ok(()) });
    let told = complaints(|| (0..3).for_each(|_| log.call_ended(&call(Operation::Get, &secrets))));
    assert_eq!(told, (1, 6));
}

#[test]
fn after_a_line_was_written_again_the_next_failure_is_complained_of() {
    let disk = Disk::refusing(1);
    let log = disk.log();
    let told = complaints(|| {
        log.call_ended(&call(Operation::List, &[]));
        log.call_ended(&call(Operation::List, &[]));
        disk.refusals.store(1, Ordering::Relaxed);
        log.call_ended(&call(Operation::List, &[]));
    });
    assert_eq!(told, (2, 2));
}

#[test]
fn after_a_failure_a_line_starts_anew_in_case_the_lost_one_was_cut_off() {
    let disk = Disk::refusing(1);
    let log = disk.log();
    for _ in 0..3 {
        log.call_ended(&call(Operation::List, &[]));
    }
    let text = disk.text();
    assert!(text.starts_with("\n{") && text.matches('\n').count() == 3, "{text:?}");
}

#[test]
fn a_panic_of_the_writer_is_a_line_that_could_not_be_written() {
    let log = AuditLog::new(Disk { panics: true, ..Disk::default() }, "tester");
    assert_eq!(complaints(|| log.call_ended(&call(Operation::List, &[]))), (1, 1));
}

#[test]
fn of_an_error_no_text_is_written() {
    let canary = Canary::new("a value that a connector put into its error");
    let error =
        || Error::new(ErrorKind::Malformed, canary.text().to_owned()).with_help(canary.text().to_owned());
    let disk = Disk::default();
    let log = disk.log();
    log.event(&event(provider(), EventKind::Deactivated { error: error() }));
    log.event(&event(provider(), EventKind::ActivationFailed { reason: "init", error: error() }));
    assert_eq!(disk.lines().len(), 2);
    let mut canaries = CanarySet::new();
    canaries.insert(canary);
    canaries.assert_absent(disk.text(), "the audit log");
}
