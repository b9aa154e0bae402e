//! Amazon's errors, in its own shape and in others; and what is logged of them.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use modelmesh_secrets::{ErrorKind, StoreSource as _};
use modelmesh_testkit::servers::{aws::Canned, free_port};
use serde_json::json;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber as _,
    span,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use super::{Fixture, Store, key, kind_of_get, name, open};
use crate::{
    backend::{self, Backend as _},
    backends::aws::entry,
};

/// A store that asks once and is not left alone.
async fn asks_once(fixture: &Fixture<'_>) -> Store {
    fixture.store("retry: { tries: 1 }, breaker: { failures: 1000 }").await
}

/// The errors of Secrets Manager, those common to all services, and those that a front of Amazon's may give, each with
/// its status: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>.
pub(super) async fn each_code_has_its_kind_and_says_what_to_do(fixture: &Fixture<'_>) {
    let store = asks_once(fixture).await;
    for (status, code, kind) in [
        (400, "ResourceNotFoundException", ErrorKind::NotFound),
        (400, "InvalidRequestException", ErrorKind::Disabled),
        (400, "DecryptionFailure", ErrorKind::Disabled),
        (400, "EncryptionFailure", ErrorKind::Denied),
        (400, "AccessDeniedException", ErrorKind::Denied),
        (400, "ThrottlingException", ErrorKind::Throttled),
        (400, "TooManyRequestsException", ErrorKind::Throttled),
        (400, "RequestLimitExceeded", ErrorKind::Throttled),
        (503, "SlowDown", ErrorKind::Throttled),
        (500, "InternalServiceError", ErrorKind::Unavailable),
        (500, "InternalFailure", ErrorKind::Unavailable),
        (503, "ServiceUnavailable", ErrorKind::Unavailable),
        (400, "SomethingNew", ErrorKind::Unavailable),
        (400, "UnrecognizedClientException", ErrorKind::StoreAuth),
        (400, "InvalidSignatureException", ErrorKind::StoreAuth),
        (400, "ExpiredTokenException", ErrorKind::StoreAuth),
        (400, "IncompleteSignatureException", ErrorKind::StoreAuth),
        (403, "MissingAuthenticationToken", ErrorKind::StoreAuth),
        (400, "RequestExpired", ErrorKind::StoreAuth),
        (403, "OptInRequired", ErrorKind::StoreAuth),
        (400, "InvalidParameterException", ErrorKind::InvalidConfig),
        (400, "ValidationException", ErrorKind::InvalidConfig),
        (400, "ResourceExistsException", ErrorKind::Conflict),
        (400, "LimitExceededException", ErrorKind::Unsupported),
        (400, "UnknownOperationException", ErrorKind::Unsupported),
    ] {
        fixture.server().answer(&fixture.region, None, Canned::error(status, code));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}");
        let shown = error.to_string();
        assert!(shown.contains(code) && shown.contains("5f0c1d7e-8a0b-4d52-9c53-0a5b8e6f7a11"), "{shown}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert!(error.help().is_some() || kind == ErrorKind::NotFound, "{code}");
    }

    fixture.server().answer_nothing(&fixture.region);
    let limited = Canned::error(400, "LimitExceededException");
    fixture.server().answer(&fixture.region, Some("PutSecretValue"), limited);
    let error = store.management().unwrap().set(&key(), &"x".into()).await.unwrap_err();
    assert!(error.help().unwrap().contains("about 100 versions"), "{error:?}");
}

pub(super) async fn what_is_not_in_amazons_shape_is_an_outage(fixture: &Fixture<'_>) {
    let store = asks_once(fixture).await;
    for (status, body) in [
        (404, "not found".to_owned()),
        (404, "<html><h1>Not Found</h1></html>".to_owned()),
        (403, json!({ "message": "Forbidden" }).to_string()),
        (400, String::new()),
        (301, String::new()),
        (400, json!({ "__type": "canary \u{1b}[2J" }).to_string()),
        (404, json!({ "code": 404, "status": "NOT_FOUND" }).to_string()),
    ] {
        fixture.server().answer(&fixture.region, None, Canned::new(status, body.as_str()));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{status} {body}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let busy = Canned::new(503, "busy").with_header("retry-after", "7");
    fixture.server().answer(&fixture.region, None, busy);
    assert_eq!(store.get(&key()).await.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
}

pub(super) async fn an_answer_that_is_no_answer_is_malformed(fixture: &Fixture<'_>) {
    let store = asks_once(fixture).await;
    for body in ["<html>canary</html>", "{}", r#"{"SecretString": 7}"#, r#"{"SecretString": "canary"#, ""] {
        fixture.server().answer(&fixture.region, None, Canned::new(200, body));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

pub(super) async fn an_answer_for_another_secret_is_malformed(fixture: &Fixture<'_>) {
    let store = asks_once(fixture).await;
    let other = json!({ "Name": "other-key", "VersionId": "v", "SecretString": "canary" });
    fixture.server().answer(&fixture.region, None, Canned::new(200, other.to_string()));
    assert_eq!(kind_of_get(&store).await, ErrorKind::Malformed);
    let many = json!({ "SecretValues": [other] });
    let batch = Some("BatchGetSecretValue");
    fixture.server().answer(&fixture.region, batch, Canned::new(200, many.to_string()));
    for answer in store.get_many(&["first", "second"].map(name)).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Malformed);
    }
}

/// Something in between may say 'success' to anything.
pub(super) async fn a_success_that_is_none_acknowledges_nothing(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "held").await;
    fixture.hold("marked", "held").await;
    let store = asks_once(fixture).await;
    let at_once = fixture.store("recovery_window_days: 0").await;
    store.management().unwrap().delete(&name("marked")).await.unwrap();
    let other = json!({ "Name": "other", "ARN": "arn:aws:x", "VersionId": "v" }).to_string();
    for body in ["", "{}", r#"{"message": "welcome"}"#, &other] {
        for (action, store, asked, is_set) in [
            ("PutSecretValue", &store, "openai-key", true),
            ("CreateSecret", &store, "new-key", true),
            ("RestoreSecret", &store, "marked", true),
            ("DeleteSecret", &store, "openai-key", false),
            ("DescribeSecret", &at_once, "openai-key", false),
            ("DeleteSecret", &at_once, "openai-key", false),
        ] {
            fixture.server().answer_nothing(&fixture.region);
            fixture.server().answer(&fixture.region, Some(action), Canned::new(200, body));
            let (management, asked) = (store.management().unwrap(), name(asked));
            let written = if is_set {
                management.set(&asked, &"canary".into()).await
            } else {
                management.delete(&asked).await
            };
            let error = written.expect_err(action);
            assert_eq!(
                (error.kind(), error.name()),
                (ErrorKind::Malformed, Some(asked.as_str())),
                "{action}"
            );
        }
    }
    fixture.server().answer_nothing(&fixture.region);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "held");

    let list = Some("ListSecrets");
    for body in ["", "{}", &other, r#"{"SecretList": [{}]}"#] {
        fixture.server().answer(&fixture.region, list, Canned::new(200, body));
        let error = store.management().unwrap().list().await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
    fixture.server().answer(&fixture.region, list, Canned::new(200, r#"{"SecretList": []}"#));
    assert_eq!(store.management().unwrap().list().await.unwrap(), []);
}

pub(super) async fn an_outage_may_say_when_it_is_over(fixture: &Fixture<'_>) {
    let store = asks_once(fixture).await;
    for code in ["InternalServiceError", "ServiceUnavailable", "SomethingNew"] {
        let outage = Canned::error(503, code).with_header("retry-after", "7");
        fixture.server().answer(&fixture.region, None, outage);
        let error = store.get(&key()).await.unwrap_err();
        let told = (error.kind(), error.retry_after());
        assert_eq!(told, (ErrorKind::Unavailable, Some(Duration::from_secs(7))), "{code}");
    }
}

/// The library hides the cause from those who do not look for it.
pub(super) async fn nobody_at_the_address_is_an_outage(fixture: &Fixture<'_>) {
    let entry = entry(&format!("http://127.0.0.1:{}", free_port()), &fixture.region);
    let text = backend::configuration(&entry, "retry: { tries: 1 }");
    let store = backend::stores(fixture.backend, &text).without_cache().store("s").await.unwrap();
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().starts_with("the store cannot be reached"), "{error}");
}

pub(super) async fn hostile_names_are_refused_before_any_call(fixture: &Fixture<'_>) {
    let store = fixture.store("").await;
    let longest = "x".repeat(513);
    let hostile =
        ["..%2fother", "a b", "a:b", "a?b", "a#b", "a\"b", "*", "\u{202e}a", "arn:aws:s3:::a", &longest];
    for hostile in hostile.map(name) {
        let management = store.management().unwrap();
        for result in [
            store.get(&hostile).await.map(drop),
            store.get_version(&hostile, &"AWSPREVIOUS".into()).await.map(drop),
            store.get_many(&[hostile.clone(), hostile.clone()]).await.remove(0).map(drop),
            management.set(&hostile, &"x".into()).await,
            management.delete(&hostile).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidName, "{hostile}");
        }
    }
    assert_eq!(fixture.actions(), [] as [&str; 0]);
}

pub(super) async fn settings_that_contradict_each_other_are_refused(_: &Fixture<'_>) {
    let aws = "store: aws.secrets-manager.v1, region: us-east-1";
    for settings in [
        "recovery_window_days: 3",
        "version_stage: 'A B'",
        "access_key_id: AKIA",
        "secret_access_key: canary",
        "session_token: canary",
        "access_key_id: AKIA, secret_access_key: canary, profile: prod",
        "auth: iam_role, profile: prod",
        "auth: iam_role, access_key_id: AKIA, secret_access_key: canary",
        "auth: profile, access_key_id: AKIA, secret_access_key: canary",
        "auth: access_key, profile: prod",
        "endpoint: 'http://secrets.example.com'",
        "endpoint: 'https://user:canary@secrets.example.com'",
    ] {
        let error = open(aws, settings, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{settings}");
        assert!(error.help().is_some(), "{settings}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let elsewhere = "store: aws.secrets-manager.v1, region: evil.example.com";
    let error = open(elsewhere, "", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

/// Everything that is logged, with its target.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    fn hear(&self, target: &str, record: impl FnOnce(&mut dyn Visit)) {
        struct Fields<'t>(&'t mut String);
        impl Visit for Fields<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {}={value:?}", field.name());
            }
        }
        let mut text = self.0.lock().unwrap();
        text.push_str(target);
        record(&mut Fields(&mut text));
        text.push('\n');
    }
}

impl<S: Subscriber> Layer<S> for Heard {
    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.hear(span.metadata().name(), |fields| span.record(fields));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.hear(event.metadata().target(), |fields| event.record(fields));
    }
}

/// At trace level: neither requests nor answers, neither signatures nor credentials.
pub(super) async fn nothing_that_amazons_library_logs_is_heard(fixture: &Fixture<'_>) {
    let heard = Heard::default();
    let session = async {
        let store = fixture.store("").await;
        let management = store.management().unwrap();
        management.set(&name("db-secret"), &"the-value-itself".into()).await.unwrap();
        store.get(&name("db-secret")).await.unwrap();
        store.get_many(&["db-secret", "missing"].map(name)).await;
        management.list().await.unwrap();
        management.delete(&name("missing")).await.unwrap_err();
    };
    session.with_subscriber(tracing_subscriber::registry().with(heard.clone())).await;
    let text = heard.0.lock().unwrap().clone();
    // Our own is heard: the spans of calls, and the warning of a name that ends as ARNs do.
    assert!(text.contains("secret_store_call") && text.contains("modelmesh_stores::aws"), "{text}");
    let foreign = text.lines().filter(|line| line.starts_with("aws"));
    assert_eq!(foreign.collect::<Vec<_>>(), [] as [&str; 0]);
    for secret in ["the-value-itself", "AWS4-HMAC-SHA256", "Signature="] {
        assert!(!text.contains(secret), "{secret}");
    }
    for canary in fixture.backend.canaries() {
        assert_eq!(canary.find_in(text.as_bytes()), None, "{}", canary.label());
    }
}
