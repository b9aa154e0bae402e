//! A store of your own, and the proof that it keeps the contract. `docs/custom-store.md` explains both.
//!
//! Reads the secrets that Docker and Kubernetes mount as files, one file for each:
//!
//! ```text
//! cargo run -p modelmesh-secrets --example custom_store -- /run/secrets openai-key
//! cargo test -p modelmesh-secrets --example custom_store
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use std::{io::ErrorKind as Io, path::PathBuf};

use modelmesh_secrets::{
    BaseSecretStore, Error, ErrorKind, Resolve, Result, SecretName, SecretValue, async_trait,
};

/// A folder in which every file is one secret.
struct MountedSecrets(PathBuf);

#[async_trait]
impl Resolve for MountedSecrets {
    async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>> {
        let path = self.0.join(name.as_str());
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await.unwrap();
        match read {
            Ok(text) => Ok(Some(text.into())),
            // A folder that is not mounted has no files either: that is an outage, not a missing secret.
            Err(e) if matches!(e.kind(), Io::NotFound | Io::NotADirectory) && self.0.is_dir() => Ok(None),
            Err(e) if e.kind() == Io::InvalidData => {
                Err(Error::new(ErrorKind::Malformed, "the file is not UTF-8 text"))
            }
            Err(e) => Err(Error::new(ErrorKind::Unavailable, "cannot read the file").with_source(e)),
        }
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| "/run/secrets".to_owned());
    let name = SecretName::new(args.next().unwrap_or_else(|| "openai-key".to_owned()))?;

    let store = BaseSecretStore::with_hook(MountedSecrets(folder.into())).name("mounted").build();
    let key = store.get_blocking(&name)?;
    println!("{name}: {} bytes", key.expose().len());
    // From here on the value is read where it lies in the cache.
    assert_eq!(store.with_value(name.as_str(), |value| value.expose().len()), Some(key.expose().len()));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "writes files as others do")]
mod proof {
    use std::sync::{Arc, Mutex};

    use modelmesh_secrets::SecretStoreConnector;
    use modelmesh_testkit::conformance::{self, BackendRules, Staged, StoreFactory};
    use tempfile::TempDir;

    use super::*;

    /// Makes folders for the suite, and remembers the last one.
    struct Folders(Mutex<TempDir>);

    impl Folders {
        fn open(&self) -> Arc<dyn SecretStoreConnector> {
            let folder = self.0.lock().unwrap().path().to_owned();
            Arc::new(BaseSecretStore::new(MountedSecrets(folder)))
        }
    }

    #[async_trait]
    impl StoreFactory for Folders {
        fn label(&self) -> &'static str {
            "mounted secrets"
        }

        async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
            self.with(&[]).await
        }

        async fn with(&self, secrets: &[(SecretName, SecretValue)]) -> Arc<dyn SecretStoreConnector> {
            let folder = tempfile::tempdir().unwrap();
            for (name, value) in secrets {
                let path = folder.path().join(name.as_str());
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, value.expose()).unwrap();
            }
            *self.0.lock().unwrap() = folder;
            self.open()
        }

        async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
            Some(self.open())
        }

        async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
            let name = SecretName::new("openai-key").unwrap();
            let _ = self.empty().await;
            let folder = self.0.lock().unwrap().path().to_owned();
            let whole_store = match kind {
                ErrorKind::Malformed => std::fs::write(folder.join(name.as_str()), b"\xff").map(|()| false),
                ErrorKind::Unavailable => std::fs::remove_dir(&folder).map(|()| true),
                _ => return None,
            };
            Some(Staged { store: self.open(), name, whole_store: whole_store.unwrap() })
        }

        fn rules(&self) -> BackendRules {
            BackendRules { max_name_bytes: Some(255), ..BackendRules::default() }
        }

        fn exemptions(&self) -> &[(&'static str, &'static str)] {
            &[("names/keeps-apart-folder-and-leaf", "a file 'team' cannot stand beside a file 'team/key'")]
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn mounted_secrets_keep_the_contract() {
        let folders = Folders(Mutex::new(tempfile::tempdir().unwrap()));
        let report = conformance::run(&folders).await;
        println!("{report}");
        report.assert_green();
    }
}
