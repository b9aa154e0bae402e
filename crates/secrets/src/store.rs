//! What a store is: three small traits, and its capabilities as data.

use std::fmt;

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result, SecretName, SecretValue, Version};

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
    /// says [`Capabilities::batch`] does better. If it finds that it cannot answer several at once after all, it
    /// returns `Unsupported` for each, and the guard asks one by one.
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
///
/// `Debug` shows no value and no credential: it ends up in logs.
#[async_trait]
pub trait SecretStoreConnector: SecretResolution + fmt::Debug {
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

    /// What the store itself holds under `names`: what a write would replace. As many results, in the same
    /// order.
    ///
    /// It is what `get` returns, except in a store that also reads elsewhere (dotenv and the environment).
    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.get_many(names).await
    }

    /// Changes several secrets, if the store still holds what the caller saw: as many results, in the order of
    /// `changes`, which are of different names.
    ///
    /// - A secret that is another one by now is `Conflict`, and stays as it is. The error names it, and is the
    ///   result of the changes that were not made because of it, too.
    /// - File stores make all of the changes in one write, or none. The default compares all first and makes
    ///   none if one differs, then makes one after another: a writer that comes in between is not noticed.
    /// - A store that cannot be written returns `Unsupported` for each.
    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        let Some(management) = self.management() else {
            let refused = |change: &Change| Err(Error::unsupported("be written").with_name(&change.name));
            return changes.iter().map(refused).collect();
        };
        let names: Vec<SecretName> = changes.iter().map(|change| change.name.clone()).collect();
        let stored = self.stored(&names).await;
        let compared: Vec<Result<()>> =
            stored.into_iter().zip(changes).map(|(now, change)| change.check(now)).collect();
        if let Some(refused) = compared.iter().find_map(|check| check.as_ref().err()) {
            let refused = refused.clone();
            return compared.into_iter().map(|check| check.and(Err(refused.clone()))).collect();
        }
        let mut results = Vec::with_capacity(changes.len());
        for Change { name, before, after } in changes {
            results.push(match (before, after) {
                (_, Some(value)) => management.set(name, value).await,
                (Some(_), None) => management.delete(name).await,
                (None, None) => Ok(()),
            });
        }
        results
    }

    /// A number that changes when the store's contents may have changed behind our back, if that can be told
    /// without a fetch (a file's identity and times can).
    ///
    /// The engine asks once a second while it holds values of this store ([`Capabilities::watch`] says that it
    /// is worth asking), and refreshes them when the number is another one.
    async fn revision(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// One change of a secret, by somebody who knows what it was: see [`SecretStoreConnector::exchange`].
#[derive(Clone, Debug)]
pub struct Change {
    /// The secret.
    pub name: SecretName,
    /// What the caller saw; none if there was no such secret.
    pub before: Option<SecretValue>,
    /// What it is to become; none to remove it.
    pub after: Option<SecretValue>,
}

impl Change {
    /// `Conflict` if what the store holds now is not what the caller saw; `now`'s own error if it has one.
    pub fn check(&self, now: Result<SecretValue>) -> Result<()> {
        let unchanged = match (now, &self.before) {
            (Ok(now), Some(before)) => now.same_value(before),
            (Err(error), None) if error.kind() == ErrorKind::NotFound => true,
            (Err(error), _) if error.kind() != ErrorKind::NotFound => return Err(error.with_name(&self.name)),
            _ => false,
        };
        if unchanged {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "somebody else changed it meanwhile").with_name(&self.name))
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
    /// Versions are whole numbers, and a later one is higher: an answer with a lower one than was seen before is
    /// old, from a replica that lags behind.
    pub ordered_versions: bool,
    /// How many names one backend call can fetch: 1 if the store has no batches. It may become smaller when a store
    /// finds that it may not ask for so many.
    pub batch: usize,
    /// [`SecretStoreConnector::revision`] tells of outside changes.
    pub watch: bool,
    /// `expires_at` is kept.
    pub expiry: bool,
    /// A write outlives the process.
    pub durable: bool,
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
            ordered_versions: false,
            batch: 1,
            watch: false,
            expiry: false,
            durable: true,
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
    /// ASCII letters, digits and these characters.
    Only(&'static str),
    /// Characters that can be seen, and the plain space: no other space, and nothing that only formats.
    Printable,
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
            NameRule::Only(more) => name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c)),
            NameRule::Printable => name.chars().all(is_printable),
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
            NameRule::Only(more) => write!(f, "ASCII letters, digits and {}", crate::printable(more)),
            NameRule::Printable => f.write_str("printable characters and plain spaces"),
        }
    }
}

/// Whether `c` is of Unicode's letters, marks, numbers, punctuation or symbols, or the plain space.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_control();
    }
    // The standard library knows, and tells by what it escapes. A mark is escaped where it has nothing to stand on.
    let text: String = ['a', c].into_iter().collect();
    text.escape_debug().eq(text.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_printable() {
        let allows = |name: &str| NameRule::Printable.allows(&SecretName::new(name).unwrap());
        for name in ["a b", "cle\u{301}", "\u{1f511}", "\u{43a}\u{43b}", "a\"b'c`d\\e", "%2e%2e", "\u{301}"] {
            assert!(allows(name), "{name:?}");
        }
        for name in
            ["a\u{a0}b", "\u{202e}a", "\u{ad}", "\u{200b}", "\u{feff}", "\u{2028}", "\u{3000}", "\u{e000}"]
        {
            assert!(!allows(name), "{name:?}");
        }
    }
}
