//! The native module of the Python package `modelmesh`.
//!
//! It converts arguments and errors, and keeps copies of values as Python's own strings. Everything else is the engine's.

mod answer;
mod blocking;
mod conformance;
mod copies;
mod dictionary;
mod environment;
mod errors;
mod failure;
mod generation;
mod given;
mod hook;
mod host;
mod interpreter;
mod opening;
mod process;
mod resolver;
mod runtime;
mod store;
mod values;
mod watch;

use pyo3::{prelude::*, types::PyDict};

/// To be called in the child of a fork.
#[pyfunction]
fn _forked() {
    process::forked();
}

/// The engine under the package `modelmesh`. Private: use the package.
#[pymodule]
mod _native {
    use super::prepare;
    #[pymodule_export]
    use super::{
        _forked,
        answer::{Answer, Pending},
        conformance::{field, milliseconds, scan_text, settings, to_backend, to_logical, to_reference},
        generation::Generation,
        interpreter::ending,
        resolver::Resolver,
        store::Store,
        watch::Watch,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        prepare(module)
    }
}

/// Has the interpreter tell when the process forks, and when it ends.
fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let after = PyDict::new(py);
    after.set_item("after_in_child", module.getattr("_forked")?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&after))?;
    py.import("atexit")?.call_method1("register", (module.getattr("_ending")?,))?;
    Ok(())
}
