//! The terminal of this process, asked without echo.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
};

use modelmesh_secrets::{Error, ErrorKind, SecretString};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};
use signal_hook::{consts::SIGTSTP, low_level::emulate_default_handler};
use zeroize::Zeroizing;

use super::Buffer;
use crate::interrupt::Interrupts;

/// What keys send in a terminal.
mod key {
    pub(super) const END_OF_INPUT: u8 = 0x04; // Ctrl-D
    pub(super) const BACKSPACE: u8 = 0x08;
    pub(super) const TAB: u8 = b'\t';
    pub(super) const CLEAR: u8 = 0x15; // Ctrl-U
    pub(super) const DELETE: u8 = 0x7F;
}

/// The controlling terminal.
pub(super) struct Terminal(File);

/// What one byte of input did to a line.
enum Line {
    Goes,
    Ended,
    Cancelled,
}

impl Terminal {
    /// None where nobody can be asked.
    pub(super) fn open() -> Option<Self> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Terminal)
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Error> {
        (&self.0).write_all(text.as_bytes()).map_err(|error| failed(&error))
    }

    /// Asks for a line, with echo; true for `y` or `yes`.
    pub(super) fn ask_yes(&self, question: &str) -> Result<bool, Error> {
        self.say(question)?;
        let mut line = [0; 256];
        let length = (&self.0).read(&mut line).map_err(|error| failed(&error))?;
        let answer = line[..length].trim_ascii();
        Ok(answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes"))
    }

    /// Asks for a line, without echo.
    ///
    /// - Ctrl-C, and any signal that ends or stops the process, finds the terminal as it was before.
    /// - A line longer than 4,095 bytes comes whole, which the terminal's own line editing would cut.
    /// - Several lines, pasted, are refused: the first alone would be a wrong value, and the rest commands for
    ///   the shell.
    pub(super) fn ask_hidden(&self, question: &str) -> Result<SecretString, Error> {
        let mut interrupts = Interrupts::watch().map_err(|error| failed(&error))?;
        let mut hidden = Hidden::new(self)?;
        self.say(question)?;
        let mut line = Buffer::default();
        let mut keys = Zeroizing::new([0; 1024]);
        loop {
            if self.wait(&interrupts)? {
                let length = (&self.0).read(&mut keys[..]).map_err(|error| failed(&error))?;
                match read_keys(&keys[..length], &mut line)? {
                    (Line::Goes, _) if length > 0 => {}
                    (Line::Goes | Line::Cancelled, _) => {
                        drop(hidden);
                        self.say("\n")?;
                        return Err(refused("nothing was typed"));
                    }
                    (Line::Ended, rest) => {
                        let pasted_more = !rest.is_empty() || self.has_input();
                        drop(hidden);
                        self.say("\n")?;
                        return if pasted_more { Err(several_lines()) } else { line.into_text() };
                    }
                }
            }
            for signal in interrupts.pending() {
                drop(hidden);
                self.say("\n")?;
                // Returns after a stop alone, when the process goes on.
                emulate_default_handler(signal).map_err(|error| failed(&error))?;
                debug_assert_eq!(signal, SIGTSTP, "other signals end the process");
                hidden = Hidden::new(self)?;
                self.say(question)?;
            }
        }
    }

    /// Waits for keys or a signal; true for keys.
    fn wait(&self, interrupts: &Interrupts) -> Result<bool, Error> {
        let mut fds =
            [PollFd::new(&self.0, PollFlags::IN), PollFd::from_borrowed_fd(interrupts.fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => Ok(!fds[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(failed(&error.into())),
        }
    }

    fn has_input(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// Edits `line` by `keys`, up to the end of the line; returns what follows it.
fn read_keys<'a>(keys: &'a [u8], line: &mut Buffer) -> Result<(Line, &'a [u8]), Error> {
    for (at, &byte) in keys.iter().enumerate() {
        match byte {
            b'\n' | b'\r' => return Ok((Line::Ended, &keys[at + 1..])),
            key::END_OF_INPUT if line.is_empty() => return Ok((Line::Cancelled, &keys[at + 1..])),
            key::BACKSPACE | key::DELETE => line.erase(),
            key::CLEAR => line.clear(),
            // An arrow key would else become part of a value that nobody sees.
            byte if byte.is_ascii_control() && byte != key::TAB => return Err(control_key()),
            byte => line.push(byte),
        }
    }
    Ok((Line::Goes, &[]))
}

/// While this lives the terminal echoes nothing and gives each key at once.
struct Hidden<'a> {
    terminal: &'a Terminal,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn new(terminal: &'a Terminal) -> Result<Self, Error> {
        let before = tcgetattr(&terminal.0).map_err(|error| failed(&error.into()))?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON);
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question was no answer to it.
        tcsetattr(&terminal.0, OptionalActions::Flush, &hidden).map_err(|error| failed(&error.into()))?;
        Ok(Hidden { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Flushing drops the rest of a paste, which would else be read by the shell as commands.
        let _ = tcsetattr(&self.terminal.0, OptionalActions::Flush, &self.before);
    }
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot ask at the terminal: {error}"))
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

fn several_lines() -> Error {
    refused("several lines were pasted where one was asked for")
        .with_help("pipe a value of several lines: … < FILE")
}

fn control_key() -> Error {
    refused("a key was pressed that is not text")
        .with_help("try again, or pipe a value that holds control characters")
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ExposeSecret as _;

    use super::*;

    fn typed(keys: &[u8]) -> String {
        let mut line = Buffer::default();
        let (end, _) = read_keys(keys, &mut line).unwrap();
        assert!(matches!(end, Line::Ended));
        line.into_text().unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_line_can_be_corrected() {
        assert_eq!(typed("wrong\x15ké\x7fey\n".as_bytes()), "key");
    }

    #[test]
    fn a_key_that_is_not_text_is_refused() {
        assert!(read_keys(b"abc\x1b[A\n", &mut Buffer::default()).is_err());
    }

    #[test]
    fn the_end_of_input_cancels_an_empty_line_alone() {
        let mut line = Buffer::default();
        assert!(matches!(read_keys(b"\x04", &mut line), Ok((Line::Cancelled, _))));
        assert!(read_keys(b"a\x04", &mut line).is_err());
    }
}
