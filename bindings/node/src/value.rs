//! Values on their way to JavaScript, and from it.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretValue};
use napi_derive::napi;

/// A value with what its store says about it.
#[napi(object)]
pub struct Secret {
    /// The text.
    pub value: String,
    /// The version.
    pub version: Option<String>,
    /// The instant after which it must not be used, in milliseconds since 1970.
    pub expires_at: Option<f64>,
}

impl From<&SecretValue> for Secret {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a date that JavaScript can hold")]
    fn from(value: &SecretValue) -> Self {
        Secret {
            value: value.expose().to_owned(),
            version: value.version().map(|version| version.as_str().to_owned()),
            expires_at: value.expires_at().map(|at| at.as_millisecond() as f64),
        }
    }
}

impl Secret {
    /// The value. `Malformed` if its expiry is no date.
    pub(crate) fn into_value(self) -> Result<SecretValue> {
        let mut value = SecretValue::new(self.value);
        if let Some(version) = self.version {
            value = value.with_version(version);
        }
        if let Some(milliseconds) = self.expires_at {
            let no_date = || Error::new(ErrorKind::Malformed, "'expiresAt' is no date");
            if !milliseconds.is_finite() {
                return Err(no_date());
            }
            #[allow(clippy::cast_possible_truncation, reason = "out of range is no date either")]
            let at = jiff::Timestamp::from_millisecond(milliseconds as i64).map_err(|_| no_date())?;
            value = value.with_expires_at(at);
        }
        Ok(value)
    }
}
