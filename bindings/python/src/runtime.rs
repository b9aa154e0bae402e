//! The runtime that waits for the engine on behalf of Python.
//!
//! It is apart from the engine's own thread, which must never wait for the interpreter.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use pyo3::prelude::*;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};

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

/// How long a thread waits before it looks for a signal, such as an interrupt from the keyboard.
pub(crate) const SIGNALS: Duration = Duration::from_millis(100);

/// Waits for `work` on this thread, without the interpreter. What a signal's handler raises ends the wait.
pub(crate) fn wait<T: Send>(py: Python<'_>, work: impl Future<Output = T> + Send) -> PyResult<T> {
    wait_after(py, work, || Ok(()))
}

/// As [`wait`]. Where there is something to wait for, `before` is called before; what it raises ends the wait.
pub(crate) fn wait_after<T: Send>(
    py: Python<'_>,
    work: impl Future<Output = T> + Send,
    before: impl FnOnce() -> PyResult<()>,
) -> PyResult<T> {
    let handle = handle()?;
    let mut work = pin!(work);
    let at_once = poll_fn(|context| Poll::Ready(work.as_mut().poll(context)));
    if let Poll::Ready(outcome) = py.detach(|| handle.block_on(at_once)) {
        return Ok(outcome);
    }
    before()?;
    loop {
        let waited = async { timeout(SIGNALS, work.as_mut()).await };
        if let Ok(outcome) = py.detach(|| handle.block_on(waited)) {
            return Ok(outcome);
        }
        py.check_signals()?;
    }
}
