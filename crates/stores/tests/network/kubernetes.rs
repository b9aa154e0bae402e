//! What is peculiar to Kubernetes, on a real API server.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libtest_mimic::Trial;
use modelmesh_secrets::{
    Change, ErrorKind, Result, SecretName, SecretStoreConnector, SecretValue, StoreSource,
    config::Configuration, document::Format,
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use modelmesh_testkit::servers::kubernetes::{KubernetesServer, Subject};
use serde_json::{Value, json};

use crate::{
    backend,
    backends::kubernetes::{ALL_VERBS, Cluster, entry},
};

pub(crate) fn trials() -> Vec<Trial> {
    // One server for all: each test has a namespace of its own.
    let cluster = Cluster::new();
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$({
                let cluster = Arc::clone(&cluster);
                let test = move || async move { $test(Fixture::new(cluster).await).await };
                crate::trial(concat!("kubernetes::", stringify!($test)), test)
            }),*]
        };
    }
    trials![
        fifty_keys_of_one_secret_come_in_one_call,
        names_of_several_secrets_take_a_call_for_each,
        a_version_is_that_of_the_secret,
        two_writers_of_one_secret_lose_nothing,
        writers_of_the_same_keys_leave_what_the_last_one_wrote,
        two_that_count_together_lose_no_step,
        a_change_of_what_others_changed_is_made_anew,
        an_exchange_is_refused_if_its_own_key_changed,
        an_exchange_of_several_secrets_is_compared_before_it_is_made,
        many_values_of_one_secret_are_set_together,
        a_write_leaves_the_rest_of_the_secret,
        the_last_key_leaves_its_secret,
        an_immutable_secret_is_read_and_never_written,
        a_secret_that_is_being_deleted_takes_no_write,
        a_deleted_secret_is_not_found_and_is_made_again,
        a_namespace_that_is_not_there_is_told_of,
        who_may_not_is_denied_with_what_to_do,
        who_may_only_read_can_read,
        a_throttle_says_when_to_come_back,
        the_longest_value_fits_and_a_longer_one_is_refused_unsent,
        keys_that_together_are_too_long_are_refused,
        a_typed_secret_keeps_its_rules,
        a_listing_has_pages_and_leaves_out_what_the_cluster_made,
        a_listing_of_large_secrets_asks_for_fewer_at_a_time,
        hostile_names_are_refused_before_any_call,
        an_unknown_token_is_store_auth_after_reading_it_anew,
        a_token_file_that_was_replaced_is_taken_over,
        a_pod_has_a_service_account,
        a_client_certificate_is_a_login,
        a_helper_program_of_kubeconfig_gives_tokens,
        a_helper_program_that_fails_shows_nothing_it_printed,
    ]
}

/// A namespace of the server in which the writer may do what a store needs.
struct Fixture {
    cluster: Arc<Cluster>,
    namespace: String,
}

impl Fixture {
    async fn new(cluster: Arc<Cluster>) -> Self {
        let namespace = cluster.namespace().await;
        Fixture { cluster, namespace }
    }

    async fn server(&self) -> &KubernetesServer {
        self.cluster.server().await
    }

    /// A kubeconfig of a user with these fields.
    async fn kubeconfig(&self, name: &str, user: &Value) -> PathBuf {
        let address = self.server().await.address();
        self.file(name, &self.cluster.kubeconfig(address, user))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        self.cluster.file(&format!("{}-{name}", self.namespace), text)
    }

    /// A store of the writer.
    async fn store(&self, more: &str) -> Arc<dyn SecretStoreConnector> {
        let file = self.kubeconfig("writer", &json!({ "token": self.cluster.writer() })).await;
        open(&entry(&file, &self.namespace), more, &[]).await.unwrap()
    }

    /// A store of a service account that may do `verbs`.
    async fn store_that_may(&self, verbs: &[&str]) -> Arc<dyn SecretStoreConnector> {
        let server = self.server().await;
        server.create_service_account(&self.namespace, "someone").await;
        // A role must have a verb.
        if !verbs.is_empty() {
            server.grant(&self.namespace, Subject::ServiceAccount("someone"), verbs).await;
        }
        let token = server.service_account_token(&self.namespace, "someone").await;
        let file = self.kubeconfig("someone", &json!({ "token": token })).await;
        open(&entry(&file, &self.namespace), "secret: app", &[]).await.unwrap()
    }

    async fn create(&self, secret: &str, keys: &[(&str, &str)]) {
        self.server().await.create_secret(&self.namespace, secret, json!({ "data": data(keys) })).await;
    }

    async fn secret(&self, secret: &str) -> Value {
        self.server().await.secret(&self.namespace, secret).await.unwrap()
    }

    async fn requests(&self) -> Vec<String> {
        self.server().await.requests_of(&self.namespace)
    }
}

fn data(keys: &[(&str, &str)]) -> Value {
    keys.iter().map(|(key, value)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(value)))).collect()
}

async fn open(entry: &str, more: &str, variables: &[(&str, &str)]) -> Result<Arc<dyn SecretStoreConnector>> {
    let text = backend::configuration(entry, more);
    let parsed = Configuration::parse("modelmesh.yaml", ".".into(), &text, Format::Yaml, &catalogue());
    let parsed = parsed.unwrap_or_else(|report| panic!("{report}"));
    let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
    let context = OpenContext { environment, ..OpenContext::default() };
    let stores = StoreSet::new(Arc::new(parsed), context).unwrap_or_else(|report| panic!("{report}"));
    stores.without_cache().store("s").await
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn key() -> SecretName {
    name("openai-key")
}

async fn set(store: &Arc<dyn SecretStoreConnector>, name: &SecretName, value: &str) -> Result<()> {
    store.management().unwrap().set(name, &value.into()).await
}

async fn held(store: &Arc<dyn SecretStoreConnector>, name: &SecretName) -> String {
    store.get(name).await.unwrap().expose().to_owned()
}

async fn kind_of_get(store: &Arc<dyn SecretStoreConnector>) -> ErrorKind {
    store.get(&key()).await.unwrap_err().kind()
}

async fn fifty_keys_of_one_secret_come_in_one_call(fixture: Fixture) {
    let keys: Vec<(String, String)> =
        (0..50).map(|at| (format!("key-{at}"), format!("value {at}"))).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    fixture.create("app", &pairs).await;

    for (more, prefix) in [("secret: app", ""), ("", "app/"), ("prefix: app/", "")] {
        let before = fixture.requests().await.len();
        let names: Vec<SecretName> = keys.iter().map(|(key, _)| name(&format!("{prefix}{key}"))).collect();
        // Of pairs, as many as a call takes.
        let names = if prefix.is_empty() { &names[..] } else { &names[..32] };
        let values = fixture.store(more).await.get_many(names).await;
        for (value, (_, expected)) in values.iter().zip(&keys) {
            assert_eq!(value.as_ref().unwrap().expose(), expected);
        }
        assert_eq!(values.len(), names.len());
        assert_eq!(fixture.requests().await[before..], ["get app"], "{more}");
    }
}

async fn names_of_several_secrets_take_a_call_for_each(fixture: Fixture) {
    fixture.create("one", &[("a", "1"), ("b", "2")]).await;
    fixture.create("two", &[("a", "3")]).await;
    let names = ["one/a", "two/a", "absent/a", "one/b", "one/absent", "no-pair"].map(name);
    let values = fixture.store("").await.get_many(&names).await;
    let told: Vec<Result<&str, ErrorKind>> = values
        .iter()
        .map(|value| value.as_ref().map(SecretValue::expose).map_err(|error| error.kind()))
        .collect();
    let missing = Err(ErrorKind::NotFound);
    assert_eq!(told, [Ok("1"), Ok("3"), missing, Ok("2"), missing, Err(ErrorKind::InvalidName)]);
    let asked: BTreeSet<String> = fixture.requests().await.into_iter().collect();
    assert_eq!(asked.len(), fixture.requests().await.len(), "a Secret was asked for twice");
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["get absent", "get one", "get two"]);
}

async fn a_version_is_that_of_the_secret(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    for value in ["first", "second"] {
        set(&store, &key(), value).await.unwrap();
        let got = store.get(&key()).await.unwrap();
        let version = fixture.secret("app").await["metadata"]["resourceVersion"].clone();
        assert_eq!((got.expose(), got.version().unwrap().as_str()), (value, version.as_str().unwrap()));
    }
}

/// Two stores, as two processes have them, write 50 times each.
async fn write_at_once(fixture: &Fixture, key_of: fn(usize, usize) -> String) {
    let mut writers = Vec::new();
    for writer in 0..2 {
        let store = fixture.store("secret: app").await;
        writers.push(tokio::spawn(async move {
            for at in 0..50 {
                set(&store, &name(&key_of(writer, at)), &format!("{at} of {writer}")).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn two_writers_of_one_secret_lose_nothing(fixture: Fixture) {
    write_at_once(&fixture, |writer, at| format!("key-{writer}-{at}")).await;
    let store = fixture.store("secret: app").await;
    for writer in 0..2 {
        for at in 0..50 {
            let value = held(&store, &name(&format!("key-{writer}-{at}"))).await;
            assert_eq!(value, format!("{at} of {writer}"));
        }
    }
    assert_eq!(store.management().unwrap().list().await.unwrap().len(), 100);
}

async fn writers_of_the_same_keys_leave_what_the_last_one_wrote(fixture: Fixture) {
    write_at_once(&fixture, |_, at| format!("key-{at}")).await;
    let store = fixture.store("secret: app").await;
    for at in 0..50 {
        let value = held(&store, &name(&format!("key-{at}"))).await;
        assert!([0, 1].map(|writer| format!("{at} of {writer}")).contains(&value), "{at}: {value}");
    }
    assert_eq!(store.management().unwrap().list().await.unwrap().len(), 50);
}

/// Each step builds on the one before it: one that were acknowledged and lost would be missing in the end.
async fn two_that_count_together_lose_no_step(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "0")]).await;
    let mut writers = Vec::new();
    for _ in 0..2 {
        let store = fixture.store("secret: app").await;
        writers.push(tokio::spawn(async move {
            let mut made = 0;
            while made < 50 {
                let before = held(&store, &key()).await;
                let after = (before.parse::<usize>().unwrap() + 1).to_string();
                match store.exchange(&[change("openai-key", Some(&before), Some(&after))]).await.remove(0) {
                    Ok(()) => made += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(held(&fixture.store("secret: app").await, &key()).await, "100");
}

async fn a_change_of_what_others_changed_is_made_anew(fixture: Fixture) {
    const WRITERS: usize = 8;
    fixture.create("app", &[]).await;
    let mut stores = Vec::new();
    for _ in 0..WRITERS {
        stores.push(fixture.store("secret: app").await);
    }
    // A write is two requests, and more only if somebody else was sooner. Whether they meet is up to the machine.
    for round in 0..10 {
        let before = fixture.requests().await.len();
        let writes = stores.iter().enumerate().map(|(at, store)| {
            let store = Arc::clone(store);
            tokio::spawn(async move { set(&store, &name(&format!("key-{round}-{at}")), "value").await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
        let keys = fixture.secret("app").await["data"].as_object().unwrap().len();
        assert_eq!(keys, WRITERS * (round + 1));
        if fixture.requests().await.len() > before + 2 * WRITERS {
            return;
        }
    }
    panic!("nobody ever came first");
}

fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let value = |text: Option<&str>| text.map(SecretValue::new);
    Change { name: self::name(name), before: value(before), after: value(after) }
}

async fn an_exchange_is_refused_if_its_own_key_changed(fixture: Fixture) {
    fixture.create("app", &[("a", "1"), ("b", "2")]).await;
    let store = fixture.store("secret: app").await;
    let stale = [change("a", Some("1"), Some("new")), change("b", Some("other"), None)];
    for result in store.exchange(&stale).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.name()), (ErrorKind::Conflict, Some("b")));
    }
    assert_eq!(fixture.secret("app").await["data"], data(&[("a", "1"), ("b", "2")]));

    let changes =
        [change("a", Some("1"), Some("new")), change("b", Some("2"), None), change("c", None, Some("3"))];
    for result in store.exchange(&changes).await {
        result.unwrap();
    }
    assert_eq!(fixture.secret("app").await["data"], data(&[("a", "new"), ("c", "3")]));
    let patches = fixture.requests().await.into_iter().filter(|request| request == "patch app").count();
    assert_eq!(patches, 1);
}

async fn an_exchange_of_several_secrets_is_compared_before_it_is_made(fixture: Fixture) {
    fixture.create("one", &[("a", "1")]).await;
    fixture.create("two", &[("a", "2")]).await;
    let store = fixture.store("").await;
    let stale = [change("one/a", Some("1"), Some("new")), change("two/a", Some("other"), Some("new"))];
    for result in store.exchange(&stale).await {
        assert_eq!(result.unwrap_err().name(), Some("two/a"));
    }
    assert_eq!(fixture.secret("one").await["data"], data(&[("a", "1")]));

    let changes = [change("one/a", Some("1"), Some("new")), change("two/a", Some("2"), Some("newer"))];
    for result in store.exchange(&changes).await {
        result.unwrap();
    }
    assert_eq!(fixture.secret("one").await["data"], data(&[("a", "new")]));
    assert_eq!(fixture.secret("two").await["data"], data(&[("a", "newer")]));
}

async fn many_values_of_one_secret_are_set_together(fixture: Fixture) {
    let store = fixture.store("").await;
    let secrets: Vec<(SecretName, SecretValue)> =
        (0..20).map(|at| (name(&format!("s{}/key-{at}", at % 2)), "value".into())).collect();
    for result in store.management().unwrap().set_many(&secrets).await {
        result.unwrap();
    }
    assert_eq!(fixture.requests().await, ["get s0", "create", "get s1", "create"]);
    for secret in ["s0", "s1"] {
        assert_eq!(fixture.secret(secret).await["data"].as_object().unwrap().len(), 10);
    }
    // A name that cannot be one stops all.
    let refused = [(name("s0/key-0"), "new".into()), (name("s0/no key"), "new".into())];
    for result in store.management().unwrap().set_many(&refused).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidName);
    }
    assert_eq!(fixture.requests().await.len(), 4);
}

async fn a_write_leaves_the_rest_of_the_secret(fixture: Fixture) {
    let object = json!({
        "type": "example.com/own",
        "metadata": { "labels": { "app": "gateway" }, "annotations": { "note": "kept" }, "finalizers": ["a.b/c"] },
        "data": { "other": BASE64_STANDARD.encode("kept"), "binary": BASE64_STANDARD.encode(b"\xff\xfe") },
    });
    fixture.server().await.create_secret(&fixture.namespace, "app", object.clone()).await;
    let store = fixture.store("secret: app").await;
    set(&store, &key(), "value").await.unwrap();
    store.management().unwrap().delete(&key()).await.unwrap();
    let left = fixture.secret("app").await;
    for part in ["/type", "/metadata/labels", "/metadata/annotations", "/metadata/finalizers", "/data"] {
        assert_eq!(left.pointer(part), object.pointer(part), "{part}");
    }
}

async fn the_last_key_leaves_its_secret(fixture: Fixture) {
    for (more, text) in [("secret: app", "openai-key"), ("", "app/openai-key")] {
        let store = fixture.store(more).await;
        set(&store, &name(text), "value").await.unwrap();
        store.management().unwrap().delete(&name(text)).await.unwrap();
        assert_eq!(fixture.secret("app").await["data"], Value::Null);
        assert_eq!(store.management().unwrap().list().await.unwrap(), []);
        assert_eq!(store.get(&name(text)).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

async fn an_immutable_secret_is_read_and_never_written(fixture: Fixture) {
    let object = json!({ "data": data(&[("openai-key", "value")]), "immutable": true });
    fixture.server().await.create_secret(&fixture.namespace, "app", object).await;
    let store = fixture.store("secret: app").await;
    assert_eq!(held(&store, &key()).await, "value");
    let management = store.management().unwrap();
    for result in [
        set(&store, &key(), "new").await,
        set(&store, &name("fresh"), "new").await,
        management.delete(&key()).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("immutable") && error.help().is_some(), "{error:?}");
    }
    assert_eq!(held(&store, &key()).await, "value");
}

async fn a_secret_that_is_being_deleted_takes_no_write(fixture: Fixture) {
    let object = json!({ "metadata": { "finalizers": ["a.b/c"] }, "data": data(&[("openai-key", "value")]) });
    let server = fixture.server().await;
    server.create_secret(&fixture.namespace, "app", object).await;
    server.delete_secret(&fixture.namespace, "app").await;
    let store = fixture.store("secret: app").await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::Disabled);
    assert_eq!(set(&store, &key(), "lost").await.unwrap_err().kind(), ErrorKind::Disabled);

    server.patch_secret(&fixture.namespace, "app", &json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::NotFound);
    set(&store, &key(), "kept").await.unwrap();
    assert_eq!(held(&store, &key()).await, "kept");
}

async fn a_deleted_secret_is_not_found_and_is_made_again(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let store = fixture.store("secret: app").await;
    assert_eq!(held(&store, &key()).await, "value");
    fixture.server().await.delete_secret(&fixture.namespace, "app").await;
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::NotFound, Some("openai-key")));
    assert!(error.help().is_some(), "{error:?}");
    assert_eq!(store.management().unwrap().delete(&key()).await.unwrap_err().kind(), ErrorKind::NotFound);

    set(&store, &key(), "again").await.unwrap();
    assert_eq!(held(&store, &key()).await, "again");
    assert_eq!(fixture.secret("app").await["type"], "Opaque");
}

async fn a_namespace_that_is_not_there_is_told_of(fixture: Fixture) {
    // Who has rights in some namespaces alone is denied before anybody looks for the namespace.
    let file = fixture.kubeconfig("writer", &json!({ "token": fixture.cluster.writer() })).await;
    let store = open(&entry(&file, "not-there"), "secret: app", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::Denied);

    let server = fixture.server().await;
    server.grant_everywhere(Subject::User("roamer"), ALL_VERBS).await;
    let file = fixture.kubeconfig("roamer", &certificate(&fixture, "roamer").await).await;
    let store = open(&entry(&file, "not-there"), "secret: app", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::NotFound);
    let error = set(&store, &key(), "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("namespace") && error.help().is_some(), "{error:?}");
}

async fn who_may_not_is_denied_with_what_to_do(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let store = fixture.store_that_may(&[]).await;
    let management = store.management().unwrap();
    for result in [
        store.get(&key()).await.map(drop),
        set(&store, &key(), "new").await,
        management.delete(&key()).await,
        management.list().await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("Forbidden"), "{error}");
        assert!(error.help().unwrap().contains("RoleBinding"), "{error:?}");
    }
    assert_eq!(fixture.secret("app").await["data"], data(&[("openai-key", "value")]));
}

async fn who_may_only_read_can_read(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let store = fixture.store_that_may(&["get"]).await;
    assert_eq!(held(&store, &key()).await, "value");
    // The keys of one Secret are listed by reading it.
    assert_eq!(store.management().unwrap().list().await.unwrap(), [key()]);
    assert_eq!(set(&store, &key(), "new").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(held(&store, &key()).await, "value");
}

async fn a_throttle_says_when_to_come_back(fixture: Fixture) {
    fixture.server().await.throttle(&fixture.namespace, fixture.cluster.writer()).await;
    let store = fixture.store("secret: app, retry: { tries: 1 }").await;
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.retry_after().is_some_and(|wait| wait.as_secs() >= 1), "{error:?}");
}

async fn the_longest_value_fits_and_a_longer_one_is_refused_unsent(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    let longest = store.capabilities().max_bytes.unwrap();
    set(&store, &key(), &"x".repeat(longest)).await.unwrap();
    assert_eq!(held(&store, &key()).await.len(), longest);
    let before = fixture.requests().await.len();
    let error = set(&store, &key(), &"x".repeat(longest + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.requests().await.len(), before);
}

async fn keys_that_together_are_too_long_are_refused(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    // To the byte: what is just not too long must not be refused here, and is what the server takes at the most.
    set(&store, &name("half"), &"x".repeat(1 << 19)).await.unwrap();
    set(&store, &name("other"), &"x".repeat(1 << 19)).await.unwrap();
    let error = set(&store, &key(), "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("1 MiB"), "{error:?}");
    set(&store, &key(), "").await.unwrap();
    store.management().unwrap().delete(&name("half")).await.unwrap();
    set(&store, &key(), "y").await.unwrap();
}

async fn a_typed_secret_keeps_its_rules(fixture: Fixture) {
    let object =
        json!({ "type": "kubernetes.io/basic-auth", "data": data(&[("username", "u"), ("password", "p")]) });
    fixture.server().await.create_secret(&fixture.namespace, "login", object).await;
    let ssh = json!({ "type": "kubernetes.io/ssh-auth", "data": data(&[("ssh-privatekey", "k")]) });
    fixture.server().await.create_secret(&fixture.namespace, "ssh", ssh).await;
    let store = fixture.store("").await;
    set(&store, &name("login/password"), "new").await.unwrap();
    assert_eq!(held(&store, &name("login/password")).await, "new");
    let error = store.management().unwrap().delete(&name("ssh/ssh-privatekey")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(held(&store, &name("ssh/ssh-privatekey")).await, "k");
}

async fn a_listing_has_pages_and_leaves_out_what_the_cluster_made(fixture: Fixture) {
    let own = json!({ "type": "example.com/own", "data": data(&[("a", "1")]) });
    fixture.server().await.create_secret(&fixture.namespace, "own", own).await;
    fixture.create("empty", &[]).await;
    for at in 0..501 {
        fixture.create(&format!("s{at}"), &[("b", "1"), ("a", "2")]).await;
    }
    let store = fixture.store("").await;
    let mut expected: Vec<SecretName> =
        (0..501).flat_map(|at| ["a", "b"].map(|key| name(&format!("s{at}/{key}")))).collect();
    expected.sort();
    assert_eq!(store.management().unwrap().list().await.unwrap(), expected);
    assert_eq!(fixture.requests().await, ["list", "list"]);
}

async fn a_listing_of_large_secrets_asks_for_fewer_at_a_time(fixture: Fixture) {
    let large = "x".repeat(900_000);
    for at in 0..12 {
        fixture.create(&format!("s{at:02}"), &[("key", &large)]).await;
    }
    let expected: Vec<SecretName> = (0..12).map(|at| name(&format!("s{at:02}/key"))).collect();
    assert_eq!(fixture.store("").await.management().unwrap().list().await.unwrap(), expected);
}

async fn hostile_names_are_refused_before_any_call(fixture: Fixture) {
    let longest = "k".repeat(254);
    let of_keys = ["a/b", "%2e%2e", "..%2fother", "..a", "a?b", "a#b", "a b", "a\"b", "\u{202e}a", &longest];
    let of_pairs =
        ["app", "..%2fkube-system/a", "app/..a", "App/a", "app/a/b", "app/a?b", "a\"b/c", "app/\u{202e}"];
    for (more, names) in [("secret: app", &of_keys[..]), ("", &of_pairs)] {
        let store = fixture.store(more).await;
        for hostile in names {
            let hostile = name(hostile);
            for result in [
                store.get(&hostile).await.map(drop),
                set(&store, &hostile, "x").await,
                store.management().unwrap().delete(&hostile).await,
            ] {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidName, "{hostile}");
                assert!(error.help().is_some(), "{error:?}");
            }
        }
    }
    assert_eq!(fixture.requests().await, [] as [&str; 0]);
}

async fn an_unknown_token_is_store_auth_after_reading_it_anew(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let file = fixture.kubeconfig("login", &json!({ "token": fixture.cluster.refused() })).await;
    let store = open(&entry(&file, &fixture.namespace), "secret: app", &[]).await.unwrap();
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().is_some() && !format!("{error:?}").contains(fixture.cluster.refused()), "{error:?}");

    // Somebody logs in, and nothing is started anew.
    fixture.kubeconfig("login", &json!({ "token": fixture.cluster.writer() })).await;
    assert_eq!(held(&store, &key()).await, "value");
}

async fn a_token_file_that_was_replaced_is_taken_over(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    // By hand, with a newline at its end.
    let token = fixture.file("token", &format!("{}\n", fixture.cluster.writer()));
    let file = fixture.kubeconfig("login", &json!({ "tokenFile": token })).await;
    let store = open(&entry(&file, &fixture.namespace), "secret: app", &[]).await.unwrap();
    assert_eq!(held(&store, &key()).await, "value");
    fs::write(&token, fixture.cluster.refused()).unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    fs::write(&token, fixture.cluster.writer()).unwrap();
    assert_eq!(held(&store, &key()).await, "value");
    fs::remove_file(&token).unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
}

async fn a_pod_has_a_service_account(fixture: Fixture) {
    let (server, namespace) = (fixture.server().await, &fixture.namespace);
    server.create_service_account(namespace, "gateway").await;
    server.grant(namespace, Subject::ServiceAccount("gateway"), ALL_VERBS).await;
    let token = server.service_account_token(namespace, "gateway").await;
    let folder = fixture.file("pod", "").with_extension("d");
    fs::create_dir(&folder).unwrap();
    for (file, text) in [("token", &*token), ("ca.crt", server.authority()), ("namespace", namespace)] {
        fs::write(folder.join(file), text).unwrap();
    }
    let entry = format!("store: kubernetes.secret.v1, service_account: '{}', secret: app", folder.display());
    let (_, port) = server.address().rsplit_once(':').unwrap();
    let variables = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", port)];
    let store = open(&entry, "", &variables).await.unwrap();
    set(&store, &key(), "value").await.unwrap();
    assert_eq!(held(&store, &key()).await, "value");
    assert_eq!(fixture.secret("app").await["data"], data(&[("openai-key", "value")]));

    server.delete_service_account(namespace, "gateway", &token).await;
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(!format!("{error:?}").contains(&token), "{error:?}");
    // The kubelet replaces tokens in running pods.
    server.create_service_account(namespace, "gateway").await;
    fs::write(folder.join("token"), server.service_account_token(namespace, "gateway").await).unwrap();
    assert_eq!(held(&store, &key()).await, "value");
}

/// A user of a kubeconfig who is known by a certificate.
async fn certificate(fixture: &Fixture, name: &str) -> Value {
    let certificate = fixture.server().await.client_certificate(name);
    json!({
        "client-certificate-data": BASE64_STANDARD.encode(&certificate.certificate),
        "client-key": fixture.file("client.key", &certificate.key),
    })
}

async fn a_client_certificate_is_a_login(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let file = fixture.kubeconfig("certificate", &certificate(&fixture, "somebody").await).await;
    let store = open(&entry(&file, &fixture.namespace), "secret: app", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::Denied);
    fixture.server().await.grant(&fixture.namespace, Subject::User("somebody"), &["get"]).await;
    assert_eq!(held(&store, &key()).await, "value");
}

/// A kubeconfig with a helper program: a shell script.
async fn with_helper(fixture: &Fixture, script: &str) -> Arc<dyn SecretStoreConnector> {
    let helper = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", script],
        "interactiveMode": "IfAvailable",
    });
    let file = fixture.kubeconfig("helper", &json!({ "exec": helper })).await.display().to_string();
    let entry = format!("store: kubernetes.secret.v1, namespace: {}, secret: app", fixture.namespace);
    open(&entry, "", &[("KUBECONFIG", &file)]).await.unwrap()
}

async fn a_helper_program_of_kubeconfig_gives_tokens(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let credential = |token: &str| {
        let status = json!({ "token": token });
        let kind = "client.authentication.k8s.io/v1";
        json!({ "apiVersion": kind, "kind": "ExecCredential", "status": status }).to_string()
    };
    let given = fixture.file("given.json", &credential(fixture.cluster.refused()));
    let store = with_helper(&fixture, &format!("cat '{}'", given.display())).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    // A refused token is asked for again.
    fs::write(&given, credential(fixture.cluster.writer())).unwrap();
    assert_eq!(held(&store, &key()).await, "value");
}

async fn a_helper_program_that_fails_shows_nothing_it_printed(fixture: Fixture) {
    for script in
        ["echo canary; echo canary >&2; exit 1", "echo '{\"status\": {\"canary\": 1}}'", "echo canary"]
    {
        let error = with_helper(&fixture, script).await.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreAuth, "{script}");
        assert!(error.help().is_some() && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
