//! The JSON Schema that is shipped. A test of `modelmesh-stores` holds it to the code.

use crate::steps::{Outcome, output, root, words};

/// Writes it from the tables that the parser reads.
pub(crate) fn write() -> Outcome {
    let schema = output(&mut words("cargo run --quiet --locked -p modelmesh-cli -- schema"))?;
    #[allow(clippy::disallowed_methods, reason = "a file of the repository, under version control")]
    std::fs::write(root().join("docs/modelmesh.schema.json"), schema).map_err(|error| error.to_string())
}
