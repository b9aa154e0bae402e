//! `run`: the program's own exit code, signals, environment; values masked in what it prints.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::{Child, ChildStdout, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::project::{AGE_FILE, Project, Run as _};

const VALUE: &str = "sk-secret-value-4711";

fn project() -> Project {
    let project = Project::with_config(&format!("{AGE_FILE}env:\n  KEY: ${{secrets:key}}\n  PLAIN: text\n"));
    project.set("key", VALUE);
    project
}

/// Both ways of running.
const WAYS: [&[&str]; 2] = [&["run", "--"], &["run", "--redact", "--"]];

fn args<'a>(way: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [way, command].concat()
}

#[test]
fn the_programs_code_is_the_code() {
    let project = project();
    for way in WAYS {
        for code in [0, 1, 3, 42, 125, 255] {
            let script = format!("exit {code}");
            project.run(&args(way, &["sh", "-c", &script])).expect(code);
        }
    }
}

#[test]
fn a_program_ended_by_a_signal_ends_the_command() {
    let project = project();
    let killed = project.run(&["run", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status.signal(), Some(15), "exec: the process is the program");
    project.run(&["run", "--redact", "--", "sh", "-c", "kill -TERM $$"]).expect(128 + 15);
}

#[test]
fn failures_of_ours_have_codes_of_their_own() {
    let project = project();
    project.write("plain.txt", "no program");
    for way in WAYS {
        project.run(&args(way, &["no-such-program-4711"])).expect(127);
        project.run(&args(way, &["./plain.txt"])).expect(126);
    }
    for redact in [&[][..], &["--redact"]] {
        let missing = [&["run", "--set", "A=${secrets:gone}"], redact, &["--", "touch", "started"]].concat();
        project.run(&missing).expect(125).says("gone");
    }
    assert!(!project.path("started").exists(), "the program was started without its secret");
}

#[test]
fn a_signal_reaches_the_program() {
    let project = project();
    for way in WAYS {
        for (signal, name) in [(Signal::TERM, "TERM"), (Signal::USR1, "USR1"), (Signal::HUP, "HUP")] {
            // The shell tells when its handler is there, and then waits for the signal by way of its input.
            let script =
                format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.01; done");
            let mut command = project.modelmesh(&args(way, &["sh", "-c", &script]));
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap());
            assert_eq!(line(&mut lines), "ready\n");
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(line(&mut lines), format!("got {name}\n"), "{way:?}");
            assert_eq!(child.wait().unwrap().code(), Some(7), "{way:?}");
        }
    }
}

fn line(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line
}

#[test]
fn without_redact_the_command_becomes_the_program() {
    let project = project();
    let mut command = project.modelmesh(&["run", "--", "sh", "-c", "echo $$"]);
    let mut child: Child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    assert_eq!(line(&mut BufReader::new(child.stdout.take().unwrap())), format!("{id}\n"));
    child.wait().unwrap();
}

#[test]
fn the_program_gets_what_it_was_given_and_no_credential_of_the_store() {
    let project = project();
    let identity = std::fs::read_to_string(project.identity()).unwrap();
    for way in WAYS {
        let mut command = project.modelmesh(&args(way, &["env"]));
        command.env("MODELMESH_IDENTITY", &identity).env("MODELMESH_PASSPHRASE", "x").env("MINE", "kept");
        let text = command.run(b"").expect(0).text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"MINE=kept"), "{text}");
        assert!(!text.contains("MODELMESH_IDENTITY") && !text.contains("MODELMESH_PASSPHRASE"), "{text}");
        assert!(!text.contains("AGE-SECRET-KEY"));
        let key = if way.contains(&"--redact") { "KEY=*****".to_owned() } else { format!("KEY={VALUE}") };
        assert!(lines.contains(&&*key), "{text}");
    }
}

#[test]
fn set_replaces_the_env_section() {
    let project = project();
    let ran = project.run(&["run", "--set", "OTHER=<${secrets:key}>", "--", "env"]).expect(0).text();
    assert!(ran.contains(&format!("OTHER=<{VALUE}>")), "{ran}");
    assert!(!ran.contains("PLAIN=") && !ran.contains("\nKEY="), "{ran}");
}

#[test]
fn a_variable_that_steers_a_loader_needs_leave() {
    let project = project();
    let set = ["run", "--set", "LD_PRELOAD=${secrets:key}"];
    project.run(&[&set[..], &["--", "true"]].concat()).expect(125).says("--allow-env LD_PRELOAD");
    let allowed =
        [&set[..], &["--allow-env", "LD_PRELOAD", "--", "sh", "-c", "printf %s \"$LD_PRELOAD\""]].concat();
    assert_eq!(project.run(&allowed).expect(0).text(), VALUE);
}

#[test]
fn a_secret_that_may_be_missing_leaves_its_variable_unset() {
    let project = Project::with_config(&format!(
        "{AGE_FILE}  fail_on_missing: false\nenv:\n  GONE: ${{secrets:gone}}\n  PLAIN: x\n"
    ));
    let script = "echo ${GONE-unset} $PLAIN";
    assert_eq!(project.run(&["run", "--", "sh", "-c", script]).expect(0).text(), "unset x\n");
}

#[test]
fn values_are_masked_in_all_their_spellings() {
    let project = project();
    let script = r#"
        echo "plain: $KEY"
        echo "stderr: $KEY" >&2
        printf %s "$KEY" | base64
        printf 'prefixed:%s' "$KEY" | base64
        printf %s "$KEY" | od -An -tx1 | tr -d ' \n'; echo
        half=${KEY%??????????}; printf %s "$half"; printf '%s\n' "${KEY#"$half"}"
        echo done
    "#;
    let ran = project.run(&["run", "--redact", "--", "sh", "-c", script]).expect(0);
    let canary = modelmesh_testkit::canary::Canary::of("the value", VALUE);
    assert_eq!(canary.find_in(&ran.stdout), None, "{}", ran.described());
    assert_eq!(canary.find_in(ran.stderr.as_bytes()), None, "{}", ran.described());
    assert!(ran.text().starts_with("plain: *****\n"), "{}", ran.text());
    assert!(ran.text().ends_with("*****\ndone\n"), "{}", ran.text());
    assert_eq!(ran.stderr, "stderr: *****\n");
}

#[test]
fn a_value_within_a_longer_variable_is_masked_by_itself() {
    let project = project();
    let script = r#"pass=${URL#https://user:}; echo "<${pass%@host}> <$URL>""#;
    let url = "URL=https://user:${secrets:key}@host";
    let ran = project.run(&["run", "--redact", "--set", url, "--", "sh", "-c", script]).expect(0);
    assert!(!ran.text().contains(VALUE), "{}", ran.text());
}

#[test]
fn text_that_came_from_no_store_is_not_masked() {
    let project = project();
    let ran = project.run(&["run", "--redact", "--", "sh", "-c", "echo plain text $PLAIN"]).expect(0);
    assert_eq!(ran.text(), "plain text text\n");
}

#[test]
fn output_without_values_passes_unchanged() {
    let project = project();
    let script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)";
    let ran = project.run(&["run", "--redact", "--", "python3", "-c", script]).expect(0);
    assert!(ran.stdout == (0..=255).cycle().take(256 * 4096).collect::<Vec<u8>>());
}

#[test]
fn standard_input_is_the_programs() {
    let project = project();
    for way in WAYS {
        let ran = project.modelmesh(&args(way, &["cat"])).run(b"a\0b\n").expect(0);
        assert_eq!(ran.stdout, b"a\0b\n");
    }
}
