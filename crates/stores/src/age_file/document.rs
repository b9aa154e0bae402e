//! The plaintext: `{version, recipients, secrets: {name: {value, version, updated_at, expires_at?}}}`.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretString, SecretValue, printable};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    disk::Document,
    json::{self, Fields, NotThat, SecretText, Unknown},
};

/// The version of the plaintext that this code writes.
const VERSION: u64 = 2;

/// The contents of an age file.
#[derive(Clone, Debug)]
pub struct AgeDocument {
    version: u64,
    /// Whom the file is encrypted to, which its header does not tell; none in a file of another tool.
    pub(super) recipients: Option<Vec<String>>,
    secrets: BTreeMap<String, Entry>,
    /// The highest version that a deleted secret had. A secret made later starts above it, so that one name
    /// never has one version twice.
    version_floor: u64,
    unknown: Unknown,
    /// There is no file yet.
    pub(super) blank: bool,
    /// Whether a passphrase opens the file, by its header.
    pub(super) by_passphrase: bool,
    /// The passphrase that the next write seals with, if it is to be another one.
    pub(super) new_passphrase: Option<SecretString>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: SecretText,
    version: u64,
    updated_at: Option<String>,
    expires_at: Option<Timestamp>,
    unknown: Unknown,
}

impl AgeDocument {
    pub(super) fn blank() -> Self {
        AgeDocument {
            version: VERSION,
            recipients: None,
            secrets: BTreeMap::new(),
            version_floor: 0,
            unknown: Unknown::new(),
            blank: true,
            by_passphrase: false,
            new_passphrase: None,
        }
    }

    /// Reads a plaintext. Fails with `Malformed`; the message completes "'path' …".
    pub(super) fn parse(plaintext: &[u8], by_passphrase: bool) -> Result<Self> {
        let foreign = |_| {
            Error::new(ErrorKind::Malformed, "is an age file, but holds no secrets of ModelMesh")
                .with_help("check the path, or give another one to start a new file")
        };
        let mut fields: Fields<'_> = json::parse(plaintext).map_err(foreign)?;
        let version: u64 =
            json::take(&mut fields, "version").and_then(|version| version.ok_or(NotThat)).map_err(foreign)?;
        let recipients = json::take(&mut fields, "recipients").map_err(foreign)?;
        let version_floor = json::take(&mut fields, "version_floor").map_err(foreign)?.unwrap_or(0);
        let entries: BTreeMap<String, &RawValue> =
            json::take(&mut fields, "secrets").and_then(|secrets| secrets.ok_or(NotThat)).map_err(foreign)?;
        let mut secrets = BTreeMap::new();
        for (name, raw) in entries {
            let entry = Entry::parse(raw).map_err(|field| broken_entry(&name, field))?;
            secrets.insert(name, entry);
        }
        let unknown = json::unknown(fields);
        Ok(AgeDocument {
            version,
            recipients,
            secrets,
            version_floor,
            unknown,
            blank: false,
            by_passphrase,
            new_passphrase: None,
        })
    }

    /// The plaintext of this document.
    pub(super) fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        json::write(self)
    }

    /// Fails with `Unsupported` if the plaintext is of another version.
    pub(super) fn check_version(&self) -> Result<()> {
        if self.version == VERSION {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the file has version {}, and this program writes version {VERSION}", self.version),
        )
        .with_help("the file was left as it is; write it with the program that made it"))
    }
}

fn broken_entry(name: &str, field: &'static str) -> Error {
    let mut message = String::from("holds a secret that cannot be read: ");
    let _ = write!(message, "field '{field}' of '{}'", printable(name));
    Error::new(ErrorKind::Malformed, message)
        .with_help("correct it with 'age', or restore the file from a copy")
}

impl Entry {
    /// Fails with the name of the field that is wrong.
    fn parse(raw: &RawValue) -> Result<Self, &'static str> {
        let mut fields: Fields<'_> = json::parse(raw.get().as_bytes()).map_err(|_| "(all)")?;
        let value = json::take(&mut fields, "value").ok().flatten().ok_or("value")?;
        // Entries that a person adds with other tools have a value alone.
        let version = json::take(&mut fields, "version").map_err(|_| "version")?.unwrap_or(1);
        let updated_at = json::take(&mut fields, "updated_at").map_err(|_| "updated_at")?;
        let expires_at: Option<String> = json::take(&mut fields, "expires_at").map_err(|_| "expires_at")?;
        let expires_at = expires_at.map(|text| text.parse()).transpose().map_err(|_| "expires_at")?;
        Ok(Entry { value, version, updated_at, expires_at, unknown: json::unknown(fields) })
    }
}

impl Serialize for AgeDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &self.version)?;
        if let Some(recipients) = &self.recipients {
            map.serialize_entry("recipients", recipients)?;
        }
        if self.version_floor > 0 {
            map.serialize_entry("version_floor", &self.version_floor)?;
        }
        map.serialize_entry("secrets", &self.secrets)?;
        for (key, value) in &self.unknown {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &self.value)?;
        map.serialize_entry("version", &self.version)?;
        if let Some(updated_at) = &self.updated_at {
            map.serialize_entry("updated_at", updated_at)?;
        }
        if let Some(expires_at) = &self.expires_at {
            map.serialize_entry("expires_at", &expires_at.to_string())?;
        }
        for (key, value) in &self.unknown {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Document for AgeDocument {
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>> {
        let entry = self.secrets.get(name.as_str())?;
        let value = SecretValue::new(entry.value.0.clone()).with_version(entry.version);
        Some(Ok(match entry.expires_at {
            Some(at) => value.with_expires_at(at),
            None => value,
        }))
    }

    fn names(&self) -> Vec<&str> {
        self.secrets.keys().map(String::as_str).collect()
    }

    fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    fn check_writable(&self) -> Result<()> {
        self.check_version()?;
        if self.recipients.is_none() && !self.blank {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "another tool made this file, so whom it is encrypted to is not known",
            )
            .with_help("run 'modelmesh secrets rekey' once, which asks for its recipients"));
        }
        Ok(())
    }

    fn set(&mut self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let text = SecretText(value.secret().clone());
        let updated_at = Some(format!("{:.0}", Timestamp::now()));
        let expires_at = value.expires_at();
        if let Some(entry) = self.secrets.get_mut(name.as_str()) {
            entry.value = text;
            entry.version = entry.version.saturating_add(1);
            entry.updated_at = updated_at;
            entry.expires_at = expires_at;
        } else {
            let version = self.version_floor.saturating_add(1);
            let unknown = Unknown::new();
            let entry = Entry { value: text, version, updated_at, expires_at, unknown };
            self.secrets.insert(name.as_str().to_owned(), entry);
        }
        Ok(())
    }

    fn remove(&mut self, name: &SecretName) -> Result<bool> {
        let removed = self.secrets.remove(name.as_str());
        if let Some(entry) = &removed {
            self.version_floor = self.version_floor.max(entry.version);
        }
        Ok(removed.is_some())
    }
}
