//! The engine on a clock that stands still, over a store that counts and waits.

mod flights;
mod lifetimes;
mod scripted;

use std::{sync::atomic::Ordering, thread};

use self::scripted::Scripted;
use super::*;
use crate::{BaseSecretStore, SecretResolution, clock::ManualClock};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// Without what is left to chance, and without retries: their pauses end only when the clock is advanced.
fn no_jitter() -> ResolutionPolicy {
    let retry = crate::Retry { tries: 1, ..ResolutionPolicy::default().retry };
    ResolutionPolicy { ttl_jitter: 0.0, retry, ..ResolutionPolicy::default() }
}

fn store_over(scripted: &Arc<Scripted>, policy: ResolutionPolicy) -> (BaseSecretStore, ManualClock) {
    let clock = ManualClock::new();
    let connector = Arc::clone(scripted) as Arc<dyn SecretStoreConnector>;
    (BaseSecretStore::builder(connector).policy(policy).clock(clock.clone()).build(), clock)
}

fn get(store: &BaseSecretStore, text: &str) -> String {
    store.get_blocking(&name(text)).unwrap().expose().to_owned()
}

fn cached(store: &BaseSecretStore, text: &str) -> Option<String> {
    store.with_value(text, |value| value.expose().to_owned())
}

/// Waits for what another thread is about to do.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if condition() {
            return;
        }
        thread::yield_now();
        thread::park_timeout(Duration::from_micros(50));
    }
    panic!("{what} did not happen");
}

/// Lets time pass until another thread has brought about what is waited for. After each second that thread has a while:
/// what it does is not to be late only because it had no turn.
fn as_time_passes(clock: &ManualClock, what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        clock.advance(seconds(1));
        for _ in 0..400 {
            if condition() {
                return;
            }
            thread::park_timeout(Duration::from_micros(50));
        }
    }
    panic!("{what} did not happen");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn find_tells_a_missing_name_from_an_outage() {
    let scripted = Scripted::new(|name, _| match name.as_str() {
        "missing" => Err(Error::not_found("missing")),
        _ => Err(Error::new(ErrorKind::Unavailable, "down")),
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    assert!(runtime.block_on(store.find(&name("missing"))).unwrap().is_none());
    assert_eq!(runtime.block_on(store.find(&name("other"))).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn versions_are_entries_of_their_own() {
    let scripted = Scripted::counting();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let version = |version: &str| {
        runtime.block_on(store.get_version(&name("k"), &version.into())).unwrap().expose().to_owned()
    };
    assert_eq!(
        (get(&store, "k"), version("1"), version("2"), version("1")),
        ("1".into(), "k@1".into(), "k@2".into(), "k@1".into())
    );
    assert_eq!(scripted.calls(), 3);
    store.invalidate(&name("k"));
    assert_eq!(store.cached_entries(), 0, "a name is forgotten in all its versions");
}

#[test]
fn a_change_from_outside_is_fetched_and_what_is_not_read_is_dropped() {
    let mut scripted = Arc::into_inner(Scripted::counting()).unwrap();
    scripted.watch = true;
    let scripted = Arc::new(scripted);
    let (store, clock) = store_over(&scripted, no_jitter());
    assert_eq!((get(&store, "read"), get(&store, "unread")), ("1".into(), "2".into()));
    clock.advance(seconds(1));
    assert_eq!(get(&store, "read"), "1", "nothing changed");
    scripted.revision.store(2, Ordering::SeqCst);
    as_time_passes(&clock, "the fetch", || cached(&store, "read").as_deref() == Some("3"));
    assert_eq!(cached(&store, "unread"), None);
    assert_eq!(scripted.calls(), 3);
}

#[test]
fn a_store_that_never_says_whether_it_changed_is_asked_for_values_all_the_same() {
    let mut scripted = Arc::into_inner(Scripted::counting()).unwrap();
    (scripted.watch, scripted.hangs) = (true, true);
    let (store, clock) = store_over(&Arc::new(scripted), no_jitter());
    let caller = thread::spawn(move || get(&store, "k"));
    as_time_passes(&clock, "the answer", || caller.is_finished());
    assert_eq!(caller.join().unwrap(), "1");
}

#[test]
fn an_engine_that_nobody_holds_goes_away() {
    let scripted = Scripted::counting();
    let (store, clock) = store_over(&scripted, no_jitter());
    get(&store, "k");
    drop(store);
    clock.advance(seconds(1));
    eventually("the end", || Arc::strong_count(&scripted) == 1);
}

#[test]
fn a_refused_value_whose_store_cannot_answer_is_asked_for_once_an_interval() {
    for kind in [ErrorKind::Locked, ErrorKind::StoreAuth, ErrorKind::Unavailable, ErrorKind::Denied] {
        let scripted =
            Scripted::new(
                move |_, call| {
                    if call == 1 { Ok("v".into()) } else { Err(Error::new(kind, "as told")) }
                },
            );
        let (store, clock) = store_over(&scripted, no_jitter());
        get(&store, "k");
        let report = || match runtime().block_on(store.report_auth_failure(&name("k"), &1.into())) {
            AuthFailure::Unavailable(error) => error.kind(),
            other => panic!("{other:?}"),
        };
        for _ in 0..10 {
            assert_eq!(report(), kind);
        }
        assert_eq!(scripted.calls(), 2, "{kind}");
        clock.advance(seconds(5));
        let calls = scripted.calls();
        assert_eq!(report(), kind);
        assert!(scripted.calls() > calls, "{kind}: the interval is over");
    }
}
