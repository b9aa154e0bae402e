//! What a connector is, and what it may use of the process around it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use modelmesh_secrets::{
    ResolutionPolicy, Result, SecretStoreConnector, SecretString,
    config::Given,
    setting::{ConnectorSpec, Settings},
};

use crate::environment::{Environment, ProcessEnvironment};

/// A connector: what it is, and how a store of its kind is opened.
#[derive(Clone, Copy, Debug)]
pub struct Connector {
    /// ID, settings and one line of documentation.
    pub spec: ConnectorSpec,
    /// Opens a store: checks the settings, and does no I/O that can wait for the first call.
    pub open: fn(&Settings, &OpenContext) -> Result<Arc<dyn SecretStoreConnector>>,
}

/// What a store may use of the process around it.
#[derive(Clone)]
pub struct OpenContext {
    /// Environment variables.
    pub environment: Arc<dyn Environment>,
    /// Asks a person for a passphrase; none where nobody can be asked.
    pub prompt: Option<Arc<dyn PassphrasePrompt>>,
    /// The longest that one request over a network may take, its answer included. [`StoreSet`] sets it to the
    /// store's `fetch_timeout`.
    ///
    /// [`StoreSet`]: crate::open::StoreSet
    pub request_timeout: Duration,
    /// Connectors that the program has itself, beyond those of the registry; none where it has none.
    pub host: Option<Arc<dyn HostConnectors>>,
    /// The folder to which the relative paths of [`open_given`] are relative. The working directory, if there is none.
    ///
    /// [`open_given`]: crate::open::open_given
    pub base: Option<PathBuf>,
}

impl Default for OpenContext {
    /// The environment of this process, nobody to ask, and the default `fetch_timeout`.
    fn default() -> Self {
        let request_timeout = ResolutionPolicy::default().fetch_timeout;
        OpenContext {
            environment: Arc::new(ProcessEnvironment),
            prompt: None,
            request_timeout,
            host: None,
            base: None,
        }
    }
}

impl fmt::Debug for OpenContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenContext")
            .field("environment", &self.environment)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

/// Connectors of the program around this library, such as classes of another language.
///
/// The configuration knows them by their specifications, which are made with [`ConnectorSpec::of_host`] and are put
/// before those of the registry. A [`StoreSet`](crate::open::StoreSet) then opens their stores here.
#[async_trait]
pub trait HostConnectors: Send + Sync {
    /// Opens a store of the connector `id`, from what its entry in the file holds, with everything filled in.
    ///
    /// Called at most once for a store that opens. The store is asked through a guard and an engine, so it needs no
    /// cache of its own.
    async fn open(&self, id: &str, settings: &[(String, Given)]) -> Result<Arc<dyn SecretStoreConnector>>;
}

/// Asks a person for a passphrase.
pub trait PassphrasePrompt: Send + Sync {
    /// Asks once, without echo. `what` completes "passphrase for …".
    ///
    /// A new passphrase (`confirm`) is asked twice, and the two must agree.
    fn passphrase(&self, what: &str, confirm: bool) -> Result<SecretString>;
}
