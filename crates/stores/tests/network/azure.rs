//! What is peculiar to the secrets of Azure Key Vault, and the proof of its server. Logins are in `azure_login`.

use std::{
    fs, io,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, Version};
use modelmesh_testkit::servers::{
    azure::{Application, AzureServer, Condition},
    proxy::{Fault, Reply},
    python_program,
};
use serde_json::json;
use tempfile::TempDir;
use tracing::instrument::WithSubscriber as _;

use crate::{
    asking::{Store, key, kind_of_get, name, open},
    backend::Backend,
    backends::azure::{Azure, entry},
    stage::Stage,
};

pub(crate) fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$(crate::trial(concat!("azure::", stringify!($test)), $test)),*]
        };
    }
    trials![
        microsofts_own_client_proves_the_server,
        a_disabled_version_is_disabled_whatever_is_older,
        a_deleted_secret_says_that_it_can_be_recovered,
        a_deleted_secret_is_missing_to_who_may_not_ask_for_it,
        a_deleted_secret_is_recovered_and_then_set,
        a_recovery_that_takes_its_time_is_waited_for,
        a_recovery_takes_a_permission,
        a_write_keeps_what_people_wrote_beside_the_value,
        a_writer_needs_no_right_to_read,
        a_value_past_its_end_is_served_and_warned_of,
        capitals_make_no_other_name,
        hostile_names_are_refused_before_any_call,
        two_writers_lose_no_version,
        a_link_to_another_place_is_not_followed,
        what_a_proxy_answers_is_an_outage,
        a_throttle_says_when_to_come_back,
        a_success_that_is_none_acknowledges_nothing,
        a_network_that_is_not_served_says_nothing_about_a_secret,
    ]
}

/// A server with one vault, and an application that may use it.
pub(crate) struct Fixture {
    pub(crate) server: AzureServer,
    pub(crate) vault: String,
    pub(crate) application: Application,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let server = AzureServer::start();
        let (vault, application) = (server.vault(), server.register());
        let fixture = Fixture { vault, application, server, folder: TempDir::new().unwrap() };
        fixture.file("ca.pem", fixture.server.certificate());
        fixture
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A store that logs in with the application's secret.
    pub(crate) async fn store(&self) -> Store {
        self.store_as(&self.application).await
    }

    pub(crate) async fn store_as(&self, application: &Application) -> Store {
        let entry = entry(&self.server, &self.server.address(), &self.vault, application);
        open(&entry, &self.trust(), &[]).await.unwrap()
    }

    async fn store_with(&self, more: &str) -> Store {
        let entry = entry(&self.server, &self.server.address(), &self.vault, &self.application);
        open(&entry, &format!("{}, {more}", self.trust()), &[]).await.unwrap()
    }

    pub(crate) fn trust(&self) -> String {
        format!("ca_cert: '{}'", self.folder.path().join("ca.pem").display())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.server.requests_of(&self.vault)
    }

    pub(crate) fn add(&self, secret: &str, value: &str) -> String {
        self.server.add_version(&self.vault, secret, &json!({ "value": value }))
    }
}

/// What is logged, at every level and by whomever.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// `call`, with what it logs.
    pub(crate) async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        call.with_subscriber(subscriber.with_writer(move || log.clone()).finish()).await
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn microsofts_own_client_proves_the_server() {
    const IDENTITY: &str = "11111111-2222-3333-4444-555555555555";
    let fixture = Fixture::new();
    let Fixture { server, application, .. } = &fixture;
    server.run_on_machine(&["", IDENTITY]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/azure_client.py");
    let login = json!({
        "tenant": application.tenant_id,
        "client": application.client_id,
        "secret": application.client_secret,
        "subject": application.subject_token,
    });
    let certificate = fixture.folder.path().join("ca.pem");
    // The vault is the server itself, whose ID is empty: the client takes no path in a vault's address.
    for part in ["", "slow", "throttled", "forbidden"] {
        match part {
            "slow" => server.set_slowness("", 2),
            "throttled" => server.set_condition("", Condition::Throttling(3)),
            "forbidden" => {
                server.set_condition("", Condition::Well);
                server.forbid("", "get");
            }
            _ => {}
        }
        let mut command = Command::new(python_program("python"));
        command.args([script, &server.address()]).arg(&certificate).args([&login.to_string(), IDENTITY]);
        command.args(Some(part).filter(|part| !part.is_empty()));
        let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(ran.status.success(), "{part}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

async fn a_disabled_version_is_disabled_whatever_is_older() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let first = fixture.add("openai-key", "first");
    let second = fixture.add("openai-key", "second");
    fixture.server.set_enabled(&fixture.vault, "openai-key", &second, false);
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
    assert!(error.message().contains("Forbidden, SecretDisabled, request "), "{error}");
    assert!(error.help().unwrap().contains("set-attributes"), "{error:?}");
    assert_eq!(store.get_version(&key(), &Version::from(first)).await.unwrap().expose(), "first");

    fixture.server.set_enabled(&fixture.vault, "openai-key", &second, true);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "second");
}

async fn a_deleted_secret_says_that_it_can_be_recovered() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let version = fixture.add("openai-key", "value");
    let management = store.management().unwrap();
    management.delete(&key()).await.unwrap();
    for error in [
        store.get(&key()).await.unwrap_err(),
        store.get_version(&key(), &Version::from(version)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Disabled, "{error}");
        assert!(error.help().unwrap().contains("az keyvault secret recover"), "{error:?}");
    }
    assert_eq!(management.list().await.unwrap(), []);
    assert_eq!(management.delete(&key()).await.unwrap_err().kind(), ErrorKind::NotFound);
    // A secret that was never there is another matter.
    assert_eq!(store.get(&name("absent")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_deleted_secret_is_missing_to_who_may_not_ask_for_it() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.add("openai-key", "value");
    store.management().unwrap().delete(&key()).await.unwrap();
    fixture.server.forbid(&fixture.vault, "get deleted");
    assert_eq!(kind_of_get(&store).await, ErrorKind::NotFound);
}

async fn a_deleted_secret_is_recovered_and_then_set() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let first = fixture.add("openai-key", "first");
    let management = store.management().unwrap();
    management.delete(&key()).await.unwrap();
    management.set(&key(), &"second".into()).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "second");
    assert_eq!(store.get_version(&key(), &Version::from(first)).await.unwrap().expose(), "first");
}

async fn a_recovery_that_takes_its_time_is_waited_for() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.add("openai-key", "first");
    fixture.server.set_slowness(&fixture.vault, 3);
    let management = store.management().unwrap();
    // The deletion is under way when the secret is set, too.
    management.delete(&key()).await.unwrap();
    management.set(&key(), &"second".into()).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "second");
}

async fn a_recovery_takes_a_permission() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.add("openai-key", "first");
    fixture.server.forbid(&fixture.vault, "recover");
    let management = store.management().unwrap();
    management.delete(&key()).await.unwrap();
    let error = management.set(&key(), &"second".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.help().unwrap().contains("'recover'"), "{error:?}");
}

async fn a_write_keeps_what_people_wrote_beside_the_value() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let tags = json!({ "owner": "ml", "file-encoding": "base64" });
    let body = json!({ "value": "Zmlyc3Q=", "contentType": "text/plain", "tags": tags });
    fixture.server.add_version(&fixture.vault, "openai-key", &body);
    store.management().unwrap().set(&key(), &"second".into()).await.unwrap();
    let held = fixture.server.bundle(&fixture.vault, "openai-key");
    // Whose encoding is told is the value before.
    let expected = (json!("second"), json!("text/plain"), json!({ "owner": "ml" }));
    assert_eq!((held["value"].clone(), held["contentType"].clone(), held["tags"].clone()), expected);
}

async fn a_writer_needs_no_right_to_read() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.server.forbid(&fixture.vault, "get");
    for text in ["first", "second"] {
        store.management().unwrap().set(&key(), &text.into()).await.unwrap();
    }
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.help().unwrap().contains("Key Vault Secrets User"), "{error:?}");
    assert_eq!(fixture.server.bundle(&fixture.vault, "openai-key")["value"], "second");
}

async fn a_value_past_its_end_is_served_and_warned_of() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let body = json!({ "value": "value", "attributes": { "exp": 1_000_000_000, "nbf": 4_102_444_800_i64 } });
    fixture.server.add_version(&fixture.vault, "openai-key", &body);
    let log = Log::default();
    let value = log.of(store.get(&key())).await.unwrap();
    assert_eq!((value.expose(), value.expires_at()), ("value", None));
    let text = log.text();
    let warned = text.lines().find(|line| line.contains("past its 'exp'")).expect("a warning");
    assert!(warned.contains("WARN") && warned.contains("openai-key"), "{warned}");
}

async fn capitals_make_no_other_name() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let management = store.management().unwrap();
    management.set(&name("OpenAI-Key"), &"first".into()).await.unwrap();
    management.set(&key(), &"second".into()).await.unwrap();
    assert_eq!(store.get(&name("OPENAI-KEY")).await.unwrap().expose(), "second");
    assert_eq!(management.list().await.unwrap(), [name("OpenAI-Key")]);
}

async fn hostile_names_are_refused_before_any_call() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let longest = "x".repeat(128);
    for hostile in [
        "..%2fother",
        "%2e%2e",
        "a/versions",
        "a?api-version=1",
        "a#b",
        "a b",
        "a_b",
        "a.b",
        "{secret-version}",
        "a\\b",
        "\u{202e}a",
        &longest,
    ] {
        let hostile = name(hostile);
        let management = store.management().unwrap();
        for result in [
            store.get(&hostile).await.map(drop),
            store.get_version(&hostile, &Version::from("0".repeat(32))).await.map(drop),
            management.set(&hostile, &"x".into()).await,
            management.delete(&hostile).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidName, "{hostile}");
        }
    }
    for version in ["versions", "../../deletedsecrets/x", "{secret-name}", "1", ""] {
        let error = store.get_version(&key(), &Version::from(version)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{version}");
    }
    assert_eq!(fixture.requests(), [] as [&str; 0]);
}

async fn two_writers_lose_no_version() {
    const TIMES: usize = 50;
    let fixture = Fixture::new();
    let stores = [fixture.store().await, fixture.store().await];
    let writers = stores.iter().cloned().enumerate().map(|(writer, store)| {
        tokio::spawn(async move {
            let management = store.management().unwrap();
            for time in 0..TIMES {
                management.set(&key(), &format!("{writer} {time}").into()).await.unwrap();
                management.set(&name(&format!("key-{writer}-{time}")), &"x".into()).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut values = Vec::new();
    for version in fixture.server.versions_of(&fixture.vault, "openai-key") {
        values
            .push(stores[0].get_version(&key(), &Version::from(version)).await.unwrap().expose().to_owned());
    }
    // The last one counts, and none is lost: whoever comes first has a version of its own, too.
    let last = stores[1].get(&key()).await.unwrap();
    assert_eq!(values.last().map(String::as_str), Some(last.expose()));
    assert!([format!("0 {}", TIMES - 1), format!("1 {}", TIMES - 1)].contains(&last.expose().to_owned()));
    values.sort();
    let mut expected: Vec<_> = (0..2).flat_map(|w| (0..TIMES).map(move |t| format!("{w} {t}"))).collect();
    expected.sort();
    assert_eq!(values, expected);
    assert_eq!(stores[0].management().unwrap().list().await.unwrap().len(), 2 * TIMES + 1);
}

async fn a_link_to_another_place_is_not_followed() {
    let fixture = Fixture::new();
    for number in 0..26 {
        fixture.add(&format!("key-{number}"), "x");
    }
    let store = fixture.store().await;
    assert_eq!(store.management().unwrap().list().await.unwrap().len(), 26);
    let before = fixture.requests().len();
    // The same server by another name, which its certificate has, too.
    let elsewhere = fixture.server.address().replace("127.0.0.1", "localhost");
    fixture.server.set_condition(&fixture.vault, Condition::Linking(elsewhere));
    let error = store.management().unwrap().list().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert_eq!(fixture.requests().len(), before + 1);
}

async fn what_a_proxy_answers_is_an_outage() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let store = fixture.store_with("retry: { tries: 1 }, breaker: { failures: 100 }").await;
    for status in [302, 401, 403, 404, 409, 429, 502] {
        fixture.server.set_condition(&fixture.vault, Condition::Interposed(status));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{status}: {error}");
        assert!(error.message().contains(&status.to_string()), "{error}");
    }
    assert_eq!(fixture.server.logins_of(&fixture.application), 0);
}

async fn a_throttle_says_when_to_come_back() {
    let fixture = Fixture::new();
    let store = fixture.store_with("retry: { tries: 1 }").await;
    fixture.server.set_condition(&fixture.vault, Condition::Throttling(7));
    for error in [
        store.get(&key()).await.unwrap_err(),
        store.management().unwrap().set(&key(), &"x".into()).await.unwrap_err(),
        store.management().unwrap().list().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    }
}

/// Something in between may say 'success' to anything.
async fn a_success_that_is_none_acknowledges_nothing() {
    let backend: Arc<dyn Backend> = Arc::new(Azure::default());
    let stage = Stage::new(&backend).await;
    let store = stage.warm_store("retry: { tries: 1 }").await;
    let management = store.management().unwrap();
    let other = json!({ "id": "https://v/secrets/other/0a", "value": "canary" }).to_string();
    let key = json!({ "kid": "https://v/keys/some-key/0a", "id": "https://v/keys/some-key/0a" }).to_string();
    let bodies = ["", "{}", "<html>canary</html>", &other, &key];
    let succeed = |method: &'static str, part: &'static str, body: &str| {
        let fault = Fault::Answer(Reply::of(200, "application/json", body));
        stage.proxy.inject_where(fault, move |request| {
            !request.is_login && request.method == method && request.path().contains(part)
        });
    };
    let unversioned = json!({ "id": "https://v/secrets/some-key", "value": "canary" }).to_string();
    for body in bodies.into_iter().chain([&*unversioned]) {
        succeed("PUT", "/secrets/", body);
        let error = management.set(&stage.name, &"new".into()).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    for body in bodies {
        succeed("DELETE", "/secrets/", body);
        let error = management.delete(&stage.name).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
    for body in ["", "{}", r#"{"value": null}"#, r#"{"value": [{}]}"#, &other] {
        succeed("GET", "/secrets", body);
        let error = management.list().await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
    stage.proxy.forward();
    assert!(store.get(&stage.name).await.unwrap().expose() == stage.value.text());

    // Nor is anything deleted, or recovered, because somebody says so.
    for body in bodies {
        succeed("GET", "/deletedsecrets/", body);
        let error = store.get(&name("absent")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
    stage.proxy.forward();
    management.delete(&stage.name).await.unwrap();
    for body in bodies {
        succeed("POST", "/deletedsecrets/", body);
        let error = management.set(&stage.name, &"new".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
}

async fn a_network_that_is_not_served_says_nothing_about_a_secret() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    for inner in ["ForbiddenByFirewall", "ForbiddenByConnection"] {
        fixture.server.set_condition(&fixture.vault, Condition::Failing(403, "Forbidden", Some(inner)));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreAuth);
        assert!(error.message().contains(inner), "{error}");
    }
}
