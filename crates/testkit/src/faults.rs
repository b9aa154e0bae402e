//! A store that fails as told: for tests of everything that wraps a store.
//!
//! A test writes [`Rule`]s, runs the code under test, and then reads the counts. Nothing here takes time: a
//! call is held at a [`Gate`] until the test releases it, so that 'while the fetch is under way' is a place in
//! the test and not a guess.
//!
//! ```
//! use std::sync::Arc;
//! use modelmesh_secrets::{ErrorKind, SecretName, SecretResolution};
//! use modelmesh_testkit::{ReferenceStore, faults::{Call, FaultyStore, Rule}};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = FaultyStore::new(Arc::new(ReferenceStore::default()));
//! store.rule(Rule::on(Call::Get).times(2).fail(ErrorKind::Unavailable));
//!
//! let name = SecretName::new("openai-key").unwrap();
//! for kind in [ErrorKind::Unavailable, ErrorKind::Unavailable, ErrorKind::NotFound] {
//!     assert_eq!(store.get(&name).await.unwrap_err().kind(), kind);
//! }
//! assert_eq!(store.calls(Call::Get), 3);
//! # });
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version,
};
use tokio::sync::watch;

/// A method of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Call {
    /// `get`.
    Get,
    /// `get_version`.
    GetVersion,
    /// `get_many`: one call, however many names.
    GetMany,
    /// `set`.
    Set,
    /// `set_many`: one call, however many secrets.
    SetMany,
    /// `list`.
    List,
    /// `delete`.
    Delete,
    /// `revision`.
    Revision,
}

/// Holds calls until it is released.
///
/// Cloning gives another handle on the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Gate::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Gate { open: watch::Sender::new(false), arrived: watch::Sender::new(0) }
    }

    /// Lets everyone through, now and from now on.
    pub fn release(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `count` calls have arrived since the gate was made, whether they still wait or not.
    pub async fn arrived(&self, count: usize) {
        wait_for(&self.arrived, |arrived| *arrived >= count).await;
    }

    /// Arrives at the gate, and waits until it is open.
    pub async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        wait_for(&self.open, |open| *open).await;
    }
}

async fn wait_for<T>(sender: &watch::Sender<T>, condition: impl FnMut(&T) -> bool) {
    let mut receiver = sender.subscribe();
    receiver.wait_for(condition).await.expect("the sender outlives this borrow of it");
}

/// What happens to calls that match: made with [`Rule::on`] or [`Rule::any`], given to [`FaultyStore::rule`].
///
/// A rule without an outcome lets the call through, after the gate if there is one.
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until FaultyStore::rule has it"]
pub struct Rule {
    call: Option<Call>,
    name: Option<SecretName>,
    left: Option<usize>,
    gate: Option<Gate>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Forward,
    Fail(Error),
    FailAfterwards(Error),
    Panic,
}

impl Rule {
    /// A rule for one method.
    pub fn on(call: Call) -> Self {
        Rule { call: Some(call), name: None, left: None, gate: None, outcome: Outcome::Forward }
    }

    /// A rule for every method.
    pub fn any() -> Self {
        Rule { call: None, ..Rule::on(Call::Get) }
    }

    /// Only calls for this name. In `get_many` and `set_many`, the rule decides about this name's result alone,
    /// and holds or panics for the whole call.
    pub fn named(mut self, name: &SecretName) -> Self {
        self.name = Some(name.clone());
        self
    }

    /// Only the next `count` calls that match; without this, all of them.
    pub fn times(mut self, count: usize) -> Self {
        self.left = Some(count);
        self
    }

    /// The call waits at `gate` before anything else happens to it.
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The call fails with `kind`, and the store below is not asked.
    pub fn fail(self, kind: ErrorKind) -> Self {
        self.fail_with(injected(kind))
    }

    /// The call fails with `error`, and the store below is not asked.
    pub fn fail_with(mut self, error: Error) -> Self {
        self.outcome = Outcome::Fail(error);
        self
    }

    /// The store below is asked, and its answer is lost: the call fails with `kind` though it took effect.
    pub fn fail_afterwards(mut self, kind: ErrorKind) -> Self {
        self.outcome = Outcome::FailAfterwards(injected(kind));
        self
    }

    /// The call panics.
    pub fn panic(mut self) -> Self {
        self.outcome = Outcome::Panic;
        self
    }

    fn matches(&self, call: Call, name: Option<&SecretName>) -> bool {
        self.left != Some(0)
            && self.call.is_none_or(|wanted| wanted == call)
            && self.name.as_ref().is_none_or(|wanted| Some(wanted) == name)
    }
}

fn injected(kind: ErrorKind) -> Error {
    Error::new(kind, "a fault that the test asked for")
}

/// A store that does what its [`Rule`]s say, counts what it is asked, and otherwise forwards to the store
/// below.
///
/// Of several rules that match a call, the one added first decides. Every call is counted when it arrives,
/// and counts as in flight until it has answered or was dropped.
pub struct FaultyStore {
    inner: Arc<dyn SecretStoreConnector>,
    state: Mutex<State>,
    total: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    calls: BTreeMap<Call, usize>,
    names: BTreeMap<SecretName, usize>,
    in_flight: usize,
    high_water: usize,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("FaultyStore")
            .field("calls", &state.calls)
            .field("in_flight", &state.in_flight)
            .field("rules", &state.rules.len())
            .finish_non_exhaustive()
    }
}

/// A call under way; its end is counted when it is dropped, however that comes about.
struct InFlight<'a>(&'a FaultyStore);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl FaultyStore {
    /// A store without rules around `inner`.
    pub fn new(inner: Arc<dyn SecretStoreConnector>) -> Arc<Self> {
        Arc::new(FaultyStore { inner, state: Mutex::default(), total: watch::Sender::new(0) })
    }

    /// Adds a rule, behind those already there.
    pub fn rule(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Forgets all rules. Calls held at a gate stay there.
    pub fn clear_rules(&self) {
        self.state().rules.clear();
    }

    /// How often this method was called.
    pub fn calls(&self, call: Call) -> usize {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// How many calls there were, of all methods.
    pub fn total(&self) -> usize {
        *self.total.borrow()
    }

    /// How often this name was asked for or written, in calls of its own or as one of many.
    pub fn calls_for(&self, name: &SecretName) -> usize {
        self.state().names.get(name).copied().unwrap_or(0)
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// The most calls that were ever under way at once.
    pub fn high_water(&self) -> usize {
        self.state().high_water
    }

    /// Waits until there were `count` calls in total.
    pub async fn until_total(&self, count: usize) {
        wait_for(&self.total, |total| *total >= count).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    fn arrive<'n>(&self, call: Call, names: impl IntoIterator<Item = &'n SecretName>) -> InFlight<'_> {
        {
            let mut state = self.state();
            *state.calls.entry(call).or_default() += 1;
            for name in names {
                *state.names.entry(name.clone()).or_default() += 1;
            }
            state.in_flight += 1;
            state.high_water = state.high_water.max(state.in_flight);
        }
        self.total.send_modify(|total| *total += 1);
        InFlight(self)
    }

    /// Applies the first rule that matches: waits at its gate, and gives its outcome.
    async fn judge(&self, call: Call, name: Option<&SecretName>) -> Outcome {
        let (gate, outcome) = {
            let mut state = self.state();
            let Some(rule) = state.rules.iter_mut().find(|rule| rule.matches(call, name)) else {
                return Outcome::Forward;
            };
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
            (rule.gate.clone(), rule.outcome.clone())
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        match outcome {
            Outcome::Panic => panic!("a panic that the test asked for"),
            Outcome::Fail(error) => Outcome::Fail(named(error, name)),
            Outcome::FailAfterwards(error) => Outcome::FailAfterwards(named(error, name)),
            Outcome::Forward => Outcome::Forward,
        }
    }

    async fn one<T>(
        &self,
        call: Call,
        name: Option<&SecretName>,
        inner: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _in_flight = self.arrive(call, name);
        match self.judge(call, name).await {
            Outcome::Fail(error) => Err(error),
            Outcome::FailAfterwards(error) => inner.await.and(Err(error)),
            _ => inner.await,
        }
    }

    /// The batches: rules without a name decide about the call, rules with one about their name's result.
    async fn many<T>(
        &self,
        call: Call,
        names: &[SecretName],
        inner: impl AsyncFnOnce(Vec<usize>) -> Vec<Result<T>>,
    ) -> Vec<Result<T>> {
        let _in_flight = self.arrive(call, names);
        let whole = match self.judge(call, None).await {
            Outcome::Fail(error) => {
                return names.iter().map(|name| Err(error.clone().with_name(name))).collect();
            }
            Outcome::FailAfterwards(error) => Some(error),
            _ => None,
        };
        let mut answers: Vec<Option<Result<T>>> = Vec::with_capacity(names.len());
        let mut lost = Vec::with_capacity(names.len());
        for name in names {
            let outcome = if self.has_rule_named(call, name) {
                self.judge(call, Some(name)).await
            } else {
                Outcome::Forward
            };
            let (answer, error) = match outcome {
                Outcome::Fail(error) => (Some(Err(error)), None),
                Outcome::FailAfterwards(error) => (None, Some(error)),
                _ => (None, whole.clone().map(|error| error.with_name(name))),
            };
            answers.push(answer);
            lost.push(error);
        }
        let asked: Vec<usize> = (0..names.len()).filter(|at| answers[*at].is_none()).collect();
        let results = inner(asked.clone()).await;
        for (at, result) in asked.into_iter().zip(results) {
            answers[at] = Some(match lost[at].take() {
                Some(error) => result.and(Err(error)),
                None => result,
            });
        }
        answers.into_iter().map(|answer| answer.expect("the store below answers for each name")).collect()
    }

    /// Whether the first rule that matches this name in a batch is one for the name: a rule for any name has
    /// decided about the call already, and must not count twice.
    fn has_rule_named(&self, call: Call, name: &SecretName) -> bool {
        let state = self.state();
        state.rules.iter().find(|rule| rule.matches(call, Some(name))).is_some_and(|rule| rule.name.is_some())
    }

    fn managed(&self) -> Result<&dyn SecretManagement> {
        self.inner.management().ok_or_else(|| Error::unsupported("be written"))
    }
}

fn named(error: Error, name: Option<&SecretName>) -> Error {
    match name {
        Some(name) => error.with_name(name),
        None => error,
    }
}

#[async_trait]
impl SecretResolution for FaultyStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.one(Call::Get, Some(name), self.inner.get(name)).await
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        self.one(Call::GetVersion, Some(name), self.inner.get_version(name, version)).await
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.many(Call::GetMany, names, async |asked| {
            let asked: Vec<SecretName> = asked.into_iter().map(|at| names[at].clone()).collect();
            self.inner.get_many(&asked).await
        })
        .await
    }
}

#[async_trait]
impl SecretManagement for FaultyStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.one(Call::Set, Some(name), async { self.managed()?.set(name, value).await }).await
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let names: Vec<SecretName> = secrets.iter().map(|(name, _)| name.clone()).collect();
        self.many(Call::SetMany, &names, async |asked| {
            let asked: Vec<_> = asked.into_iter().map(|at| secrets[at].clone()).collect();
            match self.managed() {
                Ok(management) => management.set_many(&asked).await,
                Err(error) => asked.iter().map(|_| Err(error.clone())).collect(),
            }
        })
        .await
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.one(Call::List, None, async { self.managed()?.list().await }).await
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.one(Call::Delete, Some(name), async { self.managed()?.delete(name).await }).await
    }
}

#[async_trait]
impl SecretStoreConnector for FaultyStore {
    fn connector_id(&self) -> &str {
        self.inner.connector_id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.inner.management().map(|_| self as &dyn SecretManagement)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.one(Call::Revision, None, self.inner.revision()).await
    }
}

#[cfg(test)]
mod tests;
