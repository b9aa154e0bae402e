//! Reading a whole file of bounded size.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};

use modelmesh_secrets::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::{
    Fingerprint,
    permissions::{wider_than_private, without_waiting},
    refused,
};

/// The longest file of secrets that is read: 16 MiB.
pub const MAX_BYTES: u64 = 16 << 20;

/// How often a file is read again because it changed under the read.
const ATTEMPTS: usize = 3;

/// A file as it was read.
#[derive(Debug)]
pub struct Contents {
    /// The bytes, wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The file's fingerprint, the same before and after the read; none if the file kept changing.
    pub fingerprint: Option<Fingerprint>,
    /// Whether a later change is sure to show in the fingerprint.
    pub settled: bool,
    /// The file's mode, if others than its owner may read it.
    pub wide_mode: Option<u32>,
}

/// Reads the file at `path`, through symbolic links; none if there is no file.
///
/// - Needs no lock, and no writable folder.
/// - Fails with `Malformed` if the file is longer than `max_bytes`, and with `Io` if it is not a regular file
///   (a pipe is refused without waiting for its other end) or the system refuses it.
pub fn read_bounded(path: &Path, max_bytes: u64) -> Result<Option<Contents>> {
    let mut contents = None;
    for _ in 0..ATTEMPTS {
        contents = read_once(path, max_bytes)?;
        if contents.as_ref().is_none_or(|contents| contents.fingerprint.is_some()) {
            break;
        }
    }
    Ok(contents)
}

fn read_once(path: &Path, max_bytes: u64) -> Result<Option<Contents>> {
    let mut file = match without_waiting().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused("read", path, error)),
    };
    let metadata = file.metadata().map_err(|error| refused("read", path, error))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "is a folder, not a file" } else { "is not a regular file" };
        return Err(Error::new(ErrorKind::Io, format!("'{}' {what}", path.display()))
            .with_help("check the path in the configuration"));
    }
    let before = Fingerprint::from(&metadata);
    let now = SystemTime::now();
    let bytes =
        read_all(&mut file, metadata.len(), max_bytes).map_err(|error| refused("read", path, error))?;
    let Some(bytes) = bytes else {
        return Err(Error::new(
            ErrorKind::Malformed,
            format!("'{}' is too large for a file of secrets", path.display()),
        )
        .with_help(format!("the limit is {max_bytes} bytes; check the path")));
    };
    let after = file.metadata().map_err(|error| refused("read", path, error))?;
    let fingerprint = (Fingerprint::from(&after) == before).then_some(before);
    Ok(Some(Contents {
        bytes,
        fingerprint,
        settled: fingerprint.is_some_and(|print| print.settled(now)),
        wide_mode: wider_than_private(&metadata),
    }))
}

/// The rest of `file`; none if it is longer than `max`.
fn read_all(file: &mut File, expected: u64, max: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // One byte more than expected, so that the buffer need not grow, which would leave a copy behind.
    let capacity = usize::try_from(expected.min(max)).map_or(0, |expected| expected + 1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max).then_some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

    use super::*;

    #[test]
    fn no_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_bounded(&folder.path().join("none"), 10).unwrap().is_none());
    }

    #[test]
    fn a_folder_in_the_files_place_is_an_io_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_bounded(folder.path(), 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().contains("is a folder"), "{error}");
        assert!(error.help().is_some());
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_a_longer_one_is_malformed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(*read_bounded(&path, 10).unwrap().unwrap().bytes, [7; 10]);
        assert_eq!(read_bounded(&path, 9).unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_refused_and_a_wide_mode_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(read_bounded(Path::new("/dev/null"), 10).unwrap_err().kind(), ErrorKind::Io);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap().unwrap().wide_mode, Some(0o644));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap().unwrap().wide_mode, None);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap_err().kind(), ErrorKind::Io);
    }
}
