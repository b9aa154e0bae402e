//! The user's own identity: where it lies, and how it is made.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result};
use zeroize::Zeroizing;

use super::identities::recipients_of;
use crate::{
    disk::{refused, sync_folder},
    environment::Environment,
};

/// Where the user's identity lies: `modelmesh/identity.txt` in the configuration folder of the system, which
/// is `$XDG_CONFIG_HOME` or `~/.config`, on macOS `~/Library/Application Support`, on Windows `%APPDATA%`.
///
/// Fails with `Locked` if the environment does not tell where that is.
pub fn default_path(environment: &dyn Environment) -> Result<PathBuf> {
    // A relative path in these variables is to be ignored (XDG Base Directory Specification).
    let folder = |variable| environment.var(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let configuration = if cfg!(windows) {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
    };
    configuration.map(|folder| folder.join("modelmesh").join("identity.txt")).ok_or_else(|| {
        Error::new(ErrorKind::Locked, "there is no identity, and no home folder to look for one in")
            .with_help("set MODELMESH_IDENTITY or MODELMESH_IDENTITY_FILE")
    })
}

/// An identity that [`create`] made or found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Created {
    /// The public key, `age1…`: for the lists of recipients of other people's files.
    pub recipient: String,
    /// The identity file.
    pub path: PathBuf,
    /// Whether it was there before.
    pub existed: bool,
}

/// Makes an X25519 identity at `path`, in a file of mode 0600, in folders of mode 0700 where they are missing.
///
/// - Never overwrites: an identity that is there already, or that another process makes in this moment, stays,
///   and its first recipient is returned.
/// - Fails with `Io` if the system refuses; with `Malformed` or `Locked` if what is there cannot be read.
pub fn create(path: &Path) -> Result<Created> {
    let found = |existed| {
        let mut recipients = recipients_of(path)?;
        Ok(Created { recipient: recipients.swap_remove(0), path: path.to_owned(), existed })
    };
    match std::fs::symlink_metadata(path) {
        Ok(_) => return found(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused("look at", path, error)),
    }
    let cannot_write = |error| refused("write", path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_private_folders(folder).map_err(cannot_write)?;
    let mut file =
        tempfile::Builder::new().prefix(".identity.tmp-").tempfile_in(folder).map_err(cannot_write)?;
    file.write_all(&new_identity()).map_err(cannot_write)?;
    file.as_file().sync_all().map_err(cannot_write)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            sync_folder(folder).map_err(cannot_write)?;
            // The folders above, which may be new: their entries matter as much, and may not be ours to sync.
            for above in folder.ancestors().skip(1).take(2) {
                let _ = sync_folder(above);
            }
        }
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => return found(true),
        Err(failed) => return Err(cannot_write(failed.error)),
    }
    found(false)
}

/// A file in the form that `age-keygen` writes.
fn new_identity() -> Zeroizing<Vec<u8>> {
    let identity = age::x25519::Identity::generate();
    let text = identity.to_string();
    let head = format!("# created: {:.0}\n# public key: {}\n", Timestamp::now(), identity.to_public());
    let mut file = Zeroizing::new(Vec::with_capacity(head.len() + text.expose_secret().len() + 1));
    file.extend_from_slice(head.as_bytes());
    file.extend_from_slice(text.expose_secret().as_bytes());
    file.push(b'\n');
    file
}

fn make_private_folders(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
