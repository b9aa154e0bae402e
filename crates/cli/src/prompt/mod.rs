//! Values and passphrases from people and pipes.
//!
//! A person is asked at the terminal, without echo, whatever standard input is. Without a terminal nothing is
//! asked: machines pipe values, and give passphrases in the environment.

mod buffer;
mod terminal;

use std::{
    io::{self, IsTerminal as _, Read},
    sync::{Mutex, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, SecretName, SecretString, printable};
use modelmesh_stores::{environment::variable, registry::PassphrasePrompt};

pub(crate) use buffer::Buffer;
use terminal::Terminal;

use crate::failure::{Failure, Result};

/// The longest value that is read, in bytes: more than any store takes, less than hurts.
pub const MAX_VALUE: usize = 16 * 1024 * 1024;

/// How often a new passphrase may be typed differently the second time.
const TRIES: usize = 3;

/// The new value of `name`: asked at the terminal if standard input is one, else standard input to its end.
///
/// Of standard input one final newline, `\n` or `\r\n`, is dropped unless `raw`. Fails with `Malformed` if it is
/// not UTF-8, and with a usage failure if it is empty: far more often than an empty secret, that is a pipe whose
/// first command has failed.
pub fn value(name: &SecretName, raw: bool) -> Result<SecretString> {
    let stdin = io::stdin();
    let value = if stdin.is_terminal() {
        let terminal = Terminal::open().ok_or_else(|| {
            Failure::usage("there is no terminal to ask for the value")
                .with_help("pipe the value into the command")
        })?;
        terminal.ask_hidden(&format!("value of '{name}': "))?
    } else {
        read_value(stdin.lock(), raw)?
    };
    if value.expose_secret().is_empty() {
        return Err(Failure::usage("the value is empty, so nothing was set")
            .with_help("if an empty value is meant, give it as an argument: ''"));
    }
    Ok(value)
}

/// The value that `input` holds, read to its end: see [`value`].
pub fn read_value(input: impl Read, raw: bool) -> Result<SecretString> {
    let mut buffer = Buffer::default();
    buffer.read_to_end(input, MAX_VALUE)?;
    if !raw {
        buffer.drop_newline();
    }
    Ok(buffer.into_text()?)
}

/// Asks a yes-or-no question at the terminal; anything but `y` or `yes` is no.
///
/// Without a terminal that is a usage failure, and `instead` says which option answers it.
pub fn confirm(question: &str, instead: &'static str) -> Result<bool> {
    let terminal = Terminal::open()
        .ok_or_else(|| Failure::usage("there is no terminal to ask for a confirmation").with_help(instead))?;
    Ok(terminal.ask_yes(&format!("{} [y/N] ", printable(question)))?)
}

/// Asks for passphrases at the terminal of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalPrompt;

impl TerminalPrompt {
    /// A prompt where there is a terminal; none where nobody can be asked.
    pub fn available() -> Option<Self> {
        Terminal::open().map(|_| TerminalPrompt)
    }
}

impl PassphrasePrompt for TerminalPrompt {
    fn passphrase(&self, what: &str, confirm: bool) -> Result<SecretString, Error> {
        // Stores are opened side by side; people answer one question at a time.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

        let what = printable(what);
        let terminal = Terminal::open().ok_or_else(|| {
            Error::new(
                ErrorKind::Locked,
                format!("there is no terminal to ask for the passphrase for {what}"),
            )
            .with_help(format!("set {} in the environment", variable::PASSPHRASE))
        })?;
        if !confirm {
            return terminal.ask_hidden(&format!("passphrase for {what}: "));
        }
        for _ in 0..TRIES {
            let first = terminal.ask_hidden(&format!("new passphrase for {what}: "))?;
            if first.expose_secret().is_empty() {
                terminal.say("a passphrase cannot be empty\n")?;
                continue;
            }
            let second = terminal.ask_hidden("the same again: ")?;
            if first.expose_secret() == second.expose_secret() {
                return Ok(first);
            }
            terminal.say("the two differ\n")?;
        }
        Err(Error::new(ErrorKind::Locked, "no new passphrase was given"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, failure::Problem};

    fn read(input: &[u8], raw: bool) -> String {
        read_value(input, raw).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn one_final_newline_is_dropped() {
        assert_eq!(read(b"value\n", false), "value");
        assert_eq!(read(b"value\r\n", false), "value");
        assert_eq!(read(b"two\nlines\n\n", false), "two\nlines\n");
        assert_eq!(read(b" value \r", false), " value \r");
    }

    #[test]
    fn raw_keeps_every_byte() {
        assert_eq!(read(b"value\n", true), "value\n");
    }

    #[test]
    fn what_is_not_text_is_malformed_and_not_shown() {
        let failure = read_value(&b"can\xffary"[..], false).unwrap_err();
        assert_eq!(failure.exit(), Exit::FAILURE);
        let Problem::Errors(errors) = failure.problem() else { panic!("{failure:?}") };
        assert_eq!(errors[0].kind(), ErrorKind::Malformed);
        assert!(!format!("{failure:?}").contains("can"), "{failure:?}");
    }

    #[test]
    fn an_endless_input_is_refused_and_not_cut() {
        let failure = read_value(io::repeat(b'a'), false).unwrap_err();
        let Problem::Errors(errors) = failure.problem() else { panic!("{failure:?}") };
        assert_eq!(errors[0].message(), "the value is longer than 16777216 bytes");
    }
}
