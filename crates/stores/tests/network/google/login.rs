//! Whose credentials are used, and what becomes of a login that does not work.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use modelmesh_secrets::ErrorKind;
use modelmesh_testkit::servers::{free_port, google::Condition, stranger::Stranger};

use super::{Fixture, key, kind_of_get, open, rsa_key};
use crate::backends::google::entry;

pub(super) fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$(crate::trial(concat!("google::", stringify!($test)), $test)),*]
        };
    }
    trials![
        a_service_account_is_impersonated,
        an_impersonation_that_fails_is_tried_once,
        a_service_account_of_somebody_else_is_store_auth,
        an_expired_token_is_one_fresh_login,
        a_refused_login_is_store_auth,
        a_service_account_signs_for_itself,
        a_replaced_key_is_read_anew,
        a_revoked_key_is_store_auth_after_one_fresh_login,
        a_federated_identity_is_exchanged_for_a_token,
        a_login_that_is_not_answered_ends_in_time_and_is_not_kept,
        a_login_that_somebody_else_answers_is_no_refusal,
        a_login_is_not_sent_in_the_clear,
        a_machine_has_a_login_and_a_project,
        no_login_at_all_is_an_outage_that_says_what_to_do,
        credentials_are_found_as_googles_tools_do,
        the_project_is_the_one_that_gcloud_works_in,
        an_emulator_needs_no_login,
        an_unknown_project_says_nothing_about_a_secret,
        a_file_that_is_no_login_is_refused_unseen,
    ]
}

async fn an_expired_token_is_one_fresh_login() {
    let fixture = Fixture::new();
    let user = fixture.server.user();
    let entry = entry(&fixture.server.address(), &fixture.project, &fixture.file("user.json", &user.file));
    let store = open(&entry, "", &[]).await.unwrap();
    store.management().unwrap().set(&key(), &"value".into()).await.unwrap();
    assert_eq!(fixture.server.logins_of(&user), 1);
    fixture.server.expire_tokens(&user);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    assert_eq!(fixture.server.logins_of(&user), 2);
}

async fn a_refused_login_is_store_auth() {
    let fixture = Fixture::new();
    let user = fixture.server.user();
    fixture.server.refuse_login(&user);
    let entry = entry(&fixture.server.address(), &fixture.project, &fixture.file("user.json", &user.file));
    let store = open(&entry, "", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    assert_eq!(fixture.requests(), [] as [&str; 0]);
}

async fn a_service_account_signs_for_itself() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let file = fixture.file("key.json", &fixture.server.service_account(&fixture.project, &rsa_key()));
    // The project is that of the key.
    let entry = format!("{}, credentials_file: '{}'", fixture.bare_entry(), file.display());
    for auth in ["service_account", "application_default"] {
        let store = open(&entry, &format!("auth: {auth}"), &[]).await.unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    }
}

async fn a_replaced_key_is_read_anew() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let file = fixture.file("key.json", &fixture.server.service_account(&fixture.project, &rsa_key()));
    let store = open(&entry(&fixture.server.address(), &fixture.project, &file), "", &[]).await.unwrap();
    store.get(&key()).await.unwrap();

    fixture.server.revoke_keys(&fixture.project);
    fixture.file("key.json", &fixture.server.service_account(&fixture.project, &rsa_key()));
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn a_revoked_key_is_store_auth_after_one_fresh_login() {
    let fixture = Fixture::new();
    let file = fixture.file("key.json", &fixture.server.service_account(&fixture.project, &rsa_key()));
    let store = open(&entry(&fixture.server.address(), &fixture.project, &file), "", &[]).await.unwrap();
    fixture.server.revoke_keys(&fixture.project);
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    // Who was not accepted is no request of the project: it never gets as far.
    assert_eq!(fixture.server.refused_tokens(), 2);
}

async fn a_federated_identity_is_exchanged_for_a_token() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let (file, subject) = fixture.server.federated(&fixture.folder.path().join("subject"));
    let (file, subject_file) = (fixture.file("federated.json", &file), fixture.file("subject", "not one"));
    let entry = entry(&fixture.server.address(), &fixture.project, &file);
    let store = open(&entry, "", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);

    // A refused login is not remembered.
    fs::write(subject_file, subject).unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

const ACCOUNT: &str = "gateway@acme.iam.gserviceaccount.com";

async fn a_service_account_is_impersonated() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let file = fixture.server.impersonating(&fixture.server.user(), ACCOUNT);
    let person = entry(&fixture.server.address(), &fixture.project, &fixture.file("acting.json", &file));
    let (file, subject) = fixture.server.federated(&fixture.folder.path().join("subject"));
    fixture.file("subject", &subject);
    let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let service = format!("{}/v1/projects/-/serviceAccounts", fixture.server.address());
    file["service_account_impersonation_url"] = format!("{service}/{ACCOUNT}:generateAccessToken").into();
    let file = fixture.file("federated.json", &file.to_string());
    let federated = entry(&fixture.server.address(), &fixture.project, &file);
    for (entry, asked) in [(person, 1), (federated, 2)] {
        let store = open(&entry, "", &[]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
        }
        assert_eq!(fixture.server.impersonations_of(ACCOUNT), asked, "a token is kept");
    }
}

async fn an_impersonation_that_fails_is_tried_once() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let file = fixture.file("acting.json", &fixture.server.impersonating(&fixture.server.user(), ACCOUNT));
    let entry = entry(&fixture.server.address(), &fixture.project, &file);
    let store = open(&entry, "retry: { tries: 1 }", &[]).await.unwrap();
    fixture.server.set_impersonation_down(true);
    assert_eq!(kind_of_get(&store).await, ErrorKind::Unavailable);
    assert_eq!(fixture.server.impersonations_of(ACCOUNT), 1);

    fixture.server.set_impersonation_down(false);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn a_service_account_of_somebody_else_is_store_auth() {
    let fixture = Fixture::new();
    let file = fixture.server.impersonating(&fixture.server.user(), ACCOUNT);
    let file = fixture.file("acting.json", &file.replace(ACCOUNT, "another@acme.iam.gserviceaccount.com"));
    let store = open(&entry(&fixture.server.address(), &fixture.project, &file), "", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
}

/// The file of a person's login, with another address that gives tokens.
fn asking(user: &str, token_uri: &str) -> String {
    let mut file: serde_json::Value = serde_json::from_str(user).unwrap();
    file["token_uri"] = token_uri.into();
    file.to_string()
}

async fn a_login_that_is_not_answered_ends_in_time_and_is_not_kept() {
    let fixture = Fixture::new();
    let user = fixture.server.user().file;
    // Connections are taken, and nothing is said.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/token", silent.local_addr().unwrap());
    let file = fixture.file("user.json", &asking(&user, &nobody));
    let entry = entry(&fixture.server.address(), &fixture.project, &file);
    let store = open(&entry, "fetch_timeout: 300ms, retry: { tries: 1 }", &[]).await.unwrap();
    // A write has no other time limit than that of each request.
    let begun = Instant::now();
    let error = store.management().unwrap().set(&key(), &"value".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());

    // A reader gives up first; what it waited for is given up as well.
    assert_eq!(kind_of_get(&store).await, ErrorKind::Unavailable);
    fixture.file("user.json", &user);
    let written = async || store.management().unwrap().set(&key(), &"value".into()).await;
    while let Err(error) = written().await {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(begun.elapsed() < Duration::from_mins(1), "the silent login is still asked");
    }
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn a_login_that_somebody_else_answers_is_no_refusal() {
    let fixture = Fixture::new();
    let stranger = Stranger::saying(|_| "<html>Please log in</html>".to_owned());
    let user = asking(&fixture.server.user().file, &stranger.address());
    let entry = entry(&fixture.server.address(), &fixture.project, &fixture.file("user.json", &user));
    let store = open(&entry, "", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::Malformed);
}

async fn a_login_is_not_sent_in_the_clear() {
    let fixture = Fixture::new();
    let plain = "http://login.example.com/token";
    let user: serde_json::Value = serde_json::from_str(&asking(&fixture.server.user().file, plain)).unwrap();
    let federated = serde_json::json!({ "type": "external_account", "token_url": plain });
    let impersonated = serde_json::json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": fixture.server.address(),
        "source_credentials": user,
    });
    for file in [user, federated, impersonated] {
        let file = fixture.file("plain.json", &file.to_string());
        let entry = entry(&fixture.server.address(), &fixture.project, &file);
        let error = open(&entry, "", &[]).await.unwrap().get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().contains("is http:// to another machine"), "{error}");
    }
}

async fn a_machine_has_a_login_and_a_project() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    fixture.server.run_on_machine_of(&fixture.project);
    let host = fixture.server.host();
    let store = open(&fixture.bare_entry(), "", &[("GCE_METADATA_HOST", &host)]).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn no_login_at_all_is_an_outage_that_says_what_to_do() {
    let fixture = Fixture::new();
    let nobody = format!("127.0.0.1:{}", free_port());
    for more in ["", "project: acme"] {
        let store = open(&fixture.bare_entry(), more, &[("GCE_METADATA_HOST", &nobody)]).await.unwrap();
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.help().unwrap().contains("gcloud auth application-default login"), "{error:?}");
    }
}

async fn credentials_are_found_as_googles_tools_do() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let folder = fixture.folder.path();
    let file = ".config/gcloud/application_default_credentials.json";
    fs::create_dir_all(folder.join(".config/gcloud")).unwrap();
    let path = fixture.file(file, &fixture.server.user().file).display().to_string();
    let (home, gcloud) = (folder.display().to_string(), folder.join(".config/gcloud").display().to_string());
    for variable in [
        ("GOOGLE_APPLICATION_CREDENTIALS", &path),
        #[cfg(not(windows))]
        ("HOME", &home),
        ("CLOUDSDK_CONFIG", &gcloud),
    ] {
        let variables = [(variable.0, variable.1.as_str()), ("GOOGLE_CLOUD_PROJECT", &fixture.project)];
        let store = open(&fixture.bare_entry(), "", &variables).await.unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value", "{}", variable.0);
    }
}

async fn the_project_is_the_one_that_gcloud_works_in() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let folder = fixture.folder.path();
    fs::create_dir(folder.join("configurations")).unwrap();
    fixture.file("application_default_credentials.json", &fixture.server.user().file);
    fixture.file("configurations/config_default", &format!("[core]\nproject = {}\n", fixture.project));
    let folder = folder.display().to_string();
    let store = open(&fixture.bare_entry(), "", &[("CLOUDSDK_CONFIG", &folder)]).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn an_emulator_needs_no_login() {
    let fixture = Fixture::new();
    fixture.server.add_version(&fixture.project, "openai-key", b"value");
    let more = format!("auth: anonymous, project: {}", fixture.project);
    let store = open(&fixture.bare_entry(), &more, &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
    assert_eq!(fixture.requests().len(), 1);

    fixture.server.set_condition(&fixture.project, Condition::Open);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn an_unknown_project_says_nothing_about_a_secret() {
    let fixture = Fixture::new();
    let file = fixture.file("user.json", &fixture.server.user().file);
    let store = open(&entry(&fixture.server.address(), "no-such-project", &file), "", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::StoreAuth);
}

async fn a_file_that_is_no_login_is_refused_unseen() {
    let fixture = Fixture::new();
    for text in [
        "canary, not JSON",
        r#"{"type": "canary"}"#,
        r#"{"type": "authorized_user", "client_id": 7, "refresh_token": "canary"}"#,
        r#"{"type": "service_account", "private_key": "canary"}"#,
    ] {
        let file = fixture.file("broken.json", text);
        let store = open(&entry(&fixture.server.address(), &fixture.project, &file), "", &[]).await.unwrap();
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let gone = entry(&fixture.server.address(), &fixture.project, &fixture.folder.path().join("gone.json"));
    assert_eq!(kind_of_get(&open(&gone, "", &[]).await.unwrap()).await, ErrorKind::Io);

    let file = fixture.file("user.json", &fixture.server.user().file);
    let entry = entry(&fixture.server.address(), &fixture.project, &file);
    let store = open(&entry, "auth: service_account", &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::InvalidConfig);
}
