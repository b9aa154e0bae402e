//! A store that shows every error it returns to the witness.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use modelmesh_secrets::{
    Capabilities, Result, SecretManagement, SecretName, SecretResolution, SecretStoreConnector, SecretValue,
    Version,
};

use super::witness::Witness;

pub(super) struct Observed {
    inner: Arc<dyn SecretStoreConnector>,
    witness: Arc<Witness>,
}

/// The observed store's own.
impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Observed {
    pub(super) fn new(inner: Arc<dyn SecretStoreConnector>, witness: &Arc<Witness>) -> Arc<Self> {
        Arc::new(Observed { inner, witness: Arc::clone(witness) })
    }

    fn see<T>(&self, call: &str, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.witness.see_error(call, error))
    }

    fn see_all<T>(&self, call: &str, results: Vec<Result<T>>) -> Vec<Result<T>> {
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .for_each(|error| self.witness.see_error(call, error));
        results
    }

    fn managed(&self) -> &dyn SecretManagement {
        self.inner.management().expect("asked for only where the store has it")
    }
}

#[async_trait]
impl SecretResolution for Observed {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.see("get", self.inner.get(name).await)
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        self.see("get_version", self.inner.get_version(name, version).await)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.see_all("get_many", self.inner.get_many(names).await)
    }
}

#[async_trait]
impl SecretManagement for Observed {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.see("set", self.managed().set(name, value).await)
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        self.see_all("set_many", self.managed().set_many(secrets).await)
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.see("list", self.managed().list().await)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.see("delete", self.managed().delete(name).await)
    }
}

#[async_trait]
impl SecretStoreConnector for Observed {
    fn connector_id(&self) -> &str {
        self.inner.connector_id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.inner.management().map(|_| self as &dyn SecretManagement)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.see("revision", self.inner.revision().await)
    }
}
