//! What a configuration's references come to: values, and everything that is wrong, in one report.

use modelmesh_secrets::{
    ErrorKind, Resolution,
    config::{DEFAULT_STORE, Problem, Report, StoreEntry},
};

use crate::{
    context::Context,
    failure::{Failure, Result},
};

/// A configuration with its references resolved, as far as that could be done.
pub(super) struct Examination<'c> {
    /// None if it was not asked for, or mistakes under `secrets:` forbid to ask any store.
    pub(super) resolution: Option<Resolution<'c>>,
    /// Everything that is wrong, in the file and with what the stores answered; warnings too.
    pub(super) report: Report,
}

impl<'c> Examination<'c> {
    /// Judges the file alone. No store is opened.
    pub(super) fn offline(context: &'c Context) -> Self {
        let configuration = context.configuration();
        Examination { resolution: None, report: configuration.report(configuration.problems().to_vec()) }
    }

    /// Judges the file, and resolves every reference that can be.
    pub(super) fn of(context: &'c Context) -> Result<Self> {
        let configuration = context.configuration();
        if configuration.require_valid_stores().is_err() {
            return Ok(Examination::offline(context));
        }
        let resolver = context.store_set()?.resolver();
        let resolution = context.block_on(resolver.resolve_all(configuration))?;
        let mut problems = configuration.problems().to_vec();
        let found = resolution
            .problems()
            .into_iter()
            .filter(|found| !problems.iter().any(|known| same(known, found)));
        let found: Vec<Problem> = found.map(|problem| advise(problem, context)).collect();
        problems.extend(found);
        Ok(Examination { resolution: Some(resolution), report: configuration.report(problems) })
    }

    /// The resolution, if nothing is wrong.
    pub(super) fn require(self) -> Result<(Resolution<'c>, Report)> {
        match self.resolution {
            Some(resolution) if !self.report.has_errors() => Ok((resolution, self.report)),
            _ => Err(Failure::from(Box::new(self.report))),
        }
    }
}

/// Whether both are about one reference: a store that is not there, say, is told by the file already.
fn same(a: &Problem, b: &Problem) -> bool {
    match (&a.place, &b.place) {
        (Some(a), Some(b)) => a.span == b.span,
        _ => false,
    }
}

/// Adds how a missing secret is set, where the store can be written.
pub(super) fn advise(mut problem: Problem, context: &Context) -> Problem {
    let error = &problem.error;
    let is_bare = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b":/.@+=_-".contains(&b));
    let store = error.store().unwrap_or(DEFAULT_STORE);
    let can_be_set =
        context.configuration().store(store).and_then(StoreEntry::connector).is_some_and(|c| c.management);
    if let (ErrorKind::NotFound, None, Some(name)) = (error.kind(), error.help(), error.name())
        && can_be_set
        && is_bare(name)
        && !name.starts_with('-')
    {
        let option = if store == DEFAULT_STORE { String::new() } else { format!(" --store {store}") };
        problem.error =
            problem.error.clone().with_help(format!("set it: modelmesh secrets set {name}{option}"));
    }
    problem
}
