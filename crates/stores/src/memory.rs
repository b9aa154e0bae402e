//! `modelmesh.memory-secrets.v1`: secrets that the caller has in hand, in memory alone.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait, printable,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};

use crate::connector::{Connector, OpenContext};

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        "modelmesh.memory-secrets.v1",
        "secrets in memory, gone with the process: for tests, and for keys that the program was given",
    )
    .writable()
    .with_batch(WHOLE_STORE)
    .with_settings(&[Setting::new(
        "secrets",
        SettingKind::SecretMap,
        "the secrets to start with: a mapping of names to values",
    )]),
    open,
};

fn open(settings: &Settings, _: &OpenContext) -> Result<Arc<dyn SecretStoreConnector>> {
    let mut secrets = Vec::new();
    for (name, value) in settings.secret_map("secrets").into_iter().flatten() {
        let name = SecretName::new(name).map_err(|error| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("'secrets' holds the name '{}': {}", printable(name), error.message()),
            )
        })?;
        secrets.push((name, SecretValue::new(value.clone())));
    }
    Ok(Arc::new(MemoryStore::new(secrets)))
}

/// Secrets in memory. Clones share them.
///
/// Every value has a version: one count of the writes to the whole store, so that a secret that was deleted
/// and set again has a higher version than before.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<RwLock<Secrets>>);

#[derive(Default)]
struct Secrets {
    values: BTreeMap<SecretName, SecretValue>,
    writes: u64,
}

impl Secrets {
    fn set(&mut self, name: &SecretName, value: &SecretValue) {
        self.writes += 1;
        self.values.insert(name.clone(), value.clone().with_version(self.writes));
    }
}

impl MemoryStore {
    /// A store that holds `secrets`. Their own versions are not kept.
    pub fn new(secrets: impl IntoIterator<Item = (SecretName, SecretValue)>) -> Self {
        let mut held = Secrets::default();
        for (name, value) in secrets {
            held.set(&name, &value);
        }
        MemoryStore(Arc::new(RwLock::new(held)))
    }

    // Every change under the lock is one insertion or one removal, so a panic leaves nothing half done.
    fn read(&self) -> RwLockReadGuard<'_, Secrets> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Secrets> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the names alone.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().values.keys()).finish()
    }
}

#[async_trait]
impl SecretResolution for MemoryStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.read().values.get(name).cloned().ok_or_else(|| Error::not_found(name.as_str()))
    }

    /// All of them at one instant.
    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let secrets = self.read();
        let get = |name: &SecretName| secrets.values.get(name).cloned();
        names.iter().map(|name| get(name).ok_or_else(|| Error::not_found(name.as_str()))).collect()
    }
}

#[async_trait]
impl SecretManagement for MemoryStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write().set(name, value);
        Ok(())
    }

    /// All of them at one instant.
    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let mut held = self.write();
        for (name, value) in secrets {
            held.set(name, value);
        }
        secrets.iter().map(|_| Ok(())).collect()
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        Ok(self.read().values.keys().cloned().collect())
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let mut held = self.write();
        match held.values.entry(name.clone()) {
            Entry::Occupied(entry) => _ = entry.remove(),
            Entry::Vacant(_) => return Err(Error::not_found(name.as_str())),
        }
        held.writes += 1;
        Ok(())
    }
}

#[async_trait]
impl SecretStoreConnector for MemoryStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.cas = true;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities.watch = true;
        capabilities.expiry = true;
        capabilities.durable = false;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    /// The count of writes: a clone of this store may write too.
    async fn revision(&self) -> Result<Option<u64>> {
        Ok(Some(self.read().writes))
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{Change, setting::SettingValue};

    use super::*;

    fn name(name: &str) -> SecretName {
        SecretName::new(name).unwrap()
    }

    async fn version(store: &MemoryStore, secret: &str) -> u64 {
        store.get(&name(secret)).await.unwrap().version().unwrap().as_str().parse().unwrap()
    }

    #[tokio::test]
    async fn secrets_of_the_settings_are_there_from_the_start() {
        let secrets = BTreeMap::from([("openai-key".to_owned(), "sk-1".into())]);
        let settings = Settings::default().with("secrets", SettingValue::SecretMap(secrets));
        let store = (CONNECTOR.open)(&settings, &OpenContext::default()).unwrap();
        assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-1");
    }

    #[test]
    fn a_setting_that_is_no_name_is_said_to_be_one() {
        let secrets = BTreeMap::from([("../x".to_owned(), "canary".into())]);
        let settings = Settings::default().with("secrets", SettingValue::SecretMap(secrets));
        let error = (CONNECTOR.open)(&settings, &OpenContext::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("../x"), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn a_version_is_never_given_twice() {
        let store = MemoryStore::default();
        store.set(&name("a"), &"1".into()).await.unwrap();
        let first = version(&store, "a").await;
        store.set(&name("a"), &"2".into()).await.unwrap();
        let second = version(&store, "a").await;
        assert!(second > first);
        store.delete(&name("a")).await.unwrap();
        store.set(&name("a"), &"3".into()).await.unwrap();
        assert!(version(&store, "a").await > second);
    }

    #[tokio::test]
    async fn names_are_listed_sorted_and_deleted_once() {
        let store = MemoryStore::new([(name("b"), "2".into()), (name("a"), "1".into())]);
        assert_eq!(store.list().await.unwrap(), [name("a"), name("b")]);
        store.delete(&name("a")).await.unwrap();
        assert_eq!(store.delete(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.list().await.unwrap(), [name("b")]);
    }

    #[tokio::test]
    async fn a_change_through_a_clone_shows_in_the_revision() {
        let store = MemoryStore::default();
        let before = store.revision().await.unwrap();
        store.clone().set(&name("a"), &"1".into()).await.unwrap();
        assert_ne!(store.revision().await.unwrap(), before);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn writers_at_once_lose_nothing() {
        let store = MemoryStore::default();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for i in 0..100 {
                        store.set(&name(&format!("{writer}-{i}")), &"x".into()).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(store.list().await.unwrap().len(), 800);
        assert_eq!(store.revision().await.unwrap(), Some(800));
    }

    #[test]
    fn debug_shows_no_value() {
        let store = MemoryStore::new([(name("a"), "canary".into())]);
        assert_eq!(format!("{store:?}"), "{\"a\"}");
    }

    #[tokio::test]
    async fn an_exchange_is_made_only_if_everything_is_as_it_was_seen() {
        let store = MemoryStore::new([(name("a"), "1".into()), (name("b"), "2".into())]);
        let change = |secret: &str, before: Option<&str>, after: Option<&str>| {
            let value = |text: &str| SecretValue::from(text);
            Change { name: name(secret), before: before.map(value), after: after.map(value) }
        };
        let stale = [change("a", Some("1"), None), change("b", Some("0"), Some("3"))];
        let kinds: Vec<_> =
            store.exchange(&stale).await.into_iter().map(|result| result.unwrap_err().kind()).collect();
        assert_eq!(kinds, [ErrorKind::Conflict, ErrorKind::Conflict]);
        assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");

        let fresh = [change("a", Some("1"), None), change("c", None, Some("3"))];
        assert!(store.exchange(&fresh).await.iter().all(Result::is_ok));
        assert_eq!(store.list().await.unwrap(), [name("b"), name("c")]);
    }

    #[tokio::test]
    async fn under_a_naming_rule_an_exchange_is_of_the_backends_names() {
        let inner = MemoryStore::new([(name("A_KEY"), "1".into())]);
        let naming = modelmesh_secrets::Naming::new("", modelmesh_secrets::NamingRule::ScreamingSnake);
        let store = modelmesh_secrets::NamedStore::wrap(Arc::new(inner.clone()), naming);
        let change = |before: &str| Change {
            name: name("a-key"),
            before: Some(before.into()),
            after: Some("2".into()),
        };
        let error = store.exchange(&[change("0")]).await.remove(0).unwrap_err();
        assert_eq!((error.kind(), error.name()), (ErrorKind::Conflict, Some("a-key")));
        store.exchange(&[change("1")]).await.remove(0).unwrap();
        assert_eq!(inner.get(&name("A_KEY")).await.unwrap().expose(), "2");
        assert_eq!(store.stored(&[name("a-key")]).await.remove(0).unwrap().expose(), "2");
    }
}
