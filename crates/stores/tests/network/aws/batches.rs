//! Several secrets in one call, and one by one where that is denied.

use modelmesh_secrets::{ErrorKind, Result, SecretValue};
use modelmesh_testkit::servers::aws::Canned;
use serde_json::json;

use super::{Fixture, key, name};
use crate::backend;

const BATCH: &str = "BatchGetSecretValue";
const SINGLE: &str = "GetSecretValue";

impl Fixture<'_> {
    /// Starts providers with a thousand references, and judges the values.
    async fn start_a_thousand(&self) {
        let keys: Vec<String> = (0..1_000).map(|at| format!("k{at}")).collect();
        for key in &keys {
            self.hold(key, &format!("value of {key}")).await;
        }
        let settings: Vec<String> = keys.iter().map(|key| format!("{key}: '${{secrets.s:{key}}}'")).collect();
        let providers = format!("providers: {{ p: {{ {} }} }}\n", settings.join(", "));
        // Time enough for moto on a machine that is busy: this is about the number of calls.
        let patience = "resolution: { init_timeout: 10m, fetch_timeout: 5m }";
        let stores = format!("secrets: {{ {patience}, stores: {{ s: {{ {} }} }} }}\n", self.entry());
        let stores = backend::stores(self.backend, &format!("{stores}{providers}"));
        let resolver = stores.live_configuration().start().await.unwrap_or_else(|report| panic!("{report}"));
        let generation = resolver.provider("p").unwrap().current().unwrap();
        for key in &keys {
            assert_eq!(generation.setting(key), Some(format!("value of {key}").as_str()));
        }
    }

    fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|made| *made == action).count()
    }
}

/// Kinds and values, in one line each.
fn shown(answers: &[Result<SecretValue>]) -> Vec<String> {
    let shown = |answer: &Result<SecretValue>| match answer {
        Ok(value) => value.expose().to_owned(),
        Err(error) => format!("{}: {}", error.name().unwrap(), error.kind()),
    };
    answers.iter().map(shown).collect()
}

pub(super) async fn a_thousand_references_start_in_fifty_calls(fixture: &Fixture<'_>) {
    fixture.start_a_thousand().await;
    assert_eq!(fixture.actions(), [BATCH; 50]);
    assert!(fixture.server().most_at_once(&fixture.region) <= 8);
}

pub(super) async fn without_the_right_a_thousand_single_calls_keep_to_the_limit(fixture: &Fixture<'_>) {
    let denied = Canned::error(400, "AccessDeniedException");
    fixture.server().answer(&fixture.region, Some(BATCH), denied);
    fixture.start_a_thousand().await;
    assert_eq!((fixture.count(BATCH), fixture.count(SINGLE)), (1, 1_000));
    assert_eq!(fixture.server().most_at_once(&fixture.region), 8);
}

pub(super) async fn each_name_of_a_batch_has_its_own_answer(fixture: &Fixture<'_>) {
    let arn = fixture.hold("first", "1").await;
    fixture.hold("deleted", "2").await;
    fixture.call("DeleteSecret", json!({ "SecretId": "deleted" })).await;
    fixture.call("CreateSecret", json!({ "Name": "binary", "SecretBinary": "//4AAQ==" })).await;
    let store = fixture.store("").await;
    let arn_without_suffix = &arn[..arn.len() - 7];
    let names = ["first", "missing", "deleted", "binary", "a b", &arn, "first", arn_without_suffix].map(name);
    let answers = store.get_many(&names).await;
    let expected = ["1", "missing: not_found", "deleted: disabled", "binary: malformed", "a b: invalid_name"];
    assert_eq!(shown(&answers), [&expected[..], &["1", "1", "1"]].concat());
    assert_eq!(fixture.actions(), [BATCH]);
}

pub(super) async fn a_name_that_spoils_a_batch_hides_no_value(fixture: &Fixture<'_>) {
    fixture.hold("first", "1").await;
    let refused = Canned::error(400, "InvalidParameterException").times(1);
    fixture.server().answer(&fixture.region, Some(BATCH), refused);
    let store = fixture.store("").await;
    let names = ["first", "missing"].map(name);
    assert_eq!(shown(&store.get_many(&names).await), ["1", "missing: not_found"]);
    assert_eq!(fixture.actions(), [BATCH, SINGLE, SINGLE]);
    // Nothing follows from it for others.
    assert_eq!(shown(&store.get_many(&names).await), ["1", "missing: not_found"]);
    assert_eq!(fixture.count(BATCH), 2);
}

pub(super) async fn a_throttled_batch_is_asked_again(fixture: &Fixture<'_>) {
    fixture.hold("first", "1").await;
    let throttled = Canned::error(400, "ThrottlingException").times(1);
    fixture.server().answer(&fixture.region, Some(BATCH), throttled);
    let store = fixture.store("retry: { base: 0s }").await;
    assert_eq!(shown(&store.get_many(&["first", "first"].map(name)).await), ["1", "1"]);
    assert_eq!(fixture.actions(), [BATCH, BATCH]);
}

pub(super) async fn a_service_without_batches_is_asked_one_by_one(fixture: &Fixture<'_>) {
    fixture.hold("first", "1").await;
    let unknown = Canned::error(400, "UnknownOperationException");
    fixture.server().answer(&fixture.region, Some(BATCH), unknown);
    let store = fixture.store("").await;
    for _ in 0..2 {
        assert_eq!(shown(&store.get_many(&["first", "first"].map(name)).await), ["1", "1"]);
    }
    assert_eq!(fixture.actions(), [BATCH, SINGLE, SINGLE, SINGLE, SINGLE]);
}

pub(super) async fn another_stage_is_never_asked_in_batches(fixture: &Fixture<'_>) {
    fixture.hold("first", "1").await;
    let store = fixture.store("version_stage: AWSPREVIOUS").await;
    assert_eq!(store.capabilities().batch, 1);
    for answer in store.get_many(&["first", "second"].map(name)).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(fixture.actions(), [SINGLE, SINGLE]);
}

pub(super) async fn one_name_is_no_batch(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "1").await;
    let store = fixture.store("").await;
    assert_eq!(shown(&store.get_many(&[key()]).await), ["1"]);
    assert_eq!(fixture.actions(), [SINGLE]);
}
