//! Secrets and their versions.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    http::Asked,
    listing::page,
    reply::{Outcome, Reply, invalid},
};

/// The largest payload, in bytes.
const MAX_PAYLOAD: usize = 64 << 10;

/// The state of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// It can be read.
    Enabled,
    /// It cannot be read, until it is enabled again.
    Disabled,
    /// It is gone, and its number stays.
    Destroyed,
}

impl VersionState {
    fn as_str(self) -> &'static str {
        match self {
            VersionState::Enabled => "ENABLED",
            VersionState::Disabled => "DISABLED",
            VersionState::Destroyed => "DESTROYED",
        }
    }
}

/// A secret. Fields that clients set are kept as they came.
pub(super) struct Secret {
    /// Counts the secrets of a project: listings have the newest first.
    pub(super) sequence: u64,
    pub(super) created: Timestamp,
    pub(super) etag: u64,
    pub(super) fields: Map<String, Value>,
    pub(super) versions: Vec<Version>,
}

pub(super) struct Version {
    pub(super) created: Timestamp,
    pub(super) destroyed: Option<Timestamp>,
    pub(super) state: VersionState,
    pub(super) etag: u64,
    pub(super) payload: Vec<u8>,
    pub(super) has_own_checksum: bool,
}

/// Fields of a secret that clients set.
pub(super) const FIELDS: [&str; 4] = ["replication", "labels", "annotations", "versionAliases"];

impl Secret {
    pub(super) fn shown(&self, name: &str) -> Value {
        let mut shown =
            json!({ "name": name, "createTime": self.created.to_string(), "etag": shown_etag(self.etag) });
        for (field, value) in &self.fields {
            shown[field] = value.clone();
        }
        shown
    }

    pub(super) fn patch(&mut self, asked: &Asked, name: &str) -> Outcome {
        let body = asked.json()?;
        check_etag(body["etag"].as_str(), self.etag)?;
        let mask = asked.parameter("updateMask").ok_or_else(|| invalid("update_mask must be provided."))?;
        for path in mask.split(',') {
            let field = FIELDS[1..].iter().find(|field| **field == camel_case(path));
            let field = field.ok_or_else(|| invalid("update_mask has a path that cannot be updated."))?;
            match body.get(field) {
                Some(value) => self.fields.insert((*field).to_owned(), value.clone()),
                None => self.fields.remove(*field),
            };
        }
        self.etag = another_etag();
        Ok(self.shown(name))
    }

    pub(super) fn add(&mut self, asked: &Asked, name: &str) -> Outcome {
        let body = asked.json()?;
        let payload = body.get("payload").ok_or_else(|| invalid("Field [payload] is required."))?;
        let data = STANDARD.decode(payload["data"].as_str().unwrap_or_default());
        let data = data.map_err(|_| invalid("Base64 decoding failed."))?;
        if data.is_empty() || data.len() > MAX_PAYLOAD {
            return Err(invalid("Secret payload must have from 1 to 65536 bytes."));
        }
        let checksum = &payload["dataCrc32c"];
        let is_same = checksum.as_str().and_then(|text| text.parse().ok()) == Some(crc32c::crc32c(&data));
        if !checksum.is_null() && !is_same {
            return Err(invalid("The given checksum does not match the payload."));
        }
        self.versions.push(Version::new(data, !checksum.is_null()));
        let number = self.versions.len();
        Ok(self.versions[number - 1].shown(&format!("{name}/versions/{number}")))
    }

    pub(super) fn list_versions(&self, asked: &Asked, name: &str) -> Outcome {
        let shown = self.versions.iter().enumerate().rev().map(|(index, version)| {
            let number = index as u64 + 1;
            (number, version.shown(&format!("{name}/versions/{number}")))
        });
        page(asked, name, "versions", shown.collect())
    }

    /// The version that a number, an alias or `latest` stands for.
    pub(super) fn number_of(&self, version: &str, name: &str) -> Result<usize, Reply> {
        let aliases = self.fields.get("versionAliases");
        let alias = aliases.and_then(|aliases| aliases[version].as_str());
        let number = if version == "latest" {
            Some(self.versions.len())
        } else {
            alias.unwrap_or(version).parse().ok()
        };
        number.filter(|number| (1..=self.versions.len()).contains(number)).ok_or_else(|| {
            let what = format!("Secret Version [{name}/versions/{version}] not found.");
            Reply::error("NOT_FOUND", &what)
        })
    }
}

impl Version {
    pub(super) fn new(payload: Vec<u8>, has_own_checksum: bool) -> Self {
        let (created, etag) = (Timestamp::now(), another_etag());
        Version { created, destroyed: None, state: VersionState::Enabled, etag, payload, has_own_checksum }
    }

    pub(super) fn shown(&self, name: &str) -> Value {
        let mut shown = json!({
            "name": name,
            "createTime": self.created.to_string(),
            "state": self.state.as_str(),
            "etag": shown_etag(self.etag),
            "replicationStatus": { "automatic": {} },
        });
        if let Some(destroyed) = self.destroyed {
            shown["destroyTime"] = json!(destroyed.to_string());
        }
        if self.has_own_checksum {
            shown["clientSpecifiedPayloadChecksum"] = json!(true);
        }
        shown
    }

    pub(super) fn access(&self, name: &str, is_damaged: bool) -> Outcome {
        self.check_state(name, self.state == VersionState::Enabled)?;
        let mut sent = self.payload.clone();
        if is_damaged {
            sent[0] ^= 1;
        }
        let checksum = crc32c::crc32c(&self.payload).to_string();
        Ok(json!({ "name": name, "payload": { "data": STANDARD.encode(sent), "dataCrc32c": checksum } }))
    }

    pub(super) fn turn(&mut self, state: VersionState, name: &str) -> Result<(), Reply> {
        self.check_state(name, self.state != VersionState::Destroyed)?;
        if state == VersionState::Destroyed {
            self.destroyed = Some(Timestamp::now());
            self.payload.clear();
        }
        (self.state, self.etag) = (state, another_etag());
        Ok(())
    }

    fn check_state(&self, name: &str, is_fit: bool) -> Result<(), Reply> {
        let what = || format!("Secret Version [{name}] is in {} state.", self.state.as_str());
        if is_fit { Ok(()) } else { Err(Reply::error("FAILED_PRECONDITION", &what())) }
    }
}

fn camel_case(path: &str) -> String {
    let mut words = path.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |path, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        path + &head.to_ascii_uppercase() + tail
    })
}

pub(super) fn another_etag() -> u64 {
    fastrand::u64(..)
}

fn shown_etag(etag: u64) -> String {
    format!("\"{etag:014x}\"")
}

/// A write with another etag than the current one is refused: <https://google.aip.dev/154>.
pub(super) fn check_etag(sent: Option<&str>, etag: u64) -> Result<(), Reply> {
    match sent {
        Some(sent) if !sent.is_empty() && sent != shown_etag(etag) => {
            Err(Reply::error("ABORTED", "The etag is not the current one."))
        }
        _ => Ok(()),
    }
}
