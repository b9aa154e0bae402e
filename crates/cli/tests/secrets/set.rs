//! `set`, `get` and `list`.

use serde_json::json;

use crate::project::Project;

#[test]
fn what_was_set_is_what_get_prints_and_nothing_else() {
    let project = Project::new();
    let awkward = "a $HOME ${secrets:other} \"q\" 'q' \\ : #\n\tclé 😀 \u{202e}";
    project.feed(&["set", "openai-key"], awkward).expect(0);
    let ran = project.run(&["get", "openai-key"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (awkward, ""));
}

#[test]
fn set_says_what_it_did_and_not_the_value() {
    let project = Project::new();
    let ran = project.feed(&["set", "openai-key"], "canary");
    assert_eq!(ran.stderr, "created 'openai-key' in store 'default' (modelmesh.age-file.v1, secrets.age)\n");
    assert_eq!(ran.stdout, "");
    let ran = project.feed(&["set", "openai-key"], "canary");
    assert_eq!(ran.stderr, "updated 'openai-key' in store 'default' (modelmesh.age-file.v1, secrets.age)\n");
    let ran = project.feed(&["set", "openai-key", "--json"], "canary");
    assert_eq!(
        ran.json(),
        json!({"version": 1, "store": "default", "name": "openai-key", "outcome": "updated"})
    );
}

#[test]
fn one_final_newline_is_dropped_unless_raw() {
    let project = Project::new();
    project.feed(&["set", "a"], "value\n").expect(0);
    project.feed(&["set", "b", "--raw"], "value\n").expect(0);
    assert_eq!((project.get("a"), project.get("b")), ("value".to_owned(), "value\n".to_owned()));
}

#[test]
fn a_value_in_the_arguments_works_and_warns_once() {
    let project = Project::new();
    // The documented form: a store that the configuration does not name, by its connector.
    let project_without = Project::new();
    project_without.write("modelmesh.yaml", "{}");
    let args = ["set", "openai-api-key", "sk-1", "--store", "modelmesh.dotenv.v1"];
    let ran = project_without.run(&args);
    ran.expect(0).says("created 'openai-api-key' in store 'modelmesh.dotenv.v1' (.env)");
    assert_eq!(ran.stderr.matches("warning:").count(), 1, "{ran:?}");
    assert_eq!(project_without.read(".env"), "openai-api-key=sk-1\n");
    project.run(&["set", "a", "sk-1"]).expect(0).says("the list of processes");
}

#[test]
fn what_looks_like_a_slip_is_stored_with_a_warning() {
    let project = Project::new();
    project.feed(&["set", "a"], "\"quoted\"").expect(0).says("warning: the value stands in quotes");
    assert_eq!(project.get("a"), "\"quoted\"");
}

#[test]
fn an_empty_pipe_sets_nothing() {
    let project = Project::new();
    project.feed(&["set", "a"], "").expect(2).says("the value is empty");
    assert!(!project.path("secrets.age").exists());
}

#[test]
fn the_prompt_shows_nothing_of_the_value() {
    let project = Project::new();
    let mut screen = project.screen(&["set", "openai-key"]);
    screen.expect("value of 'openai-key': ");
    assert!(!screen.echoes());
    screen.press("sk-canary\n");
    let shown = screen.expect("created 'openai-key'").to_owned();
    assert!(screen.wait().success());
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(project.get("openai-key"), "sk-canary");
}

#[test]
fn get_adds_a_newline_on_a_terminal_only() {
    let project = Project::new();
    project.given(&[], &[("a", "value"), ("b", "other")]);
    let mut screen = project.screen(&["get", "a"]);
    screen.expect("value\r\n");
    assert_eq!(project.get("a"), "value");
}

#[test]
fn get_as_json_tells_version_and_expiry_too() {
    let project = Project::new();
    project.feed(&["set", "a", "--expires-at", "2199-01-31T00:00:00Z"], "v\"\u{1b}").expect(0);
    let ran = project.run(&["get", "a", "--json"]);
    let expected = json!({
        "version": 1, "store": "default", "name": "a", "value": "v\"\u{1b}",
        "secret_version": "1", "expires_at": "2199-01-31T00:00:00Z",
    });
    assert_eq!(ran.json(), expected);
    assert!(!ran.stdout.contains('\u{1b}'));
}

#[test]
fn an_expiry_may_be_a_time_from_now_on_and_not_in_the_past() {
    let project = Project::new();
    project.feed(&["set", "a", "--expires-at", "30d"], "v").expect(0);
    assert!(project.run(&["get", "a", "--json"]).json()["expires_at"].is_string());
    project.feed(&["set", "a", "--expires-at", "2001-01-31T00:00:00Z"], "v").expect(2).says("in the past");
    project.feed(&["set", "a", "--expires-at", "soon"], "v").expect(2).says("nor a duration such as 30d");
}

#[test]
fn an_expiry_that_a_store_cannot_keep_is_refused_before_anything_is_read() {
    let project = Project::new();
    let ran = project.run(&["set", "A", "--expires-at", "30d", "--store", "dotenv"]);
    ran.expect(1).says("cannot keep when a secret expires");
    assert!(!project.path("local.env").exists());
}

#[test]
fn list_is_sorted_one_a_line_and_escaped() {
    let project = Project::new();
    project.given(&[], &[("b", "canary"), ("a/c", "canary"), ("x\u{202e}y", "canary")]);
    let ran = project.run(&["list"]);
    assert_eq!(ran.stdout, "a/c\nb\nx\\u{202e}y\n");
    let names = json!(["a/c", "b", "x\u{202e}y"]);
    assert_eq!(
        project.run(&["list", "--json"]).json(),
        json!({"version": 1, "store": "default", "names": names})
    );
}

#[test]
fn a_store_is_chosen_by_store_or_env() {
    let project = Project::new();
    project.feed(&["set", "A", "--env", "dotenv"], "v").expect(0);
    assert_eq!(project.read("local.env"), "A=v\n");
    assert_eq!(project.run(&["list", "--store", "dotenv"]).stdout, "A\n");
}

#[test]
fn under_a_naming_rule_names_are_logical() {
    let project = Project::new();
    project.feed(&["set", "openai-key", "--store", "screaming"], "v").expect(0);
    assert_eq!(project.read("screaming.env"), "OPENAI_KEY=v\n");
    assert_eq!(project.run(&["list", "--store", "screaming"]).stdout, "openai-key\n");
}

#[test]
fn a_variable_that_hides_what_was_set_is_warned_of() {
    let project = Project::new();
    let mut command = project.command(&["set", "A", "--store", "dotenv"]);
    command.env("A", "other");
    let ran = crate::project::feed(command, "v");
    ran.expect(0).says("warning: an environment variable of this name hides what the file holds");
}
