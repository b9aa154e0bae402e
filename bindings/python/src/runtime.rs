//! The runtime that waits for the engine on behalf of Python.
//!
//! It is apart from the engine's own thread, which must never wait for the interpreter.

use std::future::Future;

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::process::PerProcess;

/// More hooks at a time than any program has workers.
const MAX_BLOCKING_THREADS: usize = 32;

static RUNTIME: PerProcess<Runtime> = PerProcess::new();

/// The runtime of this process, started when first used.
pub(crate) fn handle() -> PyResult<&'static Handle> {
    let start = |_: Option<&Runtime>| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("modelmesh-python")
            .enable_all()
            .build()
    };
    Ok(RUNTIME.get_or_open(start)?.handle())
}

/// Waits for `work` on this thread, without the interpreter.
pub(crate) fn wait<T: Send>(py: Python<'_>, work: impl Future<Output = T> + Send) -> PyResult<T> {
    let handle = handle()?;
    Ok(py.detach(|| handle.block_on(work)))
}
