//! The command line: one definition, from which come the parser, the help, the completions and the man page.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{
    Args, ColorChoice, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint,
    builder::{TypedValueParser, ValueParserFactory},
    error::ErrorKind,
};
use jiff::Timestamp;
use modelmesh_secrets::{ExposeSecret as _, SecretName, SecretString, duration};

use crate::{failure::Failure, failure::Result};

/// What every subcommand ends with, in its long help and the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failure: wrong configuration, malformed file, conflict
  2  wrong usage
  3  a secret is missing
  4  a secret is denied or disabled, or the store refused the login
  5  the store is throttled or cannot be reached
  6  the store is locked: wrong passphrase, key or identity
  7  differences were found
Of several, the first of 1, 4, 5, 6, 3. 'run' passes on the code of its program.";

/// The first thing somebody new reads.
const FIRST_STEPS: &str = "\
First steps, in an empty folder:
  modelmesh init                      make an identity and modelmesh.yaml
  modelmesh secrets set openai-key    asks for the value, without echo
  modelmesh check                     does every reference resolve?
  modelmesh run -- ./app              runs ./app with the variables of the 'env:' section

Anywhere in modelmesh.yaml, ${secrets:openai-key} stands for the value.";

const RUN_HELP: &str = "\
The program takes this command's place: it has its process ID, its terminal
and its signals. It is given the variables of the configuration's 'env:'
section, or those of --set, on top of the environment that is there, and none
of the stores' own credentials. With --env or --store, references that name no
store mean that one.

With --redact this command stays between the program and its output, and
shows ***** in place of every secret of at least 4 bytes that it resolved, in
base64, hexadecimal, JSON and URL encoding too. Output then goes through a pipe:
programs that ask whether they write to a terminal see none.

Examples:
  modelmesh run -- ./app --port 8080
  modelmesh run --set OPENAI_API_KEY='${secrets:openai-key}' -- python app.py
  modelmesh run --redact -- ./deploy.sh

Exit codes:
  that of the program, or 128 and the signal that ended it
  125  a secret, a store or the configuration failed; the program was not started
  126  the program cannot be executed
  127  the program was not found";

/// Manages the secrets of AI applications: one name for a secret, over any store.
#[derive(Debug, Parser)]
#[command(name = "modelmesh", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = FIRST_STEPS, after_long_help = format!("{FIRST_STEPS}\n\n{EXIT_CODES}"))]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What every subcommand understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The configuration file [default: the nearest modelmesh.{yaml,yml,json,toml}, up to the repository's root]
    #[arg(long, global = true, value_name = "FILE", env = "MODELMESH_CONFIG", hide_env_values = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The store: its name in the configuration, or a connector's ID such as modelmesh.dotenv.v1
    #[arg(long, global = true, value_name = "STORE")]
    pub store: Option<String>,
    /// The environment, such as dev or prod, whose store is used
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "store")]
    pub env: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorChoice,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an identity and a configuration to start from
    ///
    /// Nothing that is there already is overwritten: an identity is made once for each user, and kept readable by
    /// that user alone; it opens every store that is made with it.
    #[command(after_long_help = EXIT_CODES)]
    Init(InitArgs),
    /// Resolve every reference of the configuration, and print no value
    ///
    /// All problems are reported at once, each at its place. A store that no reference uses is not asked. With
    /// --env or --store, references that name no store mean that one.
    #[command(after_long_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Show what would be asked of which store, in how many calls, and what that costs
    ///
    /// The file alone is read: no store is asked, none is opened, and no credentials are needed. Calls a month are
    /// what the resolution parameters come to if every secret is used all the time. With --env or --store,
    /// references that name no store mean that one.
    #[command(after_long_help = EXIT_CODES)]
    Explain(ExplainArgs),
    /// Write the configuration with its references resolved
    ///
    /// Scalars that hold references are replaced, quoted as the format needs; every other byte stays. The file
    /// is readable by you alone. On a terminal values are shown only with --reveal. With --env or --store,
    /// references that name no store mean that one. The 'secrets:' section stays as it is.
    #[command(after_long_help = EXIT_CODES)]
    Render(RenderArgs),
    /// Run a program with secrets in its environment
    #[command(after_long_help = RUN_HELP)]
    Run(RunArgs),
    /// Create, read, change and remove secrets
    #[command(subcommand, subcommand_value_name = "COMMAND", arg_required_else_help = true)]
    Secrets(SecretsCommand),
    /// List the kinds of stores, or the settings of one
    #[command(after_long_help = EXIT_CODES)]
    Stores(StoresArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print a completion script for your shell
    ///
    /// For bash: modelmesh completions bash > ~/.local/share/bash-completion/completions/modelmesh
    Completions(CompletionsArgs),
    /// Print the man page, of this command or of a subcommand
    #[command(hide = true)]
    Man(ManArgs),
}

/// Subcommands of `modelmesh secrets`.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Store a secret, or change it
    ///
    /// The value is asked for without echo, or read from standard input, of which one final newline is dropped. A
    /// value in the arguments works too, but stays in the shell's history and shows in the list of processes.
    #[command(after_long_help = format!("\
Examples:
  modelmesh secrets set openai-key
  pbpaste | modelmesh secrets set openai-key
  modelmesh secrets set tls-key --raw < key.pem
  modelmesh secrets set openai-key --store aws.secrets-manager.v1

{EXIT_CODES}"))]
    Set(SetArgs),
    /// Print the value of a secret, and nothing else
    #[command(after_long_help = EXIT_CODES)]
    Get(GetArgs),
    /// List the names of the secrets
    #[command(after_long_help = EXIT_CODES)]
    List(ListArgs),
    /// Remove secrets
    #[command(after_long_help = EXIT_CODES)]
    Delete(DeleteArgs),
    /// Store the secrets of a file
    ///
    /// The file is a .env file; a JSON, YAML or TOML mapping, whose nested keys become dotted names; or an
    /// encrypted file of an earlier ModelMesh package, which is opened by its passphrase, or by the key of the
    /// configured store that has this file.
    ///
    /// Nothing is stored if a line cannot be read, or if the store already has another value under one of the names,
    /// unless --overwrite or --skip-existing is given. Stores in one file take all of it or nothing; others may stop
    /// at what they refuse, and then it is said what failed. Importing a file twice does no harm.
    #[command(after_long_help = EXIT_CODES)]
    Import(ImportArgs),
    /// Write all secrets to a file
    ///
    /// The file is readable by you alone. On a terminal values are shown only with --reveal. Names and values are
    /// written so that 'import' reads exactly them; versions and times of expiry are not written.
    #[command(after_long_help = EXIT_CODES)]
    Export(ExportArgs),
    /// Edit all secrets in your editor
    ///
    /// The editor shows lines of NAME: value, as YAML. A line that is removed is a secret that is deleted. The text
    /// is kept in memory (a private tmpfs) and never on a disk. The editor is $VISUAL, $EDITOR or vi; leave it with
    /// an error (:cq in Vim) to change nothing. A secret that somebody else changed meanwhile is not overwritten.
    #[command(after_long_help = EXIT_CODES)]
    Edit,
    /// Change who can open the store, and encrypt it anew
    ///
    /// Without options this lists who can open it. Someone who was removed can still read the copies they have:
    /// change the secrets too.
    #[command(after_long_help = EXIT_CODES)]
    Rekey(RekeyArgs),
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to start in
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// Protect the store by a passphrase that is asked for, in place of an identity
    #[arg(long)]
    pub passphrase: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Judge everything but the values: no store is asked
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {}

/// Where a result that holds values goes.
#[derive(Debug, Args)]
pub struct Target {
    /// Write to this file [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Show values, even on a terminal
    #[arg(long, conflicts_with = "output")]
    pub reveal: bool,
}

impl Target {
    /// The file to write; none for standard output, which has other names too. Replacing the file behind
    /// those would take it from the shell, and from whoever else writes to it.
    pub fn file(&self) -> Option<&Path> {
        let stdout = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        self.output.as_deref().filter(|path| !stdout.iter().any(|name| *path == Path::new(name)))
    }
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Where the result goes.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Set a variable to a text with references; may be repeated, and replaces the 'env:' section
    #[arg(long, value_name = "NAME=REF")]
    pub set: Vec<Assignment>,
    /// Mask values in the program's output
    #[arg(long)]
    pub redact: bool,
    /// Allow a variable that decides which code a program runs, by its name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub allow_env: Vec<String>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Arguments of `secrets set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The secret's name
    pub name: SecretName,
    /// The value; asked for or read from standard input if it is not given
    pub value: Option<Value>,
    /// Keep a final newline of standard input
    #[arg(long, conflicts_with = "value")]
    pub raw: bool,
    /// When the value must not be used any more: 2027-01-31T00:00:00Z, or from now on, such as 30d
    #[arg(long, value_name = "TIME")]
    pub expires_at: Option<Expiry>,
}

/// Arguments of `secrets get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The secret's name
    pub name: SecretName,
}

/// Arguments of `secrets list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Arguments of `secrets delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The names of the secrets
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<SecretName>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Arguments of `secrets import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file; '-' is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The file's format [default: by its name]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Change secrets that are there already
    #[arg(long, conflicts_with = "skip_existing")]
    pub overwrite: bool,
    /// Leave secrets that are there already as they are
    #[arg(long)]
    pub skip_existing: bool,
    /// Store names like variables in lower case, with hyphens: `OPENAI_API_KEY` as openai-api-key
    #[arg(long)]
    pub kebab: bool,
}

/// Arguments of `secrets export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The format [default: by the output's name, else dotenv, or JSON with --json]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where the result goes.
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `secrets rekey`.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    /// Let this recipient open the store: an age or SSH public key
    #[arg(long, value_name = "RECIPIENT")]
    pub add: Vec<String>,
    /// Keep this recipient from opening the store from now on
    #[arg(long, value_name = "RECIPIENT")]
    pub remove: Vec<String>,
    /// Protect the store by a new passphrase, in place of recipients
    #[arg(long, conflicts_with_all = ["add", "remove"])]
    pub passphrase: bool,
    /// Do not ask before someone is removed
    #[arg(short, long)]
    pub yes: bool,
}

/// Arguments of `stores`.
#[derive(Debug, Args)]
pub struct StoresArgs {
    /// Show the settings of this kind of store
    pub name: Option<String>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The subcommand, such as: secrets set
    pub command: Vec<String>,
    /// Write the pages of all subcommands into this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// Formats of files that hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NAME=value lines
    Dotenv,
    /// A JSON object
    Json,
    /// A YAML mapping
    Yaml,
    /// A TOML table
    Toml,
}

/// An instant, given as one or as a time from now on.
#[derive(Clone, Copy, Debug)]
pub struct Expiry(Timestamp);

impl Expiry {
    /// The instant.
    pub fn at(self) -> Timestamp {
        self.0
    }
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if let Ok(at) = text.parse() {
            return Ok(Expiry(at));
        }
        let from_now = duration::parse(text)
            .ok_or("neither a time such as 2027-01-31T00:00:00Z nor a duration such as 30d")?;
        Timestamp::now().checked_add(from_now).map(Expiry).map_err(|_| "too far away")
    }
}

/// A value in the arguments.
#[derive(Clone, Debug)]
pub struct Value(SecretString);

impl Value {
    /// The value.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

/// `NAME=REF` as it was written. REF may be a key that somebody wrote in a reference's place, so it is not shown.
#[derive(Clone, Debug)]
pub struct Assignment(SecretString);

impl Assignment {
    /// The variable's name, and the text with references that it is set to.
    pub fn split(&self) -> Result<(&str, &str)> {
        self.0.expose_secret().split_once('=').ok_or_else(|| {
            Failure::usage("what follows --set is not NAME=REF")
                .with_help("write it as: --set OPENAI_API_KEY='${secrets:openai-key}'")
        })
    }
}

/// Parses text that may be secret: nothing about it can be wrong, so clap never repeats it in an error.
macro_rules! secret_argument {
    ($name:ident) => {
        impl ValueParserFactory for $name {
            type Parser =
                clap::builder::MapValueParser<clap::builder::StringValueParser, fn(String) -> $name>;

            fn value_parser() -> Self::Parser {
                clap::builder::StringValueParser::new().map(|text| $name(text.into()))
            }
        }
    };
}
secret_argument!(Value);
secret_argument!(Assignment);

/// Reads the command line. The error is help, the version, or wrong usage; clap knows which code it ends with.
pub fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args).map_err(|error| without_values(error, args))
}

/// Keeps what may be a value out of an error: clap repeats an argument that it has no place for, and after
/// `secrets set` that is most likely a key with spaces or a leading hyphen.
fn without_values(error: clap::Error, args: &[OsString]) -> clap::Error {
    let repeats = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues | ErrorKind::InvalidSubcommand
    );
    let sets = args.iter().any(|arg| arg == "set");
    if !(repeats && sets) {
        return error;
    }
    let mut command = Cli::command();
    command.build();
    let set = command.find_subcommand_mut("secrets").and_then(|secrets| secrets.find_subcommand_mut("set"));
    let message = "an argument was not expected; it is not repeated here, for it may be a value\n\n  \
                   a value with spaces needs quotes, and one that starts with '-' goes after '--', or better: pipe it";
    match set {
        Some(set) => set.error(ErrorKind::UnknownArgument, message),
        None => command.error(ErrorKind::UnknownArgument, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Cli, clap::Error> {
        parse(&["modelmesh"].iter().chain(line).map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documented_forms_are_read_as_written() {
        for line in [
            &["secrets", "set", "openai-api-key", "sk-...", "--store", "aws.secrets-manager.v1"][..],
            &["secrets", "import", ".env", "--store", "hashicorp.vault.v1"],
            &["secrets", "list", "--store", "modelmesh.dotenv.v1"],
            &["--json", "secrets", "list", "--env", "prod"],
            &["run", "--", "./app", "--port", "1"],
            &["run", "--set", "A=${secrets:a}", "--redact", "./app", "--json"],
            &["render", "-o", "out.yaml"],
        ] {
            assert!(parsed(line).is_ok(), "{line:?}: {}", parsed(line).unwrap_err());
        }
    }

    #[test]
    fn options_after_the_program_are_the_programs() {
        let Command::Run(run) = parsed(&["run", "./app", "--json", "-x"]).unwrap().command else { panic!() };
        assert_eq!(run.command, ["./app", "--json", "-x"]);
    }

    #[test]
    fn wrong_usage_ends_with_2_and_help_with_0() {
        assert_eq!(parsed(&["check", "--nonsense"]).unwrap_err().exit_code(), 2);
        assert_eq!(parsed(&["--help"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn one_place_is_named_not_two() {
        assert!(parsed(&["check", "--store", "a", "--env", "b"]).is_err());
    }

    #[test]
    fn no_value_is_repeated_in_an_error_or_in_debug() {
        let failing = [
            &["secrets", "set", "key", "sk-canary one", "sk-canary two"][..],
            &["secrets", "set", "key", "--sk-canary"],
            &["secrets", "set", "key", "-----sk-canary"],
            &["secrets", "--sk-canary", "set", "key"],
        ];
        for line in failing {
            let error = parsed(line).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{line:?}: {error}");
        }
        let fine = parsed(&["run", "--set", "sk-canary", "x"]).unwrap();
        let Command::Run(run) = &fine.command else { panic!() };
        let failure = run.set[0].split().unwrap_err();
        assert!(!format!("{fine:?} {failure:?}").contains("canary"));
        assert!(!format!("{:?}", parsed(&["secrets", "set", "key", "sk-canary"])).contains("canary"));
    }

    #[test]
    fn a_value_with_a_leading_hyphen_is_read_after_two_hyphens() {
        let Command::Secrets(SecretsCommand::Set(set)) =
            parsed(&["secrets", "set", "key", "--", "-v"]).unwrap().command
        else {
            panic!()
        };
        assert_eq!(set.value.unwrap().into_secret().expose_secret(), "-v");
    }
}
