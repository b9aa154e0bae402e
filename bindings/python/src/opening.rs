//! How the engine of a Python store is opened: once in each process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use modelmesh_secrets::{
    BaseSecretStore, ChainStore, ResolutionPolicy, Result, SecretStoreConnector,
    config::{Given, StoreEntry},
};
use modelmesh_stores::{
    open::open_given,
    registry::{OpenContext, connector},
    unsaved::{UnsavedChanges, UnsavedStore},
};
use pyo3::prelude::*;

use crate::{copies::Copies, environment::PythonEnvironment, errors::to_exception, hook::HookConnector};

/// What a store is opened from, again in each process.
pub(crate) struct Recipe {
    /// The name in errors: the connector's ID, or the class's own.
    pub(crate) id: String,
    pub(crate) backing: Backing,
}

/// What answers.
pub(crate) enum Backing {
    /// The method `_resolve`.
    Hook(ResolutionPolicy),
    /// A connector of this build.
    Connector(ConnectorRecipe),
    /// The method `_resolve`, which may ask a connector.
    HookOver(ResolutionPolicy, ConnectorRecipe),
}

impl Recipe {
    pub(crate) fn has_hook(&self) -> bool {
        matches!(self.backing, Backing::Hook(_) | Backing::HookOver(..))
    }

    pub(crate) fn connector(&self) -> Option<&ConnectorRecipe> {
        match &self.backing {
            Backing::Hook(_) => None,
            Backing::Connector(connector) | Backing::HookOver(_, connector) => Some(connector),
        }
    }
}

pub(crate) struct ConnectorRecipe {
    pub(crate) id: String,
    pub(crate) given: Vec<(String, Given)>,
    /// The working directory of the constructor: wherever this process or a forked one goes, paths mean what they meant.
    pub(crate) base: PathBuf,
    pub(crate) is_network: bool,
    /// What was changed and not saved, where changes are kept until they are.
    pub(crate) changes: Option<UnsavedChanges>,
    /// A store that is asked for what the connector does not have.
    pub(crate) beside: Option<Py<PyAny>>,
}

/// A store as this process has it.
pub(crate) struct Opened {
    /// What `get` asks.
    pub(crate) engine: BaseSecretStore,
    /// The connector beneath a hook, without a cache.
    pub(crate) backend: Option<BaseSecretStore>,
    pub(crate) unsaved: Option<UnsavedStore>,
    pub(crate) copies: Copies,
}

impl Opened {
    /// What is read past the cache and written.
    pub(crate) fn kept(&self) -> &BaseSecretStore {
        self.backend.as_ref().unwrap_or(&self.engine)
    }
}

/// The policy of a store with a hook: the hook is called when a value's time is over, and no sooner.
pub(crate) fn hook_policy(cache_enabled: bool, cache_ttl_ms: f64) -> ResolutionPolicy {
    // No value is kept for longer than a process lives.
    const LONGEST: Duration = Duration::from_hours(24 * 365 * 10);
    let cache_ttl = if cache_ttl_ms > 0.0 {
        Duration::try_from_secs_f64(cache_ttl_ms / 1000.0).unwrap_or(LONGEST).min(LONGEST)
    } else {
        Duration::ZERO
    };
    ResolutionPolicy {
        cache_enabled,
        cache_ttl,
        ttl_jitter: 0.0,
        refresh_ahead: 1.0,
        negative_ttl: Duration::ZERO,
        ..ResolutionPolicy::default()
    }
}

/// What the stores of Python may use of the process.
pub(crate) fn context() -> OpenContext {
    OpenContext { environment: Arc::new(PythonEnvironment), ..OpenContext::default() }
}

/// Opens the engine of `store`; `before` is what the process had from which this one was forked.
pub(crate) fn open(store: &Bound<'_, PyAny>, recipe: &Recipe, before: Option<&Opened>) -> PyResult<Opened> {
    let py = store.py();
    let failed = |error| to_exception(py, &error);
    let hooked = |policy: &ResolutionPolicy| -> PyResult<BaseSecretStore> {
        let hook = HookConnector::of_itself(&recipe.id, store)?;
        Ok(BaseSecretStore::builder(Arc::new(hook)).name(recipe.id.as_str()).policy(policy.clone()).build())
    };
    let (engine, backend, unsaved) = match &recipe.backing {
        Backing::Hook(policy) => (hooked(policy)?, None, None),
        Backing::Connector(connector) => {
            let (engine, unsaved) = connector.open(py, true).map_err(failed)?;
            (engine, None, unsaved)
        }
        Backing::HookOver(policy, connector) => {
            let (backend, unsaved) = connector.open(py, false).map_err(failed)?;
            (hooked(policy)?, Some(backend), unsaved)
        }
    };
    if let Some(before) = before {
        engine.inherit(&before.engine);
    }
    let copies = Copies::of(py, &engine);
    Ok(Opened { engine, backend, unsaved, copies })
}

impl ConnectorRecipe {
    /// The connector's store, with what is laid over it.
    fn open(&self, py: Python<'_>, is_cached: bool) -> Result<(BaseSecretStore, Option<UnsavedStore>)> {
        let context = OpenContext { base: Some(self.base.clone()), ..context() };
        if self.changes.is_none() && self.beside.is_none() && is_cached {
            return Ok((open_given(&self.id, self.given.clone(), &context)?, None));
        }
        let store = open_given(&self.id, self.uncached(), &context)?;
        let name = store.name().to_owned();
        let mut layers: Arc<dyn SecretStoreConnector> = Arc::new(store);
        let unsaved = self.changes.clone().map(|changes| UnsavedStore::new(Arc::clone(&layers), changes));
        if let Some(unsaved) = &unsaved {
            layers = Arc::new(unsaved.clone());
        }
        if let Some(beside) = &self.beside {
            let beside = HookConnector::of_held("secrets", beside.clone_ref(py));
            let beside: Arc<dyn SecretStoreConnector> = Arc::new(beside);
            layers =
                Arc::new(ChainStore::new(vec![(name.as_str().into(), layers), ("secrets".into(), beside)]));
        }
        let given = if is_cached { self.given.clone() } else { self.uncached() };
        let policy = match connector(&self.id) {
            Some(connector) => StoreEntry::given(&name, connector.spec, given)?.policy,
            None => ResolutionPolicy::default(),
        };
        Ok((BaseSecretStore::builder(layers).guarded().name(name).policy(policy).build(), unsaved))
    }

    fn uncached(&self) -> Vec<(String, Given)> {
        let others = self.given.iter().filter(|(key, _)| key != "cache_enabled").cloned();
        others.chain([("cache_enabled".to_owned(), Given::Boolean(false))]).collect()
    }
}
