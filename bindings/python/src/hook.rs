//! Stores whose backend is Python code.

use std::fmt;

use async_trait::async_trait;
use modelmesh_secrets::{
    Error, ErrorKind, Result, SecretName, SecretResolution, SecretStoreConnector, SecretValue,
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyString, PyWeakrefReference},
};

use crate::{
    errors::{Mistake, from_raised},
    interpreter,
    store::Store,
    values::returned,
};

/// A store of the engine that asks a Python object.
///
/// The engine calls it where it asks by itself, on a thread that may wait: to refresh a value, or to activate a
/// provider. A `get` in Python runs the hook on its own thread instead.
pub(crate) struct HookConnector {
    id: String,
    owner: Owner,
}

/// How the object is held.
enum Owner {
    /// It has the engine that asks it, and must be able to die.
    Itself(Py<PyWeakrefReference>),
    /// The engine alone has it.
    Held(Py<PyAny>),
}

impl HookConnector {
    /// The backend of a store object that has the engine.
    pub(crate) fn of_itself(id: &str, store: &Bound<'_, PyAny>) -> PyResult<Self> {
        let store = PyWeakrefReference::new(store)?.unbind();
        Ok(HookConnector { id: id.to_owned(), owner: Owner::Itself(store) })
    }

    /// The backend of an object that only the engine has.
    pub(crate) fn of_held(id: &str, store: Py<PyAny>) -> Self {
        HookConnector { id: id.to_owned(), owner: Owner::Held(store) }
    }

    fn owner(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.owner {
            Owner::Itself(store) => store.bind(py).upgrade().map(Bound::unbind),
            Owner::Held(store) => Some(store.clone_ref(py)),
        }
    }
}

impl fmt::Debug for HookConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookConnector").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Calls the hook of `store` for `name`, with the `contextvars` of somebody else if their `context` is given. What it
/// raises is an `Err` of Python.
pub(crate) fn resolve(
    store: &Bound<'_, PyAny>,
    name: &SecretName,
    context: Option<&Bound<'_, PyAny>>,
) -> PyResult<Result<SecretValue>> {
    call(store, intern!(store.py(), "_resolve"), name, context)
}

/// Asks a store for what its backend has now: by its hook, or by its `get` where that is its own. Its own cache is
/// passed: the engine that asks has another. All of it, for a `get` may ask for other names than its own.
fn ask(store: &Bound<'_, PyAny>, name: &SecretName) -> PyResult<Result<SecretValue>> {
    let get = intern!(store.py(), "get");
    if let Ok(ours) = store.cast::<Store>() {
        if store.get_type().getattr(get)?.is(&store.py().get_type::<Store>().getattr(get)?) {
            return resolve(store, name, None);
        }
        Store::clear_cache(ours)?;
    }
    call(store, get, name, None)
}

fn call<'py>(
    store: &Bound<'py, PyAny>,
    method: &Bound<'py, PyString>,
    name: &SecretName,
    context: Option<&Bound<'py, PyAny>>,
) -> PyResult<Result<SecretValue>> {
    let (py, method) = (store.py(), store.getattr(method)?);
    let answer = match context {
        None => interpreter::call(&method, &(name.as_str(),).into_pyobject(py)?, None)?,
        Some(context) => {
            let run = context.getattr(intern!(py, "run"))?;
            interpreter::call(&run, &(method, name.as_str()).into_pyobject(py)?, None)?
        }
    };
    returned(name, &answer)
}

#[async_trait]
impl SecretResolution for HookConnector {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let Some(store) = interpreter::attached(|py| self.owner(py))? else {
            return Err(Error::new(ErrorKind::Unavailable, "the store's object is gone").with_name(name));
        };
        let (asked, is_held) = (name.clone(), matches!(self.owner, Owner::Held(_)));
        let answer = tokio::task::spawn_blocking(move || {
            interpreter::attached(|py| {
                let store = store.into_bound(py);
                let (answer, mistake) = if is_held {
                    (ask(&store, &asked), Mistake::ChangesNothing)
                } else {
                    (resolve(&store, &asked, None), Mistake::EndsValue)
                };
                answer.unwrap_or_else(|raised| Err(from_raised(py, raised, mistake).with_name(&asked)))
            })
        });
        match answer.await {
            Ok(answer) => answer?,
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the hook was stopped").with_name(name)),
        }
    }
}

impl SecretStoreConnector for HookConnector {
    fn connector_id(&self) -> &str {
        &self.id
    }
}
