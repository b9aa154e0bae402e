//! What a store is: three small traits, and its capabilities as data.

use std::fmt;

use async_trait::async_trait;

use crate::{Error, Result, SecretName, SecretValue, Version};

/// Resolution: the one thing every store can do.
///
/// Implement this for a store of your own only if it needs versions or batches; the hook
/// [`Resolve`](crate::Resolve) is shorter.
#[async_trait]
pub trait SecretResolution: Send + Sync {
    /// Fetches the current value of `name` from the backend.
    ///
    /// - Returns the value, with its version if the backend keeps versions.
    /// - Fails with `NotFound` only if the backend itself says, in its own error shape, that it has no such
    ///   name; an outage, a refusal or a proxy's answer has another kind (see [`ErrorKind`](crate::ErrorKind)).
    /// - Does not cache and does not retry: layers do.
    /// - Dropping the future may leave the backend's call unfinished, and nothing else.
    async fn get(&self, name: &SecretName) -> Result<SecretValue>;

    /// Fetches one version of `name`: a number, an ID or a stage, as the backend writes it.
    ///
    /// Stores without versions return `Unsupported`, the default.
    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        let _ = version;
        Err(Error::unsupported("fetch versions").with_name(name))
    }

    /// Fetches the current values of `names`: as many results, in the same order.
    ///
    /// One name's failure never hides another's value. The default asks for one after another; a store that
    /// says [`Capabilities::batch`] does better.
    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            results.push(self.get(name).await);
        }
        results
    }
}

/// Management: provisioning, for stores that can be written.
#[async_trait]
pub trait SecretManagement: Send + Sync {
    /// Stores or updates a secret.
    ///
    /// - When it returns `Ok`, the value is durable: it survives a crash of this process and of the machine.
    /// - `value.version()` is ignored; `value.expires_at()` is kept where the store can.
    /// - Fails with `Conflict` if another writer got in between and the backend can tell, with `Unsupported`
    ///   if the store's [`Capabilities`] exclude the value; either way nothing was changed.
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()>;

    /// Stores several secrets: as many results, in the same order.
    ///
    /// File stores write all of them at once or none; the default sets one after another.
    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(secrets.len());
        for (name, value) in secrets {
            results.push(self.set(name, value).await);
        }
        results
    }

    /// The names of all secrets, sorted. Names alone: no value is fetched.
    async fn list(&self) -> Result<Vec<SecretName>>;

    /// Removes a secret. Fails with `NotFound` if the store has no such name.
    async fn delete(&self, name: &SecretName) -> Result<()>;
}

/// A store: resolution, and optionally management.
#[async_trait]
pub trait SecretStoreConnector: SecretResolution {
    /// The connector's ID, such as `modelmesh.age-file.v1`.
    fn connector_id(&self) -> &str;

    /// What this store can hold and do.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The writing side, if this store has one.
    fn management(&self) -> Option<&dyn SecretManagement> {
        None
    }

    /// A number that changes when the store's contents may have changed behind our back, if that can be told
    /// without a fetch (a file's identity and times can).
    ///
    /// The engine asks once a second while it holds values of this store ([`Capabilities::watch`] says that it
    /// is worth asking), and drops or refreshes them when the number is another one.
    async fn revision(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// What a store can hold and do, as data: tests and layers select on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about a backend, not a state")]
pub struct Capabilities {
    /// A value may be empty.
    pub empty: bool,
    /// A value may hold the character NUL.
    pub nul: bool,
    /// The longest value, in bytes of UTF-8; none if the backend states no limit.
    pub max_bytes: Option<usize>,
    /// What the backend accepts as a name, beyond the rules of [`SecretName`].
    pub names: NameRule,
    /// A write that would undo another writer's is refused with `Conflict`, or never happens (a lock).
    pub cas: bool,
    /// Older versions can be fetched.
    pub versions: bool,
    /// How many names one backend call can fetch: 1 if the store has no batches.
    pub batch: usize,
    /// [`SecretStoreConnector::revision`] tells of outside changes.
    pub watch: bool,
    /// `expires_at` is kept.
    pub expiry: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities {
            empty: true,
            nul: true,
            max_bytes: None,
            names: NameRule::Any,
            cas: false,
            versions: false,
            batch: 1,
            watch: false,
            expiry: false,
        }
    }
}

impl Capabilities {
    /// `Unsupported` if this store cannot hold `value`, before anything is asked of the backend.
    pub fn check_value(&self, value: &SecretValue) -> Result<()> {
        let text = value.expose();
        if text.is_empty() && !self.empty {
            return Err(Error::unsupported("hold an empty value"));
        }
        if !self.nul && text.contains('\0') {
            return Err(Error::unsupported("hold a value with a NUL character"));
        }
        match self.max_bytes {
            Some(max) if text.len() > max => Err(Error::unsupported("hold a value this long").with_help(
                format!("the value has {} bytes, the longest this store takes has {max}", text.len()),
            )),
            _ => Ok(()),
        }
    }
}

/// What a backend accepts as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameRule {
    /// Whatever [`SecretName`] allows.
    Any,
    /// A name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
    Variable,
    /// A key of a file: `[A-Za-z0-9_.-]+`.
    Key,
    /// Whatever is not empty and holds none of these characters.
    Without(&'static str),
}

impl NameRule {
    /// Whether `name` satisfies the rule.
    pub fn allows(self, name: &SecretName) -> bool {
        let name = name.as_str();
        match self {
            NameRule::Any => true,
            NameRule::Variable => {
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            }
            NameRule::Key => name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)),
            NameRule::Without(refused) => !name.contains(|c| refused.contains(c)),
        }
    }
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameRule::Any => f.write_str("any name"),
            NameRule::Variable => f.write_str("letters, digits and '_', not starting with a digit"),
            NameRule::Key => f.write_str("letters, digits, '_', '.' and '-'"),
            NameRule::Without(refused) => write!(f, "any name without {}", crate::printable(refused)),
        }
    }
}
