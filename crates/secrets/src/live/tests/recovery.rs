//! Providers whose stores are down, hang, fail half way, or lose what they had: nobody waits for ever, nothing that
//! is gone stays in use, and what can come back does.

use std::sync::atomic::Ordering;

use super::{world::Vault, *};
use crate::{SecretName, clock::Moment, config::Report};

fn at(seconds: u64) -> Moment {
    Moment::after_origin(Duration::from_secs(seconds))
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

/// Two stores over one vault, of which one may hang in opening.
struct Slow {
    store: BaseSecretStore,
    is_hanging: AtomicBool,
}

#[async_trait]
impl LiveStores for Slow {
    async fn live(&self, name: &str) -> Result<BaseSecretStore> {
        if name == "slow" && self.is_hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(self.store.clone())
    }
}

const SLOW: &str = "
secrets: {store: test.vault.v1, stores: {slow: {store: test.vault.v1}}}
providers: {late: {k: '${secrets.slow:key}'}, prompt: {k: '${secrets:other}'}}
";

impl World {
    /// Starts over stores of which 'slow' hangs.
    fn start_slowly(&self) -> (Arc<Slow>, Result<SecretResolver, Box<Report>>) {
        let stores = Arc::new(Slow { store: self.stores.store.clone(), is_hanging: AtomicBool::new(true) });
        let start =
            SecretResolver::of(Arc::clone(&self.configuration), Arc::clone(&stores) as Arc<dyn LiveStores>);
        let start = start.clock(self.clock.clone()).observer(&self.observer);
        let started = self.while_time_passes(start.start());
        (stores, started)
    }

    /// Lets time pass second by second, until `future` has an outcome.
    fn while_time_passes<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let asking = thread::spawn(move || block_on(future));
        for _ in 0..300 {
            if settles(&|| asking.is_finished()) {
                return asking.join().unwrap();
            }
            self.vault.answers();
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("no outcome in five minutes");
    }
}

#[test]
fn a_store_that_hangs_in_opening_keeps_no_start_past_its_time() {
    let world = World::new(SLOW, TWO_SECRETS);
    let report = world.start_slowly().1.unwrap_err().to_string();
    assert!(report.contains("store 'slow'") && report.contains("within 30s of the start"), "{report}");
    assert!(!report.contains("default"), "{report}");
}

#[test]
fn a_store_that_hangs_in_opening_keeps_its_own_providers_waiting_and_no_others() {
    let lines = format!("{SLOW}\nsecret-store.resolution.on_init_outage: degraded\n");
    let world = World::new(&lines, TWO_SECRETS);
    let (stores, resolver) = world.start_slowly();
    let resolver = resolver.map_err(|report| report.to_string()).unwrap();
    assert_eq!(setting(&resolver, "prompt", "k"), "x1");
    let activation = resolver.clone();
    let outcome = world.while_time_passes(async move { activation.activate("late", Reason::Manual).await });
    let error = outcome.unwrap_err();
    assert_eq!((error.errors()[0].kind(), error.errors()[0].store()), (ErrorKind::Unavailable, Some("slow")));
    stores.is_hanging.store(false, Ordering::SeqCst);
    world.within(120, "the recovery", || resolver.provider("late").unwrap().current().is_ok());
}

#[test]
fn a_provider_that_could_not_follow_a_rotation_tries_again() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("key", "k2");
    world.vault.fail("org", ErrorKind::Unavailable);
    world.within(245, "the failure", || {
        world.told.lock().unwrap().iter().any(|told| told == "openai activation_failed")
    });
    assert_eq!(setting(&resolver, "openai", "api_key"), "k1");
    world.vault.heal();
    world.within(60, "the change", || setting(&resolver, "openai", "api_key") == "k2");
}

#[test]
fn a_provider_that_cannot_follow_keeps_no_other_from_following() {
    let lines = "
secrets: {store: test.vault.v1}
providers: {a: {k: '${secrets:key}', org: '${secrets:org}'}, b: {k: '${secrets:key}'}}
";
    let world = World::new(lines, TWO_SECRETS);
    let resolver = world.start();
    let b = resolver.provider("b").unwrap();
    let before = b.current().unwrap();
    world.vault.put("key", "k2");
    world.vault.fail("org", ErrorKind::Unavailable);
    let outcome = block_on(b.report_auth_failure(&before, "k"));
    let AuthFailure::Rotated(after) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after.setting("k"), Some("k2"));
    assert_eq!(setting(&resolver, "a", "k"), "k1");
}

#[test]
fn what_is_forgotten_and_then_revoked_ends_its_provider() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    world.vault.fail("other", ErrorKind::NotFound);
    block_on(resolver.invalidate(&reference("${secrets:other}"))).unwrap();
    world.within(30, "the end", || resolver.provider("other").unwrap().current().is_err());
    world.tells("other revoked");
}

#[test]
fn what_is_forgotten_in_an_outage_is_bounded_by_max_stale_all_the_same() {
    let lines = format!("{TWO}\nsecret-store.resolution.max_stale: 20m\n");
    let world = World::new(&lines, TWO_SECRETS);
    let resolver = world.start();
    world.vault.go_down();
    world.stores.store.clear_cache();
    world.clock.advance(Duration::from_secs(1_100));
    settles(&|| false);
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1", "to forget is not to revoke");
    world.within(110, "the end", || resolver.providers().all(|provider| provider.current().is_err()));
    world.vault.heal();
    world.within(60, "the return", || resolver.providers().all(|provider| provider.current().is_ok()));
}

/// Two stores over a vault each.
struct Pair {
    default: BaseSecretStore,
    slow: BaseSecretStore,
}

#[async_trait]
impl LiveStores for Pair {
    async fn live(&self, name: &str) -> Result<BaseSecretStore> {
        Ok(if name == "slow" { self.slow.clone() } else { self.default.clone() })
    }
}

const PAIR: &str = "
secrets: {store: test.vault.v1, stores: {slow: {store: test.vault.v1}}}
providers: {p: {k: '${secrets:other}', l: '${secrets.slow:late}'}}
";

impl World {
    /// A second vault, whose answers wait while it is held, and both stores.
    fn pair(&self) -> (Arc<Vault>, Arc<Pair>) {
        let vault = Arc::new(Vault::default());
        vault.put("late", "l1");
        let slow = BaseSecretStore::builder(Arc::clone(&vault) as Arc<dyn SecretStoreConnector>)
            .name("slow")
            .clock(self.clock.clone())
            .observer(&self.observer)
            .build();
        (vault, Arc::new(Pair { default: self.stores.store.clone(), slow }))
    }

    fn start_over(&self, stores: &Arc<Pair>) -> Start {
        SecretResolver::of(Arc::clone(&self.configuration), Arc::clone(stores) as Arc<dyn LiveStores>)
            .clock(self.clock.clone())
            .observer(&self.observer)
    }

    /// The store takes 'other' back, and an upstream API that refuses it makes that known.
    fn revoke(&self) {
        self.vault.fail("other", ErrorKind::NotFound);
        let name = SecretName::new("other").unwrap();
        let refused = block_on(self.stores.store.report_auth_failure(&name, &1.into()));
        assert!(matches!(refused, AuthFailure::Unavailable(_)), "{refused:?}");
        self.tells("other revoked");
    }
}

#[test]
fn what_is_revoked_while_an_activation_fetches_is_not_brought_back_by_it() {
    let world = World::new(PAIR, TWO_SECRETS);
    let (vault, stores) = world.pair();
    let resolver = block_on(world.start_over(&stores).start()).map_err(|report| report.to_string()).unwrap();
    vault.is_held.store(true, Ordering::SeqCst);
    let (calls, activation) = (world.vault.calls(), resolver.clone());
    let activating = thread::spawn(move || block_on(activation.activate("p", Reason::Manual)));
    eventually("the first half", || world.vault.calls() > calls && vault.calls() > 1);
    settles(&|| false);
    world.revoke();
    vault.is_held.store(false, Ordering::SeqCst);
    let error = activating.join().unwrap().unwrap_err();
    assert_eq!((error.kept(), error.errors()[0].kind()), (None, ErrorKind::NotFound));
    assert!(resolver.provider("p").unwrap().current().is_err());
}

#[test]
fn what_is_revoked_while_a_start_waits_for_another_store_is_not_started_with() {
    let world = World::new(PAIR, TWO_SECRETS);
    let (vault, stores) = world.pair();
    vault.is_held.store(true, Ordering::SeqCst);
    let start = world.start_over(&stores).start();
    let starting = thread::spawn(move || block_on(start).map_err(|report| report.to_string()).unwrap());
    world.tells("other resolved");
    eventually("the second half", || vault.calls() > 0);
    world.revoke();
    vault.is_held.store(false, Ordering::SeqCst);
    let resolver = starting.join().unwrap();
    eventually("the end", || resolver.provider("p").unwrap().current().is_err());
    let error = resolver.provider("p").unwrap().current().unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::NotFound, Some("other")));
    world.vault.heal();
    world.within(30, "the return", || resolver.provider("p").unwrap().current().is_ok());
}

#[test]
fn what_has_come_to_its_own_end_is_in_no_generation() {
    let world = World::new(TWO, TWO_SECRETS);
    *world.vault.ends.lock().unwrap() = Some(world.clock.wall() + Duration::from_secs(100));
    let resolver = world.start();
    world.within(100, "the end", || resolver.providers().all(|provider| provider.current().is_err()));
    assert_eq!(world.clock.now(), at(100));
    let error = block_on(resolver.activate("other", Reason::Manual)).unwrap_err();
    assert_eq!((error.kept(), error.errors()[0].name()), (None, Some("other")));
    assert!(resolver.provider("other").unwrap().current().is_err());
    let report = world.try_start().unwrap_err().to_string();
    let line = "m.yaml:5:19: providers.other.keys[0]: secret 'other': the value ended";
    assert!(report.contains(line), "{report}");
    *world.vault.ends.lock().unwrap() = None;
    world.within(60, "the return", || resolver.providers().all(|provider| provider.current().is_ok()));
}

#[test]
fn an_activation_past_the_cache_does_not_share_one_that_was_not() {
    let lines = format!("{TWO}\nsecret-store.resolution.reload_on_rotation: false\n");
    let world = World::new(&lines, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("other", "x2");
    let other = &resolver.0.providers[1];
    let activated = block_on(async {
        let turn = other.turn.lock().await;
        let asking = [Reason::Rotation, Reason::Manual].map(|reason| resolver.activate("other", reason));
        let mut both = std::pin::pin!(futures_util::future::join_all(asking));
        // Both ask, one after the other, and wait for their turn.
        assert!(futures_util::FutureExt::now_or_never(both.as_mut()).is_none());
        drop(turn);
        both.await
    });
    let keys: Vec<_> = activated.iter().map(|one| one.as_ref().unwrap().setting("keys[0]")).collect();
    assert_eq!(keys, [Some("x1"), Some("x2")]);
}
