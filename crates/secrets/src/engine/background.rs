//! The thread on which fetches and timers run.
//!
//! A fetch must outlive the caller that started it, and a timer must run while the caller's own runtime is
//! busy or does not exist, so neither can run on whatever executor the caller happens to have. One thread
//! serves every store of the process: it waits for sockets and clocks; blocking work belongs in
//! [`tokio::task::spawn_blocking`], which stores use themselves.

use std::{cell::Cell, future::Future, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    time::Sleep,
};

use super::process::PerProcess;

/// Runs `future` on the background thread, which is started when first used.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    handle().spawn(future);
}

/// Waits for this long, wherever it is polled. The timer is the background thread's: a caller's runtime may have
/// none, and takes those it has with it when it ends.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    let _in_the_background = handle().enter();
    tokio::time::sleep(duration)
}

thread_local! {
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the background thread: who blocks it waits for ever for what it is to do.
pub(crate) fn is_here() -> bool {
    IS_HERE.get()
}

/// The runtime of the thread.
static HANDLE: PerProcess<Handle> = PerProcess::new();

/// See [`forked`](crate::forked).
pub(crate) fn forked() {
    HANDLE.forked();
}

fn handle() -> Arc<Handle> {
    HANDLE.get_or_make(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system can make a runtime: it needs a few file descriptors");
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("modelmesh-secrets".into())
            .spawn(move || {
                IS_HERE.set(true);
                runtime.block_on(std::future::pending::<()>());
            })
            .expect("the system can start a thread");
        handle
    })
}
