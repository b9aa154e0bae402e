//! What the tests ask of the engine itself: what the cases of `conformance/` judge, and the tables of settings.

use modelmesh_secrets::{
    ExposeSecret as _, Naming, NamingRule, SecretName, Version, duration,
    reference::{Fallback, Field, PieceText, scan},
};
use modelmesh_stores::registry::connector;
use pyo3::{IntoPyObjectExt as _, prelude::*, types::PyDict};

use crate::{
    errors::to_exception,
    values::{self, name},
};

/// The pieces of a text: each a kind ('literal', 'reference' or 'error') and its parts.
#[pyfunction]
#[pyo3(name = "_scan")]
pub(crate) fn scan_text(py: Python<'_>, text: &str) -> PyResult<Vec<(&'static str, Py<PyAny>)>> {
    let mut pieces = Vec::new();
    for piece in scan(text) {
        pieces.push(match piece.text {
            PieceText::Literal(literal) => ("literal", literal.into_py_any(py)?),
            PieceText::Broken(error) => ("error", error.kind().as_str().into_py_any(py)?),
            PieceText::Reference(reference) => {
                let parts = PyDict::new(py);
                for (part, text) in [
                    ("name", Some(reference.name.as_str())),
                    ("store", reference.store.as_deref()),
                    ("version", reference.version.as_ref().map(Version::as_str)),
                    ("field", reference.field.as_ref().map(Field::as_str)),
                    ("fallback", reference.fallback.as_ref().map(Fallback::expose)),
                ] {
                    if let Some(text) = text {
                        parts.set_item(part, text)?;
                    }
                }
                ("reference", parts.into_any().unbind())
            }
        });
    }
    Ok(pieces)
}

/// The reference to a name.
#[pyfunction]
#[pyo3(name = "_to_reference")]
pub(crate) fn to_reference(given: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(name(given)?.to_reference())
}

/// A field of a document: a key, or a JSON pointer.
#[pyfunction]
#[pyo3(name = "_field")]
pub(crate) fn field(py: Python<'_>, field: &str, document: &str) -> PyResult<String> {
    let field = if field.starts_with('/') { Field::Pointer(field.into()) } else { Field::Key(field.into()) };
    let value = field.of(document).map_err(|error| to_exception(py, &error))?;
    Ok(value.expose_secret().to_owned())
}

/// The milliseconds of a duration.
#[pyfunction]
#[pyo3(name = "_milliseconds")]
pub(crate) fn milliseconds(text: &str) -> Option<u128> {
    duration::parse(text).map(|duration| duration.as_millis())
}

/// The backend's name for a logical one, and the logical one as it is listed.
#[pyfunction]
#[pyo3(name = "_to_backend")]
pub(crate) fn to_backend(prefix: &str, rule: &str, logical: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    let (py, naming) = (logical.py(), Naming::new(prefix, NamingRule::from_text(rule).unwrap_or_default()));
    let logical = values::name(logical)?;
    let named = naming.to_backend(&logical).and_then(|backend| Ok((backend, naming.canonical(&logical)?)));
    let (backend, canonical) = named.map_err(|error| to_exception(py, &error))?;
    Ok((backend.as_str().to_owned(), canonical.as_str().to_owned()))
}

/// The keys of a connector's settings: what its configuration in Python must have.
#[pyfunction]
#[pyo3(name = "_settings")]
pub(crate) fn settings(id: &str) -> Vec<&'static str> {
    let spec = connector(id).map(|connector| connector.spec);
    spec.iter().flat_map(|spec| spec.all_settings().map(|setting| setting.key)).collect()
}

/// The logical name of a name of the backend; none if a listing leaves it out.
#[pyfunction]
#[pyo3(name = "_to_logical")]
pub(crate) fn to_logical(prefix: &str, rule: &str, backend: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let naming = Naming::new(prefix, NamingRule::from_text(rule).unwrap_or_default());
    let logical = naming.to_logical(&values::name(backend)?);
    Ok(logical.as_ref().map(SecretName::as_str).map(str::to_owned))
}
