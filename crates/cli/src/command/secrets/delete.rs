//! `modelmesh secrets delete`: asks first, then removes one after another and tells of each.

use modelmesh_secrets::{ErrorKind, SecretName, printable};
use serde::Serialize;

use super::Chosen;
use crate::{
    args::DeleteArgs,
    failure::{Failure, Result},
    output::Output,
    prompt,
};

#[derive(Serialize)]
struct Deleted<'a> {
    store: &'a str,
    deleted: Vec<&'a str>,
}

/// - Without a terminal nothing is deleted unless `--yes` says so.
/// - A name that cannot be deleted does not keep the others: each failure is told in the end.
pub(super) fn run(args: &DeleteArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let management = chosen.management()?;
    let names = distinct(&args.names);
    if !args.yes {
        let question = match names[..] {
            [name] => format!("delete '{name}' from {chosen}?"),
            _ => format!("delete {} from {chosen}?", quoted(&names)),
        };
        if !prompt::confirm(&question, "pass --yes to delete without being asked")? {
            output.note("nothing was deleted");
            return Ok(());
        }
    }
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        match chosen.context().block_on(management.delete(name))? {
            Ok(()) => {
                output.note(format_args!("deleted '{name}' from {chosen}"));
                deleted.push(name.as_str());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => errors
                .push(chosen.named(error.with_help("'modelmesh secrets list' shows the names there are"))),
            Err(error) => errors.push(chosen.named(error)),
        }
    }
    if output.is_json() {
        output.json(&Deleted { store: chosen.name(), deleted })?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::from(errors)) }
}

/// The names, each once: the second time there would be nothing to delete.
fn distinct(names: &[SecretName]) -> Vec<&SecretName> {
    let mut seen = std::collections::HashSet::new();
    names.iter().filter(|name| seen.insert(*name)).collect()
}

fn quoted(names: &[&SecretName]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{}'", printable(name.as_str()))).collect();
    quoted.join(", ")
}
