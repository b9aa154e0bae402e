//! Writing to the mapping that a store of Python was given: `config.secrets`, which stays the caller's.

use modelmesh_secrets::{Error, SecretName};
use pyo3::{intern, prelude::*, types::PyString};

use crate::{errors::to_exception, values};

fn secrets<'py>(store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = store.py();
    store.getattr(intern!(py, "_config"))?.getattr(intern!(py, "secrets"))
}

pub(crate) fn set(store: &Bound<'_, PyAny>, name: &SecretName, value: &Bound<'_, PyAny>) -> PyResult<()> {
    // Of the type that every reader expects.
    values::value(value)?;
    secrets(store)?.set_item(name.as_str(), value)
}

/// The names in the mapping, sorted. What no secret can be called is left out: nobody can ask for it.
pub(crate) fn list(store: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut names = Vec::new();
    for key in secrets(store)?.try_iter()? {
        let key = key?;
        if let Ok(key) = key.cast::<PyString>()
            && let Some(name) = values::text(key)
            && SecretName::new(name).is_ok()
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

pub(crate) fn delete(store: &Bound<'_, PyAny>, name: &SecretName) -> PyResult<()> {
    let secrets = secrets(store)?;
    if !secrets.contains(name.as_str())? {
        return Err(to_exception(store.py(), &Error::not_found(name.as_str())));
    }
    secrets.del_item(name.as_str())
}
