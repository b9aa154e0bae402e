//! The leak canary over every backend and every fault: another process does all that one can do with a store, logs
//! everything at its loudest, and shows every error and every `Debug`. No value, no token and no signature may be in
//! what it puts out.

use std::{
    error::Error as _,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use libtest_mimic::Trial;
use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use modelmesh_secrets::{
    Error, Result, SecretName, SecretStoreConnector, SecretValue, StoreSource as _, Version,
    live::LiveStores as _,
};
use modelmesh_testkit::{
    canary::{Canary, CanarySet},
    servers::proxy::Request,
};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{filter::LevelFilter, fmt::format::FmtSpan, util::SubscriberInitExt as _};

use crate::{
    backend::{Backend, Refusal},
    child::{Errand, Orders, Other, Task, say},
    stage::{Cause, Stage},
};

/// What the other process works with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exercise {
    name: String,
    /// One to write, of every hard character.
    thorny: String,
    /// What is logged on purpose: the search must find it.
    control: String,
}

/// All that can go wrong.
const CAUSES: &[Cause] = &[
    Cause::Refused,
    Cause::UnknownAuthority,
    Cause::Reset,
    Cause::Truncated,
    Cause::Silence,
    Cause::Drip,
    Cause::Redirect,
    Cause::Bare(400),
    Cause::Bare(401),
    Cause::Bare(403),
    Cause::Bare(404),
    Cause::Bare(429),
    Cause::Bare(500),
    Cause::Bare(502),
    Cause::Bare(503),
    Cause::Own(Refusal::Throttled),
    Cause::Own(Refusal::ThrottledWith400),
    Cause::Own(Refusal::ThrottledWith403),
    Cause::Own(Refusal::Denied),
    Cause::Own(Refusal::NotFound),
    Cause::RetryAfter(3600),
    Cause::Unauthenticated,
    Cause::Body("{\"value\": \"cut"),
    Cause::Body("<html>Please log in</html>"),
    Cause::Body(""),
    Cause::Oversized { is_announced: true },
    Cause::Oversized { is_announced: false },
];

/// What the log tells at any rate, or it was not heard.
const HEARD: &[&str] = &["secret_store_call", "modelmesh_secrets::event"];

pub(crate) fn trial(backend: &Arc<dyn Backend>) -> Trial {
    let backend = Arc::clone(backend);
    crate::trial(format!("leaks::{}::nothing_is_told", backend.label()), move || nothing_is_told(backend))
}

/// The other process: an exercise for each line that it is sent.
pub(crate) async fn exercise(errand: &Errand, exercise: &Exercise, orders: Orders) {
    let Exercise { name, thorny, control } = exercise;
    // `log` too, in which some libraries write.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .finish()
        .init();
    tracing::trace!(control, "told on purpose");
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let name = SecretName::new(name).unwrap();
    let thorny = SecretValue::new(thorny.as_str());

    let stores = errand.stores();
    let told = Arc::<Mutex<String>>::default();
    let events = Arc::clone(&told);
    let _subscription =
        stores.observer().subscribe(move |event| writeln!(events.lock().unwrap(), "{event:?}").unwrap());
    let cached = stores.live("s").await.unwrap();
    let warm = errand.stores().without_cache().store("s").await.unwrap();
    for order in orders {
        let order = order.unwrap();
        let fresh = errand.stores().without_cache().store("s").await.unwrap();
        for store in [&warm, &fresh] {
            show_calls(&**store, &name, &thorny).await;
        }
        show(&cached.get(&name).await);
        show(&cached.refresh(&name).await);
        say(&format!("{stores:?} {cached:?} {warm:?} {warm:#?} {fresh:?}"));
        say(&std::mem::take(&mut *told.lock().unwrap()));
        say(&metrics(&snapshotter));
        say(&format!("done {order}"));
    }
}

async fn show_calls(store: &dyn SecretStoreConnector, name: &SecretName, thorny: &SecretValue) {
    let absent = SecretName::new("absent-key").unwrap();
    let written = SecretName::new("written-key").unwrap();
    show(&store.get(name).await);
    show(&store.get(&absent).await);
    show(&store.get_version(name, &Version::from("1")).await);
    store.get_many(&[name.clone(), absent.clone()]).await.iter().for_each(show);
    let management = store.management().unwrap();
    show(&management.set(&written, thorny).await);
    show(&management.list().await);
    show(&management.delete(&written).await);
    show(&management.delete(&absent).await);
}

/// Everything that an answer shows of itself.
fn show<T: std::fmt::Debug>(answer: &Result<T>) {
    say(&format!("{answer:?}"));
    if let Err(error) = answer {
        say(&everything_of(error));
    }
}

fn everything_of(error: &Error) -> String {
    let mut text = format!("{error} {error:#?} {:?} {:?}", error.help(), error.message());
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    text
}

fn metrics(snapshotter: &Snapshotter) -> String {
    format!("{:?}", snapshotter.snapshot().into_vec())
}

async fn nothing_is_told(backend: Arc<dyn Backend>) {
    let stage = Stage::new(&backend).await;
    let thorny = Canary::with_special_characters("a value that was written");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let control = Canary::new("what is told on purpose");
    let exercise = Exercise {
        name: stage.name.to_string(),
        thorny: thorny.text().to_owned(),
        control: control.text().to_owned(),
    };
    let more = "fetch_timeout: 500ms, retry: { tries: 2, base: 1ms, max: 1ms }, breaker: { failures: 1000000 }, \
                cache_ttl: 1ms, min_refresh_interval: 1ms";
    let mut other = Other::start(&stage, more, Task::Exercise(exercise), &log);
    let canaries: Vec<Canary> =
        backend.canaries().into_iter().chain([stage.value.clone(), thorny.clone()]).collect();

    let mut heard = Heard::default();
    // The time limit of a fetch is short: on a busy machine it takes more than one try until the cache holds a value.
    for _ in 0..60 {
        step("as it should be", &mut other, &stage, &log, &canaries, &mut heard);
        if ["Resolved", "SecretValue"].iter().all(|&must| heard.said.contains(must)) {
            break;
        }
    }
    for &cause in CAUSES {
        let Some(fault) = stage.fault(cause) else {
            // Its status alone, from somebody else, is among the causes.
            continue;
        };
        stage.proxy.inject(fault.clone());
        step(&cause.id(), &mut other, &stage, &log, &canaries, &mut heard);
        stage.proxy.inject_into_logins(fault);
        step(&format!("{} of logins", cause.id()), &mut other, &stage, &log, &canaries, &mut heard);
    }
    stage.proxy.forward();
    step("after all", &mut other, &stage, &log, &canaries, &mut heard);
    let status = other.end();
    assert!(status.success(), "the other process failed: {}", fs::read_to_string(&log).unwrap());
    assert!(stage.bystander.visits().is_empty(), "nobody follows a redirect to another host");
    let audit = fs::read(stage.audit_log()).unwrap();
    CanarySet::from_iter(canaries).assert_absent(&audit, "the audit log");
    assert!(control.find_in(heard.log.as_bytes()).is_some(), "what was told on purpose is not found");
    for &must in HEARD {
        assert!(heard.log.contains(must), "nothing was heard of {must}");
    }
    for must in ["Err(", "modelmesh_secrets_calls_total", "ServedStale", "SecretValue"] {
        assert!(heard.said.contains(must), "nothing was said of {must}");
    }
}

/// All that was put out so far.
#[derive(Default)]
struct Heard {
    said: String,
    log: String,
}

/// Lets the other process do its exercise, and searches what it put out meanwhile.
fn step(what: &str, other: &mut Other, stage: &Stage, log: &Path, canaries: &[Canary], heard: &mut Heard) {
    stage.proxy.take_requests();
    other.order(what);
    let mut said = String::new();
    loop {
        let line = other.hear().unwrap_or_else(|| panic!("{what}: {}", fs::read_to_string(log).unwrap()));
        if line == format!("done {what}") {
            break;
        }
        said.push_str(&line);
        said.push('\n');
    }
    let whole = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    let logged = whole[heard.log.len()..].to_owned();
    let signatures = stage.proxy.take_requests();
    let searched: CanarySet =
        canaries.iter().cloned().chain(signatures.iter().flat_map(signatures_of)).collect();
    let mut leaks = Vec::new();
    for (text, place) in [(&said, "errors, Debug, events or metrics"), (&logged, "the log")] {
        for finding in searched.find_in(text.as_bytes(), place) {
            leaks.push(format!("{what}: {finding}{}", lines_with(text, &searched)));
        }
    }
    assert!(leaks.is_empty(), "leaked: {}", leaks.join("; "));
    heard.said.push_str(&said);
    heard.log = whole;
}

/// Where the lines come from that hold a canary, without what they hold.
fn lines_with(text: &str, canaries: &CanarySet) -> String {
    let lines = text.lines().filter(|line| !canaries.find_in(line.as_bytes(), "").is_empty());
    let mut sources: Vec<&str> = lines
        .map(|line| line.get(..90.min(line.len())).unwrap_or_default())
        .filter(|start| canaries.find_in(start.as_bytes(), "").is_empty())
        .collect();
    sources.dedup();
    sources.iter().take(5).fold(String::new(), |all, source| format!("{all}\n    {source}…"))
}

/// What proves in a request who sent it: tokens, and what requests are signed with.
fn signatures_of(request: &Request) -> Vec<Canary> {
    let proofs = request.headers.iter().filter(|(name, _)| {
        name == "authorization" || name.ends_with("-token") || name.ends_with("-signature")
    });
    let parts = proofs.flat_map(|(name, value)| value.split([' ', ',']).map(move |part| (name, part)));
    let parts = parts.map(|(name, part)| (name, part.strip_prefix("Signature=").unwrap_or(part)));
    // Which key signed, and what, is no secret.
    let secret = parts.filter(|(_, part)| {
        part.len() >= 16 && !part.starts_with("Credential=") && !part.starts_with("SignedHeaders=")
    });
    let secret = secret.filter(|(_, part)| !part.starts_with("AWS4-HMAC"));
    secret.map(|(name, part)| Canary::of(format!("the header '{name}' of a request"), part)).collect()
}
