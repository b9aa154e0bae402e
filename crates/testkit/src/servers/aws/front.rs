//! What stands before moto: it counts, and answers in moto's place where it is told to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Canned;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// The path at which the agent of a container gives credentials.
const CONTAINER: &str = "/container-credentials";

/// What a container shows there, in `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
pub const CONTAINER_TOKEN: &str = "the-token-of-the-container";

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked for, such as `GetSecretValue`.
    pub action: String,
    /// The ID of the access key that signed it.
    pub access_key: String,
    /// When it says that it was signed: `20261125T093254Z`.
    pub signed_at: String,
    /// The token of a write, by which Amazon knows it again.
    pub token: Option<String>,
}

/// What happens in one region.
#[derive(Default)]
pub(super) struct Region {
    pub(super) calls: Vec<Call>,
    pub(super) answers: Vec<(Option<String>, Canned)>,
    pub(super) most_at_once: usize,
    at_once: usize,
    /// Whether anything was ever deleted.
    has_deleted: bool,
}

#[derive(Default)]
pub(super) struct State {
    regions: HashMap<String, Region>,
}

impl State {
    pub(super) fn region(&mut self, name: &str) -> &mut Region {
        self.regions.entry(name.to_owned()).or_default()
    }
}

pub(super) struct Front {
    upstream: SocketAddr,
    pub(super) state: Mutex<State>,
    /// Held while moto works.
    turn: tokio::sync::Mutex<()>,
}

/// A request, and what of it is told.
struct Asked {
    head: http::request::Parts,
    body: Bytes,
    region: String,
    call: Call,
}

impl Front {
    pub(super) fn new(upstream: SocketAddr) -> Self {
        Front { upstream, state: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if head.uri.path() == CONTAINER {
            return container(&head.headers);
        }
        let asked = Asked::of(head, body);
        let canned = {
            let mut state = self.state();
            let region = state.region(&asked.region);
            region.calls.push(asked.call.clone());
            region.at_once += 1;
            region.most_at_once = region.most_at_once.max(region.at_once);
            let is_meant = |of: &Option<String>| of.as_ref().is_none_or(|of| *of == asked.call.action);
            region.answers.iter_mut().filter(|(of, _)| is_meant(of)).find_map(|(_, canned)| canned.give())
        };
        let response = match canned {
            Some(response) => response,
            None => self.of_moto(&asked).await,
        };
        self.state().region(&asked.region).at_once -= 1;
        response
    }

    async fn of_moto(&self, asked: &Asked) -> Response<Full<Bytes>> {
        let _turn = self.turn.lock().await;
        if asked.call.action == "PutSecretValue" && self.is_deleted(asked).await {
            return Canned::error(400, "InvalidRequestException").give().expect("it is given always");
        }
        if asked.call.action == "DeleteSecret" {
            self.state().region(&asked.region).has_deleted = true;
        }
        self.forward(&asked.head, asked.body.clone()).await
    }

    /// Whether the secret that is written is marked for deletion.
    async fn is_deleted(&self, asked: &Asked) -> bool {
        if !self.state().region(&asked.region).has_deleted {
            return false;
        }
        let input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let mut head = asked.head.clone();
        head.headers.insert(TARGET, HeaderValue::from_static("secretsmanager.DescribeSecret"));
        let described =
            self.forward(&head, json!({ "SecretId": input["SecretId"] }).to_string().into()).await;
        read(described).await["DeletedDate"].is_number()
    }

    async fn forward(&self, head: &http::request::Parts, body: Bytes) -> Response<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() =
            head.uri.path_and_query().expect("a request has a path").as_str().parse().expect("as it came");
        *request.headers_mut() = head.headers.clone();
        request.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        request.headers_mut().insert(header::HOST, self.upstream.to_string().parse().expect("an address"));
        let valid = head.headers.get(&TOKEN_TTL).cloned();
        let answered = async {
            let stream = TcpStream::connect(self.upstream).await.ok()?;
            let (mut sender, connection) =
                client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.ok()?;
            let connection = tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            connection.abort();
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = head.status;
            for name in [header::CONTENT_TYPE, HeaderName::from_static("x-amzn-requestid")] {
                if let Some(value) = head.headers.get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            // The metadata service says for how long its tokens are valid: for as long as was asked. moto does not.
            if let Some(valid) = valid {
                response.headers_mut().insert(TOKEN_TTL, valid);
            }
            Some(response)
        };
        answered.await.unwrap_or_else(|| {
            let mut response = Response::new(Full::from("moto does not answer"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }

    /// Does what another program would.
    pub(super) async fn call(&self, region: &str, action: &str, input: &Value) -> Value {
        let credential =
            format!("AWS4-HMAC-SHA256 Credential=other/20260101/{region}/secretsmanager/aws4_request");
        let request = Request::post("/")
            .header(TARGET, format!("secretsmanager.{action}"))
            .header(header::AUTHORIZATION, format!("{credential}, SignedHeaders=host, Signature=0"))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1");
        let (head, ()) = request.body(()).expect("it is well-formed").into_parts();
        let _turn = self.turn.lock().await;
        let response = self.forward(&head, input.to_string().into()).await;
        assert!(response.status().is_success(), "{action}: {}", response.status());
        read(response).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn of(head: http::request::Parts, body: Bytes) -> Self {
        let text =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…
        let scope = text("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
        let scope: Vec<&str> = scope.split(['/', ',']).collect();
        let part = |at: usize| scope.get(at).copied().unwrap_or_default().to_owned();
        let action = match text(TARGET.as_str()).rsplit_once('.') {
            Some((_, action)) => action.to_owned(),
            // STS is asked in a form.
            None => url::form_urlencoded::parse(&body)
                .find_map(|(key, value)| (key == "Action").then(|| value.into_owned()))
                .unwrap_or_default(),
        };
        let input: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = input["ClientRequestToken"].as_str().map(str::to_owned);
        let call = Call { action, access_key: part(0), signed_at: text("x-amz-date").to_owned(), token };
        Asked { region: part(2), call, head, body }
    }
}

async fn read(response: Response<Full<Bytes>>) -> Value {
    let Ok(body) = response.into_body().collect().await;
    serde_json::from_slice(&body.to_bytes()).unwrap_or_default()
}

/// The agent of a container: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
fn container(headers: &HeaderMap) -> Response<Full<Bytes>> {
    let is_known = headers.get(header::AUTHORIZATION).is_some_and(|token| token == CONTAINER_TOKEN);
    let body = json!({
        "AccessKeyId": "ASIACONTAINER",
        "SecretAccessKey": "the secret of the container",
        "Token": "the session of the container",
        "Expiration": "2100-01-01T00:00:00Z",
    });
    let mut response = Response::new(Full::from(if is_known { body.to_string() } else { String::new() }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.status_mut() = if is_known { StatusCode::OK } else { StatusCode::FORBIDDEN };
    response
}
