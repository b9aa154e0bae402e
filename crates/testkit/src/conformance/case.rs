//! A case: a name, what it needs, and what it demands of a store.

use std::{borrow::Cow, fmt};

use futures_util::future::BoxFuture;
use modelmesh_secrets::Error;

use super::Harness;

/// What a case found.
pub type CaseResult = Result<Verdict, CaseFailure>;

/// How a case ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The store does what the case demands.
    Passed,
    /// The store says that it lacks this capability, and refuses accordingly.
    Excluded(&'static str),
}

/// Why a case failed. It holds names, kinds, lengths and fingerprints, never a value.
#[derive(Clone, Debug)]
pub struct CaseFailure(String);

impl CaseFailure {
    /// A failure for this reason.
    pub fn new(why: impl Into<String>) -> Self {
        CaseFailure(why.into())
    }
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error where none should be.
impl From<Error> for CaseFailure {
    fn from(error: Error) -> Self {
        CaseFailure(format!("unexpected {}: {error}", error.kind()))
    }
}

/// What a case cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The store can be written.
    Management,
    /// The factory can open a second handle: [`StoreFactory::reopen`](super::StoreFactory::reopen).
    Reopen,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Management => "management",
            Need::Reopen => "reopen (the factory opens no second handle)",
        })
    }
}

type Body = dyn for<'a> Fn(&'a Harness<'_>) -> BoxFuture<'a, CaseResult> + Send + Sync;

/// One thing that every store must do.
pub struct Case {
    name: Cow<'static, str>,
    needs: &'static [Need],
    body: Box<Body>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("needs", &self.needs).finish_non_exhaustive()
    }
}

impl Case {
    /// A case: `body` is called with a harness that makes fresh stores, if the store has what it `needs`.
    pub fn new<F>(name: impl Into<Cow<'static, str>>, needs: &'static [Need], body: F) -> Self
    where
        F: for<'a> Fn(&'a Harness<'_>) -> BoxFuture<'a, CaseResult> + Send + Sync + 'static,
    {
        Case { name: name.into(), needs, body: Box::new(body) }
    }

    /// The case's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_name(self) -> Cow<'static, str> {
        self.name
    }

    pub(super) fn needs(&self) -> &'static [Need] {
        self.needs
    }

    pub(super) fn run<'a>(&self, harness: &'a Harness<'_>) -> BoxFuture<'a, CaseResult> {
        (self.body)(harness)
    }
}

/// `Err(CaseFailure)` with this message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::conformance::CaseFailure::new(format!($($message)+)));
        }
    };
}

/// A list of cases: `"name" [needs] function,` per line, the functions async.
macro_rules! case_list {
    ($($name:literal [$($need:ident),*] $body:path,)*) => {
        vec![$($crate::conformance::Case::new(
            $name,
            &[$($crate::conformance::Need::$need),*],
            |harness| Box::pin($body(harness)),
        )),*]
    };
}

pub(super) use {case_list, ensure};
