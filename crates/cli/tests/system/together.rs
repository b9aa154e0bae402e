//! Several commands at once, where they are not just writers of one store.

use std::{fs, os::unix::fs::PermissionsExt as _, thread};

use crate::project::{MODELMESH, Project, Ran, Run as _};

#[test]
fn eight_first_runs_at_once_make_one_identity_that_opens_every_store() {
    let project = Project::empty();
    let folders: Vec<String> = (0..8).map(|at| format!("service-{at}")).collect();
    thread::scope(|scope| {
        for folder in &folders {
            scope.spawn(|| project.run(&["init", folder]).expect(0));
        }
    });
    for folder in &folders {
        let there = |args: &[&str]| {
            let mut command = project.modelmesh(args);
            command.current_dir(project.path(folder));
            command
        };
        there(&["secrets", "set", "openai-key"]).run(b"x").expect(0);
        assert_eq!(there(&["secrets", "get", "openai-key"]).run(b"").expect(0).text(), "x");
    }
}

#[test]
fn eight_first_runs_in_one_folder_leave_one_sound_project() {
    let project = Project::empty();
    let done = thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| project.run(&["init"]))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).filter(|ran| ran.status.success()).count()
    });
    assert!(done > 0);
    project.set("openai-key", "x");
    project.run(&["check"]).expect(0);
    assert!(!project.files().iter().any(|name| name.contains("tmp")), "{:?}", project.files());
}

/// Edits with a shell script for an editor, to which `$1` is the file.
fn edit(project: &Project, script: &str) -> Ran {
    let editor = project.outside("editor");
    fs::write(&editor, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    project.modelmesh(&["secrets", "edit"]).env("EDITOR", editor).run(b"")
}

#[test]
fn an_edit_and_a_set_of_other_names_are_both_kept() {
    let project = Project::with_age_file();
    project.set("mine", "old");
    project.set("theirs", "old");
    let set = format!("{MODELMESH} secrets set theirs new-theirs 2>/dev/null");
    edit(&project, &format!("{set}\nsed -i 's/^mine:.*/mine: new-mine/' \"$1\"")).expect(0);
    assert_eq!((project.get("mine"), project.get("theirs")), ("new-mine".into(), "new-theirs".into()));
}

#[test]
fn an_edit_of_what_somebody_else_has_set_meanwhile_is_a_conflict() {
    let project = Project::with_age_file();
    project.set("shared", "old");
    let set = format!("{MODELMESH} secrets set shared theirs 2>/dev/null");
    edit(&project, &format!("{set}\nsed -i 's/^shared:.*/shared: mine/' \"$1\"")).expect(1);
    assert_eq!(project.get("shared"), "theirs");
}

#[test]
fn an_edit_that_breaks_the_text_changes_nothing() {
    let project = Project::with_age_file();
    project.set("kept", "value");
    let before = project.read("secrets.age");
    let ran = edit(&project, "printf 'new: [\\n' >> \"$1\"");
    assert!(!ran.status.success(), "{}", ran.described());
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn an_import_that_cannot_store_all_stores_none() {
    let project = Project::with_age_file();
    project.set("there", "old");
    let before = project.read("secrets.age");
    project.write("new.json", r#"{"a": "1", "there": "2", "b": "3"}"#);
    project.run(&["secrets", "import", "new.json"]).expect(1).says("there");
    project.write("bad.json", r#"{"a": "1", "../b": "3"}"#);
    project.run(&["secrets", "import", "bad.json"]).expect(1);
    assert_eq!(project.read("secrets.age"), before);
    project.run(&["secrets", "import", "new.json", "--overwrite"]).expect(0);
    assert_eq!((project.get("a"), project.get("there")), ("1".into(), "2".into()));
}

#[test]
fn a_name_that_is_not_there_keeps_no_other_from_being_deleted() {
    let project = Project::with_age_file();
    for name in ["a", "b", "kept"] {
        project.set(name, "1");
    }
    let ran = project.run(&["secrets", "delete", "--yes", "a", "unknown", "b"]).expect(3);
    assert!(ran.stderr.contains("'unknown': not found"), "{}", ran.described());
    assert_eq!(project.run(&["secrets", "list"]).expect(0).text(), "kept\n");
}

#[test]
fn a_reader_never_sees_half_a_write() {
    let project = Project::with_age_file();
    let (even, odd) = ("a".repeat(100_000), "b".repeat(100_000));
    project.set("key", &even);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for turn in 0..40 {
                project.set("key", if turn % 2 == 0 { &odd } else { &even });
            }
        });
        while !writer.is_finished() {
            let read = project.get("key");
            assert!(read == even || read == odd);
        }
    });
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::with_age_file();
    project.set("key", &"x".repeat(1 << 20));
    let line = format!("{{ {MODELMESH} secrets get key; echo $? >&2; }} | head -c 1");
    let ran = project.command(std::process::Command::new("sh"), &["-c", &line]).run(b"").expect(0);
    assert_eq!((ran.text(), ran.stderr), ("x".into(), "141\n".into()));
}
