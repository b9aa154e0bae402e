//! `modelmesh render`: the configuration with its references resolved.

use std::path::Path;

use modelmesh_secrets::{Error, ErrorKind, config::Source, document::NodeId, printable};
use modelmesh_stores::disk;
use serde::Serialize;

use super::examination::Examination;
use crate::{
    args::{Global, RenderArgs},
    context::Context,
    failure::{Failure, Result},
    output::Output,
};

#[derive(Serialize)]
struct Rendered<'a> {
    file: &'a str,
    /// How many different ones were resolved.
    references: usize,
}

/// - The scalars that hold references or escapes are replaced, whole; every other byte stays, the `secrets:`
///   section and its bootstrap references too.
/// - Nothing is written unless every reference resolves. A text in which a secret is missing, and may be
///   (`fail_on_missing: false`), becomes empty, with a warning: half of a URL is worse than none.
pub(super) fn run(args: &RenderArgs, global: &Global, output: &mut Output) -> Result<()> {
    let target = args.target.file();
    if target.is_none() && output.is_terminal() && !args.target.reveal {
        return Err(Failure::usage("values are not shown on a terminal")
            .with_help("write a file with '-o FILE', or pass --reveal"));
    }
    let context = Context::load_for_references(global)?;
    let configuration = context.require_file()?;
    if let (Some(target), Some(source)) = (target, configuration.source()) {
        keep_source(target, source)?;
    }
    let (resolution, report) = Examination::of(&context)?.require()?;
    output.report(&report);
    let Some(document) = configuration.document() else { return Ok(()) };
    let texts = resolution.texts()?;
    let replacements: Vec<(NodeId, &str)> =
        texts.iter().map(|(node, text)| (*node, text.as_ref().map_or("", |text| text.as_str()))).collect();
    let rendered = document.replace(&replacements)?;
    let Some(target) = target else {
        return output.document(rendered.as_bytes());
    };
    disk::replace(target, rendered.as_bytes())?;
    let file = target.to_string_lossy();
    let references = configuration.usage().references().len();
    if output.is_json() {
        return output.json(&Rendered { file: &file, references });
    }
    let s = if references == 1 { "" } else { "s" };
    output.note(format_args!(
        "wrote '{}', readable by you alone: {references} reference{s} resolved",
        printable(&file)
    ));
    Ok(())
}

/// Refuses to write values over the file that refers to them.
fn keep_source(target: &Path, source: &Source) -> Result<()> {
    let same = match (target.canonicalize(), Path::new(source.name()).canonicalize()) {
        (Ok(target), Ok(source)) => target == source,
        _ => false,
    };
    if same {
        let message = format!("'{}' is the configuration itself", printable(&target.to_string_lossy()));
        return Err(Error::new(ErrorKind::InvalidConfig, message).with_help("give another file").into());
    }
    Ok(())
}
