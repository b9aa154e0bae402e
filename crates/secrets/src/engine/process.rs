//! What each process has for itself: after a fork, the child must not touch what its parent has.

use std::{mem, sync::Arc};

use arc_swap::ArcSwapOption;

/// Something that is made when it is first needed, and made anew in the child of a fork.
///
/// Behind no lock: one that another thread holds while the process forks stays held in the child.
pub(super) struct PerProcess<T>(ArcSwapOption<T>);

impl<T> PerProcess<T> {
    pub(super) const fn new() -> Self {
        PerProcess(ArcSwapOption::const_empty())
    }

    /// What this process has. Where two threads make it at once, one of the two is dropped.
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(present) = &*self.0.load() {
            return Arc::clone(present);
        }
        let new = Arc::new(make());
        let before = self.0.compare_and_swap(&None::<Arc<T>>, Some(Arc::clone(&new)));
        before.as_ref().map_or(new, Arc::clone)
    }

    /// Lets go of what the parent of this process has. It is never dropped: what it has open is the parent's.
    pub(super) fn forked(&self) {
        mem::forget(self.0.swap(None));
    }
}
