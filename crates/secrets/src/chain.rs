//! Several stores asked in turn.

use std::{fmt, sync::Arc};

use crate::{
    Capabilities, Error, ErrorKind, Result, SecretName, SecretResolution, SecretStoreConnector, SecretValue,
    Version, async_trait,
};

/// The first of several stores that has a secret.
///
/// - A store that answers `NotFound` passes the question on; any other failure is the answer, for an outage is
///   not a miss, and another store's value must not stand in for it.
/// - A chain is read-only: which of its stores should a write go to?
#[derive(Clone)]
pub struct ChainStore {
    links: Vec<(Arc<str>, Arc<dyn SecretStoreConnector>)>,
}

impl ChainStore {
    /// A chain of named stores, asked in this order.
    pub fn new(links: Vec<(Arc<str>, Arc<dyn SecretStoreConnector>)>) -> Self {
        ChainStore { links }
    }

    fn not_found(&self, name: &SecretName) -> Error {
        let tried = self.links.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join("', '");
        Error::new(ErrorKind::NotFound, format!("not found in any store of the chain ('{tried}')"))
            .with_name(name)
    }
}

impl fmt::Debug for ChainStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.links.iter().map(|(name, _)| name)).finish()
    }
}

#[async_trait]
impl SecretResolution for ChainStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        for (link, store) in &self.links {
            match store.get(name).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                answer => return answer.map_err(|error| error.with_store(Arc::clone(link))),
            }
        }
        Err(self.not_found(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        for (link, store) in &self.links {
            match store.get_version(name, version).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // A store without versions cannot hold this one.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                answer => return answer.map_err(|error| error.with_store(Arc::clone(link))),
            }
        }
        Err(self.not_found(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut answers: Vec<Option<Result<SecretValue>>> = names.iter().map(|_| None).collect();
        for (link, store) in &self.links {
            let open: Vec<usize> = (0..names.len()).filter(|&at| answers[at].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let asked: Vec<SecretName> = open.iter().map(|&at| names[at].clone()).collect();
            for (at, answer) in open.into_iter().zip(store.get_many(&asked).await) {
                match answer {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    answer => answers[at] = Some(answer.map_err(|error| error.with_store(Arc::clone(link)))),
                }
            }
        }
        let settle =
            |(answer, name): (Option<_>, &SecretName)| answer.unwrap_or_else(|| Err(self.not_found(name)));
        answers.into_iter().zip(names).map(settle).collect()
    }
}

#[async_trait]
impl SecretStoreConnector for ChainStore {
    fn connector_id(&self) -> &'static str {
        "modelmesh.chain.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let links = || self.links.iter().map(|(_, store)| store.capabilities());
        Capabilities {
            versions: links().any(|link| link.versions),
            batch: links().map(|link| link.batch).max().unwrap_or(1),
            watch: links().any(|link| link.watch),
            ..Capabilities::default()
        }
    }

    async fn revision(&self) -> Result<Option<u64>> {
        let mut combined: Option<u64> = None;
        for (_, store) in &self.links {
            if let Some(revision) = store.revision().await? {
                // The order counts, so that two stores' changes cannot cancel out.
                combined = Some(combined.unwrap_or_default().rotate_left(1).wrapping_mul(31) ^ revision);
            }
        }
        Ok(combined)
    }
}
