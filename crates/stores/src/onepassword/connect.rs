//! The calls of a Connect server that are used, and the vault that they are about.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use modelmesh_secrets::{Result, SecretString, setting::Settings};
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    failure,
    item::{Item, NewItem, Patch, Summary},
};
use crate::{
    connector::OpenContext,
    json,
    network::{Answer, Endpoint, Http, bearer, malformed},
};

/// A Connect server, as seen with one token, and one vault of it.
pub(super) struct Connect {
    http: Http,
    server: Endpoint,
    authorization: HeaderValue,
    /// The setting: an ID or a title.
    vault: String,
    /// The ID that the title led to.
    vault_of_title: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("server", &self.server)
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct NamedVault {
    id: String,
    #[serde(default)]
    name: String,
}

impl Connect {
    pub(super) fn open(
        settings: &Settings,
        context: &OpenContext,
        server: &str,
        vault: String,
        token: &SecretString,
    ) -> Result<Self> {
        let http = Http::open(settings, context)?;
        let server = http.endpoint("server_url", server)?;
        let authorization = bearer(token)?;
        Ok(Connect { http, server, authorization, vault, vault_of_title: Mutex::default() })
    }

    /// The ID of the vault. A title is looked up once.
    pub(super) async fn vault(&self) -> Result<Arc<str>> {
        if is_id(&self.vault) {
            return Ok(Arc::from(self.vault.as_str()));
        }
        if let Some(known) = self.known_vault().clone() {
            return Ok(known);
        }
        let url = filtered(self.url(&[])?, "name", &self.vault);
        let vaults: Vec<NamedVault> =
            self.ask(Method::GET, url, None).await?.ok_or_else(failure::no_vault)?;
        let mut named = vaults.into_iter().filter(|vault| vault.name == self.vault);
        let found: Arc<str> = match (named.next(), named.next()) {
            (None, _) => return Err(failure::no_vault()),
            (Some(vault), None) => vault.id.into(),
            _ => return Err(failure::ambiguous_vault()),
        };
        *self.known_vault() = Some(Arc::clone(&found));
        Ok(found)
    }

    fn known_vault(&self) -> std::sync::MutexGuard<'_, Option<Arc<str>>> {
        self.vault_of_title.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All items of the vault, without their fields. The API has no pages.
    pub(super) async fn items(&self) -> Result<Vec<Summary>> {
        self.items_where(|url| url).await
    }

    /// The items of this very title, of any state, without their fields.
    pub(super) async fn items_titled(&self, title: &str) -> Result<Vec<Summary>> {
        let mut items = self.items_where(|url| filtered(url, "title", title)).await?;
        // What 'eq' is to the server (capitals, say) is its own affair.
        items.retain(|item| item.title == title);
        Ok(items)
    }

    async fn items_where(&self, narrow: impl Fn(Url) -> Url) -> Result<Vec<Summary>> {
        let vault = self.vault().await?;
        if let Some(items) = self.ask(Method::GET, narrow(self.url(&[&vault, "items"])?), None).await? {
            return Ok(items);
        }
        // The vault is gone. Its title may be that of another by now.
        if self.known_vault().take().is_none() {
            return Err(failure::no_vault());
        }
        let vault = self.vault().await?;
        let items = self.ask(Method::GET, narrow(self.url(&[&vault, "items"])?), None).await?;
        items.ok_or_else(failure::no_vault)
    }

    /// An item with its fields; none if the vault has none of this ID, or is not there itself.
    pub(super) async fn item(&self, id: &str) -> Result<Option<Item>> {
        let vault = self.vault().await?;
        self.ask(Method::GET, self.url(&[&vault, "items", id])?, None).await
    }

    pub(super) async fn create(&self, vault: &str, item: &NewItem<'_>) -> Result<Summary> {
        let made = self.ask(Method::POST, self.url(&[vault, "items"])?, Some(body(item))).await?;
        made.ok_or_else(failure::no_vault)
    }

    /// Changes an item. `Conflict` if it is gone.
    pub(super) async fn patch(&self, id: &str, operations: &[Patch<'_>]) -> Result<()> {
        let vault = self.vault().await?;
        let changed: Option<Summary> =
            self.ask(Method::PATCH, self.url(&[&vault, "items", id])?, Some(body(operations))).await?;
        changed.map(drop).ok_or_else(failure::overtaken)
    }

    /// Removes an item for good; false if it is not there.
    pub(super) async fn delete(&self, id: &str) -> Result<bool> {
        let vault = self.vault().await?;
        let url = self.url(&[&vault, "items", id])?;
        match self.send(Method::DELETE, url, None).await? {
            // Something in between may answer with success, too, but hardly with this one.
            Some(answer) if answer.status != StatusCode::NO_CONTENT => {
                Err(malformed("is not what the Connect server says when an item is removed"))
            }
            removed => Ok(removed.is_some()),
        }
    }

    /// A place under `/v1/vaults`.
    fn url(&self, segments: &[&str]) -> Result<Url> {
        self.server.url(["v1", "vaults"].into_iter().chain(segments.iter().copied()))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
    ) -> Result<Option<T>> {
        self.send(method, url, body).await?.map(|answer| answer.json()).transpose()
    }

    /// The answer; none if it is Connect's own 404, whose meaning depends on what was asked for.
    async fn send(&self, method: Method, url: Url, body: Option<Bytes>) -> Result<Option<Answer>> {
        let mut request = self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = self.http.send(request).await?;
        if answer.status.is_success() {
            Ok(Some(answer))
        } else if answer.status == StatusCode::NOT_FOUND && failure::is_its_own(&answer) {
            Ok(None)
        } else {
            Err(failure::refused(&answer))
        }
    }
}

/// Whether this is how IDs of 1Password look: 26 lower-case letters and digits.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// `url`, asking for those alone whose `attribute` is `text`.
///
/// How a quote inside of a filter is written is not documented, and servers differ in it. A text that has one is
/// not put into a filter: then all are asked for, and the caller compares.
fn filtered(mut url: Url, attribute: &str, text: &str) -> Url {
    if !text.contains(['"', '\'', '\\']) {
        url.query_pairs_mut().append_pair("filter", &format!("{attribute} eq \"{text}\""));
    }
    url
}

/// JSON that is wiped when the request is done with it.
fn body<T: Serialize + ?Sized>(content: &T) -> Bytes {
    Bytes::from_owner(json::write(&content))
}
