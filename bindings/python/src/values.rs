//! Texts and values on their way between the interpreter and the engine.

use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue, Version};
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyString, PyType},
};

use crate::{
    errors::{exception, to_exception},
    interpreter,
};

/// The text of a Python string; none if it holds half a surrogate pair. The interpreter's own error for that would
/// hold the text.
pub(crate) fn text<'a>(string: &'a Bound<'_, PyString>) -> Option<&'a str> {
    string.to_str().ok()
}

/// The name that a caller gives.
pub(crate) fn name(given: &Bound<'_, PyAny>) -> PyResult<SecretName> {
    let py = given.py();
    let Ok(string) = given.cast::<PyString>() else {
        let class = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a secret's name is a str, not {class}")));
    };
    let Some(name) = text(string) else {
        let wrong =
            Error::new(ErrorKind::InvalidName, "a name is Unicode text, without half a surrogate pair");
        return Err(to_exception(py, &wrong.with_name(&*string.to_string_lossy())));
    };
    SecretName::new(name).map_err(|error| to_exception(py, &error))
}

/// The value that a caller gives to be stored.
pub(crate) fn value(given: &Bound<'_, PyAny>) -> PyResult<SecretValue> {
    confidential(given, "a secret's value")
}

/// The text that a caller gives, which may be or become a secret; errors call it `what`.
pub(crate) fn confidential(given: &Bound<'_, PyAny>, what: &str) -> PyResult<SecretValue> {
    let Ok(string) = given.cast::<PyString>() else {
        let class = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{what} is a str, not {class}")));
    };
    text(string)
        .map(SecretValue::new)
        .ok_or_else(|| exception(given.py(), ErrorKind::Unsupported, &format!("{what} {IS_TEXT}")))
}

const IS_TEXT: &str = "is Unicode text, without half a surrogate pair";

static SECRET_VALUE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn secret_value(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    SECRET_VALUE.import(py, "modelmesh.interfaces.secret_store", "SecretValue")
}

/// What a hook returned: a text, a `SecretValue`, or `None` for a name that there is not.
pub(crate) fn returned(name: &SecretName, answer: &Bound<'_, PyAny>) -> PyResult<Result<SecretValue>> {
    if answer.is_none() {
        return Ok(Err(Error::not_found(name.as_str())));
    }
    let py = answer.py();
    if let Ok(string) = answer.cast::<PyString>() {
        return Ok(hooked_text(name, string));
    }
    if !answer.is_instance(secret_value(py)?)? {
        let class = answer.get_type().name()?;
        let wrong = format!("a hook returns a str, a SecretValue or None, not {class}");
        return Err(PyTypeError::new_err(wrong));
    }
    let value = answer.getattr(intern!(py, "value"))?;
    let mut value = match hooked_text(name, value.cast::<PyString>()?) {
        Ok(value) => value,
        Err(error) => return Ok(Err(error)),
    };
    let version = answer.getattr(intern!(py, "version"))?;
    if !version.is_none() {
        value = value.with_version(version.str()?.to_string_lossy().into_owned());
    }
    let expires_at = answer.getattr(intern!(py, "expires_at"))?;
    if !expires_at.is_none() {
        let seconds: f64 = expires_at.call_method0(intern!(py, "timestamp"))?.extract()?;
        let at = jiff::SignedDuration::try_from_secs_f64(seconds).map(Timestamp::from_duration);
        let Ok(Ok(at)) = at else {
            return Err(PyTypeError::new_err("'expires_at' is further away than any date"));
        };
        value = value.with_expires_at(at);
    }
    Ok(Ok(value))
}

fn hooked_text(name: &SecretName, string: &Bound<'_, PyString>) -> Result<SecretValue> {
    let value = text(string).map(SecretValue::new);
    value.ok_or_else(|| {
        Error::new(ErrorKind::Malformed, format!("a secret's value {IS_TEXT}")).with_name(name)
    })
}

/// A value as the Python class `SecretValue`.
pub(crate) fn to_python(py: Python<'_>, value: &SecretValue) -> PyResult<Py<PyAny>> {
    let expires_at = value.expires_at().map(|at| datetime(py, at)).transpose()?;
    let version = value.version().map(Version::as_str);
    let fields = (value.expose(), version, expires_at).into_pyobject(py)?;
    Ok(interpreter::call(secret_value(py)?, &fields, None)?.unbind())
}

/// An instant as a `datetime` in UTC.
pub(crate) fn datetime(py: Python<'_>, at: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    let datetime = py.import(intern!(py, "datetime"))?;
    let utc = datetime.getattr(intern!(py, "timezone"))?.getattr(intern!(py, "utc"))?;
    let seconds = at.as_duration().as_secs_f64();
    datetime.getattr(intern!(py, "datetime"))?.call_method1(intern!(py, "fromtimestamp"), (seconds, utc))
}
