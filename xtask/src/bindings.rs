//! The packages of other languages: made of what `cargo build --workspace` builds, installed, and tested as their users
//! have them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    steps::{Outcome, fetch, output, root, step, words},
    tools::{self, pip},
};

/// Python packages, pinned: what builds ours, what tests it, and the libraries that it is tested with.
const PYTHON: &[&str] = &[
    "gunicorn==27.0.1",
    "hypothesis==6.170.17",
    "litellm==1.110.2",
    "maturin==1.16.0",
    "mypy==2.4.1",
    "pydantic-settings==2.16.3",
    "pytest==9.2.0",
    "pytest-asyncio==1.5.0",
    "wheel==0.48.0",
];

/// Builds the libraries, and tests the packages around them.
pub(crate) fn test() -> Outcome {
    // With everything else, for a package alone would build the vendors' libraries once more, with other features.
    step("build the libraries", &mut words("cargo build --workspace --lib --locked"))?;
    python()?;
    node()
}

fn python() -> Outcome {
    let python = tools::environment("test-bindings", PYTHON)?;
    let wheel = wheel(&python)?;
    let install = ["--force-reinstall", "--no-deps"];
    step("install the wheel", pip(&python, &install).arg(&wheel))?;
    let package = root().join("bindings/python");
    let ours = |folder: &str, arguments: &str| {
        let mut command = Command::new(&python);
        // Not what lies in the folder, but what is installed.
        command.args(["-P", "-m"]).args(arguments.split(' ')).current_dir(package.join(folder));
        command.env("MODELMESH_TEST_WHEEL", &wheel);
        command
    };
    step("tests of the Python package", &mut ours(".", "pytest -q"))?;
    step("types of the Python package", &mut ours(".", "mypy"))?;
    step("types of a program that uses it", &mut ours("tests/consumer", "mypy --strict --config-file= ."))?;
    step("stubs of its native module", &mut ours("tests/consumer", "mypy.stubtest modelmesh._native"))
}

fn wheel_folder() -> PathBuf {
    root().join("target/test-wheel")
}

/// A wheel of the library that is built. `maturin build` would build it once more.
#[allow(clippy::disallowed_methods, reason = "files of the build folder")]
fn wheel(python: &Path) -> Outcome<PathBuf> {
    let failed = |error: std::io::Error| format!("cannot make the wheel: {error}");
    let (folder, package) = (wheel_folder(), root().join("bindings/python"));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    let tree = folder.join("tree");
    fs::create_dir_all(&tree).map_err(failed)?;
    let mut describe = Command::new(python.with_file_name("maturin"));
    describe.args(["pep517", "write-dist-info", "--metadata-directory"]).arg(&tree).current_dir(&package);
    output(&mut describe)?;
    output(Command::new("cp").arg("-r").arg(package.join("python/modelmesh")).arg(&tree))?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = root().join(format!("target/debug/{prefix}_native{suffix}"));
    fs::copy(library, tree.join("modelmesh/_native.abi3.so")).map_err(failed)?;
    let mut pack = Command::new(python);
    output(pack.args(["-m", "wheel", "pack", "--dest-dir"]).arg(&folder).arg(&tree))?;
    let made = fs::read_dir(&folder).map_err(failed)?.filter_map(Result::ok).map(|entry| entry.path());
    let mut wheels = made.filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.next().ok_or_else(|| format!("there is no wheel in {}", folder.display()))
}

fn node() -> Outcome {
    let npm = |arguments: &str| {
        let mut command = words(&format!("npm {arguments}"));
        command.current_dir(root().join("bindings/node"));
        command
    };
    fetch("install npm packages", &mut npm("install --no-audit --no-fund --no-package-lock"))?;
    step("build the npm package", &mut npm("run build"))?;
    step("types of the npm package", &mut npm("run check"))?;
    step("tests of the npm package", &mut npm("test"))?;
    step("the npm package in empty folders", &mut npm("run test:package"))?;
    step("the npm package in a browser", &mut npm("run test:browser"))
}
