//! No value in any output, log, temporary file, or in what a child is told.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use modelmesh_testkit::canary::{Canary, CanarySet, Observation, observe};

use crate::project::Project;

/// The command itself, for what it starts must be its own children.
fn command(project: &Project, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelmesh"));
    command.arg("secrets").args(args).env_clear().current_dir(project.folder());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", project.path("home/me"));
    command.env("MODELMESH_PASSPHRASE", "passphrase").env("RAW_KEY", "a1".repeat(32));
    command
}

fn watched(command: Command, input: &str, canaries: &CanarySet) -> Observation {
    let seen = observe(command, input.as_bytes()).unwrap();
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    seen.assert_absent(canaries);
    seen
}

fn canaries() -> (Canary, Canary, CanarySet) {
    let (plain, special) = (Canary::new("plain"), Canary::with_special_characters("special"));
    let all = CanarySet::from_iter([plain.clone(), special.clone()]);
    (plain, special, all)
}

#[test]
fn writing_listing_and_deleting_show_no_value_in_any_store() {
    let (plain, special, all) = canaries();
    let project = Project::new();
    for store in ["default", "dotenv", "old", "raw"] {
        for canary in [&plain, &special] {
            watched(command(&project, &["set", "A", "--store", store]), canary.text(), &all);
        }
        watched(command(&project, &["list", "--store", store]), "", &all);
        watched(command(&project, &["delete", "A", "--yes", "--store", store]), "", &all);
    }
}

/// What the observations rest on: the command logs when it is asked to.
#[test]
fn logs_are_written_where_they_are_asked_for() {
    let project = Project::new();
    project.write("local.env", "A=1\n");
    fs::set_permissions(project.path("local.env"), fs::Permissions::from_mode(0o644)).unwrap();
    let list = || command(&project, &["list", "--store", "dotenv"]);
    let said = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
    let logged = said(&observe(list(), b"").unwrap().stderr);
    // In the span of the store's call.
    assert!(logged.contains(" WARN secret_store_call{store=\"dotenv\""), "{logged}");
    assert!(logged.contains(": modelmesh_stores::disk"), "{logged}");
    // Without, a warning is one of the command.
    let told = said(&list().output().unwrap().stderr);
    assert!(told.starts_with("warning: others may read this file of secrets"), "{told}");
}

#[test]
fn an_import_shows_no_value() {
    let (plain, special, all) = canaries();
    let project = Project::new();
    let text = serde_json::json!({ "a": plain.text(), "b": { "c": special.text() } }).to_string();
    for store in ["default", "old"] {
        watched(command(&project, &["import", "-", "--format", "json", "--store", store]), &text, &all);
    }
}

#[test]
fn an_import_that_fails_shows_no_value() {
    let (plain, _, all) = canaries();
    let project = Project::new();
    let text = plain.text();
    for (format, wrong) in [
        ("dotenv", format!("A=1\n{text}\"\n")),
        ("dotenv", format!("A='{text}\n")),
        ("dotenv", format!("{text}+/{text}==\n")),
        ("json", format!("{{\"a\": \"{text}\" \"{text}\"}}")),
        ("yaml", format!("a: \"{text}\" {text}\n")),
        ("yaml", format!("a: [{text}, {text}]\n")),
        ("toml", format!("a = {text}\n")),
    ] {
        let seen =
            observe(command(&project, &["import", "-", "--format", format]), wrong.as_bytes()).unwrap();
        assert_eq!(seen.status.code(), Some(1), "{format} {}", String::from_utf8_lossy(&seen.stderr));
        seen.assert_absent(&all);
    }
}

#[test]
fn a_get_shows_the_value_on_standard_output_alone() {
    let (plain, _, all) = canaries();
    let project = Project::new();
    watched(command(&project, &["set", "a"]), plain.text(), &all);
    let seen = observe(command(&project, &["get", "a"]), b"").unwrap();
    assert_eq!(seen.stdout, plain.text().as_bytes());
    all.assert_absent(&seen.stderr, "standard error");
}

#[test]
fn an_editor_is_told_no_value_and_leaves_none_behind() {
    let (plain, special, all) = canaries();
    let project = Project::new();
    watched(command(&project, &["set", "a"]), plain.text(), &all);
    let mut edit = command(&project, &["edit"]);
    // The editor waits for its input, so that it is seen, and copies the text into its folder for temporary
    // files, which must be in memory and gone afterwards.
    let script =
        r#"f() { read -r line; cp "$1" "$TMPDIR/copy"; echo "b: \"x\"" >> "$1"; echo "$TMPDIR" >&2; }; f"#;
    edit.env("EDITOR", script);
    let seen = watched(edit, &format!("{}\n", special.text()), &all);
    let stderr = String::from_utf8(seen.stderr).unwrap();
    let place = stderr.lines().find(|line| line.starts_with('/')).unwrap();
    assert!(!std::path::Path::new(place).exists(), "{place}");
}

#[test]
fn nothing_is_left_beside_the_store_in_plain_text() {
    let (plain, special, all) = canaries();
    let project = Project::new();
    for canary in [&plain, &special] {
        watched(command(&project, &["set", "a"]), canary.text(), &all);
        watched(command(&project, &["set", "a", "--store", "old"]), canary.text(), &all);
    }
    all.assert_absent_in_dir(project.folder());
}
