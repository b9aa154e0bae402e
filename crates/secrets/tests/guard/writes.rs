//! Writes: what is tried again, and what the time limit and the breaker have to do with them.

use std::sync::Arc;

use modelmesh_secrets::{
    Change, ErrorKind, GuardedStore, Result, SecretManagement as _, SecretResolution as _,
    SecretStoreConnector, SecretValue, clock::ManualClock, observe::Observer,
};
use modelmesh_testkit::{
    ReferenceStore,
    faults::{Call, Gate, Rule},
};

use super::{at_once, bench, breaking_after, name, names, seconds, settle};

#[tokio::test]
async fn a_write_is_tried_again_only_if_the_store_refused_it() {
    let (k0, value) = (name("k0"), SecretValue::from("new"));
    for (kind, calls) in [(ErrorKind::Throttled, 3), (ErrorKind::Unavailable, 1), (ErrorKind::Conflict, 1)] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::any().fail(kind));
        assert_eq!(bench.store.set(&k0, &value).await.unwrap_err().kind(), kind);
        assert_eq!(bench.store.delete(&k0).await.unwrap_err().kind(), kind);
        let set_many = bench.store.set_many(&[(k0.clone(), value.clone())]).await;
        assert_eq!(set_many[0].as_ref().unwrap_err().kind(), kind);
        for call in [Call::Set, Call::Delete, Call::SetMany] {
            assert_eq!(bench.faulty.calls(call), calls, "{call:?} that is {kind}");
        }
    }
}

#[tokio::test]
async fn of_several_writes_only_those_the_store_refused_are_tried_again() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::SetMany).named(&name("k1")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::SetMany).named(&name("k2")).fail(ErrorKind::Unavailable));
    let secrets: Vec<_> = names(3).into_iter().map(|name| (name, SecretValue::from("new"))).collect();
    let written = bench.store.set_many(&secrets).await;
    assert_eq!(written.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    let asked: Vec<usize> = names(3).iter().map(|name| bench.faulty.calls_for(name)).collect();
    assert_eq!(asked, [1, 2, 1]);
}

#[tokio::test]
async fn an_exchange_that_may_have_happened_is_not_repeated() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Set).fail_afterwards(ErrorKind::Unavailable));
    let change = Change { name: name("k0"), before: Some("k0".into()), after: Some("new".into()) };
    assert_eq!(bench.store.exchange(&[change]).await[0].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.faulty.calls(Call::Set), 1);
    assert_eq!(bench.store.get(&name("k0")).await.unwrap().expose(), "new");
}

#[tokio::test]
async fn a_listing_is_a_read() {
    for kind in [ErrorKind::Throttled, ErrorKind::Unavailable] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::on(Call::List).times(2).fail(kind));
        assert_eq!(bench.store.list().await.unwrap().len(), 1_000);
    }
}

#[tokio::test]
async fn an_operator_may_write_to_a_store_that_is_left_alone() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.store.set(&name("k0"), &"new".into()).await.unwrap();
    bench.store.list().await.unwrap();
    bench.store.delete(&name("k0")).await.unwrap();
    assert!(bench.store.breaker_is_open(), "that a write succeeds is not asked of the breaker");
}

#[tokio::test]
async fn failed_writes_are_none_of_the_breakers_business() {
    let bench = bench(&breaking_after(1));
    bench.faulty.rule(Rule::on(Call::Set).fail(ErrorKind::Unavailable));
    bench.store.set(&name("k0"), &"new".into()).await.unwrap_err();
    assert!(!bench.store.breaker_is_open());
}

#[tokio::test]
async fn a_write_has_no_time_limit() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Set).hold(&gate));
    let store = Arc::clone(&bench.store);
    let writer = tokio::spawn(async move { store.set(&name("k0"), &"new".into()).await });
    settle().await;
    bench.clock.advance(seconds(3_600));
    settle().await;
    gate.release();
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_written_stays_so() {
    let inner: Arc<dyn SecretStoreConnector> = Arc::new(ReferenceStore::default().read_only());
    let clock = Arc::new(ManualClock::new());
    let store = GuardedStore::new(inner, "prod", &at_once(), clock, Observer::new());
    assert!(store.management().is_none());
    assert_eq!(store.set(&name("k0"), &"v".into()).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
