//! What keeps secrets in this process's memory.

use rustix::{
    fs::Mode,
    process::{self, Resource, Rlimit},
};

/// A process that leaves no core dump, cannot be traced by other processes of the same user, and makes files
/// that nobody else reads.
///
/// - A core dump is the whole memory on disk; `PR_SET_DUMPABLE` stops it even where the kernel pipes dumps to
///   a program, which ignores the limit, and closes `/proc/PID/mem` to the user's other programs.
/// - A child is to run as if it had been started without us, so what was found is put back for it.
#[derive(Debug)]
#[must_use = "a child needs what was found here put back"]
pub struct Hardened {
    umask: Mode,
    core: Rlimit,
}

impl Hardened {
    /// Hardens this process. Called first, while there is one thread and no secret.
    pub fn new() -> Self {
        let hardened = Hardened {
            umask: process::umask(Mode::RWXG | Mode::RWXO),
            core: process::getrlimit(Resource::Core),
        };
        hardened.forbid_dumps();
        hardened
    }

    fn forbid_dumps(&self) {
        // Lowering a soft limit and giving up dumps are allowed to everyone; a sandbox that forbids even that
        // is no reason to do without secrets.
        let _ = process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: self.core.maximum });
        #[cfg(target_os = "linux")]
        let _ = process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable);
    }

    /// Puts back what a child inherits, runs `start`, and hardens this process again.
    ///
    /// `start` starts the child, or becomes it. In the meantime this process still cannot be dumped on Linux:
    /// the child gets that property from `exec` itself.
    pub fn restored<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = process::setrlimit(Resource::Core, self.core);
        let private = process::umask(self.umask);
        let started = start();
        process::umask(private);
        self.forbid_dumps();
        started
    }
}

impl Default for Hardened {
    fn default() -> Self {
        Hardened::new()
    }
}
