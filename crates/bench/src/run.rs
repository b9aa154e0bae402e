//! Starting a program with 100 secrets, beside the commands that people use for it today.
//!
//! Each peer gets the same 100 values in the store that it recommends for files, made with its own command
//! where it has one. A peer that is not on the `PATH` is named and left out.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::measure::{Contender, in_turns, print};

const SECRETS: usize = 100;
const ROUNDS: usize = 41;

pub(crate) fn bench() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let candidates = [
        ("fnox exec (100 age-encrypted values)", fnox as Prepare),
        ("secretspec run (plaintext .env)", secretspec),
        ("dotenvx run (encrypted .env)", dotenvx),
        ("modelmesh run (one age file)", modelmesh),
        ("true, without any of them", bare),
    ];
    let mut contenders = Vec::new();
    for (at, (name, prepare)) in candidates.into_iter().enumerate() {
        let folder = root.path().join(at.to_string());
        fs::create_dir(&folder).expect("a folder");
        match prepare(&folder) {
            Ok(start) => contenders.push(Contender::new(name, move || run(&start))),
            Err(why) => println!("left out: {name}: {why}"),
        }
    }
    let times = in_turns(contenders, ROUNDS);
    print("starting 'true' with 100 secrets (x of the first)", &times, 1);
}

/// A command line in a folder, with the variables it needs.
struct Start {
    folder: PathBuf,
    line: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
}

type Prepare = fn(&Path) -> Result<Start, String>;

fn run(start: &Start) {
    let status = command(start, &start.line).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{} failed", start.line[0]);
}

fn command(start: &Start, line: &[String]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).current_dir(&start.folder).stdin(Stdio::null());
    // A home of its own: no peer reads or writes the user's files.
    command.env("HOME", &start.folder).envs(start.variables.iter().cloned());
    command
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn name(at: usize) -> String {
    format!("KEY_{at:03}")
}

fn value(at: usize) -> String {
    format!("sk-proj-{at:03}-0123456789abcdefghijklmnopqrstuvwxyz")
}

fn write(folder: &Path, file: &str, text: &str) -> Result<(), String> {
    #[allow(clippy::disallowed_methods, reason = "a benchmark's own input, in its own folder")]
    fs::write(folder.join(file), text).map_err(|error| error.to_string())
}

fn must(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn dotenv() -> String {
    (0..SECRETS).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}={}", name(at), value(at));
        text
    })
}

#[allow(clippy::unnecessary_wraps, reason = "it is prepared like the others")]
fn bare(folder: &Path) -> Result<Start, String> {
    Ok(Start { folder: folder.into(), line: words("true"), variables: Vec::new() })
}

fn modelmesh(folder: &Path) -> Result<Start, String> {
    let built = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("modelmesh")));
    let program =
        built.filter(|path| path.exists()).ok_or("build it first: cargo build --release -p modelmesh-cli")?;
    let mut yaml = String::from("secrets:\n  store: modelmesh.age-file.v1\n  path: secrets.age\nenv:\n");
    for at in 0..SECRETS {
        let _ = writeln!(yaml, "  {}: ${{secrets:{}}}", name(at), name(at));
    }
    let mut start = Start { folder: folder.into(), line: Vec::new(), variables: Vec::new() };
    let line = |rest: &str| [vec![program.display().to_string()], words(rest)].concat();
    start.variables.push(("XDG_CONFIG_HOME", folder.join("config")));
    must(&mut command(&start, &line("init")))?;
    write(folder, "modelmesh.yaml", &yaml)?;
    write(folder, "all.env", &dotenv())?;
    must(&mut command(&start, &line("secrets import all.env")))?;
    start.line = line("run -- true");
    Ok(start)
}

fn fnox(folder: &Path) -> Result<Start, String> {
    let identity = folder.join("key.txt");
    let made = must(Command::new("age-keygen").arg("-o").arg(&identity))
        .map_err(|why| format!("age-keygen: {why}"))?;
    let recipient = made.split_whitespace().last().unwrap_or_default();
    let toml = format!(
        "default_provider = \"age\"\n[providers]\nage = {{ type = \"age\", recipients = [\"{recipient}\"] }}\n"
    );
    write(folder, "fnox.toml", &toml)?;
    let start = Start {
        folder: folder.into(),
        line: words("fnox exec -- true"),
        variables: vec![("FNOX_AGE_KEY_FILE", identity)],
    };
    for at in 0..SECRETS {
        must(&mut command(&start, &words(&format!("fnox set {} {}", name(at), value(at)))))?;
    }
    Ok(start)
}

fn secretspec(folder: &Path) -> Result<Start, String> {
    let mut toml = String::from("[project]\nname = \"bench\"\nrevision = \"1.0\"\n[profiles.default]\n");
    for at in 0..SECRETS {
        let _ = writeln!(toml, "{} = {{ description = \"a key\", required = true }}", name(at));
    }
    write(folder, "secretspec.toml", &toml)?;
    write(folder, ".env", &dotenv())?;
    must(Command::new("secretspec").arg("--version"))?;
    Ok(Start {
        folder: folder.into(),
        line: words("secretspec run --provider dotenv:.env -- true"),
        variables: Vec::new(),
    })
}

fn dotenvx(folder: &Path) -> Result<Start, String> {
    write(folder, ".env", &dotenv())?;
    let start =
        Start { folder: folder.into(), line: words("dotenvx run --quiet -- true"), variables: Vec::new() };
    must(&mut command(&start, &words("dotenvx encrypt")))?;
    Ok(start)
}
