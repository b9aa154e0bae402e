//! What the tests that are the same for all network stores need of one.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use modelmesh_secrets::{ErrorKind, SecretStoreConnector, config::Configuration, document::Format};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{BackendRules, Staged},
    servers::proxy::{Reply, Request},
};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The certificates, in PEM, that a client of an `https://` server must trust.
    pub(crate) ca_cert: Option<String>,
}

/// A part of a server that no other test uses: a mount, a project, a namespace, a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Space(pub(crate) String);

/// What a backend answers, in its own shape, when it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The caller is known, and may not read this.
    Denied,
    /// There is no such secret.
    NotFound,
    /// The backend has trouble of its own, and says so with HTTP 500 or 503.
    Outage,
    /// Too many calls, with the status that this backend uses for it.
    Throttled,
    /// Too many calls, told with HTTP 400 (AWS), if this backend does that.
    ThrottledWith400,
    /// Too many calls, told with HTTP 403, if this backend does that.
    ThrottledWith403,
}

/// An answer of a backend.
#[derive(Clone, Debug)]
pub(crate) struct Shaped {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Shaped {
    /// The answer as a proxy gives it in the backend's place.
    pub(crate) fn reply(self) -> Reply {
        let headers = self.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Reply { status: self.status, headers, body: self.body.into_bytes() }
    }
}

/// A kind of store, with a server of its own.
#[async_trait::async_trait]
pub(crate) trait Backend: Send + Sync {
    /// What tests are named after, such as `vault-kv2`.
    fn label(&self) -> &'static str;

    /// The server. The first call starts it.
    async fn upstream(&self) -> Upstream;

    /// Makes a part of the server's data that is empty, and that no other test uses.
    async fn space(&self) -> Space;

    /// The entry of a configuration, as a YAML flow mapping without its braces, for a store in `space` whose server is
    /// reached at `address`: the upstream's own, or that of a proxy in front of it.
    ///
    /// `ca_cert`, the resolution parameters and `prefix` are not part of it: a test adds them.
    fn entry(&self, address: &str, space: &Space) -> String;

    /// The prefix of a store that a test gives none, where a plain name is none of this backend's.
    fn prefix(&self) -> Option<&'static str> {
        None
    }

    /// The environment variables that a store of this entry reads.
    fn environment(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The credentials that the store uses: they may show nowhere.
    fn canaries(&self) -> Vec<Canary>;

    /// What the real backend answers to a read that it refuses so; none if it never does.
    ///
    /// A status, headers and a body as the vendor's documentation or the real server has them.
    fn refusal(&self, refusal: Refusal) -> Option<Shaped>;

    /// How many requests one read makes until it believes this refusal: more than one where a fresh login is tried
    /// first.
    fn requests_until_believed(&self, refusal: Refusal) -> usize {
        let _ = refusal;
        1
    }

    /// The same of a write: it may read first what it is to keep.
    fn requests_until_a_write_believes(&self, refusal: Refusal) -> usize {
        self.requests_until_believed(refusal)
    }

    /// What the real backend answers to a read whose credentials it does not accept, and how many requests the read
    /// makes until it believes that; none if it says so only where one logs in.
    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        None
    }

    /// Whether this is one of the requests by which a store logs in, and not one for its data.
    fn is_login(&self, request: &Request) -> bool {
        let _ = request;
        false
    }

    /// Whether a request for data writes. A backend that does everything with `POST` judges by something else.
    fn is_write(&self, request: &Request) -> bool {
        request.method != "GET"
    }

    /// Whether a request for data stays within `space`, whatever the name in it: it names the space, and does not
    /// lead out of it again. A backend whose requests have a stricter form judges by that.
    fn is_within(&self, space: &Space, request: &Request) -> bool {
        let names_space = request.path().contains(&space.0)
            || request.target.contains(&space.0)
            || String::from_utf8_lossy(&request.body).contains(&space.0);
        names_space && !leads_up(request.path())
    }

    /// A store whose `get` of a secret fails with `kind`, if the real server can be made to: see
    /// [`StoreFactory::staged`](modelmesh_testkit::conformance::StoreFactory::staged).
    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let _ = kind;
        None
    }

    /// See [`StoreFactory::rules`](modelmesh_testkit::conformance::StoreFactory::rules).
    fn rules(&self) -> BackendRules {
        BackendRules::default()
    }

    /// See [`StoreFactory::exemptions`](modelmesh_testkit::conformance::StoreFactory::exemptions).
    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        &[]
    }
}

/// Whether a path has a segment that some server takes for a step up, however often it decodes it.
pub(crate) fn leads_up(path: &str) -> bool {
    let mut path = path.to_owned();
    loop {
        if path.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return true;
        }
        let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            return false;
        }
        path = decoded;
    }
}

/// The entry of `backend`, with its prefix unless `more` has another.
pub(crate) fn entry(backend: &dyn Backend, address: &str, space: &Space, more: &str) -> String {
    let entry = backend.entry(address, space);
    match backend.prefix().filter(|_| !more.contains("prefix:")) {
        Some(prefix) => format!("{entry}, prefix: '{prefix}'"),
        None => entry,
    }
}

/// A file with these certificates, in PEM. It stays, for some stores read it when they are first asked.
fn certificates(pem: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    pem.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("ca-{:x}.pem", hasher.finish()));
    // Put there whole: another test may be reading the one that is there.
    let written = tempfile::NamedTempFile::new_in(folder).unwrap();
    fs::write(written.path(), pem).unwrap();
    written.persist(&path).unwrap();
    path
}

/// The configuration of one store, `s`: `entry`, and more settings, each `key: value`.
pub(crate) fn configuration(entry: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    format!("secrets: {{ stores: {{ s: {{ {entry}{more} }} }} }}\n")
}

/// The stores of a configuration, with the environment of `backend`.
pub(crate) fn stores(backend: &dyn Backend, configuration: &str) -> StoreSet {
    let variables = backend.environment();
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    stores_in(configuration, &pairs)
}

/// The stores of a configuration, in an environment that has these variables alone.
pub(crate) fn stores_in(configuration: &str, variables: &[(&str, &str)]) -> StoreSet {
    let parsed =
        Configuration::parse("modelmesh.yaml", ".".into(), configuration, Format::Yaml, &catalogue());
    let parsed = parsed.unwrap_or_else(|report| panic!("{report}"));
    let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
    let context = OpenContext { environment, ..OpenContext::default() };
    StoreSet::new(Arc::new(parsed), context).unwrap_or_else(|report| panic!("{report}"))
}

/// A store of `backend` in `space`, guarded and without a cache.
pub(crate) async fn open(backend: &dyn Backend, space: &Space) -> Arc<dyn SecretStoreConnector> {
    let upstream = backend.upstream().await;
    open_at(backend, &upstream.address, space, "").await
}

/// As [`open`], at another address, with more settings. Trusts what the upstream says, unless `more` says whom.
pub(crate) async fn open_at(
    backend: &dyn Backend,
    address: &str,
    space: &Space,
    more: &str,
) -> Arc<dyn SecretStoreConnector> {
    let trusted = backend.upstream().await.ca_cert.filter(|_| !more.contains("ca_cert"));
    let trust = trusted.map(|pem| format!("ca_cert: '{}'", certificates(&pem).display()));
    let more = [trust.as_deref(), Some(more)].into_iter().flatten().filter(|more| !more.is_empty());
    let more = more.collect::<Vec<_>>().join(", ");
    let text = configuration(&entry(backend, address, space, &more), &more);
    let stores = stores(backend, &text).without_cache();
    modelmesh_secrets::StoreSource::store(&stores, "s").await.unwrap_or_else(|error| panic!("{error:?}"))
}
