//! A store in one file: what is the same for every format.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use modelmesh_secrets::{
    Capabilities, Change, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::blocking;

use super::{Contents, Fingerprint, LOCK_WAIT, MAX_BYTES, Writer, read_bounded};

/// A file format that holds secrets: what is peculiar to it, without locks, caches and tasks.
///
/// Its calls may block (key derivation, a prompt): they run where blocking is allowed.
pub trait Codec: Send + Sync + 'static {
    /// A file's contents, understood.
    type Document: Document;

    /// The connector's ID.
    const ID: &'static str;

    /// What a store in this format can hold and do.
    fn capabilities(&self) -> Capabilities;

    /// The document of a file that does not exist yet.
    fn blank(&self) -> Result<Self::Document>;

    /// Understands a file.
    ///
    /// `holding` says that secrets of an earlier state of this file are held, so that a file which is empty
    /// now is one that somebody is writing. Fails with `Locked` or `Malformed`, or with `Unavailable` if the
    /// file will be readable in a moment.
    fn decode(&self, bytes: &[u8], holding: bool) -> Result<Self::Document>;

    /// Finds what [`encode`](Codec::encode) of a file like `current` will need, such as a passphrase that a
    /// person types: asked before the file is locked.
    fn prepare(&self, current: &Self::Document) -> Result<()> {
        let _ = current;
        Ok(())
    }

    /// The file that holds `document`.
    fn encode(&self, document: &Self::Document) -> Result<Zeroizing<Vec<u8>>>;

    /// Notes in `document` that it is what the file holds now.
    fn saved(&self, document: &mut Self::Document) {
        let _ = document;
    }
}

/// The contents of a file of secrets.
pub trait Document: Clone + Send + Sync + 'static {
    /// The secret with this name. An error concerns this one secret alone.
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>>;

    /// The names of all secrets, as the file has them.
    fn names(&self) -> Vec<&str>;

    /// Whether there are no secrets.
    fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Fails if this file must not be written: it was made by a later version, or by another tool.
    fn check_writable(&self) -> Result<()> {
        Ok(())
    }

    /// Stores or updates a secret.
    fn set(&mut self, name: &SecretName, value: &SecretValue) -> Result<()>;

    /// Removes a secret; whether there was one.
    fn remove(&mut self, name: &SecretName) -> Result<bool>;
}

/// A store in one file of format `C`.
///
/// - A read looks at the file's metadata and decodes it again only if it may have changed.
/// - A write goes through the protocol of [`disk`](super), on top of the newest contents.
/// - A file whose contents were held and which is gone now is `Unavailable`, not empty: an unmounted volume
///   does not turn secrets into missing ones.
pub struct FileStore<C: Codec> {
    inner: Arc<Inner<C>>,
    /// Writers of this process queue here in order, so that only one of them competes for the file's lock.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl<C: Codec> fmt::Debug for FileStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("connector", &C::ID)
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl<C: Codec> Clone for FileStore<C> {
    fn clone(&self) -> Self {
        FileStore { inner: Arc::clone(&self.inner), writing: Arc::clone(&self.writing) }
    }
}

struct Inner<C: Codec> {
    path: PathBuf,
    codec: C,
    lock_wait: Duration,
    held: Mutex<Option<Held<C::Document>>>,
    warned: AtomicBool,
}

/// The file as it was last understood.
struct Held<D> {
    /// Of the file when it was read; none if there was no file.
    fingerprint: Option<Fingerprint>,
    /// Whether the file is sure to be the same as long as the fingerprint is.
    settled: bool,
    /// Of the file's bytes, to spare a key derivation when only the metadata changed.
    digest: Option<[u8; 32]>,
    document: Arc<D>,
}

impl<C: Codec> FileStore<C> {
    /// The store in the file at `path`, which is not touched before the first call.
    pub fn new(path: impl Into<PathBuf>, codec: C) -> Self {
        FileStore::with_lock_wait(path, codec, LOCK_WAIT)
    }

    /// Like [`new`](FileStore::new), with another time to wait for a writer of another process.
    pub fn with_lock_wait(path: impl Into<PathBuf>, codec: C, lock_wait: Duration) -> Self {
        let (path, held, warned) = (path.into(), Mutex::new(None), AtomicBool::new(false));
        FileStore { inner: Arc::new(Inner { path, codec, lock_wait, held, warned }), writing: Arc::default() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The format.
    pub fn codec(&self) -> &C {
        &self.inner.codec
    }

    /// The newest contents.
    pub async fn document(&self) -> Result<Arc<C::Document>> {
        self.blocking(Inner::load).await
    }

    /// Changes the file under its lock, on top of its newest contents; an error leaves it as it was.
    ///
    /// `change` may run even if the returned future is dropped.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&C, &mut C::Document) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Whoever is dropped while waiting here writes nothing; the guard goes with the job afterwards.
        let turn = Arc::clone(&self.writing).lock_owned().await;
        self.blocking(move |inner| {
            let _turn = turn;
            inner.change(change)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner<C>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        blocking::run(move || job(&inner)).await
    }
}

impl<C: Codec> Inner<C> {
    fn held(&self) -> MutexGuard<'_, Option<Held<C::Document>>> {
        // What a panicking thread left is whole: `Held` is replaced in one assignment.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Result<Arc<C::Document>> {
        let mut held = self.held();
        if let Some(held) = held.as_ref().filter(|held| held.settled)
            && Fingerprint::of(&self.path)? == held.fingerprint
        {
            return Ok(Arc::clone(&held.document));
        }
        let contents = read_bounded(&self.path, MAX_BYTES)?;
        self.understand(&mut held, contents)
    }

    /// Decodes what was read, unless it is what is held, and holds it.
    fn understand(
        &self,
        held: &mut Option<Held<C::Document>>,
        contents: Option<Contents>,
    ) -> Result<Arc<C::Document>> {
        let holding = held.as_ref().is_some_and(|held| !held.document.is_empty());
        let Some(contents) = contents else {
            if holding {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("'{}' is gone, and its secrets are still held", self.path.display()),
                )
                .with_help("bring the file back, or start again without it"));
            }
            let document = Arc::new(self.codec.blank()?);
            *held = Some(Held {
                fingerprint: None,
                settled: true,
                digest: None,
                document: Arc::clone(&document),
            });
            return Ok(document);
        };
        self.warn_if_wide(contents.wide_mode);
        let digest = Sha256::digest(&contents.bytes).into();
        let document = match held {
            Some(held) if held.digest == Some(digest) => Arc::clone(&held.document),
            _ => Arc::new(self.codec.decode(&contents.bytes, holding)?),
        };
        *held = Some(Held {
            fingerprint: contents.fingerprint,
            settled: contents.settled,
            digest: Some(digest),
            document: Arc::clone(&document),
        });
        Ok(document)
    }

    fn warn_if_wide(&self, mode: Option<u32>) {
        if let Some(mode) = mode
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                path = %modelmesh_secrets::printable(&self.path.to_string_lossy()),
                mode = format_args!("{mode:03o}"),
                "others may read this file of secrets: make it private (chmod 600); a write by this store does that too"
            );
        }
    }

    fn change<T>(&self, change: impl FnOnce(&C, &mut C::Document) -> Result<T>) -> Result<T> {
        // Before the lock: a wrong key touches nothing, and nobody waits for a lock while a person types.
        let current = self.load()?;
        self.codec.prepare(&current)?;
        let writer = Writer::lock(&self.path, self.lock_wait)?;
        let contents = writer.read(MAX_BYTES)?;
        let newest = self.understand(&mut self.held(), contents)?;
        let mut document = C::Document::clone(&newest);
        let outcome = change(&self.codec, &mut document)?;
        let bytes = self.codec.encode(&document)?;
        writer.replace(&bytes)?;
        self.codec.saved(&mut document);
        // Not settled: the next read looks at the file, and finds the bytes that are known already.
        *self.held() = Some(Held {
            fingerprint: None,
            settled: false,
            digest: Some(Sha256::digest(&bytes).into()),
            document: Arc::new(document),
        });
        Ok(outcome)
    }

    /// What must hold before anything is asked of the file.
    fn check(&self, name: &SecretName, value: Option<&SecretValue>) -> Result<()> {
        let capabilities = self.codec.capabilities();
        if !capabilities.names.allows(name) {
            return Err(Error::new(ErrorKind::InvalidName, "this store cannot hold a secret of this name")
                .with_name(name)
                .with_help(format!("it takes {}", capabilities.names)));
        }
        value.map_or(Ok(()), |value| capabilities.check_value(value)).map_err(|error| error.with_name(name))
    }
}

fn find(document: &impl Document, name: &SecretName) -> Result<SecretValue> {
    document
        .get(name)
        .unwrap_or_else(|| Err(Error::not_found(name.as_str())))
        .map_err(|error| error.with_name(name))
}

fn make(document: &mut impl Document, change: &Change) -> Result<()> {
    match &change.after {
        Some(value) => document.set(&change.name, value),
        None => document.remove(&change.name).map(drop),
    }
    .map_err(|error| error.with_name(&change.name))
}

#[async_trait]
impl<C: Codec> SecretResolution for FileStore<C> {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let document = self.document().await.map_err(|error| error.with_name(name))?;
        find(&*document, name)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let document = self.document().await;
        names
            .iter()
            .map(|name| match &document {
                Ok(document) => find(&**document, name),
                Err(error) => Err(error.clone().with_name(name)),
            })
            .collect()
    }
}

#[async_trait]
impl<C: Codec> SecretManagement for FileStore<C> {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.inner.check(name, Some(value))?;
        let (set, value) = (name.clone(), value.clone());
        self.change(move |_, document| {
            document.check_writable()?;
            document.set(&set, &value)
        })
        .await
        .map_err(|error| error.with_name(name))
    }

    /// Writes all of them at once or none: if one cannot be stored, each result says so.
    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        if secrets.is_empty() {
            return Vec::new();
        }
        let checks: Vec<_> =
            secrets.iter().map(|(name, value)| self.inner.check(name, Some(value))).collect();
        if let Some(refused) = checks.iter().find_map(|check| check.as_ref().err()) {
            let kind = refused.kind();
            let none = |name: &SecretName| {
                Error::new(kind, "not written, because another secret of the same call was refused")
                    .with_name(name)
            };
            return checks
                .into_iter()
                .zip(secrets)
                .map(|(check, (name, _))| Err(check.err().unwrap_or_else(|| none(name))))
                .collect();
        }
        let all = secrets.to_vec();
        let written = self
            .change(move |_, document| {
                document.check_writable()?;
                all.iter().try_for_each(|(name, value)| {
                    document.set(name, value).map_err(|error| error.with_name(name))
                })
            })
            .await;
        // An error that is about one of them names it; the others are told which.
        secrets.iter().map(|(name, _)| written.clone().map_err(|error| error.with_name(name))).collect()
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let document = self.document().await?;
        let mut names = Vec::new();
        for text in document.names() {
            match SecretName::new(text) {
                Ok(name) => names.push(name),
                Err(error) => {
                    tracing::warn!(%error, "the file holds a secret whose name cannot be asked for");
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.inner.check(name, None)?;
        let removed = name.clone();
        self.change(move |_, document| {
            document.check_writable()?;
            if document.remove(&removed)? { Ok(()) } else { Err(Error::not_found(removed.as_str())) }
        })
        .await
        .map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl<C: Codec> SecretStoreConnector for FileStore<C> {
    fn connector_id(&self) -> &str {
        C::ID
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.codec.capabilities()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    /// All in one write, compared under the lock, or none.
    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        if changes.is_empty() {
            return Vec::new();
        }
        let all = changes.to_vec();
        let checked = all.iter().try_for_each(|change| match &change.after {
            Some(value) => self.inner.check(&change.name, Some(value)),
            // What can be read can be removed, whatever the rule for new names.
            None => Ok(()),
        });
        let written = match checked {
            Ok(()) => {
                self.change(move |_, document| {
                    document.check_writable()?;
                    // All are compared before the first is made: a conflict is told of the name it is about.
                    all.iter().try_for_each(|change| change.check(find(document, &change.name)))?;
                    all.iter().try_for_each(|change| make(document, change))
                })
                .await
            }
            Err(refused) => Err(refused),
        };
        // An error that is about one of them names it, and is the reason for the others.
        changes.iter().map(|_| written.clone()).collect()
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.blocking(|inner| Fingerprint::revision(&inner.path).map(Some)).await
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
