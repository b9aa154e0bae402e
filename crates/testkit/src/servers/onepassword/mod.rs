//! A 1Password Connect server, as far as its published API description goes
//! (<https://github.com/1Password/connect/blob/main/docs/openapi/spec.yaml>), in memory.
//!
//! What it answers is proved by the vendor's own Python client, in the tests of network stores. Where the
//! description leaves something open, it does what makes a client's life harder: `eq` ignores case, empty values are
//! left out, and archived items are listed.

mod api;
mod filter;
mod item;
mod patch;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::serving::{Port, Serving};

/// The longest request, in bytes; a longer one is answered 413.
const MAX_REQUEST: usize = 2 << 20;

/// What a token may do in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Read its items.
    Read,
    /// Write them, too.
    Write,
}

/// A running server. It ends when dropped.
pub struct ConnectServer {
    address: SocketAddr,
    held: Arc<Mutex<Held>>,
    _serving: Serving,
}

/// What the server holds.
#[derive(Default)]
struct Held {
    vaults: BTreeMap<String, Vault>,
    tokens: HashMap<String, BTreeMap<String, Right>>,
    /// The queries that were asked, decoded.
    filters: Vec<String>,
}

struct Vault {
    name: String,
    version: u64,
    /// Complete items, by ID.
    items: BTreeMap<String, Value>,
}

impl ConnectServer {
    /// Starts a server on a free port of loopback, in a thread of its own.
    pub fn start() -> Self {
        let held = Arc::<Mutex<Held>>::default();
        let port = Port::bind();
        let address = port.address;
        let shared = Arc::clone(&held);
        let serving = port.serve(None, move |request| answer(request, Arc::clone(&shared)));
        ConnectServer { address, held, _serving: serving }
    }

    /// Where it listens, as a URL.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a vault, and gives its ID.
    pub fn add_vault(&self, name: &str) -> String {
        let id = new_id();
        let vault = Vault { name: name.to_owned(), version: 1, items: BTreeMap::new() };
        self.held().vaults.insert(id.clone(), vault);
        id
    }

    /// Removes a vault.
    pub fn remove_vault(&self, id: &str) {
        self.held().vaults.remove(id);
    }

    /// Lets `token` use a vault. A token that was never granted anything is not known.
    pub fn grant(&self, token: &str, vault: &str, right: Right) {
        self.held().tokens.entry(token.to_owned()).or_default().insert(vault.to_owned(), right);
    }

    /// Puts an item into a vault as another client of 1Password would, and gives its ID. What is missing in `item`
    /// (IDs, dates) is made up; its state and its title are as given, whatever they are.
    ///
    /// # Panics
    ///
    /// Panics if it is no item.
    pub fn add_item(&self, vault: &str, item: &Value) -> String {
        let state = item.get("state").cloned();
        let mut item = item::made(vault, item.clone()).unwrap_or_else(|why| panic!("not an item: {why}"));
        if let Some(state) = state {
            item["state"] = state;
        }
        let id = item["id"].as_str().expect("an item has an ID").to_owned();
        let mut held = self.held();
        held.vaults.get_mut(vault).expect("a vault of this server").items.insert(id.clone(), item);
        id
    }

    /// The items of a vault that have this title, complete.
    pub fn items_titled(&self, vault: &str, title: &str) -> Vec<Value> {
        let held = self.held();
        let items = held.vaults[vault].items.values();
        items.filter(|item| item["title"] == title).cloned().collect()
    }

    /// The filters that clients sent since the last call, in order.
    pub fn take_filters(&self) -> Vec<String> {
        std::mem::take(&mut self.held().filters)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ConnectServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectServer").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn answer(request: Request<Incoming>, held: Arc<Mutex<Held>>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            api::respond(&mut held, &parts, &body.to_bytes())
        }
        Err(_) => api::Reply::error(413, "Request body too large"),
    };
    let (kind, body) = match answer.body {
        None => ("text/plain", Bytes::new()),
        Some(Value::String(text)) => ("text/plain", Bytes::from(text)),
        Some(json) => ("application/json", Bytes::from(json.to_string())),
    };
    let response = Response::builder()
        .status(answer.status)
        .header("Content-Type", kind)
        .header("1Password-Connect-Version", "1.8.1");
    response.body(Full::new(body)).expect("a status and headers of ours")
}

/// 26 lower-case letters and digits, as 1Password makes them.
fn new_id() -> String {
    const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..26).map(|_| char::from(BASE32[fastrand::usize(..BASE32.len())])).collect()
}

impl Vault {
    fn shown(&self, id: &str) -> Value {
        json!({
            "id": id, "name": self.name, "type": "USER_CREATED", "attributeVersion": 1,
            "contentVersion": self.version, "items": self.items.len(),
            "createdAt": "2026-01-02T03:04:05Z", "updatedAt": item::now(),
        })
    }
}
