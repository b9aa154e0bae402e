//! The environment as Python has it.
//!
//! Python changes the environment under the interpreter's lock and no other, so whoever reads it past the interpreter
//! may read what is just being moved.

use std::ffi::OsString;

use modelmesh_stores::environment::Environment;
use pyo3::{intern, prelude::*};

/// `os.environ`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PythonEnvironment;

impl Environment for PythonEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        let read = |py: Python<'_>| -> PyResult<Option<OsString>> {
            environ(py)?.call_method1(intern!(py, "get"), (name,))?.extract()
        };
        // Also while the interpreter is about to end: that nobody can read a variable does not mean that it is not set.
        Python::try_attach(read)?.ok()?
    }

    fn names(&self) -> Vec<OsString> {
        let read = |py: Python<'_>| -> PyResult<Vec<OsString>> {
            environ(py)?.try_iter()?.map(|name| name?.extract()).collect()
        };
        Python::try_attach(read).and_then(Result::ok).unwrap_or_default()
    }
}

fn environ(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "os"))?.getattr(intern!(py, "environ"))
}
