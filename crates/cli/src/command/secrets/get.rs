//! `modelmesh secrets get`: one value, and nothing else.

use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, Version};
use serde::Serialize;

use super::Chosen;
use crate::{args::GetArgs, failure::Result, output::Output};

#[derive(Serialize)]
struct Got<'a> {
    store: &'a str,
    name: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

pub(super) fn run(args: &GetArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let answer = chosen.context().block_on(chosen.store().get(&args.name))?;
    let value = answer.map_err(|error| chosen.named(hint(error)))?;
    if let Some(at) = value.expires_at().filter(|at| *at <= Timestamp::now()) {
        output.warn(&format!("'{}' has expired at {at}", args.name), Some("store a new value with 'set'"));
    }
    if !output.is_json() {
        return output.value(value.secret());
    }
    output.json(&Got {
        store: chosen.name(),
        name: args.name.as_str(),
        value: value.expose(),
        secret_version: value.version().map(Version::as_str),
        expires_at: value.expires_at().map(|at| at.to_string()),
    })
}

/// Says what to try where the store does not.
fn hint(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound && error.help().is_none() {
        return error.with_help("'modelmesh secrets list' shows the names there are, 'set' makes one");
    }
    error
}
