//! The world of a test: a configuration, the stores under it, and a record of what happened.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::*;
use crate::{
    Capabilities, ResolutionPolicy, Retry, SecretName, SecretResolution, clock::ManualClock, config::Report,
    document::Format, observe::Subject, setting::ConnectorSpec,
};

/// A store whose secrets and faults a test changes: as another process would.
#[derive(Default)]
pub(super) struct Vault {
    secrets: Mutex<BTreeMap<String, (String, u64)>>,
    faults: Mutex<BTreeMap<String, ErrorKind>>,
    outage: Mutex<Option<ErrorKind>>,
    /// When values come to their own end.
    pub(super) ends: Mutex<Option<Timestamp>>,
    calls: AtomicUsize,
    /// Calls under way, and the most there ever were.
    in_flight: AtomicUsize,
    pub(super) high_water: AtomicUsize,
    /// Calls wait while it is set.
    pub(super) is_held: AtomicBool,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Vault {
    pub(super) fn put(&self, name: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        let version = secrets.get(name).map_or(1, |(_, version)| version + 1);
        secrets.insert(name.to_owned(), (value.to_owned(), version));
    }

    pub(super) fn fail(&self, name: &str, kind: ErrorKind) {
        self.faults.lock().unwrap().insert(name.to_owned(), kind);
    }

    pub(super) fn heal(&self) {
        self.faults.lock().unwrap().clear();
        *self.outage.lock().unwrap() = None;
    }

    pub(super) fn go_down(&self) {
        *self.outage.lock().unwrap() = Some(ErrorKind::Unavailable);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits for the calls under way, unless they are held. Before time passes: no call is to take too long only
    /// because its thread had no turn.
    pub(super) fn answers(&self) {
        eventually("an answer", || {
            self.is_held.load(Ordering::SeqCst) || self.in_flight.load(Ordering::SeqCst) == 0
        });
    }
}

/// A call under way: until it is answered, or dropped because its time is up.
struct UnderWay<'v>(&'v Vault);

impl<'v> UnderWay<'v> {
    fn of(vault: &'v Vault) -> Self {
        let now = vault.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        vault.high_water.fetch_max(now, Ordering::SeqCst);
        UnderWay(vault)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl SecretResolution for Vault {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay::of(self);
        tokio::task::yield_now().await;
        while self.is_held.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        let fault = *self.outage.lock().unwrap();
        if let Some(kind) = fault.or_else(|| self.faults.lock().unwrap().get(name.as_str()).copied()) {
            return Err(Error::new(kind, "a fault of the test"));
        }
        let secrets = self.secrets.lock().unwrap();
        let (value, version) = secrets.get(name.as_str()).ok_or_else(|| Error::not_found(name.as_str()))?;
        let value = SecretValue::new(value.clone()).with_version(*version);
        Ok(self.ends.lock().unwrap().map_or(value.clone(), |end| value.with_expires_at(end)))
    }
}

impl SecretStoreConnector for Vault {
    fn connector_id(&self) -> &'static str {
        "test.vault.v1"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered_versions: true, ..Capabilities::default() }
    }
}

/// The stores of a test: one vault, which may refuse to be opened.
pub(super) struct Stores {
    pub(super) store: BaseSecretStore,
    pub(super) is_closed: Mutex<bool>,
}

#[async_trait]
impl LiveStores for Stores {
    async fn live(&self, _: &str) -> Result<BaseSecretStore> {
        if *self.is_closed.lock().unwrap() {
            return Err(Error::new(ErrorKind::Locked, "the store cannot be opened"));
        }
        Ok(self.store.clone())
    }
}

/// A configuration, its vault, and what happened.
pub(super) struct World {
    pub(super) vault: Arc<Vault>,
    pub(super) stores: Arc<Stores>,
    pub(super) clock: ManualClock,
    pub(super) observer: Observer,
    pub(super) told: Arc<Mutex<Vec<String>>>,
    pub(super) configuration: Arc<Configuration>,
    _subscription: Subscription,
}

impl World {
    /// A file with these lines, over a vault with these secrets.
    pub(super) fn new(lines: &str, secrets: &[(&str, &str)]) -> Self {
        let vault = Arc::new(Vault::default());
        for (name, value) in secrets {
            vault.put(name, value);
        }
        let catalogue = [ConnectorSpec::new("modelmesh.env.v1", ""), ConnectorSpec::new("test.vault.v1", "")];
        let configuration =
            Configuration::parse("m.yaml", "".into(), lines, Format::Yaml, &catalogue).unwrap();
        configuration.require_valid().unwrap();
        let policy = ResolutionPolicy {
            ttl_jitter: 0.0,
            retry: Retry { tries: 1, ..ResolutionPolicy::default().retry },
            ..configuration.policy().clone()
        };
        let (clock, observer) = (ManualClock::new(), Observer::new());
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let telling = Arc::clone(&told);
        let subscription = observer.subscribe(move |event| {
            let subject = match &event.subject {
                Subject::Secret { name, .. } => name.to_string(),
                Subject::Provider { id } => id.to_string(),
            };
            telling.lock().unwrap().push(format!("{subject} {}", event.kind.as_str()));
        });
        let connector = Arc::clone(&vault) as Arc<dyn SecretStoreConnector>;
        let store = BaseSecretStore::builder(connector)
            .name("default")
            .policy(policy)
            .clock(clock.clone())
            .observer(&observer)
            .build();
        let stores = Arc::new(Stores { store, is_closed: Mutex::new(false) });
        World {
            vault,
            stores,
            clock,
            observer,
            told,
            configuration: Arc::new(configuration),
            _subscription: subscription,
        }
    }

    pub(super) fn try_start(&self) -> Result<SecretResolver, Box<Report>> {
        let stores = Arc::clone(&self.stores) as Arc<dyn LiveStores>;
        let start = SecretResolver::of(Arc::clone(&self.configuration), stores);
        block_on(start.clock(self.clock.clone()).observer(&self.observer).start())
    }

    pub(super) fn start(&self) -> SecretResolver {
        self.try_start().map_err(|report| report.to_string()).unwrap()
    }

    /// Waits for an event, which may be told a moment after what it tells of has happened.
    pub(super) fn tells(&self, line: &str) {
        eventually(line, || self.told.lock().unwrap().iter().any(|told| told == line));
    }

    /// Lets time pass second by second, until `condition` holds.
    pub(super) fn within(&self, seconds: u64, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..seconds {
            if settles(&condition) {
                return;
            }
            self.vault.answers();
            self.clock.advance(Duration::from_secs(1));
        }
        // Time is up, and stands still: what is due by now may take any thread its while.
        let is_so = comes_about(PATIENCE, &condition);
        assert!(is_so, "{what} within {seconds} s; told: {:?}", self.told.lock().unwrap());
    }
}
