//! A server in a process of its own.

use std::{
    collections::BTreeSet,
    fmt, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

/// How long a server may take to start before the test fails.
const START: Duration = Duration::from_mins(1);

/// A child process that is killed when dropped. What it prints goes to a file, which a failure shows.
pub struct ServerProcess {
    child: Child,
    log: NamedTempFile,
    title: String,
}

impl ServerProcess {
    /// Starts `command`, whose output goes to a file in `folder`. Panics if it cannot be run.
    pub fn spawn(mut command: Command, folder: &Path) -> Self {
        let log = NamedTempFile::new_in(folder).expect("a temporary file");
        let output = || log.reopen().expect("a temporary file");
        let title = command.get_program().to_string_lossy().into_owned();
        let child =
            command.stdin(Stdio::null()).stdout(output()).stderr(output()).spawn().unwrap_or_else(|error| {
                panic!("cannot run {title}: {error}; 'cargo xtask test' installs it")
            });
        ServerProcess { child, log, title }
    }

    /// Waits until `answers` says that the server does. Panics with what the server printed if it ends, or does
    /// not answer within a minute.
    pub fn wait_until(&mut self, mut answers: impl FnMut() -> bool) {
        let deadline = Instant::now() + START;
        while !answers() {
            self.assert_runs();
            assert!(Instant::now() < deadline, "{} does not answer: {}", self.title, self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Panics with what the server printed if it has ended.
    pub fn assert_runs(&mut self) {
        let ended = self.child.try_wait().expect("a child of ours");
        assert!(ended.is_none(), "{} ended ({ended:?}): {}", self.title, self.log());
    }

    /// What the server printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log.path()).unwrap_or_default()).into_owned()
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the server, as a power cut does.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().expect("a child of ours")
    }
}

impl fmt::Debug for ServerProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerProcess")
            .field("title", &self.title)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port on which nothing listens, and which this process is given once. So is the one after it, which some servers
/// take for themselves.
///
/// The system gives neither to those who ask for any port: other tests do so all the time, and a server may take seconds
/// until it listens. A program that wants just this port may still take it; then the server does not start, and says why.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..100_000 {
        // From 20,000 to 29,999; the system's own begin at 32,768, or later.
        let port = 20_000 + 2 * fastrand::u16(..5_000);
        if is_free(port) && is_free(port + 1) && given.insert(port) {
            return port;
        }
    }
    panic!("no port of loopback is free");
}

/// A program of the Python environment that the test command makes: `python`, or one that a package brings.
///
/// The environment is that of `MODELMESH_TEST_PYTHON`, or else the one that `cargo xtask test` made last.
pub fn python_program(name: &str) -> PathBuf {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-python/bin/python");
    let python = std::env::var_os("MODELMESH_TEST_PYTHON").map_or_else(made, PathBuf::from);
    let program = python.with_file_name(name);
    assert!(program.exists(), "there is no {}: 'cargo xtask test' installs it", program.display());
    program
}
