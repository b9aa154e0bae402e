//! 1Password Connect, from a protocol server of our own that the vendor's Python client proves.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use modelmesh_secrets::{ErrorKind, SecretName, SecretStoreConnector, StoreSource as _};
use modelmesh_testkit::{
    canary::Canary,
    conformance::Staged,
    servers::{
        free_port,
        onepassword::{ConnectServer, Right},
        proxy::Request,
    },
};
use serde_json::{Value, json};

use crate::backend::{Backend, Refusal, Shaped, Space, Upstream, configuration, stores};

/// A space is a vault.
pub(crate) struct OnePassword {
    server: OnceLock<ConnectServer>,
    token: Canary,
    /// One that the server does not know.
    refused: Canary,
    /// One for another vault.
    foreign: Canary,
}

impl OnePassword {
    pub(crate) fn new() -> Self {
        OnePassword {
            server: OnceLock::new(),
            token: Canary::new("the Connect token"),
            refused: Canary::new("a Connect token that is refused"),
            foreign: Canary::new("a Connect token for another vault"),
        }
    }

    pub(crate) fn server(&self) -> &ConnectServer {
        self.server.get_or_init(ConnectServer::start)
    }

    pub(crate) fn token(&self) -> &str {
        self.token.text()
    }

    /// A vault that the token may write.
    pub(crate) fn vault(&self, title: &str) -> String {
        let vault = self.server().add_vault(title);
        self.server().grant(self.token(), &vault, Right::Write);
        vault
    }

    /// A store with these settings, at the server.
    pub(crate) async fn open(&self, vault: &str, token: &str, more: &str) -> Arc<dyn SecretStoreConnector> {
        self.open_at(&self.server().address(), vault, token, more).await
    }

    /// As [`open`](OnePassword::open), at another address.
    pub(crate) async fn open_at(
        &self,
        address: &str,
        vault: &str,
        token: &str,
        more: &str,
    ) -> Arc<dyn SecretStoreConnector> {
        let text = configuration(&entry(address, vault, token), more);
        let stores = stores(self, &text).without_cache();
        stores.store("s").await.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// An error in the shape of Connect.
fn refused(status: u16, message: &str) -> Shaped {
    shaped(status, &json!({ "status": status, "message": message }))
}

fn shaped(status: u16, body: &Value) -> Shaped {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    Shaped { status, headers, body: body.to_string() }
}

fn entry(address: &str, vault: &str, token: &str) -> String {
    format!("store: 1password.connect.v1, server_url: '{address}', vault_id: '{vault}', token: '{token}'")
}

#[async_trait::async_trait]
impl Backend for OnePassword {
    fn label(&self) -> &'static str {
        "onepassword"
    }

    async fn upstream(&self) -> Upstream {
        Upstream { address: self.server().address(), ca_cert: None }
    }

    async fn space(&self) -> Space {
        Space(self.vault("a vault"))
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        entry(address, &space.0, self.token())
    }

    fn canaries(&self) -> Vec<Canary> {
        vec![self.token.clone(), self.refused.clone(), self.foreign.clone()]
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        Some(match refusal {
            Refusal::Denied => refused(403, "vault is not in scope"),
            // A title that no item has.
            Refusal::NotFound => shaped(200, &json!([])),
            Refusal::Outage => refused(503, "Service unavailable"),
            Refusal::Throttled => refused(429, "Too many requests"),
            Refusal::ThrottledWith400 | Refusal::ThrottledWith403 => return None,
        })
    }

    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        Some((refused(401, "Invalid token signature"), 1))
    }

    /// In a filter, a title cannot end its quotes.
    fn is_within(&self, space: &Space, request: &Request) -> bool {
        let items = format!("/v1/vaults/{}/items", space.0);
        let Some(under) = request.path().strip_prefix(&items) else { return false };
        let id = under.strip_prefix('/').unwrap_or(under);
        let query = request.target.split_once('?').map(|(_, query)| query);
        let query = query.into_iter().flat_map(|query| url::form_urlencoded::parse(query.as_bytes()));
        let is_filter = |(key, filter): (Cow<'_, str>, Cow<'_, str>)| {
            let title = filter.strip_prefix("title eq \"").and_then(|rest| rest.strip_suffix('"'));
            key == "filter" && title.is_some_and(|title| !title.contains(['"', '\\']))
        };
        id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) && query.into_iter().all(is_filter)
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let vault = self.vault("a vault");
        let (store, whole_store) = match kind {
            ErrorKind::Denied => {
                self.server().grant(self.foreign.text(), &self.server().add_vault("another"), Right::Write);
                (self.open(&vault, self.foreign.text(), "").await, true)
            }
            ErrorKind::StoreAuth => (self.open(&vault, self.refused.text(), "").await, true),
            ErrorKind::Unavailable => {
                let nowhere = format!("http://127.0.0.1:{}", free_port());
                (self.open_at(&nowhere, &vault, self.token(), "").await, true)
            }
            ErrorKind::Disabled => {
                let item = json!({
                    "title": "staged-key", "vault": { "id": vault }, "category": "PASSWORD", "state": "ARCHIVED",
                    "fields": [{ "purpose": "PASSWORD", "type": "CONCEALED", "value": "archived" }],
                });
                self.server().add_item(&vault, &item);
                (self.open(&vault, self.token(), "").await, false)
            }
            _ => return None,
        };
        Some(Staged { store, name: SecretName::new("staged-key").unwrap(), whole_store })
    }
}
