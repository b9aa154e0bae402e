//! The keyring store against a real Secret Service: GNOME Keyring on a bus of the test's own.

#![cfg(all(feature = "keyring", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use modelmesh_secrets::{
    ErrorKind, Result, SecretManagement as _, SecretName, SecretResolution as _, SecretStoreConnector,
    SecretString, SecretValue, async_trait,
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    keyring::KeyringStore,
    registry::{OpenContext, PassphrasePrompt},
};
use modelmesh_testkit::{
    conformance::{self, StoreFactory},
    secret_service::{PrivateBus, PrivateSecretService},
};
use secret_service::{EncryptionType, SecretService};

/// A store that sees these variables and no others.
fn store_in(variables: &[(&'static str, String)], service: &str) -> KeyringStore {
    KeyringStore::new(
        service,
        &OpenContext { environment: environment(variables), prompt: None, ..OpenContext::default() },
    )
    .unwrap()
}

fn environment(variables: &[(&'static str, String)]) -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(variables.iter().map(|(name, value)| (*name, value.as_str()))))
}

fn store(keyring: &PrivateSecretService) -> KeyringStore {
    store_in(&keyring.variables(), "modelmesh")
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

async fn set(store: &KeyringStore, secret: &str, value: &str) {
    store.set(&name(secret), &SecretValue::from(value)).await.unwrap();
}

async fn get(store: &KeyringStore, secret: &str) -> String {
    store.get(&name(secret)).await.unwrap().expose().to_owned()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A Secret Service for each empty store: GNOME Keyring writes a collection whole, so one of all cases' values
/// would slow every write.
#[derive(Default)]
struct Keyrings(Mutex<Vec<PrivateSecretService>>);

#[async_trait]
impl StoreFactory for Keyrings {
    fn label(&self) -> &'static str {
        "keyring"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        let keyring = PrivateSecretService::start();
        let store = store(&keyring);
        let mut keyrings = self.0.lock().unwrap();
        keyrings.push(keyring);
        // A case uses a few stores at the most; the services of those before it can end.
        if keyrings.len() > 4 {
            keyrings.remove(0);
        }
        Arc::new(store)
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        self.0.lock().unwrap().last().map(|keyring| Arc::new(store(keyring)) as _)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_is_green() {
    conformance::run(&Keyrings::default()).await.assert_green();
}

#[tokio::test]
async fn a_value_set_is_got_and_replaced() {
    let keyring = PrivateSecretService::start();
    set(&store(&keyring), "openai-key", "first").await;
    assert_eq!(get(&store(&keyring), "openai-key").await, "first");
    set(&store(&keyring), "openai-key", "second").await;
    assert_eq!(get(&store(&keyring), "openai-key").await, "second");
}

#[tokio::test]
async fn values_of_every_shape_come_back_as_they_were() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    let long = "0123456789abcdef".repeat(4096);
    for value in ["", " ", "a\nb\r\n", "\0", "a\0b", "$x ${y} \"'\\", "ключ 🔑 e\u{301}", &long] {
        set(&store, "value", value).await;
        assert_eq!(get(&store, "value").await, value);
    }
}

#[tokio::test]
async fn names_of_every_shape_are_kept_apart_and_listed() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    let mut names =
        ["a", "A", "a b", "team/prod/key", "arn:aws:x:y", "ключ", "🔑", "e\u{301}", "é", "a@b", "%61"];
    for name in names {
        set(&store, name, &format!("value of {name}")).await;
    }
    for name in names {
        assert_eq!(get(&store, name).await, format!("value of {name}"));
    }
    names.sort_unstable();
    assert_eq!(store.list().await.unwrap(), names.map(name));
}

const PYTHON: &str = "Python keyring library";

/// Makes an entry as the Python `keyring` library does, named by `application`: it replaces an entry that has
/// all three attributes, and no other.
async fn foreign_entry(keyring: &PrivateSecretService, user: &str, application: &str, value: &[u8]) {
    let variables = keyring.variables();
    let (_, address) = variables.iter().find(|(name, _)| *name == "DBUS_SESSION_BUS_ADDRESS").unwrap();
    let connection = zbus::connection::Builder::address(address.as_str()).unwrap().build().await.unwrap();
    let bus = SecretService::connect_with_existing(EncryptionType::Plain, connection).await.unwrap();
    let attributes =
        HashMap::from([("service", "modelmesh"), ("username", user), ("application", application)]);
    let collection = bus.get_default_collection().await.unwrap();
    collection.create_item("label", attributes, value, true, "text/plain").await.unwrap();
}

#[tokio::test]
async fn python_replaces_an_entry_of_ours_and_makes_no_second() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    set(&store, "key", "ours").await;
    foreign_entry(&keyring, "key", PYTHON, b"theirs").await;
    assert_eq!(get(&store, "key").await, "theirs");
}

#[tokio::test]
async fn an_entry_of_another_program_is_got_listed_replaced_and_deleted() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    foreign_entry(&keyring, "key", "another", b"theirs").await;
    assert_eq!(get(&store, "key").await, "theirs");
    assert_eq!(store.list().await.unwrap(), [name("key")]);
    set(&store, "key", "ours").await;
    assert_eq!(get(&store, "key").await, "ours");
    store.delete(&name("key")).await.unwrap();
    assert_eq!(store.list().await.unwrap(), []);
}

#[tokio::test]
async fn an_entry_whose_user_is_no_secret_name_is_not_listed() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    foreign_entry(&keyring, "/absolute", "another", b"value").await;
    set(&store, "key", "value").await;
    assert_eq!(store.list().await.unwrap(), [name("key")]);
}

#[tokio::test]
async fn two_entries_of_one_name_are_a_conflict_and_stay() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    foreign_entry(&keyring, "key", "one", b"1").await;
    foreign_entry(&keyring, "key", "two", b"2").await;
    let error = store.get(&name("key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.help().unwrap().contains("remove all but one"), "{error:?}");
    assert_eq!(kind(store.set(&name("key"), &SecretValue::from("3")).await), ErrorKind::Conflict);
    assert_eq!(kind(store.delete(&name("key")).await), ErrorKind::Conflict);
    assert_eq!(store.list().await.unwrap(), [name("key")]);
}

#[tokio::test]
async fn an_entry_that_is_not_text_is_malformed_and_not_shown() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    foreign_entry(&keyring, "key", "another", b"canary \xff").await;
    let error = store.get(&name("key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    set(&store, "key", "text").await;
    assert_eq!(get(&store, "key").await, "text");
}

#[tokio::test]
async fn a_missing_name_is_not_found() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    assert_eq!(store.list().await.unwrap(), []);
    let error = store.get(&name("absent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.name(), Some("absent"));
    assert_eq!(kind(store.delete(&name("absent")).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_deleted_name_is_gone_from_get_and_list() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    set(&store, "kept", "1").await;
    set(&store, "dropped", "2").await;
    store.delete(&name("dropped")).await.unwrap();
    assert_eq!(kind(store.get(&name("dropped")).await), ErrorKind::NotFound);
    assert_eq!(store.list().await.unwrap(), [name("kept")]);
}

#[tokio::test]
async fn a_batch_answers_each_name_in_order() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    set(&store, "a", "1").await;
    set(&store, "b", "2").await;
    let answers = store.get_many(&["b", "absent", "a"].map(name)).await;
    assert_eq!(answers[0].as_ref().unwrap().expose(), "2");
    assert_eq!(answers[1].as_ref().unwrap_err().name(), Some("absent"));
    assert_eq!(answers[2].as_ref().unwrap().expose(), "1");
}

#[tokio::test]
async fn services_do_not_see_each_other() {
    let keyring = PrivateSecretService::start();
    let (dev, prod) = (store_in(&keyring.variables(), "dev"), store_in(&keyring.variables(), "prod"));
    set(&dev, "key", "of dev").await;
    assert_eq!(kind(prod.get(&name("key")).await), ErrorKind::NotFound);
    assert_eq!(prod.list().await.unwrap(), []);
    set(&prod, "key", "of prod").await;
    prod.delete(&name("key")).await.unwrap();
    assert_eq!(get(&dev, "key").await, "of dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_lose_nothing() {
    let keyring = PrivateSecretService::start();
    let names: Vec<_> = (0..16).map(|i| format!("key-{i:02}")).collect();
    // Each store has a connection of its own, as each process has.
    let writers: Vec<_> = names
        .iter()
        .map(|secret| {
            let (store, secret) = (store(&keyring), name(secret));
            tokio::spawn(async move { store.set(&secret, &SecretValue::from(secret.as_str())).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let listed = store(&keyring).list().await.unwrap();
    assert_eq!(listed.iter().map(SecretName::as_str).collect::<Vec<_>>(), names);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_name_leave_one_entry() {
    let keyring = PrivateSecretService::start();
    let writers: Vec<_> = (0..8)
        .map(|i| {
            let store = store(&keyring);
            tokio::spawn(async move { store.set(&name("key"), &SecretValue::from(i.to_string())).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    // Two entries would be a `Conflict`.
    assert!(get(&store(&keyring), "key").await.parse::<u8>().unwrap() < 8);
}

#[tokio::test]
async fn a_locked_keyring_is_locked_whatever_is_asked() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    set(&store, "key", "value").await;
    keyring.lock();
    let error = store.get(&name("key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.help().unwrap().contains("unlock the keyring"), "{error:?}");
    assert_eq!(kind(store.get(&name("absent")).await), ErrorKind::Locked);
    assert_eq!(kind(store.set(&name("key"), &SecretValue::from("other")).await), ErrorKind::Locked);
    assert_eq!(kind(store.set(&name("new"), &SecretValue::from("other")).await), ErrorKind::Locked);
    assert_eq!(kind(store.delete(&name("key")).await), ErrorKind::Locked);
    assert_eq!(kind(store.list().await), ErrorKind::Locked);
}

struct Somebody;

impl PassphrasePrompt for Somebody {
    fn passphrase(&self, what: &str, _: bool) -> Result<SecretString> {
        panic!("the system asks for the keyring's password, not we for {what}")
    }
}

#[tokio::test]
async fn an_unlock_dialog_that_is_refused_leaves_the_keyring_locked() {
    let keyring = PrivateSecretService::start();
    set(&store(&keyring), "key", "value").await;
    keyring.lock();
    let context = OpenContext {
        environment: environment(&keyring.variables()),
        prompt: Some(Arc::new(Somebody)),
        ..OpenContext::default()
    };
    let store = KeyringStore::new("modelmesh", &context).unwrap();
    assert_eq!(kind(store.get(&name("key")).await), ErrorKind::Locked);
    assert_eq!(kind(store.get(&name("key")).await), ErrorKind::Locked);
}

#[tokio::test]
async fn a_bus_without_a_secret_service_is_unavailable() {
    let bus = PrivateBus::start();
    let store = store_in(&bus.variables(), "modelmesh");
    let error = store.get(&name("key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "this session has no Secret Service");
    assert!(error.help().unwrap().contains("modelmesh.age-file.v1"), "{error:?}");
}

#[tokio::test]
async fn no_session_bus_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let runtime_directory = folder.path().to_str().unwrap().to_owned();
    let store = store_in(&[("XDG_RUNTIME_DIR", runtime_directory)], "modelmesh");
    for result in [store.get(&name("key")).await.map(drop), store.list().await.map(drop)] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.help().unwrap().contains("modelmesh.age-file.v1"), "{error:?}");
    }
}

#[tokio::test]
async fn the_bus_is_found_through_the_runtime_directory() {
    let keyring = PrivateSecretService::start();
    let mut variables = keyring.variables().to_vec();
    variables.retain(|(name, _)| *name == "XDG_RUNTIME_DIR");
    let store = store_in(&variables, "modelmesh");
    set(&store, "key", "value").await;
    assert_eq!(get(&store, "key").await, "value");
}

#[tokio::test]
async fn a_service_that_ends_is_unavailable_and_no_miss() {
    let keyring = PrivateSecretService::start();
    let store = store(&keyring);
    set(&store, "key", "value").await;
    drop(keyring);
    assert_eq!(kind(store.get(&name("key")).await), ErrorKind::Unavailable);
}

#[test]
fn opening_connects_to_nothing() {
    store_in(&[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent".to_owned())], "modelmesh");
}

#[test]
fn an_empty_service_is_refused() {
    let error = KeyringStore::new("", &OpenContext::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn the_store_holds_what_its_capabilities_say() {
    let keyring = PrivateSecretService::start();
    let capabilities = store(&keyring).capabilities();
    assert!(capabilities.empty && capabilities.nul && capabilities.max_bytes.is_none());
    assert!(capabilities.batch > 1);
}
