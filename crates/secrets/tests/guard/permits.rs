//! Permits: how many calls a store has at once, and who holds none.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::join_all};
use modelmesh_secrets::{
    ResolutionPolicy, Result, SecretManagement as _, SecretResolution as _, SecretValue,
};
use modelmesh_testkit::faults::{Call, Gate, Rule};

use super::{at_once, bench, breaking_after, name, names, seconds, settle, throttled};

#[tokio::test]
async fn a_thousand_names_never_exceed_the_limit_of_calls() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).times(100).hold(&gate));
    let caller = bench.get_many(names(1_000));
    settle().await;
    assert_eq!((bench.store.in_flight(), bench.faulty.in_flight()), (8, 8));
    gate.release();
    assert_eq!(caller.await.unwrap().iter().filter(|answer| answer.is_ok()).count(), 1_000);
    assert_eq!((bench.faulty.high_water(), bench.store.in_flight()), (8, 0));
}

#[tokio::test]
async fn many_callers_do_not_exceed_the_limit_of_calls_and_writers_count() {
    let bench = bench(&at_once());
    let gate = Gate::new();
    bench.faulty.rule(Rule::any().hold(&gate));
    let callers: Vec<_> = names(50).iter().map(|name| bench.get(name.as_str())).collect();
    let store = Arc::clone(&bench.store);
    let writers = tokio::spawn(async move {
        let secrets: Vec<_> = names(50).into_iter().map(|name| (name, SecretValue::from("new"))).collect();
        join_all(secrets.iter().map(|(name, value)| store.set(name, value))).await
    });
    settle().await;
    gate.release();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert!(writers.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(bench.faulty.high_water(), 8);
}

#[tokio::test]
async fn a_pause_holds_no_permit() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..at_once() });
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k0")).times(1).fail_with(throttled(seconds(2))));
    let pausing = bench.get("k0");
    settle().await;
    assert_eq!(bench.store.get(&name("k1")).await.unwrap().expose(), "k1");
    bench.clock.advance(seconds(2));
    assert_eq!(pausing.await.unwrap().unwrap().expose(), "k0");
}

#[tokio::test]
async fn callers_that_go_away_take_no_permit_with_them() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).times(8).hold(&Gate::new()));
    let callers: Vec<_> = names(100).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    assert_eq!(bench.store.in_flight(), 8);
    for caller in &callers {
        caller.abort();
    }
    for caller in callers {
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    assert_eq!(bench.store.in_flight(), 0);
}

#[tokio::test]
async fn a_panic_stays_one_and_leaves_permits_and_breaker_right() {
    let bench = bench(&breaking_after(2));
    bench.faulty.rule(Rule::on(Call::Get).times(1).panic());
    let panicked = AssertUnwindSafe(bench.store.get(&name("k0"))).catch_unwind().await;
    assert!(panicked.is_err());
    assert_eq!((bench.store.in_flight(), bench.store.breaker_is_open()), (0, false));
    bench.fail(1).await;
    assert!(bench.store.breaker_is_open(), "a panic counts as a failure");
}
