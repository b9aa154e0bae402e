//! Prompts at a real terminal.

use std::{os::unix::process::ExitStatusExt as _, process::Stdio};

use crate::{pty::Screen, role};

crate::tests![
    what_is_typed_is_not_echoed,
    the_terminal_echoes_again_afterwards,
    ctrl_c_ends_the_command_and_leaves_the_terminal_as_it_was,
    a_value_longer_than_a_terminals_line_comes_whole,
    several_pasted_lines_are_refused,
    a_new_passphrase_must_be_typed_the_same_twice,
    only_yes_is_yes,
    without_a_terminal_nothing_is_asked,
    a_pipe_is_read_and_not_asked,
    an_empty_pipe_sets_nothing,
];

fn what_is_typed_is_not_echoed() {
    let mut screen = Screen::start(role::command_on_terminal("passphrase", &[]));
    screen.expect("passphrase for 'secrets.age': ");
    screen.press("Zcanary\n");
    let shown = screen.expect("got 7 bytes, first Some('Z')");
    assert!(!shown.contains("canary"), "{shown}");
}

fn the_terminal_echoes_again_afterwards() {
    let mut screen = Screen::start(role::command_on_terminal("value", &[]));
    screen.expect("value of 'key': ");
    assert!(!screen.echoes());
    screen.press("x\n");
    assert!(screen.wait().success());
    assert!(screen.echoes());
}

fn ctrl_c_ends_the_command_and_leaves_the_terminal_as_it_was() {
    let mut screen = Screen::start(role::command_on_terminal("value", &[]));
    screen.expect("value of 'key': ");
    screen.press("half\x03");
    assert_eq!(screen.wait().signal(), Some(2));
    assert!(screen.echoes());
}

fn a_value_longer_than_a_terminals_line_comes_whole() {
    let mut screen = Screen::start(role::command_on_terminal("value", &[]));
    screen.expect("value of 'key': ");
    screen.press(&"a".repeat(10_000));
    screen.press("\n");
    screen.expect("got 10000 bytes");
}

fn several_pasted_lines_are_refused() {
    let mut screen = Screen::start(role::command_on_terminal("value", &[]));
    screen.expect("value of 'key': ");
    screen.press("first\nsecond\n");
    screen.expect("error: several lines were pasted");
    assert_eq!(screen.wait().code(), Some(1));
}

fn a_new_passphrase_must_be_typed_the_same_twice() {
    let mut screen = Screen::start(role::command_on_terminal("new passphrase", &[]));
    screen.expect("new passphrase for 'secrets.age': ");
    screen.press("one\n");
    screen.expect("the same again: ");
    screen.press("another\n");
    screen.expect("the two differ\r\nnew passphrase for 'secrets.age': ");
    screen.press("three\n");
    screen.expect("the two differ\r\nnew passphrase for 'secrets.age': \r\nthe same again: ");
    screen.press("three\n");
    screen.expect("got 5 bytes");
}

fn only_yes_is_yes() {
    for (answer, understood) in [("y\n", "true"), ("YES\n", "true"), ("\n", "false"), ("yep\n", "false")] {
        let mut screen = Screen::start(role::command_on_terminal("confirm", &[]));
        screen.expect("delete 'key'? [y/N] ");
        screen.press(answer);
        screen.expect(understood);
    }
}

fn without_a_terminal_nothing_is_asked() {
    let output = role::command("session without terminal", &[]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("set MODELMESH_PASSPHRASE"), "{stderr}");
}

fn a_pipe_is_read_and_not_asked() {
    use std::io::Write as _;
    let mut command = role::command("value", &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"Zvalue\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"got 6 bytes, first Some('Z')\n");
}

fn an_empty_pipe_sets_nothing() {
    let output = role::command("value", &[]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
