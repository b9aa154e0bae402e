//! Settings on their way between Python's objects and the engine's tables.

use modelmesh_secrets::{ErrorKind, ExposeSecret as _, config::Given};
use pyo3::{
    IntoPyObjectExt as _,
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};

use crate::{errors::exception, values::text};

/// The settings in the fields `names` of a configuration dataclass. A field that is empty text, or `None`, was not
/// given.
///
/// Read here, so that no frame of Python ever holds a credential by itself.
pub(crate) fn from_config(config: &Bound<'_, PyAny>, names: &[String]) -> PyResult<Vec<(String, Given)>> {
    let mut given = Vec::new();
    for name in names {
        let value = config.getattr(name.as_str())?;
        match name.as_str() {
            "resolution" => given.extend(from_mapping(&value)?),
            // Whole milliseconds, and no fewer than none.
            "cache_ttl_ms" => {
                let milliseconds: f64 = value.extract()?;
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "what is beyond is the longest time there is"
                )]
                given.push((name.clone(), Given::Integer(milliseconds.max(0.0) as i64)));
            }
            _ => match from_python(name, &value)? {
                Given::Text(text) if text.expose_secret().is_empty() => {}
                value => given.push((name.clone(), value)),
            },
        }
    }
    Ok(given)
}

/// The settings of a mapping.
pub(crate) fn from_mapping(settings: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Given)>> {
    let mut given = Vec::new();
    for item in settings.cast::<PyMapping>()?.items()? {
        let (key, value): (String, Bound<'_, PyAny>) = item.extract()?;
        let value = from_python(&key, &value)?;
        given.push((key, value));
    }
    Ok(given)
}

/// The value of the setting `key`. Errors name the key and the class of what was given, and never the value.
fn from_python(key: &str, value: &Bound<'_, PyAny>) -> PyResult<Given> {
    let py = value.py();
    if value.is_none() {
        return Ok(Given::Nothing);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(Given::Boolean(value.is_true()));
    }
    if value.cast::<PyInt>().is_ok() {
        let number = value.extract().map_err(|_| wrong(py, key, "is a number too large"))?;
        return Ok(Given::Integer(number));
    }
    if let Ok(value) = value.cast::<PyFloat>() {
        return Ok(Given::Number(value.value()));
    }
    if let Ok(value) = value.cast::<PyString>() {
        let text = text(value).ok_or_else(|| wrong(py, key, "is not Unicode text"))?;
        return Ok(Given::Text(text.into()));
    }
    if value.cast::<PyList>().is_ok() || value.cast::<PyTuple>().is_ok() {
        let items = value.try_iter()?.map(|item| from_python(key, &item?));
        return Ok(Given::List(items.collect::<PyResult<_>>()?));
    }
    if value.cast::<PyMapping>().is_ok() {
        return Ok(Given::Map(from_mapping(value)?));
    }
    if value.hasattr(intern!(py, "__fspath__"))? {
        return from_python(key, &value.call_method0(intern!(py, "__fspath__"))?);
    }
    let class = value.get_type().name()?;
    Err(PyTypeError::new_err(format!("'{key}' cannot be a {class}")))
}

fn wrong(py: Python<'_>, key: &str, what: &str) -> PyErr {
    exception(py, ErrorKind::InvalidConfig, &format!("'{key}' {what}"))
}

/// The settings that a file gives to a class, as keyword arguments.
pub(crate) fn to_keywords<'py>(
    py: Python<'py>,
    settings: &[(String, Given)],
) -> PyResult<Bound<'py, PyDict>> {
    let keywords = PyDict::new(py);
    for (key, value) in settings {
        keywords.set_item(key, to_python(py, value)?)?;
    }
    Ok(keywords)
}

fn to_python(py: Python<'_>, value: &Given) -> PyResult<Py<PyAny>> {
    match value {
        Given::Text(text) => text.expose_secret().into_py_any(py),
        Given::Integer(number) => number.into_py_any(py),
        Given::Number(number) => number.into_py_any(py),
        Given::Boolean(value) => value.into_py_any(py),
        Given::List(items) => {
            let items: Vec<Py<PyAny>> =
                items.iter().map(|item| to_python(py, item)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, items)?.into_any().unbind())
        }
        Given::Map(entries) => Ok(to_keywords(py, entries)?.into_any().unbind()),
        _ => Ok(py.None()),
    }
}
