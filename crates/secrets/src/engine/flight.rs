//! A fetch under way, and everyone who waits for it.

use std::{fmt, sync::OnceLock};

use event_listener::{Event, Listener};

use crate::{Result, SecretValue};

/// One backend call, shared by all who asked while it ran. Dropping a waiter cancels nothing.
#[derive(Default)]
pub(super) struct Flight {
    answer: OnceLock<Result<SecretValue>>,
    landed: Event,
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("landed", &self.answer.get().is_some()).finish_non_exhaustive()
    }
}

impl Flight {
    /// Gives the answer to all who wait. The first answer stays.
    pub(super) fn land(&self, answer: Result<SecretValue>) {
        let _ = self.answer.set(answer);
        self.landed.notify(usize::MAX);
    }

    /// Waits for the answer.
    pub(super) async fn wait(&self) -> Result<SecretValue> {
        loop {
            if let Some(answer) = self.answer.get() {
                return answer.clone();
            }
            let landed = self.landed.listen();
            // It may have landed before the listener was there.
            if self.answer.get().is_none() {
                landed.await;
            }
        }
    }

    /// Waits for the answer on this thread, without an executor.
    pub(super) fn wait_blocking(&self) -> Result<SecretValue> {
        loop {
            if let Some(answer) = self.answer.get() {
                return answer.clone();
            }
            let landed = self.landed.listen();
            if self.answer.get().is_none() {
                landed.wait();
            }
        }
    }
}
