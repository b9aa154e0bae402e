//! Tokens and logins: where they come from, how they are kept, and what their refusal means.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, Result, StoreSource as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Store, error, get, kind, of_shared, put, set};
use crate::{
    backend::stores_in,
    backends::vault::{Shared, Vault, entry, open},
};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        an_expired_token_is_store_auth,
        a_good_token_without_rights_is_denied,
        a_token_that_may_not_look_itself_up_may_be_either,
        a_given_token_is_renewed,
        a_token_of_a_login_is_renewed,
        a_token_that_cannot_be_renewed_is_replaced,
        a_revoked_token_is_one_fresh_login,
        a_revoked_secret_id_is_store_auth,
        a_denied_secret_is_not_a_login_each_time,
        an_approle_may_read_its_secret_id_from_a_file,
        a_person_logs_in_with_a_password,
        a_credential_may_be_a_reference_to_another_store,
        a_token_file_is_read_anew_when_it_is_refused,
        the_environment_is_read_as_the_vendors_tools_do,
        a_namespace_has_mounts_and_logins_of_its_own,
        settings_that_contradict_each_other_are_refused,
        the_documented_policies_are_enough,
    ]
}

/// A mount of version 2 with one secret.
pub(super) async fn with_key(vault: &Vault) -> String {
    let mount = vault.server.mount(2).await;
    put(vault, &mount, "key", &json!({ "value": "held" })).await;
    mount
}

/// A store without a token, but with these settings.
pub(super) async fn store(vault: &Vault, mount: &str, more: &str) -> Result<Store> {
    open(&entry(vault.server.address(), mount), &format!("retry: {{ tries: 1 }}, {more}"), &[]).await
}

/// An auth method of this kind at a path of its own, `MOUNT-auth`.
pub(super) async fn auth(vault: &Vault, mount: &str, kind: &str) -> String {
    let path = format!("{mount}-auth");
    vault.server.client().expect("POST", &format!("sys/auth/{path}"), Some(json!({ "type": kind }))).await;
    path
}

/// A role of AppRole, and a secret ID for it.
struct AppRole {
    path: String,
    role_id: String,
    secret_id: String,
}

impl AppRole {
    async fn new(vault: &Vault, mount: &str, mut role: Value) -> Self {
        let path = auth(vault, mount, "approle").await;
        let client = vault.server.client();
        if role["token_policies"].is_null() {
            role["token_policies"] = json!(["modelmesh"]);
        }
        client.expect("POST", &format!("auth/{path}/role/app"), Some(role)).await;
        let role_id = client.expect("GET", &format!("auth/{path}/role/app/role-id"), None).await;
        let secret_id =
            client.expect("POST", &format!("auth/{path}/role/app/secret-id"), Some(json!({}))).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        AppRole {
            role_id: text(&role_id["data"]["role_id"]),
            secret_id: text(&secret_id["data"]["secret_id"]),
            path,
        }
    }

    fn settings(&self) -> String {
        let AppRole { path, role_id, secret_id } = self;
        format!(
            "auth: {{ method: approle, mount: '{path}', role_id: '{role_id}', secret_id: '{secret_id}' }}"
        )
    }

    /// Revokes the tokens of this role.
    async fn revoke_tokens(&self, vault: &Vault) {
        vault
            .server
            .client()
            .expect("PUT", &format!("sys/leases/revoke-prefix/auth/{}", self.path), None)
            .await;
    }
}

/// Reads again and again for this long, and never in vain.
async fn reads_for(store: &Store, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert_eq!(get(store, "key").await.unwrap(), "held");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn an_expired_token_is_store_auth(vault: &Vault) {
    let mount = with_key(vault).await;
    let wanted = json!({ "policies": ["modelmesh"], "ttl": "1s", "renewable": false });
    let token = vault.server.client().token(wanted).await;
    let store = vault.open(&mount, &token, "").await;
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    vault.server.client().with_token(&token).until("auth/token/lookup-self", |status, _| status == 403).await;
    let error = error(get(&store, "key")).await;
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.message().contains("has expired"), "{error}");
    assert!(error.help().unwrap().contains("'token'"), "{error:?}");
}

async fn a_good_token_without_rights_is_denied(vault: &Vault) {
    let mount = with_key(vault).await;
    for more in ["", "kv_version: 2"] {
        let store = vault.open(&mount, vault.powerless.text(), more).await;
        assert_eq!(kind(get(&store, "key")).await, ErrorKind::Denied);
        assert_eq!(kind(set(&store, "key", "x")).await, ErrorKind::Denied);
    }
}

async fn a_token_that_may_not_look_itself_up_may_be_either(vault: &Vault) {
    let mount = with_key(vault).await;
    let rules = format!("path \"{mount}/data/other\" {{ capabilities = [\"read\"] }}");
    vault.server.client().policy(&mount, &rules).await;
    let wanted = json!({ "policies": [mount], "no_default_policy": true });
    let token = vault.server.client().token(wanted).await;
    let store = vault.open(&mount, &token, "").await;
    let error = error(get(&store, "key")).await;
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().unwrap().contains("lookup-self"), "{error:?}");
}

async fn a_given_token_is_renewed(vault: &Vault) {
    let mount = with_key(vault).await;
    let wanted = json!({ "policies": ["modelmesh"], "period": "6s" });
    let token = vault.server.client().token(wanted).await;
    let store = vault.open(&mount, &token, "").await;
    get(&store, "key").await.unwrap();
    // Nobody asks the store meanwhile.
    let client = vault.server.client().with_token(&token);
    let told =
        client.until("auth/token/lookup-self", |_, body| body["data"]["last_renewal"].is_string()).await;
    let (creation, renewal) = (&told["data"]["creation_time"], &told["data"]["last_renewal_time"]);
    let after = renewal.as_i64().unwrap() - creation.as_i64().unwrap();
    assert!(after >= 3, "it is renewed when four of its six seconds are over, and not at once");
    assert_eq!(get(&store, "key").await.unwrap(), "held");
}

async fn a_token_of_a_login_is_renewed(vault: &Vault) {
    let mount = with_key(vault).await;
    // A secret ID that is used up by the first login.
    let role = json!({ "token_ttl": "6s", "token_max_ttl": "1h", "secret_id_num_uses": 1 });
    let role = AppRole::new(vault, &mount, role).await;
    let store = store(vault, &mount, &role.settings()).await.unwrap();
    reads_for(&store, Duration::from_secs(13)).await;
}

async fn a_token_that_cannot_be_renewed_is_replaced(vault: &Vault) {
    for role in [
        json!({ "token_ttl": "2s", "token_type": "batch" }),
        json!({ "token_ttl": "2s", "token_max_ttl": "3s" }),
    ] {
        let mount = with_key(vault).await;
        let role = AppRole::new(vault, &mount, role).await;
        let store = store(vault, &mount, &role.settings()).await.unwrap();
        reads_for(&store, Duration::from_secs(5)).await;
    }
}

async fn a_revoked_token_is_one_fresh_login(vault: &Vault) {
    let mount = with_key(vault).await;
    let role = AppRole::new(vault, &mount, json!({ "secret_id_num_uses": 2 })).await;
    let store = store(vault, &mount, &role.settings()).await.unwrap();
    get(&store, "key").await.unwrap();
    role.revoke_tokens(vault).await;
    // Many at once are one login.
    let reads = (0..8).map(|_| {
        let store = Store::clone(&store);
        tokio::spawn(async move { get(&store, "key").await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap(), "held");
    }
    // The secret ID was good for two logins.
    role.revoke_tokens(vault).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::StoreAuth);
}

async fn a_revoked_secret_id_is_store_auth(vault: &Vault) {
    let mount = with_key(vault).await;
    let role = AppRole::new(vault, &mount, json!({})).await;
    let store = store(vault, &mount, &role.settings()).await.unwrap();
    get(&store, "key").await.unwrap();
    let revoked = json!({ "secret_id": role.secret_id });
    let path = format!("auth/{}/role/app/secret-id/destroy", role.path);
    vault.server.client().expect("POST", &path, Some(revoked)).await;
    // The token that was given out is good until its end.
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    role.revoke_tokens(vault).await;
    let error = error(get(&store, "key")).await;
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(error.help().unwrap().contains("the secret ID may be revoked"), "{error:?}");
    assert!(!format!("{error:?}").contains(&role.secret_id), "{error:?}");
}

async fn a_denied_secret_is_not_a_login_each_time(vault: &Vault) {
    let mount = with_key(vault).await;
    let rules = format!("path \"{mount}/data/key\" {{ capabilities = [\"read\"] }}");
    vault.server.client().policy(&mount, &rules).await;
    let role = json!({ "token_policies": [mount], "secret_id_num_uses": 1 });
    let role = AppRole::new(vault, &mount, role).await;
    let store = store(vault, &mount, &role.settings()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(kind(get(&store, "other")).await, ErrorKind::Denied);
    }
    assert_eq!(get(&store, "key").await.unwrap(), "held");
}

async fn an_approle_may_read_its_secret_id_from_a_file(vault: &Vault) {
    let (mount, folder) = (with_key(vault).await, TempDir::new().unwrap());
    let role = AppRole::new(vault, &mount, json!({})).await;
    let file = folder.path().join("secret-id");
    let AppRole { path, role_id, secret_id } = &role;
    let settings = format!(
        "auth: {{ method: approle, mount: '{path}', role_id: '{role_id}', secret_id_file: '{}' }}",
        file.display()
    );
    let store = store(vault, &mount, &settings).await.unwrap();
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Io);
    write(&file, "");
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::StoreAuth);
    write(&file, &format!("{secret_id}\n"));
    assert_eq!(get(&store, "key").await.unwrap(), "held");
}

async fn a_credential_may_be_a_reference_to_another_store(vault: &Vault) {
    let mount = with_key(vault).await;
    let AppRole { path, role_id, secret_id } = AppRole::new(vault, &mount, json!({})).await;
    let entry = entry(vault.server.address(), &mount);
    let text = format!(
        "secrets:
           stores:
             local: {{ store: modelmesh.memory-secrets.v1, secrets: {{ vault-id: '{secret_id}' }} }}
             s:
               {{ {entry}, auth: {{
                 method: approle, mount: '{path}', role_id: '{role_id}', secret_id: '${{secrets.local:vault-id}}'
               }} }}"
    );
    let store = stores_in(&text, &[]).without_cache().store("s").await.unwrap();
    assert_eq!(get(&store, "key").await.unwrap(), "held");
}

async fn a_person_logs_in_with_a_password(vault: &Vault) {
    let mount = with_key(vault).await;
    let path = auth(vault, &mount, "userpass").await;
    let user = json!({ "password": "pass-canary", "token_policies": ["modelmesh"] });
    vault.server.client().expect("POST", &format!("auth/{path}/users/alice"), Some(user)).await;
    let settings = |password: &str| {
        format!("auth: {{ method: userpass, mount: '{path}', username: alice, password: '{password}' }}")
    };
    let alice = store(vault, &mount, &settings("pass-canary")).await.unwrap();
    assert_eq!(get(&alice, "key").await.unwrap(), "held");
    assert!(!format!("{alice:?}").contains("pass-canary"));
    let mallory = store(vault, &mount, &settings("wrong-canary")).await.unwrap();
    let error = error(get(&mallory, "key")).await;
    assert_eq!(error.kind(), ErrorKind::StoreAuth);
    assert!(!format!("{error:?}").contains("wrong-canary"), "{error:?}");
}

async fn a_token_file_is_read_anew_when_it_is_refused(vault: &Vault) {
    let (mount, folder, client) = (with_key(vault).await, TempDir::new().unwrap(), vault.server.client());
    let file = folder.path().join("token");
    let wanted = || json!({ "policies": ["modelmesh"] });
    let first = client.token(wanted()).await;
    write(&file, &format!("{first}\n"));
    let store = store(vault, &mount, &format!("token_file: '{}'", file.display())).await.unwrap();
    assert_eq!(get(&store, "key").await.unwrap(), "held");

    client.expect("POST", "auth/token/revoke", Some(json!({ "token": first }))).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::StoreAuth);
    write(&file, &client.token(wanted()).await);
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    fs::remove_file(&file).unwrap();
    assert_eq!(get(&store, "key").await.unwrap(), "held");
}

async fn the_environment_is_read_as_the_vendors_tools_do(vault: &Vault) {
    let (mount, home) = (with_key(vault).await, TempDir::new().unwrap());
    write(&home.path().join(".vault-token"), &format!("{}\n", vault.token.text()));
    let (address, token) = (vault.server.address(), vault.token.text());
    let home = home.path().to_str().unwrap();
    let bare = format!("store: hashicorp.vault.v1, mount: '{mount}'");
    for variables in [
        &[("VAULT_ADDR", address), ("VAULT_TOKEN", token)][..],
        &[("BAO_ADDR", address), ("BAO_TOKEN", token)],
        &[("BAO_ADDR", address), ("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", token)],
        &[("VAULT_ADDR", address), ("HOME", home)],
        &[("VAULT_ADDR", address), ("VAULT_TOKEN", token), ("HOME", "/nowhere"), ("VAULT_NAMESPACE", "")],
    ] {
        let store = open(&bare, "", variables).await.unwrap();
        assert_eq!(get(&store, "key").await.unwrap(), "held", "{variables:?}");
    }
    let with_address = format!("{bare}, address: '{address}'");
    for variables in [&[][..], &[("HOME", "/nowhere")]] {
        let missing = match open(&with_address, "", variables).await {
            Ok(store) => error(get(&store, "key")).await,
            Err(error) => error,
        };
        assert_eq!(missing.kind(), ErrorKind::InvalidConfig, "{variables:?}");
        assert!(missing.help().unwrap().contains("VAULT_TOKEN"), "{missing:?}");
    }
    let missing = open(&bare, &format!("token: '{token}'"), &[]).await.unwrap_err();
    assert!(missing.help().unwrap().contains("VAULT_ADDR"), "{missing:?}");
    let authority = [("VAULT_ADDR", address), ("VAULT_TOKEN", token), ("VAULT_CACERT", "/no/such/file.pem")];
    assert_eq!(kind(open(&bare, "", &authority)).await, ErrorKind::InvalidConfig);
}

async fn a_namespace_has_mounts_and_logins_of_its_own(vault: &Vault) {
    let client = vault.server.client();
    client.expect("POST", "sys/namespaces/team", Some(json!({}))).await;
    let engine = json!({ "type": "kv", "options": { "version": "2" } });
    client.expect("POST", "team/sys/mounts/kv", Some(engine)).await;
    client.until("team/kv/config", |status, _| status == 200).await;
    client.expect("POST", "team/kv/data/key", Some(json!({ "data": { "value": "of the team" } }))).await;
    client.expect("POST", "team/sys/auth/userpass", Some(json!({ "type": "userpass" }))).await;
    let rules = "path \"kv/data/*\" { capabilities = [\"read\"] }";
    client.expect("PUT", "team/sys/policies/acl/reader", Some(json!({ "policy": rules }))).await;
    let user = json!({ "password": "x", "token_policies": ["reader"] });
    client.expect("POST", "team/auth/userpass/users/alice", Some(user)).await;
    let login = "auth: { method: userpass, username: alice, password: x }";
    let entry = entry(vault.server.address(), "kv");
    let inside = open(&entry, &format!("namespace: team, {login}"), &[]).await.unwrap();
    assert_eq!(get(&inside, "key").await.unwrap(), "of the team");
    let inside = open(&entry, login, &[("VAULT_NAMESPACE", "team")]).await.unwrap();
    assert_eq!(get(&inside, "key").await.unwrap(), "of the team");
    let outside = open(&entry, login, &[]).await.unwrap();
    assert_eq!(kind(get(&outside, "key")).await, ErrorKind::StoreAuth);
}

async fn settings_that_contradict_each_other_are_refused(vault: &Vault) {
    let mount = with_key(vault).await;
    for settings in [
        "token: x, token_file: y",
        "token: x, auth: { method: approle, role_id: x }",
        "auth: { role_id: x }",
        "auth: { method: approle }",
        "auth: { method: approle, role_id: x, password: y }",
        "auth: { method: approle, role_id: x, secret_id: y, secret_id_file: z }",
        "auth: { method: userpass, username: x }",
        "auth: { method: userpass, password: x }",
        "auth: { method: jwt, role: x }",
        "auth: { method: kubernetes, jwt: x }",
        "auth: { method: approle, role_id: x, mount: '../sys' }",
        "token: x, addresses: ['http://127.0.0.1:1']",
        "token: x, field: ''",
        "token: x, namespace: \"a\\nb\"",
    ] {
        let refused = store(vault, &mount, settings).await;
        let refused = refused.err().unwrap_or_else(|| panic!("{settings} is taken"));
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{settings}");
        assert!(refused.help().is_some() || refused.message().contains('\''), "{settings}: {refused}");
    }
}

async fn the_documented_policies_are_enough(vault: &Vault) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stores/hashicorp.vault.md");
    let page = fs::read_to_string(page).unwrap();
    let policies: Vec<&str> =
        page.split("```hcl\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [reader, writer, version_one] = policies[..] else {
        panic!("the page has {} policies", policies.len())
    };
    let mounts = [with_key(vault).await, vault.server.mount(1).await];
    put(vault, &mounts[0], "modelmesh/key", &json!({ "value": "held" })).await;
    let store = async |mount: &str, policies: &[&str]| {
        let rules = policies.concat().replace("\"secret/", &format!("\"{mount}/"));
        vault.server.client().policy(mount, &rules).await;
        let token = vault.server.client().token(json!({ "policies": [mount] })).await;
        vault.open(mount, &token, "prefix: modelmesh/").await
    };
    let reading = store(&mounts[0], &[reader]).await;
    assert_eq!(get(&reading, "key").await.unwrap(), "held");
    assert_eq!(kind(set(&reading, "key", "x")).await, ErrorKind::Denied);
    assert_eq!(kind(reading.management().unwrap().list()).await, ErrorKind::Denied);
    for store in [store(&mounts[0], &[reader, writer]).await, store(&mounts[1], &[version_one]).await] {
        set(&store, "team/new", "x").await.unwrap();
        set(&store, "team/new", "y").await.unwrap();
        assert_eq!(get(&store, "team/new").await.unwrap(), "y");
        assert!(super::list(&store).await.contains(&"team/new".to_owned()));
        super::delete(&store, "team/new").await.unwrap();
    }
}

/// Puts a text into a file in one step, as an agent does.
pub(super) fn write(path: &Path, text: &str) {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    file.persist(path).unwrap();
}
