//! Reads a configuration file, for programs that name it.

use std::{
    fs::File,
    io::{ErrorKind as IoKind, Read as _},
    path::Path,
};

use modelmesh_secrets::{
    Error, ErrorKind,
    config::{Configuration, Problem, Report},
    document::{Format, Limits},
    setting::ConnectorSpec,
};

/// Reads the configuration file at `path`, with the connectors of `catalogue`.
///
/// What is wrong within it fails nothing here: see [`Configuration::problems`]. Fails with `Io` if it cannot be read,
/// with `Malformed` if it is not UTF-8 text, and with `InvalidConfig` if it is too large, or no document of the format
/// that its name tells.
pub fn read(path: &Path, catalogue: &[ConnectorSpec]) -> Result<Configuration, Box<Report>> {
    let unread = |error| Box::new(Report::new(None, vec![Problem::elsewhere(error)]));
    let format = Format::from_path(path).ok_or_else(|| {
        let message = format!("the format of '{}' cannot be told from its name", path.display());
        let error = Error::new(ErrorKind::InvalidConfig, message);
        unread(error.with_help("a configuration file ends in .yaml, .yml, .json or .toml"))
    })?;
    let text = read_text(path).map_err(unread)?;
    let base = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Fails only where the working folder is gone; what is relative then fails where it is used.
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    Configuration::parse(&path.display().to_string(), base, &text, format, catalogue)
}

fn read_text(path: &Path) -> Result<String, Error> {
    let cannot_read = |error: std::io::Error| {
        let message = match error.kind() {
            IoKind::NotFound => format!("there is no configuration file '{}'", path.display()),
            kind => format!("cannot read the configuration '{}': {kind}", path.display()),
        };
        Error::new(ErrorKind::Io, message).with_source(error)
    };
    let limit = Limits::default().max_bytes as u64;
    let mut bytes = Vec::new();
    // One byte more than is taken: the parser refuses what is too long.
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(cannot_read)?;
    // The cause would hold the text, which may have plaintext keys in it.
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("the configuration '{}' is not UTF-8 text", path.display());
        Error::new(ErrorKind::Malformed, message)
    })
}
