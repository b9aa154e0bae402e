//! Stores that can tell of outside changes are asked for them.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;

use super::{Engine, background, table::Table};
use crate::clock::Moment;

/// How often a store that can tell of outside changes is asked for them.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of a store that can tell of outside changes.
#[derive(Default)]
pub(super) struct Revision {
    known: Mutex<Known>,
    is_asking: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct Known {
    revision: Option<u64>,
    asked: Moment,
}

impl Revision {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Remembers the store's revision from before the first fetch, so that a change during it is not missed.
    pub(super) async fn note_revision(&self) {
        let Some(known) = &self.revision else { return };
        if known.known().revision.is_none()
            && let Ok(revision) = self.store.revision().await
        {
            *known.known() = Known { revision, asked: self.clock.now() };
        }
    }

    /// Asks whether the store changed behind our back, at most once an interval, on the background thread.
    /// Returns how long it is until it is to be asked again.
    pub(super) fn look_for_changes(&self, revision: &Revision, now: Moment) -> Duration {
        let left = revision.known().asked.later(INTERVAL).since(now);
        if !left.is_zero() {
            return left;
        }
        if revision.is_asking.swap(true, Ordering::AcqRel) {
            return INTERVAL;
        }
        revision.known().asked = now;
        let Some(engine) = self.this.upgrade() else { return INTERVAL };
        background::spawn(async move {
            let Some(known) = &engine.revision else { return };
            // What cannot be told now is told at the next interval, or by the fetch that fails.
            if let Ok(Ok(revision)) = AssertUnwindSafe(engine.store.revision()).catch_unwind().await {
                let before = std::mem::replace(&mut known.known().revision, revision);
                if before.is_some() && before != revision {
                    tracing::debug!(
                        store = &*engine.name,
                        "the store changed, its values are asked for anew"
                    );
                    engine.with_table(Table::look_anew);
                }
            }
            known.is_asking.store(false, Ordering::Release);
        });
        INTERVAL
    }
}
