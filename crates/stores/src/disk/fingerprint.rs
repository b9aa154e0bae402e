//! Whether a file has changed, told from its metadata.

use std::{
    fs::Metadata,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use modelmesh_secrets::Result;

use super::refused;

/// The coarsest clock of a file system still in use (FAT): two changes within this time may leave the same
/// times on a file.
const CLOCK_TICK: Duration = Duration::from_secs(2);

/// A file's identity, size and times: what changes when the file does.
///
/// Two changes within one tick of the file system's clock can leave the same fingerprint, so contents are
/// known by it only once it is [settled](Fingerprint::settled).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since the epoch.
    modified: i128,
    /// Like `modified`; this one cannot be set back, which archivers and copying tools do with the other.
    changed: i128,
}

impl Fingerprint {
    /// The fingerprint of the file at `path`, through symbolic links; none if there is no file.
    ///
    /// Fails with `Io` if the system does not tell.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Fingerprint::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused("look at", path, error)),
        }
    }

    /// Whether a change made after `now` is sure to leave another fingerprint.
    pub fn settled(&self, now: SystemTime) -> bool {
        let latest = self.modified.max(self.changed);
        nanoseconds(now) - latest > CLOCK_TICK.as_nanos().cast_signed()
    }

    /// The fingerprint of the file at `path` as a number: another one when the file may have changed.
    ///
    /// It changes once more when the file settles, which catches a second change within one tick of the
    /// clock. A missing file has a number too.
    pub fn revision(path: &Path) -> Result<u64> {
        let fingerprint = Fingerprint::of(path)?;
        let mut hasher = DefaultHasher::new();
        fingerprint.hash(&mut hasher);
        fingerprint.is_some_and(|print| print.settled(SystemTime::now())).hash(&mut hasher);
        Ok(hasher.finish())
    }
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Fingerprint {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
                changed: i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
            }
        }
        #[cfg(not(unix))]
        Fingerprint {
            device: 0,
            inode: 0,
            size: metadata.len(),
            modified: metadata.modified().map_or(0, nanoseconds),
            changed: metadata.created().map_or(0, nanoseconds),
        }
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

    use super::*;

    #[test]
    fn a_missing_file_has_a_revision_and_no_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        assert_eq!(Fingerprint::of(&path).unwrap(), None);
        assert_eq!(Fingerprint::revision(&path).unwrap(), Fingerprint::revision(&path).unwrap());
    }

    #[test]
    fn a_file_just_written_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "a").unwrap();
        let print = Fingerprint::of(&path).unwrap().unwrap();
        assert!(!print.settled(SystemTime::now()));
        assert!(print.settled(SystemTime::now() + Duration::from_secs(3)));
        assert!(!print.settled(UNIX_EPOCH), "a clock that went back proves nothing");
    }

    #[test]
    fn a_replacement_of_the_same_size_has_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        super::super::replace(&path, b"a").unwrap();
        let before = Fingerprint::of(&path).unwrap();
        super::super::replace(&path, b"b").unwrap();
        assert_ne!(Fingerprint::of(&path).unwrap(), before);
    }
}
