//! Signals that would end or stop the command while something must be put in order first: a terminal without
//! echo, a file that holds secrets.

use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP},
    flag,
    iterator::{backend::SignalDelivery, exfiltrator::SignalOnly},
};

const WATCHED: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];

/// Whether a signal has its default effect again. A handler once installed stays, so it needs this switch.
static DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// While this lives, signals that end or stop a process wait in [`pending`](Interrupts::pending).
///
/// There is one at a time. Whoever holds it polls [`fd`](Interrupts::fd), puts things in order, and then calls
/// [`emulate_default_handler`](signal_hook::low_level::emulate_default_handler).
#[derive(Debug)]
pub(crate) struct Interrupts(SignalDelivery<UnixStream, SignalOnly>);

impl Interrupts {
    pub(crate) fn watch() -> io::Result<Self> {
        if DEFAULT.get().is_none() {
            let default = Arc::new(AtomicBool::new(false));
            for signal in not_ignored(WATCHED) {
                flag::register_conditional_default(signal, Arc::clone(&default))?;
            }
            DEFAULT.get_or_init(|| default);
        }
        disarm();
        let (read, write) = UnixStream::pair()?;
        SignalDelivery::with_pipe(read, write, SignalOnly, not_ignored(WATCHED)).map(Interrupts)
    }

    /// Readable when a signal is pending.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }

    /// The signals since the last call.
    pub(crate) fn pending(&mut self) -> impl Iterator<Item = i32> {
        self.0.pending()
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(default) = DEFAULT.get() {
            default.store(true, Ordering::SeqCst);
        }
    }
}

/// Takes their effect from signals that were watched once, for one who handles them otherwise from now on.
pub(crate) fn disarm() {
    if let Some(default) = DEFAULT.get() {
        default.store(false, Ordering::SeqCst);
    }
}

/// Those of `signals` that this process was not started to ignore (`nohup`): a handler would end that.
pub(crate) fn not_ignored(signals: impl IntoIterator<Item = i32>) -> impl Iterator<Item = i32> {
    let ignored = ignored();
    signals.into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}

/// The set of ignored signals, a bit each, from `/proc`; where there is none, nothing is taken to be ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}
