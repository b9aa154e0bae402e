//! How a store is made: from its connector, with what is configured.

use std::{fmt, sync::Arc};

use super::BaseSecretStore;
use crate::{
    ResolutionPolicy, SecretStoreConnector,
    clock::{Clock, SystemClock},
    engine::Engine,
    guard::GuardedStore,
    observe::Observer,
};

/// Configures a [`BaseSecretStore`].
#[must_use]
pub struct Builder {
    connector: Arc<dyn SecretStoreConnector>,
    name: Option<Arc<str>>,
    policy: ResolutionPolicy,
    clock: Arc<dyn Clock>,
    observer: Observer,
    is_guarded: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("connector", &self.connector.connector_id())
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn over(connector: Arc<dyn SecretStoreConnector>) -> Self {
        Builder {
            connector,
            name: None,
            policy: ResolutionPolicy::default(),
            clock: Arc::new(SystemClock),
            observer: Observer::new(),
            is_guarded: false,
        }
    }

    /// The store's name in errors; its connector's ID if none is given.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How values are cached.
    pub fn policy(mut self, policy: ResolutionPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Where time comes from.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.shared_clock(Arc::new(clock))
    }

    /// Where time comes from: a clock that others have too.
    pub fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is told what happens.
    pub fn observer(mut self, observer: &Observer) -> Self {
        self.observer = observer.clone();
        self
    }

    /// Says that the connector is a [`GuardedStore`] already, or made of such: it is not wrapped in another.
    pub fn guarded(mut self) -> Self {
        self.is_guarded = true;
        self
    }

    /// The store.
    pub fn build(self) -> BaseSecretStore {
        let Builder { connector, name, policy, clock, observer, is_guarded } = self;
        let name = name.unwrap_or_else(|| connector.connector_id().into());
        let fail_on_missing = policy.fail_on_missing;
        let connector = if is_guarded {
            connector
        } else {
            let (clock, observer) = (Arc::clone(&clock), observer.clone());
            Arc::new(GuardedStore::new(connector, Arc::clone(&name), &policy, clock, observer))
        };
        let engine = Engine::new(connector, Arc::clone(&name), policy, clock, observer);
        BaseSecretStore { engine, name, fail_on_missing }
    }
}
