//! `run`: the command becomes its child.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output, Stdio},
};

use crate::role::{self, CANARY};

crate::tests![
    the_child_has_the_commands_process_id,
    the_child_gets_the_variables_and_not_the_stores_credentials,
    a_broken_pipe_ends_the_child_as_it_ends_others,
    umask_and_core_limit_are_the_childs_own_again,
    the_command_itself_leaves_no_core,
    a_program_that_is_not_there_is_127,
    a_file_that_is_no_program_is_126,
    the_childs_code_is_the_commands_code,
];

fn exec(args: &[&str]) -> Output {
    role::command("exec", args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

fn the_child_has_the_commands_process_id() {
    let command = role::command("exec", &["sh", "-c", "echo $$"]).stdout(Stdio::piped()).spawn().unwrap();
    let id = command.id().to_string();
    assert_eq!(stdout(&command.wait_with_output().unwrap()), id);
}

fn the_child_gets_the_variables_and_not_the_stores_credentials() {
    let script = "echo $SECRET $OTHER ${MODELMESH_PASSPHRASE-unset} ${MODELMESH_IDENTITY-unset}";
    let output = role::command("exec", &["sh", "-c", script])
        .env("OTHER", "kept")
        .env("MODELMESH_PASSPHRASE", "passphrase")
        .env("MODELMESH_IDENTITY", "identity")
        .output()
        .unwrap();
    assert_eq!(stdout(&output), format!("{CANARY} kept unset unset"));
}

fn a_broken_pipe_ends_the_child_as_it_ends_others() {
    const SIGPIPE: u32 = 13;
    let output = exec(&["grep", "SigIgn", "/proc/self/status"]);
    let mask = crate::ignored_signals(stdout(&output)).unwrap();
    assert_eq!(mask & (1 << (SIGPIPE - 1)), 0, "{mask:x}");
}

fn umask_and_core_limit_are_the_childs_own_again() {
    for how in ["exec", "redact"] {
        let inner = role::command(how, &["sh", "-c", "umask; ulimit -S -c"]);
        let mut command = Command::new("sh");
        command.args(["-c", r#"umask 0027; ulimit -S -c 8; exec "$0" "$@""#]);
        command.arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().unwrap();
        assert_eq!(stdout(&output), "0027\n8", "{how}");
    }
}

fn the_command_itself_leaves_no_core() {
    let output = role::command("limits", &[]).output().unwrap();
    assert_eq!(stdout(&output), "Ok(NotDumpable) Some(0)");
}

fn a_program_that_is_not_there_is_127() {
    let output = exec(&["no-such-program-4711"]);
    assert_eq!(output.status.code(), Some(127));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: cannot run 'no-such-program-4711': no such program\n"), "{stderr}");
}

fn a_file_that_is_no_program_is_126() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text");
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&file, "text").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for how in ["exec", "redact"] {
        let output = role::command(how, &[file.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{how}: {output:?}");
    }
}

fn the_childs_code_is_the_commands_code() {
    assert_eq!(exec(&["sh", "-c", "exit 42"]).status.code(), Some(42));
}
