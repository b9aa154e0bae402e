//! The proof: keys rotate under load, and no request fails.
//!
//! These tests take real time, and wait for what happens, never for a time in which it should have. By default
//! they are short. A key that changes each second for a minute:
//!
//! ```text
//! MODELMESH_ROTATIONS=60 MODELMESH_ROTATION_INTERVAL=1s cargo test -p modelmesh-example-rotation -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::print_stdout, reason = "the numbers of a run")]

use std::{collections::BTreeMap, env, path::Path, sync::Arc, time::Duration};

use modelmesh_example_rotation::{
    load::{Load, Summary},
    mesh::Mesh,
    upstream::{Credentials, Upstream},
    vault::{self, Vault},
};
use modelmesh_secrets::{
    SecretManagement, SecretName, StoreSource, Version,
    config::Configuration,
    document::Format,
    live::SecretResolver,
    observe::{EventKind, Subscription},
};
use modelmesh_stores::{
    memory::MemoryStore,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep_until, timeout},
};

/// Users, each with one request at a time: as many are in flight when a key changes.
const USERS: usize = 4;
/// Far more than anything here takes: a test that waits for what never comes is to fail, not to hang.
const LONG: Duration = Duration::from_mins(1);

fn rotations() -> usize {
    env::var("MODELMESH_ROTATIONS").map_or(10, |count| count.parse().unwrap())
}

fn interval() -> Duration {
    env::var("MODELMESH_ROTATION_INTERVAL")
        .map_or(Duration::from_millis(200), |text| modelmesh_secrets::duration::parse(&text).unwrap())
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

fn key(count: usize) -> Credentials {
    Credentials::key(format!("key-{count}"))
}

fn pair(count: usize) -> Credentials {
    Credentials::of_organization(format!("key-{count}"), format!("org-{count}"))
}

/// A vault with the secrets of `text`, the hand that writes them, and the mesh.
async fn over_vault(secrets: &[(&str, &str)], text: &str) -> (Vault, MemoryStore, SecretResolver) {
    let text = format!("secrets: {{ store: example.vault.v1 }}\nproviders: {text}");
    let configuration =
        Configuration::parse("m.yaml", ".".into(), &text, Format::Yaml, &[vault::SPEC]).unwrap();
    let writer = MemoryStore::new(secrets.iter().map(|(secret, value)| (name(secret), (*value).into())));
    let vault = Vault::over(writer.clone());
    let resolver = vault.live_configuration(configuration).start().await.unwrap();
    (vault, writer, resolver)
}

fn load(resolver: &SecretResolver) -> Load {
    Load::start(&Arc::new(Mesh::new(resolver.clone())), USERS)
}

#[track_caller]
fn assert_all_answered_by(provider: &str, summary: &Summary) {
    assert_eq!(summary.failed, [] as [String; 0]);
    assert_eq!(summary.answered.keys().collect::<Vec<_>>(), [provider]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_rotates_costs_one_store_call_and_no_request() {
    let openai = Upstream::start(key(0)).await.unwrap();
    let spare = Upstream::start(Credentials::key("spare")).await.unwrap();
    let providers = format!(
        "
  openai: {{ url: '{}', api_key: '${{secrets:openai-key}}' }}
  spare: {{ url: '{}', api_key: '${{secrets:spare-key}}' }}",
        openai.url(),
        spare.url()
    );
    let secrets = [("openai-key", "key-0"), ("spare-key", "spare")];
    let (vault, writer, resolver) = over_vault(&secrets, &providers).await;
    assert_eq!(vault.reads(), 1, "the start asks for everything at once");

    let load = load(&resolver);
    openai.accepted(&key(0)).await;
    for count in 1..=rotations() {
        let next = Instant::now() + interval();
        writer.set(&name("openai-key"), &format!("key-{count}").into()).await.unwrap();
        openai.switch(key(count));
        timeout(LONG, openai.accepted(&key(count))).await.unwrap();
        // Each has the new key: a call has one more try, and is not to be refused for two rotations.
        timeout(LONG, load.calls_once_more()).await.unwrap();
        sleep_until(next).await;
    }
    let summary = load.stop().await;

    assert_all_answered_by("openai", &summary);
    assert_eq!(vault.reads(), 1 + rotations(), "one store call for each rotation");
    let seen = openai.seen();
    for count in 0..rotations() {
        // Each user was refused once at the most: who was told of the new key never sent the old one again.
        let refused = seen[&key(count)].refused;
        assert!((1..=USERS).contains(&refused), "key-{count} was refused {refused} times");
    }
    assert_eq!(seen[&key(rotations())].refused, 0, "a new key is used when it is valid, and not before");
    let generation = resolver.provider("openai").unwrap().current().unwrap();
    assert_eq!(generation.number(), 1 + rotations() as u64, "one generation for each rotation");
    println!(
        "{} requests, {} failed, {} rotations, {} store calls, {} refusals, slowest {:.1?}",
        summary.calls(),
        summary.failed.len(),
        rotations(),
        vault.reads(),
        openai.total().refused,
        summary.slowest
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_and_its_organization_are_never_mixed() {
    let openai = Upstream::start(pair(0)).await.unwrap();
    let providers = format!(
        "
  openai: {{ url: '{}', api_key: '${{secrets:openai-key}}', organization: '${{secrets:openai-org}}' }}",
        openai.url()
    );
    let secrets = [("openai-key", "key-0"), ("openai-org", "org-0")];
    let (vault, writer, resolver) = over_vault(&secrets, &providers).await;

    let load = load(&resolver);
    openai.accepted(&pair(0)).await;
    for count in 1..=rotations() {
        let next = Instant::now() + interval();
        let both = [
            (name("openai-key"), format!("key-{count}").into()),
            (name("openai-org"), format!("org-{count}").into()),
        ];
        assert!(writer.set_many(&both).await.iter().all(Result::is_ok));
        openai.switch(pair(count));
        timeout(LONG, openai.accepted(&pair(count))).await.unwrap();
        // Each has the new key: a call has one more try, and is not to be refused for two rotations.
        timeout(LONG, load.calls_once_more()).await.unwrap();
        sleep_until(next).await;
    }
    let summary = load.stop().await;

    assert_all_answered_by("openai", &summary);
    let issued: BTreeMap<_, _> = (0..=rotations()).map(|count| (pair(count), count)).collect();
    for credentials in openai.seen().keys() {
        let (key, organization) = (&credentials.key, &credentials.organization);
        assert!(issued.contains_key(credentials), "{key} came with {organization:?}");
    }
    // The key that was refused, and then what goes with it.
    assert_eq!(vault.reads(), 1 + 2 * rotations());
}

/// What happened to a secret: the event's name, and the versions before and after.
type Change = (&'static str, Version, Version);

/// The changes of secrets, in the order in which they happen.
fn changes(resolver: &SecretResolver) -> (Subscription, UnboundedReceiver<Change>) {
    let (sender, receiver) = unbounded_channel();
    let subscription = resolver.observer().subscribe(move |event| {
        if let EventKind::Rotated { from, to, .. } | EventKind::FellBack { from, to } = &event.kind {
            let _ = sender.send((event.kind.as_str(), from.clone(), to.clone()));
        }
    });
    (subscription, receiver)
}

/// The next change that is another than `last`: of several users who are refused at once, each may be told of.
async fn change_after(last: Option<&Change>, changes: &mut UnboundedReceiver<Change>) -> Change {
    loop {
        let change = timeout(LONG, changes.recv()).await.expect("the store tells in time").unwrap();
        if Some(&change) != last {
            return change;
        }
    }
}

fn file_store(folder: &Path, upstream: &Upstream) -> StoreSet {
    let text = format!(
        "
secrets: {{ store: modelmesh.dotenv.v1, path: keys.env }}
providers:
  openai: {{ url: '{}', api_key: '${{secrets:OPENAI_KEY}}' }}",
        upstream.url()
    );
    let configuration =
        Configuration::parse("m.yaml", folder.to_owned(), &text, Format::Yaml, &catalogue()).unwrap();
    StoreSet::new(Arc::new(configuration), OpenContext::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_that_comes_too_early_gives_way_to_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let openai = Upstream::start(key(0)).await.unwrap();
    let elsewhere = file_store(folder.path(), &openai).store("default").await.unwrap();
    let write = async |value: &str| {
        let writer: &dyn SecretManagement = elsewhere.management().unwrap();
        writer.set(&name("OPENAI_KEY"), &value.into()).await.unwrap();
    };
    write("key-0").await;
    let resolver = file_store(folder.path(), &openai).live_configuration().start().await.unwrap();
    let (_subscription, mut changes) = changes(&resolver);

    let early = load(&resolver);
    openai.accepted(&key(0)).await;
    write("key-1").await;
    // The store notices the new file by itself, and the provider does not know the new key yet.
    let rotated = change_after(None, &mut changes).await;
    let (_, old, new) = &rotated;
    assert_eq!(rotated.0, "rotated");
    let fell_back = change_after(Some(&rotated), &mut changes).await;
    assert_eq!(fell_back, ("fell_back", new.clone(), old.clone()));
    // A call has one more try: it ends before the provider switches, and is not refused for both reasons.
    let early = early.stop().await;
    assert_all_answered_by("openai", &early);

    let late = load(&resolver);
    openai.switch(key(1));
    let caught_up = change_after(Some(&fell_back), &mut changes).await;
    assert_eq!(caught_up, ("rotated", old.clone(), new.clone()));
    timeout(LONG, openai.accepted(&key(1))).await.unwrap();
    assert_all_answered_by("openai", &late.stop().await);

    let seen = openai.seen();
    assert!((1..=USERS).contains(&seen[&key(1)].refused), "each user tried the new key once");
    assert!((1..=USERS).contains(&seen[&key(0)].refused), "each user was told of the switch once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_refused_and_has_no_successor_leaves_the_work_to_the_next_provider() {
    let openai = Upstream::start(key(0)).await.unwrap();
    let spare = Upstream::start(Credentials::key("spare")).await.unwrap();
    let providers = format!(
        "
  openai: {{ url: '{}', api_key: '${{secrets:openai-key}}' }}
  spare: {{ url: '{}', api_key: '${{secrets:spare-key}}' }}",
        openai.url(),
        spare.url()
    );
    let (_, _, resolver) = over_vault(&[("openai-key", "key-0"), ("spare-key", "spare")], &providers).await;
    let mesh = Mesh::new(resolver);
    assert_eq!(mesh.call().await.unwrap().provider, "openai");
    openai.switch(key(1));
    assert_eq!(mesh.call().await.unwrap().provider, "spare");
}
