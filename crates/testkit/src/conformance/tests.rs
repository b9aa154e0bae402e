use std::time::Duration;

use async_trait::async_trait;
use modelmesh_secrets::{
    Error, ErrorKind, NameRule, SecretManagement, SecretName, SecretResolution, SecretStoreConnector,
    SecretValue,
};

use super::*;
use crate::{
    broken::{BrokenStore, Flaw},
    canary::Canary,
    faults::{Call, FaultyStore, Gate, Rule},
    reference_store::{ReferenceBacking, ReferenceFactory, ReferenceStore},
};

fn limited(limit: impl Fn(&mut Capabilities) + Send + Sync) -> impl StoreFactory {
    ReferenceFactory::new("limited", move |backing| {
        let store = ReferenceStore::new(backing);
        let mut capabilities = store.capabilities();
        limit(&mut capabilities);
        store.with_capabilities(capabilities)
    })
}

#[track_caller]
fn assert_excluded(report: &Report, cases: &[&str]) {
    report.assert_green();
    for case in cases {
        assert!(
            matches!(report.outcome(case), Some(Outcome::Excluded(_))),
            "{case}: {:?}",
            report.outcome(case)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correct_store_passes_every_case() {
    let report = run(&ReferenceFactory::new("reference", ReferenceStore::new)).await;
    report.assert_green();
    // It sets no limits; nothing else is excluded.
    assert_eq!(report.excluded(), ["data/refuses-too-long", "names/refuses-too-long"], "{report}");
    assert_eq!(report.passed().len() + 2, Suite::full().names().len());
}

#[tokio::test]
async fn one_thread_is_enough_for_a_correct_store() {
    run(&ReferenceFactory::new("reference", ReferenceStore::new)).await.assert_green();
}

#[test]
fn case_names_are_unique_and_grouped() {
    let suite = Suite::full();
    let mut names = suite.names();
    names.sort_unstable();
    names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1]));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-/".contains(c);
    assert!(names.iter().all(|name| name.split('/').count() == 2 && name.chars().all(allowed)), "{names:?}");
}

#[tokio::test]
async fn a_store_with_limits_is_held_to_its_refusals() {
    let report = run(&limited(|capabilities| {
        capabilities.empty = false;
        capabilities.nul = false;
        capabilities.max_bytes = Some(5000);
        capabilities.versions = false;
        capabilities.expiry = false;
        capabilities.watch = false;
        capabilities.names = NameRule::Variable;
    }))
    .await;
    assert_excluded(
        &report,
        &[
            "data/keeps-empty",
            "data/keeps-nul",
            "contract/versions-change-on-set",
            "contract/old-versions-can-be-fetched",
            "contract/expiry-is-kept",
            "durability/revision-tells-of-an-outside-change",
            "names/takes-dashes",
        ],
    );
    assert_eq!(report.outcome("data/refuses-too-long"), Some(&Outcome::Passed));
    assert_eq!(report.outcome("names/takes-variable"), Some(&Outcome::Passed));
}

/// A factory that can be told everything a factory may say. Its stores share nothing.
struct Told<F> {
    open: F,
    exemptions: &'static [(&'static str, &'static str)],
    canaries: Vec<Canary>,
    time_limit: Duration,
}

impl<F: Fn() -> Arc<dyn SecretStoreConnector> + Send + Sync> Told<F> {
    fn new(open: F) -> Self {
        Told { open, exemptions: &[], canaries: Vec::new(), time_limit: Duration::from_mins(1) }
    }
}

#[async_trait]
impl<F: Fn() -> Arc<dyn SecretStoreConnector> + Send + Sync> StoreFactory for Told<F> {
    fn label(&self) -> &'static str {
        "told"
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        (self.open)()
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        None
    }

    fn canaries(&self) -> Vec<Canary> {
        self.canaries.clone()
    }

    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        self.exemptions
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }
}

/// Says that it has limits, and keeps to none of them.
#[derive(Debug)]
struct Careless(ReferenceStore);

#[async_trait]
impl SecretResolution for Careless {
    async fn get(&self, name: &SecretName) -> Result<SecretValue, Error> {
        self.0.get(name).await
    }
}

#[async_trait]
impl SecretStoreConnector for Careless {
    fn connector_id(&self) -> &'static str {
        "testkit.careless.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.empty = false;
        capabilities.nul = false;
        capabilities.max_bytes = Some(5000);
        capabilities.names = NameRule::Variable;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.0.management()
    }
}

#[tokio::test]
async fn a_store_that_does_not_refuse_what_it_cannot_hold_fails() {
    let report = run(&Told::new(|| Arc::new(Careless(ReferenceStore::default())))).await;
    for case in ["data/keeps-empty", "data/keeps-nul", "data/refuses-too-long", "names/takes-dashes"] {
        assert!(report.failed().contains(&case), "{case}");
    }
}

#[tokio::test]
async fn a_read_only_store_is_proved_through_its_factory() {
    let factory = ReferenceFactory::new("read-only", |backing| ReferenceStore::new(backing).read_only());
    let report = run(&factory).await;
    assert_excluded(
        &report,
        &["contract/set-then-get", "listing/of-five-hundred", "durability/reopen-sees-a-delete"],
    );
    for case in [
        "data/keeps-nul",
        "names/takes-accents",
        "errors/denied-is-denied",
        "durability/reopen-reads-the-same",
    ] {
        assert_eq!(report.outcome(case), Some(&Outcome::Passed), "{case}");
    }
}

#[tokio::test]
async fn what_a_factory_cannot_show_is_listed_as_excluded() {
    let report = run(&Told::new(|| Arc::new(ReferenceStore::default()))).await;
    assert_excluded(&report, &["durability/reopen-reads-the-same", "errors/denied-is-denied"]);
}

#[tokio::test]
#[should_panic(expected = "no case passed")]
async fn a_run_without_cases_is_a_failure() {
    let factory = ReferenceFactory::new("reference", ReferenceStore::new);
    Suite::full().only("no-such-group/").run(&factory).await.assert_green();
}

#[tokio::test]
#[should_panic(expected = "FAILED    data/keeps-trailing-newline: the value of 'some-key': got 32 bytes")]
async fn a_failure_is_named_with_lengths_in_place_of_values() {
    let report =
        Suite::full().only("data/keeps-trailing-newline").run(&Flaw::DropsFinalNewline.factory()).await;
    report.assert_green();
}

#[tokio::test]
async fn a_leaking_store_does_not_leak_into_the_report() {
    // The error that ends the case quotes the contents; the failure must not.
    let case = Case::new("own/asks", &[], |h| {
        Box::pin(async {
            let secret = h.secret("some-key", "");
            let store = h.holding(std::slice::from_ref(&secret)).await?;
            store.get(&h.name("absent")).await?;
            Ok(Verdict::Passed)
        })
    });
    let suite = Suite::full().only("leaks/none-in-panics").with_case(case);
    let report = suite.run(&Flaw::QuotesValuesInErrors.factory()).await;
    let outcome = report.outcome("own/asks").unwrap();
    assert_eq!(outcome, &Outcome::Failed("(withheld: the reason holds a value)".to_owned()));
}

#[tokio::test]
async fn a_known_failure_is_exempt_only_as_long_as_it_fails() {
    const CASE: &str = "data/keeps-trailing-newline";
    let exempt = |flaw: Flaw| {
        let mut factory = Told::new(move || Arc::new(BrokenStore::new(ReferenceBacking::new(), flaw)));
        factory.exemptions = &[(CASE, "the backend ends every value in a newline of its own")];
        factory
    };
    let report = Suite::full().only(CASE).run(&exempt(Flaw::DropsFinalNewline)).await;
    assert!(matches!(report.outcome(CASE), Some(Outcome::Exempt(_))));
    let report = Suite::full().only(CASE).run(&exempt(Flaw::ListsTwice)).await;
    assert!(report.failed().contains(&CASE), "{report}");
}

#[tokio::test]
async fn a_credential_in_an_error_is_found() {
    let token = Canary::new("the token");
    let text = token.text().to_owned();
    let mut factory = Told::new(move || {
        let store = FaultyStore::new(Arc::new(ReferenceStore::default()));
        let error = Error::new(ErrorKind::NotFound, "not found").with_help(format!("Bearer {text}"));
        store.rule(Rule::on(Call::GetVersion).fail_with(error));
        store
    });
    factory.canaries = vec![token];
    let report = Suite::full().only("leaks/").run(&factory).await;
    assert_eq!(report.failed(), ["leaks/none-in-errors"], "{report}");
    assert!(report.to_string().contains("the token (raw) in an error of 'get_version'"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_fails_its_case() {
    let mut factory = Told::new(|| {
        let store = FaultyStore::new(Arc::new(ReferenceStore::default()));
        store.rule(Rule::on(Call::Get).hold(&Gate::new()));
        store
    });
    factory.time_limit = Duration::from_secs(1);
    let report = Suite::full().only("contract/get-reads-what-is-held").run(&factory).await;
    assert_eq!(
        report.outcome("contract/get-reads-what-is-held"),
        Some(&Outcome::Failed("no end after 1s".to_owned()))
    );
}
