//! Who asks, and what they may do.

use std::{fs, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretStoreConnector};
use modelmesh_testkit::servers::kubernetes::Subject;
use serde_json::{Value, json};

use super::{Fixture, data, held, key, kind_of_get, open, set};
use crate::backends::kubernetes::{ALL_VERBS, Cluster, entry};

pub(super) fn trials(cluster: &Arc<Cluster>) -> Vec<Trial> {
    trials![cluster:
        a_namespace_that_is_not_there_is_told_of,
        who_may_not_is_denied_with_what_to_do,
        who_may_only_read_can_read,
        an_unknown_token_is_store_auth_after_reading_it_anew,
        a_token_file_that_was_replaced_is_taken_over,
        a_pod_has_a_service_account,
        a_client_certificate_is_a_login,
        a_helper_program_of_kubeconfig_gives_tokens,
        a_helper_program_that_fails_shows_nothing_it_printed,
    ]
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
    for script in [
        "echo canary; echo canary >&2; exit 1",
        "echo canary",
        r#"printf '%s' '{"status": {"canary": 1}}'"#,
        // A token that no header can hold.
        r#"printf '%s' '{"status": {"token": "canary\ncanary"}}'"#,
    ] {
        let error = with_helper(&fixture, script).await.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreAuth, "{script}");
        assert!(error.help().is_some() && !format!("{error:?}").contains("canary"), "{error:?}");
    }
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
