//! A folder with a configuration, a person with an identity, and the command.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use modelmesh_stores::age_file::identity;
use serde_json::Value;
use tempfile::TempDir;

use crate::pty::Screen;

/// One embedded store, and one of each other kind that these tests need.
const CONFIGURATION: &str = "\
secrets:
  store: modelmesh.age-file.v1
  stores:
    dotenv: { store: modelmesh.dotenv.v1, path: local.env }
    screaming: { store: modelmesh.dotenv.v1, path: screaming.env, naming: screaming-snake }
    old: { store: modelmesh.encrypted-file.v1, file_path: old.json, pbkdf2_iterations: 10 }
    raw: { store: modelmesh.encrypted-file.v1, file_path: raw.json, encryption_key: '${env:RAW_KEY}' }
    obfuscated: { store: modelmesh.encrypted-file.v1, file_path: older.json, pbkdf2_iterations: 1000 }
    read-only: { store: modelmesh.json-secrets.v1, file_path: given.json }
    any: { chain: [dotenv, env] }
";

pub(crate) struct Project(TempDir);

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Project(tempfile::tempdir().unwrap());
        project.write("modelmesh.yaml", CONFIGURATION);
        fs::create_dir(project.path(".git")).unwrap();
        project.person("me");
        project
    }

    /// Makes somebody with an identity; returns their public key.
    pub(crate) fn person(&self, name: &str) -> String {
        let path = self.path("home").join(name).join(".config/modelmesh/identity.txt");
        identity::create(&path).unwrap().recipient
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of("me", args)
    }

    /// The command, run by somebody, where there is no terminal to ask at.
    pub(crate) fn command_of(&self, person: &str, args: &[&str]) -> Command {
        self.within(person, "--wait", args)
    }

    fn within(&self, person: &str, session: &str, args: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args([session, env!("CARGO_BIN_EXE_modelmesh"), "secrets"]).args(args);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home").join(person)).env("RAW_KEY", "a1".repeat(32));
        command.current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// The command at a terminal.
    pub(crate) fn screen(&self, args: &[&str]) -> Screen {
        self.screen_with(args, &[])
    }

    /// The command at a terminal, with variables.
    pub(crate) fn screen_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Screen {
        let mut command = self.within("me", "--ctty", args);
        command.envs(variables.iter().copied());
        Screen::start(command)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args))
    }

    pub(crate) fn run_as(&self, person: &str, args: &[&str]) -> Ran {
        run(self.command_of(person, args))
    }

    /// Runs the command with `input` on standard input.
    pub(crate) fn feed(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
        feed(self.command(args), input)
    }

    /// Stores secrets in the store that `place` chooses.
    pub(crate) fn given(&self, place: &[&str], secrets: &[(&str, &str)]) {
        for (name, value) in secrets {
            let ran = match *value {
                // An empty pipe sets nothing.
                "" => self.run(&[&["set", name, ""], place].concat()),
                value => self.feed(&[&["set", name, "--raw"], place].concat(), value),
            };
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    }

    pub(crate) fn get(&self, name: &str) -> String {
        let ran = self.run(&["get", name]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    }
}

pub(crate) fn run(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn feed(mut command: Command, input: impl AsRef<[u8]>) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// The result as JSON.
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(value["version"], 1);
        value
    }

    /// The one message as JSON.
    pub(crate) fn failure(&self) -> Value {
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "no '{part}' in: {}", self.stderr);
        self
    }
}
