//! Watching a command while it runs: what it prints, hands to its children, and leaves in temporary files.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{CanarySet, Finding, files_under};

/// Where a process put bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// Its standard output.
    Stdout,
    /// Its standard error, with its logs.
    Stderr,
    /// The process's own command line, as every user of the machine can read it.
    CommandLine,
    /// The process's own environment.
    Environment,
    /// The command line of a process that it started.
    ChildCommandLine(u32),
    /// The environment of a process that it started.
    ChildEnvironment(u32),
    /// A file under its `TMPDIR`, while it ran or afterwards.
    TempFile(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Stdout => f.write_str("standard output"),
            Source::Stderr => f.write_str("standard error"),
            Source::CommandLine => f.write_str("the command line"),
            Source::Environment => f.write_str("the environment"),
            Source::ChildCommandLine(pid) => write!(f, "the command line of child {pid}"),
            Source::ChildEnvironment(pid) => write!(f, "the environment of child {pid}"),
            Source::TempFile(path) => write!(f, "the temporary file '{}'", path.display()),
        }
    }
}

/// What [`observe`] saw of a process. `Debug` shows where it looked, and no content.
pub struct Observation {
    /// How the process ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    seen: BTreeSet<(Source, Vec<u8>)>,
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: BTreeSet<&Source> = self.sources().map(|(source, _)| source).collect();
        f.debug_struct("Observation")
            .field("status", &self.status)
            .field("sources", &sources)
            .finish_non_exhaustive()
    }
}

impl Observation {
    /// Everything that was seen, source by source. One source may have several contents, as it changed.
    pub fn sources(&self) -> impl Iterator<Item = (&Source, &[u8])> {
        [(&Source::Stdout, self.stdout.as_slice()), (&Source::Stderr, self.stderr.as_slice())]
            .into_iter()
            .chain(self.seen.iter().map(|(source, bytes)| (source, bytes.as_slice())))
    }

    /// Every canary found, in every source.
    pub fn find(&self, canaries: &CanarySet) -> Vec<(Source, Finding)> {
        self.sources()
            .flat_map(|(source, bytes)| {
                let findings = canaries.find_in(bytes, &source.to_string());
                findings.into_iter().map(|finding| (source.clone(), finding))
            })
            .collect()
    }

    /// Asserts that the process showed no canary to anyone: in its output, in a temporary file, to a child.
    ///
    /// Its own command line and environment are what the test itself gave it, and are not judged; use
    /// [`find`](Observation::find) where they matter.
    ///
    /// # Panics
    ///
    /// Panics with labels, spellings and places, never with a canary.
    pub fn assert_absent(&self, canaries: &CanarySet) {
        let leaks: Vec<String> = self
            .find(canaries)
            .into_iter()
            .filter(|(source, _)| !matches!(source, Source::CommandLine | Source::Environment))
            .map(|(_, finding)| finding.to_string())
            .collect();
        assert!(leaks.is_empty(), "leaked: {}", leaks.join("; "));
    }
}

/// Runs `command` to its end with `input` on standard input, and watches it.
///
/// - It logs at its loudest (`RUST_LOG=trace`), with backtraces, and has a `TMPDIR` of its own.
/// - Its output is captured; on Linux, the command line and environment of every process it starts, and the
///   content of its `TMPDIR`, are sampled while it runs.
/// - Sampling can miss what lives for less than about a millisecond. What it finds is real; to prove the
///   absence of short-lived children, make the child wait for its input.
///
/// Fails if the command cannot be started or the temporary folder cannot be searched.
pub fn observe(mut command: Command, input: &[u8]) -> io::Result<Observation> {
    let temp = TempDir::new()?;
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").env("TMPDIR", temp.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;

    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(move || {
            // A process that does not read its input closes it; that is no failure of the observation.
            stdin.map(|mut pipe| pipe.write_all(input))
        });
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));

        let mut seen = BTreeSet::new();
        let status = loop {
            sample(&child, &temp, &mut seen)?;
            if let Some(status) = child.try_wait()? {
                break status;
            }
            thread::sleep(Duration::from_millis(1)); // the pace of sampling; nothing waits for a time to pass
        };
        sample_files(&temp, &mut seen)?;
        Ok(Observation {
            status,
            stdout: stdout.join().expect("the reader of standard output does not panic")?,
            stderr: stderr.join().expect("the reader of standard error does not panic")?,
            seen,
        })
    })
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn sample(child: &Child, temp: &TempDir, seen: &mut BTreeSet<(Source, Vec<u8>)>) -> io::Result<()> {
    let own = child.id();
    let mut processes = vec![own];
    while let Some(pid) = processes.pop() {
        let (command_line, environment) = if pid == own {
            (Source::CommandLine, Source::Environment)
        } else {
            (Source::ChildCommandLine(pid), Source::ChildEnvironment(pid))
        };
        for (source, file) in [(command_line, "cmdline"), (environment, "environ")] {
            // A process may end between being listed and being read.
            if let Ok(bytes) = fs::read(format!("/proc/{pid}/{file}"))
                && !bytes.is_empty()
            {
                seen.insert((source, bytes));
            }
        }
        processes.extend(children_of(pid));
    }
    sample_files(temp, seen)
}

fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn sample_files(temp: &TempDir, seen: &mut BTreeSet<(Source, Vec<u8>)>) -> io::Result<()> {
    match files_under(temp.path()) {
        Ok(files) => {
            seen.extend(files.into_iter().map(|(path, content)| (Source::TempFile(path), content)));
            Ok(())
        }
        // A folder removed while it was walked: the next sample, or the last, walks what is left.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::Canary;
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn leaks(observation: &Observation, canary: &Canary) -> Vec<Source> {
        let set = CanarySet::from_iter([canary.clone()]);
        observation.find(&set).into_iter().map(|(source, _)| source).collect()
    }

    #[test]
    fn output_of_both_kinds_is_searched() {
        let canary = Canary::new("x");
        let observation = observe(shell("tee /dev/stderr"), canary.text().as_bytes()).unwrap();
        assert!(observation.status.success());
        assert_eq!(leaks(&observation, &canary), [Source::Stdout, Source::Stderr]);
    }

    #[test]
    fn a_child_that_is_given_the_value_is_seen() {
        let canary = Canary::new("x");
        // The grandchild waits for input that ends only when this test lets go of the pipe.
        let mut command = shell("KEY=\"$GIVEN\" sh -c 'read -r line' ignored; :");
        command.env("GIVEN", canary.text()).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (temp, mut seen) = (TempDir::new().unwrap(), BTreeSet::new());
        let saw_child = |seen: &BTreeSet<(Source, Vec<u8>)>| {
            // The child is another shell before it is its own program; only the latter has the variable.
            let given = |bytes: &[u8]| memchr::memmem::find(bytes, b"KEY=").is_some();
            seen.iter().any(|(source, bytes)| matches!(source, Source::ChildEnvironment(_)) && given(bytes))
        };
        while !saw_child(&seen) {
            assert!(child.try_wait().unwrap().is_none(), "the child ended before it was seen");
            sample(&child, &temp, &mut seen).unwrap();
        }
        drop(child.stdin.take());
        let status = child.wait().unwrap();
        let observation = Observation { status, stdout: Vec::new(), stderr: Vec::new(), seen };
        let found = leaks(&observation, &canary);
        assert!(found.iter().any(|source| matches!(source, Source::ChildEnvironment(_))), "{found:?}");
    }

    #[test]
    fn a_temporary_file_is_seen_and_the_process_own_environment_is_not_held_against_it() {
        let canary = Canary::new("x");
        let set = CanarySet::from_iter([canary.clone()]);
        let mut innocent = shell("true");
        innocent.env("GIVEN", canary.text());
        observe(innocent, b"").unwrap().assert_absent(&set);

        let mut leaking = shell("printf %s \"$GIVEN\" > \"$TMPDIR/left\"");
        leaking.env("GIVEN", canary.text());
        let observation = observe(leaking, b"").unwrap();
        let found = leaks(&observation, &canary);
        assert!(found.iter().any(|source| matches!(source, Source::TempFile(_))), "{found:?}");
    }

    #[test]
    fn the_process_logs_at_its_loudest() {
        let observation = observe(shell("printf %s \"$RUST_LOG\""), b"").unwrap();
        assert_eq!(observation.stdout, b"trace");
    }
}
