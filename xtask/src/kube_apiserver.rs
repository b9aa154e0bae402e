//! The API server of Kubernetes, which is published as a container image and as sources, but not as a program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    steps::{Outcome, fetch, root},
    tools,
};

/// Builds the server that `xtask/kube-apiserver` pins, unless that was done before. It takes some minutes once, and
/// needs Go, 1.24 or newer.
pub(crate) fn build(python: &Path) -> Outcome<PathBuf> {
    let sources = root().join("xtask/kube-apiserver");
    let folder = root().join("target/test-kube-apiserver");
    let (program, stamp) = (folder.join("kube-apiserver"), folder.join("built"));
    // The checksums of all modules: whatever changes what is built changes them.
    let read =
        |name: &str| fs::read_to_string(sources.join(name)).map_err(|error| format!("{name}: {error}"));
    let wanted = format!("{}{}", read("go.mod")?, read("go.sum")?);
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(program);
    }
    let version = version(&wanted)?;
    // Without symbols, paths and what git says: smaller, and the same wherever it is built.
    let flags = format!("-s -w -X k8s.io/component-base/version.gitVersion={version}");
    let mut go = Command::new(tools::go(python)?);
    go.current_dir(&sources).args(["build", "-buildvcs=false", "-trimpath", "-ldflags", &flags, "-o"]);
    fetch("build kube-apiserver (minutes, once)", go.arg(&program).arg("."))
        .map_err(|error| format!("{error}; it needs Go 1.24 or newer: https://go.dev/dl"))?;
    #[allow(clippy::disallowed_methods, reason = "a stamp of the build folder")]
    fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(program)
}

/// The version of Kubernetes in `go.mod`.
fn version(go_mod: &str) -> Outcome<&str> {
    let mut versions = go_mod.lines().filter_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
    versions.next().ok_or_else(|| "go.mod does not require k8s.io/kubernetes".into())
}
