//! The values that Python was handed already, as Python's own strings.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use modelmesh_secrets::BaseSecretStore;
use pyo3::{
    prelude::*,
    types::{PyDict, PyString},
};

/// Copies of cached values, which are good for as long as the engine's count of changes stays.
///
/// Everything here happens under the interpreter's lock.
pub(crate) struct Copies {
    strings: Py<PyDict>,
    /// The count under which the copies were made.
    epoch: AtomicU32,
    now: Arc<AtomicU32>,
}

impl Copies {
    pub(crate) fn of(py: Python<'_>, store: &BaseSecretStore) -> Self {
        let now = Arc::clone(store.epoch());
        Copies { strings: PyDict::new(py).unbind(), epoch: AtomicU32::new(now.load(Ordering::Acquire)), now }
    }

    /// The copy of the value of `name`, if it may still be used.
    #[inline]
    pub(crate) fn get<'py>(&self, name: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        if self.now.load(Ordering::Acquire) != self.epoch.load(Ordering::Relaxed) {
            return None;
        }
        self.strings.bind(name.py()).get_item(name).ok()?
    }

    /// Copies the value of `name` out of the cache of `store`, if it is there.
    pub(crate) fn take<'py>(
        &self,
        py: Python<'py>,
        store: &BaseSecretStore,
        name: &str,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        // Before the value is read: a change in between makes the copy one of a count that has passed.
        let epoch = self.now.load(Ordering::Acquire);
        let Some(string) = store.with_value(name, |value| PyString::new(py, value.expose())) else {
            return Ok(None);
        };
        let strings = self.strings.bind(py);
        if self.epoch.swap(epoch, Ordering::Relaxed) != epoch {
            strings.clear();
        }
        strings.set_item(name, &string)?;
        Ok(Some(string))
    }
}
