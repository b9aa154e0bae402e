//! Which process this is: what was opened before a fork is not used after it.

use std::{
    mem,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// How many forks there are between the process that loaded this module and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// To be called in the child of a fork, before any other Python code runs there.
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    modelmesh_secrets::forked();
}

/// Something that each process opens for itself.
///
/// What an ancestor opened stays where it is and is never dropped: its threads are not here, and its sockets are the
/// ancestor's.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(OnceLock<Box<Life<T>>>);

#[derive(Debug)]
struct Life<T> {
    born: u32,
    /// Always there, but for the moment in which it is dropped.
    opened: Option<T>,
    next: PerProcess<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess(OnceLock::new())
    }

    /// What this process has opened.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        let now = FORKS.load(Ordering::Relaxed);
        let mut life = self.0.get()?;
        while life.born != now {
            life = life.next.0.get()?;
        }
        life.opened.as_ref()
    }

    /// What this process has opened, or opens now. `open` is told what the process before had.
    pub(crate) fn get_or_open<E>(&self, open: impl FnOnce(Option<&T>) -> Result<T, E>) -> Result<&T, E> {
        let now = FORKS.load(Ordering::Relaxed);
        let mut before = None;
        let mut place = &self.0;
        while let Some(life) = place.get() {
            if life.born == now {
                break;
            }
            before = life.opened.as_ref();
            place = &life.next.0;
        }
        let life = if let Some(life) = place.get() {
            life
        } else {
            let life = Life { born: now, opened: Some(open(before)?), next: PerProcess::new() };
            // Where another thread was quicker, its own is used, and this one is dropped.
            place.get_or_init(|| Box::new(life))
        };
        Ok(life.opened.as_ref().expect("it is taken out by `drop` alone"))
    }
}

impl<T> Drop for Life<T> {
    fn drop(&mut self) {
        if self.born != FORKS.load(Ordering::Relaxed) {
            mem::forget(self.opened.take());
        }
    }
}
