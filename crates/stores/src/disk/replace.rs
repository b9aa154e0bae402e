//! Replacing a file whole.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use modelmesh_secrets::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::{
    Contents, LOCK_WAIT, MAX_BYTES,
    lock::Lock,
    permissions::{Folder, inherit},
    read_bounded, refused,
    target::Target,
};

/// The one writer of a file, for as long as it lives.
#[derive(Debug)]
pub struct Writer {
    target: Target,
    _lock: Lock,
}

impl Writer {
    /// Becomes the writer of the file at `path`, waiting up to `wait` for another one, and removes what a
    /// crashed writer left.
    ///
    /// - A symbolic link is followed; the file need not exist, its folder must.
    /// - Fails with `Conflict` if another writer does not end in time, with `Unsupported` if the file system
    ///   has no locks, and with `Io` if the system refuses. Nothing was changed then.
    pub fn lock(path: &Path, wait: Duration) -> Result<Self> {
        let target = Target::of(path)?;
        let lock = Lock::acquire(&target.lock_path(), wait)?;
        sweep(&target);
        Ok(Writer { target, _lock: lock })
    }

    /// The newest contents: nobody else of this protocol changes them while the writer lives.
    pub fn read(&self, max_bytes: u64) -> Result<Option<Contents>> {
        read_bounded(&self.path(), max_bytes)
    }

    /// Replaces the file by `bytes`. When this returns `Ok`, they survive a crash of the machine.
    ///
    /// Fails with `Io`; the old file is as it was, unless the error says otherwise.
    pub fn replace(&self, bytes: &[u8]) -> Result<()> {
        replace_at(&self.target, bytes)
    }

    /// The file itself, symbolic links followed.
    pub fn path(&self) -> PathBuf {
        self.target.path()
    }
}

/// Locks the file at `path`, gives `change` its newest contents, and writes what it returns, if anything.
///
/// An error of `change` ends the update with the file as it was.
pub fn update(
    path: &Path,
    change: impl FnOnce(Option<&[u8]>) -> Result<Option<Zeroizing<Vec<u8>>>>,
) -> Result<()> {
    let writer = Writer::lock(path, LOCK_WAIT)?;
    let current = writer.read(MAX_BYTES)?;
    match change(current.as_ref().map(|contents| contents.bytes.as_slice()))? {
        Some(bytes) => writer.replace(&bytes),
        None => Ok(()),
    }
}

/// Replaces the file at `path` whole, without regard to what it held: for files that are made, not kept.
///
/// The file becomes private to its owner. Fails with `Io`; the old file is as it was then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_at(&Target::of(path)?, bytes)
}

fn replace_at(target: &Target, bytes: &[u8]) -> Result<()> {
    let path = target.path();
    let cannot_write = |error| refused("write", &path, error);
    // Opened first: a folder that cannot be synced is found out while nothing has changed.
    let folder = Folder::open(&target.folder).map_err(cannot_write)?;
    // Mode 0600 from the first instant, under a name that nobody can have foreseen; removed if dropped.
    let mut new = tempfile::Builder::new()
        .prefix(&target.temporary_prefix())
        .tempfile_in(&target.folder)
        .map_err(cannot_write)?;
    match std::fs::symlink_metadata(&path) {
        Ok(old) => inherit(new.as_file(), &old).map_err(|error| taken_from_owner(&path, error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot_write(error)),
    }
    new.write_all(bytes).map_err(cannot_write)?;
    new.as_file().sync_all().map_err(cannot_write)?;
    new.persist(&path).map_err(|failed| cannot_write(failed.error))?;
    folder.sync().map_err(|error| {
        Error::new(
            ErrorKind::Io,
            format!("'{}' was written, but may not survive a power failure", path.display()),
        )
        .with_help("check the disk, then write again")
        .with_source(error)
    })
}

fn taken_from_owner(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        Error::new(
            ErrorKind::Io,
            format!("'{}' belongs to someone else, and writing it would take it from them", path.display()),
        )
        .with_help("write as the file's owner, or change its owner first")
        .with_source(error)
    } else {
        refused("write", path, error)
    }
}

/// Removes temporary files of writers that did not live to rename them. Only under the lock: another
/// writer's file is one that it still needs.
fn sweep(target: &Target) {
    let prefix = target.temporary_prefix();
    let Ok(entries) = std::fs::read_dir(&target.folder) else { return };
    for entry in entries.flatten() {
        let is_left = entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_left && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::debug!(%error, "a temporary file of a crashed writer could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_update_sees_the_newest_contents_and_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        update(&path, |current| {
            assert_eq!(current, None);
            Ok(Some(Zeroizing::new(b"one".to_vec())))
        })
        .unwrap();
        update(&path, |current| {
            assert_eq!(current, Some(&b"one"[..]));
            Ok(Some(Zeroizing::new(b"two".to_vec())))
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), [".file.lock", "file"]);
    }

    #[test]
    fn an_update_that_fails_or_declines_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        update(&path, |_| Ok(None)).unwrap();
        update(&path, |_| Err(Error::new(ErrorKind::Locked, "no"))).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), [".file.lock", "file"]);
    }

    #[test]
    fn the_next_writer_sweeps_what_a_crashed_one_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for name in [".file.tmp-abc123", ".other.tmp-abc123", "file.tmp-abc123"] {
            std::fs::write(folder.path().join(name), "left").unwrap();
        }
        std::fs::create_dir(folder.path().join(".file.tmp-folder")).unwrap();
        update(&path, |_| Ok(None)).unwrap();
        assert_eq!(
            names(folder.path()),
            [".file.lock", ".file.tmp-folder", ".other.tmp-abc123", "file.tmp-abc123"]
        );
    }

    #[test]
    fn a_folder_in_the_files_place_is_refused_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(replace(&path, b"x").unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_missing_folder_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace(&folder.path().join("none/file"), b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.help().unwrap().contains("folder"), "{error}");
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    mod unix {
        use std::{
            fs::Permissions,
            os::unix::fs::{PermissionsExt as _, symlink},
        };

        use super::*;

        fn mode(path: &Path) -> u32 {
            path.metadata().unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn a_file_that_others_could_read_becomes_private_and_a_stricter_mode_stays() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            replace(&path, b"new").unwrap();
            assert_eq!(mode(&path), 0o600);
            for (before, after) in [(0o644, 0o600), (0o400, 0o400), (0o777, 0o600)] {
                std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
                replace(&path, b"newer").unwrap();
                assert_eq!(mode(&path), after, "from {before:o}");
            }
        }

        #[test]
        fn a_symbolic_link_is_written_at_its_target_with_the_lock_beside_that() {
            let folder = tempfile::tempdir().unwrap();
            let (near, far) = (folder.path().join("near"), folder.path().join("far"));
            std::fs::create_dir(&near).unwrap();
            std::fs::create_dir(&far).unwrap();
            std::fs::write(far.join("real"), "old").unwrap();
            symlink("../far/real", near.join("second")).unwrap();
            symlink("second", near.join("link")).unwrap();

            update(&near.join("link"), |_| Ok(Some(Zeroizing::new(b"new".to_vec())))).unwrap();

            assert!(near.join("link").is_symlink());
            assert_eq!(std::fs::read(far.join("real")).unwrap(), b"new");
            assert_eq!(names(&far), [".real.lock", "real"]);
            assert_eq!(names(&near), ["link", "second"]);
        }

        #[test]
        fn a_link_to_a_file_not_yet_there_makes_the_file() {
            let folder = tempfile::tempdir().unwrap();
            symlink("real", folder.path().join("link")).unwrap();
            replace(&folder.path().join("link"), b"new").unwrap();
            assert_eq!(std::fs::read(folder.path().join("real")).unwrap(), b"new");
            assert!(folder.path().join("link").is_symlink());
        }

        #[test]
        fn what_is_no_regular_file_is_not_replaced_by_one() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let error = replace(&path, b"x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.message().contains("not a regular file"), "{error}");
            assert!(!path.symlink_metadata().unwrap().is_file());
            assert_eq!(names(folder.path()), ["socket"]);
        }

        #[test]
        fn a_pipe_is_not_replaced_by_a_file() {
            use std::os::unix::fs::FileTypeExt as _;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("pipe");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            assert_eq!(replace(&path, b"x").unwrap_err().kind(), ErrorKind::Io);
            assert!(path.symlink_metadata().unwrap().file_type().is_fifo());
        }

        #[test]
        fn a_loop_of_links_is_an_error() {
            let folder = tempfile::tempdir().unwrap();
            symlink("b", folder.path().join("a")).unwrap();
            symlink("a", folder.path().join("b")).unwrap();
            assert_eq!(replace(&folder.path().join("a"), b"x").unwrap_err().kind(), ErrorKind::Io);
        }
    }
}
