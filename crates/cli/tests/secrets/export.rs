//! `export`, and the way back.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::project::Project;

const AWKWARD: [(&str, &str); 6] = [
    ("DOLLAR", "$HOME ${secrets:other} `id`"),
    ("EMPTY", ""),
    ("LINES", "one\n  two\r\n\n"),
    ("QUOTES", "\"'\\ # : - {"),
    ("UNICODE", "clé 😀 \u{feff}\u{202e}\u{2028}"),
    ("true", "true"),
];

#[test]
fn every_format_is_imported_exactly_as_it_was_exported() {
    for file in ["out.env", "out.json", "out.yaml", "out.toml"] {
        let project = Project::new();
        project.given(&[], &AWKWARD);
        project.run(&["export", "-o", file]).expect(0).says("exported 6 secrets");
        project.run(&["import", file, "--store", "dotenv"]).expect(0).says("6 created");
        for (name, value) in AWKWARD {
            let ran = project.run(&["get", name, "--store", "dotenv"]);
            assert_eq!(ran.stdout, value, "{file} {name}");
        }
    }
}

#[test]
fn the_file_is_private() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    project.write("out.json", "old");
    fs::set_permissions(project.path("out.json"), fs::Permissions::from_mode(0o644)).unwrap();
    project.run(&["export", "-o", "out.json"]).expect(0);
    assert_eq!(fs::metadata(project.path("out.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(project.read("out.json"), "{\n  \"a\": \"1\"\n}\n");
}

#[test]
fn a_pipe_gets_dotenv_and_with_json_json() {
    let project = Project::new();
    project.given(&[], &[("a", "x y")]);
    assert_eq!(project.run(&["export"]).stdout, "a='x y'\n");
    assert_eq!(project.run(&["export", "--json"]).stdout, "{\n  \"a\": \"x y\"\n}\n");
    assert_eq!(project.run(&["export", "--format", "yaml"]).stdout, "a: \"x y\"\n");
}

#[test]
fn a_terminal_is_shown_values_only_if_that_is_said() {
    let project = Project::new();
    project.given(&[], &[("a", "canary")]);
    let mut screen = project.screen(&["export"]);
    let shown = screen.expect("pass --reveal").to_owned();
    assert_eq!(screen.wait().code(), Some(2));
    assert!(!shown.contains("canary"), "{shown}");
    let mut screen = project.screen(&["export", "--reveal"]);
    screen.expect("a=canary");
}

#[test]
fn names_that_the_format_cannot_hold_are_told_and_nothing_is_written() {
    let project = Project::new();
    project.given(&[], &[("a", "1"), ("b/c", "2"), ("d e", "3")]);
    let ran = project.run(&["export", "-o", "out.env", "--format", "dotenv"]);
    ran.expect(1).says("secret 'b/c'").says("secret 'd e'");
    assert!(!project.path("out.env").exists());
}

#[test]
fn the_store_is_not_written_over() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let before = project.read("secrets.age");
    project.run(&["export", "-o", "./secrets.age"]).expect(1).says("is the store's own file");
    assert_eq!(project.read("secrets.age"), before);
}
