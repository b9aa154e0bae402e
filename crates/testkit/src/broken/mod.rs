//! Stores that are wrong in one way each, and the conformance cases that must find them.
//!
//! They are the proof that the suite can fail: for each [`Flaw`], the suite is run against a [`BrokenStore`]
//! with it. The cases that [`Flaw::breaks`] names must fail, and none may that has nothing to do with it.

mod store;

pub use store::BrokenStore;

use crate::reference_store::{ReferenceBacking, ReferenceFactory};

macro_rules! flaws {
    ($(
        $(#[$doc:meta])*
        $flaw:ident breaks [$($case:literal),+ $(,)?] $(also [$($prefix:literal),+ $(,)?])?,
    )+) => {
        /// One way of being wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Flaw {
            $($(#[$doc])* $flaw,)+
        }

        impl Flaw {
            /// Every flaw.
            pub const ALL: &[Flaw] = &[$(Flaw::$flaw),+];

            /// The cases that must fail because of this flaw.
            pub fn breaks(self) -> &'static [&'static str] {
                match self {
                    $(Flaw::$flaw => &[$($case),+],)+
                }
            }

            /// The starts of the names of cases that may fail too, for they rely on what is broken.
            pub fn may_also_break(self) -> &'static [&'static str] {
                match self {
                    $(Flaw::$flaw => &[$($($prefix),+)?],)+
                }
            }
        }
    };
}

flaws! {
    /// White space around values is lost.
    TrimsValues breaks [
        "data/keeps-leading-spaces",
        "data/keeps-trailing-spaces",
        "data/keeps-leading-and-trailing-tabs",
        "data/keeps-leading-newline",
        "data/keeps-trailing-newline",
        "data/keeps-one-space",
    ] also ["data/keeps-", "durability/reopen-reads-the-same"],
    /// A newline at the end of a value is lost.
    DropsFinalNewline breaks [
        "data/keeps-trailing-newline",
        "data/keeps-trailing-newlines",
        "data/keeps-pem-key",
        "durability/reopen-reads-the-same",
    ],
    /// `\r\n` in a value becomes `\n`.
    ConvertsLineEnds breaks ["data/keeps-carriage-return-line-feed", "data/keeps-trailing-newlines"],
    /// Values are brought to Unicode's composed form.
    NormalizesValues breaks ["data/keeps-decomposed", "data/look-alikes-stay-different"],
    /// An empty value is taken and not kept.
    DropsEmptyValues breaks ["data/keeps-empty"],
    /// Values end at 4,096 bytes.
    TruncatesValues breaks ["data/keeps-64-kib", "data/keeps-the-longest"],
    /// Values end at the first NUL, though the store says that it holds none and must refuse.
    CutsAtNul breaks ["data/keeps-nul"],
    /// `${secrets:…}` in a value is replaced, and `$$` becomes `$`.
    ResolvesReferences breaks [
        "data/keeps-dollar",
        "data/keeps-reference",
        "data/keeps-escaped-reference",
    ],
    /// A value that looks like a number is kept as one.
    ParsesScalars breaks ["data/keeps-number", "data/keeps-float"],
    /// Names are brought to Unicode's composed form.
    NormalizesNames breaks ["names/keeps-apart-composed-and-decomposed"],
    /// Names are lower-cased.
    FoldsNameCase breaks ["names/keeps-apart-cases", "names/takes-variable"] also ["names/", "listing/is-sorted"],
    /// `%20` in a name becomes a space.
    DecodesNames breaks ["names/keeps-apart-encoded-and-decoded"],
    /// What the backend denies is reported as missing.
    TakesDeniedForMissing breaks ["errors/denied-is-denied"],
    /// What a backend that is down cannot give is reported as missing.
    TakesOutageForMissing breaks ["errors/an-outage-is-unavailable"],
    /// What is missing is reported as denied.
    TakesMissingForDenied breaks ["contract/get-of-a-missing-name-is-not-found"] also ["contract/", "names/", "durability/", "errors/"],
    /// Asking for what is missing panics.
    PanicsOnMissing breaks ["contract/get-of-a-missing-name-is-not-found"] also ["contract/", "names/", "durability/", "errors/", "leaks/"],
    /// What is missing is an empty value.
    GivesEmptyForMissing breaks ["contract/get-of-a-missing-name-is-not-found"] also ["contract/", "names/", "durability/", "errors/"],
    /// The error for a missing name does not name it.
    NamesNothingInErrors breaks ["contract/get-of-a-missing-name-is-not-found"] also ["contract/get-many", "names/"],
    /// An error's message starts with a capital letter and ends in a dot.
    ShoutsInErrors breaks ["errors/are-fit-to-be-shown"],
    /// Deleting an unknown name succeeds.
    DeletesUnknownNames breaks [
        "contract/delete-of-an-unknown-name-is-not-found",
        "errors/are-fit-to-be-shown",
    ],
    /// Writing logs the value.
    LogsValues breaks ["leaks/none-in-tracing"],
    /// Writing logs the value from a thread of its own.
    LogsValuesFromAThread breaks ["leaks/none-in-tracing"],
    /// The error for a missing name quotes what the store has.
    QuotesValuesInErrors breaks ["leaks/none-in-errors"] also ["errors/are-fit-to-be-shown"],
    /// A help text quotes what the store has, in base64.
    EncodesValuesInHelp breaks ["leaks/none-in-errors"],
    /// `Debug` shows values.
    ShowsValuesInDebug breaks ["leaks/none-in-debug"],
    /// The listing is not sorted.
    ListsUnsorted breaks [
        "listing/is-sorted-and-of-names-alone",
        "listing/of-five-hundred",
        "listing/after-overwrite-and-delete",
    ],
    /// The listing has values beside the names.
    ListsValues breaks ["listing/is-sorted-and-of-names-alone"] also ["contract/", "names/", "listing/", "concurrency/", "durability/"],
    /// The listing has every name twice.
    ListsTwice breaks [
        "listing/is-sorted-and-of-names-alone",
        "listing/of-five-hundred",
        "listing/after-overwrite-and-delete",
    ],
    /// The listing ends after the first page.
    ListsOnePage breaks ["listing/of-five-hundred"],
    /// Writes stay in the handle.
    BuffersWrites breaks [
        "durability/reopen-reads-the-same",
        "durability/reopen-sees-an-overwrite",
        "durability/reopen-sees-set-many",
        "durability/outside-change-is-read",
    ] also ["durability/", "data/", "concurrency/two-handles", "contract/versions", "contract/old-versions"],
    /// What was read once is never read again.
    RemembersReads breaks ["durability/outside-change-is-read"],
    /// `get_many` answers in the order of names.
    ReordersBatches breaks ["contract/get-many-keeps-the-order", "contract/get-many-failure-hides-nothing"],
    /// One failure of `get_many` fails all of it.
    FailsWholeBatch breaks ["contract/get-many-failure-hides-nothing"],
    /// `get_many` leaves out what is missing.
    ShortensBatches breaks ["contract/get-many-failure-hides-nothing"],
    /// `set_many` stores all but the last.
    SkipsLastOfMany breaks [
        "contract/set-many-answers-for-each",
        "durability/reopen-sees-set-many",
        "listing/of-five-hundred",
    ],
    /// Claims to keep versions, and keeps none.
    ClaimsVersions breaks ["contract/versions-change-on-set", "contract/old-versions-can-be-fetched"],
    /// Claims to keep expiries, and keeps none.
    ClaimsExpiry breaks ["contract/expiry-is-kept"],
    /// Claims that its revision tells of changes, and it does not.
    ClaimsWatch breaks ["durability/revision-tells-of-an-outside-change"],
    /// A write shows half done.
    TearsWrites breaks ["concurrency/readers-see-the-old-value-or-the-new"] also ["concurrency/writers-of-one-name"],
    /// A write puts back everything else as it was when the write began.
    LosesUpdates breaks [
        "concurrency/writers-of-different-names-lose-nothing",
        "concurrency/two-handles-lose-nothing",
    ] also ["concurrency/deletes", "contract/old-versions"],
}

impl Flaw {
    /// A factory of stores with this flaw.
    pub fn factory(self) -> ReferenceFactory<impl Fn(ReferenceBacking) -> BrokenStore + Send + Sync> {
        ReferenceFactory::new(format!("{self:?}"), move |backing| BrokenStore::new(backing, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    // On one thread, a store's own awaits decide who runs next: races are lost every time.
    #[tokio::test]
    async fn every_flaw_is_found_by_the_cases_named_for_it() {
        for flaw in Flaw::ALL {
            let report = conformance::run(&flaw.factory()).await;
            let failed = report.failed();
            for case in flaw.breaks() {
                assert!(failed.contains(case), "{flaw:?}: '{case}' does not find it");
            }
            let expected = |case: &str| {
                flaw.breaks().contains(&case)
                    || flaw.may_also_break().iter().any(|start| case.starts_with(start))
            };
            let blamed: Vec<&&str> = failed.iter().filter(|case| !expected(case)).collect();
            assert!(blamed.is_empty(), "{flaw:?}: {blamed:?} fail for no reason\n{report}");
        }
    }
}
