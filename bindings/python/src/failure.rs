//! What a resolver fails with.

use modelmesh_secrets::{Error, config::Report, live::ActivationError};
use pyo3::prelude::*;

use crate::errors::{of_report, of_several, to_exception};

/// Why a call of a resolver failed.
pub(crate) enum Failure {
    One(Error),
    /// Each reference that failed, once.
    References(Vec<Error>),
    Report(Box<Report>),
    Activations(Vec<ActivationError>),
}

impl Failure {
    pub(crate) fn to_exception(&self, py: Python<'_>) -> PyErr {
        match self {
            Failure::One(error) => to_exception(py, error),
            Failure::References(errors) => match &errors[..] {
                [error] => to_exception(py, error),
                errors => {
                    let lines: Vec<String> = errors.iter().map(Error::to_string).collect();
                    of_several(py, &lines.join("\n"), &errors.iter().collect::<Vec<_>>())
                }
            },
            Failure::Report(report) => of_report(py, report),
            Failure::Activations(activations) => {
                let lines: Vec<String> = activations.iter().map(ActivationError::to_string).collect();
                let errors: Vec<&Error> = activations.iter().flat_map(ActivationError::errors).collect();
                of_several(py, &lines.join("\n"), &errors)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::One(error)
    }
}

impl From<Box<Report>> for Failure {
    fn from(report: Box<Report>) -> Self {
        Failure::Report(report)
    }
}
