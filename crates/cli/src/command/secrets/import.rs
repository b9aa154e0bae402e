//! `modelmesh secrets import`: the secrets of a file, all of them or none.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use modelmesh_secrets::{
    Change, Error, ErrorKind, ExposeSecret as _, Naming, NamingRule, SecretManagement as _, SecretName,
    SecretResolution as _, SecretString, SecretValue, config::StoreEntry, printable, setting::Settings,
};
use modelmesh_stores::{
    disk::{MAX_BYTES, read_bounded},
    encrypted_file::{CONNECTOR, EncryptedFile, EncryptedFileStore, KeySource, import_obfuscated},
    file::FileFormat,
};

use super::{
    Chosen,
    bundle::{self, Bundle, Parsed},
    changes::Plan,
};
use crate::{
    args::{Format, ImportArgs},
    failure::{Failure, Result},
    output::Output,
    prompt::{Buffer, MAX_VALUE},
};

pub(super) fn run(args: &ImportArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    chosen.management()?;
    let Parsed { secrets, without_value } = read(args, chosen)?;
    if !without_value.is_empty() {
        let message = format!("names without a value are skipped: {}", quoted(&without_value));
        output.warn(&message, Some("write NAME= if an empty value is meant"));
    }
    let secrets = named(secrets, args.kebab, &chosen.naming())?;
    let refused: Vec<Error> =
        secrets.iter().filter_map(|(name, value)| chosen.check(name, Some(value)).err()).collect();
    if !refused.is_empty() {
        return Err(Failure::from(refused));
    }
    let mut plan = compare(secrets, args, chosen)?;
    plan.skipped.extend(without_value);
    plan.apply(chosen, output)
}

/// What is to be done, given what the store holds. Fails if that would change a secret and nobody allowed it.
fn compare(secrets: Bundle, args: &ImportArgs, chosen: &Chosen<'_>) -> Result<Plan> {
    let names: Vec<SecretName> = secrets.iter().map(|(name, _)| name.clone()).collect();
    let stored = chosen.wait_all(chosen.store().stored(&names))?;
    let mut plan = Plan::default();
    let mut existing = Vec::new();
    let mut errors = Vec::new();
    for ((name, value), held) in secrets.into_iter().zip(stored) {
        match held {
            Ok(held) if held.same_value(&value) => plan.unchanged.push(name.as_str().to_owned()),
            Ok(_) if args.skip_existing => plan.skipped.push(name.as_str().to_owned()),
            Ok(_) if !args.overwrite => existing.push(name.as_str().to_owned()),
            Ok(held) => plan.changes.push(Change { name, before: Some(held), after: Some(value) }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                plan.changes.push(Change { name, before: None, after: Some(value) });
            }
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Failure::from(errors));
    }
    if !existing.is_empty() {
        let message = format!("it already has other values under these names: {}", quoted(&existing));
        let error = Error::new(ErrorKind::Conflict, message);
        let advice = "nothing was written: --overwrite replaces their values, --skip-existing leaves them";
        return Err(chosen.named(error.with_help(advice)).into());
    }
    Ok(plan)
}

/// The secrets under the names that the store gives them.
///
/// Fails with `InvalidName` for each name that cannot be written so, and for two that become one.
fn named(secrets: Bundle, kebab: bool, naming: &Naming) -> Result<Bundle> {
    let rule = Naming::new("", if kebab { NamingRule::Kebab } else { NamingRule::AsIs });
    let mut sources: HashMap<SecretName, SecretName> = HashMap::new();
    let mut renamed = Vec::with_capacity(secrets.len());
    let mut errors = Vec::new();
    for (source, value) in secrets {
        match rule.canonical(&source).and_then(|name| naming.canonical(&name)) {
            Err(error) => errors.push(error.renamed(&source)),
            Ok(name) => match sources.insert(name.clone(), source.clone()) {
                None => renamed.push((name, value)),
                Some(other) => {
                    let message = format!("'{other}' becomes the same name, '{name}'");
                    let error = Error::new(ErrorKind::InvalidName, message).with_name(&source);
                    errors.push(error.with_help("remove one of the two; nothing was written"));
                }
            },
        }
    }
    if errors.is_empty() { Ok(renamed) } else { Err(Failure::from(errors)) }
}

fn read(args: &ImportArgs, chosen: &Chosen<'_>) -> Result<Parsed> {
    let standard_input = args.file == Path::new("-");
    let text = if standard_input { read_standard_input()? } else { read_file(&args.file)? };
    let text = text.expose_secret();
    let shown = if standard_input { "standard input".into() } else { args.file.to_string_lossy() };
    let format = match args.format.or_else(|| by_name(&args.file)) {
        Some(format) => format,
        None if text.trim_start().starts_with('{') => Format::Json,
        None => {
            return Err(Failure::usage(format!(
                "the format of '{}' cannot be told from its name",
                printable(&shown)
            ))
            .with_help("give it: --format dotenv, json, yaml or toml"));
        }
    };
    if format == Format::Json
        && let Some(algorithm) = bundle::is_encrypted_file(text)
    {
        if standard_input {
            return Err(Failure::usage("an encrypted file cannot be read from standard input")
                .with_help("give its path"));
        }
        let secrets = open_encrypted(&args.file, &algorithm, chosen)?;
        return Ok(Parsed { secrets, without_value: Vec::new() });
    }
    Ok(bundle::parse(text, format, &shown)?)
}

/// The format that a file's name tells.
pub(super) fn by_name(path: &Path) -> Option<Format> {
    Some(match FileFormat::from_path(path)? {
        FileFormat::Env => Format::Dotenv,
        FileFormat::Json => Format::Json,
        FileFormat::Toml => Format::Toml,
        FileFormat::Yaml => Format::Yaml,
        _ => return None,
    })
}

fn read_standard_input() -> Result<SecretString> {
    let mut buffer = Buffer::default();
    buffer.read_to_end(io::stdin().lock(), MAX_VALUE)?;
    Ok(buffer.into_text()?)
}

fn read_file(path: &Path) -> Result<SecretString> {
    let shown = path.to_string_lossy();
    let Some(contents) = read_bounded(path, MAX_BYTES)? else {
        let error = Error::new(ErrorKind::Io, format!("there is no file '{}'", printable(&shown)));
        return Err(error.with_help("check the path").into());
    };
    let text = std::str::from_utf8(&contents.bytes).map_err(|error| {
        let line = 1 + contents.bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::new(ErrorKind::Malformed, format!("'{}' line {line}: not UTF-8 text", printable(&shown)))
            .with_help("save the file as UTF-8; an encrypted file of another format is read by the tool that made it")
    })?;
    Ok(text.into())
}

/// The settings of the configured store that has this file, for its key and its rounds; nothing if none has.
fn settings_of(path: &Path, chosen: &Chosen<'_>) -> Result<Settings> {
    let context = chosen.context();
    let of_the_kind =
        |entry: &&StoreEntry| entry.connector().is_some_and(|spec| spec.id == CONNECTOR.spec.id);
    let wanted = path.canonicalize().ok();
    for entry in context.configuration().stores().filter(of_the_kind) {
        let settings = context.block_on(context.store_set()?.settings(entry))??;
        let file = settings.path("file_path").and_then(|file| file.canonicalize().ok());
        if file.is_some() && file == wanted {
            return Ok(settings);
        }
    }
    Ok(Settings::default())
}

/// The secrets of a file of `modelmesh.encrypted-file.v1`, opened by its passphrase or key.
fn open_encrypted(path: &PathBuf, algorithm: &str, chosen: &Chosen<'_>) -> Result<Bundle> {
    let context = chosen.context();
    let key = KeySource::from_settings(&settings_of(path, chosen)?, context.open_context())?;
    let secrets: Vec<(String, SecretValue)> = if algorithm == "xor-obfuscation" {
        import_obfuscated(path, &key)?
    } else {
        let store = EncryptedFileStore::new(path, EncryptedFile::new(path, key));
        let names = context.block_on(store.list())??;
        let values = context.block_on(store.get_many(&names))?;
        let pairs = names.into_iter().zip(values);
        return Ok(pairs.map(|(name, value)| Ok((name, value?))).collect::<Result<_, Error>>()?);
    };
    let checked = secrets.into_iter().map(|(name, value)| Ok((SecretName::new(name)?, value)));
    Ok(checked.collect::<Result<_, Error>>()?)
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{}'", printable(name))).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(names: &[&str]) -> Bundle {
        names.iter().map(|name| (SecretName::new(name).unwrap(), "x".into())).collect()
    }

    fn names(bundle: &Bundle) -> Vec<&str> {
        bundle.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn variables_become_kebab_names_where_that_is_asked_for() {
        let secrets = named(bundle(&["OPENAI_API_KEY"]), true, &Naming::default()).unwrap();
        assert_eq!(names(&secrets), ["openai-api-key"]);
        let secrets = named(bundle(&["OPENAI_API_KEY"]), false, &Naming::default()).unwrap();
        assert_eq!(names(&secrets), ["OPENAI_API_KEY"]);
    }

    #[test]
    fn two_names_that_become_one_are_refused() {
        let naming = Naming::new("", NamingRule::ScreamingSnake);
        assert!(named(bundle(&["a-b", "A_B"]), false, &naming).is_err());
        assert!(named(bundle(&["a-b", "A_B"]), false, &Naming::default()).is_ok());
    }
}
