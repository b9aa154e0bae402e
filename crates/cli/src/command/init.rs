//! `modelmesh init`: what is needed to start, made where it is missing.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use modelmesh_secrets::{Error, ErrorKind, printable};
use modelmesh_stores::{
    age_file::identity::{self, Created},
    environment::{Environment as _, ProcessEnvironment, variable},
};
use serde::Serialize;

use crate::{
    args::InitArgs,
    context::FILE_NAMES,
    failure::Result,
    output::{Output, style},
    process::Hardened,
};

/// The configuration to start from. It uses one secret, so that the first steps lead through all there is.
const STARTER: &str = include_str!("init.yaml");

/// The line of [`STARTER`] after which the recipients of a passphrase's store stand.
const PATH_LINE: &str = "  path: secrets.age\n";

#[derive(Serialize)]
struct Initialized<'a> {
    config: Made<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<MadeIdentity<'a>>,
}

#[derive(Serialize)]
struct Made<'a> {
    path: &'a str,
    created: bool,
}

#[derive(Serialize)]
struct MadeIdentity<'a> {
    #[serde(flatten)]
    file: Made<'a>,
    recipient: &'a str,
}

/// - Nothing that is there is changed: running it again makes what is missing and nothing else.
/// - No identity is made where the store is to have a passphrase, or where `MODELMESH_IDENTITY` gives one.
pub(super) fn run(args: &InitArgs, hardened: &Hardened, output: &mut Output) -> Result<()> {
    let folder = &args.folder;
    hardened
        .restored(|| fs::create_dir_all(folder))
        .map_err(|error| cannot("make the folder", folder, error))?;
    let identity = make_identity(args)?;
    let (config, created) = make_configuration(folder, args.passphrase, hardened)?;

    let config_path = config.to_string_lossy();
    if output.is_json() {
        let identity_path = identity.as_ref().map(|identity| identity.path.to_string_lossy());
        return output.json(&Initialized {
            config: Made { path: &config_path, created },
            identity: identity.as_ref().zip(identity_path.as_deref()).map(|(identity, path)| MadeIdentity {
                file: Made { path, created: !identity.existed },
                recipient: &identity.recipient,
            }),
        });
    }
    if let Some(identity) = &identity {
        tell_identity(identity, output)?;
    }
    tell(if created { "made" } else { "kept" }, "configuration", &config_path, output)?;
    tell_next(folder, created, args.passphrase, output)
}

fn make_identity(args: &InitArgs) -> Result<Option<Created>> {
    let given = |name| ProcessEnvironment.var(name).filter(|value| !value.is_empty());
    if args.passphrase || given(variable::IDENTITY).is_some() {
        return Ok(None);
    }
    let path = match given(variable::IDENTITY_FILE) {
        Some(path) => PathBuf::from(path),
        None => identity::default_path(&ProcessEnvironment)?,
    };
    Ok(Some(identity::create(&path)?))
}

/// The configuration file of the folder, and whether it was made now.
fn make_configuration(folder: &Path, passphrase: bool, hardened: &Hardened) -> Result<(PathBuf, bool)> {
    let there = FILE_NAMES.iter().map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there {
        return Ok((path, false));
    }
    let text = if passphrase {
        STARTER.replace(PATH_LINE, &format!("{PATH_LINE}  recipients: passphrase\n"))
    } else {
        STARTER.to_owned()
    };
    let path = folder.join(FILE_NAMES[0]);
    match hardened.restored(|| write_new(folder, &path, &text)) {
        Ok(()) => Ok((path, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((path, false)),
        Err(error) => Err(cannot("write", &path, error).into()),
    }
}

/// Makes a file that is there whole or not at all, with the mode that the user's files have: it holds no secret,
/// and others of the team read it.
fn write_new(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".modelmesh.tmp-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map(drop).map_err(|failed| failed.error)
}

fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {doing} '{}': {}", path.display(), error.kind()))
        .with_source(error)
}

fn tell(what: &str, thing: &str, path: &str, output: &mut Output) -> Result<()> {
    let path = printable(path.strip_prefix("./").unwrap_or(path));
    output.line(format_args!("{}{what}{:#} the {thing} {path}", style::GOOD, style::GOOD))
}

fn tell_identity(identity: &Created, output: &mut Output) -> Result<()> {
    let what = if identity.existed { "kept" } else { "made" };
    tell(what, "identity", &identity.path.to_string_lossy(), output)?;
    if !identity.existed {
        output.line("     It opens your stores: keep a copy in a safe place, and commit it nowhere.")?;
    }
    output.line(format_args!(
        "     Its public key, for the stores of others: {}",
        printable(&identity.recipient)
    ))
}

fn tell_next(folder: &Path, created: bool, passphrase: bool, output: &mut Output) -> Result<()> {
    let (strong, faint) = (style::STRONG, style::FAINT);
    output.line(format_args!("\n{strong}Next{strong:#}"))?;
    if folder != Path::new(".") {
        output.line(format_args!("  cd {}", printable(&folder.to_string_lossy())))?;
    }
    let asks = if passphrase { "asks for the value and the new passphrase" } else { "asks for the value" };
    let name = if created { "openai-key" } else { "NAME" };
    for (command, does) in [
        (format!("modelmesh secrets set {name}"), asks),
        ("modelmesh check".to_owned(), "does every reference resolve?"),
        ("modelmesh run -- ./app".to_owned(), "runs ./app with the variables of 'env:'"),
    ] {
        output.line(format_args!("  {command:<34}{faint}{does}{faint:#}"))?;
    }
    if created {
        output.line(format_args!(
            "\n{faint}The store, secrets.age, is made by the first 'set'. It is encrypted and can be committed.{faint:#}"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{config::Configuration, document::Format};
    use modelmesh_stores::registry::catalogue;

    use super::*;

    #[test]
    fn the_starter_is_a_valid_configuration_with_the_secret_of_the_first_steps() {
        let configuration =
            Configuration::parse("m.yaml", "/".into(), STARTER, Format::Yaml, &catalogue()).unwrap();
        assert_eq!(configuration.problems().len(), 0, "{:?}", configuration.problems());
        let names: Vec<&str> = configuration.usage().references().iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["openai-key"]);
        assert_eq!(configuration.env()[0].name, "OPENAI_API_KEY");
        assert!(STARTER.contains(PATH_LINE));
    }
}
