//! `rekey`.

use serde_json::json;

use crate::{
    project::{Project, feed, run},
    pty::Screen,
};

#[test]
fn two_people_share_one_file() {
    let project = Project::new();
    let (mine, theirs) = (project.person("me"), project.person("you"));
    project.given(&[], &[("a", "1")]);
    project.run_as("you", &["get", "a"]).expect(6);

    let ran = project.run(&["rekey", "--add", &theirs]);
    ran.expect(0).says(&format!("before:\n  {mine}\nnow:\n  {mine}\n  {theirs}\n"));
    assert_eq!(project.run_as("you", &["get", "a"]).stdout, "1");
    // A write by either keeps it readable for both.
    feed(project.command_of("you", &["set", "b"]), "2").expect(0);
    assert_eq!(project.get("b"), "2");
    project.feed(&["set", "c"], "3").expect(0);
    assert_eq!(project.run_as("you", &["get", "c"]).stdout, "3");
}

#[test]
fn without_options_the_recipients_are_listed_and_nothing_is_written() {
    let project = Project::new();
    let mine = project.person("me");
    project.given(&[], &[("a", "1")]);
    let before = project.read("secrets.age");
    assert_eq!(project.run(&["rekey"]).stdout, format!("{mine}\n"));
    assert_eq!(
        project.run(&["rekey", "--json"]).json(),
        json!({"version": 1, "store": "default", "before": [mine], "recipients": [mine], "changed": false})
    );
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn someone_is_removed_only_after_a_question_or_with_yes() {
    let project = Project::new();
    let theirs = project.person("you");
    project.given(&[], &[("a", "1")]);
    project.run(&["rekey", "--add", &theirs]).expect(0);
    project.run(&["rekey", "--remove", &theirs]).expect(2).says("pass --yes");
    project.run_as("you", &["get", "a"]).expect(0);
    project
        .run(&["rekey", "--remove", &theirs, "--yes"])
        .expect(0)
        .says("replace the secrets themselves too");
    project.run_as("you", &["get", "a"]).expect(6);
    assert_eq!(project.get("a"), "1");
}

#[test]
fn nobody_locks_themselves_out() {
    let project = Project::new();
    let (mine, theirs) = (project.person("me"), project.person("you"));
    project.given(&[], &[("a", "1")]);
    let before = project.read("secrets.age");
    project.run(&["rekey", "--add", &theirs, "--remove", &mine, "--yes"]).expect(1);
    project.run(&["rekey", "--remove", &mine, "--yes"]).expect(1);
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn what_is_no_recipient_is_not_repeated() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let ran = project.run(&["rekey", "--add", "AGE-SECRET-KEY-1CANARY"]);
    ran.expect(1);
    assert!(!ran.stderr.contains("CANARY"), "{ran:?}");
}

fn type_new_passphrase(screen: &mut Screen, passphrase: &str) {
    screen.expect("new passphrase for '");
    screen.press(&format!("{passphrase}\n"));
    screen.expect("the same again: ");
    screen.press(&format!("{passphrase}\n"));
}

#[test]
fn an_age_file_is_put_under_a_passphrase() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let mut screen = project.screen(&["rekey", "--passphrase"]);
    type_new_passphrase(&mut screen, "new-canary");
    let shown = screen.expect("encrypted store").to_owned();
    assert!(screen.wait().success());
    assert!(!shown.contains("canary"), "{shown}");
    project.run(&["get", "a"]).expect(6);
    let mut command = project.command(&["get", "a"]);
    command.env("MODELMESH_PASSPHRASE", "new-canary");
    assert_eq!(run(command).stdout, "1");
}

#[test]
fn an_encrypted_file_gets_another_passphrase_and_salt() {
    let project = Project::new();
    let with = |passphrase: &str, args: &[&str]| {
        let mut command = project.command(args);
        command.env("MODELMESH_PASSPHRASE", passphrase);
        command
    };
    feed(with("first", &["set", "a", "--store", "old"]), "1").expect(0);
    let salt = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["salt"].clone();
    let before = project.read("old.json");

    let environment = [("MODELMESH_PASSPHRASE", "first")];
    let mut screen = project.screen_with(&["rekey", "--passphrase", "--store", "old"], &environment);
    type_new_passphrase(&mut screen, "second");
    screen.expect("changed the passphrase");
    assert!(screen.wait().success());

    assert_ne!(salt(&before), salt(&project.read("old.json")));
    run(with("first", &["get", "a", "--store", "old"])).expect(6);
    assert_eq!(run(with("second", &["get", "a", "--store", "old"])).stdout, "1");
}

#[test]
fn a_wrong_passphrase_is_told_before_a_new_one_is_asked_for() {
    let project = Project::new();
    let mut command = project.command(&["set", "a", "--store", "old"]);
    command.env("MODELMESH_PASSPHRASE", "first");
    feed(command, "1").expect(0);
    let before = project.read("old.json");
    let environment = [("MODELMESH_PASSPHRASE", "wrong")];
    let mut screen = project.screen_with(&["rekey", "--passphrase", "--store", "old"], &environment);
    screen.expect("the passphrase does not open '");
    assert_eq!(screen.wait().code(), Some(6));
    assert_eq!(project.read("old.json"), before);
}

#[test]
fn stores_without_a_key_of_their_own_say_so() {
    let project = Project::new();
    project.run(&["rekey", "--store", "dotenv"]).expect(1).says("has no key of its own");
    project.run(&["rekey", "--store", "raw", "--add", "age1"]).expect(1).says("has no recipients");
}
