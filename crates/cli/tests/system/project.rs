//! A project folder with a home of its own, and the command run in it.

use std::{
    fs,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::tools::age_keygen;

/// The configuration of most tests: the embedded store, under its default name.
pub(crate) const AGE_FILE: &str = "secrets:\n  store: modelmesh.age-file.v1\n";

/// A project, and the home of the person who works on it. Nothing of whoever runs the tests is seen in it.
pub(crate) struct Project {
    root: TempDir,
}

impl Project {
    /// An empty folder, and an empty home.
    pub(crate) fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        fs::create_dir(root.path().join("project")).unwrap();
        // Folders above belong to the machine: no configuration is looked for there.
        fs::create_dir(root.path().join(".git")).unwrap();
        Project { root }
    }

    /// A project with this `modelmesh.yaml`, and an identity that `age-keygen` made.
    pub(crate) fn with_config(yaml: &str) -> Self {
        let project = Project::empty();
        project.write("modelmesh.yaml", yaml);
        age_keygen(&project.identity());
        project
    }

    /// A project whose secrets are in an age-file.
    pub(crate) fn with_age_file() -> Self {
        Project::with_config(AGE_FILE)
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// A file of the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// A file outside the project and outside the home.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The user's own identity.
    pub(crate) fn identity(&self) -> PathBuf {
        self.root.path().join("home/.config/modelmesh/identity.txt")
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// `modelmesh` with arguments, in the project's folder and in an environment that holds a `PATH` and a home.
    pub(crate) fn modelmesh(&self, args: &[&str]) -> Command {
        self.command(Command::new(MODELMESH), args)
    }

    /// `program` with arguments, in the same place.
    pub(crate) fn command(&self, mut program: Command, args: &[&str]) -> Command {
        program.args(args).env_clear().current_dir(self.folder());
        program.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        program.env("HOME", self.root.path().join("home"));
        program
    }

    /// Runs `modelmesh` to its end, with nothing on standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.modelmesh(args).run(b"")
    }

    /// Stores a secret, every byte of the value.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.modelmesh(&["secrets", "set", name, "--raw"]).run(value.as_bytes()).expect(0);
    }

    /// The secret's value, as `get` prints it.
    pub(crate) fn get(&self, name: &str) -> String {
        self.run(&["secrets", "get", name]).expect(0).text()
    }

    /// The names of the project's files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in(&self.folder())
    }
}

/// The program under test.
pub(crate) const MODELMESH: &str = env!("CARGO_BIN_EXE_modelmesh");

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// How a program ended, and what it printed.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts that the program ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.described());
        self
    }

    /// Asserts that standard error says `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no '{text}': {}", self.described());
        self
    }

    /// Standard output.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.described()))
    }

    pub(crate) fn described(&self) -> String {
        format!(
            "code {:?}, signal {:?}\nstdout: {}\nstderr: {}",
            self.status.code(),
            self.status.signal(),
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        )
    }
}

/// Runs commands to their end.
pub(crate) trait Run {
    /// Runs the command with `input` on standard input, and without a terminal.
    fn run(&mut self, input: &[u8]) -> Ran;
}

impl Run for Command {
    fn run(&mut self, input: &[u8]) -> Ran {
        let mut child =
            self.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(
                |error| panic!("{} cannot be started: {error}", self.get_program().display()),
            );
        let mut stdin = child.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            // A program that does not read its input closes it; that is its business.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap()
        });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ran { status: output.status, stdout: output.stdout, stderr }
    }
}
