//! What a version holds, as Key Vault reads and writes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::place::Identified;
use crate::{json, network::malformed};

/// A tag that 'az keyvault secret set --file' makes. It tells how the value of its own version is encoded, and of
/// another value it would be wrong.
const ENCODING_TAG: &str = "file-encoding";

/// The answer to a read: <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/get-secret/get-secret>.
#[derive(Deserialize)]
pub(super) struct Bundle {
    id: String,
    value: Zeroizing<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(flatten)]
    notes: Notes,
}

#[derive(Default, Deserialize, Serialize)]
struct Attributes {
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

/// What an answer about a secret has, whatever else it has.
#[derive(Deserialize)]
struct About {
    id: String,
}

/// `Malformed` if the answer is not about the secret `name`: nobody knows what was done then.
pub(super) fn check_answer(body: &[u8], name: &SecretName) -> Result<()> {
    about(body, name, |_| true)
}

/// `Malformed` if the answer to a write does not tell of a version of the secret `name`.
pub(super) fn check_made(body: &[u8], name: &SecretName) -> Result<()> {
    about(body, name, |identified| identified.version.is_some())
}

fn about(body: &[u8], name: &SecretName, has_more: impl Fn(&Identified<'_>) -> bool) -> Result<()> {
    let About { id } = json::parse(body).map_err(|_| malformed("is not what the store sends"))?;
    let identified = Identified::by(&id).filter(|identified| identified.is(name) && has_more(identified));
    identified.map(drop).ok_or_else(|| malformed("is of another secret than was asked for"))
}

/// A page of a listing: <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/get-secrets/get-secrets>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// An empty list is written as one.
    value: Vec<About>,
    pub(super) next_link: Option<String>,
}

impl Page {
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        json::parse(body).map_err(|_| malformed("is not what the store sends"))
    }

    pub(super) fn names(&self) -> Result<Vec<SecretName>> {
        let name = |About { id }: &About| SecretName::new(Identified::by(id)?.name).ok();
        let names = self.value.iter().map(name);
        names.map(|name| name.ok_or_else(|| malformed("lists what is no secret"))).collect()
    }
}

/// What people wrote beside a value. A version has its own, and a write that does not repeat it drops it.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl Bundle {
    /// Reads an answer. `Malformed` if it is not a bundle with a value; what it is instead is not shown.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        json::parse(body).map_err(|_| malformed("is not what the store sends"))
    }

    /// The value, if it is of the secret `name`.
    ///
    /// - A time in `exp` that is to come is the value's expiry: until then it is cached at the longest, and then asked
    ///   for again.
    /// - One that is past is passed over, with a warning. To Key Vault it is a note and no bar: it goes on to serve the
    ///   value, and who relies on the value does, too.
    pub(super) fn value(self, name: &SecretName) -> Result<SecretValue> {
        let identified = Identified::by(&self.id).filter(|identified| identified.is(name));
        let version = identified.and_then(|identified| identified.version);
        let version = version.ok_or_else(|| malformed("is of another secret than was asked for"))?;
        let value = SecretValue::new(self.value.as_str()).with_version(version);
        let Some(exp) = self.attributes.exp else { return Ok(value) };
        let end = Timestamp::from_second(exp).map_err(|_| malformed("holds a time that is none"))?;
        if end > Timestamp::now() {
            return Ok(value.with_expires_at(end));
        }
        tracing::warn!(%name, version, "the secret is past its 'exp', and is served all the same: rotate it");
        Ok(value)
    }

    /// What a new version is to have of this one.
    pub(super) fn into_notes(self) -> Notes {
        let mut notes = self.notes;
        notes.tags.remove(ENCODING_TAG);
        notes
    }
}

/// The body of a write: <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/set-secret/set-secret>.
#[derive(Serialize)]
struct NewVersion<'v> {
    value: &'v str,
    attributes: Attributes,
    #[serde(flatten)]
    notes: &'v Notes,
}

/// The body of a write, wiped when it has been sent.
pub(super) fn to_set(value: &SecretValue, notes: &Notes) -> Bytes {
    let exp = value.expires_at().map(Timestamp::as_second);
    let version = NewVersion { value: value.expose(), attributes: Attributes { exp }, notes };
    Bytes::from_owner(json::write(&version))
}

/// `Unsupported` for an expiry that Key Vault cannot write, before anything is asked of it.
pub(super) fn check_expiry(value: &SecretValue) -> Result<()> {
    if value.expires_at().is_none_or(|end| end >= Timestamp::UNIX_EPOCH) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "this store cannot hold an expiry before 1970"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn name() -> SecretName {
        SecretName::new("key").unwrap()
    }

    fn read(id: &str, attributes: &Value) -> Result<SecretValue> {
        let body = json!({ "id": id, "value": "canary-value", "attributes": attributes });
        Bundle::read(body.to_string().as_bytes())?.value(&name())
    }

    const ID: &str = "https://v.vault.azure.net/secrets/key/0a";

    #[test]
    fn a_value_has_its_version_and_its_expiry() {
        let value = read(ID, &json!({ "enabled": true, "exp": 4_102_444_800_i64, "nbf": 1 })).unwrap();
        assert_eq!((value.expose(), value.version().unwrap().as_str()), ("canary-value", "0a"));
        assert_eq!(value.expires_at().unwrap().as_second(), 4_102_444_800);
    }

    #[test]
    fn a_value_past_its_end_is_read_and_has_none() {
        for end in [0, -1, Timestamp::now().as_second() - 1] {
            let value = read(ID, &json!({ "exp": end })).unwrap();
            assert_eq!((value.expose(), value.expires_at()), ("canary-value", None));
        }
    }

    #[test]
    fn a_value_of_another_secret_is_malformed_and_not_shown() {
        for id in ["https://v/secrets/other/0a", "https://v/secrets/key", "https://v/keys/key/0a", ""] {
            let error = read(id, &json!({})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{id}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let error = read(ID, &json!({ "exp": i64::MAX })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }

    #[test]
    fn a_write_keeps_what_people_wrote_beside_the_value_before() {
        let tags = json!({ "owner": "ml", ENCODING_TAG: "base64" });
        let before = json!({ "id": ID, "value": "old", "contentType": "text/plain", "tags": tags });
        let notes = Bundle::read(before.to_string().as_bytes()).unwrap().into_notes();
        let body: Value = serde_json::from_slice(&to_set(&"new".into(), &notes)).unwrap();
        let expected = json!({
            "value": "new", "attributes": {}, "contentType": "text/plain", "tags": { "owner": "ml" },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_write_tells_the_expiry_in_seconds() {
        let end = Timestamp::from_millisecond(4_102_444_800_700).unwrap();
        let body = to_set(&SecretValue::new("new").with_expires_at(end), &Notes::default());
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "value": "new", "attributes": { "exp": 4_102_444_800_i64 } }));
    }
}
