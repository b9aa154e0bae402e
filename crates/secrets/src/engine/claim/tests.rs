use std::{
    sync::{Barrier, atomic::Ordering},
    thread,
    time::Duration,
};

use super::*;
use crate::{BaseSecretStore, Error, ErrorKind, ResolutionPolicy, Resolve, async_trait, clock::ManualClock};

/// The hook of a store whose callers are to fetch by themselves.
struct Untouched;

#[async_trait]
impl Resolve for Untouched {
    async fn resolve(&self, _: &SecretName) -> Result<Option<SecretValue>> {
        Err(Error::new(ErrorKind::Unavailable, "only callers fetch here"))
    }
}

fn store() -> BaseSecretStore {
    BaseSecretStore::new(Untouched)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn lead(store: &BaseSecretStore, text: &str) -> Landing {
    match store.claim(&name(text)).unwrap() {
        Claim::Lead(landing) => landing,
        other => panic!("somebody else fetches it: {other:?}"),
    }
}

fn join(store: &BaseSecretStore, text: &str) -> Waiting {
    match store.claim(&name(text)).unwrap() {
        Claim::Wait(waiting) => waiting,
        other => panic!("nobody fetches it: {other:?}"),
    }
}

#[test]
fn what_one_caller_lands_all_get() {
    let store = store();
    let landing = lead(&store, "key");
    thread::scope(|scope| {
        let waiting: Vec<Waiting> = (0..8).map(|_| join(&store, "key")).collect();
        let waiters: Vec<_> =
            waiting.into_iter().map(|waiting| scope.spawn(|| waiting.wait_blocking())).collect();
        assert_eq!(landing.land(Ok("sk-1".into())).unwrap().expose(), "sk-1");
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap().expose(), "sk-1");
        }
    });
    assert!(matches!(store.claim(&name("key")), Ok(Claim::Answer(Ok(value))) if value.expose() == "sk-1"));
    assert_eq!(store.with_value("key", |value| value.expose().to_owned()).as_deref(), Some("sk-1"));
}

#[test]
fn a_wait_may_be_given_up_and_taken_up_again() {
    let store = store();
    let (landing, waiting) = (lead(&store, "key"), join(&store, "key"));
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let early = waiting.wait_blocking_for(Duration::from_millis(1));
            (early.is_none(), waiting)
        });
        let (is_none, waiting) = waiter.join().unwrap();
        assert!(is_none, "nothing has landed");
        landing.land(Ok("sk-1".into())).unwrap();
        let answer = waiting.wait_blocking_for(Duration::ZERO).expect("it has landed");
        assert_eq!(answer.unwrap().expose(), "sk-1");
    });
}

#[test]
fn a_place_in_a_fetch_of_the_engine_is_waited_for() {
    let store = store();
    let Ok(Claim::Wait(waiting)) = store.begin_get(&name("key")) else { panic!("nothing is cached") };
    assert_eq!(waiting.wait_blocking().unwrap_err().kind(), ErrorKind::Unavailable);
    lead(&store, "key").land(Ok("sk-1".into())).unwrap();
    assert!(
        matches!(store.begin_get(&name("key")), Ok(Claim::Answer(Ok(value))) if value.expose() == "sk-1")
    );
}

#[test]
fn a_landed_value_is_numbered() {
    let value = lead(&store(), "key").land(Ok("sk-1".into())).unwrap();
    assert_eq!(value.version().unwrap().as_str(), "1");
}

#[test]
fn a_failure_goes_to_all_with_its_source() {
    let store = store();
    let landing = lead(&store, "key");
    let waiting = join(&store, "key");
    let source = std::io::Error::other("the host's own exception");
    let error = Error::new(ErrorKind::InvalidConfig, "the hook failed").with_source(source);
    assert_eq!(landing.land(Err(error)).unwrap_err().kind(), ErrorKind::InvalidConfig);
    let error = waiting.wait_blocking().unwrap_err();
    assert_eq!(error.store(), Some("custom"));
    assert!(std::error::Error::source(&error).unwrap().is::<std::io::Error>());
}

#[test]
fn a_landing_that_is_dropped_lets_the_others_go() {
    let store = store();
    let landing = lead(&store, "key");
    let waiting = join(&store, "key");
    drop(landing);
    assert_eq!(waiting.wait_blocking().unwrap_err().kind(), ErrorKind::Unavailable);
    let _landing = lead(&store, "key");
}

#[test]
fn who_fetches_a_name_cannot_wait_for_it() {
    let store = store();
    let landing = lead(&store, "key");
    let error = join(&store, "key").wait_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(landing.land(Ok("sk-1".into())).is_ok());
}

#[test]
fn two_who_fetch_cannot_wait_for_each_other() {
    let (one, other) = (store(), store());
    let both_lead = Barrier::new(2);
    let run = |mine: &BaseSecretStore, theirs: &BaseSecretStore| {
        let landing = lead(mine, "key");
        both_lead.wait();
        let theirs = join(theirs, "key").wait_blocking();
        let mine = match &theirs {
            Ok(value) => Ok(value.clone()),
            Err(_) => Ok("of the one who did not wait".into()),
        };
        landing.land(mine).unwrap();
        theirs
    };
    let (a, b) = thread::scope(|scope| {
        let a = scope.spawn(|| run(&one, &other));
        let b = scope.spawn(|| run(&other, &one));
        (a.join().unwrap(), b.join().unwrap())
    });
    let failures = [&a, &b].into_iter().filter_map(|answer| answer.as_ref().err());
    assert_eq!(failures.map(Error::kind).collect::<Vec<_>>(), [ErrorKind::InvalidConfig]);
}

#[test]
fn the_last_good_value_outlives_an_outage() {
    let clock = ManualClock::new();
    let policy = ResolutionPolicy { refresh_ahead: 1.0, ttl_jitter: 0.0, ..ResolutionPolicy::default() };
    let store = BaseSecretStore::with_hook(Untouched).policy(policy).clock(clock.clone()).build();
    lead(&store, "key").land(Ok("sk-1".into())).unwrap();
    clock.advance(Duration::from_mins(6));
    let down = Error::new(ErrorKind::Unavailable, "down");
    assert_eq!(lead(&store, "key").land(Err(down)).unwrap().expose(), "sk-1");
    let missing = Error::not_found("key");
    clock.advance(Duration::from_hours(3));
    assert_eq!(lead(&store, "key").land(Err(missing)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_epoch_changes_with_every_answer() {
    let store = store();
    let epoch = || store.epoch().load(Ordering::Acquire);
    let mut seen = vec![epoch()];
    lead(&store, "key").land(Ok("sk-1".into())).unwrap();
    seen.push(epoch());
    store.get_blocking(&name("key")).unwrap();
    assert_eq!(epoch(), seen[1], "a read changes nothing");
    store.invalidate(&name("key"));
    seen.push(epoch());
    lead(&store, "key").land(Ok("sk-2".into())).unwrap();
    seen.push(epoch());
    store.clear_cache();
    seen.push(epoch());
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "{seen:?}");
}

#[test]
fn the_epoch_asks_readers_of_copies_to_be_seen_again() {
    let clock = ManualClock::new();
    let store = BaseSecretStore::with_hook(Untouched).clock(clock.clone()).build();
    lead(&store, "key").land(Ok("sk-1".into())).unwrap();
    store.with_value("key", |_| ()).unwrap();
    let before = store.epoch().load(Ordering::Acquire);
    clock.advance(Duration::from_secs(4 * 60 + 1));
    assert_ne!(store.epoch().load(Ordering::Acquire), before);
}

#[test]
fn a_new_store_inherits_values_and_their_end() {
    let clock = ManualClock::new();
    let open = || BaseSecretStore::with_hook(Untouched).clock(clock.clone()).build();
    let before = open();
    lead(&before, "key").land(Ok("sk-1".into())).unwrap();
    let under_way = lead(&before, "other");
    clock.advance(Duration::from_mins(1));

    let after = open();
    after.inherit(&before);
    std::mem::forget(under_way);
    assert_eq!(after.with_value("key", |value| value.expose().to_owned()).as_deref(), Some("sk-1"));
    lead(&after, "other").land(Ok("sk-2".into())).unwrap();
    assert_eq!(lead(&after, "third").land(Ok("sk-3".into())).unwrap().version().unwrap().as_str(), "3");
    clock.advance(Duration::from_mins(4));
    assert_eq!(after.with_value("key", |_| ()), None, "its TTL has ended");
    assert!(after.with_value("third", |_| ()).is_some());
}

#[test]
fn who_makes_a_fetch_does_not_have_it_waited_for_elsewhere() {
    let store = store();
    assert!(store.refuse_reentry(&name("key")).is_ok(), "nobody fetches it");
    let landing = lead(&store, "key");
    assert_eq!(store.refuse_reentry(&name("key")).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert!(store.refuse_reentry(&name("other")).is_ok());
    thread::scope(|scope| {
        let elsewhere = scope.spawn(|| store.refuse_reentry(&name("key")).is_ok());
        assert!(elsewhere.join().unwrap(), "another thread may wait");
    });
    landing.land(Ok("sk-1".into())).unwrap();
    assert!(store.refuse_reentry(&name("key")).is_ok());
}
