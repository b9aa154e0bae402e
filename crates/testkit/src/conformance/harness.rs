//! What a case works with: fresh stores, fitting names, and values that can be searched for.

use std::sync::Arc;

use modelmesh_secrets::{
    Capabilities, ErrorKind, SecretManagement, SecretName, SecretStoreConnector, SecretValue,
};

use super::{
    BackendRules, CaseFailure, Need, Staged, StoreFactory,
    observed::Observed,
    witness::{Channel, Witness},
};

/// A store under test.
pub(super) type Store = Arc<dyn SecretStoreConnector>;

/// Gives a case its stores, names and values.
#[allow(missing_debug_implementations, reason = "a factory need not have Debug")]
pub struct Harness<'f> {
    factory: &'f dyn StoreFactory,
    witness: Arc<Witness>,
    capabilities: Capabilities,
    managed: bool,
    reopens: bool,
}

impl<'f> Harness<'f> {
    pub(super) async fn new(factory: &'f dyn StoreFactory, witness: Arc<Witness>) -> Self {
        let store = factory.empty().await;
        let reopens = factory.reopen().await.is_some();
        let (capabilities, managed) = (store.capabilities(), store.management().is_some());
        Harness { factory, witness, capabilities, managed, reopens }
    }

    pub(super) fn factory(&self) -> &dyn StoreFactory {
        self.factory
    }

    pub(super) fn witness(&self) -> &Witness {
        &self.witness
    }

    pub(super) fn has(&self, need: Need) -> bool {
        match need {
            Need::Management => self.managed,
            Need::Reopen => self.reopens,
        }
    }

    /// What the stores say they can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// What the factory says about the backend.
    pub fn rules(&self) -> BackendRules {
        self.factory.rules()
    }

    /// A fresh store without secrets.
    pub async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        Observed::new(self.factory.empty().await, &self.witness)
    }

    /// A fresh store with these secrets: written by the store itself if it can, else provided by the factory.
    pub async fn holding(
        &self,
        secrets: &[(SecretName, SecretValue)],
    ) -> Result<Arc<dyn SecretStoreConnector>, CaseFailure> {
        if !self.managed {
            return Ok(self.provisioned(secrets).await);
        }
        let store = self.empty().await;
        for (name, value) in secrets {
            writer(&store)?.set(name, value).await?;
        }
        Ok(store)
    }

    /// A fresh store with these secrets, provided by the factory.
    pub async fn provisioned(&self, secrets: &[(SecretName, SecretValue)]) -> Arc<dyn SecretStoreConnector> {
        Observed::new(self.factory.with(secrets).await, &self.witness)
    }

    /// Another handle on the backing data of the store made last.
    pub async fn reopen(&self) -> Result<Arc<dyn SecretStoreConnector>, CaseFailure> {
        let store = self.factory.reopen().await;
        let store = store.ok_or_else(|| CaseFailure::new("the factory opens no second handle any more"))?;
        Ok(Observed::new(store, &self.witness))
    }

    pub(super) async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let staged = self.factory.staged(kind).await?;
        Some(Staged { store: Observed::new(staged.store, &self.witness), ..staged })
    }

    /// Searches `Debug` of a store.
    pub(super) fn look_at_debug(&self, store: &dyn SecretStoreConnector) {
        self.witness.search(Channel::Debug, format!("{store:#?} {store:?}").as_bytes(), "Debug of the store");
    }

    /// `wanted`, or what is nearest to it among the names that the store takes.
    pub fn name(&self, wanted: &str) -> SecretName {
        let fits =
            |name: &String| SecretName::new(name).ok().filter(|name| self.capabilities.names.allows(name));
        let replaced = |by: &str| wanted.replace(|c: char| !c.is_ascii_alphanumeric(), by);
        [wanted.to_owned(), replaced("_"), replaced("-"), replaced("")]
            .iter()
            .find_map(fits)
            .expect("a store takes names of ASCII letters and digits")
    }

    /// A value that the suite will recognize wherever it leaks; `suffix` tells it from others.
    pub fn value(&self, suffix: &str) -> SecretValue {
        SecretValue::new(format!("{}{suffix}", self.witness.marker().text()))
    }

    /// A secret: [`name`](Harness::name) and [`value`](Harness::value).
    pub fn secret(&self, name: &str, suffix: &str) -> (SecretName, SecretValue) {
        (self.name(name), self.value(suffix))
    }
}

/// The writing side, in a case that needs management.
pub(super) fn writer(store: &Store) -> Result<&dyn SecretManagement, CaseFailure> {
    store.management().ok_or_else(|| CaseFailure::new("the store has no management any more"))
}
