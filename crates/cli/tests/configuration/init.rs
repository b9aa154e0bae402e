//! The first steps, as `modelmesh --help` writes them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::project::{Project, run};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_steps_lead_from_an_empty_folder_to_a_running_program() {
    let project = Project::empty();
    project.write("app", "#!/bin/sh\necho \"the app has $OPENAI_API_KEY\"\n");
    fs::set_permissions(project.path("app"), fs::Permissions::from_mode(0o755)).unwrap();

    project.run(&["init"]).expect(0);
    project.run(&["check"]).expect(3).says("set it: modelmesh secrets set openai-key");
    let mut set = project.screen(&["secrets", "set", "openai-key"]);
    set.expect("value of 'openai-key': ");
    set.press("sk-first-steps\n");
    assert_eq!(set.wait().code(), Some(0));
    project.run(&["check"]).expect(0);
    assert_eq!(project.run(&["run", "--", "./app"]).expect(0).stdout, "the app has sk-first-steps\n");
}

#[test]
fn the_identity_is_private_and_its_public_key_is_told() {
    let project = Project::empty();
    let ran = project.run(&["init"]);
    let path = project.home().join(".config/modelmesh/identity.txt");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let text = fs::read_to_string(&path).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    assert!(ran.stdout.contains(public) && ran.stdout.contains(path.to_str().unwrap()), "{ran:?}");
    assert!(!format!("{ran:?}").contains("AGE-SECRET-KEY"), "the private key was printed");
}

#[test]
fn nothing_that_is_there_is_changed() {
    let project = Project::empty();
    project.write("modelmesh.toml", "# mine\n");
    let first = project.run(&["init"]);
    assert!(first.expect(0).stdout.contains("kept the configuration modelmesh.toml"), "{first:?}");
    let identity = fs::read(project.home().join(".config/modelmesh/identity.txt")).unwrap();
    let again = project.run(&["init"]);
    assert!(again.expect(0).stdout.contains("kept the identity"), "{again:?}");
    assert_eq!(fs::read(project.home().join(".config/modelmesh/identity.txt")).unwrap(), identity);
    assert_eq!(project.read("modelmesh.toml"), "# mine\n");
    assert!(!project.path("modelmesh.yaml").exists());
}

#[test]
fn the_configuration_has_the_mode_that_the_users_files_have() {
    let project = Project::empty();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 027; exec \"$0\" init new", env!("CARGO_BIN_EXE_modelmesh")]);
    command.current_dir(project.path("")).env("HOME", project.home()).env_remove("XDG_CONFIG_HOME");
    run(command).expect(0);
    assert_eq!(mode(&project.path("new")), 0o750);
    assert_eq!(mode(&project.path("new/modelmesh.yaml")), 0o640);
}

#[test]
fn a_passphrase_takes_the_place_of_an_identity() {
    let project = Project::empty();
    project.run(&["init", "--passphrase"]).expect(0);
    assert!(!project.home().join(".config").exists());
    let passphrase = [("MODELMESH_PASSPHRASE", "correct horse battery")];
    project.run_with(&passphrase, &["secrets", "set", "openai-key", "sk-by-passphrase"]).expect(0);
    project.run_with(&passphrase, &["check"]).expect(0);
    project.run(&["check"]).expect(6);
    project.run_with(&[("MODELMESH_PASSPHRASE", "another")], &["check"]).expect(6);
}

#[test]
fn an_identity_of_the_environment_is_used_as_it_is() {
    let project = Project::empty();
    let file = project.path("elsewhere/id.txt");
    let variable = [("MODELMESH_IDENTITY_FILE", file.to_str().unwrap())];
    project.run_with(&variable, &["init"]).expect(0);
    assert!(file.exists() && !project.home().join(".config").exists());
    project.run_with(&variable, &["secrets", "set", "openai-key", "x-value"]).expect(0);
    project.run_with(&variable, &["check"]).expect(0);
}

#[test]
fn json_tells_what_was_made() {
    let project = Project::empty();
    let first = project.run(&["init", "--json"]).json();
    assert_eq!((&first["config"]["created"], &first["identity"]["created"]), (&true.into(), &true.into()));
    let second = project.run(&["init", "--json"]).json();
    assert_eq!(
        (&second["config"]["created"], &second["identity"]["created"]),
        (&false.into(), &false.into())
    );
    assert_eq!(first["identity"]["recipient"], second["identity"]["recipient"]);
}
