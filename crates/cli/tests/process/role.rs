//! What this program does when a test starts it as one of these.

use std::{env, ffi::OsString, io, process::Command};

use modelmesh_cli::{
    editor,
    exit::Exit,
    failure::{Failure, Result},
    output::Output,
    process::{Hardened, Patterns, Variables, replace, run_redacted},
    prompt::{self, TerminalPrompt},
};
use modelmesh_secrets::{ExposeSecret as _, SecretName, SecretString};
use modelmesh_stores::registry::PassphrasePrompt as _;

const ROLE: &str = "MODELMESH_TEST_ROLE";
const ON_TERMINAL: &str = "MODELMESH_TEST_ON_TERMINAL";

/// The value of the variable `SECRET` that the roles give their child.
pub(crate) const CANARY: &str = "sk-canary-4711";

/// This program, as `role`.
pub(crate) fn command(role: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(ROLE, role).args(args);
    command
}

/// This program, as `role`, in a session of its own whose terminal is its standard input.
pub(crate) fn command_on_terminal(role: &str, args: &[&str]) -> Command {
    let mut command = command(role, args);
    command.env(ON_TERMINAL, "1");
    command
}

/// Plays the role that the environment names, if it names one.
pub(crate) fn play() -> Option<Exit> {
    let role = env::var(ROLE).ok()?;
    if env::var_os(ON_TERMINAL).is_some() {
        rustix::process::setsid().unwrap();
        rustix::process::ioctl_tiocsctty(io::stdin()).unwrap();
    }
    let hardened = Hardened::new();
    let mut output = Output::process(false, anstream::ColorChoice::Never);
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let played = match role.as_str() {
        "exec" => exec(&args, &hardened),
        "redact" => redact(&args, &hardened),
        "limits" => limits(&mut output),
        "value" => value(&mut output),
        "passphrase" => passphrase(false, &mut output),
        "new passphrase" => passphrase(true, &mut output),
        "confirm" => prompt::confirm("delete 'key'?", "pass --yes").and_then(|yes| say(&mut output, yes)),
        "edit" => edit(&mut output),
        "session without terminal" => {
            rustix::process::setsid().unwrap();
            passphrase(false, &mut output)
        }
        other => panic!("no role '{other}'"),
    };
    Some(played.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit()
    }))
}

fn variables() -> Variables {
    let mut variables = Variables::default();
    variables.set("SECRET", CANARY.into()).unwrap();
    variables
}

fn exec(args: &[OsString], hardened: &Hardened) -> Result<Exit> {
    Err(replace(&args[0], &args[1..], &variables(), hardened))
}

fn redact(args: &[OsString], hardened: &Hardened) -> Result<Exit> {
    let variables = variables();
    run_redacted(&args[0], &args[1..], &variables, &Patterns::of(variables.values()), hardened)
}

fn limits(output: &mut Output) -> Result<Exit> {
    let core = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    say(output, format!("{:?} {core:?}", rustix::process::dumpable_behavior()))
}

fn value(output: &mut Output) -> Result<Exit> {
    report(prompt::value(&SecretName::new("key")?, false), output)
}

fn passphrase(confirm: bool, output: &mut Output) -> Result<Exit> {
    report(TerminalPrompt.passphrase("'secrets.age'", confirm).map_err(Failure::from), output)
}

fn edit(output: &mut Output) -> Result<Exit> {
    match editor::edit("secrets.yaml", &"key: old\n".into(), &Variables::allowing([""; 0]))? {
        Some(edited) => say(output, edited.expose_secret()),
        None => say(output, "unchanged"),
    }
}

/// Says how long the secret is, and how it starts: what was typed must not appear because the role prints it.
fn report(secret: Result<SecretString>, output: &mut Output) -> Result<Exit> {
    let secret = secret?;
    let secret = secret.expose_secret();
    say(output, format!("got {} bytes, first {:?}", secret.len(), secret.chars().next()))
}

fn say(output: &mut Output, text: impl std::fmt::Display) -> Result<Exit> {
    output.line(text)?;
    Ok(Exit::DONE)
}
