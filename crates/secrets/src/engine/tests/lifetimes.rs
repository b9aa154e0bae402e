//! How long an answer is kept: its TTL, its own end, and the room there is.

use super::*;

#[test]
fn a_value_is_served_from_memory_until_its_ttl_ends() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, no_jitter());
    assert_eq!(cached(&store, "k"), None);
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(299));
    assert_eq!((get(&store, "k"), cached(&store, "k")), ("1".into(), Some("1".into())));
    clock.advance(seconds(1));
    assert_eq!(cached(&store, "k"), None, "the timer ends it, not the next reader");
    assert_eq!(get(&store, "k"), "2");
    assert_eq!(scripted.calls(), 2);
}

#[test]
fn jitter_only_ever_shortens() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, ResolutionPolicy { ttl_jitter: 0.5, ..no_jitter() });
    for at in 0..200 {
        get(&store, &format!("k{at}"));
    }
    clock.advance(seconds(149));
    assert_eq!(store.cached_entries(), 200, "none ends before its share");
    clock.advance(seconds(75));
    let half_way = store.cached_entries();
    assert!((20..180).contains(&half_way), "{half_way} of 200 left: their ends are spread");
    clock.advance(seconds(76));
    assert_eq!(store.cached_entries(), 0, "none outlives the TTL");
}

#[test]
fn a_values_own_expiry_ends_it_sooner() {
    let clock = ManualClock::new();
    let end = clock.wall() + seconds(20);
    let scripted = Scripted::new(move |_, call| Ok(SecretValue::new(call.to_string()).with_expires_at(end)));
    let connector = Arc::clone(&scripted) as Arc<dyn SecretStoreConnector>;
    let store = BaseSecretStore::builder(connector).policy(no_jitter()).clock(clock.clone()).build();
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(19));
    assert_eq!(get(&store, "k"), "1");
    clock.advance(seconds(1));
    assert_eq!(cached(&store, "k"), None);
    assert_eq!(get(&store, "k"), "2", "what has ended already is handed out");
    assert_eq!(cached(&store, "k"), None, "and not kept");
}

#[test]
fn a_missing_name_is_remembered_for_its_own_time() {
    let scripted =
        Scripted::new(
            |name, call| if call == 1 { Err(Error::not_found(name.as_str())) } else { Ok("v".into()) },
        );
    let (store, clock) = store_over(&scripted, no_jitter());
    for _ in 0..3 {
        assert_eq!(store.get_blocking(&name("k")).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(scripted.calls(), 1);
    clock.advance(seconds(10));
    assert_eq!(get(&store, "k"), "v");
}

#[test]
fn a_failure_is_not_remembered() {
    let scripted = Scripted::new(|_, call| {
        if call == 1 { Err(Error::new(ErrorKind::Unavailable, "down")) } else { Ok("v".into()) }
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    let error = store.get_blocking(&name("k")).unwrap_err();
    assert_eq!(error.to_string(), "store 'test.scripted.v1': secret 'k': down");
    assert_eq!(get(&store, "k"), "v");
}

#[test]
fn the_cache_is_bounded_and_lets_go_what_would_end_first() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, ResolutionPolicy { max_entries: 3, ..no_jitter() });
    for key in ["a", "b", "c", "d"] {
        get(&store, key);
        clock.advance(seconds(1));
    }
    assert_eq!(store.cached_entries(), 3);
    assert_eq!(cached(&store, "a"), None);
    assert!(cached(&store, "d").is_some());
}

#[test]
fn without_a_cache_every_read_asks() {
    let scripted = Scripted::counting();
    for policy in [
        ResolutionPolicy { cache_enabled: false, ..no_jitter() },
        ResolutionPolicy { cache_ttl: Duration::ZERO, ..no_jitter() },
    ] {
        let (store, _clock) = store_over(&scripted, policy);
        let before = scripted.calls();
        get(&store, "k");
        get(&store, "k");
        assert_eq!(scripted.calls() - before, 2);
        assert_eq!(store.cached_entries(), 0);
    }
}

#[test]
fn a_value_that_ends_is_dropped_and_not_only_hidden() {
    let scripted = Scripted::counting();
    let clock = ManualClock::new();
    let observer = Observer::new();
    let engine = Engine::new(scripted, "test".into(), no_jitter(), Arc::new(clock.clone()), observer);
    engine.get_blocking(&name("k"), None).unwrap();
    let answer = engine.view.read("k", Answer::clone).unwrap();
    let Answer::Value(value) = answer else { panic!("a value") };
    let weak = value.downgrade();
    drop(value);
    eventually("the flight's end", || weak.strong_count() == 2);
    clock.advance(seconds(300));
    assert_eq!(weak.strong_count(), 1, "kept for the case that the store cannot answer");
    clock.advance(seconds(2 * 3600 - 300));
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn durations_near_the_end_of_time_are_no_overflow() {
    for (ttl_jitter, refresh_ahead) in [(0.0, 0.8), (1.0, 0.8), (0.5, 1.0), (0.0, 0.0), (f64::NAN, f64::NAN)]
    {
        let scripted = Scripted::counting();
        let forever = Duration::MAX;
        let policy = ResolutionPolicy {
            cache_ttl: forever,
            max_stale: forever,
            negative_ttl: forever,
            min_refresh_interval: forever,
            previous_retain: forever,
            ttl_jitter,
            refresh_ahead,
            ..no_jitter()
        };
        let (store, clock) = store_over(&scripted, policy);
        assert_eq!(get(&store, "k"), "1");
        clock.advance(seconds(1));
        assert_eq!(runtime().block_on(store.refresh(&name("k"))).unwrap().expose(), "2");
        let failure = runtime().block_on(store.report_auth_failure(&name("k"), &2.into()));
        assert!(failure.value().is_some(), "{failure:?}");
    }
}
