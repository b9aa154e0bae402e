//! `modelmesh secrets get`: one value, and nothing else.

use jiff::Timestamp;
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
    let value = chosen.wait(chosen.store().get(&args.name)).map_err(|failure| hint(failure, args))?;
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
        secret_version: value.version().map(modelmesh_secrets::Version::as_str),
        expires_at: value.expires_at().map(|at| at.to_string()),
    })
}
