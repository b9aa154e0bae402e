//! The first five minutes of somebody new, in an empty folder, without a manual.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::{
    project::{MODELMESH, Project, Run as _},
    pty::Screen,
    tools::tool,
};

const VALUE: &str = "sk-typed-by-hand-4711";

#[test]
fn init_set_check_and_run_work_in_an_empty_folder() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    project.modelmesh(&["secrets", "set", "openai-key"]).run(VALUE.as_bytes()).expect(0);
    project.run(&["check"]).expect(0);
    let ran = project.run(&["run", "--", "sh", "-c", "printf %s \"$OPENAI_API_KEY\""]).expect(0);
    assert_eq!(ran.text(), VALUE);
    assert_eq!(project.run(&["secrets", "get", "openai-key"]).expect(0).text(), VALUE);
    assert_eq!(project.run(&["secrets", "list"]).expect(0).text(), "openai-key\n");
}

#[test]
fn a_check_before_the_secret_is_set_says_what_to_do() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    project.run(&["check"]).expect(3).says("modelmesh secrets set openai-key");
    project.run(&["run", "--", "true"]).expect(125).says("openai-key");
}

#[test]
fn init_makes_private_files_and_a_second_one_changes_nothing() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&project.identity()), 0o600);
    assert_eq!(mode(project.identity().parent().unwrap()), 0o700);
    project.set("openai-key", VALUE);
    let all = || {
        (project.read("modelmesh.yaml"), project.read("secrets.age"), fs::read(project.identity()).unwrap())
    };
    let before = all();
    let again = project.run(&["init"]);
    assert!(matches!(again.status.code(), Some(0 | 1)), "{}", again.described());
    assert_eq!(all(), before);
}

#[test]
fn init_does_not_overwrite_a_configuration() {
    let project = Project::empty();
    for name in ["modelmesh.yaml", "modelmesh.toml"] {
        let text = "# mine\n";
        project.write(name, text);
        let ran = project.run(&["init"]);
        assert!(matches!(ran.status.code(), Some(0 | 1)), "{}", ran.described());
        assert_eq!(project.read(name), text.as_bytes());
        let names = project.files().into_iter().filter(|name| name.starts_with("modelmesh."));
        assert_eq!(names.count(), 1, "a second configuration was made: {:?}", project.files());
        fs::remove_file(project.path(name)).unwrap();
    }
}

#[test]
fn what_init_makes_opens_with_the_age_tool() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    project.set("openai-key", VALUE);
    let mut age = tool("age", "age");
    age.args(["--decrypt", "-i"]).arg(project.identity()).arg(project.path("secrets.age"));
    assert_eq!(age.run(b"").expect(0).json()["secrets"]["openai-key"]["value"], VALUE);
}

/// `modelmesh` at a terminal of its own, in a shell that shows how it ended.
pub(crate) fn at_terminal(project: &Project, args: &[&str]) -> Screen {
    let shell = ["--ctty", "sh", "-c", "\"$@\"; echo \"ended with $?.\"", "sh", MODELMESH];
    let mut command = project.command(tool("setsid", "util-linux"), &shell);
    command.args(args).env("TERM", "xterm");
    Screen::start(command)
}

/// Asserts that the command ends with `code`, and returns all that the terminal has shown.
#[track_caller]
pub(crate) fn end(mut screen: Screen, code: i32) -> String {
    let shown = screen.expect("ended with ").to_owned();
    let mark = format!("ended with {code}.");
    let shown = if shown.contains(&mark) { shown } else { screen.expect(".\r\n").to_owned() };
    screen.wait();
    assert!(shown.contains(&mark), "{shown}");
    assert!(screen.echoes(), "the terminal was left as it should not be");
    shown
}

#[test]
fn at_a_terminal_the_value_is_asked_for_and_not_shown() {
    let project = Project::empty();
    end(at_terminal(&project, &["init"]), 0);

    let mut set = at_terminal(&project, &["secrets", "set", "openai-key"]);
    set.expect("value of 'openai-key': ");
    assert!(!set.echoes());
    set.press(&format!("{VALUE}\n"));
    assert!(!end(set, 0).contains("typed-by-hand"));

    end(at_terminal(&project, &["check"]), 0);
    let shown = end(at_terminal(&project, &["secrets", "get", "openai-key"]), 0);
    assert!(shown.starts_with(&format!("{VALUE}\r\n")), "{shown}");
}

#[test]
fn ctrl_c_at_the_prompt_sets_nothing() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    let mut set = at_terminal(&project, &["secrets", "set", "openai-key"]);
    set.expect("value of 'openai-key': ");
    set.press("half\x03");
    set.wait();
    assert!(set.echoes());
    project.run(&["secrets", "get", "openai-key"]).expect(3);
}

#[test]
fn values_are_not_written_to_a_terminal_unless_asked() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    project.set("openai-key", VALUE);
    for args in [&["render"][..], &["secrets", "export"]] {
        let shown = end(at_terminal(&project, args), 2);
        assert!(shown.contains("--reveal") && !shown.contains(VALUE), "{args:?}: {shown}");
    }
    assert!(end(at_terminal(&project, &["secrets", "export", "--reveal"]), 0).contains(VALUE));
}

#[test]
fn delete_asks_at_a_terminal_and_does_nothing_without_an_answer() {
    let project = Project::empty();
    project.run(&["init"]).expect(0);
    project.set("openai-key", VALUE);
    // In a session of its own there is no terminal to ask at.
    let mut alone = project.command(tool("setsid", "util-linux"), &["--wait", MODELMESH]);
    alone.args(["secrets", "delete", "openai-key"]).run(b"y\n").expect(2).says("--yes");
    assert_eq!(project.get("openai-key"), VALUE);

    let mut delete = at_terminal(&project, &["secrets", "delete", "openai-key"]);
    delete.expect("[y/N]");
    delete.press("n\n");
    delete.expect("ended with ");
    assert_eq!(project.get("openai-key"), VALUE);

    let mut delete = at_terminal(&project, &["secrets", "delete", "openai-key"]);
    delete.expect("[y/N]");
    delete.press("y\n");
    end(delete, 0);
    project.run(&["secrets", "get", "openai-key"]).expect(3);
}

#[test]
fn a_store_under_a_passphrase_asks_for_a_new_one_twice_and_then_once() {
    let project = Project::empty();
    let mut screen = at_terminal(&project, &["init", "--passphrase"]);
    let asked_by_init = screen.expect("ended with ").contains("passphrase for");
    assert!(!asked_by_init, "the passphrase is asked for when it is first needed");
    let mut set = at_terminal(&project, &["secrets", "set", "openai-key", VALUE]);
    set.expect("new passphrase for");
    set.press("hush-hush\n");
    set.expect("the same again");
    set.press("hush-hush\n");
    assert!(!end(set, 0).contains("hush"));

    let mut get = at_terminal(&project, &["secrets", "get", "openai-key"]);
    get.expect("passphrase for");
    get.press("hush-hush\n");
    assert!(end(get, 0).contains(VALUE));
    let mut get = project.modelmesh(&["secrets", "get", "openai-key"]);
    assert_eq!(get.env("MODELMESH_PASSPHRASE", "hush-hush").run(b"").expect(0).text(), VALUE);
}

#[test]
fn help_and_every_subcommands_help_work() {
    let project = Project::empty();
    let commands = ["init", "check", "render", "run", "stores", "schema", "completions", "secrets"];
    assert!(project.run(&["--help"]).expect(0).text().contains("modelmesh init"));
    for command in commands {
        project.run(&[command, "--help"]).expect(0);
    }
    for command in ["set", "get", "list", "delete", "import", "export", "edit", "rekey"] {
        project.run(&["secrets", command, "--help"]).expect(0);
    }
}

#[test]
fn the_stores_and_the_schema_are_listed() {
    let project = Project::empty();
    let stores = project.run(&["stores"]).expect(0).text();
    for id in
        ["modelmesh.env.v1", "modelmesh.dotenv.v1", "modelmesh.age-file.v1", "modelmesh.encrypted-file.v1"]
    {
        assert!(stores.contains(id), "{stores}");
        project.run(&["stores", id]).expect(0);
    }
    assert!(project.run(&["schema"]).expect(0).json()["properties"]["secrets"].is_object());
}

#[test]
fn completions_are_valid_shell() {
    let project = Project::empty();
    let script = project.run(&["completions", "bash"]).expect(0).stdout;
    project.command(Command::new("bash"), &["-n"]).run(&script).expect(0);
}
