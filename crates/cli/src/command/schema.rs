//! `modelmesh schema`: the JSON Schema of the configuration, made from the tables that its parser reads.

use std::io;

use modelmesh_secrets::config::json_schema;
use modelmesh_stores::registry::catalogue;

use crate::{failure::Result, output::Output};

/// The document itself, `--json` or not.
pub(super) fn run(output: &mut Output) -> Result<()> {
    let schema = serde_json::to_string_pretty(&json_schema(&catalogue())).map_err(io::Error::from)?;
    output.document(format!("{schema}\n").as_bytes())
}
