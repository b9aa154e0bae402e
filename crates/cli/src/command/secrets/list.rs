//! `modelmesh secrets list`: names, sorted, one a line. No value is asked for.

use modelmesh_secrets::SecretName;
use serde::Serialize;

use super::Chosen;
use crate::{failure::Result, output::Output};

#[derive(Serialize)]
struct Listed<'a> {
    store: &'a str,
    names: Vec<&'a str>,
}

pub(super) fn run(chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let names = chosen.wait(chosen.management()?.list())?;
    if output.is_json() {
        let names = names.iter().map(SecretName::as_str).collect();
        return output.json(&Listed { store: chosen.name(), names });
    }
    if names.is_empty() && output.is_terminal() {
        output.note(format_args!("{chosen} holds no secrets"));
    }
    // Escaped by `Display`, into a pipe too: what reads it may be a terminal in the end.
    names.iter().try_for_each(|name| output.line(name))
}
