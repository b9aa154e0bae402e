//! `modelmesh check`: does every reference resolve?

use std::collections::BTreeMap;

use modelmesh_secrets::{
    config::{Backing, Configuration, DEFAULT_STORE, Report},
    printable,
};
use serde::Serialize;

use super::examination::Examination;
use crate::{
    args::{CheckArgs, Global},
    context::Context,
    exit::Exit,
    failure::{Failure, Result},
    output::{Described, Output, style},
};

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    file: &'a str,
    offline: bool,
    references: usize,
    stores: Vec<Used>,
    problems: Vec<Described<'a>>,
}

/// A store, and how many references go to it.
#[derive(Serialize)]
struct Used {
    name: String,
    connector: String,
    references: usize,
}

/// - Everything that is wrong is reported at once: in the file, and with what its stores answer.
/// - A store that no reference outside `secrets:` needs is not opened: on a developer's machine the
///   credentials of production need not be there.
/// - With `--json` the problems are the result, on standard output.
pub(super) fn run(args: &CheckArgs, global: &Global, output: &mut Output) -> Result<()> {
    let context = match Context::load_for_references(global) {
        Ok(context) => context,
        // Even a file that cannot be parsed has its problems listed like all others.
        Err(failure) => {
            return match failure.report() {
                Some(report) if output.is_json() => not_parsed(report, args, output),
                _ => Err(failure),
            };
        }
    };
    let configuration = context.require_file()?;
    let examination = if args.offline { Examination::offline(&context) } else { Examination::of(&context)? };
    let report = examination.report;
    let used = used(configuration);
    if output.is_json() {
        let checked = Checked {
            ok: !report.has_errors(),
            file: report.source().map_or("", |source| source.name()),
            offline: args.offline,
            references: configuration.usage().references().len(),
            stores: used,
            problems: Described::report(&report),
        };
        output.json(&checked)?;
        return ended(&report);
    }
    if report.has_errors() {
        return Err(Failure::from(Box::new(report)));
    }
    output.report(&report);
    told(configuration, &report, &used, args.offline, output)
}

fn not_parsed(report: &Report, args: &CheckArgs, output: &mut Output) -> Result<()> {
    output.json(&Checked {
        ok: false,
        file: report.source().map_or("", |source| source.name()),
        offline: args.offline,
        references: 0,
        stores: Vec::new(),
        problems: Described::report(report),
    })?;
    ended(report)
}

/// Ends as the report says, where `--json` has told it already.
pub(super) fn ended(report: &Report) -> Result<()> {
    match Exit::of_all(report.kinds()) {
        Exit::DONE => Ok(()),
        exit => Err(Failure::reported(exit)),
    }
}

/// The stores that references go to, by name.
fn used(configuration: &Configuration) -> Vec<Used> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reference in configuration.usage().references() {
        *counts.entry(reference.store.as_deref().unwrap_or(DEFAULT_STORE)).or_default() += 1;
    }
    let known = counts.into_iter().filter_map(|(name, references)| {
        let connector = backing(&configuration.store(name)?.backing);
        Some(Used { name: name.to_owned(), connector, references })
    });
    known.collect()
}

/// What is behind a store, in words.
pub(super) fn backing(backing: &Backing) -> String {
    match backing {
        Backing::Connector(spec) => spec.id.to_owned(),
        Backing::Chain(links) => format!("chain of {}", links.join(", ")),
        _ => "(its entry is wrong)".to_owned(),
    }
}

fn told(
    configuration: &Configuration,
    report: &Report,
    used: &[Used],
    offline: bool,
    output: &mut Output,
) -> Result<()> {
    let file = report.source().map_or("", |source| source.name());
    let references = configuration.usage().references().len();
    let missing = report.problems().iter().filter(|problem| problem.error.name().is_some()).count();
    let verb = match (offline, references) {
        (true, 1) => "is well-formed",
        (true, _) => "are well-formed",
        (false, 1) => "resolves",
        (false, _) => "resolve",
    };
    let count =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let of = if missing > 0 && !offline { format!("{} of ", references - missing) } else { String::new() };
    output.line(format_args!(
        "{}{of}{}{:#} in {} {verb} ({})",
        style::GOOD,
        count(references, "reference", "references"),
        style::GOOD,
        count(used.len(), "store", "stores"),
        printable(file)
    ))?;
    let width = used.iter().map(|store| store.name.len()).max().unwrap_or_default();
    let ids = used.iter().map(|store| store.connector.len()).max().unwrap_or_default();
    for Used { name, connector, references } in used {
        output.line(format_args!("  {name:<width$}  {connector:<ids$}  {references:>4}"))?;
    }
    if offline {
        output.note("no store was asked: whether the secrets are there was not judged");
    }
    Ok(())
}
