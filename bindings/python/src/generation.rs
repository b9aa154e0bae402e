//! One consistent set of a provider's values.

use std::sync::Arc;

use modelmesh_secrets::live;
use pyo3::prelude::*;

use crate::values;

/// One consistent set of a provider's resolved values. It never changes.
#[pyclass(frozen, module = "modelmesh._native")]
pub(crate) struct Generation(Arc<live::Generation>);

impl Generation {
    pub(crate) fn new(generation: Arc<live::Generation>) -> Self {
        Generation(generation)
    }
}

#[pymethods]
impl Generation {
    /// The provider's ID.
    #[getter]
    fn provider(&self) -> &str {
        self.0.provider()
    }

    /// Counts the provider's generations, from 1.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number()
    }

    /// Why it was made: 'init', 'rotation', 'recovery' or 'manual'.
    #[getter]
    fn reason(&self) -> &'static str {
        self.0.reason().as_str()
    }

    /// When it was made.
    #[getter]
    fn activated_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        values::datetime(py, self.0.activated_at())
    }

    /// The text of a setting, with values in place of references: `api_key`,
    /// `headers.organization`, `keys[0]`.
    ///
    /// `None` if there is no such text, or a reference in it is missing and may be.
    fn setting(&self, path: &str) -> Option<&str> {
        self.0.setting(path)
    }

    /// The first secret in a setting, as its reference and its value: what to report if it is refused.
    fn secret(&self, py: Python<'_>, path: &str) -> PyResult<Option<(String, Py<PyAny>)>> {
        let Some((reference, value)) = self.0.secret(path) else { return Ok(None) };
        Ok(Some((reference.to_string(), values::to_python(py, value)?)))
    }

    fn __repr__(&self) -> String {
        format!("<generation {} of provider {:?}>", self.0.number(), self.0.provider())
    }
}
