//! What is peculiar to Google Secret Manager, and the proof of its server.

mod login;

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, Version};
use modelmesh_testkit::servers::{
    google::{Condition, GoogleServer, VersionState},
    python_program,
    stranger::Stranger,
};
use tempfile::TempDir;

use crate::{
    asking::{Store, key, kind_of_get, name, open},
    backends::google::entry,
};

pub(crate) fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$(crate::trial(concat!("google::", stringify!($test)), $test)),*]
        };
    }
    let mut trials = trials![
        googles_own_client_proves_the_server,
        a_disabled_latest_version_is_disabled_whatever_is_older,
        a_destroyed_latest_version_is_disabled,
        versions_are_found_by_number_and_alias,
        a_damaged_payload_is_an_outage,
        regional_secrets_are_apart_from_global_ones,
        hostile_names_are_refused_before_any_call,
        a_listing_asks_for_its_prefix_alone,
        two_creators_at_once_lose_nothing,
        a_known_secret_is_written_in_one_call,
        an_answer_of_somebody_else_confirms_no_write,
        a_listing_has_an_end,
        settings_that_contradict_each_other_are_refused,
    ];
    trials.extend(login::trials());
    trials
}

/// A server with one project, and the file of a login.
struct Fixture {
    server: GoogleServer,
    project: String,
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let server = GoogleServer::start();
        let project = server.project();
        Fixture { project, server, folder: TempDir::new().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A store that logs in as a person.
    async fn store(&self, more: &str) -> Store {
        let file = self.file("user.json", &self.server.user().file);
        let entry = entry(&self.server.address(), &self.project, &file);
        open(&entry, more, &[]).await.unwrap()
    }

    /// The entry of a store with nothing but an endpoint.
    fn bare_entry(&self) -> String {
        format!("store: google.secret-manager.v1, endpoint: '{}'", self.server.address())
    }

    fn requests(&self) -> Vec<String> {
        self.server.requests_of(&self.project)
    }
}

/// A new RSA key, in PEM.
fn rsa_key() -> String {
    const MAKE: &str = "
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
print(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode())
";
    let made = Command::new(python_program("python")).args(["-c", MAKE]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

async fn googles_own_client_proves_the_server() {
    let fixture = Fixture::new();
    let user = fixture.file("user.json", &fixture.server.user().file);
    let account = fixture.server.service_account(&fixture.project, &rsa_key());
    let account = fixture.file("key.json", &account);
    let acting = "gateway@acme.iam.gserviceaccount.com";
    fixture.server.impersonating(&fixture.server.user(), acting);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/google_client.py");
    let mut command = Command::new(python_program("python"));
    command.args([script, &fixture.server.address(), &fixture.project]).args([user, account]).arg(acting);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

async fn a_disabled_latest_version_is_disabled_whatever_is_older() {
    let fixture = Fixture::new();
    let store = fixture.store("").await;
    let management = store.management().unwrap();
    management.set(&key(), &"first".into()).await.unwrap();
    management.set(&key(), &"second".into()).await.unwrap();
    fixture.server.set_version_state(&fixture.project, "openai-key", 2, VersionState::Disabled);
    assert_eq!(kind_of_get(&store).await, ErrorKind::Disabled);

    assert_eq!(store.get_version(&key(), &Version::from(1)).await.unwrap().expose(), "first");
    fixture.server.set_version_state(&fixture.project, "openai-key", 2, VersionState::Enabled);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "second");
}

async fn a_destroyed_latest_version_is_disabled() {
    let fixture = Fixture::new();
    let store = fixture.store("").await;
    store.management().unwrap().set(&key(), &"first".into()).await.unwrap();
    fixture.server.set_version_state(&fixture.project, "openai-key", 1, VersionState::Destroyed);
    assert_eq!(kind_of_get(&store).await, ErrorKind::Disabled);
}

async fn versions_are_found_by_number_and_alias() {
    let fixture = Fixture::new();
    let store = fixture.store("").await;
    for bytes in [b"first", b"later"] {
        fixture.server.add_version(&fixture.project, "openai-key", bytes);
    }
    fixture.server.set_alias(&fixture.project, "openai-key", "stable", 1);
    for (asked, text, number) in [("1", "first", "1"), ("stable", "first", "1"), ("latest", "later", "2")] {
        let value = store.get_version(&key(), &Version::from(asked)).await.unwrap();
        assert_eq!((value.expose(), value.version().unwrap().as_str()), (text, number));
    }
    for absent in ["3", "no-such-alias", "../../../secrets/other/versions/1"] {
        let error = store.get_version(&key(), &Version::from(absent)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{absent}");
    }
}

async fn a_damaged_payload_is_an_outage() {
    let fixture = Fixture::new();
    let store = fixture.store("").await;
    store.management().unwrap().set(&key(), &"value".into()).await.unwrap();
    fixture.server.set_condition(&fixture.project, Condition::Damaging);
    assert_eq!(kind_of_get(&store).await, ErrorKind::Unavailable);
}

async fn regional_secrets_are_apart_from_global_ones() {
    let fixture = Fixture::new();
    let global = fixture.store("").await;
    let regional = fixture.store("location: europe-west3").await;
    global.management().unwrap().set(&key(), &"global".into()).await.unwrap();
    assert_eq!(kind_of_get(&regional).await, ErrorKind::NotFound);

    regional.management().unwrap().set(&key(), &"regional".into()).await.unwrap();
    assert_eq!(regional.get(&key()).await.unwrap().expose(), "regional");
    assert_eq!(global.get(&key()).await.unwrap().expose(), "global");
    regional.management().unwrap().set(&name("another"), &"x".into()).await.unwrap();
    assert_eq!(global.management().unwrap().list().await.unwrap(), [key()]);
    assert_eq!(regional.management().unwrap().list().await.unwrap(), [name("another"), key()]);
    let path = format!(
        "GET /v1/projects/{}/locations/europe-west3/secrets/openai-key/versions/latest:access",
        fixture.project
    );
    assert!(fixture.requests().contains(&path), "{:?}", fixture.requests());
}

async fn hostile_names_are_refused_before_any_call() {
    let fixture = Fixture::new();
    let store = fixture.store("").await;
    let longest = "x".repeat(256);
    for hostile in ["..%2fother", "a/versions/1", "a:destroy", "a?b", "a#b", "a b", "\u{202e}a", &longest] {
        let hostile = name(hostile);
        let management = store.management().unwrap();
        for result in [
            store.get(&hostile).await.map(drop),
            store.get_version(&hostile, &Version::from(1)).await.map(drop),
            management.set(&hostile, &"x".into()).await,
            management.delete(&hostile).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidName, "{hostile}");
        }
    }
    assert_eq!(fixture.requests(), [] as [&str; 0]);
}

async fn a_listing_asks_for_its_prefix_alone() {
    let fixture = Fixture::new();
    for secret in ["app-one", "APP-two", "my-app-three", "other"] {
        fixture.server.add_version(&fixture.project, secret, b"x");
    }
    let store = fixture.store("prefix: app-").await;
    assert_eq!(store.management().unwrap().list().await.unwrap(), [name("one")]);
    let listing = fixture.requests().pop().unwrap();
    assert!(listing.contains("filter=name%3A%22app-%22"), "{listing}");
}

async fn two_creators_at_once_lose_nothing() {
    let fixture = Fixture::new();
    let stores = [fixture.store("").await, fixture.store("").await];
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&stores[writer % 2]);
        tokio::spawn(async move {
            let value = format!("of writer {writer}").into();
            store.management().unwrap().set(&key(), &value).await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let mut values = Vec::new();
    for version in 1..=8u64 {
        let value = stores[0].get_version(&key(), &Version::from(version)).await.unwrap();
        values.push(value.expose().to_owned());
    }
    values.sort();
    assert_eq!(values, (0..8).map(|writer| format!("of writer {writer}")).collect::<Vec<_>>());
}

async fn a_known_secret_is_written_in_one_call() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"old");
    let store = fixture.store("").await;
    store.management().unwrap().set(&key(), &"new".into()).await.unwrap();
    let call = format!("POST /v1/projects/{}/secrets/openai-key:addVersion", fixture.project);
    assert_eq!(fixture.requests(), [call]);
}

/// A store without a login, at somebody who answers everything with success and this text.
async fn at_stranger(text: impl Fn(usize) -> String + Send + 'static) -> Store {
    let stranger = Stranger::saying(text);
    let entry = format!("store: google.secret-manager.v1, endpoint: '{}'", stranger.address());
    open(&entry, "auth: anonymous, project: acme", &[]).await.unwrap()
}

async fn an_answer_of_somebody_else_confirms_no_write() {
    for text in ["<html>Please log in</html>", "\"\"", r#"{"name": "projects/1/secrets/other/versions/1"}"#] {
        let store = at_stranger(|_| text.to_owned()).await;
        let error = store.management().unwrap().set(&key(), &"value".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text}");
    }
    for text in ["<html>Please log in</html>", "\"\""] {
        let store = at_stranger(|_| text.to_owned()).await;
        let error = store.management().unwrap().delete(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text}");
    }
}

async fn a_listing_has_an_end() {
    for token in [|_| "again".to_owned(), |number: usize| number.to_string()] {
        let store = at_stranger(move |number| format!(r#"{{"nextPageToken": "{}"}}"#, token(number))).await;
        let error = store.management().unwrap().list().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

async fn settings_that_contradict_each_other_are_refused() {
    let google = "store: google.secret-manager.v1";
    for settings in [
        "auth: anonymous",
        "auth: anonymous, endpoint: 'http://127.0.0.1:1', credentials_file: x.json",
        "location: evil.example.com",
        "location: europe-west1, replication: automatic",
        "replication: [automatic, europe-west1]",
        "replication: 'Europe West'",
        "project: a/b",
        "endpoint: 'http://secrets.example.com'",
    ] {
        let error = open(google, settings, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{settings}");
        assert!(error.help().is_some() || error.message().contains('\''), "{settings}: {error}");
    }
}
