//! The environment, for the threads that may not look at it.
//!
//! `process.env` is changed by the C library's `setenv`, on a thread of JavaScript, and the C library allows nobody to
//! read at the same time. So a thread of JavaScript looks before it starts a call, and the engine's threads read what it saw.

use std::{
    cell::Cell,
    collections::HashMap,
    ffi::{OsStr, OsString},
    sync::{Arc, PoisonError, RwLock},
};

use modelmesh_stores::environment::{Environment, ProcessEnvironment};

static SEEN: RwLock<Option<HashMap<OsString, OsString>>> = RwLock::new(None);

thread_local! {
    /// Whether this is a thread of JavaScript.
    static MAY_LOOK: Cell<bool> = const { Cell::new(false) };
}

/// Looks at the environment. For a thread of JavaScript, before it starts what may read there.
pub(crate) fn look() {
    MAY_LOOK.set(true);
    let now = std::env::vars_os().collect();
    *SEEN.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
}

/// The environment now, on a thread of JavaScript; elsewhere, as such a thread last saw it.
#[derive(Debug)]
struct SeenEnvironment;

pub(crate) fn seen() -> Arc<dyn Environment> {
    Arc::new(SeenEnvironment)
}

impl Environment for SeenEnvironment {
    fn var(&self, name: &str) -> Option<OsString> {
        if MAY_LOOK.get() {
            return ProcessEnvironment.var(name);
        }
        SEEN.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(OsStr::new(name)).cloned()
    }

    fn names(&self) -> Vec<OsString> {
        if MAY_LOOK.get() {
            return ProcessEnvironment.names();
        }
        let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
        seen.iter().flat_map(HashMap::keys).cloned().collect()
    }
}
