//! What is asked of which store, and in how many calls: known before anything is asked.
//!
//! References to fields of one document are one question, and so are all spellings of one name. A store is
//! asked for current versions in batches, and for other versions one by one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretName, SecretStoreConnector, SecretValue, Version,
    config::DEFAULT_STORE, reference::Reference,
};

/// What a set of references asks of the stores.
///
/// ```
/// use modelmesh_secrets::{plan::Plan, reference::Reference};
///
/// let references = [
///     Reference::parse("${secrets.prod:db#user}")?,
///     Reference::parse("${secrets.prod:db#password}")?,
///     Reference::parse("${secrets.prod:openai-key}")?,
/// ];
/// let plan = Plan::of(&references);
/// let [prod] = plan.stores() else { panic!("one store is asked") };
/// assert_eq!(prod.documents().len(), 2);
/// assert_eq!(prod.calls(20), 1);
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<'r> {
    references: &'r [Reference],
    stores: Vec<StorePlan<'r>>,
}

/// What is asked of one store.
#[derive(Clone, Debug)]
pub struct StorePlan<'r> {
    store: &'r str,
    names: Vec<SecretName>,
    versions: Vec<(SecretName, Version)>,
    /// Which question answers which reference, in the order of the questions.
    uses: Vec<(Question, usize)>,
}

/// A place in [`StorePlan::names`] or [`StorePlan::versions`]. Names come first, as they are asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Name(usize),
    Version(usize),
}

/// One document that a store is asked for, and whom it answers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PlannedDocument<'p> {
    /// The document's name.
    pub name: &'p SecretName,
    /// The version or stage; none means the current one.
    pub version: Option<&'p Version>,
    uses: &'p [(Question, usize)],
}

/// What a store said to its part of a plan: an answer for each of [`StorePlan::documents`], or why it could not
/// be asked at all.
pub type Answers = Result<Vec<Result<SecretValue>>>;

/// Where each name and version of a store was asked already.
type Seen<'r> = HashMap<(&'r str, Option<&'r str>), Question, foldhash::fast::RandomState>;

impl<'r> Plan<'r> {
    /// Plans `references`, which may repeat each other.
    pub fn of(references: &'r [Reference]) -> Self {
        let mut known: BTreeMap<&str, (usize, Seen<'r>)> = BTreeMap::new();
        let mut stores: Vec<StorePlan<'r>> = Vec::new();
        for (at, reference) in references.iter().enumerate() {
            let name = reference.store.as_deref().unwrap_or(DEFAULT_STORE);
            let (store, seen) = known.entry(name).or_insert_with(|| {
                stores.push(StorePlan::nothing_of(name));
                (stores.len() - 1, Seen::default())
            });
            let store = &mut stores[*store];
            let asked = (reference.name.as_str(), reference.version.as_ref().map(Version::as_str));
            let question = *seen.entry(asked).or_insert_with(|| store.ask_for(reference));
            store.uses.push((question, at));
        }
        for store in &mut stores {
            store.uses.sort_unstable();
        }
        Plan { references, stores }
    }

    /// Every store that is asked, in the order in which the references first name them.
    pub fn stores(&self) -> &[StorePlan<'r>] {
        &self.stores
    }

    /// The outcome of each reference, in the order of the references: its field and its fallback applied to
    /// what its store said.
    ///
    /// `answers` stand in the order of [`stores`](Plan::stores). A question without an answer is an error of its
    /// own: it must not look like a missing secret.
    pub fn answer(&self, answers: &[Answers]) -> Vec<Result<SecretValue>> {
        let mut outcomes: Vec<Option<Result<SecretValue>>> = self.references.iter().map(|_| None).collect();
        for (at, store) in self.stores.iter().enumerate() {
            for (question, document) in store.documents().enumerate() {
                for reference in document.references() {
                    let answer = find_answer(answers.get(at), question);
                    outcomes[reference] = Some(read_answer(&self.references[reference], answer));
                }
            }
        }
        // Every reference belongs to one document, so none is left over.
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(Error::unanswered()))).collect()
    }
}

fn find_answer(answers: Option<&Answers>, question: usize) -> Result<&SecretValue> {
    let answer = match answers {
        Some(Ok(answers)) => answers.get(question),
        Some(Err(error)) => return Err(error.clone()),
        None => None,
    };
    answer.ok_or_else(Error::unanswered)?.as_ref().map_err(Clone::clone)
}

impl<'r> StorePlan<'r> {
    fn nothing_of(store: &'r str) -> Self {
        StorePlan { store, names: Vec::new(), versions: Vec::new(), uses: Vec::new() }
    }

    fn ask_for(&mut self, reference: &Reference) -> Question {
        let name = reference.name.clone();
        match &reference.version {
            None => {
                self.names.push(name);
                Question::Name(self.names.len() - 1)
            }
            Some(version) => {
                self.versions.push((name, version.clone()));
                Question::Version(self.versions.len() - 1)
            }
        }
    }

    /// The store's name.
    pub fn store(&self) -> &'r str {
        self.store
    }

    /// The names of which the current version is asked.
    pub fn names(&self) -> &[SecretName] {
        &self.names
    }

    /// What is asked by version.
    pub fn versions(&self) -> &[(SecretName, Version)] {
        &self.versions
    }

    /// How many of the references this store answers.
    pub fn references(&self) -> usize {
        self.uses.len()
    }

    /// Every document that is asked for: current versions first, then others, both in the order in which the
    /// references first ask for them.
    pub fn documents(&self) -> impl ExactSizeIterator<Item = PlannedDocument<'_>> {
        let mut groups = self.uses.chunk_by(|a, b| a.0 == b.0);
        // Every question was asked by some reference, so there is a group for each.
        (0..self.names.len() + self.versions.len()).map(move |at| {
            let uses = groups.next().unwrap_or_default();
            match at.checked_sub(self.names.len()) {
                None => PlannedDocument { name: &self.names[at], version: None, uses },
                Some(at) => {
                    let (name, version) = &self.versions[at];
                    PlannedDocument { name, version: Some(version), uses }
                }
            }
        })
    }

    /// How many backend calls that is, where one call can fetch `batch` names, and one version.
    pub fn calls(&self, batch: usize) -> usize {
        self.names.len().div_ceil(batch.max(1)) + self.versions.len()
    }

    /// Asks `store`: an answer for each of [`documents`](StorePlan::documents).
    pub async fn ask(&self, store: &dyn SecretStoreConnector) -> Vec<Result<SecretValue>> {
        let mut answers = store.get_many(&self.names).await;
        // Whatever a store answers to the names, the versions' answers start behind them.
        answers.resize_with(self.names.len(), || Err(Error::unanswered()));
        for (name, version) in &self.versions {
            answers.push(store.get_version(name, version).await);
        }
        let named = |answer: Result<SecretValue>| answer.map_err(|error| error.with_store(self.store));
        answers.into_iter().map(named).collect()
    }
}

impl PlannedDocument<'_> {
    /// The references that it answers: their places in what was planned, in order.
    pub fn references(&self) -> impl Iterator<Item = usize> {
        self.uses.iter().map(|(_, reference)| *reference)
    }
}

/// The field and the fallback of a reference, applied to what its store answered.
///
/// - A fallback stands in for what is missing, the document or the field, and for nothing else.
/// - An error names the secret.
pub fn read_answer(reference: &Reference, answer: Result<&SecretValue>) -> Result<SecretValue> {
    let read = answer.and_then(|value| match &reference.field {
        None => Ok(value.clone()),
        Some(field) => field.of(value.expose()).map(|text| value.with_text(text)),
    });
    match (read, &reference.fallback) {
        (Err(error), Some(fallback)) if error.kind() == ErrorKind::NotFound => Ok(fallback.expose().into()),
        (Err(error), _) => Err(without_version(reference, error).with_name(&reference.name)),
        (read, _) => read,
    }
}

/// `error`, which does not advise to set a secret that may be there, in another version.
fn without_version(reference: &Reference, error: Error) -> Error {
    match &reference.version {
        Some(version) if error.kind() == ErrorKind::NotFound && error.help().is_none() => error
            .with_help(format!("there is no version '{}' of it, or nothing of this name", version.as_str())),
        _ => error,
    }
}

/// The month of [`calls_a_month`]: 30 days.
pub const MONTH: Duration = Duration::from_hours(720);

/// How many calls a month keep `documents` fresh in one process, if all of them are used all the time.
///
/// - Each document is asked for by itself, whenever the share `refresh_ahead` of its TTL is over. Jitter
///   shortens the TTL by half of `ttl_jitter` on average.
/// - Values that expire before their TTL, retries and forced refreshes are not in it.
/// - `None` if nothing is kept: then there is a call for each read.
pub fn calls_a_month(documents: usize, policy: &ResolutionPolicy) -> Option<u64> {
    let share = (1.0 - policy.ttl_jitter / 2.0) * policy.refresh_ahead;
    let interval = Duration::try_from_secs_f64(policy.cache_ttl.as_secs_f64() * share).ok()?;
    if !policy.cache_enabled || interval.is_zero() {
        return None;
    }
    let calls = (MONTH.as_nanos() * documents as u128).div_ceil(interval.as_nanos());
    Some(u64::try_from(calls).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[&str]) -> Vec<Reference> {
        texts.iter().map(|text| Reference::parse(text).unwrap()).collect()
    }

    /// The documents of a store, as `name@version: references`.
    fn documents(plan: &StorePlan<'_>) -> Vec<String> {
        let shown = |document: PlannedDocument<'_>| {
            let version = document.version.map(|version| format!("@{version}")).unwrap_or_default();
            let references: Vec<String> = document.references().map(|at| at.to_string()).collect();
            format!("{}{version}: {}", document.name, references.join(" "))
        };
        plan.documents().map(shown).collect()
    }

    #[test]
    fn fields_of_one_document_are_one_question_and_versions_are_asked_last() {
        let references = references(&[
            "${secrets:tls?version=7}",
            "${secrets:db#user}",
            "${secrets.prod:db#user}",
            "${secrets:key:-none}",
            "${secrets:db#password}",
            "${secrets.default:tls?version=7#pem}",
            "${secrets:tls}",
        ]);
        let plan = Plan::of(&references);
        let stores: Vec<&str> = plan.stores().iter().map(StorePlan::store).collect();
        assert_eq!(stores, ["default", "prod"]);
        assert_eq!(documents(&plan.stores()[0]), ["db: 1 4", "key: 3", "tls: 6", "tls@7: 0 5"]);
        assert_eq!(documents(&plan.stores()[1]), ["db: 2"]);
        assert_eq!(plan.stores()[0].references(), 6);
    }

    #[test]
    fn names_are_asked_in_batches_and_versions_one_by_one() {
        let texts: Vec<String> = (0..41).map(|at| format!("${{secrets:k{at}}}")).collect();
        let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        texts.extend(["${secrets:k0?version=1}", "${secrets:k0?version=2}"]);
        let references = references(&texts);
        let plan = Plan::of(&references);
        let calls = [1, 20, 41, usize::MAX].map(|batch| plan.stores()[0].calls(batch));
        assert_eq!(calls, [43, 5, 3, 3]);
        assert_eq!(plan.stores()[0].calls(0), 43, "a store that says nothing sensible has no batches");
    }

    #[test]
    fn versions_alone_take_no_batch() {
        let references = references(&["${secrets:k?version=1}"]);
        assert_eq!(Plan::of(&references).stores()[0].calls(20), 1);
    }

    #[test]
    fn a_version_that_is_not_there_is_no_secret_to_be_set() {
        let help = |text: &str| {
            let missing = Err(Error::not_found("k"));
            let error = read_answer(&Reference::parse(text).unwrap(), missing).unwrap_err();
            error.help().map(str::to_owned)
        };
        assert_eq!(help("${secrets:k}"), None);
        assert_eq!(
            help("${secrets:k?version=7}").unwrap(),
            "there is no version '7' of it, or nothing of this name"
        );
    }

    #[test]
    fn each_reference_gets_the_answer_of_its_own_document() {
        let references =
            references(&["${secrets:b?version=1}", "${secrets.x:a}", "${secrets:a#f}", "${secrets:c:-d}"]);
        let plan = Plan::of(&references);
        let of_default = vec![Ok(r#"{"f":"field"}"#.into()), Err(Error::not_found("c")), Ok("b@1".into())];
        let down = Error::new(ErrorKind::Unavailable, "cannot be reached").with_store("x");
        let outcomes = plan.answer(&[Ok(of_default), Err(down)]);
        let shown: Vec<String> = outcomes
            .into_iter()
            .map(|outcome| outcome.map_or_else(|error| error.to_string(), |value| value.expose().to_owned()))
            .collect();
        assert_eq!(shown, ["b@1", "store 'x': secret 'a': cannot be reached", "field", "d"]);
    }

    #[test]
    fn a_question_without_an_answer_is_no_miss() {
        let references = references(&["${secrets:a:-fallback}", "${secrets.x:b:-fallback}"]);
        for outcome in Plan::of(&references).answer(&[Ok(Vec::new())]) {
            let error = outcome.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.name().is_some());
        }
    }

    #[test]
    fn calls_a_month_follow_from_the_mean_time_between_refreshes() {
        let policy = ResolutionPolicy::default();
        // 300 s, shortened by 5 % on average, of which 80 % pass: 228 s. 2,592,000 s / 228 s = 11,368.4.
        assert_eq!(calls_a_month(1, &policy), Some(11_369));
        assert_eq!(calls_a_month(10, &policy), Some(113_685));
        assert_eq!(calls_a_month(0, &policy), Some(0));
        let exact = ResolutionPolicy { ttl_jitter: 0.0, refresh_ahead: 1.0, ..policy };
        assert_eq!(calls_a_month(2, &exact), Some(2 * 8_640));
    }

    #[test]
    fn without_a_cache_calls_follow_from_use() {
        let default = ResolutionPolicy::default;
        for policy in [
            ResolutionPolicy { cache_enabled: false, ..default() },
            ResolutionPolicy { cache_ttl: Duration::ZERO, ..default() },
            ResolutionPolicy { refresh_ahead: 0.0, ..default() },
            ResolutionPolicy { ttl_jitter: f64::NAN, ..default() },
        ] {
            assert_eq!(calls_a_month(1, &policy), None, "{policy:?}");
        }
    }
}
