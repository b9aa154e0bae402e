//! Live handles: a secret whose versions are waited for.

use std::sync::{Arc, Mutex, PoisonError};

use modelmesh_secrets::{self as secrets, SecretValue, Version};
use pyo3::prelude::*;
use tokio::sync;

use crate::{answer, runtime, values};

/// A live handle on one secret.
#[pyclass(frozen, module = "modelmesh._native", name = "_Watch")]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    watch: sync::Mutex<secrets::Watch>,
    /// The version that Python took last: what was found for a caller who is gone is not lost.
    taken: Mutex<Option<Version>>,
}

impl Inner {
    fn taken(&self) -> Option<Version> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, py: Python<'_>, value: Option<&SecretValue>) -> PyResult<Py<PyAny>> {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = version_of(value);
        value.map_or_else(|| Ok(py.None()), |value| values::to_python(py, value))
    }

    /// Waits for another version than the one that was taken last; none if the value ends.
    async fn changed(&self) -> Option<SecretValue> {
        let mut watch = self.watch.lock().await;
        loop {
            let value = watch.value();
            if version_of(value.as_ref()) != self.taken() {
                return value;
            }
            watch.changed().await;
        }
    }
}

fn version_of(value: Option<&SecretValue>) -> Option<Version> {
    value.and_then(|value| value.version().cloned())
}

impl Watch {
    pub(crate) fn new(watch: secrets::Watch) -> Self {
        let taken = Mutex::new(version_of(watch.value().as_ref()));
        Watch(Arc::new(Inner { watch: sync::Mutex::new(watch), taken }))
    }
}

#[pymethods]
impl Watch {
    /// Waits for the next version, and returns it; `None` if the value ends.
    fn changed(&self, py: Python<'_>, wait: bool) -> PyResult<Py<PyAny>> {
        let inner = Arc::clone(&self.0);
        if !wait {
            let waited = Arc::clone(&inner);
            let work = async move { waited.changed().await };
            return answer::begin(py, work, move |py, value| inner.take(py, value.as_ref()));
        }
        let value = runtime::wait(py, inner.changed())?;
        inner.take(py, value.as_ref())
    }
}
