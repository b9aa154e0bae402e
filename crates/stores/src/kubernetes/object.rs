//! A Secret, as the API has it, and as much of it as matters here.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::network::malformed;

/// A Secret. Its values are base64, and are wiped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    pub(super) immutable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// A page of Secrets.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) metadata: ListMetadata,
    pub(super) items: Vec<Object>,
}

#[derive(Deserialize)]
pub(super) struct ListMetadata {
    #[serde(default, rename = "continue")]
    pub(super) next: Option<String>,
}

impl Object {
    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Result<SecretValue> {
        let encoded = self.data.get(key).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the Secret has no such key")
                .with_help("'modelmesh secrets list' shows the keys it has")
        })?;
        if self.metadata.deletion_timestamp.is_some() {
            return Err(Error::new(ErrorKind::Disabled, "the Secret is being deleted")
                .with_help("a finalizer still holds it: make it anew when it is gone"));
        }
        let bytes = Zeroizing::new(
            BASE64_STANDARD
                .decode(encoded.as_bytes())
                .map_err(|_| malformed("holds a value that is not base64"))?,
        );
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the value is not text")
                .with_help("a key of a Secret may hold any bytes; a secret here is UTF-8")
        })?;
        Ok(SecretValue::new(text.to_owned()).with_version(self.metadata.resource_version.as_str()))
    }
}

/// What is sent to change a Secret. Fields that are not there are left as they are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patch<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    kind_of_secret: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<NewMetadata<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preconditions: Option<NewMetadata<'p>>,
    /// `null` removes a key: RFC 7396.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<&'p str, Option<Zeroizing<String>>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct NewMetadata<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'p str>,
}

impl<'p> Patch<'p> {
    const NOTHING: Patch<'static> = Patch {
        api_version: None,
        kind: None,
        kind_of_secret: None,
        metadata: None,
        preconditions: None,
        data: BTreeMap::new(),
    };

    /// Sets or removes a key; with `seen`, only in a Secret of that version.
    pub(super) fn of_key(key: &'p str, value: Option<&SecretValue>, seen: Option<&'p str>) -> Self {
        let metadata =
            seen.map(|seen| NewMetadata { resource_version: Some(seen), ..NewMetadata::default() });
        Patch { metadata, data: BTreeMap::from([(key, value.map(encoded))]), ..Patch::NOTHING }
    }

    /// A Secret that has one key.
    pub(super) fn new_secret(name: &'p str, key: &'p str, value: &SecretValue) -> Self {
        Patch {
            api_version: Some("v1"),
            kind: Some("Secret"),
            kind_of_secret: Some("Opaque"),
            metadata: Some(NewMetadata { name: Some(name), ..NewMetadata::default() }),
            data: BTreeMap::from([(key, Some(encoded(value)))]),
            ..Patch::NOTHING
        }
    }

    /// The options of a deletion that spares a Secret which is not the one that was seen any more.
    pub(super) fn deletion(seen: &'p Metadata) -> Self {
        let preconditions = NewMetadata {
            uid: Some(&seen.uid),
            resource_version: Some(&seen.resource_version),
            ..NewMetadata::default()
        };
        Patch {
            api_version: Some("v1"),
            kind: Some("DeleteOptions"),
            preconditions: Some(preconditions),
            ..Patch::NOTHING
        }
    }

    /// What goes over the wire.
    pub(super) fn body(&self) -> Result<Zeroizing<Vec<u8>>> {
        // At once as long as it gets, or growing would leave copies behind.
        let values = self.data.values().flatten().map(|value| value.len()).sum::<usize>();
        let mut body = Zeroizing::new(Vec::with_capacity(values + 1024));
        match serde_json::to_writer(&mut *body, self) {
            Ok(()) => Ok(body),
            Err(_) => Err(Error::new(ErrorKind::Malformed, "the change cannot be written as JSON")),
        }
    }
}

fn encoded(value: &SecretValue) -> Zeroizing<String> {
    Zeroizing::new(BASE64_STANDARD.encode(value.expose()))
}
