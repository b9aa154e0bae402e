//! Live configurations on a clock that stands still, over stores that fail as told.

mod recovery;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::*;
use crate::{
    Capabilities, ResolutionPolicy, Retry, SecretName, SecretResolution, clock::ManualClock, config::Report,
    document::Format, observe::Subject, setting::ConnectorSpec,
};

/// A store whose secrets and faults a test changes: as another process would.
#[derive(Default)]
struct Vault {
    secrets: Mutex<BTreeMap<String, (String, u64)>>,
    faults: Mutex<BTreeMap<String, ErrorKind>>,
    outage: Mutex<Option<ErrorKind>>,
    /// When values come to their own end.
    ends: Mutex<Option<Timestamp>>,
    calls: AtomicUsize,
    /// Calls under way, and the most there ever were.
    in_flight: AtomicUsize,
    high_water: AtomicUsize,
    /// Calls wait while it is set.
    is_held: AtomicBool,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Vault {
    fn put(&self, name: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        let version = secrets.get(name).map_or(1, |(_, version)| version + 1);
        secrets.insert(name.to_owned(), (value.to_owned(), version));
    }

    fn fail(&self, name: &str, kind: ErrorKind) {
        self.faults.lock().unwrap().insert(name.to_owned(), kind);
    }

    fn heal(&self) {
        self.faults.lock().unwrap().clear();
        *self.outage.lock().unwrap() = None;
    }

    fn go_down(&self) {
        *self.outage.lock().unwrap() = Some(ErrorKind::Unavailable);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
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
struct Stores {
    store: BaseSecretStore,
    is_closed: Mutex<bool>,
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
struct World {
    vault: Arc<Vault>,
    stores: Arc<Stores>,
    clock: ManualClock,
    observer: Observer,
    told: Arc<Mutex<Vec<String>>>,
    configuration: Arc<Configuration>,
    _subscription: Subscription,
}

impl World {
    /// A file with these lines, over a vault with these secrets.
    fn new(lines: &str, secrets: &[(&str, &str)]) -> Self {
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

    fn try_start(&self) -> Result<SecretResolver, Box<Report>> {
        let stores = Arc::clone(&self.stores) as Arc<dyn LiveStores>;
        let start = SecretResolver::of(Arc::clone(&self.configuration), stores);
        block_on(start.clock(self.clock.clone()).observer(&self.observer).start())
    }

    fn start(&self) -> SecretResolver {
        self.try_start().map_err(|report| report.to_string()).unwrap()
    }

    /// Waits for an event, which may be told a moment after what it tells of has happened.
    fn tells(&self, line: &str) {
        eventually(line, || self.told.lock().unwrap().iter().any(|told| told == line));
    }

    /// Lets time pass second by second, until `condition` holds.
    fn within(&self, seconds: u64, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..seconds {
            if settles(&condition) {
                return;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        assert!(settles(&condition), "{what} within {seconds} s; told: {:?}", self.told.lock().unwrap());
    }
}

/// Waits a moment of real time for what other threads are about to do.
fn settles(condition: &impl Fn() -> bool) -> bool {
    for _ in 0..20 {
        if condition() {
            return true;
        }
        thread::park_timeout(Duration::from_micros(200));
    }
    false
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        thread::park_timeout(Duration::from_micros(200));
    }
    panic!("{what} did not happen");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn setting(resolver: &SecretResolver, provider: &str, path: &str) -> String {
    let generation = resolver.provider(provider).unwrap().current().unwrap();
    generation.setting(path).unwrap().to_owned()
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

const TWO: &str = "
secrets: {store: test.vault.v1}
providers:
  openai: {url: 'https://o', api_key: '${secrets:key}', headers: {org: 'org-${secrets:org}'}}
  other: {keys: ['${secrets:other}']}
";
const TWO_SECRETS: &[(&str, &str)] = &[("key", "k1"), ("org", "o1"), ("other", "x1")];

#[test]
fn a_provider_has_its_settings_with_values_in_place() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    assert_eq!(setting(&resolver, "openai", "api_key"), "k1");
    assert_eq!(setting(&resolver, "openai", "headers.org"), "org-o1");
    assert_eq!(setting(&resolver, "openai", "url"), "https://o");
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
    let generation = resolver.provider("openai").unwrap().current().unwrap();
    assert_eq!((generation.number(), generation.reason()), (1, Reason::Init));
    assert_eq!(generation.setting("api_keys"), None);
    assert!(!format!("{generation:?} {resolver:?}").contains("k1"));
    assert_eq!(world.vault.calls(), 3, "each document once");
}

#[test]
fn texts_of_the_program_are_resolved_as_those_of_the_file_are() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    let texts =
        ["<${secrets:key}>", "", "${secrets:key}${secrets:org} $${secrets:key}", "${secrets:none:-f}"];
    let filled = block_on(resolver.resolve_texts(&texts)).unwrap();
    let filled: Vec<&str> = filled.iter().map(SecretString::expose_secret).collect();
    assert_eq!(filled, ["<k1>", "", "k1o1 ${secrets:key}", "f"]);
    assert_eq!(world.vault.calls(), calls + 1, "all but one were in the cache");

    let broken = ["${secrets:none}", "${secrets:", "${secrets:none} ${secrets:nor-this}"];
    let failures = block_on(resolver.resolve_texts(&broken)).unwrap_err();
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "this reference is not closed",
            "store 'default': secret 'none': not found",
            "store 'default': secret 'nor-this': not found",
        ]
    );
}

#[test]
fn nothing_stands_in_place_of_what_may_be_missing() {
    let world = World::new("secrets: {store: test.vault.v1, fail_on_missing: false}", &[]);
    let resolved = block_on(world.start().resolve_texts(&["<${secrets:none}>"])).unwrap();
    assert_eq!(resolved[0].expose_secret(), "<>");
}

#[test]
fn a_provider_that_there_is_not_is_told_with_the_nearest() {
    let world = World::new(TWO, TWO_SECRETS);
    let error = world.start().known_provider("opnai").unwrap_err();
    assert_eq!(error.to_string(), "the configuration has no provider 'opnai'");
    assert_eq!(error.help(), Some("did you mean 'openai'?"));
}

#[test]
fn an_activation_swaps_all_values_at_once() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let before = resolver.provider("openai").unwrap().current().unwrap();
    world.vault.put("key", "k2");
    world.vault.put("org", "o2");
    let after = block_on(resolver.activate("openai", Reason::Manual)).unwrap();
    assert_eq!((after.setting("api_key"), after.setting("headers.org")), (Some("k2"), Some("org-o2")));
    assert_eq!((before.setting("api_key"), before.setting("headers.org")), (Some("k1"), Some("org-o1")));
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
}

#[test]
fn an_activation_with_one_of_three_references_failing_leaves_the_old_generation_whole() {
    let lines = "
secrets: {store: test.vault.v1}
providers: {p: {a: '${secrets:a}', b: '${secrets:b}', c: '${secrets:c}'}}
";
    for kind in [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Malformed] {
        let world = World::new(lines, &[("a", "a1"), ("b", "b1"), ("c", "c1")]);
        let resolver = world.start();
        for name in ["a", "b", "c"] {
            world.vault.put(name, "new");
        }
        world.vault.fail("b", kind);
        let error = block_on(resolver.activate("p", Reason::Manual)).unwrap_err();
        assert_eq!(error.kept(), Some(1));
        assert_eq!(error.errors().len(), 1, "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("provider 'p' was not activated (manual), generation 1 stays in use; "),
            "{text}"
        );
        assert!(text.contains("secret 'b'"), "{text}");
        // Give a wrong follower the time to do its damage.
        settles(&|| false);
        assert_eq!(setting(&resolver, "p", "a"), "a1", "{kind}");
        assert_eq!(setting(&resolver, "p", "b"), "b1", "{kind}");
        assert_eq!(setting(&resolver, "p", "c"), "c1", "{kind}");
        world.tells("p activation_failed");
    }
}

#[test]
fn a_rotation_seen_by_a_refresh_changes_the_generation() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("other", "x2");
    world.within(245, "the change", || setting(&resolver, "other", "keys[0]") == "x2");
    world.tells("other rotated");
    world.tells("other activated");
}

#[test]
fn a_refused_key_is_replaced_in_one_call() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    let before = other.current().unwrap();
    world.vault.put("other", "x2");
    let calls = world.vault.calls();
    let outcome = block_on(other.report_auth_failure(&before, "keys[0]"));
    let AuthFailure::Rotated(after) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after.setting("keys[0]"), Some("x2"));
    assert_eq!(world.vault.calls() - calls, 1);
    // Somebody else was refused with the old one, too.
    let outcome = block_on(other.report_auth_failure(&before, "keys[0]"));
    assert!(matches!(outcome, AuthFailure::Rotated(_)));
    assert_eq!(world.vault.calls() - calls, 1);
}

#[test]
fn a_refused_key_that_the_store_still_has_is_unchanged_and_asked_for_once_an_interval() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    for _ in 0..10 {
        let outcome = block_on(resolver.report_auth_failure(&reference("${secrets:other}"), &1.into()));
        assert!(matches!(outcome, AuthFailure::Unchanged), "{outcome:?}");
    }
    assert_eq!(world.vault.calls() - calls, 1);
}

#[test]
fn a_new_key_that_is_refused_gives_way_to_the_one_before_and_then_comes_into_use() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    world.vault.put("other", "x2");
    let early = block_on(other.activate(Reason::Manual)).unwrap();
    assert_eq!(early.setting("keys[0]"), Some("x2"));
    let outcome = block_on(other.report_auth_failure(&early, "keys[0]"));
    let AuthFailure::FellBack(old) = outcome else { panic!("{outcome:?}") };
    assert_eq!(old.setting("keys[0]"), Some("x1"));
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
    world.tells("other fell_back");
    // The upstream API has changed over.
    let calls = world.vault.calls();
    let outcome = block_on(other.report_auth_failure(&old, "keys[0]"));
    let AuthFailure::Rotated(new) = outcome else { panic!("{outcome:?}") };
    assert_eq!(new.setting("keys[0]"), Some("x2"));
    assert_eq!(world.vault.calls(), calls, "both were at hand");
    // Both are refused now: there is nothing else.
    world.clock.advance(Duration::from_secs(6));
    let outcome = block_on(other.report_auth_failure(&new, "keys[0]"));
    assert!(matches!(outcome, AuthFailure::Unchanged), "{outcome:?}");
}

#[test]
fn a_pair_of_secrets_falls_back_as_a_pair() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let openai = resolver.provider("openai").unwrap();
    world.vault.put("key", "k2");
    world.vault.put("org", "o2");
    let early = block_on(openai.activate(Reason::Manual)).unwrap();
    let outcome = block_on(openai.report_auth_failure(&early, "api_key"));
    let AuthFailure::FellBack(old) = outcome else { panic!("{outcome:?}") };
    assert_eq!((old.setting("api_key"), old.setting("headers.org")), (Some("k1"), Some("org-o1")));
}

#[test]
fn the_version_before_is_wiped_after_its_time() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    let before = other.current().unwrap();
    let weak = before.secrets().next().unwrap().1.downgrade();
    drop(before);
    world.vault.put("other", "x2");
    block_on(other.activate(Reason::Manual)).unwrap();
    world.clock.advance(Duration::from_secs(298));
    settles(&|| weak.strong_count() == 0);
    assert!(weak.strong_count() > 0, "kept for a new key that is refused");
    world.within(5, "the end", || weak.strong_count() == 0);
}

fn at(seconds: u64) -> crate::clock::Moment {
    crate::clock::Moment::after_origin(Duration::from_secs(seconds))
}

#[test]
fn what_is_revoked_ends_its_provider_and_no_other_and_it_comes_back_by_itself() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    world.vault.fail("other", ErrorKind::NotFound);
    world.within(245, "the end", || resolver.provider("other").unwrap().current().is_err());
    let error = resolver.provider("other").unwrap().current().unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::NotFound, Some("other")));
    world.tells("other deactivated");
    assert_eq!(setting(&resolver, "openai", "api_key"), "k1");
    world.vault.heal();
    world.within(30, "the return", || resolver.provider("other").unwrap().current().is_ok());
}

#[test]
fn an_outage_is_survived_and_bounded() {
    let lines = format!("{TWO}\nsecret-store.resolution.max_stale: 20m\n");
    let world = World::new(&lines, TWO_SECRETS);
    let resolver = world.start();
    world.vault.go_down();
    world.within(1199, "nothing", || {
        assert_eq!(setting(&resolver, "openai", "api_key"), "k1");
        world.clock.now() >= at(1190)
    });
    world.tells("key served_stale");
    world.within(30, "the end", || resolver.provider("openai").unwrap().current().is_err());
    world.vault.heal();
    world.within(60, "the return", || resolver.providers().all(|provider| provider.current().is_ok()));
}

#[test]
fn a_start_reports_everything_that_is_missing_or_down() {
    let world = World::new(TWO, &[("org", "o1")]);
    world.vault.fail("other", ErrorKind::Unavailable);
    let report = world.try_start().unwrap_err().to_string();
    assert!(
        report.contains("m.yaml:4:40: providers.openai.api_key: store 'default': secret 'key': not found"),
        "{report}"
    );
    assert!(
        report.contains("m.yaml:5:19: providers.other.keys[0]: store 'default': secret 'other'"),
        "{report}"
    );
    assert_eq!(report.lines().count(), 2, "{report}");
}

#[test]
fn a_degraded_start_leaves_out_what_is_down_and_gets_it_later() {
    let lines = format!("{TWO}\nsecret-store.resolution.on_init_outage: degraded\n");
    let world = World::new(&lines, TWO_SECRETS);
    world.vault.fail("key", ErrorKind::Unavailable);
    let resolver = world.start();
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
    let error = resolver.provider("openai").unwrap().current().unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::Unavailable, Some("key")));
    world.vault.heal();
    world.within(60, "the recovery", || resolver.provider("openai").unwrap().current().is_ok());
    let generation = resolver.provider("openai").unwrap().current().unwrap();
    assert_eq!(generation.reason(), Reason::Recovery);
}

#[test]
fn a_degraded_start_still_fails_for_what_is_missing() {
    let lines = format!("{TWO}\nsecret-store.resolution.on_init_outage: degraded\n");
    let world = World::new(&lines, &[("org", "o1"), ("other", "x1")]);
    let report = world.try_start().unwrap_err().to_string();
    assert!(report.contains("secret 'key': not found"), "{report}");
}

#[test]
fn a_store_that_cannot_be_opened_at_a_degraded_start_is_tried_again() {
    let lines = format!("{TWO}\nsecret-store.resolution.on_init_outage: degraded\n");
    let world = World::new(&lines, TWO_SECRETS);
    *world.stores.is_closed.lock().unwrap() = true;
    let resolver = world.start();
    assert!(resolver.providers().all(|provider| provider.current().is_err()));
    *world.stores.is_closed.lock().unwrap() = false;
    world.within(10, "the recovery", || resolver.providers().all(|provider| provider.current().is_ok()));
}

#[test]
fn a_start_that_takes_too_long_says_which_store_kept_it() {
    struct Never;
    #[async_trait]
    impl LiveStores for Never {
        async fn live(&self, _: &str) -> Result<BaseSecretStore> {
            std::future::pending().await
        }
    }
    let world = World::new("secrets: {store: test.vault.v1}\na: '${secrets:x}'", &[]);
    let start = SecretResolver::of(Arc::clone(&world.configuration), Arc::new(Never));
    let start = start.clock(world.clock.clone());
    let starting = thread::spawn(move || block_on(start.start()).unwrap_err().to_string());
    eventually("the time-out", || {
        world.clock.advance(Duration::from_secs(1));
        starting.is_finished()
    });
    let report = starting.join().unwrap();
    assert!(report.contains("store 'default'") && report.contains("within 30s of the start"), "{report}");
}

#[test]
fn a_thousand_names_come_back_within_the_limits_of_their_store() {
    let providers: Vec<String> =
        (0..1000).map(|at| format!("  p{at}: {{k: '${{secrets:s{at}}}'}}")).collect();
    let lines = format!(
        "secrets: {{store: test.vault.v1}}\nproviders:\n{}\n{}",
        providers.join("\n"),
        "secret-store.resolution.on_init_outage: degraded"
    );
    let names: Vec<String> = (0..1000).map(|at| format!("s{at}")).collect();
    let secrets: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let world = World::new(&lines, &secrets);
    world.vault.go_down();
    let resolver = world.start();
    assert!(resolver.providers().all(|provider| provider.current().is_err()));
    let at_the_start = world.vault.calls();
    assert!(at_the_start < 20, "{at_the_start} calls: the breaker opens after a few");
    // Five minutes of outage: one probe whenever the breaker lets one through.
    for _ in 0..300 {
        world.clock.advance(Duration::from_secs(1));
        settles(&|| false);
    }
    let during = world.vault.calls() - at_the_start;
    assert!((5..=31).contains(&during), "{during} calls in five minutes");
    world.vault.heal();
    let before = world.vault.calls();
    world.within(120, "the recovery", || resolver.providers().all(|provider| provider.current().is_ok()));
    let calls = world.vault.calls() - before;
    assert!((1000..1100).contains(&calls), "{calls} calls for 1,000 names");
    let high_water = world.vault.high_water.load(Ordering::SeqCst);
    assert!(high_water <= 8, "{high_water} calls at once");
}

#[test]
fn activations_that_come_together_share_calls() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    world.vault.is_held.store(true, Ordering::SeqCst);
    let all = {
        let resolver = resolver.clone();
        thread::spawn(move || {
            let activations = (0..20).map(|_| resolver.activate("other", Reason::Manual));
            block_on(futures_util::future::join_all(activations))
        })
    };
    let other = &resolver.0.providers[1];
    eventually("the rush", || other.asked.load(Ordering::SeqCst) == 20 && world.vault.calls() > calls);
    world.vault.is_held.store(false, Ordering::SeqCst);
    assert!(all.join().unwrap().iter().all(Result::is_ok));
    assert_eq!(world.vault.calls() - calls, 2, "one that was under way, and one for all who came meanwhile");
}

#[test]
fn without_reload_on_rotation_a_rotation_takes_what_is_in_the_cache() {
    let lines = format!("{TWO}\nsecret-store.resolution.reload_on_rotation: false\n");
    let world = World::new(&lines, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("other", "x2");
    let calls = world.vault.calls();
    let generation = block_on(resolver.activate("other", Reason::Rotation)).unwrap();
    assert_eq!((generation.setting("keys[0]"), world.vault.calls()), (Some("x1"), calls));
    let generation = block_on(resolver.activate("other", Reason::Manual)).unwrap();
    assert_eq!(generation.setting("keys[0]"), Some("x2"));
}

#[test]
fn a_watch_yields_each_new_version_and_the_end() {
    let world = World::new("secrets: {store: test.vault.v1}", &[("doc", r#"{"user":"u1"}"#)]);
    let resolver = world.start();
    let mut watch = block_on(resolver.watch(&reference("${secrets:doc#user}"))).unwrap();
    assert_eq!(watch.value().unwrap().expose(), "u1");
    world.vault.put("doc", r#"{"user":"u2"}"#);
    world.within(245, "the refresh", || watch.value().is_some_and(|value| value.expose() == "u2"));
    assert_eq!(block_on(watch.changed()).unwrap().expose(), "u2");
    world.vault.fail("doc", ErrorKind::NotFound);
    world.within(245, "the end", || watch.value().is_none());
    assert!(block_on(watch.changed()).is_none());
    world.vault.heal();
    world.vault.put("doc", r#"{"user":"u3"}"#);
    world.within(60, "the return", || watch.value().is_some());
    assert_eq!(block_on(watch.changed()).unwrap().expose(), "u3");
}

#[test]
fn values_die_with_the_resolver() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let generation = resolver.provider("other").unwrap().current().unwrap();
    let weak = generation.secrets().next().unwrap().1.downgrade();
    drop(generation);
    let World { stores, .. } = world;
    drop((resolver, stores));
    eventually("the end", || weak.strong_count() == 0);
}
