//! Reads a configuration file.

use std::{
    fs::{self, File, Metadata},
    io::{ErrorKind as IoKind, Read as _},
    path::{Path, PathBuf},
};

use modelmesh_secrets::{
    Error, ErrorKind, Result,
    config::{Configuration, Problem, Report},
    document::{Format, Limits},
    setting::ConnectorSpec,
};

/// Reads the configuration file at `path`, with the connectors of `catalogue`.
///
/// What is wrong within it fails nothing here: see [`Configuration::problems`]. Fails as [`read_text`] and [`format_of`]
/// do, and with `InvalidConfig` if it is no document of the format that its name tells.
pub fn read(path: &Path, catalogue: &[ConnectorSpec]) -> Result<Configuration, Box<Report>> {
    let unread = |error| Box::new(Report::new(None, vec![Problem::elsewhere(error)]));
    let text = read_text(path).map_err(unread)?;
    let format = format_of(path).map_err(unread)?;
    Configuration::parse(&path.display().to_string(), base_of(path), &text, format, catalogue)
}

/// The format that the name of a configuration file tells. `InvalidConfig` if it tells none.
pub fn format_of(path: &Path) -> Result<Format> {
    Format::from_path(path).ok_or_else(|| {
        invalid(format!("the format of '{}' cannot be told from its name", path.display()))
            .with_help("a configuration file ends in .yaml, .yml, .json or .toml")
    })
}

/// The folder to which paths in the configuration file at `path` are relative.
pub fn base_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Fails only where the working folder is gone; what is relative then fails where it is used.
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// The text of the configuration file at `path`.
///
/// Fails with `Io` if it cannot be read, with `Malformed` if it is not UTF-8 text, and with `InvalidConfig` if it is too
/// large, or no regular file.
pub fn read_text(path: &Path) -> Result<String> {
    let metadata = metadata(path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "is a folder" } else { "is not a regular file" };
        return Err(invalid(format!("the configuration '{}' {what}", path.display())));
    }
    let limit = Limits::default().max_bytes;
    let file = File::open(path).map_err(|error| cannot_read(path, error))?;
    let mut bytes =
        Vec::with_capacity(usize::try_from(metadata.len()).map_or(0, |length| length.min(limit) + 1));
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| cannot_read(path, error))?;
    if bytes.len() > limit {
        return Err(invalid(format!("the configuration '{}' is too large", path.display()))
            .with_help(format!("at most {limit} bytes are read")));
    }
    // The cause would hold the text, which may have plaintext keys in it.
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::Malformed, format!("the configuration '{}' is not UTF-8 text", path.display()))
            .with_help(format!("byte {} is the first that is not", at + 1))
    })
}

/// What the system says of the configuration file at `path`. Fails with `Io`.
pub fn metadata(path: &Path) -> Result<Metadata> {
    fs::metadata(path).map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &Path, error: std::io::Error) -> Error {
    let path = path.display();
    if error.kind() == IoKind::NotFound {
        return Error::new(ErrorKind::Io, format!("there is no configuration file '{path}'"));
    }
    Error::new(ErrorKind::Io, format!("cannot read the configuration '{path}': {}", error.kind()))
        .with_source(error)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}
