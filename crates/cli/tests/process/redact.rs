//! `run --redact`: the command stays between its child and the outside.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    pty::Screen,
    role::{self, CANARY},
};

crate::tests![
    values_are_masked_on_both_streams,
    a_value_printed_in_two_writes_is_masked,
    output_appears_before_the_child_ends,
    bytes_that_are_no_text_pass_unharmed,
    output_larger_than_every_pipe_comes_whole,
    streams_that_are_one_file_keep_their_order,
    the_childs_code_is_passed_on,
    the_signal_that_ended_the_child_is_passed_on,
    a_signal_to_the_command_reaches_the_child,
    an_interrupt_from_the_terminal_reaches_the_child_once,
    a_signal_that_was_ignored_stays_ignored,
    a_process_left_behind_does_not_hold_the_command,
    a_reader_that_goes_away_ends_the_child,
    a_program_that_is_not_there_is_127,
];

fn redact(script: &str) -> Output {
    role::command("redact", &["sh", "-c", script]).output().unwrap()
}

/// Starts `script`, and returns when it has printed its first line.
fn started(script: &str) -> (Child, BufReader<ChildStdout>, String) {
    let mut command = role::command("redact", &["sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, line)
}

fn values_are_masked_on_both_streams() {
    let output = redact(r#"echo "out $SECRET."; echo "err $SECRET." >&2"#);
    assert_eq!(output.stdout, b"out *****.\n");
    assert_eq!(output.stderr, b"err *****.\n");
}

fn a_value_printed_in_two_writes_is_masked() {
    let (head, tail) = CANARY.split_at(5);
    let output = redact(&format!("printf 'a {head}'; printf '{tail} b'"));
    assert_eq!(output.stdout, b"a ***** b");
}

fn output_appears_before_the_child_ends() {
    let mut command = role::command("redact", &["sh", "-c", "printf 'Password: '; read answer"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut prompt = [0; 10];
    // Without the prompt this would wait for ever, for the child waits for its answer.
    child.stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"Password: ");
    child.stdin.take().unwrap().write_all(b"answer\n").unwrap();
    assert!(child.wait().unwrap().success());
}

fn bytes_that_are_no_text_pass_unharmed() {
    let output = redact(r"printf '\377\000\033[31m\200'");
    assert_eq!(output.stdout, b"\xff\0\x1b[31m\x80");
}

fn output_larger_than_every_pipe_comes_whole() {
    let output = redact("head -c 3000000 /dev/zero | tr '\\0' a; echo end");
    assert_eq!(output.stdout.len(), 3_000_004);
    assert!(output.stdout.ends_with(b"aaend\n"));
}

fn streams_that_are_one_file_keep_their_order() {
    let inner =
        role::command("redact", &["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo o$i; echo e$i >&2; done"]);
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$@" 2>&1"#]).arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(shown.split_whitespace().collect::<String>(), "o1e1o2e2o3e3o4e4o5e5o6e6o7e7o8e8");
}

fn the_childs_code_is_passed_on() {
    assert_eq!(redact("exit 42").status.code(), Some(42));
}

fn the_signal_that_ended_the_child_is_passed_on() {
    assert_eq!(redact("kill -9 $$").status.code(), Some(128 + 9));
}

fn a_signal_to_the_command_reaches_the_child() {
    for (name, signal) in
        [("TERM", Signal::TERM), ("INT", Signal::INT), ("HUP", Signal::HUP), ("USR1", Signal::USR1)]
    {
        let script = format!("trap 'kill $!; echo got {name}; exit 7' {name}; sleep 1000 & echo ready; wait");
        let (mut child, mut stdout, line) = started(&script);
        assert_eq!(line, "ready\n");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, format!("got {name}\n"));
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
    }
}

fn an_interrupt_from_the_terminal_reaches_the_child_once() {
    let script = r"n=0; trap 'n=$((n+1)); echo int$n' INT; trap 'echo total $n.; exit 0' USR1; echo ready;
        while :; do read line; done";
    let mut screen = Screen::start(role::command_on_terminal("redact", &["sh", "-c", script]));
    screen.expect("ready");
    screen.press("\x03");
    screen.expect("int1");
    // Signals are forwarded one after another: a second interrupt would come before this one.
    screen.signal(Signal::USR1);
    screen.expect("total 1.");
    assert_eq!(screen.wait().code(), Some(0));
}

fn a_signal_that_was_ignored_stays_ignored() {
    let inner = role::command("redact", &["grep", "SigIgn", "/proc/self/status"]);
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' HUP; exec "$0" "$@""#]).arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mask = crate::ignored_signals(&output).unwrap();
    assert_eq!(mask & 1, 1, "{output}");
}

fn a_process_left_behind_does_not_hold_the_command() {
    let (mut child, mut stdout, line) = started("sleep 1000 & echo $!; echo last");
    let left = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    kill_process(left, Signal::KILL).unwrap();
    assert_eq!((rest.as_str(), status.code()), ("last\n", Some(0)));
}

fn a_reader_that_goes_away_ends_the_child() {
    let (mut child, stdout, line) = started("echo first; while echo more; do :; done");
    assert_eq!(line, "first\n");
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

fn a_program_that_is_not_there_is_127() {
    let output = role::command("redact", &["no-such-program-4711"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
}
