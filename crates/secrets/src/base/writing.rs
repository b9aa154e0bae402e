//! Writes through a store, and what becomes of its cache meanwhile.

use std::sync::Arc;

use super::BaseSecretStore;
use crate::{Result, SecretManagement, SecretName, SecretValue, async_trait, engine::Engine};

/// Writes pass through. What is held of the name is put aside before the write, so that nobody joins a fetch of
/// the old value, and again after it, so that no fetch that ran meanwhile is kept.
#[async_trait]
impl SecretManagement for BaseSecretStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let mut writing = Writing::begin(&self.engine, [name]);
        self.writer()?.set(name, value).await.map_err(|error| error.with_store(Arc::clone(&self.name)))?;
        writing.written(name);
        Ok(())
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let mut writing = Writing::begin(&self.engine, secrets.iter().map(|(name, _)| name));
        let results = match self.writer() {
            Ok(writer) => writer.set_many(secrets).await,
            Err(error) => secrets.iter().map(|_| Err(error.clone())).collect(),
        };
        for ((name, _), result) in secrets.iter().zip(&results) {
            if result.is_ok() {
                writing.written(name);
            }
        }
        results
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.writer()?.list().await.map_err(|error| error.with_store(Arc::clone(&self.name)))
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let mut writing = Writing::begin(&self.engine, [name]);
        self.writer()?.delete(name).await.map_err(|error| error.with_store(Arc::clone(&self.name)))?;
        writing.deleted(name);
        Ok(())
    }
}

/// Names that are being written. When it is dropped, those of which it was not told are in doubt: the write
/// failed or its caller gave up, and nobody knows what the backend holds.
pub(super) struct Writing<'e> {
    engine: &'e Engine,
    names: Vec<&'e SecretName>,
}

impl<'e> Writing<'e> {
    pub(super) fn begin(engine: &'e Engine, names: impl IntoIterator<Item = &'e SecretName>) -> Self {
        let names: Vec<&SecretName> = names.into_iter().collect();
        for name in &names {
            engine.doubt(name);
        }
        Writing { engine, names }
    }

    pub(super) fn written(&mut self, name: &SecretName) {
        self.names.retain(|other| *other != name);
        self.engine.supersede(name);
    }

    pub(super) fn deleted(&mut self, name: &SecretName) {
        self.names.retain(|other| *other != name);
        self.engine.forget(name);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.engine.doubt_and_ask(name);
        }
    }
}
