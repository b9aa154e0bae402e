//! A small correct store: the base of the broken ones, and the inside of tests that need some store.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version,
};

use crate::conformance::{Staged, StoreFactory};

/// Where [`ReferenceStore`]s keep their secrets: the 'backend' that several handles share.
///
/// Cloning gives another handle on the same secrets.
#[derive(Clone, Debug, Default)]
pub struct ReferenceBacking(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    /// Every version of each secret, oldest first; never empty.
    secrets: BTreeMap<SecretName, Vec<SecretValue>>,
    /// What the backend answers in place of a value.
    troubles: BTreeMap<SecretName, ErrorKind>,
    changes: u64,
}

impl ReferenceBacking {
    /// A backend without secrets.
    pub fn new() -> Self {
        ReferenceBacking::default()
    }

    /// From now on, asking for `name` fails with `kind`; `list` shows the name all the same.
    pub fn trouble(&self, name: SecretName, kind: ErrorKind) {
        self.lock().troubles.insert(name, kind);
    }

    /// Puts a value in, as somebody outside would.
    pub fn put(&self, name: &SecretName, value: &SecretValue) {
        let mut contents = self.lock();
        contents.changes += 1;
        let versions = contents.secrets.entry(name.clone()).or_default();
        let mut kept = SecretValue::new(value.secret().clone()).with_version(versions.len() as u64 + 1);
        if let Some(at) = value.expires_at() {
            kept = kept.with_expires_at(at);
        }
        versions.push(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("nothing panics while it holds the contents")
    }

    /// Every secret with its newest value.
    pub(crate) fn snapshot(&self) -> BTreeMap<SecretName, SecretValue> {
        let contents = self.lock();
        let newest = |versions: &Vec<SecretValue>| versions.last().expect("a secret has a version").clone();
        contents.secrets.iter().map(|(name, versions)| (name.clone(), newest(versions))).collect()
    }

    /// Puts a snapshot in place of everything there is.
    pub(crate) fn restore(&self, secrets: BTreeMap<SecretName, SecretValue>) {
        let mut contents = self.lock();
        contents.changes += 1;
        contents.secrets = secrets.into_iter().map(|(name, value)| (name, vec![value])).collect();
    }

    fn versions(&self, name: &SecretName) -> Result<Vec<SecretValue>> {
        let contents = self.lock();
        if let Some(kind) = contents.troubles.get(name) {
            return Err(Error::new(*kind, "the backend refused").with_name(name));
        }
        contents.secrets.get(name).cloned().ok_or_else(|| Error::not_found(name.as_str()))
    }
}

/// A correct store in memory, as small as can be. What it can do is what its [`Capabilities`] say: with
/// `versions: false` it gives no version, with `nul: false` it refuses NUL, and so on.
#[derive(Clone, Debug)]
pub struct ReferenceStore {
    backing: ReferenceBacking,
    capabilities: Capabilities,
    writable: bool,
}

impl Default for ReferenceStore {
    fn default() -> Self {
        ReferenceStore::new(ReferenceBacking::new())
    }
}

impl ReferenceStore {
    /// A store on `backing` that can do everything.
    pub fn new(backing: ReferenceBacking) -> Self {
        let mut capabilities = Capabilities::default();
        capabilities.cas = true;
        capabilities.versions = true;
        capabilities.batch = 100;
        capabilities.watch = true;
        capabilities.expiry = true;
        ReferenceStore { backing, capabilities, writable: true }
    }

    /// The same store with other capabilities, to which it keeps.
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The same store without management.
    pub fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }

    /// The backend below.
    pub fn backing(&self) -> &ReferenceBacking {
        &self.backing
    }

    fn shown(&self, value: &SecretValue) -> SecretValue {
        let mut shown = SecretValue::new(value.secret().clone());
        if let Some(version) = value.version().filter(|_| self.capabilities.versions) {
            shown = shown.with_version(version.clone());
        }
        if let Some(at) = value.expires_at().filter(|_| self.capabilities.expiry) {
            shown = shown.with_expires_at(at);
        }
        shown
    }
}

#[async_trait]
impl SecretResolution for ReferenceStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let versions = self.backing.versions(name)?;
        let newest = versions.last().expect("a secret has a version");
        Ok(self.shown(newest))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        if !self.capabilities.versions {
            return Err(Error::unsupported("fetch versions").with_name(name));
        }
        let versions = self.backing.versions(name)?;
        let found = versions.iter().find(|value| value.version() == Some(version));
        found.cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, "no such version").with_name(name))
    }
}

#[async_trait]
impl SecretManagement for ReferenceStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        if !self.capabilities.names.allows(name) {
            return Err(
                Error::new(ErrorKind::InvalidName, "this store does not take such names").with_name(name)
            );
        }
        self.capabilities.check_value(value).map_err(|error| error.with_name(name))?;
        self.backing.put(name, value);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        Ok(self.backing.lock().secrets.keys().cloned().collect())
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let mut contents = self.backing.lock();
        contents.secrets.remove(name).ok_or_else(|| Error::not_found(name.as_str()))?;
        contents.changes += 1;
        Ok(())
    }
}

#[async_trait]
impl SecretStoreConnector for ReferenceStore {
    fn connector_id(&self) -> &'static str {
        "testkit.reference.v1"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.writable.then_some(self as &dyn SecretManagement)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        Ok(self.capabilities.watch.then(|| self.backing.lock().changes))
    }
}

/// Makes stores on a [`ReferenceBacking`] for the conformance suite: the reference store itself, or whatever
/// `open` wraps around a backing.
pub struct ReferenceFactory<F> {
    label: String,
    open: F,
    last: Mutex<Option<(ReferenceBacking, Arc<dyn fmt::Debug + Send + Sync>)>>,
}

impl<F> fmt::Debug for ReferenceFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceFactory").field("label", &self.label).finish_non_exhaustive()
    }
}

impl<F, S> ReferenceFactory<F>
where
    F: Fn(ReferenceBacking) -> S + Send + Sync,
    S: SecretStoreConnector + fmt::Debug + 'static,
{
    /// A factory of the stores that `open` makes.
    pub fn new(label: impl Into<String>, open: F) -> Self {
        ReferenceFactory { label: label.into(), open, last: Mutex::new(None) }
    }

    fn open(&self, backing: ReferenceBacking) -> Arc<dyn SecretStoreConnector> {
        let store = Arc::new((self.open)(backing.clone()));
        *self.last.lock().expect("no test panics here") = Some((backing, store.clone()));
        store
    }
}

#[async_trait]
impl<F, S> StoreFactory for ReferenceFactory<F>
where
    F: Fn(ReferenceBacking) -> S + Send + Sync,
    S: SecretStoreConnector + fmt::Debug + 'static,
{
    fn label(&self) -> &str {
        &self.label
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        self.open(ReferenceBacking::new())
    }

    async fn with(&self, secrets: &[(SecretName, SecretValue)]) -> Arc<dyn SecretStoreConnector> {
        let backing = ReferenceBacking::new();
        for (name, value) in secrets {
            backing.put(name, value);
        }
        self.open(backing)
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        let backing =
            self.last.lock().expect("no test panics here").as_ref().map(|(backing, _)| backing.clone())?;
        Some(self.open(backing))
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let (backing, name) = (ReferenceBacking::new(), SecretName::new("troubled").expect("it is a name"));
        backing.put(&name, &SecretValue::new("unreachable"));
        backing.trouble(name.clone(), kind);
        Some(Staged { store: self.open(backing), name, whole_store: false })
    }
}
