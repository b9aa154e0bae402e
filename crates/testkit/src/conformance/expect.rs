//! What cases demand again and again, with failures that show no values.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use modelmesh_secrets::{ErrorKind, Result, SecretName, SecretResolution, SecretValue, printable};

use super::{
    CaseFailure,
    case::ensure,
    harness::{Store, writer},
};

/// A value as a failure may show it: its length, and a fingerprint that means nothing outside this process.
pub(super) struct Shape<'a>(pub(super) &'a SecretValue);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keyed at random: the hash of a short value could otherwise be looked up.
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let value = self.0.expose();
        write!(f, "{} bytes #{:04x}", value.len(), KEY.hash_one(value) & 0xffff)
    }
}

/// `got` is the text of `want`.
pub(super) fn same(what: &str, got: &SecretValue, want: &SecretValue) -> Result<(), CaseFailure> {
    ensure!(got.same_value(want), "{what}: got {}, not {}", Shape(got), Shape(want));
    Ok(())
}

/// The store has `want` under `name`.
pub(super) async fn holds(
    store: &dyn SecretResolution,
    name: &SecretName,
    want: &SecretValue,
) -> Result<(), CaseFailure> {
    same(&format!("the value of '{name}'"), &store.get(name).await?, want)
}

/// `result` is an error of one of these kinds.
pub(super) fn fails<T>(
    what: &str,
    result: Result<T>,
    kinds: &[ErrorKind],
) -> Result<modelmesh_secrets::Error, CaseFailure> {
    let wanted = || kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ");
    match result {
        Ok(_) => Err(CaseFailure::new(format!("{what}: succeeded, where it must fail as {}", wanted()))),
        Err(error) if kinds.contains(&error.kind()) => Ok(error),
        Err(error) => {
            Err(CaseFailure::new(format!("{what}: failed as {}, not as {}", error.kind(), wanted())))
        }
    }
}

/// `result` says that there is no secret `name`, and names it.
pub(super) fn missing<T>(what: &str, result: Result<T>, name: &SecretName) -> Result<(), CaseFailure> {
    let error = fails(what, result, &[ErrorKind::NotFound])?;
    let named = error.name().map_or("nothing".to_owned(), |name| format!("'{}'", printable(name)));
    ensure!(error.name() == Some(name.as_str()), "{what}: the error names {named}, not '{name}'");
    Ok(())
}

/// The store has exactly the names `want`. Their order and repetition are judged by [`lists`] alone, so that
/// a listing in disorder fails where listings are the matter.
pub(super) async fn has_names(store: &Store, want: &[&SecretName]) -> Result<(), CaseFailure> {
    judge_names(&writer(store)?.list().await?, want)
}

/// The store lists exactly `want`, sorted, each name once.
pub(super) async fn lists(store: &Store, want: &[&SecretName]) -> Result<(), CaseFailure> {
    let got = writer(store)?.list().await?;
    judge_names(&got, want)?;
    ensure!(got.len() == want.len(), "the listing repeats names: {} for {} secrets", got.len(), want.len());
    ensure!(got.is_sorted(), "the listing is not sorted");
    Ok(())
}

fn judge_names(got: &[SecretName], want: &[&SecretName]) -> Result<(), CaseFailure> {
    let (got, want) = (got.iter().collect::<BTreeSet<_>>(), want.iter().copied().collect::<BTreeSet<_>>());
    if let Some(extra) = got.difference(&want).next() {
        // Its length alone: it may be a value, for stores that list those are to be found too.
        return Err(CaseFailure::new(format!(
            "the listing has a name of {} bytes that is not set",
            extra.as_str().len()
        )));
    }
    if let Some(lost) = want.difference(&got).next() {
        return Err(CaseFailure::new(format!(
            "the listing lacks '{lost}': {} of {} are there",
            got.len(),
            want.len()
        )));
    }
    Ok(())
}

/// As many results as were asked for.
pub(super) fn as_many<T>(what: &str, results: &[T], count: usize) -> Result<(), CaseFailure> {
    ensure!(results.len() == count, "{what}: {} results for {count} requests", results.len());
    Ok(())
}
