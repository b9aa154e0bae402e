//! What differs between systems: modes, owners, and the syncing of folders.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    path::Path,
};

/// Options that open a file without waiting for the other end of a pipe.
pub(super) fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(flags(rustix::fs::OFlags::NONBLOCK));
    }
    options
}

/// Options that make a file private to its owner, and follow no symbolic link in its place.
pub(crate) fn private_unfollowed() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
    }
    options
}

#[cfg(unix)]
fn flags(flags: rustix::fs::OFlags) -> i32 {
    // The flags are the C library's own, a C `int` that `rustix` holds unsigned.
    flags.bits().cast_signed()
}

/// The mode, if it lets anyone but the owner in.
pub(super) fn wider_than_private(metadata: &Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Gives `new` the owner of the file that it will replace, and the owner's part of its mode.
///
/// Without this, a `set` under sudo would take the file from the person whose secrets it holds.
pub(super) fn inherit(new: &File, old: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
        if new.metadata()?.uid() != old.uid() {
            fchown(new, Some(old.uid()), Some(old.gid()))?;
        }
        let mode = old.mode() & 0o600;
        if mode != 0o600 {
            new.set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (new, old);
    Ok(())
}

/// An open folder, to make a rename in it durable.
pub(crate) struct Folder(#[cfg(unix)] File);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        return File::open(path).map(Folder);
        #[cfg(not(unix))]
        {
            let _ = path;
            Ok(Folder())
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        match self.0.sync_all() {
            // A file system without the call: its renames are as durable as it makes them.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            other => other?,
        }
        Ok(())
    }
}

/// Makes what was created or renamed in the folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    Folder::open(path)?.sync()
}
