//! Changes that stay in memory until they are saved, over the store that is to keep them.
//!
//! For programs that set several secrets and then save all of them at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use arc_swap::ArcSwap;
use modelmesh_secrets::{
    Capabilities, Change, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
};

/// How often a save starts again, because somebody else changed a secret in between.
const TRIES: usize = 5;

/// What was changed and not saved. Clones share it, so that it can outlive the store.
///
/// Behind no lock: one that another thread holds while the process forks stays held in the child.
#[derive(Clone, Default)]
pub struct UnsavedChanges(Arc<ArcSwap<BTreeMap<SecretName, Unsaved>>>);

/// What is to become of a secret.
#[derive(Clone)]
enum Unsaved {
    Set(SecretValue),
    Deleted,
}

impl Unsaved {
    fn value(&self) -> Option<&SecretValue> {
        match self {
            Unsaved::Set(value) => Some(value),
            Unsaved::Deleted => None,
        }
    }

    fn is_same(&self, other: &Unsaved) -> bool {
        match (self.value(), other.value()) {
            (Some(value), Some(other)) => value.same_value(other),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Shows the names alone.
impl fmt::Debug for UnsavedChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.load().keys()).finish()
    }
}

impl UnsavedChanges {
    fn change(&self, change: impl Fn(&mut BTreeMap<SecretName, Unsaved>)) {
        self.0.rcu(|changes| {
            let mut changes = BTreeMap::clone(changes);
            change(&mut changes);
            changes
        });
    }

    fn of(&self, name: &SecretName) -> Option<Unsaved> {
        self.0.load().get(name).cloned()
    }
}

/// A store whose writes stay in memory until they are [saved](UnsavedStore::save).
///
/// What was changed is what this store's own readers get; everybody else sees it when it is saved.
#[derive(Clone, Debug)]
pub struct UnsavedStore {
    kept: Arc<dyn SecretStoreConnector>,
    changes: UnsavedChanges,
}

impl UnsavedStore {
    /// A store over `kept`, with `changes` that were made before.
    pub fn new(kept: Arc<dyn SecretStoreConnector>, changes: UnsavedChanges) -> Self {
        UnsavedStore { kept, changes }
    }

    /// Writes every change, all of them at once where the store can: a file is replaced once.
    ///
    /// What others wrote meanwhile stays, but for the secrets that were changed here. A file that is not there is made,
    /// even if nothing was changed. Fails as a write of the store does; then nothing is forgotten, and it can be tried
    /// again.
    pub async fn save(&self) -> Result<()> {
        let wanted = self.changes.0.load_full();
        let mut names: Vec<SecretName> = wanted.keys().cloned().collect();
        if names.is_empty() {
            // Some secret, which becomes what it is.
            names.push(SecretName::new("modelmesh")?);
        }
        let mut outcome = Ok(());
        for _ in 0..TRIES {
            outcome = self.exchange_all(&names, &wanted).await;
            match &outcome {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                _ => break,
            }
        }
        outcome?;
        // What was changed once more meanwhile is to be saved next time.
        self.changes.change(|changes| {
            changes.retain(|name, now| !wanted.get(name).is_some_and(|saved| saved.is_same(now)));
        });
        Ok(())
    }

    async fn exchange_all(&self, names: &[SecretName], wanted: &BTreeMap<SecretName, Unsaved>) -> Result<()> {
        let stored = self.kept.stored(names).await;
        let mut changes = Vec::with_capacity(names.len());
        for (name, stored) in names.iter().zip(stored) {
            let before = match stored {
                Ok(value) => Some(value),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let after = match wanted.get(name) {
                Some(unsaved) => unsaved.value().cloned(),
                None => before.clone(),
            };
            changes.push(Change { name: name.clone(), before, after });
        }
        self.kept.exchange(&changes).await.into_iter().collect()
    }
}

#[async_trait]
impl SecretResolution for UnsavedStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        match self.changes.of(name) {
            Some(Unsaved::Set(value)) => Ok(value),
            Some(Unsaved::Deleted) => Err(Error::not_found(name.as_str())),
            None => self.kept.get(name).await,
        }
    }
}

#[async_trait]
impl SecretManagement for UnsavedStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.kept.capabilities().check_value(value).map_err(|error| error.with_name(name))?;
        self.changes.change(|changes| {
            changes.insert(name.clone(), Unsaved::Set(value.clone()));
        });
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let management = self.kept.management().ok_or_else(|| Error::unsupported("list its secrets"))?;
        let mut names: BTreeSet<SecretName> = management.list().await?.into_iter().collect();
        for (name, changed) in &**self.changes.0.load() {
            if changed.value().is_some() {
                names.insert(name.clone());
            } else {
                names.remove(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.get(name).await?;
        self.changes.change(|changes| {
            changes.insert(name.clone(), Unsaved::Deleted);
        });
        Ok(())
    }
}

#[async_trait]
impl SecretStoreConnector for UnsavedStore {
    fn connector_id(&self) -> &str {
        self.kept.connector_id()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.kept.capabilities();
        capabilities.batch = 1;
        capabilities.durable = false;
        capabilities.cas = false;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.kept.revision().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    fn name(name: &str) -> SecretName {
        SecretName::new(name).unwrap()
    }

    async fn seen(store: &dyn SecretStoreConnector, of: &str) -> Option<String> {
        store.get(&name(of)).await.ok().map(|value| value.expose().to_owned())
    }

    fn over(kept: &MemoryStore) -> UnsavedStore {
        UnsavedStore::new(Arc::new(kept.clone()), UnsavedChanges::default())
    }

    #[tokio::test]
    async fn changes_are_seen_here_at_once_and_there_when_they_are_saved() {
        let kept = MemoryStore::new([(name("a"), "1".into()), (name("b"), "2".into())]);
        let store = over(&kept);
        store.set(&name("a"), &"new".into()).await.unwrap();
        store.set(&name("c"), &"3".into()).await.unwrap();
        store.delete(&name("b")).await.unwrap();
        assert_eq!(seen(&store, "a").await.as_deref(), Some("new"));
        assert_eq!(seen(&store, "b").await, None);
        assert_eq!(store.list().await.unwrap(), [name("a"), name("c")]);
        assert_eq!(seen(&kept, "a").await.as_deref(), Some("1"));
        assert_eq!(seen(&kept, "b").await.as_deref(), Some("2"));
        assert_eq!(seen(&kept, "c").await, None);

        kept.set(&name("theirs"), &"x".into()).await.unwrap();
        store.save().await.unwrap();
        assert_eq!(kept.list().await.unwrap(), [name("a"), name("c"), name("theirs")]);
        assert_eq!(seen(&kept, "a").await.as_deref(), Some("new"));

        kept.set(&name("a"), &"newer".into()).await.unwrap();
        assert_eq!(
            seen(&store, "a").await.as_deref(),
            Some("newer"),
            "what was saved is not held back any more"
        );
    }

    #[tokio::test]
    async fn what_is_not_there_cannot_be_deleted() {
        let store = over(&MemoryStore::default());
        assert_eq!(store.delete(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        store.set(&name("a"), &"1".into()).await.unwrap();
        store.delete(&name("a")).await.unwrap();
        assert_eq!(store.delete(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        store.save().await.unwrap();
        assert_eq!(store.list().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_save_of_nothing_changes_nothing() {
        let kept = MemoryStore::new([(name("modelmesh"), "1".into())]);
        over(&kept).save().await.unwrap();
        assert_eq!(seen(&kept, "modelmesh").await.as_deref(), Some("1"));
        let kept = MemoryStore::default();
        over(&kept).save().await.unwrap();
        assert_eq!(kept.list().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_store_that_refuses_keeps_nothing_back_for_good() {
        let store = UnsavedStore::new(
            Arc::new(crate::env::EnvStore::new(Arc::new(crate::environment::FixedEnvironment::default()))),
            UnsavedChanges::default(),
        );
        store.set(&name("a"), &"canary".into()).await.unwrap();
        assert_eq!(store.save().await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(seen(&store, "a").await.as_deref(), Some("canary"));
        assert!(!format!("{store:?}").contains("canary"));
    }
}
