//! What a path of a key/value engine holds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use modelmesh_secrets::{Result, SecretValue};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{failure, field::FieldRule, place::Kv};
use crate::{
    json::{self, Fields},
    network::{Answer, malformed},
};

/// What is under a path, as the answer to a read has it.
#[derive(Debug)]
pub(super) enum Held<'a> {
    Nothing,
    /// The version was deleted or destroyed; its number.
    Deleted(u64),
    Document(Document<'a>),
}

/// A document: fields, of which one is the secret, or all.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// As the server wrote it.
    pub(super) text: &'a RawValue,
    pub(super) fields: Fields<'a>,
    /// None in version 1 of the engine.
    version: Option<u64>,
    expires_at: Option<Timestamp>,
}

/// What every answer with data has.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: i64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// `data`, in version 2 of the engine.
#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// None in a document of version 1 that has a field of that name.
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    /// When the version was deleted, or will be; empty if never.
    #[serde(default)]
    deletion_time: String,
}

impl<'a> Held<'a> {
    /// Reads the answer to a read: a success, or a 404.
    pub(super) fn of(answer: &'a Answer, kv: Kv) -> Result<Self> {
        let unreadable = |_| malformed("is not what the store sends");
        if failure::is_nothing(answer) {
            return Ok(Held::Nothing);
        }
        let is_missing = answer.status == StatusCode::NOT_FOUND;
        if is_missing && failure::is_its_own(answer) {
            return Err(failure::no_mount());
        }
        let reply = json::parse::<Reply<'_>>(&answer.body);
        if is_missing && reply.is_err() {
            return Err(failure::of(answer));
        }
        let reply = reply.map_err(unreadable)?;
        // An engine that is asked by the paths of the other version says so in a 404 with a warning.
        let Some(data) = reply.data else {
            return Err(if is_missing { failure::wrong_version() } else { malformed("has no data") });
        };
        match kv {
            Kv::V1 => {
                let fields = json::parse(data.get().as_bytes()).map_err(unreadable)?;
                Ok(Held::Document(Document {
                    text: data,
                    fields,
                    version: None,
                    expires_at: reply.lease_end(),
                }))
            }
            Kv::V2 => {
                let versioned: Versioned<'_> = json::parse(data.get().as_bytes()).map_err(unreadable)?;
                let Metadata { version, deletion_time } =
                    versioned.metadata.ok_or_else(failure::wrong_version)?;
                let Some(text) = versioned.data.filter(|_| !is_missing) else {
                    return Ok(Held::Deleted(version));
                };
                let fields = json::parse(text.get().as_bytes()).map_err(unreadable)?;
                // Of a version that is there, it lies ahead: 'delete_version_after' has set it.
                let expires_at = deletion_time.parse().ok();
                Ok(Held::Document(Document { text, fields, version: Some(version), expires_at }))
            }
        }
    }

    /// The version that a write must find there, for it to be ours alone: 0 where there is none.
    pub(super) fn version(&self) -> u64 {
        match self {
            Held::Nothing => 0,
            Held::Deleted(version) => *version,
            Held::Document(document) => document.version.unwrap_or_default(),
        }
    }

    /// The secret. `NotFound` if nothing is there, `Disabled` if it was deleted, and what [`FieldRule::read`] says.
    pub(super) fn value(&self, field: &FieldRule) -> Result<SecretValue> {
        let document = match self {
            Held::Nothing => return Err(failure::not_found()),
            Held::Deleted(_) => return Err(failure::disabled()),
            Held::Document(document) => document,
        };
        let mut value = SecretValue::new(field.read(document)?);
        if let Some(version) = document.version {
            value = value.with_version(version);
        }
        if let Some(at) = document.expires_at {
            value = value.with_expires_at(at);
        }
        Ok(value)
    }
}

impl Reply<'_> {
    /// The end of the lease. Without an ID there is none: a duration alone is a hint of when to look again.
    fn lease_end(&self) -> Option<Timestamp> {
        let is_lease = !self.lease_id.is_empty() && self.lease_duration > 0;
        is_lease
            .then(|| Timestamp::now().checked_add(SignedDuration::from_secs(self.lease_duration)).ok())
            .flatten()
    }
}

/// Checks that a successful write was one: an answer of something in between confirms nothing.
///
/// - `Malformed` if it is not Vault that answers. Then nobody knows whether it was written.
/// - `InvalidConfig` if the write is of version 2 of the engine and the answer is not: version 1 takes the same request
///   for a document of its own.
pub(super) fn check_written(answer: &Answer, kv: Kv) -> Result<()> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(rename = "data")]
        _data: Metadata,
    }
    if kv == Kv::V2 && answer.json::<Written>().is_ok() {
        return Ok(());
    }
    check_done(answer)?;
    if kv == Kv::V2 { Err(failure::wrong_version()) } else { Ok(()) }
}

/// Checks that it is Vault that says that something is done: it says nothing at all (204), or more than that.
pub(super) fn check_done(answer: &Answer) -> Result<()> {
    if answer.status == StatusCode::NO_CONTENT || failure::is_of_vault(answer) {
        Ok(())
    } else {
        Err(malformed("is not what the store says when something is written or removed"))
    }
}

/// The version of the engine that is mounted at `mount`, of the answer that tells it.
pub(super) fn engine(answer: &Answer, mount: &str) -> Result<Kv> {
    #[derive(Deserialize)]
    struct Told {
        data: Mounted,
    }
    #[derive(Deserialize)]
    struct Mounted {
        #[serde(rename = "type")]
        kind: String,
        path: String,
        options: Option<BTreeMap<String, String>>,
    }
    let Told { data: Mounted { kind, path, options } } = answer.json()?;
    if path.trim_matches('/') != mount {
        return Err(failure::below_mount());
    }
    match (kind.as_str(), options.as_ref().and_then(|options| options.get("version")).map(String::as_str)) {
        ("kv" | "generic", Some("2")) => Ok(Kv::V2),
        ("kv" | "generic", _) => Ok(Kv::V1),
        _ => Err(failure::other_engine()),
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;

    use super::{super::failure::tests::answer, *};

    fn value(status: u16, body: &str, kv: Kv) -> Result<SecretValue> {
        let answer = answer(status, body);
        Held::of(&answer, kv)?.value(&FieldRule::parse(None).unwrap())
    }

    #[test]
    fn a_document_has_its_version_and_its_end() {
        let body = r#"{"lease_id":"","lease_duration":0,"data":{"data":{"value":"x"},
            "metadata":{"version":7,"deletion_time":"2100-01-01T00:00:00.5Z","destroyed":false}}}"#;
        let read = value(200, body, Kv::V2).unwrap();
        assert_eq!((read.expose(), read.version().unwrap().as_str()), ("x", "7"));
        assert_eq!(read.expires_at(), Some("2100-01-01T00:00:00.5Z".parse().unwrap()));
    }

    #[test]
    fn a_duration_is_an_end_only_with_a_lease() {
        let body =
            |lease: &str| format!(r#"{{"lease_id":"{lease}","lease_duration":60,"data":{{"value":"x"}}}}"#);
        assert_eq!(value(200, &body(""), Kv::V1).unwrap().expires_at(), None);
        assert!(value(200, &body("a/b"), Kv::V1).unwrap().expires_at().is_some());
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        let deleted =
            r#"{"data":{"data":null,"metadata":{"version":1,"deletion_time":"2026-01-01T00:00:00Z"}}}"#;
        for (body, kind) in [
            (r#"{"errors":[]}"#, ErrorKind::NotFound),
            (deleted, ErrorKind::Disabled),
            (r#"{"errors":["no handler for route"]}"#, ErrorKind::InvalidConfig),
            (
                r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#,
                ErrorKind::InvalidConfig,
            ),
            ("not found", ErrorKind::Unavailable),
            ("[]", ErrorKind::Unavailable),
        ] {
            assert_eq!(value(404, body, Kv::V2).unwrap_err().kind(), kind, "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_none_is_malformed_and_shows_nothing() {
        for (body, kind) in [
            ("canary", ErrorKind::Malformed),
            ("{}", ErrorKind::Malformed),
            (r#"{"data":"canary"}"#, ErrorKind::Malformed),
            // A document of version 1 that has such a field.
            (r#"{"data":{"data":{"value":"canary"}}}"#, ErrorKind::InvalidConfig),
        ] {
            let error = value(200, body, Kv::V2).unwrap_err();
            assert_eq!(error.kind(), kind, "{body}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_write_is_confirmed_by_vault_alone() {
        let written = r#"{"request_id":"1","data":{"version":3}}"#;
        let warned = r#"{"request_id":"1","data":null,"warnings":["…"]}"#;
        for (status, body, one, two) in [
            (204, "", None, Some(ErrorKind::InvalidConfig)),
            (200, warned, None, Some(ErrorKind::InvalidConfig)),
            (200, written, None, None),
            (200, "", Some(ErrorKind::Malformed), Some(ErrorKind::Malformed)),
            (200, "<html></html>", Some(ErrorKind::Malformed), Some(ErrorKind::Malformed)),
            (200, "{}", Some(ErrorKind::Malformed), Some(ErrorKind::Malformed)),
        ] {
            let refused = |kv| check_written(&answer(status, body), kv).err().map(|error| error.kind());
            assert_eq!((refused(Kv::V1), refused(Kv::V2)), (one, two), "{status} {body}");
        }
    }

    #[test]
    fn the_mount_tells_its_engine() {
        let told = |kind: &str, options: &str| {
            let body = format!(r#"{{"data":{{"type":"{kind}","path":"team/kv/","options":{options}}}}}"#);
            engine(&answer(200, &body), "team/kv")
        };
        assert_eq!(told("kv", r#"{"version":"2"}"#).unwrap(), Kv::V2);
        assert_eq!(told("kv", r#"{"version":"1"}"#).unwrap(), Kv::V1);
        assert_eq!(told("kv", "null").unwrap(), Kv::V1);
        assert_eq!(told("database", "null").unwrap_err().kind(), ErrorKind::InvalidConfig);
        let deeper = answer(200, r#"{"data":{"type":"kv","path":"team/","options":null}}"#);
        assert_eq!(engine(&deeper, "team/kv").unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
