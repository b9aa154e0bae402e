//! `modelmesh secrets export`: all secrets, in a file that `import` reads back exactly.

use std::path::Path;

use modelmesh_secrets::{Error, ErrorKind, printable};
use modelmesh_stores::disk;
use serde::Serialize;

use super::{Chosen, bundle, import::by_name};
use crate::{
    args::{ExportArgs, Format},
    failure::{Failure, Result},
    output::Output,
};

#[derive(Serialize)]
struct Exported<'a> {
    store: &'a str,
    file: &'a str,
    names: Vec<&'a str>,
}

/// - The file is replaced whole, and readable by its owner alone.
/// - Without a file, `--json` asks for the JSON format: the document itself is the result.
pub(super) fn run(args: &ExportArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let target = args.target.file();
    if target.is_none() && output.is_terminal() && !args.target.reveal {
        return Err(Failure::usage("values are not shown on a terminal")
            .with_help("write a file with '-o FILE', or pass --reveal"));
    }
    let by_default = if output.is_json() && target.is_none() { Format::Json } else { Format::Dotenv };
    let format = args.format.or_else(|| by_name(target?)).unwrap_or(by_default);
    if let Some(path) = target {
        keep_store(path, chosen)?;
    }
    let secrets = chosen.all()?;
    let text = bundle::write(&secrets, format)?;
    let Some(path) = target else {
        return output.document(text.as_bytes());
    };
    disk::replace(path, text.as_bytes())?;
    let file = path.to_string_lossy();
    if output.is_json() {
        let names = secrets.iter().map(|(name, _)| name.as_str()).collect();
        return output.json(&Exported { store: chosen.name(), file: &file, names });
    }
    let count = secrets.len();
    output.note(format_args!("exported {count} secrets of {chosen} to '{}'", printable(&file)));
    if !secrets.is_empty() {
        output.warn(
            "the file is not encrypted",
            Some("delete it when it has served, and keep it out of version control"),
        );
    }
    Ok(())
}

/// Refuses to write the export over the store itself.
fn keep_store(path: &Path, chosen: &Chosen<'_>) -> Result<()> {
    let Some(store) = chosen.path() else { return Ok(()) };
    let same = match (path.canonicalize(), store.canonicalize()) {
        (Ok(path), Ok(store)) => path == store,
        _ => false,
    };
    if same {
        let message = format!("'{}' is the store's own file", printable(&path.to_string_lossy()));
        let error = Error::new(ErrorKind::InvalidConfig, message);
        return Err(chosen.named(error.with_help("give another file")).into());
    }
    Ok(())
}
