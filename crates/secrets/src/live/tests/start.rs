//! Starts: what they report, what they leave out, and how long they take.

use super::*;

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
