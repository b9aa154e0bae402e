//! A live configuration over real files: it follows what somebody else writes, and tells no value.

#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use metrics_util::debugging::DebuggingRecorder;
use modelmesh_secrets::{
    AuthFailure,
    clock::ManualClock,
    config::Configuration,
    document::Format,
    live::{Reason, SecretResolver},
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use modelmesh_testkit::canary::{Canary, CanarySet};

/// A fetch may take long by the clock of these tests, which passes a second in two real milliseconds.
const FILE: &str = "
secret-store.resolution.fetch_timeout: 10m
secrets:
  store: modelmesh.dotenv.v1
  path: .env
  naming: screaming-snake
  audit_log: audit.jsonl
  stores:
    local: { store: modelmesh.json-secrets.v1, path: local.json }
    any: { chain: [local, default] }
providers:
  openai: { api_key: '${secrets:openai-key}' }
  chained: { api_key: '${secrets.any:openai-key}' }
";

fn stores(folder: &Path) -> (StoreSet, ManualClock) {
    let configuration =
        Configuration::parse("m.yaml", folder.to_owned(), FILE, Format::Yaml, &catalogue()).unwrap();
    let environment = Arc::new(FixedEnvironment::new([("USER", "tester")]));
    let context = OpenContext { environment, prompt: None, ..OpenContext::default() };
    let clock = ManualClock::new();
    let stores = StoreSet::new(Arc::new(configuration), context).unwrap().with_clock(clock.clone());
    (stores, clock)
}

fn key(resolver: &SecretResolver, provider: &str) -> Option<String> {
    let generation = resolver.provider(provider).unwrap().current().ok()?;
    generation.setting("api_key").map(str::to_owned)
}

/// Lets seconds pass until other threads have brought about what is waited for.
fn until(clock: &ManualClock, what: &str, condition: impl Fn() -> bool) {
    for second in 0..2_000 {
        if condition() {
            return;
        }
        // After a while nothing but the end of `max_stale` can be waited for.
        clock.advance(Duration::from_secs(if second < 500 { 1 } else { 10 }));
        thread::park_timeout(Duration::from_millis(2));
    }
    panic!("{what} did not happen");
}

#[tokio::test]
async fn providers_follow_a_file_that_somebody_else_writes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "OPENAI_KEY=sk-1\n").unwrap();
    fs::write(folder.path().join("local.json"), "{}").unwrap();
    let (stores, clock) = stores(folder.path());
    let resolver = stores.live_configuration().start().await.unwrap();
    assert_eq!(key(&resolver, "openai").as_deref(), Some("sk-1"));
    fs::write(folder.path().join(".env"), "OPENAI_KEY=sk-22\n").unwrap();
    until(&clock, "the change", || key(&resolver, "openai").as_deref() == Some("sk-22"));
    until(&clock, "the chain's change", || key(&resolver, "chained").as_deref() == Some("sk-22"));
    // What stands before in the chain comes into use, too.
    fs::write(folder.path().join("local.json"), r#"{"openai-key": "sk-local"}"#).unwrap();
    until(&clock, "the first link's value", || key(&resolver, "chained").as_deref() == Some("sk-local"));
    assert_eq!(key(&resolver, "openai").as_deref(), Some("sk-22"));
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_outage_of_the_chain_and_no_miss() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "OPENAI_KEY=sk-other\n").unwrap();
    fs::write(folder.path().join("local.json"), r#"{"openai-key": "sk-local"}"#).unwrap();
    let (stores, clock) = stores(folder.path());
    let resolver = stores.live_configuration().start().await.unwrap();
    fs::remove_file(folder.path().join("local.json")).unwrap();
    for _ in 0..600 {
        clock.advance(Duration::from_secs(1));
        assert_eq!(key(&resolver, "chained").as_deref(), Some("sk-local"), "never another store's value");
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Its canaries are its own, and the log and the metrics are of the whole process: other tests may add to them.
#[tokio::test]
async fn no_value_is_in_logs_metrics_events_or_the_audit_log() {
    let (log, told) = (Log::default(), Log::default());
    let writer = log.clone();
    // For the whole process: the engine has a thread of its own.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .init();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();

    let (first, second) = (Canary::new("first"), Canary::new("second"));
    let all = CanarySet::from_iter([first.clone(), second.clone()]);
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join(".env");
    fs::write(&env, format!("OPENAI_KEY={}\n", first.text())).unwrap();
    fs::write(folder.path().join("local.json"), "{}").unwrap();
    let (stores, clock) = stores(folder.path());
    let events = told.clone();
    let _subscription =
        stores.observer().subscribe(move |event| writeln!(events.clone(), "{event:?}").unwrap());
    let resolver = stores.live_configuration().start().await.unwrap();

    // A rotation, a refusal, a failed activation, an outage, and an end.
    fs::write(&env, format!("OPENAI_KEY={}\n", second.text())).unwrap();
    let openai = resolver.provider("openai").unwrap();
    let old = openai.current().unwrap();
    let outcome = openai.report_auth_failure(&old, "api_key").await;
    assert!(matches!(outcome, AuthFailure::Rotated(_)), "{outcome:?}");
    fs::write(&env, format!("'OPENAI_KEY={}\n", first.text())).unwrap();
    let error = openai.activate(Reason::Manual).await.unwrap_err();
    fs::remove_file(&env).unwrap();
    until(&clock, "the end", || openai.current().is_err());
    let shown = format!("{resolver:?} {stores:?} {outcome:?} {old:?} {error:?} {error} {openai:?}");

    all.assert_absent(&shown, "Debug and errors");
    let logged = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&logged).contains("secret_store_call"), "it was logged at all");
    all.assert_absent(&logged, "the log");
    let told = told.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&told).contains("Rotated"), "events were told");
    all.assert_absent(&told, "events");
    let metrics = format!("{:?}", snapshotter.snapshot().into_vec());
    assert!(metrics.contains("modelmesh_secrets_calls_total"), "metrics were recorded");
    all.assert_absent(&metrics, "metrics");
    let audit = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    for operation in ["\"get\"", "\"rotated\"", "\"activated\"", "\"activation_failed\"", "\"deactivated\""] {
        assert!(audit.contains(operation), "{operation} in {audit}");
    }
    all.assert_absent(&audit, "the audit log");
}
