//! A store that has a value under every name and keeps none: what is in memory is the cache's.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
};

/// Names that begin so are missing.
pub const MISSING: &str = "missing-";

/// The length of each value, that of a common API key.
pub const VALUE_LENGTH: usize = 51;

/// Values are made when they are asked for, from the name and the edition.
#[derive(Debug)]
pub struct Supply {
    batch: usize,
    edition: AtomicU64,
    outage: Mutex<Option<ErrorKind>>,
    answers: AtomicU64,
}

impl Supply {
    /// A store that answers up to `batch` names in one call.
    pub fn new(batch: usize) -> Arc<Self> {
        Arc::new(Supply {
            batch,
            edition: AtomicU64::new(1),
            outage: Mutex::default(),
            answers: AtomicU64::new(0),
        })
    }

    /// Every name has another value from now on.
    pub fn rotate(&self) {
        self.edition.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on every call fails like this; with none, the store works again.
    pub fn fail(&self, kind: Option<ErrorKind>) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = kind;
    }

    /// For how many names it was asked, whatever it answered.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::SeqCst)
    }

    fn answer(&self, name: &SecretName) -> Result<SecretValue> {
        self.answers.fetch_add(1, Ordering::SeqCst);
        let outage = *self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = outage {
            return Err(Error::new(kind, "the supply is cut off"));
        }
        if name.as_str().starts_with(MISSING) {
            return Err(Error::not_found(name.as_str()));
        }
        let edition = self.edition.load(Ordering::SeqCst);
        let mut text = format!("sk-{edition:08}-");
        text.extend(name.as_str().chars().filter(char::is_ascii).cycle().take(VALUE_LENGTH - text.len()));
        Ok(SecretValue::new(text))
    }
}

#[async_trait]
impl SecretResolution for Supply {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.answer(name)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        names.iter().map(|name| self.answer(name)).collect()
    }
}

/// A write is an edition of its own, of every name: what was written is nowhere kept.
#[async_trait]
impl SecretManagement for Supply {
    async fn set(&self, _: &SecretName, _: &SecretValue) -> Result<()> {
        self.rotate();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &SecretName) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SecretStoreConnector for Supply {
    fn connector_id(&self) -> &'static str {
        "test.supply.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batch = self.batch;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}
