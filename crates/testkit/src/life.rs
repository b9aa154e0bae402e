//! A life of a store, in random order: reads, rotations, outages of every kind, evictions, watches and providers
//! that come and go, forced refreshes, refusals and writes.
//!
//! It is for one question: does memory grow? Everything that is held at one time is bounded, so what grows is
//! a leak. The number is read from the caller's allocator, and judged by [`growth`].

use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use fastrand::Rng;
use modelmesh_secrets::{
    BaseSecretStore, ErrorKind, ResolutionPolicy, Result, SecretManagement as _, SecretName,
    SecretResolution as _, SecretStoreConnector, Watch, async_trait,
    clock::{Clock, ManualClock, SystemClock},
    config::Configuration,
    document::Format,
    live::{LiveStores, Reason, SecretResolver},
    observe::Observer,
    setting::ConnectorSpec,
};
use tokio::runtime::{Builder, Runtime};

use crate::supply::{MISSING, Supply};

const CATALOGUE: &[ConnectorSpec] = &[ConnectorSpec::new("test.supply.v1", "a value under every name")];
/// More than the cache may hold.
const NAMES: usize = 600;
const ENTRIES: usize = 400;
const WATCHES: usize = 20;

/// How a store fails.
const OUTAGES: &[ErrorKind] = &[
    ErrorKind::Unavailable,
    ErrorKind::Throttled,
    ErrorKind::StoreAuth,
    ErrorKind::Denied,
    ErrorKind::Disabled,
    ErrorKind::NotFound,
    ErrorKind::Malformed,
    ErrorKind::Locked,
    ErrorKind::Io,
];

/// Whose time it is.
#[derive(Clone, Debug)]
pub enum Time {
    /// The machine's: somebody else lets it pass.
    Real,
    /// Passes a step before each thing that happens, and while something is waited for.
    Virtual(ManualClock),
}

impl Time {
    /// Ends now and then; in virtual time, some of it has passed.
    async fn passes(&self) {
        // The engine's thread needs a moment of real time to answer in.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if let Time::Virtual(clock) = self {
            clock.advance(Duration::from_millis(200));
        }
    }
}

/// One store, and those who use it.
pub struct Life {
    time: Time,
    runtime: Runtime,
    supply: Arc<Supply>,
    store: BaseSecretStore,
    observer: Observer,
    watches: Vec<Watch>,
    resolver: Option<SecretResolver>,
    activations: u64,
    random: Rng,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The one store of the configuration.
struct Only(BaseSecretStore);

#[async_trait]
impl LiveStores for Only {
    async fn live(&self, _: &str) -> Result<BaseSecretStore> {
        Ok(self.0.clone())
    }
}

impl Life {
    /// A life under `policy`, but for the size of the cache. The same seed does the same things in the same order;
    /// on which thread what arrives first, it does not decide.
    pub fn new(time: Time, policy: ResolutionPolicy, seed: u64) -> Self {
        let clock: Arc<dyn Clock> = match &time {
            Time::Real => Arc::new(SystemClock),
            Time::Virtual(clock) => Arc::new(clock.clone()),
        };
        let (supply, observer) = (Supply::new(20), Observer::new());
        let connector: Arc<dyn SecretStoreConnector> = supply.clone();
        let policy = ResolutionPolicy { max_entries: ENTRIES, ..policy };
        Life {
            time,
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            store: BaseSecretStore::builder(connector)
                .name("secrets")
                .policy(policy)
                .shared_clock(clock)
                .observer(&observer)
                .build(),
            supply,
            observer,
            watches: Vec::new(),
            resolver: None,
            activations: 0,
            random: Rng::with_seed(seed),
        }
    }

    /// Some time passes and one thing happens, whatever comes of it.
    pub fn step(&mut self) {
        if let Time::Virtual(clock) = &self.time {
            clock.advance(Duration::from_secs(self.random.u64(0..20)));
        }
        match self.random.u32(0..1_000) {
            0..500 => self.read(),
            500..700 => self.read_many(),
            700..800 => {
                let name = self.name();
                let _ = self.wait_for(self.store.refresh(&name));
            }
            800..850 => self.refuse(),
            850..880 => {
                let name = self.name();
                let _ = self.wait_for(self.store.set(&name, &"written".into()));
            }
            880..900 => {
                let name = self.name();
                self.store.invalidate(&name);
            }
            900..930 => self.watch(),
            930..945 => drop(self.random_watch()),
            945..955 => self.supply.rotate(),
            955..962 => self.supply.fail(Some(OUTAGES[self.random.usize(0..OUTAGES.len())])),
            962..985 => self.supply.fail(None),
            985..997 => self.activate(),
            997..999 => self.resolver = None,
            _ => self.store.clear_cache(),
        }
    }

    /// How often a provider that had started was activated. None at all is a life that proves nothing of them.
    pub fn activations(&self) -> u64 {
        self.activations
    }

    fn name(&mut self) -> SecretName {
        let at = self.random.usize(0..NAMES);
        let prefix = if at.is_multiple_of(50) { MISSING } else { "provider-" };
        SecretName::new(format!("{prefix}{at:06}-api-key")).expect("a valid name")
    }

    fn read(&mut self) {
        let name = self.name();
        if self.store.with_value(name.as_str(), |value| value.expose().len()).is_none() {
            let _ = self.wait_for(self.store.get(&name));
        }
    }

    fn read_many(&mut self) {
        let names: Vec<SecretName> = (0..20).map(|_| self.name()).collect();
        let _ = self.wait_for(self.store.get_many(&names));
    }

    /// The upstream API refuses what is served.
    fn refuse(&mut self) {
        let name = self.name();
        let version = self.store.with_value(name.as_str(), |value| value.version().cloned()).flatten();
        if let Some(version) = version {
            let _ = self.wait_for(self.store.report_auth_failure(&name, &version));
        }
    }

    fn watch(&mut self) {
        let name = self.name();
        if self.watches.len() == WATCHES {
            drop(self.random_watch());
        }
        if let Ok(watch) = self.wait_for(self.store.watch(&name)) {
            self.watches.push(watch);
        }
    }

    fn random_watch(&mut self) -> Option<Watch> {
        (!self.watches.is_empty()).then(|| self.watches.swap_remove(self.random.usize(0..self.watches.len())))
    }

    /// Providers start, or one of them is activated.
    fn activate(&mut self) {
        if let Some(resolver) = &self.resolver {
            let outcome = self.wait_for(resolver.activate("three", Reason::Manual));
            self.activations += u64::from(outcome.is_ok());
            return;
        }
        let start = SecretResolver::of(configuration(), Arc::new(Only(self.store.clone())))
            .observer(&self.observer)
            .shared_clock(match &self.time {
                Time::Real => Arc::new(SystemClock),
                Time::Virtual(clock) => Arc::new(clock.clone()),
            });
        self.resolver = self.wait_for(start.start()).ok();
    }

    fn wait_for<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let mut what = pin!(what);
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut what => return outcome,
                    () = self.time.passes() => {}
                }
            }
        })
    }
}

/// Three providers that share some secrets, and one reference that may be missing.
fn configuration() -> Arc<Configuration> {
    let text = "\
secrets:
  store: test.supply.v1
providers:
  one:
    api_key: ${secrets:provider-000001-api-key}
  two:
    api_key: ${secrets:provider-000001-api-key}
    organisation: ${secrets:provider-000002-api-key}
  three:
    api_key: ${secrets:provider-000003-api-key}
    organisation: ${secrets:provider-000002-api-key}
    region: ${secrets:missing-000050-api-key:-eu}
";
    let parsed = Configuration::parse("modelmesh.yaml", ".".into(), text, Format::Yaml, CATALOGUE);
    Arc::new(parsed.expect("the file parses"))
}

/// By what share the live bytes grew: the median of the last tenth of `samples` beside that of the first tenth
/// after the warm-up, which is another tenth.
///
/// Medians, for a sample may be taken in the middle of an outage, or just after everything was forgotten.
#[allow(clippy::cast_precision_loss, reason = "a share, to a few digits")]
pub fn growth(samples: &[usize]) -> f64 {
    let tenth = samples.len() / 10;
    assert!(tenth > 0, "{} samples are too few to tell", samples.len());
    let median = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2] as f64
    };
    median(&samples[samples.len() - tenth..]) / median(&samples[tenth..2 * tenth]) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_noise() {
        let steady: Vec<usize> = (0..100).map(|at| 1_000 + at % 3).collect();
        assert!(growth(&steady).abs() < 0.01);
        let leaky: Vec<usize> = (0..100).map(|at| 1_000 + at % 3 + at).collect();
        assert!(growth(&leaky) > 0.05);
        let one_burst: Vec<usize> = (0..100).map(|at| if at == 95 { 9_000 } else { 1_000 }).collect();
        assert!(growth(&one_burst).abs() < 0.01);
    }

    #[test]
    fn the_configuration_of_a_life_is_valid() {
        configuration().require_valid().expect("no problem");
    }
}
