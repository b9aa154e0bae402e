//! The way from the engine's threads into the interpreter, which may be about to end, and from ours into Python's code.

use std::{
    mem, ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use modelmesh_secrets::{Error, ErrorKind, Result};
use pyo3::{
    ffi::{self, PyObject},
    prelude::*,
    types::{PyDict, PyTuple},
};

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

/// Calls code that is written in Python, on a thread that may be there when the interpreter ends: a daemon thread, or
/// one of ours.
///
/// Before Python 3.14, the interpreter then ends such a thread where it next wants to go on in Python, by unwinding its
/// stack. In Rust that would abort the whole process, so the thread stops here instead, and the process ends in peace.
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = keywords.map_or(ptr::null_mut(), Bound::as_ptr);
    let stop = StopHere;
    // Sound: it is the same function, by a type that does not deny that its caller's stack may be unwound; what it is
    // given is held by the caller, who has the interpreter; and it returns a new reference, or sets an exception.
    let returned = unsafe {
        let call = mem::transmute::<Call, UnwindingCall>(ffi::PyObject_Call as Call);
        Bound::from_owned_ptr_or_err(callable.py(), call(callable.as_ptr(), arguments.as_ptr(), keywords))
    };
    mem::forget(stop);
    returned
}

type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type UnwindingCall =
    unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// Dropped by nothing but the end of a thread.
struct StopHere;

impl Drop for StopHere {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}
