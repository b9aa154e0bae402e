//! The user's own editor, on a file in memory.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    path::Path,
    process::{Child, Command, ExitStatus},
    thread,
};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use signal_hook::{
    consts::{SIGHUP, SIGTERM, SIGTSTP},
    low_level::emulate_default_handler,
};

use crate::{
    interrupt::Interrupts,
    private_dir::PrivateDir,
    process::Variables,
    prompt::{Buffer, MAX_VALUE},
};

/// What keeps Vim from writing copies of the text elsewhere: swap, backup and undo files, and its registers.
const VIM_PRIVATE: [&str; 5] =
    ["-n", "-i", "NONE", "-c", "set nobackup nowritebackup noundofile noswapfile viminfo="];

/// Lets the user edit `text` as the file `name`, and returns what it became; none if it stayed as it was.
///
/// - The file is in a [`PrivateDir`], as is the folder for temporary files that the editor is given.
/// - The editor is `$VISUAL`, `$EDITOR` or `vi`, read by the shell, so that it may have arguments.
/// - Fails if the editor does: whoever leaves it with an error (`:cq`) wants nothing changed.
/// - It gets this process's environment as `variables` change it: without the credentials of stores.
/// - Ctrl-C is the editor's business. A signal that ends this process ends the editor, and the file is wiped.
pub fn edit(name: &str, text: &SecretString, variables: &Variables) -> Result<Option<SecretString>> {
    // Watched until the file is wiped, whatever the outcome.
    let mut session = Session {
        interrupts: Interrupts::watch().map_err(|e| failed("watch for signals", e))?,
        ended_by: None,
    };
    let edited = session.edit(name, text, variables);
    if let Some(signal) = session.ended_by {
        emulate_default_handler(signal).map_err(|error| failed("end", error))?;
    }
    edited
}

struct Session {
    interrupts: Interrupts,
    /// The signal that is to end this process once the file is wiped.
    ended_by: Option<i32>,
}

impl Session {
    fn edit(
        &mut self,
        name: &str,
        text: &SecretString,
        variables: &Variables,
    ) -> Result<Option<SecretString>> {
        let dir = PrivateDir::new()?;
        let path = dir.file(name, text)?;
        let mut command = command(&editor(), &path, dir.path());
        variables.apply(&mut command);
        let editor = command.spawn();
        let status = self.wait(editor.map_err(|error| failed("start the editor", error))?)?;
        if !status.success() {
            let message = format!("the editor ended with {status}, so nothing was changed");
            return Err(Error::new(ErrorKind::Io, message));
        }
        let mut edited = Buffer::default();
        let file = File::open(&path).map_err(|error| failed("read what the editor wrote", error))?;
        edited.read_to_end(file, MAX_VALUE)?;
        let edited = edited.into_text()?;
        Ok((edited.expose_secret() != text.expose_secret()).then_some(edited))
    }

    fn wait(&mut self, mut child: Child) -> Result<ExitStatus> {
        let pid = Pid::from_child(&child);
        let (ended, running) = io::pipe().map_err(|error| failed("make a pipe", error))?;
        let waiting = thread::spawn(move || {
            let status = child.wait();
            drop(running);
            status
        });
        loop {
            let mut fds = [
                PollFd::new(&ended, PollFlags::IN),
                PollFd::from_borrowed_fd(self.interrupts.fd(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(failed("wait for the editor", error.into())),
            }
            self.handle_signals(pid);
        }
        let status = waiting.join().unwrap_or_else(|_| Err(io::Error::other("the waiting thread failed")));
        status.map_err(|error| failed("wait for the editor", error))
    }

    fn handle_signals(&mut self, editor: Pid) {
        for signal in self.interrupts.pending() {
            match signal {
                SIGTERM | SIGHUP => {
                    // An editor that stays to ask what to do with changes is not asked a second time.
                    let last_word = if self.ended_by.is_some() { Signal::KILL } else { Signal::TERM };
                    self.ended_by = Some(signal);
                    let _ = kill_process(editor, last_word);
                }
                SIGTSTP => {
                    let _ = emulate_default_handler(SIGTSTP);
                }
                _ => {}
            }
        }
    }
}

fn editor() -> OsString {
    let set = |name| std::env::var_os(name).filter(|editor| !editor.is_empty());
    set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into())
}

fn command(editor: &OsStr, path: &Path, temporary: &Path) -> Command {
    let mut line = editor.to_owned();
    line.push(r#" "$@""#);
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line).arg(editor).env("TMPDIR", temporary);
    if is_vim(editor) {
        command.args(VIM_PRIVATE);
    }
    command.arg(path);
    command
}

/// Whether the editor is Vim or Neovim, by its name. `vi` may be another program, which would not know the
/// options: it is Vim if it is a link to Vim.
fn is_vim(editor: &OsStr) -> bool {
    let editor = editor.to_string_lossy();
    let program = editor.split_whitespace().next().unwrap_or_default();
    let is_named_vim = |path: &Path| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("vim") || name == "nvim")
    };
    if is_named_vim(Path::new(program)) {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|dir| dir.join(program)).find_map(|path| path.canonicalize().ok());
    found.is_some_and(|path| is_named_vim(&path))
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vim_is_told_to_keep_no_copies_and_other_editors_are_not() {
        let args = |editor: &str| {
            let command = command(OsStr::new(editor), Path::new("/f"), Path::new("/"));
            command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(args("/usr/bin/vim -u x").contains(&"NONE".to_owned()));
        assert!(args("nvim").contains(&"NONE".to_owned()));
        assert_eq!(args("nano -l"), ["-c", r#"nano -l "$@""#, "nano -l", "/f"]);
    }
}
