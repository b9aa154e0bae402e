//! What the suite found, case by case.

use std::{borrow::Cow, fmt};

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The store does what the case demands.
    Passed,
    /// It does not, for this reason.
    Failed(String),
    /// The store lacks this capability, says so, and refuses accordingly.
    Excluded(String),
    /// It fails as the factory said it would, for the reason that the factory gave.
    Exempt(String),
}

/// One case's name and outcome.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case's name.
    pub name: Cow<'static, str>,
    /// How it ended.
    pub outcome: Outcome,
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed => write!(f, "passed    {}", self.name),
            Outcome::Failed(why) => write!(f, "FAILED    {}: {why}", self.name),
            Outcome::Excluded(capability) => write!(f, "excluded  {}: {capability}", self.name),
            Outcome::Exempt(reason) => write!(f, "exempt    {}: {reason}", self.name),
        }
    }
}

/// Every case by name, each with its outcome. `Display` shows one line for each. It holds no values.
#[derive(Clone, Debug)]
#[must_use = "a report proves something only when it is looked at"]
pub struct Report {
    label: String,
    cases: Vec<CaseReport>,
}

impl Report {
    pub(super) fn new(label: &str) -> Self {
        Report { label: label.to_owned(), cases: Vec::new() }
    }

    pub(super) fn push(&mut self, name: Cow<'static, str>, outcome: Outcome) {
        self.cases.push(CaseReport { name, outcome });
    }

    /// What the factory calls its stores.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Every case, in the order in which they ran.
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// How the case of this name ended, if there is one.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.cases.iter().find(|case| case.name == name).map(|case| &case.outcome)
    }

    /// The names of the cases that failed.
    pub fn failed(&self) -> Vec<&str> {
        self.names_where(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The names of the cases that passed.
    pub fn passed(&self) -> Vec<&str> {
        self.names_where(|outcome| *outcome == Outcome::Passed)
    }

    /// The names of the cases that a missing capability excluded.
    pub fn excluded(&self) -> Vec<&str> {
        self.names_where(|outcome| matches!(outcome, Outcome::Excluded(_)))
    }

    fn names_where(&self, wanted: impl Fn(&Outcome) -> bool) -> Vec<&str> {
        self.cases.iter().filter(|case| wanted(&case.outcome)).map(|case| &*case.name).collect()
    }

    /// Asserts that no case failed and that at least one passed.
    ///
    /// # Panics
    ///
    /// Panics with the name and the reason of each failure.
    #[track_caller]
    pub fn assert_green(&self) {
        let failures: Vec<String> = self
            .cases
            .iter()
            .filter(|case| matches!(case.outcome, Outcome::Failed(_)))
            .map(|case| format!("\n  {case}"))
            .collect();
        assert!(
            failures.is_empty(),
            "{}: {} of {} cases failed{}",
            self.label,
            failures.len(),
            self.cases.len(),
            failures.concat()
        );
        assert!(!self.passed().is_empty(), "{}: no case passed, so nothing is proved", self.label);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} passed, {} failed, {} excluded, of {}",
            self.label,
            self.passed().len(),
            self.failed().len(),
            self.excluded().len(),
            self.cases.len()
        )?;
        self.cases.iter().try_for_each(|case| writeln!(f, "  {case}"))
    }
}
