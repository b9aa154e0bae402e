//! A terminal for the roles.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

/// How long a test waits for what never comes before it fails.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// A program on a terminal of its own, and everything that the terminal has shown.
pub(crate) struct Screen {
    master: File,
    /// Kept open, so that the terminal's settings can be read when the program has ended.
    slave: File,
    program: Child,
    shown: String,
}

impl Screen {
    pub(crate) fn start(mut command: Command) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
            .unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let program = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Screen { master: File::from(master), slave, program, shown: String::new() }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until the terminal has shown `text`; returns everything it has shown.
    pub(crate) fn expect(&mut self, text: &str) -> &str {
        while !self.shown.contains(text) {
            let ready = poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&PATIENCE)).unwrap();
            assert_eq!(ready, 1, "no '{text}' in: {}", self.shown);
            let mut piece = [0; 4096];
            let length = self.master.read(&mut piece).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        &self.shown
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.program.wait().unwrap()
    }

    /// Whether the terminal echoes and edits lines, as a shell leaves it to programs.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}
