//! Where work runs that blocks: reading files, deriving keys, asking a person.

use std::cell::Cell;

use modelmesh_secrets::{Error, ErrorKind, Result};

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Lets stores block this thread while `work` runs.
///
/// For a program that has nothing else to do meanwhile, such as a command that resolves its configuration and
/// then becomes another program: it spares a thread, and the kernel the wait for that thread's end. Without
/// it, stores do their blocking work on the runtime's own threads for that.
pub fn allowed<T>(work: impl FnOnce() -> T) -> T {
    let restore = Restore(MAY_BLOCK.replace(true));
    let outcome = work();
    drop(restore);
    outcome
}

/// Puts the thread's state back, also when the work panics.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        MAY_BLOCK.set(self.0);
    }
}

/// Runs `job` where blocking is allowed. It may run to its end even if the returned future is dropped.
pub(crate) async fn run<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if MAY_BLOCK.get() { job() } else { elsewhere(job).await }
}

/// As [`run`], but never on this thread: for work that starts a runtime of its own.
pub(crate) async fn elsewhere<T: Send + 'static>(
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the runtime is shutting down")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn runs_here() -> bool {
        let here = thread::current().id();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(move || Ok(thread::current().id() == here))).unwrap()
    }

    #[test]
    fn blocking_work_runs_on_this_thread_only_where_it_is_allowed() {
        assert!(!runs_here());
        assert!(allowed(runs_here));
        assert!(!runs_here());
    }

    #[test]
    fn a_panic_takes_the_permission_away() {
        let _ = std::panic::catch_unwind(|| allowed(|| panic!("on purpose")));
        assert!(!runs_here());
    }
}
