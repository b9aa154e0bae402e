//! Calls that wait for a network on a thread whose asyncio loop should go on.

use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyType};

/// Warns if a loop runs on this thread. The warning is about the line that many frames of Python out: 1 for who calls
/// into this library.
pub(crate) fn warn(py: Python<'_>, frames: i32) -> PyResult<()> {
    static WARNING: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let asyncio = modules.call_method1(intern!(py, "get"), (intern!(py, "asyncio"),))?;
    if asyncio.is_none() || asyncio.call_method0(intern!(py, "_get_running_loop"))?.is_none() {
        return Ok(());
    }
    let category = WARNING.import(py, "modelmesh.interfaces.secret_store", "BlockingCallWarning")?;
    let message =
        c"a store behind a network is asked while an asyncio loop waits; await its a... form instead";
    PyErr::warn(py, category, message, frames)
}
