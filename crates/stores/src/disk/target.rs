//! Where a path really leads, and the names of the files that stand beside the file there.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use modelmesh_secrets::{Error, ErrorKind, Result};

use super::refused;

/// As many links as Linux itself follows.
const MAX_LINKS: usize = 40;

/// The place of a file, symbolic links followed. The file need not be there; its folder must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) folder: PathBuf,
    pub(super) name: OsString,
}

impl Target {
    /// Follows `path`. A link whose target is missing leads to where the target would be.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            match std::fs::symlink_metadata(&at) {
                Ok(found) if found.is_symlink() => {
                    let next = std::fs::read_link(&at).map_err(|error| refused("follow", &at, error))?;
                    at = folder_of(&at).join(next);
                }
                Ok(found) if found.is_dir() => {
                    return Err(Error::new(
                        ErrorKind::Io,
                        format!("'{}' is a folder, not a file", path.display()),
                    )
                    .with_help("name a file in it"));
                }
                // Replacing a pipe, or a device such as /dev/null, would take it from everybody else.
                Ok(found) if !found.is_file() => {
                    return Err(Error::new(
                        ErrorKind::Io,
                        format!("'{}' is not a regular file", path.display()),
                    )
                    .with_help("name a file that can be replaced"));
                }
                Ok(_) => return Target::beside(&at),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Target::beside(&at),
                Err(error) => return Err(refused("look at", &at, error)),
            }
        }
        Err(Error::new(ErrorKind::Io, format!("'{}' is a loop of symbolic links", path.display())))
    }

    fn beside(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("'{}' does not name a file", path.display()))
        })?;
        let folder = folder_of(path);
        // Two spellings of one folder must have one lock.
        let folder = folder.canonicalize().map_err(|error| refused("write in folder", folder, error))?;
        Ok(Target { folder, name: name.to_owned() })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.folder.join(self.hidden(".lock"))
    }

    /// What the names of temporary files start with.
    pub(super) fn temporary_prefix(&self) -> OsString {
        self.hidden(".tmp-")
    }

    fn hidden(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(OsStr::new(suffix));
        name
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
