//! Which file is the configuration.

use std::fs;

use crate::project::{Project, run};

/// A configuration whose one mistake tells which file was read.
const UNCLOSED: &str = "a: ${secrets:x\n";

#[test]
fn the_nearest_file_is_found_from_a_folder_below() {
    let project = Project::with(UNCLOSED);
    let ran = project.run_in("a/b", &["check"]);
    let path = project.path("modelmesh.yaml").canonicalize().unwrap();
    ran.expect(1).says(&format!("[{}:1:4]", path.display()));
}

#[test]
fn each_name_is_found() {
    for (name, text) in [
        ("modelmesh.yml", "a: ${secrets:x\n"),
        ("modelmesh.json", r#"{ "a": "${secrets:x" }"#),
        ("modelmesh.toml", "a = '${secrets:x'\n"),
    ] {
        let project = Project::empty();
        project.write(name, text);
        project.run(&["check"]).expect(1).says(name);
    }
}

#[test]
fn nothing_is_looked_for_above_the_repository() {
    let project = Project::with(UNCLOSED);
    fs::create_dir_all(project.path("inner/.git")).unwrap();
    project.run_in("inner", &["check"]).expect(1).says("there is no configuration file");
    // A work tree has a file in that place.
    fs::create_dir(project.path("tree")).unwrap();
    project.write("tree/.git", "gitdir: elsewhere\n");
    project.run_in("tree/deep", &["check"]).expect(1).says("there is no configuration file");
}

#[test]
fn two_files_in_one_folder_are_one_too_many() {
    let project = Project::with(UNCLOSED);
    project.write("modelmesh.toml", "");
    project
        .run(&["check"])
        .expect(1)
        .says("there are several configuration files")
        .says("modelmesh.yaml, modelmesh.toml")
        .says("--config");
}

#[test]
fn the_option_wins_over_the_variable_and_the_variable_over_the_folder() {
    let project = Project::with(UNCLOSED);
    project.write("option.yaml", UNCLOSED);
    project.write("variable.yaml", UNCLOSED);
    let variable = [("MODELMESH_CONFIG", "variable.yaml")];
    project.run_with(&variable, &["check"]).expect(1).says("[variable.yaml:1:4]");
    project.run_with(&variable, &["check", "--config", "option.yaml"]).expect(1).says("[option.yaml:1:4]");
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let project = Project::given(&[("a", "value-a")], "x: ${secrets:a}\n");
    project.run_in("below", &["check"]).expect(0);
    assert!(project.run_in("below", &["render"]).stdout.contains("value-a"));
}

#[test]
fn a_default_path_is_relative_to_the_file_too() {
    let project = Project::with("secrets: { store: modelmesh.dotenv.v1 }\nx: ${secrets:a}\n");
    project.private(".env", "a=of-the-file\n");
    project.run_in("below", &["check"]).expect(0);
}

#[test]
fn a_named_file_that_cannot_be_read_is_an_error_that_says_why() {
    let project = Project::empty();
    project.write("binary.yaml", b"a: \xff\n");
    project.write("what", "");
    fs::create_dir(project.path("folder.yaml")).unwrap();
    for (path, what) in [
        ("none.yaml", "there is no configuration file 'none.yaml'"),
        ("folder.yaml", "is a folder"),
        ("binary.yaml", "is not UTF-8"),
        ("/dev/null", "is not a regular file"),
        ("what", "cannot be told from its name"),
    ] {
        project.run(&["check", "--config", path]).expect(1).says(what);
    }
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let project = Project::empty();
    let file = fs::File::create(project.path("modelmesh.yaml")).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    project.run(&["check"]).expect(1).says("is too large");
}

#[test]
fn somebody_elses_file_above_is_not_followed() {
    let project = Project::with(UNCLOSED);
    let path = project.path("modelmesh.yaml");
    if std::os::unix::fs::chown(&path, Some(4711), None).is_err() {
        // Only root can give a file away; the rule itself has a test beside it.
        return;
    }
    project.run_in("below", &["check"]).expect(1).says("belongs to someone else").says("--config");
    let mut named = project.command(&["check"]);
    named.env("MODELMESH_CONFIG", &path);
    run(named).expect(1).says("not closed");
}
