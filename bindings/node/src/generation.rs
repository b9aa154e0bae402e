//! What a provider has, and what came of a value that was refused.

use std::sync::Arc;

use modelmesh_secrets::{
    AuthFailure, SecretValue,
    live::{self, ActivationError},
};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::{failure::Failure, value::Secret};

/// One consistent set of a provider's values.
#[napi]
pub struct Generation(Arc<live::Generation>);

impl Generation {
    pub(crate) fn of(generation: Arc<live::Generation>) -> Self {
        Generation(generation)
    }

    pub(crate) fn inner(&self) -> &Arc<live::Generation> {
        &self.0
    }
}

#[napi]
impl Generation {
    /// The provider's ID.
    #[napi(getter)]
    pub fn provider(&self) -> String {
        self.0.provider().to_owned()
    }

    /// Counts the generations of the provider, from 1.
    #[napi(getter)]
    #[allow(clippy::cast_precision_loss, reason = "a count that no process reaches")]
    pub fn number(&self) -> f64 {
        self.0.number() as f64
    }

    /// Why it was made.
    #[napi(getter, ts_return_type = "Reason")]
    pub fn reason(&self) -> &'static str {
        self.0.reason().as_str()
    }

    /// When it was made, in milliseconds since 1970.
    #[napi(getter)]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a date that JavaScript can hold")]
    pub fn activated_at(&self) -> f64 {
        self.0.activated_at().as_millisecond() as f64
    }

    /// A setting's text, with values in place of references.
    #[napi]
    pub fn setting(&self, path: String) -> Option<String> {
        self.0.setting(&path).map(str::to_owned)
    }

    /// The first secret in a setting.
    #[napi]
    pub fn secret(&self, path: String) -> Option<HeldSecret> {
        let (reference, value) = self.0.secret(&path)?;
        Some(HeldSecret { reference: reference.to_string(), secret: value.into() })
    }
}

/// A secret of a generation.
#[napi(object, object_from_js = false)]
pub struct HeldSecret {
    /// The reference to it.
    pub reference: String,
    /// Its value.
    pub secret: Secret,
}

/// What came of a value that the upstream API refused.
#[napi(object, object_from_js = false)]
pub struct Refusal {
    /// `rotated`, `fell_back`, `unchanged` or `unavailable`.
    #[napi(ts_type = "RefusalOutcome")]
    pub outcome: String,
    /// The value to try once more with.
    pub secret: Option<Secret>,
    /// The generation to try once more with.
    pub generation: Option<Generation>,
    /// Why the store could not be asked.
    pub failure: Option<Failure>,
}

impl From<AuthFailure<SecretValue>> for Refusal {
    fn from(outcome: AuthFailure<SecretValue>) -> Self {
        let mut refusal = Refusal::of(&outcome);
        refusal.secret = outcome.value().map(Secret::from);
        refusal
    }
}

impl From<AuthFailure<Arc<live::Generation>>> for Refusal {
    fn from(outcome: AuthFailure<Arc<live::Generation>>) -> Self {
        let mut refusal = Refusal::of(&outcome);
        refusal.generation = outcome.value().cloned().map(Generation);
        refusal
    }
}

impl Refusal {
    fn of<T>(outcome: &AuthFailure<T>) -> Self {
        let (outcome, failure) = match outcome {
            AuthFailure::Rotated(_) => ("rotated", None),
            AuthFailure::FellBack(_) => ("fell_back", None),
            AuthFailure::Unchanged => ("unchanged", None),
            AuthFailure::Unavailable(error) => ("unavailable", Some(error.clone().into())),
        };
        Refusal { outcome: outcome.to_owned(), secret: None, generation: None, failure }
    }
}

pub(crate) fn activated(
    activation: Result<Arc<live::Generation>, ActivationError>,
) -> Either<Generation, Failure> {
    match activation {
        Ok(generation) => Either::A(Generation(generation)),
        Err(error) => {
            let parts = error.errors().iter().cloned().map(Failure::from).collect();
            Either::B(Failure::of_several(error.to_string(), parts))
        }
    }
}
