//! Several changes of a store, made at once where it can, and told of.

use std::collections::HashSet;

use modelmesh_secrets::{Change, Error, printable};
use serde::Serialize;

use super::Chosen;
use crate::{
    failure::{Failure, Result},
    output::Output,
};

/// What is to become of secrets, by name.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) unchanged: Vec<String>,
    pub(super) skipped: Vec<String>,
}

/// What became of them.
#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    created: Vec<&'a str>,
    updated: Vec<&'a str>,
    deleted: Vec<&'a str>,
    unchanged: &'a [String],
    skipped: &'a [String],
    failed: Vec<&'a str>,
}

impl Plan {
    /// Makes the changes, and tells of each. Values are not shown.
    ///
    /// Fails with each change that failed; `Conflict` is one that somebody else made impossible meanwhile.
    pub(super) fn apply(&self, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
        let results = match self.changes[..] {
            [] => Vec::new(),
            _ => chosen.wait_all(chosen.store().exchange(&self.changes))?,
        };
        let report = self.report(chosen, &results);
        if output.is_json() {
            output.json(&report)?;
        } else {
            report.tell(chosen, output);
        }
        let errors = distinct(results.into_iter().filter_map(Result::err).collect());
        if errors.is_empty() { Ok(()) } else { Err(Failure::from(errors)) }
    }

    fn report<'a>(&'a self, chosen: &'a Chosen<'_>, results: &[Result<(), Error>]) -> Report<'a> {
        let mut report = Report {
            store: chosen.name(),
            created: Vec::new(),
            updated: Vec::new(),
            deleted: Vec::new(),
            unchanged: &self.unchanged,
            skipped: &self.skipped,
            failed: Vec::new(),
        };
        for (change, result) in self.changes.iter().zip(results) {
            let list = match (result, &change.before, &change.after) {
                (Err(_), _, _) => &mut report.failed,
                (Ok(()), None, _) => &mut report.created,
                (Ok(()), Some(_), Some(_)) => &mut report.updated,
                (Ok(()), Some(_), None) => &mut report.deleted,
            };
            list.push(change.name.as_str());
        }
        report
    }
}

impl Report<'_> {
    fn tell(&self, chosen: &Chosen<'_>, output: &mut Output) {
        let done = [
            ("created", &self.created),
            ("updated", &self.updated),
            ("deleted", &self.deleted),
            ("failed:", &self.failed),
        ];
        for (did, names) in done {
            for name in names {
                output.note(format_args!("{did} '{}'", printable(name)));
            }
        }
        let counts = [
            (self.created.len(), "created"),
            (self.updated.len(), "updated"),
            (self.deleted.len(), "deleted"),
            (self.unchanged.len(), "unchanged"),
            (self.skipped.len(), "skipped"),
            (self.failed.len(), "failed"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
        output.note(format_args!("{chosen}: {counts}"));
    }
}

/// The errors, each once: where all or nothing is written, one error is the result of every change.
fn distinct(mut errors: Vec<Error>) -> Vec<Error> {
    let mut seen = HashSet::new();
    errors.retain(|error| seen.insert(error.to_string()));
    errors
}
