//! A provider's API on the loopback interface, which accepts one key at a time and keeps count.

use std::{collections::BTreeMap, convert::Infallible, fmt, io, net::SocketAddr};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, HeaderName},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What a request proves itself with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials {
    /// The key.
    pub key: String,
    /// The organization that the key belongs to, where one is sent.
    pub organization: Option<String>,
}

impl Credentials {
    /// A key that belongs to nobody in particular.
    pub fn key(key: impl Into<String>) -> Self {
        Credentials { key: key.into(), organization: None }
    }

    /// A key of an organization.
    pub fn of_organization(key: impl Into<String>, organization: impl Into<String>) -> Self {
        Credentials { key: key.into(), organization: Some(organization.into()) }
    }

    fn of_request(request: &Request<Incoming>) -> Option<Self> {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
        let key = header(AUTHORIZATION)?.strip_prefix("Bearer ")?.to_owned();
        let organization = header(HeaderName::from_static("openai-organization")).map(str::to_owned);
        Some(Credentials { key, organization })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// How often the same credentials came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests that were served.
    pub accepted: usize,
    /// Requests that were answered with 401.
    pub refused: usize,
}

/// The API.
pub struct Upstream {
    address: SocketAddr,
    desk: watch::Sender<Desk>,
    server: JoinHandle<()>,
}

/// Where credentials are looked at.
struct Desk {
    valid: Credentials,
    seen: BTreeMap<Credentials, Tally>,
}

impl Desk {
    fn judge(&mut self, credentials: Option<Credentials>) -> StatusCode {
        let Some(credentials) = credentials else { return StatusCode::BAD_REQUEST };
        let is_valid = credentials == self.valid;
        let tally = self.seen.entry(credentials).or_default();
        if is_valid {
            tally.accepted += 1;
            StatusCode::OK
        } else {
            tally.refused += 1;
            StatusCode::UNAUTHORIZED
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Starts an API to which only these credentials are valid.
    pub async fn start(valid: Credentials) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let desk = watch::Sender::new(Desk { valid, seen: BTreeMap::new() });
        let server = tokio::spawn(serve(listener, desk.clone()));
        Ok(Upstream { address, desk, server })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on, only these are valid.
    pub fn switch(&self, valid: Credentials) {
        self.desk.send_modify(|desk| desk.valid = valid);
    }

    /// Waits until a request came with `credentials` that were valid.
    pub async fn accepted(&self, credentials: &Credentials) {
        let is_accepted = |desk: &Desk| desk.seen.get(credentials).is_some_and(|tally| tally.accepted > 0);
        // The sender lives as long as this borrow of it.
        let _ = self.desk.subscribe().wait_for(is_accepted).await;
    }

    /// Every credentials that came, and how often.
    pub fn seen(&self) -> BTreeMap<Credentials, Tally> {
        self.desk.borrow().seen.clone()
    }

    /// How many requests came.
    pub fn total(&self) -> Tally {
        let add = |sum: Tally, tally: &Tally| Tally {
            accepted: sum.accepted + tally.accepted,
            refused: sum.refused + tally.refused,
        };
        self.desk.borrow().seen.values().fold(Tally::default(), add)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, desk: watch::Sender<Desk>) {
    // Connections end with the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let desk = desk.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let mut status = StatusCode::OK;
            desk.send_modify(|desk| status = desk.judge(Credentials::of_request(&request)));
            let mut response = Response::new(Full::new(Bytes::from_static(b"an answer")));
            *response.status_mut() = status;
            async { Ok::<_, Infallible>(response) }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
