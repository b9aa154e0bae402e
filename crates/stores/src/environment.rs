//! The process environment, behind a trait: read when asked, replaceable in tests.

use std::{collections::BTreeMap, ffi::OsString, fmt, sync::Arc};

/// Environment variables that this crate reads, each with its meaning.
pub mod variable {
    /// An age identity (`AGE-SECRET-KEY-1…`) for age-file stores, for machines.
    pub const IDENTITY: &str = "MODELMESH_IDENTITY";
    /// The path of an identity file for age-file stores.
    pub const IDENTITY_FILE: &str = "MODELMESH_IDENTITY_FILE";
    /// The passphrase of age-file and encrypted-file stores, for machines.
    pub const PASSPHRASE: &str = "MODELMESH_PASSPHRASE";
}

/// Where variables are read from.
pub trait Environment: Send + Sync + fmt::Debug {
    /// The variable's value now.
    fn var(&self, name: &str) -> Option<OsString>;

    /// The names of all variables now.
    fn names(&self) -> Vec<OsString>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn names(&self) -> Vec<OsString> {
        std::env::vars_os().map(|(name, _)| name).collect()
    }
}

/// A fixed set of variables, for tests and for embedding.
#[derive(Clone, Default)]
pub struct FixedEnvironment(Arc<BTreeMap<String, OsString>>);

impl FixedEnvironment {
    /// The variables of `pairs` and no others.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        FixedEnvironment(Arc::new(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect()))
    }
}

/// Shows the names alone.
impl fmt::Debug for FixedEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment for FixedEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<OsString> {
        self.0.keys().map(OsString::from).collect()
    }
}
