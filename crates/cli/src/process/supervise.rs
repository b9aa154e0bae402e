//! `run --redact`: this process stays, between the child and the outside.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, PipeReader},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::ExitStatusExt as _,
    },
    process::{Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use modelmesh_secrets::{Error, ErrorKind};
use rustix::process::{Pid, Signal, WaitOptions};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH},
    iterator::{SignalsInfo, exfiltrator::WithOrigin},
    low_level::{
        emulate_default_handler,
        siginfo::{Cause, Origin},
    },
};

use super::{Hardened, Patterns, Redactor, Variables, exec, pump};
use crate::{exit::Exit, failure::Failure, interrupt};

/// Signals that are passed on to the child.
const FORWARDED: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT];

/// Runs `program` with its output masked by `patterns`, and returns its exit code, or 128 and the signal that
/// ended it.
///
/// - The child's standard output and error are pipes, also where ours are a terminal; its standard input is
///   ours. Where both of ours are one file they are one pipe, so that their order stays.
/// - Signals sent to this process are sent on. Those of the terminal are not: the child is in the same process
///   group and has them already.
/// - The output is carried until the child has ended and what it wrote has been shown; processes that it left
///   behind can write for 200 milliseconds more.
/// - Other children, which a container's first process inherits, are reaped.
///
/// Fails with the codes of [`replace`](super::replace) if the child cannot be started.
pub fn run_redacted(
    program: &OsStr,
    args: &[OsString],
    variables: &Variables,
    patterns: &Patterns,
    hardened: &Hardened,
) -> Result<Exit, Failure> {
    let redactor = Redactor::new(patterns)?;
    let mut command = exec::command(program, args, variables);
    let streams = Streams::redirect(&mut command).map_err(|error| system("redirect the output", &error))?;
    // Before the child is there, so that no signal finds us without it and leaves it behind.
    interrupt::disarm();
    let signals = SignalsInfo::with_exfiltrator(interrupt::not_ignored(FORWARDED), WithOrigin::default())
        .map_err(|error| system("handle signals", &error))?;

    let child = hardened.restored(|| command.spawn()).map_err(|error| exec::cannot_start(program, &error))?;
    // The command holds the pipes' writing ends: with them open the pumps would wait for ever.
    drop(command);
    let child = Pid::from_child(&child);
    let ended = Arc::new(AtomicBool::new(false));
    forward(signals, child, Arc::clone(&ended));

    let (child_ended, running) = io::pipe().map_err(|error| system("make a pipe", &error))?;
    let status = thread::scope(|scope| {
        for stream in streams.0 {
            let (redactor, child_ended) = (redactor.clone(), child_ended.as_fd());
            // The child's own write tells it that the reader of its output has gone.
            scope.spawn(move || stream.carry(redactor, child_ended));
        }
        let status = reap_until(child);
        ended.store(true, Ordering::Release);
        drop(running);
        status
    })?;
    Ok(Exit::of_child(status))
}

fn system(what: &str, error: &io::Error) -> Failure {
    Error::new(ErrorKind::Io, format!("cannot {what}: {error}")).into()
}

/// The child's output streams, each with where it goes.
struct Streams(Vec<Stream>);

struct Stream {
    from: PipeReader,
    to: File,
}

impl Streams {
    fn redirect(command: &mut Command) -> io::Result<Self> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let (from, writer) = io::pipe()?;
        let mut streams = vec![Stream::new(from, stdout.as_fd())?];
        if same_file(stdout.as_fd(), stderr.as_fd()) {
            command.stderr(writer.try_clone()?);
        } else {
            let (from, writer) = io::pipe()?;
            streams.push(Stream::new(from, stderr.as_fd())?);
            command.stderr(writer);
        }
        command.stdout(writer);
        Ok(Streams(streams))
    }
}

impl Stream {
    fn new(from: PipeReader, to: BorrowedFd<'_>) -> io::Result<Self> {
        // A duplicate, written without the buffer of `io::stdout`, which would hold back unfinished lines.
        Ok(Stream { from, to: File::from(to.try_clone_to_owned()?) })
    }

    fn carry(mut self, redactor: Redactor, child_ended: BorrowedFd<'_>) -> io::Result<()> {
        pump::carry(self.from, &mut self.to, redactor, child_ended, pump::GRACE)
    }
}

fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(a), rustix::fs::fstat(b)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

/// Waits for children until `child` has ended.
fn reap_until(child: Pid) -> Result<ExitStatus, Failure> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => return Ok(ExitStatus::from_raw(status.as_raw())),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(system("wait for the program", &error.into())),
        }
    }
}

/// Forwards signals from a thread of its own, for as long as the process lives.
fn forward(mut signals: SignalsInfo<WithOrigin>, child: Pid, ended: Arc<AtomicBool>) {
    thread::spawn(move || {
        for origin in signals.forever() {
            if ended.load(Ordering::Acquire) {
                // Only its last output is being shown: nothing is left that could handle the signal.
                let _ = emulate_default_handler(origin.signal);
                continue;
            }
            if !child_has_it(&origin)
                && let Some(signal) = Signal::from_named_raw(origin.signal)
            {
                // It may have ended just now.
                let _ = rustix::process::kill_process(child, signal);
            }
            if origin.signal == SIGTSTP {
                let _ = emulate_default_handler(SIGTSTP);
            }
        }
    });
}

/// Whether the signal went to the whole process group, so that the child got it from the terminal itself.
fn child_has_it(origin: &Origin) -> bool {
    match origin.cause {
        // A hangup that the kernel sends goes to the session's leader alone, which may be this process.
        _ if origin.signal == SIGHUP => false,
        Cause::Kernel => true,
        Cause::Sent(_) => false,
        // Systems that do not tell: the terminal sends these to the group in front.
        _ => {
            matches!(origin.signal, SIGINT | SIGQUIT | SIGTSTP | SIGWINCH)
                && rustix::termios::tcgetpgrp(io::stdin())
                    .is_ok_and(|in_front| in_front == rustix::process::getpgrp())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forwarded_signal_has_a_name_that_can_be_sent() {
        for signal in FORWARDED {
            assert!(Signal::from_named_raw(signal).is_some(), "{signal}");
        }
    }
}
