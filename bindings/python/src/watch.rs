//! Live handles: a secret whose versions are waited for.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use modelmesh_secrets::{self as secrets, SecretValue, Version, reference::Reference};
use pyo3::prelude::*;
use tokio::sync::{self, OnceCell};

use crate::{answer, failure::Failure, process::PerProcess, resolver::Source, runtime, values};

/// A live handle on one secret, opened once in each process. In the child of a fork it begins with the value that there
/// is then: nobody knows what changed in between.
#[pyclass(frozen, module = "modelmesh._native", name = "_Watch")]
pub(crate) struct Watch {
    source: Arc<Source>,
    reference: Reference,
    opened: PerProcess<Arc<Inner>>,
}

#[derive(Default)]
struct Inner {
    watch: OnceCell<sync::Mutex<secrets::Watch>>,
    /// The version that Python took last: what was found for a caller who is gone is not lost.
    taken: Mutex<Option<Version>>,
}

impl Inner {
    fn taken(&self) -> Option<Version> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, py: Python<'_>, changed: Result<Option<SecretValue>, Failure>) -> PyResult<Py<PyAny>> {
        let value = changed.map_err(|failure| failure.to_exception(py))?;
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = version_of(value.as_ref());
        value.map_or_else(|| Ok(py.None()), |value| values::to_python(py, &value))
    }

    /// Waits for another version than the one that was taken last; none if the value ends.
    async fn changed(&self, source: &Source, reference: &Reference) -> Result<Option<SecretValue>, Failure> {
        let open = || async {
            let watch = source.resolver().await?.watch(reference).await?;
            Ok::<_, Failure>(sync::Mutex::new(watch))
        };
        let mut watch = self.watch.get_or_try_init(open).await?.lock().await;
        loop {
            let value = watch.value();
            if version_of(value.as_ref()) != self.taken() {
                return Ok(value);
            }
            watch.changed().await;
        }
    }
}

fn version_of(value: Option<&SecretValue>) -> Option<Version> {
    value.and_then(|value| value.version().cloned())
}

impl Watch {
    pub(crate) fn new(source: Arc<Source>, reference: Reference, watch: secrets::Watch) -> Self {
        let taken = Mutex::new(version_of(watch.value().as_ref()));
        let watch = OnceCell::new_with(Some(sync::Mutex::new(watch)));
        let handle = Watch { source, reference, opened: PerProcess::new() };
        handle.inner(Inner { watch, taken });
        handle
    }

    /// As this process has it, or else `anew`.
    fn inner(&self, anew: Inner) -> Arc<Inner> {
        let Ok(inner) = self.opened.get_or_open(|_| Ok::<_, Infallible>(Arc::new(anew)));
        Arc::clone(inner)
    }
}

#[pymethods]
impl Watch {
    /// Waits for the next version, and returns it; `None` if the value ends.
    fn changed(&self, py: Python<'_>, wait: bool) -> PyResult<Py<PyAny>> {
        let inner = self.inner(Inner::default());
        if wait {
            let changed = runtime::wait(py, inner.changed(&self.source, &self.reference))?;
            return inner.take(py, changed);
        }
        let (waited, source, reference) =
            (Arc::clone(&inner), Arc::clone(&self.source), self.reference.clone());
        let work = async move { waited.changed(&source, &reference).await };
        answer::begin(py, work, move |py, changed| inner.take(py, changed))
    }
}
