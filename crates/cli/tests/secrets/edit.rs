//! `edit`, with editors that are lines of shell.

use crate::project::{Project, Ran, run};

/// Edits with `script`, whose `$1` is the file.
fn edit(project: &Project, script: &str) -> Ran {
    edit_store(project, "default", script)
}

fn edit_store(project: &Project, store: &str, script: &str) -> Ran {
    let mut command = project.command(&["edit", "--store", store]);
    command.env("EDITOR", format!("f() {{ {script}\n}}; f"));
    run(command)
}

#[test]
fn the_differences_are_made_and_told_without_values() {
    let project = Project::new();
    project.given(&[], &[("gone", "canary-1"), ("kept", "canary-2"), ("changed", "canary-3")]);
    let script = r#"sed -i -e /^gone/d -e s/canary-3/canary-4/ "$1"; echo 'new: "canary 5"' >> "$1""#;
    let ran = edit(&project, script);
    ran.expect(0).says("created 'new'").says("updated 'changed'").says("deleted 'gone'");
    ran.says(": 1 created, 1 updated, 1 deleted, 1 unchanged");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    assert_eq!(project.run(&["list"]).stdout, "changed\nkept\nnew\n");
    assert_eq!((project.get("changed"), project.get("new")), ("canary-4".into(), "canary 5".into()));
}

#[test]
fn a_value_of_several_lines_is_edited_as_such() {
    let project = Project::new();
    project.given(&[], &[("pem", "-----BEGIN\n  one\n-----END\n")]);
    edit(&project, r#"sed -i 's/  one/  two/' "$1""#).expect(0);
    assert_eq!(project.get("pem"), "-----BEGIN\n  two\n-----END\n");
}

#[test]
fn an_editor_that_saves_nothing_or_fails_changes_nothing() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let before = project.read("secrets.age");
    edit(&project, "true").expect(0).says("nothing was changed");
    edit(&project, r#"echo 'b: "2"' >> "$1"; return 1"#).expect(1).says("so nothing was changed");
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn a_text_that_cannot_be_read_changes_nothing_and_is_told_by_its_line() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let before = project.read("secrets.age");
    let ran = edit(&project, r#"printf 'b: "canary\n' >> "$1""#);
    ran.expect(1).says("'secrets.yaml' 5:");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    edit(&project, r#"echo '../x: "canary"' >> "$1""#).expect(1).says("'../x': a segment of a name");
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn a_text_that_cannot_be_read_is_edited_again_at_a_terminal() {
    let project = Project::new();
    project.given(&[], &[("a", "1")]);
    let script = r#"f() { if grep -q '^#!' "$1"; then sed -i 's/^b.*/b: "2"/' "$1"; else echo 'b: [' >> "$1"; fi; }; f"#;
    project.write("editor.sh", format!("{script} \"$@\"\n"));
    let mut screen = project.screen_with(&["edit"], &[("EDITOR", "sh editor.sh")]);
    screen.expect("edit it again? [y/N] ");
    screen.press("y\n");
    screen.expect("created 'b'");
    assert!(screen.wait().success());
    assert_eq!(project.get("b"), "2");
}

#[test]
fn an_emptied_text_deletes_nothing() {
    let project = Project::new();
    project.given(&[], &[("a", "1"), ("b", "2")]);
    edit(&project, r#": > "$1""#).expect(1).says("holds no secrets any more");
    assert_eq!(project.get("a"), "1");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let project = Project::new();
    project.given(&[], &[("a", "1"), ("b", "2")]);
    let modelmesh = env!("CARGO_BIN_EXE_modelmesh");
    // While the editor is open, another process sets 'a'.
    let other = format!("printf theirs | {modelmesh} secrets set a --store default 2>/dev/null");
    let ran = edit(&project, &format!(r#"{other}; sed -i -e 's/"1"/"mine"/' -e 's/"2"/"mine"/' "$1""#));
    ran.expect(1).says("secret 'a': somebody else changed it meanwhile");
    assert_eq!((project.get("a"), project.get("b")), ("theirs".into(), "2".into()));
}

#[test]
fn what_somebody_else_changed_elsewhere_meanwhile_stays() {
    let project = Project::new();
    project.given(&[], &[("a", "1"), ("b", "2")]);
    let modelmesh = env!("CARGO_BIN_EXE_modelmesh");
    let other = format!("printf theirs | {modelmesh} secrets set a --store default 2>/dev/null");
    edit(&project, &format!(r#"{other}; sed -i -e 's/"2"/"mine"/' "$1""#)).expect(0);
    assert_eq!((project.get("a"), project.get("b")), ("theirs".into(), "mine".into()));
}

#[test]
fn an_edit_of_a_dotenv_file_keeps_its_comments() {
    let project = Project::new();
    project.write("local.env", "# first\nA=1 # why\n\nexport B='2'\n");
    edit_store(&project, "dotenv", r#"sed -i 's/"2"/"it is new"/' "$1""#).expect(0);
    assert_eq!(project.read("local.env"), "# first\nA=1 # why\n\nexport B='it is new'\n");
}
