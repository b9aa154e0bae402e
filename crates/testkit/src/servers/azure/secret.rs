//! Secrets, their versions, and what becomes of them when they are deleted.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::reply::{Outcome, Reply, invalid, not_found};

/// The longest value, in bytes.
const MAX_VALUE: usize = 25_600;

/// The most tags of a secret.
const MAX_TAGS: usize = 15;

/// A secret.
pub(super) struct Secret {
    /// As it was written when the secret was made.
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
    pub(super) state: State,
}

/// Where a secret is between its two collections. A change of it takes as many looks as a vault is
/// [slow](super::AzureServer::set_slowness).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    Deleting(usize),
    Deleted,
    Recovering(usize),
}

impl State {
    /// The state after one more look.
    pub(super) fn looked_at(self) -> State {
        match self {
            State::Deleting(0) => State::Deleted,
            State::Deleting(looks) => State::Deleting(looks - 1),
            State::Recovering(0) => State::Live,
            State::Recovering(looks) => State::Recovering(looks - 1),
            settled => settled,
        }
    }
}

pub(super) struct Version {
    pub(super) id: String,
    value: String,
    pub(super) enabled: bool,
    created: i64,
    updated: i64,
    /// `nbf` and `exp`, as clients set them.
    times: Map<String, Value>,
    content_type: Option<String>,
    tags: Option<Value>,
}

impl Secret {
    pub(super) fn new(name: &str) -> Secret {
        Secret { name: name.to_owned(), versions: Vec::new(), state: State::Live }
    }

    /// The version of this ID; the newest for an empty one.
    pub(super) fn version(&mut self, id: &str) -> Result<&mut Version, Reply> {
        let missing = || not_found(&self.name);
        let at = if id.is_empty() {
            self.versions.len().checked_sub(1)
        } else {
            self.versions.iter().position(|version| version.id == id)
        };
        let at = at.ok_or_else(missing)?;
        Ok(&mut self.versions[at])
    }

    fn newest(&self) -> &Version {
        self.versions.last().expect("a secret has a version")
    }

    /// What listings show of it.
    pub(super) fn item(&self, base: &str) -> Value {
        self.newest().item(&format!("{base}/secrets/{}", self.name))
    }

    /// What is shown of it when it is deleted.
    pub(super) fn deleted(&self, base: &str) -> Value {
        self.with_its_end(base, self.newest().properties(base, &self.name))
    }

    /// What listings show of it when it is deleted.
    pub(super) fn deleted_item(&self, base: &str) -> Value {
        self.with_its_end(base, self.item(base))
    }

    fn with_its_end(&self, base: &str, mut shown: Value) -> Value {
        let now = Timestamp::now().as_second();
        shown["recoveryId"] = json!(format!("{base}/deletedsecrets/{}", self.name));
        shown["deletedDate"] = json!(now);
        shown["scheduledPurgeDate"] = json!(now + 90 * 86_400);
        shown
    }
}

impl Version {
    /// The version that the body of a PUT makes.
    pub(super) fn made(body: &Value) -> Result<Version, Reply> {
        let value = body["value"].as_str().ok_or_else(|| invalid("Property value is required."))?;
        if value.len() > MAX_VALUE {
            return Err(invalid("Property value exceeds the maximum size of 25600 bytes."));
        }
        let now = Timestamp::now().as_second();
        let mut version = Version {
            id: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            value: value.to_owned(),
            enabled: true,
            created: now,
            updated: now,
            times: Map::new(),
            content_type: None,
            tags: None,
        };
        version.change(body)?;
        Ok(version)
    }

    /// Changes what a PATCH may: all but the value.
    pub(super) fn change(&mut self, body: &Value) -> Result<(), Reply> {
        if let Some(kind) = body["contentType"].as_str() {
            self.content_type = Some(kind.to_owned());
        }
        if let Some(tags) = body["tags"].as_object() {
            if tags.len() > MAX_TAGS || !tags.values().all(Value::is_string) {
                return Err(invalid("Property tags holds what no tags can."));
            }
            self.tags = Some(json!(tags));
        }
        let attributes = &body["attributes"];
        self.enabled = attributes["enabled"].as_bool().unwrap_or(self.enabled);
        for key in ["nbf", "exp"] {
            match &attributes[key] {
                Value::Null => {}
                time if time.is_i64() => {
                    self.times.insert(key.to_owned(), time.clone());
                }
                _ => return Err(invalid("A time is a whole number of seconds.")),
            }
        }
        self.updated = Timestamp::now().as_second();
        Ok(())
    }

    /// All of it, as only a read and a write of it show.
    pub(super) fn bundle(&self, base: &str, name: &str) -> Value {
        let mut shown = self.properties(base, name);
        shown["value"] = json!(self.value);
        shown
    }

    /// It, if it may be read.
    pub(super) fn read(&self, base: &str, name: &str) -> Outcome {
        if self.enabled {
            return Ok(self.bundle(base, name));
        }
        let message = "Operation get is not allowed on a disabled secret.";
        Err(Reply::error(403, "Forbidden", Some("SecretDisabled"), message))
    }

    /// All of it but the value.
    pub(super) fn properties(&self, base: &str, name: &str) -> Value {
        self.item(&format!("{base}/secrets/{name}/{}", self.id))
    }

    fn item(&self, id: &str) -> Value {
        let mut attributes = json!({
            "enabled": self.enabled,
            "created": self.created,
            "updated": self.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        });
        for (key, time) in &self.times {
            attributes[key] = time.clone();
        }
        let mut shown = json!({ "id": id, "attributes": attributes });
        if let Some(kind) = &self.content_type {
            shown["contentType"] = json!(kind);
        }
        if let Some(tags) = &self.tags {
            shown["tags"] = tags.clone();
        }
        shown
    }
}
