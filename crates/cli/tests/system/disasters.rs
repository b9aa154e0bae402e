//! What goes wrong with files: a clear error or success, and never a lost secret.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use crate::{
    project::{AGE_FILE, Project, Ran, Run as _},
    tools::age_keygen,
};

const ENCRYPTED: &str = "secrets:\n  store: modelmesh.encrypted-file.v1\n  path: secrets.file\n";
const AGE: &str = "secrets:\n  store: modelmesh.age-file.v1\n  path: secrets.file\n";
const DOTENV: &str = "secrets:\n  store: modelmesh.dotenv.v1\n  path: secrets.file\n";

const PASSPHRASE: (&str, &str) = ("MODELMESH_PASSPHRASE", "correct horse");

/// A project with this store in `secrets.file`, which holds `kept`.
fn holding(config: &str) -> Project {
    let project = Project::with_config(config);
    set(&project, "kept", "the value").expect(0);
    project
}

fn set(project: &Project, name: &str, value: &str) -> Ran {
    let (variable, passphrase) = PASSPHRASE;
    project.modelmesh(&["secrets", "set", name]).env(variable, passphrase).run(value.as_bytes())
}

fn get(project: &Project, name: &str) -> Ran {
    let (variable, passphrase) = PASSPHRASE;
    project.modelmesh(&["secrets", "get", name]).env(variable, passphrase).run(b"")
}

/// Asserts that every command that writes ends with `code` and leaves the file as it is.
#[track_caller]
fn assert_refuses_writes(project: &Project, variables: &[(&str, &str)], code: i32) {
    let before = fs::read(project.path("secrets.file")).ok();
    let mode = mode(&project.path("secrets.file"));
    fs::write(project.outside("import.env"), "NEW=1\n").unwrap();
    let import = project.outside("import.env");
    for args in [
        &["secrets", "set", "new"][..],
        &["secrets", "set", "kept"],
        &["secrets", "delete", "kept", "--yes"],
        &["secrets", "import", import.to_str().unwrap()],
    ] {
        let mut command = project.modelmesh(args);
        let ran = command.envs(variables.iter().copied()).run(b"value");
        assert_eq!(ran.status.code(), Some(code), "{args:?}: {}", ran.described());
        assert!(ran.stderr.contains("error: "), "{args:?}: {}", ran.described());
    }
    assert_eq!(fs::read(project.path("secrets.file")).ok(), before, "the file has changed");
    assert_eq!(self::mode(&project.path("secrets.file")), mode);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_wrong_passphrase_locks_an_encrypted_file_and_writes_nothing() {
    let project = holding(ENCRYPTED);
    let wrong = [(PASSPHRASE.0, "wrong")];
    assert_refuses_writes(&project, &wrong, 6);
    project.modelmesh(&["secrets", "get", "kept"]).envs(wrong).run(b"").expect(6);
    project.modelmesh(&["secrets", "list"]).envs(wrong).run(b"").expect(6);
    assert_eq!(get(&project, "kept").expect(0).text(), "the value");
}

#[test]
fn a_wrong_passphrase_locks_an_age_file_and_writes_nothing() {
    let project = holding(&format!("{AGE}  recipients: [passphrase]\n"));
    assert_refuses_writes(&project, &[(PASSPHRASE.0, "wrong")], 6);
    assert_eq!(get(&project, "kept").expect(0).text(), "the value");
}

#[test]
fn a_wrong_identity_locks_an_age_file_and_writes_nothing() {
    let project = holding(AGE);
    let other = project.outside("other.txt");
    age_keygen(&other);
    assert_refuses_writes(&project, &[("MODELMESH_IDENTITY_FILE", other.to_str().unwrap())], 6);
    assert_eq!(get(&project, "kept").expect(0).text(), "the value");
}

#[test]
fn a_file_that_does_not_open_is_not_said_to_be_opened_by_anything() {
    for config in [ENCRYPTED, AGE] {
        let project = holding(config);
        age_keygen(&project.outside("other.txt"));
        let mut rekey = project.modelmesh(&["secrets", "rekey"]);
        rekey.env("MODELMESH_IDENTITY_FILE", project.outside("other.txt")).env(PASSPHRASE.0, "wrong");
        rekey.run(b"").expect(6);
    }
}

#[test]
fn without_a_passphrase_and_without_a_terminal_a_store_is_locked() {
    let project = holding(ENCRYPTED);
    assert_refuses_writes(&project, &[], 6);
}

#[test]
fn a_truncated_file_is_malformed_wherever_it_was_cut() {
    for config in [ENCRYPTED, AGE] {
        let project = holding(config);
        let whole = project.read("secrets.file");
        for length in [1, whole.len() / 2, whole.len() - 10] {
            project.write("secrets.file", &whole[..length]);
            assert_refuses_writes(&project, &[PASSPHRASE], 1);
            get(&project, "kept").expect(1).says("secrets.file");
        }
    }
}

#[test]
fn an_age_file_cut_to_nothing_is_malformed() {
    let project = holding(AGE);
    project.write("secrets.file", "");
    assert_refuses_writes(&project, &[], 1);
}

#[test]
fn a_file_of_something_else_is_malformed() {
    let others: [&[u8]; 5] = [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"{\"name\": \"app\", \"version\": \"1.0.0\"}",
        b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
        b"KEY=value\n",
        b"[]",
    ];
    for config in [ENCRYPTED, AGE] {
        for other in others {
            let project = holding(config);
            project.write("secrets.file", other);
            assert_refuses_writes(&project, &[PASSPHRASE], 1);
        }
    }
    let project = holding(DOTENV);
    project.write("secrets.file", others[0]);
    assert_refuses_writes(&project, &[], 1);
}

#[test]
fn a_folder_in_the_files_place_is_an_error_and_stays() {
    for config in [ENCRYPTED, AGE, DOTENV] {
        let project = Project::with_config(config);
        fs::create_dir(project.path("secrets.file")).unwrap();
        fs::write(project.path("secrets.file/inside"), "kept").unwrap();
        assert_refuses_writes(&project, &[PASSPHRASE], 1);
        get(&project, "kept").expect(1).says("folder");
        assert_eq!(project.read("secrets.file/inside"), b"kept");
    }
}

#[test]
fn a_missing_folder_is_an_error_and_is_not_made() {
    let project = Project::with_config(&AGE.replace("secrets.file", "none/secrets.file"));
    set(&project, "new", "x").expect(1).says("folder");
    assert_eq!(project.files(), ["modelmesh.yaml"]);
}

#[test]
fn a_file_that_others_can_read_is_told_of_and_becomes_private_on_the_next_write() {
    for config in [ENCRYPTED, AGE, DOTENV] {
        let project = holding(config);
        let path = project.path("secrets.file");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        get(&project, "kept").expect(0).says("others may read this file");
        assert_eq!(mode(&path), 0o644, "a read changes nothing");
        set(&project, "new", "x").expect(0).says("others may read this file");
        assert_eq!(mode(&path), 0o600);
        let quiet = get(&project, "kept").expect(0);
        assert_eq!(quiet.stderr, "");
    }
}

#[test]
fn a_new_file_is_private_whatever_the_umask() {
    for config in [ENCRYPTED, AGE, DOTENV] {
        let project = Project::with_config(config);
        let line = format!("umask 0; exec {} secrets set new", crate::project::MODELMESH);
        let mut shell = project.command(std::process::Command::new("sh"), &["-c", &line]);
        shell.env(PASSPHRASE.0, PASSPHRASE.1).run(b"x").expect(0);
        assert_eq!(mode(&project.path("secrets.file")), 0o600);
    }
}

#[test]
fn a_symbolic_link_in_the_locks_place_is_not_followed() {
    for config in [ENCRYPTED, AGE, DOTENV] {
        let project = holding(config);
        let victim = project.outside("victim");
        fs::write(&victim, "untouched").unwrap();
        fs::remove_file(project.path(".secrets.file.lock")).unwrap();
        symlink(&victim, project.path(".secrets.file.lock")).unwrap();
        assert_refuses_writes(&project, &[PASSPHRASE], 1);
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(get(&project, "kept").expect(0).text(), "the value", "reads need no lock");
    }
}

#[test]
fn a_link_to_nowhere_in_the_locks_place_makes_no_file_there() {
    let project = holding(AGE);
    let victim = project.outside("victim");
    fs::remove_file(project.path(".secrets.file.lock")).unwrap();
    symlink(&victim, project.path(".secrets.file.lock")).unwrap();
    assert_refuses_writes(&project, &[], 1);
    assert!(!victim.exists());
}

#[test]
fn a_store_behind_a_symbolic_link_is_written_at_its_target() {
    for config in [ENCRYPTED, AGE, DOTENV] {
        let project = holding(config);
        let target = project.outside("home/real");
        fs::rename(project.path("secrets.file"), &target).unwrap();
        symlink(&target, project.path("secrets.file")).unwrap();
        let before = fs::read(&target).unwrap();

        set(&project, "new", "x").expect(0);

        assert!(project.path("secrets.file").is_symlink());
        assert_ne!(fs::read(&target).unwrap(), before);
        assert_eq!(get(&project, "new").expect(0).text(), "x");
        assert_eq!(get(&project, "kept").expect(0).text(), "the value");
    }
}

#[test]
fn a_writer_that_never_ends_is_a_conflict_told_after_ten_seconds() {
    let project = holding(AGE);
    let lock = OpenOptions::new().write(true).open(project.path(".secrets.file.lock")).unwrap();
    lock.lock().unwrap();
    let before = project.read("secrets.file");
    set(&project, "new", "x").expect(1).says("holds the lock");
    assert_eq!(project.read("secrets.file"), before);
    assert_eq!(get(&project, "kept").expect(0).text(), "the value", "reads need no lock");
    drop(lock);
    set(&project, "new", "x").expect(0);
}

#[test]
fn an_identity_that_is_there_is_not_overwritten() {
    let project = Project::with_config(AGE_FILE);
    let before = fs::read(project.identity()).unwrap();
    let fresh = project.outside("fresh");
    fs::create_dir(&fresh).unwrap();
    project.modelmesh(&["init", fresh.to_str().unwrap()]).run(b"").expect(0);
    assert_eq!(fs::read(project.identity()).unwrap(), before);
}

#[test]
fn values_that_a_store_cannot_hold_are_refused_and_change_nothing() {
    let project = holding(DOTENV);
    let before = project.read("secrets.file");
    let nul = project.modelmesh(&["secrets", "set", "kept"]).run(b"a\0b").expect(1);
    assert!(!nul.stderr.is_empty());
    project.modelmesh(&["secrets", "set", "kept"]).run(b"\xff\xfe").expect(1).says("UTF-8");
    assert_eq!(project.read("secrets.file"), before);
}
