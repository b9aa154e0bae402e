//! The stores that keep secrets in the open, put to the conformance suite: environment, dotenv, JSON, memory.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes files as others do"
)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use modelmesh_secrets::{
    ErrorKind, SecretName, SecretStoreConnector, SecretValue, async_trait,
    config::Given,
    setting::{SettingValue, Settings},
};
use modelmesh_stores::{
    dotenv::DotenvStore,
    env::EnvStore,
    environment::FixedEnvironment,
    file::{FileFormat, FileSecretStore},
    memory::MemoryStore,
    open::open_given,
    registry::{self, OpenContext},
};
use modelmesh_testkit::conformance::{self, Staged, StoreFactory};
use tempfile::TempDir;

type Secrets<'a> = &'a [(SecretName, SecretValue)];

/// The folder of the store made last.
struct Folder(Mutex<TempDir>);

impl Folder {
    fn new() -> Self {
        Folder(Mutex::new(tempfile::tempdir().unwrap()))
    }

    fn fresh(&self) {
        *self.0.lock().unwrap() = tempfile::tempdir().unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.lock().unwrap().path().join(file)
    }
}

/// A store whose file was made so that every call fails.
fn staged(store: impl SecretStoreConnector + 'static) -> Staged {
    let name = SecretName::new("openai-key").unwrap();
    Staged { store: Arc::new(store), name, whole_store: true }
}

struct Environments(Mutex<EnvStore>);

#[async_trait]
impl StoreFactory for Environments {
    fn label(&self) -> &'static str {
        "env"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        self.with(&[]).await
    }

    async fn with(&self, secrets: Secrets<'_>) -> Arc<dyn SecretStoreConnector> {
        let variables = secrets.iter().map(|(name, value)| (name.as_str(), value.expose()));
        let store = EnvStore::new(Arc::new(FixedEnvironment::new(variables)));
        *self.0.lock().unwrap() = store.clone();
        Arc::new(store)
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(Arc::new(self.0.lock().unwrap().clone()))
    }

    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        &[(
            "names/keeps-apart-cases",
            "a name that is no variable is tried in upper case too, as is convention",
        )]
    }
}

struct Memories(Mutex<MemoryStore>);

#[async_trait]
impl StoreFactory for Memories {
    fn label(&self) -> &'static str {
        "memory"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        let store = MemoryStore::default();
        *self.0.lock().unwrap() = store.clone();
        Arc::new(store)
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(Arc::new(self.0.lock().unwrap().clone()))
    }
}

struct Dotenvs {
    folder: Folder,
    override_env: bool,
}

impl Dotenvs {
    fn store(&self) -> DotenvStore {
        DotenvStore::new(self.folder.path(".env"), Arc::new(FixedEnvironment::default()))
            .with_override_env(self.override_env)
    }
}

#[async_trait]
impl StoreFactory for Dotenvs {
    fn label(&self) -> &'static str {
        "dotenv"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        self.folder.fresh();
        Arc::new(self.store())
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(Arc::new(self.store()))
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        self.folder.fresh();
        match kind {
            ErrorKind::Malformed => std::fs::write(self.folder.path(".env"), "openai-key='open\n").unwrap(),
            ErrorKind::Io => std::fs::create_dir(self.folder.path(".env")).unwrap(),
            _ => return None,
        }
        Some(staged(self.store()))
    }
}

struct JsonFiles(Folder);

impl JsonFiles {
    fn store(&self) -> FileSecretStore {
        FileSecretStore::new(self.0.path("secrets.json"), FileFormat::Json)
    }
}

#[async_trait]
impl StoreFactory for JsonFiles {
    fn label(&self) -> &'static str {
        "json-secrets"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        self.with(&[]).await
    }

    async fn with(&self, secrets: Secrets<'_>) -> Arc<dyn SecretStoreConnector> {
        self.0.fresh();
        let map: BTreeMap<_, _> =
            secrets.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        std::fs::write(self.0.path("secrets.json"), serde_json::to_string(&map).unwrap()).unwrap();
        Arc::new(self.store())
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        Some(Arc::new(self.store()))
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        self.0.fresh();
        match kind {
            ErrorKind::Malformed => {
                std::fs::write(self.0.path("secrets.json"), "{\"openai-key\": \"open").unwrap();
            }
            // No file at all.
            ErrorKind::Io => {}
            _ => return None,
        }
        Some(staged(self.store()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_conforms() {
    let environments = Environments(Mutex::new(EnvStore::new(Arc::new(FixedEnvironment::default()))));
    conformance::run(&environments).await.assert_green();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    conformance::run(&Memories(Mutex::default())).await.assert_green();
}

#[tokio::test(flavor = "multi_thread")]
async fn dotenv_conforms_whoever_wins() {
    for override_env in [false, true] {
        conformance::run(&Dotenvs { folder: Folder::new(), override_env }).await.assert_green();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_secrets_conforms() {
    conformance::run(&JsonFiles(Folder::new())).await.assert_green();
}

#[test]
fn each_is_in_the_registry_under_its_id() {
    let folder = Folder::new();
    let path = Settings::default().with("file_path", SettingValue::Path(folder.path("secrets.json")));
    for id in [
        "modelmesh.env.v1",
        "modelmesh.dotenv.v1",
        "modelmesh.json-secrets.v1",
        "modelmesh.memory-secrets.v1",
    ] {
        let connector = registry::connector(id).unwrap();
        let store = (connector.open)(&path, &registry::OpenContext::default()).unwrap();
        assert_eq!(store.connector_id(), id);
        assert_eq!(store.management().is_some(), connector.spec.management, "{id}");
    }
}

#[test]
fn a_path_that_a_program_gives_is_relative_to_the_folder_of_its_context() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "KEY=here\n").unwrap();
    let context = OpenContext {
        environment: Arc::new(FixedEnvironment::default()),
        base: Some(folder.path().to_owned()),
        ..OpenContext::default()
    };
    for given in [vec![], vec![("path".to_owned(), Given::Text(".env".into()))]] {
        let store = open_given("modelmesh.dotenv.v1", given, &context).unwrap();
        assert_eq!(store.get_blocking(&SecretName::new("KEY").unwrap()).unwrap().expose(), "here");
    }
}
