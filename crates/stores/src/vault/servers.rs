//! The servers of one cluster: which of them is asked, and who is asked when it does not answer.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use modelmesh_secrets::{Error, ErrorKind, Result, setting::Settings};
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};
use serde::Deserialize;

use super::{
    failure,
    variable::{self, Variables},
};
use crate::{
    connector::OpenContext,
    network::{Answer, Endpoint, Http, header, is_unsent},
};

/// What is asked of a server.
pub(super) struct Request<'r> {
    pub(super) method: Method,
    /// Below `/v1`.
    pub(super) path: Vec<&'r str>,
    pub(super) query: Vec<(&'static str, &'r str)>,
    pub(super) body: Option<Bytes>,
    /// Whether it may be made again when nobody knows what became of it: it reads, or it is refused if somebody else
    /// came in between.
    is_repeatable: bool,
}

impl<'r> Request<'r> {
    pub(super) fn get(path: impl IntoIterator<Item = &'r str>) -> Self {
        Request {
            method: Method::GET,
            path: path.into_iter().collect(),
            query: Vec::new(),
            body: None,
            is_repeatable: true,
        }
    }

    /// The names under a path. Vault's own method for it, `LIST`, does not pass every proxy.
    pub(super) fn list(path: impl IntoIterator<Item = &'r str>) -> Self {
        Request { query: vec![("list", "true")], ..Request::get(path) }
    }

    pub(super) fn post(path: impl IntoIterator<Item = &'r str>, body: Bytes) -> Self {
        Request { method: Method::POST, body: Some(body), ..Request::get(path) }
    }

    pub(super) fn delete(path: impl IntoIterator<Item = &'r str>) -> Self {
        Request { method: Method::DELETE, ..Request::get(path) }.once()
    }

    /// One that would undo what somebody else has written since, were it made again.
    pub(super) fn once(self) -> Self {
        Request { is_repeatable: false, ..self }
    }
}

/// One cluster, by the addresses of its nodes or of what stands before them.
///
/// - A call goes to the server that answered last. If it does not answer, or cannot serve now (it is sealed, there
///   is no leader, it lags behind), or something before it refuses, the others are asked in turn, each once.
/// - A request that must not be made twice goes on only where it cannot have been done: there was no connection, or
///   the server itself says that it does not serve. The next one begins at another server.
/// - Several servers share the time of one request, so that one that hangs leaves time for the rest.
/// - A rate limit is an answer: no other server is asked to get around it.
/// - A redirect is followed to a server that is configured, and to no other; what is asked there, and the token,
///   are the same.
#[derive(Debug)]
pub(super) struct Servers {
    http: Http,
    endpoints: Vec<Endpoint>,
    /// The position of the server that answered last.
    preferred: AtomicUsize,
    namespace: Option<HeaderValue>,
}

impl Servers {
    pub(super) fn open(settings: &Settings, context: &OpenContext, variables: &Variables) -> Result<Self> {
        let bundle = variables.found(&variable::CA_CERT);
        let bundle = bundle.as_ref().map(|(named, path)| (*named, Path::new(path)));
        let http = Http::open_with_bundle(settings, context, bundle)?;
        let endpoints = addresses(settings, variables)?
            .iter()
            .map(|(key, address)| http.endpoint(key, address))
            .collect::<Result<Vec<_>>>()?;
        let share = http.timeout() / u32::try_from(endpoints.len()).unwrap_or(u32::MAX).max(1);
        let namespace = settings.text("namespace").map(str::to_owned);
        let namespace = namespace.or_else(|| variables.text(&variable::NAMESPACE));
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        Ok(Servers {
            http: http.with_timeout(share),
            endpoints,
            preferred: AtomicUsize::new(0),
            namespace: namespace
                .as_deref()
                .map(|name| header(name).map_err(|_| bad_namespace()))
                .transpose()?,
        })
    }

    /// The answer of the first server that gives one, whatever its status.
    ///
    /// `Unavailable` if none does; it says what the last one that spoke for itself had to say.
    pub(super) async fn send(&self, request: &Request<'_>, token: Option<&HeaderValue>) -> Result<Answer> {
        let count = self.endpoints.len();
        let mut at = self.preferred.load(Ordering::Relaxed) % count;
        let mut is_tried = vec![false; count];
        let mut trouble = Trouble::default();
        loop {
            is_tried[at] = true;
            let answer = self.send_to(at, request, token).await;
            let named = match answer {
                Ok(answer) if is_redirect(answer.status) => {
                    let leader = self.leader(&answer).filter(|&leader| !is_tried[leader]);
                    trouble.note(at, Ok(answer));
                    leader
                }
                Ok(answer) if !is_served(&answer) => {
                    let is_undone = request.is_repeatable || is_undone(&answer);
                    trouble.note(at, Ok(answer));
                    if !is_undone {
                        return Err(self.ended(at, trouble).await);
                    }
                    None
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    let is_undone = request.is_repeatable || is_unsent(&error);
                    trouble.note(at, Err(error));
                    if !is_undone {
                        return Err(self.ended(at, trouble).await);
                    }
                    None
                }
                answer => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return answer;
                }
            };
            let next = (at..at + count).map(|next| next % count).find(|&next| !is_tried[next]);
            match named.or(next) {
                Some(next) => at = next,
                None => return Err(self.explained(trouble).await),
            }
        }
    }

    /// The error of a request that ends at this server, for nobody knows what became of it.
    async fn ended(&self, at: usize, trouble: Trouble) -> Error {
        self.preferred.store(at + 1, Ordering::Relaxed);
        self.explained(trouble).await
    }

    async fn send_to(&self, at: usize, request: &Request<'_>, token: Option<&HeaderValue>) -> Result<Answer> {
        let mut url = self.endpoints[at].url(std::iter::once("v1").chain(request.path.iter().copied()))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        // An agent in between may demand the header, for no form of a web page can send it.
        let mut sent = self.http.request(request.method.clone(), url).header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            sent = sent.header("X-Vault-Namespace", namespace.clone());
        }
        if let Some(token) = token {
            sent = sent.header("X-Vault-Token", token.clone());
        }
        if let Some(body) = &request.body {
            sent = sent.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        self.http.send(sent).await
    }

    /// The server that a redirect names, if it is one of ours: by scheme, host and port.
    fn leader(&self, answer: &Answer) -> Option<usize> {
        let location = Url::parse(answer.header(LOCATION.as_str())?).ok()?;
        self.endpoints.iter().position(|endpoint| endpoint.is_origin_of(&location))
    }

    /// The error of a call that no server answered.
    async fn explained(&self, trouble: Trouble) -> Error {
        let answer = match (trouble.answer, trouble.error) {
            (Some((at, answer)), _) => {
                let may_be_sealed =
                    answer.status == StatusCode::SERVICE_UNAVAILABLE && failure::is_its_own(&answer);
                if may_be_sealed && self.is_sealed(at).await {
                    return failure::sealed();
                }
                answer
            }
            (None, Some(error)) => return error,
            (None, None) => return failure::no_server(),
        };
        if !is_redirect(answer.status) {
            failure::of(&answer)
        } else if self.leader(&answer).is_some() {
            failure::absent_leader()
        } else {
            failure::foreign_leader()
        }
    }

    /// Whether this server says that it is sealed. That it has no leader has the same status.
    async fn is_sealed(&self, at: usize) -> bool {
        #[derive(Deserialize)]
        struct Status {
            sealed: bool,
        }
        let answer = self.send_to(at, &Request::get(["sys", "seal-status"]), None).await;
        answer.and_then(|answer| answer.json::<Status>()).is_ok_and(|status| status.sealed)
    }
}

/// What kept servers from answering.
#[derive(Default)]
struct Trouble {
    /// The last answer that was one of Vault's own, and who gave it; else the last answer.
    answer: Option<(usize, Answer)>,
    error: Option<Error>,
}

impl Trouble {
    fn note(&mut self, at: usize, outcome: Result<Answer>) {
        match outcome {
            Err(error) => self.error = Some(error),
            Ok(answer) => {
                if self.answer.is_none() || failure::is_its_own(&answer) {
                    self.answer = Some((at, answer));
                }
            }
        }
    }
}

/// The addresses, each with the setting or the variable that it is from.
fn addresses(settings: &Settings, variables: &Variables) -> Result<Vec<(&'static str, String)>> {
    let one = settings.text("address").filter(|address| !address.trim().is_empty());
    let several = settings.text_list("addresses").unwrap_or_default();
    match (one, several) {
        (Some(_), [_, ..]) => {
            Err(Error::new(ErrorKind::InvalidConfig, "both 'address' and 'addresses' are set")
                .with_help("put all of them into 'addresses'"))
        }
        (Some(address), []) => Ok(vec![("address", address.to_owned())]),
        (None, []) => {
            let (name, address) = variables.found(&variable::ADDRESS).ok_or_else(|| {
                Error::new(ErrorKind::InvalidConfig, "'address' is missing").with_help(
                    "set it, such as https://vault.example.com:8200, or the variable VAULT_ADDR or BAO_ADDR",
                )
            })?;
            Ok(vec![(name, address)])
        }
        (None, several) => Ok(several.iter().map(|address| ("addresses", address.clone())).collect()),
    }
}

fn bad_namespace() -> Error {
    Error::new(ErrorKind::InvalidConfig, "'namespace' holds characters that no HTTP header can")
        .with_help("it is a path such as 'team/gateway'")
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

/// Whether this is the answer. Else another server may be able to give one: this one fails, is sealed, has no leader,
/// or lags behind; or it is not Vault that answered. A throttle is an answer, whoever throttles.
fn is_served(answer: &Answer) -> bool {
    let status = answer.status;
    let is_out = status.is_server_error() || status == StatusCode::PRECONDITION_FAILED;
    let is_known = status.is_success() || status == StatusCode::TOO_MANY_REQUESTS;
    !is_out && (is_known || failure::is_of_vault(answer))
}

/// Whether a server that does not serve says so itself, before it does anything.
fn is_undone(answer: &Answer) -> bool {
    let refuses = matches!(answer.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::PRECONDITION_FAILED);
    refuses && failure::is_its_own(answer)
}
