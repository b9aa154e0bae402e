//! One suite for every store: does it keep the contract?
//!
//! - A [`StoreFactory`] makes the stores; [`run`] puts each named case to a fresh one and gives a [`Report`].
//! - A store's [`Capabilities`] pick what a case demands: where the store says that it cannot do a thing, the
//!   case demands that the call is refused as `Unsupported` (for a name, `InvalidName` will do) and that it
//!   changed nothing, and the report lists the case as excluded by that capability. No case passes by doing
//!   nothing, and [`Report::assert_green`] fails if no case passed.
//! - All the while, every error, the `tracing` output at its loudest and the stores' `Debug` are searched for
//!   the values written and for the factory's [`canaries`](StoreFactory::canaries).
//! - A case's name is stable: `group/what-a-store-must-do`.
//!
//! The suite needs a tokio runtime with timers (`#[tokio::test]` has them); give it several threads, or the
//! concurrency cases only interleave where the store awaits. During a case, `tracing` events of its thread go
//! to the suite alone; the first run also makes itself the process's global subscriber, unless there is one.

mod case;
mod concurrency;
mod contract;
mod data;
mod durability;
mod errors;
mod expect;
mod factory;
mod harness;
mod leaks;
mod listing;
mod names;
mod observed;
mod report;
mod tracing_capture;
mod witness;

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tracing::instrument::WithSubscriber;

pub use self::{
    case::{Case, CaseFailure, CaseResult, Need, Verdict},
    factory::{BackendRules, Staged, StoreFactory},
    harness::Harness,
    report::{CaseReport, Outcome, Report},
};
#[doc(no_inline)]
pub use modelmesh_secrets::Capabilities;

/// Runs every case against stores of `factory`, one after another.
pub async fn run(factory: &dyn StoreFactory) -> Report {
    Suite::full().run(factory).await
}

/// A list of cases.
#[derive(Debug)]
pub struct Suite(Vec<Case>);

impl Suite {
    /// Every case there is.
    pub fn full() -> Self {
        let groups = [
            contract::cases(),
            data::cases(),
            names::cases(),
            listing::cases(),
            concurrency::cases(),
            durability::cases(),
            // Last, for they also judge what was seen during all the others.
            errors::cases(),
            leaks::cases(),
        ];
        Suite(groups.into_iter().flatten().collect())
    }

    /// The cases whose name starts with `prefix`: a group (`data/`), or one case.
    pub fn only(mut self, prefix: &str) -> Self {
        self.0.retain(|case| case.name().starts_with(prefix));
        self
    }

    /// Adds a case of your own, such as what only your backend promises. It runs last.
    pub fn with_case(mut self, case: Case) -> Self {
        self.0.push(case);
        self
    }

    /// The names of the cases, in the order in which they run.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(Case::name).collect()
    }

    /// Runs the cases, one after another.
    ///
    /// # Panics
    ///
    /// Panics if the factory cannot make the first store: a suite without its server must not look green.
    pub async fn run(self, factory: &dyn StoreFactory) -> Report {
        let witness = Arc::new(witness::Witness::new(factory.canaries()));
        let capture = tracing_capture::listen(&witness);
        let harness = Harness::new(factory, witness).await;

        let mut report = Report::new(factory.label());
        for case in self.0 {
            let outcome = run_case(&case, &harness).with_subscriber(capture.clone()).await;
            report.push(case.into_name(), outcome);
        }
        report
    }
}

async fn run_case(case: &Case, harness: &Harness<'_>) -> Outcome {
    if let Some(need) = case.needs().iter().find(|need| !harness.has(**need)) {
        return Outcome::Excluded(need.to_string());
    }
    let limit = harness.factory().time_limit();
    let body = AssertUnwindSafe(case.run(harness)).catch_unwind();
    let result = match tokio::time::timeout(limit, body).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(CaseFailure::new(format!("a panic: {}", panic_message(panic.as_ref())))),
        Err(_) => Err(CaseFailure::new(format!("no end after {limit:?}"))),
    };
    let exemption = harness.factory().exemptions().iter().find(|(name, _)| *name == case.name());
    match (result, exemption) {
        (Ok(Verdict::Passed), None) => Outcome::Passed,
        (Ok(Verdict::Excluded(capability)), None) => Outcome::Excluded(capability.to_owned()),
        (Err(failure), None) => Outcome::Failed(harness.witness().without_values(&failure.to_string())),
        (Err(_), Some((_, reason))) => Outcome::Exempt((*reason).to_owned()),
        // An exemption that outlives its reason would hide the next failure.
        (Ok(_), Some(_)) => {
            Outcome::Failed("exempt, and yet it does not fail: drop the exemption".to_owned())
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "without a message",
    }
}

#[cfg(test)]
mod tests;
