//! A configuration's stores, opened as an application opens them.

#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::{path::Path, sync::Arc, time::Duration};

use modelmesh_secrets::{
    BaseSecretStore, ErrorKind, ExposeSecret, Result, SecretName, SecretStoreConnector, SecretValue,
    StoreSource, async_trait,
    config::{Configuration, Given},
    document::Format,
    reference::Reference,
    setting::ConnectorSpec,
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    memory::MemoryStore,
    open::StoreSet,
    registry::{HostConnectors, OpenContext, catalogue},
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

/// The connectors of an imaginary program: their stores answer with what they were opened with.
struct Program;

#[async_trait]
impl HostConnectors for Program {
    async fn open(&self, id: &str, settings: &[(String, Given)]) -> Result<Arc<dyn SecretStoreConnector>> {
        let secrets = settings.iter().map(|(key, value)| {
            Ok((SecretName::new(key)?, SecretValue::new(format!("{id} {}", shown(value)))))
        });
        Ok(Arc::new(MemoryStore::new(secrets.collect::<Result<Vec<_>>>()?)))
    }
}

fn shown(value: &Given) -> String {
    match value {
        Given::Text(text) => text.expose_secret().to_owned(),
        Given::List(items) => items.iter().map(shown).collect::<Vec<_>>().join("+"),
        Given::Map(entries) => {
            entries.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect::<Vec<_>>().join("&")
        }
        Given::Integer(number) => number.to_string(),
        Given::Number(number) => number.to_string(),
        Given::Boolean(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connector_of_the_program_gets_its_entry_as_it_stands_in_the_file() {
    let text = "
secrets:
  store: program.table.v1
  max_in_flight: 3
  table: '${BOOT_KEY}'
  config:
    prefix: mine
    retry: [1, 2.5, '3', null]
    cache_ttl_ms: 9000
    deep: { key: '${secrets.env:BOOT_KEY}', on: true }
";
    let specs: Vec<ConnectorSpec> =
        [ConnectorSpec::of_host("program.table.v1", "")].into_iter().chain(catalogue()).collect();
    let configuration = Configuration::parse("m.yaml", "".into(), text, Format::Yaml, &specs).unwrap();
    let policy = &configuration.store("default").unwrap().policy;
    assert_eq!((policy.cache_ttl, policy.max_in_flight), (Duration::from_secs(9), 3));
    let environment = Arc::new(FixedEnvironment::new(VARIABLES));
    let context = OpenContext { environment, host: Some(Arc::new(Program)), ..OpenContext::default() };
    let stores = StoreSet::new(Arc::new(configuration), context).unwrap();
    for (name, value) in [
        ("table", "program.table.v1 from-env"),
        ("prefix", "program.table.v1 mine"),
        ("retry", "program.table.v1 1+2.5+3+nothing"),
        ("cache_ttl_ms", "program.table.v1 9000"),
        ("deep", "program.table.v1 key=from-env&on=true"),
    ] {
        assert_eq!(get(&stores, &format!("${{secrets:{name}}}")).await.unwrap(), value);
    }
    let error = get(&stores, "${secrets:other}").await.unwrap_err();
    assert_eq!((error.kind(), error.store()), (ErrorKind::NotFound, Some("default")));
}

#[tokio::test]
async fn a_connector_of_a_program_that_is_not_there_is_an_error() {
    let specs: Vec<ConnectorSpec> =
        [ConnectorSpec::of_host("program.table.v1", "")].into_iter().chain(catalogue()).collect();
    let text = "secrets: { store: program.table.v1, table: a }";
    let configuration = Configuration::parse("m.yaml", "".into(), text, Format::Yaml, &specs).unwrap();
    let stores = StoreSet::new(Arc::new(configuration), OpenContext::default()).unwrap();
    assert_eq!(get(&stores, "${secrets:table}").await.unwrap_err().kind(), ErrorKind::InvalidConfig);
}
