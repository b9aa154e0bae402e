//! A Secret Service for tests: GNOME Keyring on a session bus of its own, in a folder of its own.

use std::{
    fmt, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::{NamedTempFile, TempDir};

const PACKAGES: &str = "install the Debian packages dbus and gnome-keyring (or their like)";

/// How long a server may take to start before the test fails.
const START: Duration = Duration::from_mins(1);

/// A `dbus-daemon` with nothing on its bus, ended when dropped.
pub struct PrivateBus {
    _daemon: Server,
    // Dropped after the daemon: its socket is in it.
    folder: TempDir,
}

impl PrivateBus {
    /// Starts the bus. Panics, naming the packages, if it cannot.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut configuration = NamedTempFile::new_in(&folder).expect("a temporary file");
        configuration.write_all(bus_configuration(folder.path()).as_bytes()).expect("a temporary file");
        let mut command = Command::new("dbus-daemon");
        command.args(["--nofork", "--print-address=1", "--config-file"]).arg(configuration.path());
        let mut daemon = Server::spawn(command, folder.path());
        // The daemon prints its address once it listens, and nothing if it fails.
        let printed =
            BufReader::new(daemon.child.stdout.take().expect("a pipe")).read_line(&mut String::new());
        assert!(printed.is_ok_and(|length| length > 0), "dbus-daemon did not start: {}", daemon.log());
        PrivateBus { _daemon: daemon, folder }
    }

    /// The variables by which a program finds this bus and nothing of the user's own.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        let folder = self.folder.path().to_str().expect("a temporary folder with a name in UTF-8");
        [
            ("DBUS_SESSION_BUS_ADDRESS", self.address()),
            ("XDG_RUNTIME_DIR", folder.to_owned()),
            ("HOME", folder.to_owned()),
            ("XDG_DATA_HOME", format!("{folder}/data")),
            ("XDG_CONFIG_HOME", format!("{folder}/config")),
        ]
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }

    /// Calls a method of the Secret Service; the answer as `dbus-send` prints it.
    fn call(&self, method: &str, argument: &str) -> Result<String, String> {
        let output = Command::new("dbus-send")
            .arg(format!("--bus={}", self.address()))
            .args(["--print-reply=literal", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
            .arg(format!("org.freedesktop.Secret.Service.{method}"))
            .arg(argument)
            .output()
            .unwrap_or_else(|error| panic!("cannot run dbus-send: {error}; {PACKAGES}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl fmt::Debug for PrivateBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBus").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// A Secret Service with an unlocked, empty default collection, ended when dropped.
///
/// Nothing on its bus can show a dialog: a request to unlock is refused at once.
pub struct PrivateSecretService {
    // Dropped first: the keyring ends before its bus and its folder go.
    keyring: Server,
    bus: PrivateBus,
}

impl PrivateSecretService {
    /// Starts the service and waits until it answers. Panics, naming the packages, if it cannot.
    pub fn start() -> Self {
        let bus = PrivateBus::start();
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]).envs(bus.variables());
        let mut keyring = Server::spawn(command, bus.folder.path());
        // With a password on its standard input the daemon makes an unlocked login collection.
        let mut input = keyring.child.stdin.take().expect("a pipe");
        input.write_all(b"password of a test").expect("gnome-keyring-daemon reads its standard input");
        drop(input);
        let service = PrivateSecretService { keyring, bus };
        service.wait();
        service
    }

    fn wait(&self) {
        let deadline = Instant::now() + START;
        while let Err(reason) = self.default_collection() {
            let log = self.keyring.log();
            assert!(Instant::now() < deadline, "gnome-keyring-daemon does not answer: {reason}; {log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The object path of the default collection.
    fn default_collection(&self) -> Result<String, String> {
        let path = self.bus.call("ReadAlias", "string:default")?;
        if path == "/" { Err("there is no default collection".to_owned()) } else { Ok(path) }
    }

    /// Locks the default collection. Only its password, which nobody can be asked for, opens it again.
    pub fn lock(&self) {
        let path = self.default_collection().expect("the default collection");
        self.bus.call("Lock", &format!("array:objpath:{path}")).expect("the collection can be locked");
    }

    /// See [`PrivateBus::variables`].
    pub fn variables(&self) -> [(&'static str, String); 5] {
        self.bus.variables()
    }
}

impl fmt::Debug for PrivateSecretService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateSecretService").field("bus", &self.bus).finish_non_exhaustive()
    }
}

/// A child process that is killed when dropped.
struct Server {
    child: Child,
    log: NamedTempFile,
}

impl Server {
    fn spawn(mut command: Command, folder: &Path) -> Self {
        let log = NamedTempFile::new_in(folder).expect("a temporary file");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.reopen().expect("a temporary file"));
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot run {}: {error}; {PACKAGES}", command.get_program().display())
        });
        Server { child, log }
    }

    /// What the server wrote to its standard error.
    fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

/// GNOME Keyring aborts now and then by itself. A test that fails then proves nothing; whoever runs the tests
/// sees it in the file that `MODELMESH_TEST_SERVER_DEATHS` names, and runs them again.
fn note_death(status: std::process::ExitStatus, log: &str) {
    let Some(path) = std::env::var_os("MODELMESH_TEST_SERVER_DEATHS") else { return };
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    let _ = file.and_then(|mut file| writeln!(file, "a server ended by itself: {status}: {log}"));
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            note_death(status, &self.log());
        }
        // It may have ended by itself; there is nothing to do about any other failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bus that listens in `folder` and starts no services: a service file would bring in the user's own.
fn bus_configuration(folder: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        folder.join("bus").display()
    )
}
