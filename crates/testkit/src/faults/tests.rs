use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::join_all};

use super::*;
use crate::ReferenceStore;

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

/// A store that holds `a` and `b`, each with its own name as its value.
fn store() -> Arc<FaultyStore> {
    let inner = ReferenceStore::default();
    for held in ["a", "b"] {
        inner.backing().put(&name(held), &SecretValue::from(held));
    }
    FaultyStore::new(Arc::new(inner))
}

fn kind<T>(result: &Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(Error::kind)
}

#[tokio::test]
async fn without_rules_every_call_is_forwarded() {
    let store = store();
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "a");
    let management = store.management().unwrap();
    management.set(&name("c"), &SecretValue::from("c")).await.unwrap();
    management.delete(&name("a")).await.unwrap();
    assert_eq!(management.list().await.unwrap(), [name("b"), name("c")]);
    assert_eq!(store.total(), 4);
}

#[tokio::test]
async fn rules_apply_in_order_and_run_out() {
    let store = store();
    store.rule(Rule::on(Call::Get).times(1).fail(ErrorKind::Throttled));
    store.rule(Rule::any().named(&name("a")).times(1).fail(ErrorKind::Denied));
    assert_eq!(kind(&store.get(&name("a")).await), Some(ErrorKind::Throttled));
    assert_eq!(kind(&store.get(&name("b")).await), None);
    let denied = store.get(&name("a")).await;
    assert_eq!(kind(&denied), Some(ErrorKind::Denied));
    assert_eq!(denied.unwrap_err().name(), Some("a"));
    assert_eq!(kind(&store.get(&name("a")).await), None);
    assert_eq!((store.calls(Call::Get), store.calls_for(&name("a"))), (4, 3));
}

#[tokio::test]
async fn a_gate_holds_calls_until_it_is_released() {
    let (store, gate) = (store(), Gate::new());
    store.rule(Rule::on(Call::Get).hold(&gate));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get(&name("a")).await })
        })
        .collect();
    gate.arrived(5).await;
    store.until_total(5).await;
    assert_eq!((store.in_flight(), store.high_water()), (5, 5));
    assert!(calls.iter().all(|call| !call.is_finished()));

    gate.release();
    for answered in join_all(calls).await {
        assert_eq!(answered.unwrap().unwrap().expose(), "a");
    }
    assert_eq!((store.in_flight(), store.high_water()), (0, 5));
}

#[tokio::test]
async fn a_dropped_call_is_no_longer_in_flight() {
    let (store, gate) = (store(), Gate::new());
    store.rule(Rule::on(Call::Get).hold(&gate));
    let call = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.get(&name("a")).await }
    });
    gate.arrived(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!((store.in_flight(), store.total()), (0, 1));
}

#[tokio::test]
async fn a_lost_acknowledgement_is_an_error_after_the_effect() {
    let store = store();
    store.rule(Rule::on(Call::Set).fail_afterwards(ErrorKind::Unavailable));
    let set = store.management().unwrap().set(&name("a"), &SecretValue::from("new")).await;
    assert_eq!(kind(&set), Some(ErrorKind::Unavailable));
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "new");
}

#[tokio::test]
async fn a_panic_leaves_the_store_usable() {
    let store = store();
    store.rule(Rule::on(Call::Get).times(1).panic());
    let held = name("a");
    assert!(AssertUnwindSafe(store.get(&held)).catch_unwind().await.is_err());
    assert_eq!(store.in_flight(), 0);
    assert_eq!(kind(&store.get(&held).await), None);
}

#[tokio::test]
async fn a_named_rule_fails_its_part_of_a_batch() {
    let store = store();
    store.rule(Rule::on(Call::GetMany).named(&name("a")).fail(ErrorKind::Denied));
    let results = store.get_many(&[name("b"), name("a"), name("absent")]).await;
    let kinds: Vec<_> = results.iter().map(kind).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Denied), Some(ErrorKind::NotFound)]);
    assert_eq!((store.calls(Call::GetMany), store.calls(Call::Get), store.calls_for(&name("a"))), (1, 0, 1));
}

#[tokio::test]
async fn a_rule_without_a_name_fails_a_batch_once() {
    let store = store();
    store.rule(Rule::any().times(1).fail(ErrorKind::Unavailable));
    let names = [name("a"), name("b")];
    let kinds: Vec<_> = store.get_many(&names).await.iter().map(kind).collect();
    assert_eq!(kinds, [Some(ErrorKind::Unavailable); 2]);
    let kinds: Vec<_> = store.get_many(&names).await.iter().map(kind).collect();
    assert_eq!(kinds, [None; 2]);
}

#[tokio::test]
async fn a_batch_of_writes_can_lose_its_acknowledgement() {
    let store = store();
    store.rule(Rule::on(Call::SetMany).times(1).fail_afterwards(ErrorKind::Unavailable));
    let secrets = [(name("a"), SecretValue::from("1")), (name("c"), SecretValue::from("2"))];
    let results = store.management().unwrap().set_many(&secrets).await;
    assert!(results.iter().all(|result| kind(result) == Some(ErrorKind::Unavailable)));
    assert_eq!(store.get(&name("c")).await.unwrap().expose(), "2");
}

#[tokio::test]
async fn a_read_only_store_stays_read_only() {
    let store = FaultyStore::new(Arc::new(ReferenceStore::default().read_only()));
    assert!(store.management().is_none());
}
