//! The encrypted file: its wrapper, and the document within.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, aead::Aead as _};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use modelmesh_secrets::{
    Error, ErrorKind, SecretName, SecretValue,
    setting::{SettingValue, Settings},
};
use modelmesh_stores::{
    connector::OpenContext,
    disk::{Codec as _, Document as _},
    encrypted_file::{EncryptedDocument, EncryptedFile, KeySource},
    environment::FixedEnvironment,
};
use serde_json::value::RawValue;

use crate::silence::{CANARY, assert_error_silent, assert_silent};

/// A raw key, so that no input costs a derivation.
const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Parts names and values in an input. It occurs in no UTF-8.
const SEPARATOR: u8 = 0xFF;

static BY_KEY: LazyLock<EncryptedFile> =
    LazyLock::new(|| codec(&Settings::default().with("encryption_key", SettingValue::Secret(HEX.into()))));

/// One iteration: if a file could ask for more, this would be the codec to show it.
static BY_PASSPHRASE: LazyLock<EncryptedFile> = LazyLock::new(|| {
    let settings = Settings::default()
        .with("passphrase", SettingValue::Secret(CANARY.into()))
        .with("pbkdf2_iterations", SettingValue::Integer(1));
    codec(&settings)
});

fn codec(settings: &Settings) -> EncryptedFile {
    let context = OpenContext {
        environment: Arc::new(FixedEnvironment::default()),
        prompt: None,
        ..OpenContext::default()
    };
    let key = KeySource::from_settings(settings, &context).unwrap_or_else(|error| panic!("{error}"));
    EncryptedFile::new("secrets.enc", key)
}

/// The first byte says what the others are: a whole file, the plaintext of one, names and values of secrets,
/// or the fields of a wrapper.
///
/// - What is no file of ours is `Malformed` or `Locked`.
/// - What is one reads back after it was written: every name, every value, and the fields that nobody knows.
/// - Nothing in a file decides what it costs to derive its key.
/// - Neither an error nor `Debug` tells a value or a key.
pub fn encrypted_file(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    if data.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
        return;
    }
    match kind % 4 {
        0 => whole_file(data),
        1 => plaintext(data),
        2 => names_and_values(data),
        _ => wrapper_fields(data),
    }
}

fn whole_file(bytes: &[u8]) {
    for codec in [&*BY_KEY, &*BY_PASSPHRASE] {
        match codec.decode(bytes, true) {
            Ok(document) => check_rewrite(codec, &document),
            Err(error) => check_refusal(&error, bytes),
        }
    }
}

fn check_refusal(error: &Error, bytes: &[u8]) {
    let kinds: &[ErrorKind] = match bytes {
        [] => &[ErrorKind::Unavailable],
        _ => &[ErrorKind::Malformed, ErrorKind::Locked],
    };
    assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
    assert_error_silent(error, "an error");
}

/// A file whose decrypted text is `bytes`.
fn plaintext(bytes: &[u8]) {
    let file = wrapped(bytes, BTreeMap::new());
    let expected: Option<BTreeMap<String, String>> = serde_json::from_slice(bytes).ok();
    match (BY_KEY.decode(&file, false), expected) {
        (Ok(document), Some(expected)) => {
            let names: Vec<&str> = expected.keys().map(String::as_str).collect();
            assert_eq!(document.names(), names, "the names of the plaintext");
            for (name, value) in &expected {
                let Ok(name) = SecretName::new(name) else { continue };
                let found = value_of(&document, &name);
                assert!(found.as_ref() == Some(value), "'{name}' reads differently");
            }
            check_rewrite(&BY_KEY, &document);
        }
        (Err(error), None) => {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
            assert!(!format!("{error:?}").contains("line 1"), "the parser's own message is kept");
        }
        (Ok(_), None) => panic!("a document was made of what is no object of texts"),
        (Err(error), Some(_)) => panic!("an object of texts is refused: {error}"),
    }
}

/// A file made of names and values, in turn.
fn names_and_values(data: &[u8]) {
    let texts: Vec<_> = data.split(|&byte| byte == SEPARATOR).map(String::from_utf8_lossy).collect();
    let Ok(mut document) = BY_KEY.blank() else { panic!("no document") };
    let mut expected = BTreeMap::new();
    for pair in texts.chunks(2) {
        let Ok(name) = SecretName::new(&pair[0]) else { continue };
        let value = pair.get(1).map(|value| value.clone().into_owned()).unwrap_or_default();
        assert!(document.set(&name, &SecretValue::from(value.as_str())).is_ok());
        expected.insert(name, value);
    }
    assert!(document.set(&known_name(), &SecretValue::from(CANARY)).is_ok());
    expected.insert(known_name(), CANARY.to_owned());
    assert_silent(&document, "the Debug of a document");

    for codec in [&*BY_KEY, &*BY_PASSPHRASE] {
        let again = reopened(codec, &document);
        assert_eq!(again.names().len(), expected.len());
        for (name, value) in &expected {
            assert!(value_of(&again, name).as_ref() == Some(value), "'{name}' reads differently");
        }
    }
    for name in expected.keys() {
        assert_eq!(document.remove(name).ok(), Some(true));
    }
    assert!(document.is_empty() && reopened(&BY_KEY, &document).is_empty(), "a removed secret is left");
}

/// A wrapper with the fields of the JSON object `data` besides its own.
fn wrapper_fields(data: &[u8]) {
    let Ok(mut fields) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(data) else { return };
    fields.retain(|key, _| !["version", "algorithm", "salt", "data"].contains(&key.as_str()));
    let file = wrapped(b"{\"kept\":\"value\"}", fields.clone());
    let mut document = match BY_KEY.decode(&file, false) {
        Ok(document) => document,
        Err(error) => panic!("fields that nobody knows are refused: {error}"),
    };
    assert!(document.set(&known_name(), &SecretValue::from(CANARY)).is_ok());
    let rewritten = encoded(&BY_KEY, &document);
    let mut after: BTreeMap<String, Box<RawValue>> = match serde_json::from_slice(&rewritten) {
        Ok(fields) => fields,
        Err(error) => panic!("a written file is no JSON: {error}"),
    };
    for own in ["version", "algorithm", "salt", "data"] {
        assert!(after.remove(own).is_some(), "'{own}' is missing");
    }
    let texts = |fields: &BTreeMap<String, Box<RawValue>>| -> BTreeMap<String, String> {
        fields.iter().map(|(key, value)| (key.clone(), value.get().to_owned())).collect()
    };
    assert_eq!(texts(&after), texts(&fields), "a field that nobody knows did not survive");
    check_rewrite(&BY_KEY, &document);
}

/// `document`, written and read again, holds the same; its Debug does not tell it.
fn check_rewrite(codec: &EncryptedFile, document: &EncryptedDocument) {
    if document.check_writable().is_err() {
        return;
    }
    let again = reopened(codec, document);
    assert_eq!(again.names(), document.names());
    for name in document.names() {
        let Ok(name) = SecretName::new(name) else { continue };
        assert!(value_of(&again, &name) == value_of(document, &name), "'{name}' changed");
    }
    let mut marked = again.clone();
    assert!(marked.set(&known_name(), &SecretValue::from(CANARY)).is_ok());
    assert_silent(&marked, "the Debug of a document");
}

fn reopened(codec: &EncryptedFile, document: &EncryptedDocument) -> EncryptedDocument {
    match codec.decode(&encoded(codec, document), true) {
        Ok(again) => again,
        Err(error) => panic!("what was written does not open: {error}"),
    }
}

fn encoded(codec: &EncryptedFile, document: &EncryptedDocument) -> Vec<u8> {
    match codec.encode(document) {
        Ok(bytes) => bytes.to_vec(),
        Err(error) => panic!("cannot be written: {error}"),
    }
}

fn value_of(document: &EncryptedDocument, name: &SecretName) -> Option<String> {
    Some(document.get(name)?.ok()?.expose().to_owned())
}

fn known_name() -> SecretName {
    SecretName::new("known").unwrap_or_else(|error| panic!("{error}"))
}

/// A file by another hand: `plaintext` sealed as the format says, and `fields` besides.
fn wrapped(plaintext: &[u8], fields: BTreeMap<String, Box<RawValue>>) -> Vec<u8> {
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at % 16 * 0x11).unwrap_or_default());
    let nonce = [7; 12];
    let sealed = Aes256Gcm::new(&key.into())
        .encrypt(&Nonce::from(nonce), plaintext)
        .unwrap_or_else(|error| panic!("{error}"));
    let text = |text: &str| -> Box<RawValue> {
        serde_json::value::to_raw_value(text).unwrap_or_else(|error| panic!("{error}"))
    };
    let mut all = fields;
    all.insert("version".into(), RawValue::from_string("1".into()).unwrap_or_else(|error| panic!("{error}")));
    all.insert("algorithm".into(), text("aes-256-gcm"));
    all.insert("salt".into(), text(&BASE64.encode([1; 16])));
    all.insert("data".into(), text(&BASE64.encode([&nonce, sealed.as_slice()].concat())));
    serde_json::to_vec(&all).unwrap_or_else(|error| panic!("{error}"))
}
