//! Initialization: everything is planned, asked for once, and reported at once.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Inner, LiveStores, SecretResolver,
    activation::Reason,
    follow::Way,
    provider::{DocumentId, Provider},
};
use crate::{
    ErrorKind, OnInitOutage, Resolution, Result, SecretValue,
    clock::{Clock, SystemClock},
    config::{Configuration, Problem, Report, Severity},
    observe::Observer,
};

/// Starts a [`SecretResolver`].
#[must_use]
pub struct Start {
    configuration: Arc<Configuration>,
    stores: Arc<dyn LiveStores>,
    clock: Arc<dyn Clock>,
    observer: Observer,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Start {
    pub(super) fn new(configuration: Arc<Configuration>, stores: Arc<dyn LiveStores>) -> Self {
        Start { configuration, stores, clock: Arc::new(SystemClock), observer: Observer::new() }
    }

    /// Where time comes from: the clock of the stores.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.shared_clock(Arc::new(clock))
    }

    /// Where time comes from: the clock of the stores, as they have it.
    pub fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where events are told: the observer of the stores, or providers do not follow them.
    pub fn observer(mut self, observer: &Observer) -> Self {
        self.observer = observer.clone();
        self
    }

    /// Resolves every reference of the configuration, and activates every provider.
    ///
    /// - Each document is asked for once, in as few calls as its store can take, stores side by side, within
    ///   `init_timeout`.
    /// - Fails with one report of everything that is wrong: in the file, missing, refused, or down.
    /// - With `on_init_outage: degraded`, an outage fails nothing: providers whose stores are down stay inactive,
    ///   and come back by themselves. What is missing, denied or malformed fails all the same.
    pub async fn start(self) -> Result<SecretResolver, Box<Report>> {
        self.configuration.require_valid()?;
        let Start { configuration, stores, clock, observer } = self;
        let inner = Inner::over(configuration, stores, clock, observer);
        Inner::listen(&inner);
        let outcomes = inner.fetch_in_time(inner.configuration.usage().references()).await;
        let resolution = Resolution::new(&inner.configuration, outcomes);
        inner.require_no_failure(&resolution)?;
        inner.activate_all(resolution.outcomes());
        inner.catch_up();
        Ok(SecretResolver(inner))
    }
}

impl Inner {
    fn over(
        configuration: Arc<Configuration>,
        stores: Arc<dyn LiveStores>,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Arc<Self> {
        let providers: Vec<Arc<Provider>> = configuration
            .providers()
            .iter()
            .map(|provider| Arc::new(Provider::of(&configuration, provider)))
            .collect();
        let mut users: HashMap<DocumentId, Vec<usize>> = HashMap::new();
        for (at, provider) in providers.iter().enumerate() {
            for document in &provider.needs.documents {
                users.entry(document.clone()).or_default().push(at);
            }
        }
        Arc::new_cyclic(|this: &Weak<Inner>| Inner {
            configuration,
            stores,
            clock,
            observer,
            providers,
            has_started: AtomicBool::new(false),
            users,
            subscription: OnceLock::new(),
            this: this.clone(),
        })
    }

    fn require_no_failure(&self, resolution: &Resolution<'_>) -> Result<(), Box<Report>> {
        let is_degradable = self.configuration.policy().on_init_outage == OnInitOutage::Degraded;
        let problems = resolution.problems();
        let is_failure = |problem: &Problem| {
            problem.severity == Severity::Error && !(is_degradable && is_outage(problem.error.kind()))
        };
        if problems.iter().any(is_failure) {
            return Err(Box::new(self.configuration.report(problems)));
        }
        Ok(())
    }

    fn activate_all(&self, outcomes: &[Result<SecretValue>]) {
        for provider in &self.providers {
            let own: Vec<Result<SecretValue>> =
                provider.needs.places.iter().map(|&place| outcomes[place].clone()).collect();
            // What fails here is an outage in a degraded start, and is told as an event. What has ended since it was
            // fetched, is asked for again.
            let _ = self.swap(provider, Reason::Init, &own, 0);
        }
    }

    /// From now on, what stores tell changes generations; before they are there, that a value has ended.
    fn listen(inner: &Arc<Inner>) {
        let this = Arc::downgrade(inner);
        let subscription = inner.observer.subscribe(move |event| {
            if let Some(this) = this.upgrade() {
                this.hear(event);
            }
        });
        let _ = inner.subscription.set(subscription);
    }

    /// Follows what happened before there were generations.
    fn catch_up(&self) {
        self.has_started.store(true, Ordering::SeqCst);
        if self.providers.iter().any(|provider| provider.lacks_pins()) {
            self.retry_later();
        }
        for provider in &self.providers {
            if provider.ends() > 0 {
                self.recover_later(provider);
            }
            let held: Vec<(DocumentId, Option<SecretValue>)> =
                provider.pins().iter().map(|(document, pin)| (document.clone(), pin.value())).collect();
            for (document, value) in held {
                if let Some(version) = value.as_ref().and_then(SecretValue::version) {
                    self.follow_later(&document, version, Way::Onward);
                }
            }
        }
    }
}

/// Whether a store could not answer, for reasons that pass by themselves or with its operator's help.
pub(super) fn is_outage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::StoreAuth
            | ErrorKind::Locked
            | ErrorKind::Io
    )
}
