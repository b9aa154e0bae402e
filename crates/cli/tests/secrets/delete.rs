//! `delete`.

use serde_json::json;

use crate::project::Project;

#[test]
fn several_names_are_deleted_and_each_is_told() {
    let project = Project::new();
    project.given(&[], &[("a", "1"), ("b", "2"), ("c", "3")]);
    project.run(&["delete", "a", "b", "--yes"]).expect(0).says("deleted 'a' from").says("deleted 'b' from");
    assert_eq!(project.run(&["list"]).stdout, "c\n");
}

#[test]
fn a_missing_name_is_3_and_keeps_no_other_from_being_deleted() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let ran = project.run(&["delete", "none", "a", "--yes", "--json"]);
    ran.expect(3);
    assert_eq!(ran.json()["deleted"], json!(["a"]));
    assert_eq!(ran.failure()["errors"][0]["kind"], "not_found");
    assert_eq!(project.run(&["list"]).stdout, "");
}

#[test]
fn without_a_terminal_nothing_is_deleted_unless_that_is_said() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    project.run(&["delete", "a"]).expect(2).says("pass --yes");
    assert_eq!(project.get("a"), "1");
}

#[test]
fn a_terminal_is_asked_and_anything_but_yes_is_no() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let mut screen = project.screen(&["delete", "a"]);
    screen.expect("delete 'a' from store 'default' (modelmesh.age-file.v1, secrets.age)? [y/N] ");
    screen.press("\n");
    screen.expect("nothing was deleted");
    assert_eq!(project.get("a"), "1");

    let mut screen = project.screen(&["delete", "a"]);
    screen.expect("[y/N] ");
    screen.press("y\n");
    screen.expect("deleted 'a'");
    assert!(screen.wait().success());
    project.run(&["get", "a"]).expect(3);
}
