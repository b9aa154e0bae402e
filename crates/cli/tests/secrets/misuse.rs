//! What goes wrong: a clear error, the right code, and every file as it was.

use std::fs;

use crate::project::{Project, feed, run};

#[test]
fn a_missing_name_is_3() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let ran = project.run(&["get", "none"]);
    ran.expect(3).says("store 'default': secret 'none': not found").says("'modelmesh secrets list'");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_store_that_is_not_there_is_told_with_the_nearest() {
    let project = Project::new();
    project.run(&["list", "--store", "dotenf"]).expect(1).says("did you mean 'dotenv'?");
    project.run(&["list", "--env", "prod"]).expect(1).says("there is no environment 'prod'");
}

#[test]
fn a_store_that_can_only_be_read_names_those_that_can_be_written() {
    let project = Project::new();
    project.write("given.json", r#"{"a": "1"}"#);
    assert_eq!(project.run(&["get", "a", "--store", "read-only"]).stdout, "1");
    for args in [
        &["set", "a", "x", "--store", "read-only"][..],
        &["list", "--store", "read-only"],
        &["delete", "a", "--yes", "--store", "any"],
        &["import", "given.json", "--store", "env"],
        &["export", "--store", "read-only"],
        &["edit", "--store", "read-only"],
    ] {
        project.run(args).expect(1).says("can only be read").says("--store default, --store dotenv");
    }
    assert_eq!(project.read("given.json"), r#"{"a": "1"}"#);
}

#[test]
fn a_store_that_is_gone_with_the_command_is_not_among_those_to_write_to() {
    let project = Project::new();
    project.write("modelmesh.yaml", "secrets: {store: modelmesh.memory-secrets.v1}\n");
    project
        .feed(&["set", "a"], "1")
        .expect(1)
        .says("is gone when this command ends")
        .says("run 'modelmesh init'");
}

#[test]
fn without_a_configuration_init_is_what_to_do() {
    let project = Project::new();
    fs::remove_file(project.path("modelmesh.yaml")).unwrap();
    project.feed(&["set", "a"], "1").expect(1).says("run 'modelmesh init'");
}

#[test]
fn a_wrong_passphrase_is_6_for_every_write_and_the_file_is_untouched() {
    let project = Project::new();
    let with = |passphrase: &str, args: &[&str]| {
        let mut command = project.command(args);
        command.env("MODELMESH_PASSPHRASE", passphrase).env("EDITOR", "true");
        command
    };
    feed(with("right", &["set", "a", "--store", "old"]), "1").expect(0);
    project.write("in.env", "A=1\n");
    let before = project.read("old.json");
    for args in [
        &["set", "a", "--store", "old"][..],
        &["get", "a", "--store", "old"],
        &["list", "--store", "old"],
        &["delete", "a", "--yes", "--store", "old"],
        &["import", "in.env", "--format", "dotenv", "--store", "old"],
        &["edit", "--store", "old"],
        &["export", "--store", "old"],
    ] {
        feed(with("wrong", args), "2").expect(6).says("the passphrase does not open '");
    }
    // Nobody to ask, and no passphrase.
    run(project.command(&["list", "--store", "old"])).expect(6).says("MODELMESH_PASSPHRASE");
    assert_eq!(project.read("old.json"), before);
}

#[test]
fn a_file_cut_short_is_1_and_stays_as_it_is() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let whole = project.read("secrets.age");
    let half = &whole[..whole.len() / 2];
    project.write("secrets.age", half);
    project.feed(&["set", "b"], "2").expect(1);
    project.run(&["get", "a"]).expect(1);
    assert_eq!(project.read("secrets.age"), half);
}

#[test]
fn a_folder_in_the_files_place_is_1() {
    let project = Project::new();
    fs::create_dir(project.path("secrets.age")).unwrap();
    project.feed(&["set", "a"], "1").expect(1).says("is a folder");
    assert!(project.path("secrets.age").is_dir());
}

#[test]
fn a_name_that_reaches_outside_is_refused_before_any_file_is_touched() {
    let project = Project::new();
    project.feed(&["set", "../x"], "1").expect(2).says("cannot be '.' or '..'");
    assert!(!project.path("secrets.age").exists());
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let project = Project::new();
    project.run(&["import", "none.env", "--format", "dotenv"]).expect(1).says("there is no file 'none.env'");
}

#[test]
fn failures_are_json_where_that_is_asked_for() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let ran = project.run(&["get", "none", "--json"]);
    let failure = ran.failure();
    assert_eq!((&failure["exit_code"], &failure["errors"][0]["name"]), (&3.into(), &"none".into()));
    assert_eq!(ran.stdout, "");
}
