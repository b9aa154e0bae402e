//! A Secret, as the API has it, and as much of it as matters here.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::failure;
use crate::network::{Answer, malformed};

/// What the values of one Secret may have together, in bytes: `MaxSecretSize` of the Kubernetes API.
/// <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>
pub(super) const MAX_SIZE: usize = 1 << 20;

/// What becomes of some keys of a Secret: a value, or nothing.
pub(super) type Keys<'k> = BTreeMap<&'k str, Option<&'k SecretValue>>;

/// A Secret. Its values are base64, and are wiped.
#[derive(Deserialize)]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    immutable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) resource_version: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// A page of Secrets.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) metadata: PageMetadata,
    pub(super) items: Vec<Object>,
}

#[derive(Deserialize)]
pub(super) struct PageMetadata {
    /// What to ask the next page by; empty or absent in the last.
    #[serde(default, rename = "continue")]
    pub(super) next: String,
}

impl Object {
    /// Reads an answer about the Secret `name`, and no other: `Malformed` else.
    pub(super) fn read(answer: &Answer, name: &str) -> Result<Self> {
        let object: Object = answer.json()?;
        if object.metadata.name != name {
            return Err(malformed("is of another Secret than was asked for"));
        }
        if object.metadata.resource_version.is_empty() {
            return Err(malformed("has no version"));
        }
        Ok(object)
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Result<SecretValue> {
        let encoded = self.data.get(key).ok_or_else(no_such_key)?;
        self.check_is_kept()?;
        let bytes = BASE64_STANDARD.decode(encoded.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| malformed("holds a value that is not base64"))?;
        let text = str::from_utf8(&bytes).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the value is not text")
                .with_help("a key of a Secret may hold any bytes; set it anew to have text there")
        })?;
        Ok(SecretValue::new(text).with_version(self.metadata.resource_version.as_str()))
    }

    /// Refuses a change that the cluster would refuse, or would take and lose.
    pub(super) fn check_change(&self, keys: &Keys<'_>) -> Result<()> {
        self.check_is_kept()?;
        if self.immutable {
            return Err(Error::unsupported("change this Secret: it is immutable").with_help(
                "'immutable: true' cannot be taken back: delete the Secret and make it anew, or use another",
            ));
        }
        let kept = self.data.iter().filter(|(key, _)| !keys.contains_key(key.as_str()));
        let kept = kept.map(|(_, encoded)| decoded_length(encoded)).sum();
        check_size(kept, keys)
    }

    fn check_is_kept(&self) -> Result<()> {
        if self.metadata.deletion_timestamp.is_none() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Disabled, "the Secret is being deleted")
            .with_help("a finalizer still holds it: make it anew when it is gone"))
    }
}

/// How many bytes a base64 text stands for.
fn decoded_length(encoded: &str) -> usize {
    let padding = encoded.bytes().rev().take_while(|&b| b == b'=').count();
    (encoded.len() / 4 * 3).saturating_sub(padding)
}

/// Refuses values that no Secret can hold, beside others that have `kept` bytes.
pub(super) fn check_size(kept: usize, keys: &Keys<'_>) -> Result<()> {
    let added: usize = keys.values().flatten().map(|value| value.expose().len()).sum();
    if added > 0 && kept + added > MAX_SIZE { Err(failure::too_large()) } else { Ok(()) }
}

pub(super) fn no_such_key() -> Error {
    Error::new(ErrorKind::NotFound, "the Secret has no such key")
        .with_help("'modelmesh secrets list' shows the keys it has")
}

/// A Secret to be made, or a merge patch of one (RFC 7396): what is absent stays as it is, and `null` removes a key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'c> {
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    kind: Option<&'static str>,
    metadata: ChangedMetadata<'c>,
    data: BTreeMap<&'c str, Option<Zeroizing<String>>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ChangedMetadata<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'c str>,
}

/// The body of a request for a new Secret.
pub(super) fn new_secret(name: &str, keys: &Keys<'_>) -> Result<Bytes> {
    let metadata = ChangedMetadata { name: Some(name), ..ChangedMetadata::default() };
    body(Some("Opaque"), metadata, keys)
}

/// The body of a request that changes keys of `held`, if it is still what was read.
pub(super) fn patch(held: &Object, keys: &Keys<'_>) -> Result<Bytes> {
    let seen = held.metadata.resource_version.as_str();
    let metadata = ChangedMetadata { resource_version: Some(seen), ..ChangedMetadata::default() };
    body(None, metadata, keys)
}

/// Wiped when it has been sent.
fn body(kind: Option<&'static str>, metadata: ChangedMetadata<'_>, keys: &Keys<'_>) -> Result<Bytes> {
    let encoded = |value: &SecretValue| Zeroizing::new(BASE64_STANDARD.encode(value.expose()));
    let data: BTreeMap<_, _> = keys.iter().map(|(&key, value)| (key, value.map(encoded))).collect();
    // Of its final size at once, or more: a buffer that grows leaves copies behind.
    let values: usize = data.values().flatten().map(|value| value.len()).sum();
    let names: usize = data.keys().map(|key| key.len() + "\"\":\"\",".len()).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(values + names + 1024));
    match serde_json::to_writer(&mut *body, &Change { kind, metadata, data }) {
        Ok(()) => Ok(Bytes::from_owner(body)),
        Err(_) => Err(Error::new(ErrorKind::Malformed, "the change cannot be written as JSON")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(more: &Value) -> Object {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": "app", "resourceVersion": "17", "uid": "u" },
            "data": { "key": BASE64_STANDARD.encode("value"), "binary": BASE64_STANDARD.encode(b"\xff\xfe") },
        });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_value_has_the_version_of_its_secret() {
        let value = object(&json!({})).value("key").unwrap();
        assert_eq!((value.expose(), value.version().unwrap().as_str()), ("value", "17"));
    }

    #[test]
    fn what_cannot_be_read_says_why_and_shows_nothing() {
        let canary = json!({ "data": { "key": "canary!" } });
        for (object, key, kind) in [
            (object(&json!({})), "other", ErrorKind::NotFound),
            (object(&json!({})), "binary", ErrorKind::Malformed),
            (object(&canary), "key", ErrorKind::Malformed),
        ] {
            let error = object.value(key).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.help().is_some() && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_secret_without_data_is_an_empty_one() {
        let text = r#"{"metadata": {"name": "app", "resourceVersion": "1"}}"#;
        let empty: Object = serde_json::from_str(text).unwrap();
        assert_eq!(empty.value("key").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_patch_names_what_was_seen_and_nothing_that_stays() {
        let value = SecretValue::new("new");
        let keys = Keys::from([("key", Some(&value)), ("gone", None)]);
        let body: Value = serde_json::from_slice(&patch(&object(&json!({})), &keys).unwrap()).unwrap();
        let expected =
            json!({ "metadata": { "resourceVersion": "17" }, "data": { "key": "bmV3", "gone": null } });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_body_is_made_in_one_piece() {
        let value = SecretValue::new("x".repeat(1000));
        let names: Vec<String> = (0..100).map(|at| format!("{at:0>253}")).collect();
        let keys: Keys<'_> = names.iter().map(|name| (name.as_str(), Some(&value))).collect();
        let length = new_secret(&"s".repeat(253), &keys).unwrap().len();
        let values = 100 * 1000usize.div_ceil(3) * 4;
        assert!(length <= values + 100 * (253 + 6) + 1024, "{length}");
    }

    #[test]
    fn more_than_a_secret_can_hold_is_refused_before_it_is_sent() {
        let held = object(&json!({ "data": { "big": BASE64_STANDARD.encode("x".repeat(MAX_SIZE - 9)) } }));
        let (small, large) = (SecretValue::new("123456789"), SecretValue::new("1234567890123"));
        assert!(held.check_change(&Keys::from([("key", Some(&small))])).is_ok());
        let error = held.check_change(&Keys::from([("key", Some(&large))])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(held.check_change(&Keys::from([("big", Some(&large))])).is_ok());
    }
}
