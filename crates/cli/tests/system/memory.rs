//! What stays in memory: no core dump of the command, and the caller's own limit for its children.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::project::{MODELMESH, Project, Run as _};

/// How long a test waits for what never comes before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts `line` in a shell that allows core dumps of any size.
fn start_with_dumps(project: &Project, line: &str) -> Child {
    let line = format!("ulimit -c unlimited || exit 99; exec {line}");
    let mut shell = project.command(Command::new("sh"), &["-c", &line]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until the shell has become the program `name`.
fn wait_for(child: &Child, name: &str, holds: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    while read("comm").trim() != name || !holds(&soft_core_limit(&read("limits"))) {
        assert!(Instant::now() < deadline, "no {name} with that limit: {}", read("limits"));
        thread::sleep(Duration::from_millis(1)); // the pace of looking
    }
}

fn soft_core_limit(limits: &str) -> String {
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    line["Max core file size".len().min(line.len())..]
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Sends `signal` until it has ended the process: Rust's own handler takes the first SIGSEGV for a fault that
/// will come again.
fn end_with(mut child: Child, signal: Signal) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        kill_process(Pid::from_child(&child), signal).unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(
            Instant::now() < deadline,
            "the process outlives {signal:?}; where it is ignored, run the tests in the foreground"
        );
        thread::sleep(Duration::from_millis(1)); // the pace of sending
    };
    assert_eq!(status.signal(), Some(signal.as_raw()));
    status
}

const DUMPING: [Signal; 3] = [Signal::SEGV, Signal::ABORT, Signal::QUIT];

#[test]
fn the_command_leaves_no_core_dump() {
    let project = Project::with_age_file();
    for signal in DUMPING {
        // It waits for the value on standard input, which this process holds open.
        let child = start_with_dumps(&project, &format!("{MODELMESH} secrets set key"));
        wait_for(&child, "modelmesh", |limit| limit == "0");
        assert!(!end_with(child, signal).core_dumped(), "{signal:?} dumped the memory");
    }
    assert_eq!(project.files(), ["modelmesh.yaml"]);
}

#[test]
fn another_program_does_leave_one_here() {
    let project = Project::with_age_file();
    let child = start_with_dumps(&project, "cat");
    wait_for(&child, "cat", |limit| limit == "unlimited");
    assert!(
        end_with(child, Signal::SEGV).core_dumped(),
        "this machine makes no core dumps at all, so the absence of ours proves nothing"
    );
}

#[test]
fn a_program_that_is_run_gets_the_callers_own_limit_and_mask() {
    let project = Project::with_age_file();
    for way in ["run", "run --redact"] {
        for limit in ["unlimited", "0"] {
            let line =
                format!("ulimit -Sc {limit}; umask 027; exec {MODELMESH} {way} -- sh -c 'ulimit -Sc; umask'");
            let ran = project.command(Command::new("sh"), &["-c", &line]).run(b"").expect(0);
            assert_eq!(ran.text(), format!("{limit}\n0027\n"), "{way}");
        }
    }
}

#[test]
fn a_limit_raised_from_outside_makes_no_core_dump_either() {
    let project = Project::with_age_file();
    let child = start_with_dumps(&project, &format!("{MODELMESH} secrets set key"));
    wait_for(&child, "modelmesh", |limit| limit == "0");
    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(Some(Pid::from_child(&child)), Resource::Core, unlimited).unwrap();
    assert!(!end_with(child, Signal::SEGV).core_dumped(), "the process itself allows dumps");
}
