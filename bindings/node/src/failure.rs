//! Errors on their way to JavaScript, and those of hooks on their way from it.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind};
use napi::{bindgen_prelude::ToNapiValue, sys};
use napi_derive::napi;

/// What an error says. It never holds a value.
#[napi(object, object_from_js = false, js_name = "Failure")]
pub struct Told {
    /// The kind, such as `not_found`.
    #[napi(ts_type = "ErrorKind")]
    pub kind: String,
    /// What is wrong, with the store and the name.
    pub message: String,
    /// The store on which it happened.
    pub store: Option<String>,
    /// The secret's name.
    pub secret: Option<String>,
    /// What the reader may try.
    pub help: Option<String>,
    /// How long the store asked to be left alone.
    pub retry_after_ms: Option<f64>,
    /// The number under which the package keeps what a hook threw.
    pub thrown: Option<u32>,
    /// The failures that this one is made of.
    pub parts: Option<Vec<Failure>>,
}

/// An error on its way to JavaScript.
pub struct Failure {
    told: Told,
    /// Kept until JavaScript has been told: what a hook threw is kept there for as long as an error refers to it.
    error: Option<Error>,
}

#[allow(unsafe_code, reason = "the trait's own signature")]
impl ToNapiValue for Failure {
    unsafe fn to_napi_value(env: sys::napi_env, failure: Self) -> napi::Result<sys::napi_value> {
        let Failure { told, error } = failure;
        // SAFETY: it is given the environment that this was given.
        let value = unsafe { Told::to_napi_value(env, told) };
        drop(error);
        value
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let told = Told {
            kind: error.kind().as_str().to_owned(),
            message: error.to_string(),
            store: error.store().map(str::to_owned),
            secret: error.name().map(str::to_owned),
            help: error.help().map(str::to_owned),
            retry_after_ms: error.retry_after().map(|wait| wait.as_secs_f64() * 1000.0),
            thrown: Thrown::behind(&error),
            parts: None,
        };
        Failure { told, error: Some(error) }
    }
}

impl Failure {
    /// All of these failures as one; none if there are none.
    pub(crate) fn of_all(mut failures: Vec<Failure>) -> Option<Self> {
        match failures.len() {
            0 => None,
            1 => failures.pop(),
            _ => {
                let messages: Vec<&str> = failures.iter().map(|failure| &*failure.told.message).collect();
                Some(Failure::of_several(messages.join("; "), failures))
            }
        }
    }

    /// A failure of several parts, under a message of its own. Of one part, it has the help, and what a hook threw.
    pub(crate) fn of_several(message: String, parts: Vec<Failure>) -> Self {
        let kind =
            parts.first().map_or(ErrorKind::InvalidConfig.as_str(), |first| &first.told.kind).to_owned();
        let (thrown, help) = match &parts[..] {
            [one] => (one.told.thrown, one.told.help.clone()),
            _ => (None, None),
        };
        let told = Told {
            kind,
            message,
            store: None,
            secret: None,
            help,
            retry_after_ms: None,
            thrown,
            parts: Some(parts),
        };
        Failure { told, error: None }
    }
}

/// The kind of this name.
pub(crate) fn kind(name: &str) -> Option<ErrorKind> {
    ErrorKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

/// The numbers of thrown values that no error refers to any more.
pub(crate) type Forgotten = Arc<Mutex<Vec<u32>>>;

/// What a hook threw. The value itself stays in JavaScript, under a number: everyone who waited gets that very value.
struct Thrown {
    number: u32,
    forgotten: Forgotten,
}

impl Thrown {
    /// The number behind an error.
    fn behind(error: &Error) -> Option<u32> {
        let mut cause = error.source();
        while let Some(source) = cause {
            if let Some(thrown) = source.downcast_ref::<Thrown>() {
                return Some(thrown.number);
            }
            cause = source.source();
        }
        None
    }
}

/// The error of a hook that threw.
pub(crate) fn thrown(kind: ErrorKind, number: u32, forgotten: &Forgotten) -> Error {
    let forgotten = Arc::clone(forgotten);
    Error::new(kind, "the store's own code failed").with_source(Thrown { number, forgotten })
}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thrown").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What was thrown may quote a value, so it is not shown.
impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception of JavaScript")
    }
}

impl StdError for Thrown {}

impl Drop for Thrown {
    fn drop(&mut self) {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
    }
}
