//! How every file of secrets is read and written: one protocol, in one place.
//!
//! - A **read** needs no lock and no writable folder. It takes whole regular files of bounded size.
//! - A **write** takes a kernel lock on a sibling file ([`Writer::lock`]), reads the newest contents, writes
//!   a temporary file beside the old one with mode 0600, syncs it, renames it over the old one and syncs the
//!   folder. A crash at any point leaves the old file or the new one, and the next writer removes what was
//!   left. Where that is not possible the write is refused; nothing is ever written in place.
//! - A symbolic link is written at its target, and the lock and the temporary file stand beside the target,
//!   so that two names of one file have one lock.
//!
//! [`FileStore`] makes a store of a [`Codec`] on top of this.

mod fingerprint;
mod lock;
mod permissions;
mod read;
mod replace;
mod store;
mod target;

use std::{io, path::Path};

use modelmesh_secrets::{Error, ErrorKind};

pub use fingerprint::Fingerprint;
pub use lock::LOCK_WAIT;
pub(crate) use permissions::{private_unfollowed, sync_folder};
pub use read::{Contents, MAX_BYTES, read_bounded};
pub use replace::{Writer, replace, update};
pub use store::{Codec, Document, FileStore};

/// The error of a file operation that the operating system refused: `doing` completes "cannot …".
pub(crate) fn refused(doing: &str, path: &Path, cause: io::Error) -> Error {
    let error = Error::new(ErrorKind::Io, format!("cannot {doing} '{}': {}", path.display(), cause.kind()));
    match advice(&cause) {
        Some(advice) => error.with_help(advice),
        None => error,
    }
    .with_source(cause)
}

fn advice(cause: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    Some(match cause.kind() {
        Kind::PermissionDenied => "check the owner and the mode of the file and of its folder",
        Kind::NotFound => "check the path; a missing folder is not made",
        Kind::NotADirectory => "a part of the path that should be a folder is a file",
        Kind::StorageFull | Kind::QuotaExceeded => "free some space and try again; the file is as it was",
        Kind::ReadOnlyFilesystem => "the file system is mounted read-only: write from where it is not",
        Kind::ResourceBusy | Kind::CrossesDevices => {
            "the file seems to be mounted by itself, so it cannot be replaced whole: mount its folder instead"
        }
        _ => return None,
    })
}
