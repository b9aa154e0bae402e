//! Carries a child's output through the redactor.

use std::{
    fs::File,
    io::{self, PipeReader, Read as _, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionread},
};
use zeroize::Zeroizing;

use super::Redactor;

/// How long the output of processes that the child left behind is still waited for.
///
/// A daemon may hold the pipe for ever, and `run` must end with its child, as it does without `--redact`. What
/// was written before the child ended is always carried.
pub(super) const GRACE: Duration = Duration::from_millis(200);

/// Carries `from`, masked, to `to`, until it ends, or `to` does, or `grace` after `child_ended` hangs up.
pub(super) fn carry(
    from: PipeReader,
    to: &mut File,
    mut redactor: Redactor,
    child_ended: BorrowedFd<'_>,
    grace: Duration,
) -> io::Result<()> {
    let mut source = Source { pipe: from, child_ended, grace, last_call: None };
    let mut piece = Zeroizing::new([0; 16 * 1024]);
    let mut shown = Vec::new();
    loop {
        let length = source.read(&mut piece[..])?;
        match length {
            0 => redactor.finish(&mut shown),
            length => redactor.feed(&piece[..length], &mut shown),
        }
        // An error here drops the pipe: the child's next write fails, as it would have without us.
        write_all(to, &shown)?;
        if length == 0 {
            return Ok(());
        }
        shown.clear();
    }
}

struct Source<'a> {
    pipe: PipeReader,
    child_ended: BorrowedFd<'a>,
    grace: Duration,
    last_call: Option<LastCall>,
}

/// The child has ended.
struct LastCall {
    /// What it left in the pipe and was not read yet.
    owed: u64,
    deadline: Instant,
}

impl Source<'_> {
    /// The next piece; 0 bytes at the end.
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if !self.wait()? {
            return Ok(0);
        }
        let length = loop {
            match self.pipe.read(piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        if let Some(last_call) = &mut self.last_call {
            last_call.owed = last_call.owed.saturating_sub(length as u64);
        }
        Ok(length)
    }

    /// Waits until the pipe has something, or has ended; false if it is not to be read any more.
    fn wait(&mut self) -> io::Result<bool> {
        loop {
            let timeout = match &self.last_call {
                None => None,
                Some(LastCall { owed: 1.., .. }) => return Ok(true),
                Some(LastCall { deadline, .. }) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    Some(left)
                }
            };
            let mut fds =
                [PollFd::new(&self.pipe, PollFlags::IN), PollFd::new(&self.child_ended, PollFlags::IN)];
            // Once the child has ended its pipe hangs up for good, and would wake every poll.
            let watched = if timeout.is_some() { &mut fds[..1] } else { &mut fds[..] };
            let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
            match poll(watched, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                done => done?,
            };
            let (has_input, child_ended) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            // Asked first: a process left behind may write without end.
            if self.last_call.is_none() && child_ended {
                let owed = ioctl_fionread(&self.pipe)?;
                self.last_call = Some(LastCall { owed, deadline: Instant::now() + self.grace });
            } else if has_input {
                return Ok(true);
            }
        }
    }
}

/// Writes everything, also to a descriptor that somebody else has made non-blocking.
fn write_all(to: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Seek as _, os::fd::OwnedFd};

    use super::{super::Patterns, *};

    #[test]
    fn what_the_child_wrote_is_carried_though_another_process_holds_the_pipe() {
        let (from, mut held_by_another) = io::pipe().unwrap();
        let (child_ended, running) = io::pipe().unwrap();
        let written = "0123456789".repeat(5000);
        held_by_another.write_all(written.as_bytes()).unwrap();
        drop(running);
        let mut to = tempfile::tempfile().unwrap();
        let redactor = Redactor::new(&Patterns::of(["canary"])).unwrap();
        carry(from, &mut to, redactor, child_ended.as_fd(), Duration::ZERO).unwrap();
        to.rewind().unwrap();
        assert!(io::read_to_string(to).unwrap() == written);
    }

    #[test]
    fn a_process_that_writes_without_end_does_not_hold_the_command() {
        let (from, mut endless) = io::pipe().unwrap();
        let (child_ended, running) = io::pipe().unwrap();
        // Ends with the error that the reader has gone.
        let writing = std::thread::spawn(move || while endless.write_all(&[b'a'; 4096]).is_ok() {});
        drop(running);
        let redactor = Redactor::new(&Patterns::default()).unwrap();
        carry(from, &mut tempfile::tempfile().unwrap(), redactor, child_ended.as_fd(), Duration::ZERO)
            .unwrap();
        writing.join().unwrap();
    }

    #[test]
    fn a_full_descriptor_that_does_not_block_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all.len())
        });
        write_all(&mut fs::File::from(OwnedFd::from(writer)), &vec![b'a'; 1_000_000]).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), 1_000_000);
    }
}
