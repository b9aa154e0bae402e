//! The kernel lock of a file's writers.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use modelmesh_secrets::{Error, ErrorKind, Result};

use super::{permissions::private_unfollowed, refused};

/// How long a writer waits for another one before it gives up.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The longest pause between two attempts. Between two writes of a busy writer the lock is free for less than that: who
/// tries seldom is starved where a write takes a tenth of a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// An exclusive lock, held until dropped or until the process ends, however it ends.
///
/// The lock is the kernel's, on a file beside the one it guards, and of the open file rather than of the
/// process: it keeps threads apart too. The lock file stays when the lock is gone, for a writer that waits on
/// a file already deleted would hold a lock that nobody else sees.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, waiting up to `wait`.
    ///
    /// Fails with `Conflict` if another writer holds it that long, with `Unsupported` if the file system has
    /// no locks, and with `Io` if `path` is not a regular file (a symbolic link is not followed) or the
    /// system refuses it.
    pub(super) fn acquire(path: &Path, wait: Duration) -> Result<Self> {
        let deadline = Instant::now() + wait;
        let mut pause = Duration::from_millis(1);
        loop {
            let mut file = open(path)?;
            match file.try_lock() {
                Ok(()) if is_still_at(&file, path) => {
                    note_holder(&mut file);
                    return Ok(Lock { _file: file });
                }
                // Somebody deleted the lock file meanwhile: this lock guards nothing, take the new one.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(held_by_another(&mut file, path));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(cannot_lock(path, error)),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let unfit = |what: &str| {
        Error::new(ErrorKind::Io, format!("the lock file '{}' is {what}", path.display()))
            .with_help("find out who put it there, then remove it; it should be an empty file or not exist")
    };
    let file = private_unfollowed().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => unfit("a symbolic link, which is not followed"),
        Ok(found) if !found.is_file() => unfit("not a regular file"),
        _ => refused("lock", path, error),
    })?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(unfit("not a regular file")),
        Err(error) => Err(refused("lock", path, error)),
    }
}

/// Whether `file` is the file at `path` now.
fn is_still_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        match (file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        // An open file cannot be deleted there.
        let _ = (file, path);
        true
    }
}

/// Leaves this process's number for whoever has to wait. Only a hint: a full disk may refuse it.
fn note_holder(file: &mut File) {
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
}

fn held_by_another(file: &mut File, path: &Path) -> Error {
    let mut note = String::new();
    let holder = match file.take(20).read_to_string(&mut note) {
        Ok(_) => note.parse::<u32>().ok(),
        Err(_) => None,
    };
    let holder = holder.map_or_else(|| "another writer".to_owned(), |id| format!("process {id}"));
    Error::new(ErrorKind::Conflict, format!("{holder} holds the lock '{}'", path.display())).with_help(
        "nothing was written: wait until the other writer is done and try again; do not delete the lock file",
    )
}

fn cannot_lock(path: &Path, error: io::Error) -> Error {
    if has_no_locks(&error) {
        Error::new(
            ErrorKind::Unsupported,
            format!("the file system does not support the lock '{}'", path.display()),
        )
        .with_help("nothing was written: keep the file on a local file system, or mount this one with locks")
        .with_source(error)
    } else {
        refused("lock", path, error)
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    if let Some(code) = rustix::io::Errno::from_io_error(error) {
        use rustix::io::Errno;
        #[allow(unreachable_patterns, reason = "two of these are one number on some systems")]
        return matches!(code, Errno::NOTSUP | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL);
    }
    error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

    use super::*;

    const NO_WAIT: Duration = Duration::ZERO;

    #[test]
    fn a_held_lock_is_a_conflict_that_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        let held = Lock::acquire(&path, NO_WAIT).unwrap();
        let error = Lock::acquire(&path, NO_WAIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains(&format!("process {} holds", std::process::id())), "{error}");
        drop(held);
        Lock::acquire(&path, NO_WAIT).unwrap();
    }

    #[test]
    fn a_holders_note_that_is_no_number_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        let _held = Lock::acquire(&path, NO_WAIT).unwrap();
        std::fs::write(&path, "\u{1b}[2Jevil").unwrap();
        let error = Lock::acquire(&path, NO_WAIT).unwrap_err();
        assert!(error.message().starts_with("another writer holds"), "{error}");
    }

    #[test]
    fn the_lock_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        drop(Lock::acquire(&path, NO_WAIT).unwrap());
        assert!(path.exists());
    }

    #[test]
    fn a_folder_in_the_locks_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(Lock::acquire(&path, NO_WAIT).unwrap_err().kind(), ErrorKind::Io);
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_file_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        drop(Lock::acquire(&path, NO_WAIT).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_in_the_locks_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join(".file.lock"), folder.path().join("victim"));
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        for _ in 0..2 {
            let error = Lock::acquire(&path, NO_WAIT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.message().contains("symbolic link"), "{error}");
            if !victim.exists() {
                std::fs::write(&victim, "untouched").unwrap();
            }
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    }

    #[cfg(unix)]
    #[test]
    fn a_deleted_lock_file_is_made_again_and_guards_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".file.lock");
        let lost = Lock::acquire(&path, NO_WAIT).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _held = Lock::acquire(&path, NO_WAIT).unwrap();
        drop(lost);
        assert_eq!(Lock::acquire(&path, NO_WAIT).unwrap_err().kind(), ErrorKind::Conflict);
    }
}
