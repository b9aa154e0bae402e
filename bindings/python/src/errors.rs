//! Errors of the engine as exceptions, and exceptions of hooks as errors of the engine.

use std::{error::Error as StdError, fmt};

use modelmesh_secrets::{Error, ErrorKind, config::Report, printable};
use pyo3::{
    exceptions::{PyConnectionError, PyKeyError, PyOSError, PyTimeoutError},
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyList, PyTuple, PyType},
};

use crate::interpreter;

/// Where the exceptions are defined.
const MODULE: &str = "modelmesh.interfaces.secret_store";

/// What a hook raised: kept as the cause of an [`Error`], and raised again for all who waited.
pub(crate) struct Raised(PyErr);

impl Raised {
    fn of(error: &Error) -> Option<&PyErr> {
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(error) = cause {
            if let Some(Raised(exception)) = error.downcast_ref() {
                return Some(exception);
            }
            cause = error.source();
        }
        None
    }
}

/// Shows nothing of the exception: its message is not ours.
impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raised")
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hook raised an exception")
    }
}

impl StdError for Raised {}

/// What an exception counts as that is neither an answer nor an outage: a mistake of the hook, most likely.
#[derive(Clone, Copy)]
pub(crate) enum Mistake {
    /// It ends the value that was served before: the caller of a `get` is to hear of it, and of nothing else.
    EndsValue,
    /// It changes nothing: where a provider has a value, that stays in use.
    ChangesNothing,
}

/// The engine's error for an exception of a hook.
pub(crate) fn from_raised(py: Python<'_>, raised: PyErr, mistake: Mistake) -> Error {
    let kind = kind_of(py, &raised).unwrap_or(match mistake {
        Mistake::EndsValue => ErrorKind::Disabled,
        Mistake::ChangesNothing => ErrorKind::InvalidConfig,
    });
    let message = told(py, &raised).unwrap_or_else(|| {
        let class = raised.get_type(py).name();
        let class = class.map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
        format!("the store's own code raised {class}")
    });
    Error::new(kind, message).with_source(Raised(raised))
}

/// The message of an exception that is about settings: it names them, and is what the reader of a file needs. Any
/// other message may hold a value.
fn told(py: Python<'_>, raised: &PyErr) -> Option<String> {
    let class = class(py, &INVALID_CONFIG, "InvalidConfigError").ok()?;
    raised.is_instance(py, class).then(|| raised.value(py).to_string())
}

/// How the engine counts an exception; none if it says nothing of the backend.
fn kind_of(py: Python<'_>, raised: &PyErr) -> Option<ErrorKind> {
    if is_ours(py, raised) {
        let kind: String = raised.value(py).getattr(intern!(py, "kind")).ok()?.extract().ok()?;
        return ErrorKind::ALL.into_iter().find(|known| known.as_str() == kind);
    }
    if raised.is_instance_of::<PyKeyError>(py) {
        Some(ErrorKind::NotFound)
    } else if raised.is_instance_of::<PyConnectionError>(py) || raised.is_instance_of::<PyTimeoutError>(py) {
        Some(ErrorKind::Unavailable)
    } else if raised.is_instance_of::<PyOSError>(py) {
        Some(ErrorKind::Io)
    } else {
        None
    }
}

fn is_ours(py: Python<'_>, raised: &PyErr) -> bool {
    class(py, &BASE, "SecretStoreError").is_ok_and(|class| raised.is_instance(py, class))
}

/// Whether a hook raised this, rather than answered that there is no such name.
pub(crate) fn is_raised(error: &Error) -> bool {
    Raised::of(error).is_some()
}

/// The exception for an error: what the hook raised, or one of `SecretStoreError`'s classes.
pub(crate) fn to_exception(py: Python<'_>, error: &Error) -> PyErr {
    if let Some(raised) = Raised::of(error) {
        return raised.clone_ref(py);
    }
    let name = error.name().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::NotFound if error.message() == PLAIN => not_found(name),
        ErrorKind::NotFound => format!("{} ({})", not_found(name), error.message()),
        ErrorKind::InvalidName => format!("Secret not found: {} ({})", printable(name), error.message()),
        _ => error.to_string(),
    };
    build(py, error.kind(), &message, Some(error)).unwrap_or_else(|failure| failure)
}

/// The exception of a `get`, whose text for a missing name is that of the interface, wherever it was looked for.
pub(crate) fn of_get(py: Python<'_>, name: &str, error: &Error) -> PyErr {
    if error.kind() != ErrorKind::NotFound || is_raised(error) {
        return to_exception(py, error);
    }
    build(py, error.kind(), &not_found(name), Some(error)).unwrap_or_else(|failure| failure)
}

/// What the engine says of a missing name, where there is no more to be said.
const PLAIN: &str = "not found";

/// As the interface has it, and without escapes: a `KeyError` shows its text by `repr`.
fn not_found(name: &str) -> String {
    format!("Secret not found: {name}")
}

/// The exception for everything that is wrong with a configuration.
pub(crate) fn of_report(py: Python<'_>, report: &Report) -> PyErr {
    let errors: Vec<&Error> = report
        .problems()
        .iter()
        .filter(|problem| problem.severity == modelmesh_secrets::config::Severity::Error)
        .map(|problem| &problem.error)
        .collect();
    of_several(py, &report.to_string(), &errors)
}

/// One exception for several errors, which it has as `errors`.
pub(crate) fn of_several(py: Python<'_>, message: &str, errors: &[&Error]) -> PyErr {
    let Some(first) = errors.first() else {
        return build(py, ErrorKind::InvalidConfig, message, None).unwrap_or_else(|failure| failure);
    };
    // Missing names are a `KeyError` only where nothing else is wrong.
    let worst = errors.iter().find(|error| error.kind() != ErrorKind::NotFound).unwrap_or(first);
    let several = || -> PyResult<PyErr> {
        let only = (errors.len() == 1).then_some(*worst);
        let exception = build(py, worst.kind(), message, only)?;
        let all = PyList::new(py, errors.iter().map(|error| to_exception(py, error).into_value(py)))?;
        exception.value(py).setattr(intern!(py, "errors"), all.to_tuple())?;
        exception.set_cause(py, Raised::of(worst).map(|raised| raised.clone_ref(py)));
        Ok(exception)
    };
    several().unwrap_or_else(|failure| failure)
}

/// An exception of `kind` for what this module itself finds wrong.
pub(crate) fn exception(py: Python<'_>, kind: ErrorKind, message: &str) -> PyErr {
    build(py, kind, message, None).unwrap_or_else(|failure| failure)
}

static BASE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static NOT_FOUND: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static INVALID_NAME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static INVALID_CONFIG: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static FILE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn class<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyType>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    cell.import(py, MODULE, name)
}

fn build(py: Python<'_>, kind: ErrorKind, message: &str, error: Option<&Error>) -> PyResult<PyErr> {
    let class = match kind {
        ErrorKind::NotFound => class(py, &NOT_FOUND, "SecretNotFoundError")?,
        ErrorKind::InvalidName => class(py, &INVALID_NAME, "InvalidNameError")?,
        ErrorKind::InvalidConfig | ErrorKind::InvalidReference => {
            class(py, &INVALID_CONFIG, "InvalidConfigError")?
        }
        ErrorKind::Io => class(py, &FILE, "SecretFileError")?,
        _ => class(py, &BASE, "SecretStoreError")?,
    };
    let details = PyDict::new(py);
    details.set_item(intern!(py, "kind"), kind.as_str())?;
    if let Some(error) = error {
        details.set_item(intern!(py, "store"), error.store())?;
        details.set_item(intern!(py, "name"), error.name())?;
        details.set_item(intern!(py, "help"), error.help())?;
        details.set_item(intern!(py, "retry_after"), error.retry_after().map(|wait| wait.as_secs_f64()))?;
    }
    let exception = interpreter::call(class, &PyTuple::new(py, [message])?, Some(&details))?;
    let exception = PyErr::from_value(exception);
    if let Some(help) = error.and_then(Error::help) {
        exception.add_note(py, help)?;
    }
    Ok(exception)
}
