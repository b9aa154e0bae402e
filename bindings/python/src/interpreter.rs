//! The way from the engine's threads into the interpreter, which may be about to end.

use std::sync::atomic::{AtomicBool, Ordering};

use modelmesh_secrets::{Error, ErrorKind, Result};
use pyo3::prelude::*;

/// Set at exit, while threads can still be told.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Runs `work` with the interpreter, from a thread of the engine.
///
/// Fails with `Unavailable` where the interpreter is about to end: a thread that enters it then may never return.
pub(crate) fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> Result<R> {
    let ending = || Error::new(ErrorKind::Unavailable, "the interpreter is about to end");
    if IS_ENDING.load(Ordering::Relaxed) {
        return Err(ending());
    }
    Python::try_attach(work).ok_or_else(ending)
}

/// From now on, nobody enters the interpreter from a thread of the engine.
#[pyfunction]
#[pyo3(name = "_ending")]
pub(crate) fn ending() {
    IS_ENDING.store(true, Ordering::Relaxed);
}
