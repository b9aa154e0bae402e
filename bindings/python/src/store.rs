//! `Store`: what every store in Python is made of.

use std::sync::OnceLock;

use modelmesh_secrets::{
    BaseSecretStore, Claim, Error, ErrorKind, Result, SecretManagement as _, SecretName, SecretValue, Waiting,
};
use modelmesh_stores::{open::working_folder, registry::connector, unsaved::UnsavedChanges};
use pyo3::{
    IntoPyObjectExt as _,
    exceptions::{PyException, PyRuntimeError},
    intern,
    prelude::*,
    types::{PyDict, PyString, PyTuple},
};

use crate::{
    answer, blocking, dictionary,
    errors::{self, Mistake},
    given, hook, interpreter,
    opening::{Backing, ConnectorRecipe, Opened, Recipe, hook_policy, open},
    process::PerProcess,
    runtime, values,
};

/// The engine of a store, and the cached `get`: the base class of every store in Python.
///
/// A class on top of it opens it once, in its constructor, by `_open_hook` or `_open_connector`.
#[pyclass(subclass, frozen, module = "modelmesh._native")]
pub(crate) struct Store {
    recipe: OnceLock<Recipe>,
    opened: PerProcess<Opened>,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Store { recipe: OnceLock::new(), opened: PerProcess::new() }
    }

    /// Resolve a secret by name and return its value, from the cache or the backend.
    fn get<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(opened) = slf.get().opened.get()
            && let Some(value) = opened.copies.get(name)
        {
            return Ok(value);
        }
        let name = values::name(name)?;
        if let Some(value) = Self::cached(slf, &name)? {
            return Ok(value.into_any());
        }
        let answer = Self::fetch(slf, &name)?;
        Self::finish(slf, &name, answer)
    }

    /// The value, if it is in the cache; else a future of the running loop.
    fn _begin_get<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let name = values::name(name)?;
        if let Some(value) = Self::cached(slf, &name)? {
            return Ok(value.into_any());
        }
        let store = slf.clone().unbind();
        let work = Self::fetch_later(slf, name.clone())?;
        let finish = move |py: Python<'_>, answer: PyResult<Result<SecretValue>>| {
            Ok(Self::finish(store.bind(py), &name, answer?)?.unbind())
        };
        Ok(answer::begin(py, work, finish)?.into_bound(py))
    }

    /// Forget every cached value: the next reader of each asks the backend.
    pub(crate) fn clear_cache(slf: &Bound<'_, Self>) -> PyResult<()> {
        // A store that is not open yet has nothing in its cache.
        if slf.get().recipe.get().is_some() {
            Self::opened(slf)?.engine.clear_cache();
        }
        Ok(())
    }

    /// Opens a store whose backend is the method `_resolve`.
    fn _open_hook(&self, id: String, cache_enabled: bool, cache_ttl_ms: f64) -> PyResult<()> {
        self.set_recipe(Recipe { id, backing: Backing::Hook(hook_policy(cache_enabled, cache_ttl_ms)) })
    }

    /// Opens a store of a connector of this build, and finds what is wrong with its settings: those in the `fields` of
    /// `config`, and `fixed` ones in their place.
    ///
    /// `hook` is whether the method `_resolve` answers in place of the connector; it may ask the connector by `_read`.
    /// With `unsaved`, changes stay in memory until `_save`. `beside` is asked for what the connector does not have.
    #[pyo3(signature = (id, config, fields, fixed, *, hook=None, unsaved=false, beside=None))]
    #[allow(clippy::too_many_arguments, reason = "they have names where they are given")]
    #[allow(clippy::needless_pass_by_value, reason = "arguments of Python are made for the call")]
    fn _open_connector(
        slf: &Bound<'_, Self>,
        id: &str,
        config: &Bound<'_, PyAny>,
        fields: Vec<String>,
        fixed: &Bound<'_, PyAny>,
        hook: Option<(bool, f64)>,
        unsaved: bool,
        beside: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut settings = given::from_config(config, &fields)?;
        for (key, value) in given::from_mapping(fixed)? {
            settings.retain(|(known, _)| *known != key);
            settings.push((key, value));
        }
        let connector = ConnectorRecipe {
            id: id.to_owned(),
            given: settings,
            base: working_folder(),
            is_network: connector(id).is_some_and(|connector| connector.spec.network),
            changes: unsaved.then(UnsavedChanges::default),
            beside,
        };
        let backing = match hook {
            None => Backing::Connector(connector),
            Some((cache_enabled, ttl)) => Backing::HookOver(hook_policy(cache_enabled, ttl), connector),
        };
        slf.get().set_recipe(Recipe { id: id.to_owned(), backing })?;
        Self::opened(slf)?;
        Ok(())
    }

    /// What the backend has now: past the cache, and past a hook. `None` for a name that there is not.
    fn _read<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let py = slf.py();
        let name = values::name(name)?;
        let kept = Self::opened(slf)?.kept();
        match runtime::wait(py, kept.refresh(&name))? {
            Ok(value) => Ok(Some(PyString::new(py, value.expose()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(errors::to_exception(py, &error)),
        }
    }

    /// Store or update a secret.
    #[pyo3(signature = (name, value))]
    fn _set(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = values::name(name)?;
        if Self::is_dictionary(slf)? {
            dictionary::set(slf.as_any(), &name, value)?;
            return Self::written(slf, &name, Ok(()));
        }
        let value = values::value(value)?;
        Self::warn_in_loop(slf)?;
        let written = runtime::wait(slf.py(), Self::opened(slf)?.kept().set(&name, &value))?;
        Self::written(slf, &name, written)
    }

    /// Return the names of all stored secrets, sorted.
    fn _list(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        if Self::is_dictionary(slf)? {
            return dictionary::list(slf.as_any());
        }
        Self::warn_in_loop(slf)?;
        let names = runtime::wait(slf.py(), Self::opened(slf)?.kept().list())?;
        Self::listed(slf.py(), names)
    }

    /// Remove a secret. Raises `KeyError` if there is none of that name.
    #[pyo3(signature = (name))]
    fn _delete(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = values::name(name)?;
        if Self::is_dictionary(slf)? {
            dictionary::delete(slf.as_any(), &name)?;
            return Self::written(slf, &name, Ok(()));
        }
        Self::warn_in_loop(slf)?;
        let written = runtime::wait(slf.py(), Self::opened(slf)?.kept().delete(&name))?;
        Self::written(slf, &name, written)
    }

    /// A coroutine that does as `_set`. Not one of Python's own making, whose frame would have the value.
    #[pyo3(signature = (name, value))]
    fn _aset<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (store, name, value) = (slf.clone().unbind(), values::name(name)?, values::value(value)?);
        answer::coroutine(slf.py(), move |py| Self::begin_set(store.bind(py), name, value))
    }

    fn _begin_list(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        if Self::is_dictionary(slf)? {
            let names = dictionary::list(slf.as_any())?;
            return answer::begin(slf.py(), std::future::ready(()), |py, ()| names.into_py_any(py));
        }
        let kept = Self::opened(slf)?.kept().clone();
        answer::begin(slf.py(), async move { kept.list().await }, |py, names| {
            Self::listed(py, names)?.into_py_any(py)
        })
    }

    fn _begin_delete(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let name = values::name(name)?;
        if Self::is_dictionary(slf)? {
            dictionary::delete(slf.as_any(), &name)?;
            Self::written(slf, &name, Ok(()))?;
            return answer::begin(slf.py(), std::future::ready(()), |py, ()| Ok(py.None()));
        }
        let (kept, store, written) = (Self::opened(slf)?.kept().clone(), slf.clone().unbind(), name.clone());
        answer::begin(slf.py(), async move { kept.delete(&name).await }, move |py, outcome| {
            Self::written(store.bind(py), &written, outcome)?;
            Ok(py.None())
        })
    }

    /// Writes what `_set` and `_delete` kept in memory.
    fn _save(slf: &Bound<'_, Self>) -> PyResult<()> {
        let opened = Self::opened(slf)?;
        if let Some(unsaved) = &opened.unsaved {
            runtime::wait(slf.py(), unsaved.save())?
                .map_err(|error| errors::to_exception(slf.py(), &error))?;
        }
        Ok(())
    }

    fn _is_cached(slf: &Bound<'_, Self>, name: &str) -> PyResult<bool> {
        Ok(Self::opened(slf)?.engine.with_value(name, |_| ()).is_some())
    }

    fn _forget(slf: &Bound<'_, Self>, name: &str) -> PyResult<()> {
        // What cannot be a name is not in the cache.
        if let Ok(name) = SecretName::new(name) {
            Self::opened(slf)?.engine.invalidate(&name);
        }
        Ok(())
    }

    /// The names of which a value is cached.
    fn _cached_names(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        Ok(Self::opened(slf)?.engine.cached_names())
    }

    fn _cached_entries(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Ok(Self::opened(slf)?.engine.cached_entries())
    }
}

impl Store {
    fn set_recipe(&self, recipe: Recipe) -> PyResult<()> {
        self.recipe.set(recipe).map_err(|_| PyRuntimeError::new_err("this store is open already"))
    }

    fn recipe(&self) -> PyResult<&Recipe> {
        self.recipe.get().ok_or_else(|| {
            PyRuntimeError::new_err(
                "this store is not open: its class's __init__ did not call super().__init__",
            )
        })
    }

    /// Whether it is a mapping of the caller's that is written.
    fn is_dictionary(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::opened(slf)?;
        Ok(slf.get().recipe()?.connector().is_none())
    }

    /// The store as this process has it, opened if it must be.
    fn opened<'a>(slf: &'a Bound<'_, Self>) -> PyResult<&'a Opened> {
        let this = slf.get();
        if this.recipe.get().is_none() {
            // The constructor of the class did not do it. Another thread may be quicker.
            let opened = slf.call_method0(intern!(slf.py(), "_open_unopened"));
            if this.recipe.get().is_none() {
                opened?;
            }
        }
        let recipe = this.recipe()?;
        this.opened.get_or_open(|before| open(slf.as_any(), recipe, before))
    }

    fn cached<'py>(slf: &Bound<'py, Self>, name: &SecretName) -> PyResult<Option<Bound<'py, PyString>>> {
        let opened = Self::opened(slf)?;
        opened.copies.take(slf.py(), &opened.engine, name.as_str())
    }

    /// Fetches the value on this thread, or waits for whoever does.
    fn fetch(slf: &Bound<'_, Self>, name: &SecretName) -> PyResult<Result<SecretValue>> {
        let (py, engine) = (slf.py(), &Self::opened(slf)?.engine);
        if !slf.get().recipe()?.has_hook() {
            Self::warn_in_loop(slf)?;
        }
        let waiting = match Self::claim(slf, engine, name, None)? {
            Claimed::Answer(answer) => return Ok(answer),
            Claimed::Wait(waiting) => waiting,
        };
        loop {
            if let Some(answer) = py.detach(|| waiting.wait_blocking_for(runtime::SIGNALS)) {
                return Ok(answer);
            }
            py.check_signals()?;
        }
    }

    /// As [`fetch`](Store::fetch), elsewhere: a hook runs on a thread that may wait, with the caller's `contextvars`.
    fn fetch_later(
        slf: &Bound<'_, Self>,
        name: SecretName,
    ) -> PyResult<impl Future<Output = PyResult<Result<SecretValue>>> + Send + 'static> {
        let engine = Self::opened(slf)?.engine.clone();
        let hooked = if slf.get().recipe()?.has_hook() {
            // A hook may run a loop, on its own thread, in order to ask for its own name.
            engine.refuse_reentry(&name).map_err(|error| errors::to_exception(slf.py(), &error))?;
            let contextvars = slf.py().import(intern!(slf.py(), "contextvars"))?;
            let context = contextvars.call_method0(intern!(slf.py(), "copy_context"))?.unbind();
            Some((slf.clone().unbind(), context))
        } else {
            None
        };
        let handle = runtime::handle()?;
        Ok(async move {
            let Some((store, context)) = hooked else { return Ok(engine.get(&name).await) };
            let claim = move || {
                interpreter::attached(|py| {
                    Self::claim(store.bind(py), &engine, &name, Some(context.bind(py)))
                })
            };
            match handle.spawn_blocking(claim).await {
                Ok(Ok(claimed)) => Ok(match claimed? {
                    Claimed::Answer(answer) => answer,
                    Claimed::Wait(waiting) => waiting.wait().await,
                }),
                Ok(Err(ending)) => Ok(Err(ending)),
                Err(_) => Ok(Err(Error::new(ErrorKind::Unavailable, "the hook was stopped"))),
            }
        })
    }

    /// The answer, with the hook's help where nobody else is asking it, or somebody to wait for.
    fn claim(
        slf: &Bound<'_, Self>,
        engine: &BaseSecretStore,
        name: &SecretName,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Claimed> {
        let py = slf.py();
        let claim = if slf.get().recipe()?.has_hook() { engine.claim(name) } else { engine.begin_get(name) };
        Ok(Claimed::Answer(match claim {
            Err(error) => Err(error),
            Ok(Claim::Answer(answer)) => answer,
            Ok(Claim::Wait(waiting)) => return Ok(Claimed::Wait(waiting)),
            Ok(Claim::Lead(landing)) => match hook::resolve(slf.as_any(), name, context) {
                Ok(answer) => landing.land(answer),
                // An interrupt is of this thread alone. Whoever waits is told that nothing came.
                Err(raised) if !raised.is_instance_of::<PyException>(py) => return Err(raised),
                Err(raised) => {
                    landing.land(Err(errors::from_raised(py, raised, Mistake::EndsValue).with_name(name)))
                }
            },
        }))
    }

    /// What `get` returns or raises.
    fn finish<'py>(
        slf: &Bound<'py, Self>,
        name: &SecretName,
        answer: Result<SecretValue>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match answer {
            // The string in the cache, so that the next reader gets the same one.
            Ok(value) => Ok(match Self::cached(slf, name)? {
                Some(string) => string.into_any(),
                None => PyString::new(py, value.expose()).into_any(),
            }),
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && !errors::is_raised(&error)
                    && !Self::fails_on_missing(slf)? =>
            {
                Ok(PyString::new(py, "").into_any())
            }
            Err(error) => Err(errors::of_get(py, name.as_str(), &error)),
        }
    }

    /// As the configuration has it now.
    fn fails_on_missing(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        slf.getattr(intern!(py, "_config"))?.getattr(intern!(py, "fail_on_missing"))?.is_truthy()
    }

    fn begin_set(slf: &Bound<'_, Self>, name: SecretName, value: SecretValue) -> PyResult<Py<PyAny>> {
        if Self::is_dictionary(slf)? {
            dictionary::set(slf.as_any(), &name, &PyString::new(slf.py(), value.expose()))?;
            Self::written(slf, &name, Ok(()))?;
            return answer::begin(slf.py(), std::future::ready(()), |py, ()| Ok(py.None()));
        }
        let (kept, store, written) = (Self::opened(slf)?.kept().clone(), slf.clone().unbind(), name.clone());
        answer::begin(slf.py(), async move { kept.set(&name, &value).await }, move |py, outcome| {
            Self::written(store.bind(py), &written, outcome)?;
            Ok(py.None())
        })
    }

    fn written(slf: &Bound<'_, Self>, name: &SecretName, outcome: Result<()>) -> PyResult<()> {
        let opened = Self::opened(slf)?;
        if slf.get().recipe()?.has_hook() {
            // The engine above the hook does not know what was written below it.
            opened.engine.invalidate(name);
        }
        outcome.map_err(|error| errors::to_exception(slf.py(), &error))
    }

    fn listed(py: Python<'_>, names: Result<Vec<SecretName>>) -> PyResult<Vec<String>> {
        let names = names.map_err(|error| errors::to_exception(py, &error))?;
        Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// Warns where this thread is to wait for a network while a loop runs on it.
    fn warn_in_loop(slf: &Bound<'_, Self>) -> PyResult<()> {
        let connector = slf.get().recipe()?.connector();
        if connector.is_some_and(|connector| connector.is_network) {
            blocking::warn(slf.py(), 1)
        } else {
            Ok(())
        }
    }
}

/// What became of a claim.
enum Claimed {
    Answer(Result<SecretValue>),
    Wait(Waiting),
}
