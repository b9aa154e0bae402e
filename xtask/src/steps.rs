//! Steps of a chore: announced, timed, and stopped at the first that fails.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// What a chore comes to: an error says what to do.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A command in the root of the repository, from words parted by spaces.
pub(crate) fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(root());
    command
}

/// Runs a step, whose output goes where ours goes.
pub(crate) fn step(title: &str, command: &mut Command) -> Outcome {
    println!("\n==> {title}");
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{title}: cannot run {command:?}: {error}"))?;
    println!("    {title}: {:.0} s", start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(format!("{title} failed ({status})")) }
}

/// Runs a step that gets something from elsewhere, three times at the most: servers fail now and then, and the machine's
/// own package manager may be at work.
pub(crate) fn fetch(title: &str, command: &mut Command) -> Outcome {
    let mut more = 2;
    loop {
        match step(title, command) {
            Err(why) if more > 0 => println!("    once more in a moment, because {why}"),
            outcome => return outcome,
        }
        more -= 1;
        thread::sleep(Duration::from_secs(10));
    }
}

/// Runs a command for its standard output.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|_| format!("{command:?} printed no UTF-8"))
    } else {
        Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
