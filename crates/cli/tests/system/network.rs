//! The command over stores behind a network, on real servers: what goes wrong there has words of its own, says what
//! to do, and ends with the documented code.

use modelmesh_testkit::{
    canary::{Canary, CanarySet},
    servers::{
        aws::AwsServer,
        azure::AzureServer,
        google::{GoogleServer, VersionState},
        vault::{VaultClient, VaultServer},
    },
};
use serde_json::{Value, json};

use crate::project::{Project, Ran, Run as _};

/// Waits for what a test asks of a server.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A server of OpenBao with one mount, a project that reads it, and the token that this is done with.
struct Bao {
    server: VaultServer,
    mount: String,
    token: Canary,
}

impl Bao {
    fn start() -> Self {
        let server = VaultServer::start();
        let mount = wait(server.mount(2));
        let rules = format!(
            "path \"{mount}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}\n\
             path \"{mount}/data/closed\" {{ capabilities = [\"deny\"] }}"
        );
        wait(server.client().policy("app", &rules));
        let token = wait(server.client().token(json!({ "policies": ["app"], "ttl": "1h" })));
        Bao { token: Canary::of("the token", &token), server, mount }
    }

    fn client(&self) -> &VaultClient {
        self.server.client()
    }

    /// A project whose configuration has this store, with `login` among its settings.
    fn project(&self, login: &str) -> Project {
        Project::with_config(&format!(
            "secrets:\n  store: modelmesh.age-file.v1\n  stores:\n    bao: {{ store: hashicorp.vault.v1, address: \
             '{}', mount: {}, {login} }}\nproviders:\n  openai: {{ api_key: '${{secrets.bao:openai-key}}' }}\n",
            self.server.address(),
            self.mount
        ))
    }

    fn project_with_token(&self) -> Project {
        self.project(&format!("token: '{}'", self.token.text()))
    }

    /// `get` of a secret fails with this code, and says this.
    #[track_caller]
    fn fails(&self, project: &Project, name: &str, code: i32, says: &[&str]) {
        let ran = project.run(&["secrets", "get", name, "--store", "bao"]).expect(code);
        self.tells(&ran, says);
    }

    /// What a command printed has these words in it, and no credential.
    #[track_caller]
    fn tells(&self, ran: &Ran, says: &[&str]) {
        for text in says {
            assert!(ran.stderr.contains(text), "no '{text}': {}", ran.described());
        }
        let canaries: CanarySet = [self.token.clone(), self.server.root().clone()].into_iter().collect();
        canaries.assert_absent(ran.described(), "the command's output");
    }
}

#[test]
fn a_secret_goes_to_a_vault_and_comes_back() {
    let bao = Bao::start();
    let project = bao.project_with_token();
    let value = Canary::new("a value");
    let set = ["secrets", "set", "openai-key", "--store", "bao", "--raw"];
    project.modelmesh(&set).run(value.text().as_bytes()).expect(0);
    let got = project.run(&["secrets", "get", "openai-key", "--store", "bao"]).expect(0);
    assert_eq!(got.text(), value.text());
    assert_eq!(project.run(&["secrets", "list", "--store", "bao"]).expect(0).text(), "openai-key\n");
    let check = project.run(&["check"]).expect(0);
    CanarySet::from_iter([value]).assert_absent(check.described(), "what 'check' prints");
    project.run(&["secrets", "delete", "openai-key", "--yes", "--store", "bao"]).expect(0);
    project.run(&["check"]).expect(3).says("openai-key");
}

#[test]
fn the_token_of_a_vault_may_lie_in_another_store() {
    let bao = Bao::start();
    let project = bao.project("token: '${secrets:bao-token}'");
    project.set("bao-token", bao.token.text());
    let set = ["secrets", "set", "openai-key", "sk-1", "--store", "bao"];
    project.run(&set).expect(0);
    project.run(&["check"]).expect(0);
    project.set("bao-token", "hvs.another");
    bao.fails(&project, "openai-key", 4, &["token"]);
}

#[test]
fn a_token_that_has_expired_is_a_refused_login() {
    let bao = Bao::start();
    let short = wait(bao.client().token(json!({ "policies": ["app"], "ttl": "1s", "renewable": false })));
    let project = bao.project(&format!("token: '{short}'"));
    // A token that is no more is refused like one that never was.
    let lookup = bao.client().with_token(&short);
    let is_gone = async || lookup.call("GET", "auth/token/lookup-self", None).await.unwrap().0 == 403;
    wait(async { while !is_gone().await {} });
    bao.fails(&project, "openai-key", 4, &["403", "token"]);
}

#[test]
fn a_secret_id_that_was_revoked_is_a_refused_login() {
    let bao = Bao::start();
    let client = bao.client();
    let (role_id, secret_id) = wait(async {
        client.expect("POST", "sys/auth/approle", Some(json!({ "type": "approle" }))).await;
        client.expect("POST", "auth/approle/role/app", Some(json!({ "token_policies": "app" }))).await;
        let role = client.expect("GET", "auth/approle/role/app/role-id", None).await;
        let secret = client.expect("POST", "auth/approle/role/app/secret-id", Some(json!({}))).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&role["data"]["role_id"]), text(&secret["data"]["secret_id"]))
    });
    let login = format!("auth: {{ method: approle, role_id: '{role_id}', secret_id: '{secret_id}' }}");
    let project = bao.project(&login);
    project.run(&["secrets", "set", "openai-key", "sk-1", "--store", "bao"]).expect(0);
    let destroyed = json!({ "secret_id": secret_id });
    wait(client.expect("POST", "auth/approle/role/app/secret-id/destroy", Some(destroyed)));
    bao.fails(&project, "openai-key", 4, &["secret ID may be revoked"]);
}

#[test]
fn each_state_of_a_secret_has_its_own_words() {
    let bao = Bao::start();
    let project = bao.project_with_token();
    bao.fails(&project, "unknown", 3, &["unknown"]);
    bao.fails(&project, "closed", 4, &["no policy of the token allows this"]);
    project.run(&["secrets", "set", "withdrawn", "sk-1", "--store", "bao"]).expect(0);
    wait(bao.client().expect("DELETE", &format!("{}/data/withdrawn", bao.mount), None));
    bao.fails(&project, "withdrawn", 4, &["deleted"]);
}

#[test]
fn a_vault_that_is_sealed_or_gone_is_unavailable() {
    let bao = Bao::start();
    let project = bao.project_with_token();
    project.run(&["secrets", "set", "openai-key", "sk-1", "--store", "bao"]).expect(0);
    wait(bao.client().expect("PUT", "sys/seal", None));
    bao.fails(&project, "openai-key", 5, &["sealed"]);
    let check = project.run(&["check"]).expect(5);
    bao.tells(&check, &["openai-key"]);
    drop(bao);
    project.run(&["secrets", "get", "openai-key", "--store", "bao"]).expect(5).says("cannot be reached");
}

#[test]
fn a_disabled_version_of_google_is_refused() {
    let server = GoogleServer::start();
    let name = server.project();
    let project = Project::empty();
    let user = server.user();
    project.write("user.json", &user.file);
    project.write(
        "modelmesh.yaml",
        format!(
            "secrets: {{ store: google.secret-manager.v1, project: {name}, endpoint: '{}', credentials_file: \
             user.json }}\n",
            server.address()
        ),
    );
    project.run(&["secrets", "set", "openai-key", "sk-1"]).expect(0);
    assert_eq!(project.get("openai-key"), "sk-1");
    server.set_version_state(&name, "openai-key", 1, VersionState::Disabled);
    let ran = project.run(&["secrets", "get", "openai-key"]).expect(4).says("disabled");
    let canaries: CanarySet = user.canaries.iter().cloned().collect();
    canaries.assert_absent(ran.described(), "the command's output");
}

#[test]
fn a_deleted_secret_of_azure_says_how_to_have_it_back() {
    let server = AzureServer::start();
    let (vault, application) = (server.vault(), server.register());
    let project = Project::empty();
    project.write("ca.pem", server.certificate());
    project.write(
        "modelmesh.yaml",
        format!(
            "secrets: {{ store: microsoft.key-vault.v1, vault_url: '{address}/{vault}', authority_host: '{address}', \
             tenant_id: {}, client_id: {}, client_secret: '${{CLIENT_SECRET}}', auth: client_secret, \
             verify_challenge_resource: false, ca_cert: ca.pem }}\n",
            application.tenant_id,
            application.client_id,
            address = server.address(),
        ),
    );
    let run = |args: &[&str], code| {
        let mut command = project.modelmesh(args);
        let ran = command.env("CLIENT_SECRET", &application.client_secret).run(b"").expect(code);
        let canaries: CanarySet = application.canaries.iter().cloned().collect();
        canaries.assert_absent(ran.described(), "the command's output");
        ran
    };
    run(&["secrets", "set", "openai-key", "sk-1"], 0);
    run(&["secrets", "delete", "openai-key", "--yes"], 0);
    run(&["secrets", "get", "openai-key"], 4).says("deleted").says("recover");
    run(&["secrets", "get", "another-key"], 3);
    run(&["secrets", "set", "openai-key", "sk-2"], 0);
    assert_eq!(run(&["secrets", "get", "openai-key"], 0).text(), "sk-2");
}

#[test]
fn the_documented_forms_work_with_the_variables_of_amazons_tools() {
    let server = AwsServer::start();
    let project = Project::empty();
    let region = server.region();
    let store = ["--store", "aws.secrets-manager.v1"];
    let run = |args: &[&str]| {
        let mut command = project.modelmesh(&[args, &store].concat());
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "a-key");
        command.env("AWS_ENDPOINT_URL", server.address()).env("AWS_REGION", &region);
        command.run(b"").expect(0)
    };
    run(&["secrets", "set", "openai-api-key", "sk-1"]);
    project.write(".env", "ANTHROPIC_API_KEY=sk-2\n");
    run(&["secrets", "import", ".env"]);
    let listed = run(&["secrets", "list"]).text();
    assert!(listed.lines().any(|name| name == "openai-api-key"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_eq!(run(&["secrets", "get", "openai-api-key"]).text(), "sk-1");
}
