//! Answers on their way to an asyncio loop.
//!
//! A loop shows futures, callbacks and their arguments in its logs, so a value travels in an object that shows nothing,
//! and comes out where it is awaited.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind};
use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyTuple};
use tokio::task::AbortHandle;

use crate::{errors::to_exception, interpreter, runtime};

type Finish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What an awaited call came to. It can be taken once.
#[pyclass(frozen, module = "modelmesh._native", name = "_Answer")]
pub(crate) struct Answer(Mutex<Option<Finish>>);

#[pymethods]
impl Answer {
    /// Returns what the call returned, or raises what it raised.
    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let finish = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match finish {
            Some(finish) => finish(py),
            None => {
                Err(to_exception(py, &Error::new(ErrorKind::Unsupported, "the answer was taken already")))
            }
        }
    }
}

/// The callback that brings an answer to its future.
#[pyclass(frozen, module = "modelmesh._native", name = "_Delivery")]
struct Delivery {
    future: Py<PyAny>,
    answer: Py<Answer>,
}

#[pymethods]
impl Delivery {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        // Whoever awaited it may have been cancelled.
        if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
            future.call_method1(intern!(py, "set_result"), (&self.answer,))?;
        }
        Ok(())
    }
}

type Begin = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// A call that was made and not begun, because no loop runs yet.
#[pyclass(frozen, module = "modelmesh._native", name = "_Pending")]
pub(crate) struct Pending(Mutex<Option<Begin>>);

#[pymethods]
impl Pending {
    /// Begins it, once, and returns a future of the running loop.
    fn begin(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let begin = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        begin.map_or_else(|| Err(taken(py)), |begin| begin(py))
    }
}

/// A coroutine that begins a call when it is awaited, and has its answer as its result. `begin` returns what [`begin`]
/// does.
pub(crate) fn coroutine(
    py: Python<'_>,
    begin: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    static RUN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let pending = Pending(Mutex::new(Some(Box::new(begin))));
    RUN.import(py, "modelmesh._awaiting", "run")?.call1((pending,))
}

fn taken(py: Python<'_>) -> PyErr {
    to_exception(py, &Error::new(ErrorKind::Unsupported, "this was done already"))
}

/// Called when a future is done: whoever awaited it may have given up.
#[pyclass(frozen, module = "modelmesh._native", name = "_Stop")]
struct Stop(AbortHandle);

#[pymethods]
impl Stop {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        self.0.abort();
    }
}

/// Starts `work`, and returns a future of the running loop, whose result is an [`Answer`]. Cancelling the future stops
/// the work.
///
/// `finish` makes the Python value, or the exception, where the answer is taken: on the loop's thread.
pub(crate) fn begin<T: Send + 'static>(
    py: Python<'_>,
    work: impl Future<Output = T> + Send + 'static,
    finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let event_loop = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "get_running_loop"))?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    let handle = runtime::handle()?;
    // A task of its own: if it panics, the future has an answer all the same.
    let work = handle.spawn(work);
    let stop = Py::new(py, Stop(work.abort_handle()))?;
    future.call_method1(intern!(py, "add_done_callback"), (stop,))?;
    let (event_loop, awaited) = (event_loop.unbind(), future.clone().unbind());
    handle.spawn(async move {
        let finish: Finish = match work.await {
            Ok(outcome) => Box::new(move |py| finish(py, outcome)),
            Err(stopped) if stopped.is_cancelled() => return,
            Err(_) => Box::new(|py| {
                Err(to_exception(
                    py,
                    &Error::new(ErrorKind::Unavailable, "the call was stopped before its end"),
                ))
            }),
        };
        // Nobody is left to hear of an answer that cannot be brought: the loop is closed, or the interpreter ends.
        let _ = interpreter::attached(|py| deliver(py, &event_loop, awaited, finish));
    });
    Ok(future.unbind())
}

fn deliver(py: Python<'_>, event_loop: &Py<PyAny>, future: Py<PyAny>, finish: Finish) -> PyResult<()> {
    let answer = Py::new(py, Answer(Mutex::new(Some(finish))))?;
    let delivery = Py::new(py, Delivery { future, answer })?;
    let call_soon = event_loop.bind(py).getattr(intern!(py, "call_soon_threadsafe"))?;
    interpreter::call(&call_soon, &PyTuple::new(py, [delivery])?, None)?;
    Ok(())
}
