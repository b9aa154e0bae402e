//! The stores that encrypt, and the layers around any store, put to the conformance suite.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test writes files as others do")]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use modelmesh_secrets::{
    BaseSecretStore, ErrorKind, NamedStore, Naming, NamingRule, SecretName, SecretStoreConnector,
    async_trait,
    setting::{SettingValue, Settings},
};
use modelmesh_stores::{
    age_file::{AgeFileStore, identity},
    encrypted_file::EncryptedFileStore,
    memory::MemoryStore,
    registry::OpenContext,
};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{self, Staged, StoreFactory},
};
use tempfile::TempDir;

/// Stores of one kind, each in a file of its own.
struct Files {
    label: &'static str,
    folder: Mutex<TempDir>,
    credential: Canary,
    open: fn(&Path, &Canary) -> Arc<dyn SecretStoreConnector>,
}

impl Files {
    fn new(label: &'static str, open: fn(&Path, &Canary) -> Arc<dyn SecretStoreConnector>) -> Self {
        let folder = Mutex::new(tempfile::tempdir().unwrap());
        Files { label, folder, credential: Canary::new("credential"), open }
    }

    fn path(&self) -> PathBuf {
        self.folder.lock().unwrap().path().join("secrets")
    }

    fn store(&self) -> Arc<dyn SecretStoreConnector> {
        (self.open)(&self.path(), &self.credential)
    }
}

#[async_trait]
impl StoreFactory for Files {
    fn label(&self) -> &str {
        self.label
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        *self.folder.lock().unwrap() = tempfile::tempdir().unwrap();
        self.store()
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(self.store())
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let name = SecretName::new("openai-key").unwrap();
        let staged = |store| Some(Staged { store, name: name.clone(), whole_store: true });
        match kind {
            ErrorKind::Malformed => {
                let store = self.empty().await;
                std::fs::write(self.path(), "no file of this kind").unwrap();
                staged(store)
            }
            ErrorKind::Locked => {
                let theirs = self.empty().await;
                theirs.management().unwrap().set(&name, &"theirs".into()).await.unwrap();
                // The identity of an age file lies beside it: another one is made.
                let _ = std::fs::remove_file(self.path().with_extension("identity"));
                staged((self.open)(&self.path(), &Canary::new("another-credential")))
            }
            _ => None,
        }
    }

    fn canaries(&self) -> Vec<Canary> {
        vec![self.credential.clone()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn age_files_conform() {
    let files = Files::new("age-file", |path, _| {
        let identity = path.with_extension("identity");
        identity::create(&identity).unwrap();
        let settings = Settings::default()
            .with("path", SettingValue::Path(path.to_owned()))
            .with("identity", SettingValue::Path(identity));
        Arc::new(AgeFileStore::open(&settings, &OpenContext::default()).unwrap())
    });
    conformance::run(&files).await.assert_green();
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_files_conform() {
    let files = Files::new("encrypted-file", |path, credential| {
        // Few rounds: what is tried here is the store, a thousand times over.
        let settings = Settings::default()
            .with("file_path", SettingValue::Path(path.to_owned()))
            .with("passphrase", SettingValue::Secret(credential.text().into()))
            .with("pbkdf2_iterations", SettingValue::Integer(1_000));
        Arc::new(EncryptedFileStore::open(&settings, &OpenContext::default()).unwrap())
    });
    conformance::run(&files).await.assert_green();
}

/// A layer around a memory store.
struct Layers {
    label: &'static str,
    inner: Mutex<MemoryStore>,
    wrap: fn(Arc<dyn SecretStoreConnector>) -> Arc<dyn SecretStoreConnector>,
    exemptions: &'static [(&'static str, &'static str)],
}

#[async_trait]
impl StoreFactory for Layers {
    fn label(&self) -> &str {
        self.label
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        let inner = MemoryStore::default();
        *self.inner.lock().unwrap() = inner.clone();
        (self.wrap)(Arc::new(inner))
    }

    /// None: a cache is told of a change by another handle only after a moment, which the suite does not give.
    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        None
    }

    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        self.exemptions
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_its_cache_conforms() {
    let layers = Layers {
        label: "cache",
        inner: Mutex::default(),
        wrap: |inner| Arc::new(BaseSecretStore::builder(inner).build()),
        exemptions: &[],
    };
    conformance::run(&layers).await.assert_green();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_under_a_prefix_conforms() {
    let layers = Layers {
        label: "prefix",
        inner: Mutex::default(),
        wrap: |inner| NamedStore::wrap(inner, Naming::new("modelmesh/", NamingRule::AsIs)),
        exemptions: &[
            ("names/takes-arn", "an ARN names a secret whole: under a prefix it is refused"),
            ("names/takes-the-longest", "the prefix and the name together must be a name"),
        ],
    };
    conformance::run(&layers).await.assert_green();
}
