//! OpenBao, the real one: a mount of a key/value engine is a space.

use std::sync::Arc;

use modelmesh_secrets::{ErrorKind, SecretName, SecretStoreConnector, StoreSource as _};
use modelmesh_testkit::{
    canary::Canary,
    conformance::Staged,
    servers::{free_port, proxy::Request, vault::VaultServer},
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::backend::{self, Backend, Refusal, Shaped, Space, Upstream};

/// What the store may do in every mount of a test: the policy of the documentation, without its prefix.
const POLICY: &str = r#"
path "+/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/*" { capabilities = ["deny"] }
path "auth/*" { capabilities = ["deny"] }
"#;

/// A server, and tokens for it.
pub(crate) struct Vault {
    pub(crate) server: VaultServer,
    /// One that may do in every mount what a store does.
    pub(crate) token: Canary,
    /// One that may do nothing, but look itself up.
    pub(crate) powerless: Canary,
    /// One that the server does not know.
    pub(crate) refused: Canary,
}

/// One server for all that need one: it starts when it is first needed.
pub(crate) type Shared = Arc<OnceCell<Vault>>;

pub(crate) async fn running(shared: &Shared) -> &Vault {
    shared.get_or_init(Vault::start).await
}

impl Vault {
    async fn start() -> Self {
        let server = VaultServer::start();
        let [token, powerless, refused] =
            ["the token", "a token without rights", "a token that is refused"].map(Canary::new);
        server.client().policy("modelmesh", POLICY).await;
        server.client().token(json!({ "id": token.text(), "policies": ["modelmesh"] })).await;
        server.client().token(json!({ "id": powerless.text(), "policies": ["default"] })).await;
        Vault { server, token, powerless, refused }
    }

    /// A store of this mount, guarded and without a cache, that tries each call once.
    pub(crate) async fn open(&self, mount: &str, token: &str, more: &str) -> Arc<dyn SecretStoreConnector> {
        self.open_at(self.server.address(), mount, token, more).await
    }

    async fn open_at(
        &self,
        address: &str,
        mount: &str,
        token: &str,
        more: &str,
    ) -> Arc<dyn SecretStoreConnector> {
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let more = format!("retry: {{ tries: 1 }}, token: '{token}'{more}");
        open(&entry(address, mount), &more, &[]).await.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// An entry without a token.
pub(crate) fn entry(address: &str, mount: &str) -> String {
    format!("store: hashicorp.vault.v1, address: '{address}', mount: '{mount}'")
}

/// Opens a store, guarded and without a cache, in an environment that has these variables alone.
pub(crate) async fn open(
    entry: &str,
    more: &str,
    variables: &[(&str, &str)],
) -> modelmesh_secrets::Result<Arc<dyn SecretStoreConnector>> {
    let stores = backend::stores_in(&backend::configuration(entry, more), variables);
    stores.without_cache().store("s").await
}

/// A version of the engine.
pub(crate) struct Engine {
    shared: Shared,
    version: u8,
}

impl Engine {
    pub(crate) fn new(shared: &Shared, version: u8) -> Self {
        Engine { shared: Arc::clone(shared), version }
    }

    async fn running(&self) -> &Vault {
        running(&self.shared).await
    }
}

#[async_trait::async_trait]
impl Backend for Engine {
    fn label(&self) -> &'static str {
        if self.version == 1 { "vault-kv1" } else { "vault-kv2" }
    }

    async fn upstream(&self) -> Upstream {
        Upstream { address: self.running().await.server.address().to_owned(), ca_cert: None }
    }

    async fn space(&self) -> Space {
        Space(self.running().await.server.mount(self.version).await)
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        let Vault { token, .. } = self.shared.get().expect("a space was made");
        // Version 2 is found out by the store itself. Of version 1 the suite must know before it asks.
        let version = if self.version == 1 { ", kv_version: 1" } else { "" };
        format!("{}, token: '{}'{version}", entry(address, &space.0), token.text())
    }

    fn canaries(&self) -> Vec<Canary> {
        let running = self.shared.get();
        running.map_or_else(Vec::new, |vault| {
            let root = vault.server.root();
            [&vault.token, &vault.powerless, &vault.refused, root].into_iter().cloned().collect()
        })
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        let (status, errors) = match refusal {
            Refusal::Denied => (403, json!(["1 error occurred:\n\t* permission denied\n\n"])),
            Refusal::NotFound => (404, json!([])),
            Refusal::Outage => (503, json!(["local node not active but active cluster node not found"])),
            Refusal::Throttled => (429, json!(["request path \"kv/data/key\": rate limit quota exceeded"])),
            Refusal::ThrottledWith400 | Refusal::ThrottledWith403 => return None,
        };
        let headers = vec![("content-type", "application/json".to_owned())];
        Some(Shaped { status, headers, body: json!({ "errors": errors }).to_string() })
    }

    fn is_login(&self, request: &Request) -> bool {
        // What a store finds out of its token and its mount is no data either.
        ["/v1/auth/", "/v1/sys/"].iter().any(|place| request.path().starts_with(place))
    }

    fn is_within(&self, space: &Space, request: &Request) -> bool {
        // The server decodes a path once, and steps are between slashes alone. What is encoded in what comes of that is part of a name, and the real server's
        // answers show that it takes it for one.
        let path = percent_encoding::percent_decode_str(request.path()).decode_utf8_lossy();
        let is_step = |segment: &str| matches!(segment, "." | "..");
        path.starts_with(&format!("/v1/{}/", space.0)) && !path.split('/').any(is_step)
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let vault = self.running().await;
        let (client, Space(mount)) = (vault.server.client(), self.space().await);
        let (version, is_versioned) = (format!("kv_version: {}", self.version), self.version == 2);
        let data = if is_versioned { format!("{mount}/data/some-key") } else { format!("{mount}/some-key") };
        let document = |fields: serde_json::Value| {
            if is_versioned { json!({ "data": fields }) } else { fields }
        };
        client.expect("POST", &data, Some(document(json!({ "value": "held" })))).await;
        let mut token = &vault.token;
        let mut address = vault.server.address().to_owned();
        let mut whole_store = true;
        match kind {
            ErrorKind::Denied => token = &vault.powerless,
            ErrorKind::StoreAuth => token = &vault.refused,
            ErrorKind::Unavailable => address = format!("http://127.0.0.1:{}", free_port()),
            ErrorKind::Throttled => {
                let quota = json!({ "path": format!("{mount}/"), "rate": 1, "interval": "1h" });
                client.expect("POST", &format!("sys/quotas/rate-limit/{mount}"), Some(quota)).await;
                // The one call that the quota allows.
                client.until(&data, |status, _| status == 429).await;
            }
            ErrorKind::Disabled if is_versioned => {
                client.expect("DELETE", &data, None).await;
                whole_store = false;
            }
            ErrorKind::Malformed => {
                client.expect("POST", &data, Some(document(json!({ "value": null })))).await;
                whole_store = false;
            }
            _ => return None,
        }
        let store = vault.open_at(&address, &mount, token.text(), &version).await;
        Some(Staged { store, name: SecretName::new("some-key").unwrap(), whole_store })
    }
}
