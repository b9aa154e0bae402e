//! A folder with a configuration, and the command in it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::pty::Screen;

/// A configuration whose default store is `given.json`.
pub(crate) const GIVEN: &str = "secrets: { store: modelmesh.json-secrets.v1, file_path: given.json }\n";

pub(crate) struct Project {
    folder: TempDir,
    home: TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// A folder with nothing but `.git`, so that nothing above it is looked at.
    pub(crate) fn empty() -> Self {
        let project = Project { folder: tempfile::tempdir().unwrap(), home: tempfile::tempdir().unwrap() };
        fs::create_dir(project.path(".git")).unwrap();
        project
    }

    pub(crate) fn with(configuration: &str) -> Self {
        let project = Project::empty();
        project.write("modelmesh.yaml", configuration);
        project
    }

    /// A project whose default store has these secrets; `rest` follows its `secrets:` section.
    pub(crate) fn given(secrets: &[(&str, &str)], rest: &str) -> Self {
        let project = Project::with(&format!("{GIVEN}{rest}"));
        let secrets: BTreeMap<_, _> = secrets.iter().copied().collect();
        project.private("given.json", &serde_json::to_string(&secrets).unwrap());
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes a file that nobody else may read, as files of secrets should be.
    pub(crate) fn private(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command, where there is no terminal to ask at.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.within("--wait", args)
    }

    fn within(&self, session: &str, args: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args([session, env!("CARGO_BIN_EXE_modelmesh")]).args(args);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn screen(&self, args: &[&str]) -> Screen {
        Screen::start(self.within("--ctty", args))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args))
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        run(command)
    }

    /// The command in a folder below.
    pub(crate) fn run_in(&self, folder: &str, args: &[&str]) -> Ran {
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        let mut command = self.command(args);
        command.current_dir(folder);
        run(command)
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

impl Ran {
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(value["version"], 1);
        value
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
