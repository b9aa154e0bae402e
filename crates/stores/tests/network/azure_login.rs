//! Logins of Azure Key Vault, and the challenges by which a vault asks for them.

use std::fs;

use libtest_mimic::Trial;
use modelmesh_secrets::ErrorKind;
use modelmesh_testkit::{
    canary::{Canary, CanarySet},
    servers::{azure::Condition, free_port},
};

use crate::{
    asking::{Store, key, kind_of_get, name, open},
    azure::{Fixture, Log},
};

pub(crate) fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$(crate::trial(concat!("azure_login::", stringify!($test)), $test)),*]
        };
    }
    trials![
        an_expired_token_is_one_fresh_login,
        a_token_that_stays_refused_is_store_auth_after_one_fresh_login,
        a_refused_login_shows_its_code_and_what_to_do,
        an_authority_that_does_not_answer_is_an_outage,
        another_authority_is_not_followed,
        a_vault_of_another_domain_is_given_no_token,
        a_cluster_gives_a_token_in_a_file,
        a_machine_has_identities,
        app_service_has_identities,
        the_azure_cli_gives_the_login_of_a_person,
        the_developer_cli_does_where_there_is_no_other,
        a_cli_that_gives_none_is_store_auth_and_not_quoted,
        what_is_there_is_found_in_the_order_of_azures_tools,
        without_any_credentials_it_says_what_to_do,
        settings_that_contradict_each_other_are_refused,
        neither_tokens_nor_values_are_logged,
    ]
}

impl Fixture {
    /// The entry of a store without credentials.
    fn bare_entry(&self) -> String {
        let address = self.server.address();
        format!(
            "store: microsoft.key-vault.v1, vault_url: '{address}/{}', authority_host: '{address}', {}, \
             verify_challenge_resource: false",
            self.vault,
            self.trust(),
        )
    }

    async fn by(&self, more: &str, variables: &[(&str, &str)]) -> Store {
        open(&self.bare_entry(), more, variables).await.unwrap()
    }

    /// A folder for the PATH, with a program of this name.
    fn program(&self, name: &str, script: &str) -> String {
        let path = self.file(name, &format!("#!/bin/sh\n{script}\n"));
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        format!("{}:/bin:/usr/bin", self.folder.path().display())
    }

    /// An `az` that gives a token of the machine's, which this server made for another caller.
    fn az(&self) -> String {
        self.server.run_on_machine(&[""]);
        let token = self.server.machine_token();
        let answer = format!(r#"{{"accessToken":"{token}","expires_on":4102444800,"tokenType":"Bearer"}}"#);
        self.program(
            "az",
            &format!("echo '{answer}'; echo \"$@\" > '{}/asked'", self.folder.path().display()),
        )
    }
}

async fn an_expired_token_is_one_fresh_login() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.add("openai-key", "value");
    store.get(&key()).await.unwrap();
    assert_eq!(fixture.server.logins_of(&fixture.application), 1);
    fixture.server.expire_tokens(&fixture.application);
    for _ in 0..3 {
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    }
    store.management().unwrap().set(&key(), &"newer".into()).await.unwrap();
    assert_eq!(fixture.server.logins_of(&fixture.application), 2);
    assert_eq!(fixture.server.refused_tokens(), 1);
}

async fn a_token_that_stays_refused_is_store_auth_after_one_fresh_login() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.add("openai-key", "value");
    store.get(&key()).await.unwrap();
    fixture.server.set_condition(&fixture.vault, Condition::Refusing);
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.message().contains("(Unauthorized, request "), "{error}");
    assert!(error.help().unwrap().contains("tenant_id"), "{error:?}");
    assert_eq!(fixture.server.logins_of(&fixture.application), 2);
    assert_eq!(fixture.server.refused_tokens(), 2);

    fixture.server.set_condition(&fixture.vault, Condition::Well);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn a_refused_login_shows_its_code_and_what_to_do() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    fixture.server.refuse_login(&fixture.application);
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.message().contains("(invalid_client, AADSTS7000215, request "), "{error}");
    assert!(error.help().unwrap().contains("client_secret"), "{error:?}");

    let mut other = fixture.application.clone();
    "contoso.onmicrosoft.com".clone_into(&mut other.tenant_id);
    let error = fixture.store_as(&other).await.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.message().contains("AADSTS90002"), "{error}");
    // The vault was asked for its challenge alone.
    assert_eq!(fixture.requests().len(), 2);
}

async fn an_authority_that_does_not_answer_is_an_outage() {
    let fixture = Fixture::new();
    let nobody = format!("authority_host: 'https://127.0.0.1:{}'", free_port());
    let address = fixture.server.address();
    let entry = fixture.bare_entry().replace(&format!("authority_host: '{address}'"), &nobody);
    fixture
        .server
        .set_condition(&fixture.vault, Condition::Challenging("https://login.windows.net/t".into()));
    let more = "auth: client_secret, tenant_id: t, client_id: c, client_secret: s, retry: { tries: 1 }";
    let store = open(&entry, more, &[]).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::Unavailable);
}

async fn another_authority_is_not_followed() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    for authority in
        ["https://login.example.com/t", "http://login.microsoftonline.com/t", "https://127.0.0.1/t"]
    {
        fixture.server.set_condition(&fixture.vault, Condition::Challenging(authority.to_owned()));
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreAuth, "{authority}");
        assert!(error.help().unwrap().contains("authority_host"), "{error:?}");
    }
    assert_eq!(fixture.server.logins_of(&fixture.application), 0);
}

async fn a_vault_of_another_domain_is_given_no_token() {
    let fixture = Fixture::new();
    let strict = fixture.bare_entry().replace("verify_challenge_resource: false", "auth: client_secret");
    let login = &fixture.application;
    let more = format!(
        "tenant_id: {}, client_id: {}, client_secret: '{}'",
        login.tenant_id, login.client_id, login.client_secret
    );
    let store = open(&strict, &more, &[]).await.unwrap();
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().unwrap().contains("verify_challenge_resource: false"), "{error:?}");
    assert_eq!(fixture.server.logins_of(login), 0);
}

async fn a_cluster_gives_a_token_in_a_file() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let login = &fixture.application;
    let file = fixture.file("subject", "not one");
    let path = file.display().to_string();
    let variables = [
        ("AZURE_TENANT_ID", login.tenant_id.as_str()),
        ("AZURE_CLIENT_ID", login.client_id.as_str()),
        ("AZURE_FEDERATED_TOKEN_FILE", path.as_str()),
    ];
    for auth in ["workload_identity", "default"] {
        fs::write(&file, "not one").unwrap();
        let store = fixture.by(&format!("auth: {auth}"), &variables).await;
        let error = store.get(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreAuth, "{error}");
        assert!(error.message().contains("AADSTS700213"), "{error}");

        // A refused login is not remembered, and the file is read anew.
        fs::write(&file, &login.subject_token).unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    }
    fs::remove_file(file).unwrap();
    assert_eq!(kind_of_get(&fixture.by("auth: workload_identity", &variables).await).await, ErrorKind::Io);
    let none = fixture.by("auth: workload_identity", &variables[..2]).await;
    assert_eq!(kind_of_get(&none).await, ErrorKind::InvalidConfig);
}

async fn a_machine_has_identities() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let address = fixture.server.address();
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", address.as_str())];
    let own = fixture.by("auth: managed_identity", &variables).await;
    assert_eq!(kind_of_get(&own).await, ErrorKind::Unavailable);

    fixture.server.run_on_machine(&["", "of-mine"]);
    let assigned = fixture.by("auth: managed_identity, client_id: of-mine", &variables).await;
    for store in [&own, &assigned] {
        for _ in 0..3 {
            assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
        }
    }
    // A token is held, and made anew once when it is refused.
    assert_eq!(fixture.server.machine_logins(), 2);
    fixture.server.expire_machine_tokens();
    assert_eq!(own.get(&key()).await.unwrap().expose(), "value");
    assert_eq!(fixture.server.machine_logins(), 3);

    let error = fixture.by("auth: managed_identity, client_id: another", &variables).await.get(&key()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().unwrap().contains("client_id"), "{error:?}");
}

async fn app_service_has_identities() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    fixture.server.run_on_machine(&[""]);
    let header = Canary::new("the identity header");
    fixture.server.run_in_app_service(header.text());
    let endpoint = format!("{}/msi/token", fixture.server.address());
    let with = |secret: &'static str| {
        [("IDENTITY_ENDPOINT", endpoint.clone()), ("IDENTITY_HEADER", secret.to_owned())]
    };
    let wrong = with("wrong");
    let right = [("IDENTITY_ENDPOINT", endpoint.clone()), ("IDENTITY_HEADER", header.text().to_owned())];
    for auth in ["managed_identity", "default"] {
        let more = format!("auth: {auth}, retry: {{ tries: 1 }}");
        let variables = right.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(fixture.by(&more, &variables).await.get(&key()).await.unwrap().expose(), "value");
        let variables = wrong.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(kind_of_get(&fixture.by(&more, &variables).await).await, ErrorKind::Unavailable);
    }
    // Services with protocols of their own are told apart, and not asked.
    for other in [("IDENTITY_ENDPOINT", "http://127.0.0.1:1"), ("MSI_ENDPOINT", "http://127.0.0.1:1")] {
        let store = fixture.by("auth: managed_identity", &[other]).await;
        assert_eq!(kind_of_get(&store).await, ErrorKind::Unsupported);
    }
}

async fn the_azure_cli_gives_the_login_of_a_person() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let path = fixture.az();
    let store = fixture.by("auth: cli, tenant_id: contoso.onmicrosoft.com", &[("PATH", &path)]).await;
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    let asked = fs::read_to_string(fixture.folder.path().join("asked")).unwrap();
    let expected = "account get-access-token -o json --scope https://vault.azure.net/.default --tenant \
                    contoso.onmicrosoft.com";
    assert_eq!(asked.trim(), expected);
}

async fn the_developer_cli_does_where_there_is_no_other() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let token = fixture.server.machine_token();
    let answer = format!(r#"{{"token":"{token}","expiresOn":"2100-01-01T00:00:00Z"}}"#);
    // Nothing but this folder: the machine may have an 'az' of its own.
    fixture.program("azd", &format!("echo '{answer}'"));
    let folder = fixture.folder.path().display().to_string();
    let store = fixture.by("", &[("PATH", &folder), ("MSI_ENDPOINT", "http://127.0.0.1:1")]).await;
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
}

async fn a_cli_that_gives_none_is_store_auth_and_not_quoted() {
    let fixture = Fixture::new();
    let canary = Canary::new("what the tool prints");
    let path = fixture.program("az", &format!("echo '{0}'; echo '{0}' >&2; exit 1", canary.text()));
    let store = fixture.by("auth: cli", &[("PATH", &path)]).await;
    let log = Log::default();
    let error = log.of(store.get(&key())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().unwrap().contains("az login"), "{error:?}");
    let canaries: CanarySet = [canary].into_iter().collect();
    canaries.assert_absent(format!("{error:?} {}", log.text()), "the error and the log");

    let store = fixture.by("auth: cli", &[("PATH", "/nowhere")]).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::InvalidConfig);
}

/// From the first to the last, each takes its turn when those before it are not there.
async fn what_is_there_is_found_in_the_order_of_azures_tools() {
    let fixture = Fixture::new();
    fixture.add("openai-key", "value");
    let login = &fixture.application;
    let address = fixture.server.address();
    let subject = fixture.file("subject", &login.subject_token).display().to_string();
    let path = fixture.az();
    let mut variables = vec![
        ("AZURE_CLIENT_SECRET", login.client_secret.as_str()),
        ("AZURE_FEDERATED_TOKEN_FILE", subject.as_str()),
        ("AZURE_CLIENT_ID", login.client_id.as_str()),
        ("AZURE_TENANT_ID", login.tenant_id.as_str()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", address.as_str()),
        ("AZURE_AUTHORITY_HOST", address.as_str()),
        ("PATH", path.as_str()),
    ];
    // The variable says where, this time.
    let entry = fixture.bare_entry().replace(&format!("authority_host: '{address}', "), "");
    let (server, asked) = (&fixture.server, fixture.folder.path().join("asked"));
    let logged_in = || (server.logins_of(login), server.machine_logins(), asked.exists());
    let mut by = Vec::new();
    for gone in ["", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_POD_IDENTITY_AUTHORITY_HOST"] {
        variables.retain(|(name, _)| *name != gone);
        if gone == "AZURE_POD_IDENTITY_AUTHORITY_HOST" {
            // Nobody is asked outside of this machine.
            variables.push(("MSI_ENDPOINT", "http://127.0.0.1:1"));
        }
        let store = open(&entry, "", &variables).await.unwrap();
        assert_eq!(store.get(&key()).await.unwrap().expose(), "value", "without {gone}");
        by.push(logged_in());
    }
    assert_eq!(by, [(1, 0, false), (2, 0, false), (2, 1, false), (2, 1, true)]);

    // A machine without an identity is as good as none.
    fs::remove_file(&asked).unwrap();
    server.run_on_machine(&[]);
    variables.retain(|(name, _)| *name != "MSI_ENDPOINT");
    variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", &address));
    let store = open(&entry, "", &variables).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "value");
    assert!(asked.exists());
}

async fn without_any_credentials_it_says_what_to_do() {
    let fixture = Fixture::new();
    let nobody = format!("https://127.0.0.1:{}", free_port());
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody.as_str()), ("PATH", "/nowhere")];
    let error = fixture.by("retry: { tries: 1 }", &variables).await.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.help().unwrap().contains("az login"), "{error:?}");
    let store = fixture.by("auth: client_secret", &variables).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::InvalidConfig);
    let store = fixture.by("auth: client_secret, client_secret: s", &variables).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::InvalidConfig);
}

async fn settings_that_contradict_each_other_are_refused() {
    let vault = "vault_url: 'https://acme.vault.azure.net'";
    for settings in [
        "auth: cli".to_owned(),
        "vault_url: 'http://127.0.0.1:8200'".to_owned(),
        "vault_url: 'http://vault.example.com', allow_http: true".to_owned(),
        "vault_url: acme.vault.azure.net".to_owned(),
        "vault_url: 'https://me:secret@acme.vault.azure.net'".to_owned(),
        format!("{vault}, authority_host: 'http://127.0.0.1:1'"),
        format!("{vault}, authority_host: 'https://login.example.com?x=y'"),
        format!("{vault}, tenant_id: 'a/b'"),
        format!("{vault}, tenant_id: '..'"),
        format!("{vault}, auth: cli, client_secret: secret"),
        format!("{vault}, auth: managed_identity, client_secret: secret"),
    ] {
        let error = open("store: microsoft.key-vault.v1", &settings, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{settings}");
        assert!(error.help().is_some() || error.message().contains('\''), "{settings}: {error}");
        assert!(!format!("{error:?}").contains("secret@"), "{error:?}");
    }
    // A bare host is what some of Azure's tools write.
    let bare = format!("{vault}, authority_host: login.microsoftonline.us");
    assert!(open("store: microsoft.key-vault.v1", &bare, &[]).await.is_ok());
}

async fn neither_tokens_nor_values_are_logged() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let value = Canary::with_special_characters("a value");
    let refused = fixture.server.register();
    let log = Log::default();
    log.of(async {
        let management = store.management().unwrap();
        management.set(&key(), &value.value()).await.unwrap();
        store.get(&key()).await.unwrap();
        fixture.server.expire_tokens(&fixture.application);
        store.get(&key()).await.unwrap();
        management.list().await.unwrap();
        management.delete(&key()).await.unwrap();
        management.set(&key(), &value.value()).await.unwrap();
        store.get(&name("absent")).await.unwrap_err();
        fixture.server.refuse_login(&refused);
        fixture.store_as(&refused).await.get(&key()).await.unwrap_err();
        fixture.server.set_condition(&fixture.vault, Condition::Refusing);
        store.get(&key()).await.unwrap_err();
    })
    .await;
    let text = log.text();
    // The SDK's own words are among what was searched.
    for part in ["typespec_client_core::http::policies::logging", "azure_identity::cache", "REDACTED"] {
        assert!(text.contains(part), "nothing of '{part}' is logged");
    }
    let canaries: CanarySet =
        [value].into_iter().chain(fixture.application.canaries.clone()).chain(refused.canaries).collect();
    canaries.assert_absent(text, "the log at trace level");
}
