//! `secrets edit`: the user's editor, on a file in memory.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::role;

crate::tests![
    what_the_editor_wrote_is_returned,
    an_editor_that_changes_nothing_changes_nothing,
    an_editor_that_fails_changes_nothing,
    the_file_is_private_and_gone_afterwards,
    a_signal_ends_the_editor_and_the_file_is_gone,
];

fn edit(editor: &str) -> Output {
    role::command("edit", &[]).env_remove("VISUAL").env("EDITOR", editor).output().unwrap()
}

fn what_the_editor_wrote_is_returned() {
    // As many editors do: a new file, renamed over the old one.
    let output = edit(r#"f() { sed s/old/new/ "$1" > "$1~"; mv "$1~" "$1"; }; f"#);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "key: new\n\n", "{:?}", output.stderr);
}

fn an_editor_that_changes_nothing_changes_nothing() {
    assert_eq!(edit("true").stdout, b"unchanged\n");
}

fn an_editor_that_fails_changes_nothing() {
    let output = edit(r#"f() { echo new > "$1"; return 1; }; f"#);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
}

fn the_file_is_private_and_gone_afterwards() {
    let output = edit(r#"f() { stat -f -c %T "$1" >&2; stat -c %a "$1" >&2; echo "$1" >&2; }; f"#);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let [file_system, mode, path] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    assert_eq!((file_system, mode), ("tmpfs", "600"));
    assert!(!Path::new(path).parent().unwrap().exists(), "{path}");
}

fn a_signal_ends_the_editor_and_the_file_is_gone() {
    let mut command = role::command("edit", &[]);
    command.env_remove("VISUAL").env("EDITOR", r#"f() { echo "$1" >&2; exec sleep 1000; }; f"#);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut path = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut path).unwrap();
    assert!(Path::new(path.trim()).exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(!Path::new(path.trim()).parent().unwrap().exists());
}
