//! A space of a backend behind a proxy that injects faults, and stores that see it through that proxy.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use modelmesh_secrets::{Result, SecretName, SecretStoreConnector, StoreSource as _};
use modelmesh_stores::open::StoreSet;
use modelmesh_testkit::{
    canary::Canary,
    servers::proxy::{Bystander, Fault, FaultProxy, Reply, Request},
};
use tempfile::TempDir;

use crate::backend::{self, Backend, Refusal, Space};

/// How long a real server may take until a store that is right gets its first answer.
const START: Duration = Duration::from_secs(30);

/// What goes wrong between a store and its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Refused,
    Reset,
    Truncated,
    Silence,
    Drip,
    UnknownAuthority,
    /// A redirect to another host, with what was sent.
    Redirect,
    /// What a proxy or a gateway answers by itself.
    Bare(u16),
    /// A success with this body.
    Body(&'static str),
    /// A success with a body of 64 MiB.
    Oversized {
        is_announced: bool,
    },
    /// The backend's own refusal.
    Own(Refusal),
    /// The backend's own throttle, which asks to be left alone for so many seconds.
    RetryAfter(u64),
    /// The backend's own trouble, which asks to be left alone for so many seconds.
    OutageFor(u64),
    /// The backend does not accept the credentials.
    Unauthenticated,
}

impl Cause {
    /// What a test of it is called.
    pub(crate) fn id(self) -> String {
        match self {
            Cause::Refused => "refused".into(),
            Cause::Reset => "reset-in-mid-body".into(),
            Cause::Truncated => "truncated-body".into(),
            Cause::Silence => "no-answer".into(),
            Cause::Drip => "slow-drip".into(),
            Cause::UnknownAuthority => "unknown-authority".into(),
            Cause::Redirect => "redirect-to-foreign-host".into(),
            Cause::Bare(status) => format!("bare-{status}"),
            Cause::Body("") => "empty-body".into(),
            Cause::Body(body) if body.starts_with('<') => "page-of-html".into(),
            Cause::Body(_) => "malformed-body".into(),
            Cause::Oversized { is_announced: true } => "64-mib-announced".into(),
            Cause::Oversized { is_announced: false } => "64-mib-in-chunks".into(),
            Cause::Own(refusal) => match refusal {
                Refusal::Denied => "own-403".into(),
                Refusal::NotFound => "own-404".into(),
                Refusal::Outage => "own-5xx".into(),
                Refusal::Throttled => "throttle-as-429".into(),
                Refusal::ThrottledWith400 => "throttle-as-400".into(),
                Refusal::ThrottledWith403 => "throttle-as-403".into(),
            },
            Cause::RetryAfter(seconds) => format!("throttle-with-retry-after-{seconds}"),
            Cause::OutageFor(seconds) => format!("own-5xx-with-retry-after-{seconds}"),
            Cause::Unauthenticated => "own-401".into(),
        }
    }

    /// Whether it takes all the time there is.
    pub(crate) fn takes_forever(self) -> bool {
        matches!(self, Cause::Silence | Cause::Drip)
    }
}

/// A body of 64 MiB.
pub(crate) const OVERSIZED: u64 = 64 << 20;

/// A space with one secret, and what stands between it and a store.
pub(crate) struct Stage {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) space: Space,
    pub(crate) proxy: FaultProxy,
    pub(crate) bystander: Bystander,
    pub(crate) name: SecretName,
    pub(crate) value: Canary,
    folder: TempDir,
    /// How much of the audit log was read.
    audited: Mutex<usize>,
}

impl Stage {
    pub(crate) async fn new(backend: &Arc<dyn Backend>) -> Self {
        let (upstream, space) = (backend.upstream().await, backend.space().await);
        let judge = Arc::clone(backend);
        let proxy = FaultProxy::start(&upstream.address, upstream.ca_cert.as_deref(), move |request| {
            judge.is_login(request)
        });
        let folder = TempDir::new().unwrap();
        // Some log in at the server itself.
        let trusted = format!("{}{}", proxy.ca_cert(), upstream.ca_cert.as_deref().unwrap_or_default());
        fs::write(folder.path().join("ca.pem"), trusted).unwrap();
        let stage = Stage {
            backend: Arc::clone(backend),
            space,
            proxy,
            bystander: Bystander::start(),
            name: SecretName::new("some-key").unwrap(),
            value: Canary::new("a secret's value"),
            folder,
            audited: Mutex::default(),
        };
        let store = stage.store("").await;
        store.management().unwrap().set(&stage.name, &stage.value.value()).await.unwrap();
        stage
    }

    /// The configuration of a store, `s`, behind the proxy, with more settings, each `key: value`.
    pub(crate) fn configuration(&self, more: &str) -> String {
        let entry = backend::entry(&*self.backend, &self.proxy.address(), &self.space, more);
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let ca_cert = self.folder.path().join("ca.pem");
        let audit_log = self.audit_log();
        format!(
            "secrets: {{ audit_log: '{}', stores: {{ s: {{ {entry}, ca_cert: '{}'{more} }} }} }}\n",
            audit_log.display(),
            ca_cert.display()
        )
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// The stores of [`configuration`](Stage::configuration).
    pub(crate) fn stores(&self, more: &str) -> StoreSet {
        backend::stores(&*self.backend, &self.configuration(more))
    }

    /// The store behind the proxy, guarded and without a cache.
    pub(crate) async fn store(&self, more: &str) -> Arc<dyn SecretStoreConnector> {
        self.try_store(more).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The same, if these settings are good ones.
    pub(crate) async fn try_store(&self, more: &str) -> Result<Arc<dyn SecretStoreConnector>> {
        self.stores(more).without_cache().store("s").await
    }

    /// A store that has read its secret: it has logged in, and knows what it must know of the backend.
    pub(crate) async fn warm_store(&self, more: &str) -> Arc<dyn SecretStoreConnector> {
        let store = self.store(more).await;
        let deadline = Instant::now() + START;
        // The time limit of a fetch may be too short for a first one on a busy machine.
        loop {
            match store.get(&self.name).await {
                Ok(value) => break assert!(value.expose() == self.value.text(), "another value"),
                Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
            }
        }
        self.forget();
        store
    }

    /// What the proxy injects for `cause`; none if this backend never does so.
    pub(crate) fn fault(&self, cause: Cause) -> Option<Fault> {
        Some(match cause {
            Cause::Refused => Fault::Refused,
            Cause::Reset => Fault::Reset,
            Cause::Truncated => Fault::Truncated,
            Cause::Silence => Fault::Silence,
            Cause::Drip => Fault::Drip(Duration::from_millis(100)),
            Cause::UnknownAuthority => Fault::UnknownAuthority,
            Cause::Redirect => {
                Fault::Answer(Reply::redirect(&format!("{}/v1/elsewhere", self.bystander.address())))
            }
            Cause::Bare(status) => Fault::Answer(Reply::bare(status)),
            Cause::Body(body) if body.starts_with('<') => Fault::Answer(Reply::of(200, "text/html", body)),
            Cause::Body(body) => Fault::Answer(Reply::of(200, "application/json", body)),
            Cause::Oversized { is_announced } => Fault::Oversized { bytes: OVERSIZED, is_announced },
            Cause::Own(refusal) => Fault::Answer(self.backend.refusal(refusal)?.reply()),
            Cause::RetryAfter(seconds) => {
                Fault::Answer(self.throttle().reply().with_header("Retry-After", &seconds.to_string()))
            }
            Cause::OutageFor(seconds) => {
                let outage = self.backend.refusal(Refusal::Outage)?;
                Fault::Answer(outage.reply().with_header("Retry-After", &seconds.to_string()))
            }
            Cause::Unauthenticated => Fault::Answer(self.backend.unauthenticated()?.0.reply()),
        })
    }

    /// The backend's own throttle, whatever status it has.
    fn throttle(&self) -> backend::Shaped {
        let all = [Refusal::Throttled, Refusal::ThrottledWith400, Refusal::ThrottledWith403];
        let shaped = all.into_iter().find_map(|refusal| self.backend.refusal(refusal));
        shaped.expect("every backend throttles")
    }

    /// How many requests for data one `get` or `set` makes until it believes what `cause` is.
    pub(crate) fn requests_a_try(&self, cause: Cause, operation: &str) -> usize {
        match cause {
            Cause::Refused | Cause::UnknownAuthority => 0,
            Cause::Own(refusal) if operation == "set" => {
                self.backend.requests_until_a_write_believes(refusal)
            }
            Cause::Own(refusal) => self.backend.requests_until_believed(refusal),
            Cause::Unauthenticated => self.backend.unauthenticated().map_or(1, |(_, requests)| requests),
            _ => 1,
        }
    }

    /// The requests for data since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        self.proxy.take_requests().into_iter().filter(|request| !request.is_login).collect()
    }

    /// The outcomes of the calls of the backend since the last call, by the audit log.
    pub(crate) fn take_calls(&self, operation: &str) -> Vec<String> {
        let log = fs::read_to_string(self.audit_log()).unwrap();
        let mut audited = self.audited.lock().unwrap();
        let new = &log[std::mem::replace(&mut *audited, log.len())..];
        let lines = new.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .filter(|line| line["operation"] == operation)
            .map(|line| line["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Forgets what was counted so far.
    pub(crate) fn forget(&self) {
        self.take_requests();
        self.take_calls("");
        self.proxy.take_connections();
        self.proxy.take_oversized_bytes();
    }
}
