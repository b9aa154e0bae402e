//! The one error type, and the kinds by which callers decide.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::printable;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms by which a caller decides what to do.
///
/// A store sets the kind, and nothing else guesses it: the engine retries, serves stale values and ends
/// staleness by kind alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store answered, in its own error shape, that it has no such secret.
    NotFound,
    /// The store knows the caller and refuses this secret to it.
    Denied,
    /// The secret, or the version asked for, exists but is switched off or marked for deletion.
    Disabled,
    /// The store asks to be called less often. Worth a retry after [`Error::retry_after`].
    Throttled,
    /// The store did not answer, or something in between answered for it. Worth a retry.
    Unavailable,
    /// The store refused the credentials with which it was asked.
    StoreAuth,
    /// What the store holds cannot be read: it is not text, not the format it should be, or cut short.
    Malformed,
    /// The key, passphrase or identity at hand does not open the store, or the store is locked.
    Locked,
    /// Someone else changed the secret, or holds the store's lock.
    Conflict,
    /// The name breaks a rule of names, ours or the backend's. Nothing was asked of the backend.
    InvalidName,
    /// The text of a `${secrets:…}` reference is not a reference.
    InvalidReference,
    /// The configuration is wrong.
    InvalidConfig,
    /// The store cannot do this. Nothing was changed.
    Unsupported,
    /// The operating system refused a file operation.
    Io,
}

impl ErrorKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [ErrorKind; 14] = [
        ErrorKind::NotFound,
        ErrorKind::Denied,
        ErrorKind::Disabled,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::StoreAuth,
        ErrorKind::Malformed,
        ErrorKind::Locked,
        ErrorKind::Conflict,
        ErrorKind::InvalidName,
        ErrorKind::InvalidReference,
        ErrorKind::InvalidConfig,
        ErrorKind::Unsupported,
        ErrorKind::Io,
    ];

    /// The kind's name in `--json` output, logs and metrics: stable across versions.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not_found",
            ErrorKind::Denied => "denied",
            ErrorKind::Disabled => "disabled",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::StoreAuth => "store_auth",
            ErrorKind::Malformed => "malformed",
            ErrorKind::Locked => "locked",
            ErrorKind::Conflict => "conflict",
            ErrorKind::InvalidName => "invalid_name",
            ErrorKind::InvalidReference => "invalid_reference",
            ErrorKind::InvalidConfig => "invalid_config",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Io => "io",
        }
    }

    /// Whether the same call may succeed a little later, without anyone changing anything.
    pub fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::Throttled | ErrorKind::Unavailable)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of a store, a reference or a configuration.
///
/// - It says on which store and name it happened, what is wrong, and (in [`help`](Error::help)) what to try.
/// - It never holds a secret's value. Names are escaped when printed.
/// - It is cheap to clone, for it is shared by everyone who waited for the same call.
///
/// ```
/// use modelmesh_secrets::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no such secret")
///     .with_store("prod")
///     .with_name("openai-key")
///     .with_help("run 'modelmesh secrets set openai-key --env prod'");
/// assert_eq!(error.to_string(), "store 'prod': secret 'openai-key': no such secret");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    store: Option<Arc<str>>,
    name: Option<Arc<str>>,
    help: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. `message` says what is wrong: lower case, no final dot, never a value.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            store: None,
            name: None,
            help: None,
            retry_after: None,
            source: None,
        }))
    }

    /// The error of a name that a store does not have.
    pub fn not_found(name: &str) -> Self {
        Error::new(ErrorKind::NotFound, "not found").with_name(name)
    }

    /// The error of a call that a store cannot do; `what` completes "this store cannot …".
    pub fn unsupported(what: &str) -> Self {
        Error::new(ErrorKind::Unsupported, format!("this store cannot {what}"))
    }

    /// The error of a name that a store was asked for, among others, and gave no result for.
    pub(crate) fn unanswered() -> Self {
        Error::new(ErrorKind::Malformed, "the store answered fewer names than it was asked")
    }

    /// Names the store. A store already named stays: the innermost knows best.
    pub fn with_store(mut self, store: impl Into<Arc<str>>) -> Self {
        self.0.store.get_or_insert_with(|| store.into());
        self
    }

    /// Names the secret. A name already given stays.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.name.get_or_insert_with(|| name.into());
        self
    }

    /// Names the secret, in place of any name already given: for a layer that maps names.
    pub fn renamed(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Says what the reader may try.
    pub fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says how long the store asked to be left alone. `None` changes nothing.
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.0.retry_after = wait.into().or(self.0.retry_after);
        self
    }

    /// Keeps the cause. It is shown in chains of causes, so it must not hold a value either.
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is wrong, without the store and the name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The store on which it happened.
    pub fn store(&self) -> Option<&str> {
        self.0.store.as_deref()
    }

    /// The secret's name. Escape it before printing: see [`printable`].
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// What the reader may try.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// How long the store asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(store) = &self.0.store {
            write!(f, "store '{}': ", printable(store))?;
        }
        if let Some(name) = &self.0.name {
            write!(f, "secret '{}': ", printable(name))?;
        }
        write!(f, "{}", printable(&self.0.message))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
