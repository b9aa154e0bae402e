//! A configuration's stores, opened as an application opens them.

#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::{path::Path, sync::Arc};

use modelmesh_secrets::{
    BaseSecretStore, ErrorKind, Result, SecretName, StoreSource, config::Configuration, document::Format,
    reference::Reference,
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};

const VARIABLES: [(&str, &str); 3] =
    [("BOOT_KEY", "from-env"), ("APP_OPENAI_KEY", "sk-env"), ("KEYS", "the.json")];

fn stores(folder: &Path, text: &str) -> StoreSet {
    let configuration =
        Configuration::parse("m.yaml", folder.to_owned(), text, Format::Yaml, &catalogue()).unwrap();
    let environment = Arc::new(FixedEnvironment::new(VARIABLES));
    StoreSet::new(
        Arc::new(configuration),
        OpenContext { environment, prompt: None, ..OpenContext::default() },
    )
    .unwrap()
}

async fn get(stores: &StoreSet, reference: &str) -> Result<String> {
    let value = stores.resolver().get(&Reference::parse(reference)?).await?;
    Ok(value.expose().to_owned())
}

#[tokio::test]
async fn a_store_is_opened_through_the_stores_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("the.json"), r#"{"scope": {"key": "deep"}, "where": "scope"}"#)
        .unwrap();
    let stores = stores(
        folder.path(),
        "
secrets:
  store: modelmesh.json-secrets.v1
  path: ${KEYS}
  json_path: ${secrets.outer:where}
  stores:
    outer: { store: modelmesh.json-secrets.v1, path: '${env:KEYS}' }
    memory: { store: modelmesh.memory-secrets.v1, secrets: { a: '${BOOT_KEY}', b: '${secrets:key}' } }
",
    );
    assert_eq!(get(&stores, "${secrets:key}").await.unwrap(), "deep");
    assert_eq!(get(&stores, "${secrets.memory:a}").await.unwrap(), "from-env");
    assert_eq!(get(&stores, "${secrets.memory:b}").await.unwrap(), "deep");
}

#[tokio::test]
async fn names_are_logical_under_a_naming_rule() {
    let text = "secrets: {store: modelmesh.env.v1, prefix: APP_, naming: screaming-snake}";
    let stores = stores(Path::new("."), text);
    assert_eq!(get(&stores, "${secrets:openai-key}").await.unwrap(), "sk-env");
    let error = get(&stores, "${secrets:other-key}").await.unwrap_err();
    assert_eq!(error.to_string(), "store 'default': secret 'other-key': not found");
}

#[tokio::test]
async fn a_chain_passes_on_what_is_missing_and_nothing_else() {
    let text = "
secrets:
  stores:
    memory: { store: modelmesh.memory-secrets.v1, secrets: { only-here: m } }
    broken: { store: modelmesh.json-secrets.v1, path: no-such-file.json }
    any: { chain: [env, memory, broken] }
";
    let stores = stores(Path::new("."), text);
    assert_eq!(get(&stores, "${secrets.any:BOOT_KEY}").await.unwrap(), "from-env");
    assert_eq!(get(&stores, "${secrets.any:only-here:-fallback}").await.unwrap(), "m");
    let error = get(&stores, "${secrets.any:nowhere:-fallback}").await.unwrap_err();
    assert_eq!((error.kind(), error.store()), (ErrorKind::Io, Some("broken")), "an outage is not a miss");
}

#[tokio::test]
async fn answers_are_cached_unless_reading_costs_nothing_or_the_caller_asks_once() {
    let text = "
secrets:
  stores:
    memory: { store: modelmesh.memory-secrets.v1, secrets: { k: v } }
    uncached: { store: modelmesh.memory-secrets.v1, secrets: { k: v }, cache_enabled: false }
";
    let cached = stores(Path::new("."), text);
    let once = stores(Path::new("."), text).without_cache();
    let name = SecretName::new("k").unwrap();
    for (stores, store, wanted) in
        [(&cached, "memory", 1), (&cached, "uncached", 0), (&cached, "env", 0), (&once, "memory", 0)]
    {
        let opened = stores.store(store).await.unwrap();
        let _ = opened.get(&name).await;
        let shown = format!("{opened:?}");
        let held = if shown.starts_with("BaseSecretStore") { shown.contains("served: 1").into() } else { 0 };
        assert_eq!(held, wanted, "{store}: {shown}");
    }
}

#[tokio::test]
async fn an_applications_own_cache_goes_around_any_store() {
    let text = "secrets: {store: modelmesh.memory-secrets.v1, secrets: {k: v}}";
    let connector = stores(Path::new("."), text).without_cache().store("default").await.unwrap();
    let store = BaseSecretStore::builder(connector).name("mine").build();
    store.get(&SecretName::new("k").unwrap()).await.unwrap();
    assert_eq!(store.with_value("k", |value| value.expose().len()), Some(1));
}

#[tokio::test]
async fn what_cannot_be_opened_names_the_store_and_what_to_do() {
    let text = "secrets: {stores: {a: {store: modelmesh.json-secrets.v1, path: '${NOT_SET}'}}}";
    let stores = stores(Path::new("."), text);
    let error = get(&stores, "${secrets.a:k}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().starts_with("store 'a': "), "{error}");
    assert!(error.help().unwrap().contains("NOT_SET"), "{error:?}");
}

#[test]
fn stores_are_not_opened_from_a_wrong_section() {
    let text = "secrets: {store: modelmesh.memory-secrets.v1, sercets: {}}";
    let configuration = Configuration::parse("m.yaml", ".".into(), text, Format::Yaml, &catalogue()).unwrap();
    assert!(StoreSet::new(Arc::new(configuration), OpenContext::default()).is_err());
}
