//! A folder in memory, for files that must never touch a disk.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, printable};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

const PREFIX: &str = "modelmesh-edit-";

/// A folder on a tmpfs that this user alone can enter. Its files are overwritten and removed when it is dropped.
///
/// A process that is killed cannot do that; the next one to make such a folder does it in its place. (Memory of
/// a tmpfs can be swapped out, as that of every process can.)
#[derive(Debug)]
pub struct PrivateDir {
    dir: TempDir,
    /// Held for as long as the folder is in use: the system lets go of it however this process ends.
    _in_use: File,
}

impl PrivateDir {
    /// A new folder, on the user's runtime folder or `/dev/shm`.
    ///
    /// Fails with `Unsupported` if neither is in memory: nothing is put on a disk instead.
    pub fn new() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain([PathBuf::from("/dev/shm")]);
        let mut refusal = None;
        for place in places.filter(|place| place.is_absolute() && in_memory(place)) {
            match PrivateDir::within(&place) {
                Ok(dir) => return Ok(dir),
                Err(error) => refusal = Some(error),
            }
        }
        let error = Error::new(ErrorKind::Unsupported, "there is no folder in memory to edit in")
            .with_help("use 'modelmesh secrets set' for single secrets, or mount a tmpfs on /dev/shm");
        Err(refusal.map_or(error.clone(), |cause| error.with_source(cause)))
    }

    /// A new folder within `place`, after sweeping those that killed processes left there.
    fn within(place: &Path) -> io::Result<Self> {
        sweep(place)?;
        loop {
            let private = Permissions::from_mode(0o700);
            let dir = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(place)?;
            let in_use = File::open(dir.path())?;
            // Between the two steps another process may have taken the folder for one left behind.
            if flock(&in_use, FlockOperation::NonBlockingLockExclusive).is_ok() && dir.path().exists() {
                return Ok(PrivateDir { dir, _in_use: in_use });
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a new file with `text` into the folder.
    pub fn file(&self, name: &str, text: &SecretString) -> Result<PathBuf> {
        let path = self.path().join(name);
        let create = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.expose_secret().as_bytes())
        };
        create().map_err(|error| {
            let shown = path.to_string_lossy();
            Error::new(ErrorKind::Io, format!("cannot write '{}'", printable(&shown))).with_source(error)
        })?;
        Ok(path)
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // The folder itself is removed by its own drop, which comes after.
        wipe(self.dir.path());
    }
}

/// Overwrites the files of a folder, where their memory is: a removed file's memory is freed as it is.
fn wipe(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => wipe(&entry.path()),
            Ok(kind) if kind.is_file() => {
                // What cannot be overwritten is still removed.
                let _ = overwrite(&entry.path());
            }
            _ => {}
        }
    }
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file).map(drop)
}

/// Removes the folders that this user's killed processes left in `place`.
fn sweep(place: &Path) -> io::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place)?.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            // Of the entry itself: a link is nobody's folder.
            && entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == me);
        if ours
            && let Ok(dir) = File::open(entry.path())
            && flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            wipe(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether `place` is on a file system that lives in memory.
#[cfg(target_os = "linux")]
fn in_memory(place: &Path) -> bool {
    // `TMPFS_MAGIC` of `linux/magic.h`, without a name: the field's type differs between machines.
    rustix::fs::statfs(place).is_ok_and(|fs| fs.f_type == 0x0102_1994)
}

/// Other systems have no folder that is known to be in memory.
#[cfg(not(target_os = "linux"))]
fn in_memory(_place: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_can_enter_and_read() {
        let dir = PrivateDir::new().unwrap();
        let file = dir.file("secrets.yaml", &"canary".into()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn nothing_is_left_when_it_is_dropped() {
        let dir = PrivateDir::new().unwrap();
        let path = dir.path().to_owned();
        dir.file("secrets.yaml", &"canary".into()).unwrap();
        fs::create_dir(path.join("backups")).unwrap();
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn the_bytes_are_overwritten_before_the_file_is_removed() {
        let dir = PrivateDir::new().unwrap();
        let path = dir.file("secrets.yaml", &"canary".into()).unwrap();
        let kept_by_an_editor = File::open(&path).unwrap();
        drop(dir);
        assert_eq!(io::read_to_string(kept_by_an_editor).unwrap(), "\0".repeat(6));
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let in_use = PrivateDir::within(place.path()).unwrap();
        let left = place.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        let _another = PrivateDir::within(place.path()).unwrap();
        assert!(!left.exists());
        assert!(in_use.path().exists());
    }

    #[test]
    fn a_disk_is_not_taken_for_memory() {
        assert!(!in_memory(Path::new("/proc")));
        assert!(in_memory(Path::new("/dev/shm")));
    }
}
