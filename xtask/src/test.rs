//! Everything that must hold before a change lands.

use std::path::PathBuf;

use crate::{
    kube_apiserver,
    steps::{Outcome, output, root, step, words},
    tools,
};

/// How often the crash tests kill a writer, here; `cargo test` alone is content with less.
const KILLS: &str = "2000";

pub(crate) fn run() -> Outcome {
    tools::programs()?;
    let python = tools::python()?;
    let kube_apiserver = kube_apiserver::build()?;

    step("format", &mut words("cargo fmt --all --check"))?;
    step("lints", &mut words("cargo clippy --workspace --all-targets --locked -- -D warnings"))?;
    // `--all-targets` leaves out what a plain `cargo test` does.
    let left_out = "cargo clippy -p modelmesh-stores -p modelmesh-cli --locked --test keyring --test network --test system -- -D warnings";
    step("lints of the tests on servers", &mut words(left_out))?;
    let small =
        "cargo clippy -p modelmesh-stores -p modelmesh-cli --no-default-features --locked -- -D warnings";
    step("lints of the small build", &mut words(small))?;
    let mut docs = words("cargo doc --workspace --no-deps --locked");
    step("docs", docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    check_schema()?;

    let mut tests = words("cargo test --workspace --locked");
    step("tests", tests.env("MODELMESH_TEST_KILLS", KILLS))?;
    test_keyring()?;
    let mut network = words("cargo test -p modelmesh-stores --test network --locked");
    network.env("MODELMESH_TEST_PYTHON", &python).env("MODELMESH_TEST_KUBE_APISERVER", kube_apiserver);
    step("tests of the network stores, on servers", &mut network)?;
    let mut system = words("cargo test -p modelmesh-cli --test system --locked");
    system.env("MODELMESH_TEST_PYTHON", python).env("MODELMESH_TEST_KILLS", KILLS);
    step("tests of the whole command, with other programs", &mut system)?;
    println!("\nall of it holds");
    Ok(())
}

/// GNOME Keyring aborts now and then by itself, which fails the test that is talking to it. A run in which that
/// happened is repeated; a failure of a run in which it did not is a failure.
fn test_keyring() -> Outcome {
    const RUNS: usize = 3;
    let deaths = root().join("target/test-server-deaths");
    for run in 1..=RUNS {
        let _ = std::fs::remove_file(&deaths);
        let mut tests = words("cargo test -p modelmesh-stores --test keyring --locked");
        let outcome = step("tests of the keyring", tests.env("MODELMESH_TEST_SERVER_DEATHS", &deaths));
        match std::fs::read_to_string(&deaths) {
            Ok(notes) if outcome.is_err() && run < RUNS => println!("    once more, because\n{notes}"),
            _ => return outcome,
        }
    }
    Ok(())
}

/// Writes the schema that is shipped.
pub(crate) fn write_schema() -> Outcome {
    let schema = make_schema()?;
    #[allow(clippy::disallowed_methods, reason = "a file of the repository, under version control")]
    std::fs::write(schema_path(), schema).map_err(|error| error.to_string())
}

fn check_schema() -> Outcome {
    let shipped = std::fs::read_to_string(schema_path()).unwrap_or_default();
    if shipped == make_schema()? {
        Ok(())
    } else {
        Err("docs/modelmesh.schema.json is out of date: run 'cargo xtask schema'".into())
    }
}

fn make_schema() -> Outcome<String> {
    output(&mut words("cargo run --quiet --locked -p modelmesh-cli -- schema"))
}

fn schema_path() -> PathBuf {
    root().join("docs/modelmesh.schema.json")
}
