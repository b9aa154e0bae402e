//! The audit log of a configuration: the file, and who writes it.

use std::{fs::File, path::Path};

use modelmesh_secrets::{Error, ErrorKind, Result, config::Configuration, observe::AuditLog};

use crate::{
    disk::{private_unfollowed, refused},
    environment::Environment,
};

/// The audit log that `configuration` asks for with `audit_log`; none if it asks for none.
///
/// - The file is made if there is none, with mode 0600. One that is there keeps its mode: a program that ships
///   logs may have to read it.
/// - Lines are appended, and other processes may append to the same file.
/// - Each line tells who wrote it, as `USER@PROCESS:PROGRAM`: the number of the user (on Windows, the name), the
///   number of this process, and the file name of its program.
/// - Fails with `InvalidConfig` if a variable in the path is not set, and with `Io` if the file cannot be opened
///   or is not a regular file. A symbolic link in its place is not followed.
pub fn open(configuration: &Configuration, environment: &dyn Environment) -> Result<Option<AuditLog>> {
    let variable = |name: &str| environment.var(name)?.into_string().ok();
    let Some(path) = configuration.audit_log(&variable)? else { return Ok(None) };
    Ok(Some(AuditLog::new(open_to_append(&path)?, who(environment))))
}

/// Opens the file to append to it in place. It is not replaced whole as files of secrets are: it only grows,
/// others append to it too, and one write at its end is atomic for them.
fn open_to_append(path: &Path) -> Result<File> {
    let unfit = |what: &str| {
        Error::new(ErrorKind::Io, format!("the audit log '{}' is {what}", path.display()))
            .with_help("give 'audit_log' the path of a regular file, or of one that does not exist yet")
    };
    let file = private_unfollowed().append(true).create(true).open(path);
    let file = file.map_err(|error| match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => unfit("a symbolic link, which is not followed"),
        Ok(found) if found.is_dir() => unfit("a folder"),
        Ok(found) if !found.is_file() => unfit("not a regular file"),
        _ => refused("append to", path, error),
    })?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(unfit("not a regular file")),
        Err(error) => Err(refused("append to", path, error)),
    }
}

fn who(environment: &dyn Environment) -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).unwrap_or("?".as_ref());
    format!("{}@{}:{}", user(environment), std::process::id(), program.to_string_lossy())
}

/// The user as the system knows them: a variable such as `USER` is what anyone says of themselves.
#[cfg(unix)]
fn user(_: &dyn Environment) -> String {
    rustix::process::geteuid().as_raw().to_string()
}

#[cfg(not(unix))]
fn user(environment: &dyn Environment) -> String {
    environment.var("USERNAME").map_or_else(|| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

    use std::io::Write as _;

    use modelmesh_secrets::document::Format;

    use super::*;
    use crate::{environment::FixedEnvironment, registry};

    fn configuration(folder: &Path, text: &str) -> Configuration {
        let catalogue = registry::catalogue();
        Configuration::parse("m.yaml", folder.to_owned(), text, Format::Yaml, &catalogue).unwrap()
    }

    fn open_in(folder: &Path, path: &str) -> Result<Option<AuditLog>> {
        let text = format!("secrets: {{audit_log: '{path}'}}");
        open(&configuration(folder, &text), &FixedEnvironment::default())
    }

    #[test]
    fn without_the_setting_there_is_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let none = open(&configuration(folder.path(), "secrets: {}"), &FixedEnvironment::default());
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn the_path_may_be_filled_in_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = configuration(folder.path(), "secrets: {audit_log: '${env:LOG}.jsonl'}");
        open(&configuration, &FixedEnvironment::new([("LOG", "audit")])).unwrap().unwrap();
        assert!(folder.path().join("audit.jsonl").is_file());
        let error = open(&configuration, &FixedEnvironment::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }

    #[test]
    fn what_is_in_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "before\n").unwrap();
        let (mut one, mut other) = (open_to_append(&path).unwrap(), open_to_append(&path).unwrap());
        one.write_all(b"one\n").unwrap();
        other.write_all(b"other\n").unwrap();
        one.write_all(b"one again\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\none\nother\none again\n");
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_in(folder.path(), ".").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().ends_with("is a folder") && error.help().is_some(), "{error}");
        let error = open_in(folder.path(), "none/audit.jsonl").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.help().is_some(), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_a_pipe_and_a_symbolic_link_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::os::unix::fs::symlink("victim", folder.path().join("link")).unwrap();
        for (path, what) in
            [("/dev/null", "regular file"), ("pipe", "regular file"), ("link", "symbolic link")]
        {
            let error = open_in(folder.path(), path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.message().contains(what), "{error}");
        }
        assert!(!folder.path().join("victim").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
        open_to_append(&path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        open_to_append(&path).unwrap();
        assert_eq!(mode(), 0o640);
    }

    #[test]
    fn who_tells_the_process_and_the_program() {
        let who = who(&FixedEnvironment::new([("USERNAME", "ann"), ("USER", "mallory")]));
        assert!(who.contains(&format!("@{}:", std::process::id())) && !who.contains("mallory"), "{who}");
    }
}
