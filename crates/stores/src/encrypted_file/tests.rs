#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use modelmesh_secrets::{
    ErrorKind, SecretManagement as _, SecretName, SecretResolution as _, SecretStoreConnector as _,
    SecretString, SecretValue,
    setting::{SettingValue, Settings},
};

use super::*;
use crate::{connector::PassphrasePrompt, environment::FixedEnvironment};

const PASSPHRASE: &str = "correct horse battery staple";
const HEX: &str = "00112233445566778899AABBccddeeff00112233445566778899aabbccddeeff";
const FROM_PASSPHRASE: &[u8] = include_bytes!("../../tests/fixtures/encrypted-file/passphrase.json");
const FROM_RAW_KEY: &[u8] = include_bytes!("../../tests/fixtures/encrypted-file/raw-key.json");
const OBFUSCATED: &[u8] = include_bytes!("../../tests/fixtures/encrypted-file/obfuscated.json");
const FIXTURE: [(&str, &str); 6] = [
    ("OPENAI_API_KEY", "sk-fixture-$HOME"),
    ("empty", ""),
    ("lines", "one\ntwo\r\n"),
    ("nul", "a\0b"),
    ("quotes", "\"'\\"),
    ("unicode", "clé 😀 ключ"),
];

fn no_context() -> OpenContext {
    OpenContext { environment: Arc::new(FixedEnvironment::default()), prompt: None, ..OpenContext::default() }
}

fn secret(text: &str) -> SettingValue {
    SettingValue::Secret(text.into())
}

fn at(path: &Path) -> Settings {
    Settings::default().with("file_path", SettingValue::Path(path.into()))
}

fn by_hex(path: &Path) -> EncryptedFileStore {
    EncryptedFileStore::open(&at(path).with("encryption_key", secret(HEX)), &no_context()).unwrap()
}

fn quick(path: &Path, passphrase: &str) -> Settings {
    at(path).with("passphrase", secret(passphrase)).with("pbkdf2_iterations", SettingValue::Integer(10))
}

fn by_passphrase(path: &Path, passphrase: &str) -> EncryptedFileStore {
    EncryptedFileStore::open(&quick(path, passphrase), &no_context()).unwrap()
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

async fn all(store: &EncryptedFileStore) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in store.list().await.unwrap() {
        all.insert(name.as_str().to_owned(), store.get(&name).await.unwrap().expose().to_owned());
    }
    all
}

fn fixture() -> BTreeMap<String, String> {
    FIXTURE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

struct Folder {
    _kept: tempfile::TempDir,
}

impl Folder {
    fn with(bytes: &[u8]) -> (Folder, std::path::PathBuf) {
        let (folder, path) = Folder::empty();
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn empty() -> (Folder, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.enc");
        (Folder { _kept: folder }, path)
    }
}

#[tokio::test]
async fn a_file_of_the_reference_opens_with_its_passphrase() {
    let (_folder, path) = Folder::with(FROM_PASSPHRASE);
    let store =
        EncryptedFileStore::open(&at(&path).with("passphrase", secret(PASSPHRASE)), &no_context()).unwrap();
    assert_eq!(all(&store).await, fixture());
}

#[tokio::test]
async fn a_file_of_the_reference_opens_with_its_key_and_keeps_its_salt_when_written() {
    let (_folder, path) = Folder::with(FROM_RAW_KEY);
    let store = by_hex(&path);
    assert_eq!(all(&store).await, fixture());
    store.set(&name("new"), &"value".into()).await.unwrap();

    let before: serde_json::Value = serde_json::from_slice(FROM_RAW_KEY).unwrap();
    let after: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(after["version"], 1);
    assert_eq!(after["algorithm"], "aes-256-gcm");
    assert_eq!(after["salt"], before["salt"]);
    assert_ne!(after["data"], before["data"]);
    let mut expected = fixture();
    expected.insert("new".into(), "value".into());
    assert_eq!(all(&by_hex(&path)).await, expected);
}

#[tokio::test]
async fn what_is_written_opens_again_and_every_write_has_a_nonce_of_its_own() {
    let (_folder, path) = Folder::empty();
    let store = by_passphrase(&path, "p");
    let mut nonces = std::collections::BTreeSet::new();
    for (key, value) in FIXTURE {
        store.set(&name(key), &value.into()).await.unwrap();
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(nonces.insert(file["data"].as_str().unwrap()[..16].to_owned()));
    }
    assert_eq!(all(&by_passphrase(&path, "p")).await, fixture());
}

#[tokio::test]
async fn a_wrong_passphrase_is_locked_and_writes_nothing() {
    let (folder, path) = Folder::empty();
    by_passphrase(&path, "right").set(&name("a"), &"1".into()).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let store = by_passphrase(&path, "wrong");
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(store.set(&name("b"), &"2".into()).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(store.delete(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(store.list().await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    drop(folder);
}

#[tokio::test]
async fn a_file_cut_short_anywhere_is_malformed_or_locked_and_not_written() {
    for length in (1..FROM_RAW_KEY.len()).step_by(7).chain([FROM_RAW_KEY.len() - 1]) {
        let (_folder, path) = Folder::with(&FROM_RAW_KEY[..length]);
        let store = by_hex(&path);
        let error = store.set(&name("a"), &"1".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "cut at {length}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), &FROM_RAW_KEY[..length]);
    }
}

#[tokio::test]
async fn data_cut_short_inside_the_wrapper_is_malformed_or_locked() {
    let wrapper: serde_json::Value = serde_json::from_slice(FROM_RAW_KEY).unwrap();
    let data = wrapper["data"].as_str().unwrap();
    for length in (0..data.len()).step_by(4) {
        let mut cut = wrapper.clone();
        cut["data"] = data[..length].into();
        let (_folder, path) = Folder::with(cut.to_string().as_bytes());
        let error = by_hex(&path).get(&name("empty")).await.unwrap_err();
        let kinds = [ErrorKind::Malformed, ErrorKind::Locked];
        assert!(kinds.contains(&error.kind()), "cut at {length}: {error}");
    }
}

#[tokio::test]
async fn a_foreign_file_is_malformed_and_not_written() {
    for foreign in [
        "{}",
        "[]",
        "KEY=value\n",
        "null",
        r#"{"version":1}"#,
        r#"{"version":"1","salt":"","data":""}"#,
        "\0",
    ] {
        let (_folder, path) = Folder::with(foreign.as_bytes());
        let store = by_hex(&path);
        assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Malformed, "{foreign}");
        assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
    }
}

#[tokio::test]
async fn values_that_are_not_text_are_malformed() {
    let (_folder, path) = Folder::empty();
    let key = super::key::KeySource::from_settings(&quick(&path, "p"), &no_context()).unwrap();
    let derived = key.derive(b"salt", &path, false).unwrap();
    for plaintext in [r#"{"a": 1}"#, r#"{"a": null}"#, r#"{"a": {"canary": "x"}}"#, "[]", "\u{fffd}"] {
        let data = cipher::seal(&derived, plaintext.as_bytes()).unwrap();
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, data);
        let file =
            serde_json::json!({"version": 1, "algorithm": "aes-256-gcm", "salt": "c2FsdA==", "data": data});
        std::fs::write(&path, file.to_string()).unwrap();
        let error = by_passphrase(&path, "p").get(&name("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{plaintext}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn an_unknown_algorithm_is_refused() {
    let mut file: serde_json::Value = serde_json::from_slice(FROM_RAW_KEY).unwrap();
    file["algorithm"] = "chacha20".into();
    let (_folder, path) = Folder::with(file.to_string().as_bytes());
    assert_eq!(by_hex(&path).get(&name("empty")).await.unwrap_err().kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn an_obfuscated_file_is_refused_by_the_store_and_read_by_the_import() {
    let (_folder, path) = Folder::with(OBFUSCATED);
    let settings = at(&path)
        .with("passphrase", secret(PASSPHRASE))
        .with("pbkdf2_iterations", SettingValue::Integer(1000));
    let store = EncryptedFileStore::open(&settings, &no_context()).unwrap();
    assert_eq!(store.get(&name("empty")).await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Malformed);

    let key = KeySource::from_settings(&settings, &no_context()).unwrap();
    let imported: BTreeMap<_, _> = import_obfuscated(&path, &key)
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name, value.expose().to_owned()))
        .collect();
    assert_eq!(imported, fixture());
    let wrong = KeySource::from_settings(&quick(&path, "wrong"), &no_context()).unwrap();
    assert_eq!(import_obfuscated(&path, &wrong).unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(std::fs::read(&path).unwrap(), OBFUSCATED);
}

#[tokio::test]
async fn a_higher_version_is_read_and_never_written() {
    let mut file: serde_json::Value = serde_json::from_slice(FROM_RAW_KEY).unwrap();
    file["version"] = 2.into();
    let (_folder, path) = Folder::with(file.to_string().as_bytes());
    let store = by_hex(&path);
    assert_eq!(all(&store).await, fixture());
    assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.delete(&name("empty")).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), file.to_string());
}

#[tokio::test]
async fn unknown_fields_survive_a_write() {
    let mut file: serde_json::Value = serde_json::from_slice(FROM_RAW_KEY).unwrap();
    file["comment"] = serde_json::json!({"by": ["them", 1.5]});
    let (_folder, path) = Folder::with(file.to_string().as_bytes());
    by_hex(&path).set(&name("a"), &"1".into()).await.unwrap();
    let after: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(after["comment"], file["comment"]);
}

#[tokio::test]
async fn an_empty_file_is_a_new_store_when_opened_and_unavailable_while_values_are_held() {
    let (_folder, path) = Folder::with(b"");
    let store = by_hex(&path);
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.set(&name("a"), &"1".into()).await.unwrap();

    let full = std::fs::read(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.set(&name("b"), &"2".into()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::write(&path, full).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
}

#[tokio::test]
async fn a_file_gone_while_values_are_held_is_unavailable_and_not_made_anew() {
    let (_folder, path) = Folder::empty();
    let store = by_hex(&path);
    store.set(&name("a"), &"1".into()).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.set(&name("b"), &"2".into()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_missing_file_has_no_secrets_and_asks_for_no_key() {
    let (_folder, path) = Folder::empty();
    let store = EncryptedFileStore::open(&at(&path), &no_context()).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_key_a_file_is_locked_with_help() {
    let (_folder, path) = Folder::with(FROM_PASSPHRASE);
    let store = EncryptedFileStore::open(&at(&path), &no_context()).unwrap();
    let error = store.get(&name("empty")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.help().unwrap().contains("MODELMESH_PASSPHRASE"));
}

struct Typist(AtomicUsize, &'static str);

impl PassphrasePrompt for Typist {
    fn passphrase(&self, what: &str, confirm: bool) -> modelmesh_secrets::Result<SecretString> {
        assert!(what.contains("secrets.enc"));
        assert_eq!(confirm, self.1 == "new");
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(self.1.into())
    }
}

fn asked(path: &Path, typist: &Arc<Typist>) -> EncryptedFileStore {
    let settings = at(path).with("pbkdf2_iterations", SettingValue::Integer(10));
    let prompt: Arc<dyn PassphrasePrompt> = Arc::clone(typist) as _;
    let context = OpenContext {
        environment: Arc::new(FixedEnvironment::default()),
        prompt: Some(prompt),
        ..OpenContext::default()
    };
    EncryptedFileStore::open(&settings, &context).unwrap()
}

#[tokio::test]
async fn a_person_is_asked_once_and_twice_only_for_a_new_passphrase() {
    let (_folder, path) = Folder::empty();
    let new = Arc::new(Typist(AtomicUsize::new(0), "new"));
    let store = asked(&path, &new);
    store.set(&name("a"), &"1".into()).await.unwrap();
    store.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
    assert_eq!(new.0.load(Ordering::SeqCst), 1);

    let wrong = Arc::new(Typist(AtomicUsize::new(0), "wrong"));
    let store = asked(&path, &wrong);
    for _ in 0..3 {
        assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    }
    assert_eq!(wrong.0.load(Ordering::SeqCst), 1, "one mistake is one question");
}

#[tokio::test]
async fn the_environments_passphrase_serves_machines() {
    let (_folder, path) = Folder::empty();
    by_passphrase(&path, "p").set(&name("a"), &"1".into()).await.unwrap();
    let environment = FixedEnvironment::new([("MODELMESH_PASSPHRASE", "p")]);
    let context = OpenContext { environment: Arc::new(environment), prompt: None, ..OpenContext::default() };
    let settings = at(&path).with("pbkdf2_iterations", SettingValue::Integer(10));
    let store = EncryptedFileStore::open(&settings, &context).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
}

#[test]
fn a_key_that_is_not_64_hex_digits_is_a_configuration_error_that_does_not_show_it() {
    for key in ["canary", "00", &"g".repeat(64), &"+f".repeat(32), &HEX[..63]] {
        let settings = at(Path::new("x")).with("encryption_key", secret(key));
        let error = EncryptedFileStore::open(&settings, &no_context()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains(key));
    }
}

#[test]
fn a_path_is_needed() {
    let error = EncryptedFileStore::open(&Settings::default(), &no_context()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_lose_nothing_whatever_the_order() {
    let (folder, path) = Folder::empty();
    let stores = [by_hex(&path), by_hex(&path)];
    let writers: Vec<_> = (0..60)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(
                async move { store.set(&name(&format!("k{n}")), &format!("v{n}").as_str().into()).await },
            )
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let expected: BTreeMap<_, _> = (0..60).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
    for store in &stores {
        assert_eq!(all(store).await, expected);
    }
    drop(folder);
}

#[tokio::test]
async fn several_secrets_are_written_at_once_and_read_at_once() {
    let (_folder, path) = Folder::empty();
    let store = by_hex(&path);
    let secrets: Vec<_> = FIXTURE.map(|(key, value)| (name(key), SecretValue::from(value))).to_vec();
    assert!(store.set_many(&secrets).await.iter().all(Result::is_ok));
    let names = [name("lines"), name("none"), name("nul")];
    let found = store.get_many(&names).await;
    assert_eq!(found[0].as_ref().unwrap().expose(), "one\ntwo\r\n");
    assert_eq!(found[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(found[1].as_ref().unwrap_err().name(), Some("none"));
    assert_eq!(found[2].as_ref().unwrap().expose(), "a\0b");
}

#[tokio::test]
async fn deleting_an_unknown_name_is_not_found_and_writes_nothing() {
    let (_folder, path) = Folder::with(FROM_RAW_KEY);
    let store = by_hex(&path);
    assert_eq!(store.delete(&name("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(&path).unwrap(), FROM_RAW_KEY);
    store.delete(&name("empty")).await.unwrap();
    assert_eq!(store.get(&name("empty")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_change_by_another_store_shows_in_the_values_and_the_revision() {
    let (_folder, path) = Folder::empty();
    let (ours, theirs) = (by_hex(&path), by_hex(&path));
    ours.set(&name("a"), &"1".into()).await.unwrap();
    let before = ours.revision().await.unwrap();
    theirs.set(&name("a"), &"2".into()).await.unwrap();
    assert_ne!(ours.revision().await.unwrap(), before);
    assert_eq!(ours.get(&name("a")).await.unwrap().expose(), "2");
}

#[test]
fn debug_shows_no_key_and_no_value() {
    let settings = quick(Path::new("x"), "canary-passphrase").with("encryption_key", secret(HEX));
    let store = EncryptedFileStore::open(&settings, &no_context()).unwrap();
    let shown = format!("{store:?} {:?}", store.codec());
    assert!(!shown.contains("canary") && !shown.contains("0011"), "{shown}");
}

#[tokio::test]
async fn another_passphrase_comes_with_another_salt_and_is_used_from_then_on() {
    let (_folder, path) = Folder::empty();
    let store = by_passphrase(&path, "first");
    store.set(&name("a"), &"1".into()).await.unwrap();
    let salt = || {
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file["salt"].as_str().unwrap().to_owned()
    };
    let before = salt();
    store.change_passphrase("second".into()).await.unwrap();
    assert_ne!(salt(), before);
    // By the store that changed it, and by one that is opened anew.
    store.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(all(&by_passphrase(&path, "second")).await.len(), 2);
    let error = by_passphrase(&path, "first").get(&name("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
}

#[tokio::test]
async fn a_raw_key_has_no_passphrase_to_change() {
    let (_folder, path) = Folder::with(FROM_RAW_KEY);
    let error = by_hex(&path).change_passphrase("x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(std::fs::read(&path).unwrap(), FROM_RAW_KEY);
}

#[tokio::test]
async fn a_file_that_is_not_there_gets_no_passphrase() {
    let (_folder, path) = Folder::empty();
    let error = by_passphrase(&path, "x").change_passphrase("y".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(!path.exists());
}
