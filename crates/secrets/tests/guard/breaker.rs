//! The breaker: when a store is left alone, and who asks whether it is well again.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use modelmesh_secrets::{
    Breaker, ErrorKind, ResolutionPolicy, SecretResolution as _, SecretStoreConnector as _,
};
use modelmesh_testkit::faults::{Call, Gate, Rule};

use super::{at_once, bench, bench_of, breaking_after, name, names, seconds, settle, shown};

#[tokio::test]
async fn a_store_that_fails_in_a_row_is_left_alone() {
    let bench = bench(&breaking_after(5));
    bench.fail(4).await;
    assert!(!bench.store.breaker_is_open());
    bench.fail(1).await;
    assert!(bench.store.breaker_is_open());
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "store 'prod': secret 'k0': the store failed 5 times in a row and is left alone for a while"
    );
    let wait = error.retry_after().unwrap();
    assert!((seconds(10)..=seconds(12)).contains(&wait), "{wait:?}");
    assert_eq!(bench.faulty.calls(Call::Get), 5);
}

#[tokio::test]
async fn one_of_many_callers_probes_and_its_success_closes_the_breaker() {
    let bench = bench(&breaking_after(5));
    bench.fail(5).await;
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate));
    bench.clock.advance(seconds(12));
    let callers: Vec<_> = names(100).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    assert_eq!(bench.faulty.calls(Call::Get), 6, "one probe");
    gate.release();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(!bench.store.breaker_is_open());
    assert!(bench.store.get(&name("k7")).await.is_ok());
}

#[tokio::test]
async fn a_probe_that_fails_opens_the_breaker_again() {
    let bench = bench(&breaking_after(5));
    bench.fail(5).await;
    bench.clock.advance(seconds(12));
    bench.fail(1).await;
    bench.clock.advance(seconds(9));
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert_eq!(error.message(), "the store failed 6 times in a row and is left alone for a while");
    assert_eq!(bench.faulty.calls(Call::Get), 6);
}

#[tokio::test]
async fn a_probe_that_is_dropped_has_failed() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.clock.advance(seconds(12));
    bench.faulty.rule(Rule::on(Call::Get).times(1).hold(&Gate::new()));
    let probe = bench.get("k0");
    settle().await;
    probe.abort();
    assert!(probe.await.is_err());
    let error = bench.store.get(&name("k0")).await.unwrap_err();
    assert!(error.retry_after().is_some(), "it is open, and not waiting for the probe for ever");
    bench.clock.advance(seconds(12));
    assert!(bench.store.get(&name("k0")).await.is_ok());
}

#[tokio::test]
async fn a_probe_that_panics_has_failed() {
    let bench = bench(&breaking_after(1));
    bench.fail(1).await;
    bench.clock.advance(seconds(12));
    bench.faulty.rule(Rule::on(Call::Get).times(1).panic());
    assert!(AssertUnwindSafe(bench.store.get(&name("k0"))).catch_unwind().await.is_err());
    bench.clock.advance(seconds(12));
    assert!(bench.store.get(&name("k0")).await.is_ok(), "the next probe is let through");
}

#[tokio::test]
async fn time_outs_are_failures() {
    let bench = bench(&breaking_after(5));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let callers: Vec<_> = names(5).iter().map(|name| bench.get(name.as_str())).collect();
    settle().await;
    bench.clock.advance(seconds(5));
    for caller in callers {
        caller.await.unwrap().unwrap_err();
    }
    assert!(bench.store.breaker_is_open());
}

#[tokio::test]
async fn who_waited_for_a_permit_sees_the_breaker_that_opened_meanwhile() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..breaking_after(1) });
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate).fail(ErrorKind::Unavailable));
    let callers = [bench.get("k0"), bench.get("k1")];
    settle().await;
    gate.release();
    for caller in callers {
        assert!(caller.await.unwrap().is_err());
    }
    assert_eq!(bench.faulty.calls(Call::Get), 1);
}

#[tokio::test]
async fn a_call_whose_own_failure_opens_the_breaker_does_not_pause_for_nothing() {
    let bench = bench(&ResolutionPolicy { retry: ResolutionPolicy::default().retry, ..breaking_after(1) });
    bench.faulty.rule(Rule::on(Call::Get).fail(ErrorKind::Unavailable));
    let error = bench.store.get(&name("k0")).now_or_never().expect("at once").unwrap_err();
    assert_eq!(error.message(), "a fault that the test asked for", "the store's own error says more");
}

#[tokio::test]
async fn a_refusal_is_not_waited_out() {
    let breaker = Breaker { failures: 1, open: seconds(1) };
    let bench = bench(&ResolutionPolicy { breaker, ..at_once() });
    bench.fail(1).await;
    let refused = bench.store.get(&name("k0")).now_or_never();
    assert!(refused.expect("at once, though the next probe is within the limit").is_err());
}

#[tokio::test]
async fn a_batch_has_failed_only_if_every_name_has() {
    let bench = bench_of(10, &breaking_after(1));
    for failing in ["k0", "k1"] {
        bench.faulty.rule(Rule::on(Call::GetMany).named(&name(failing)).fail(ErrorKind::Unavailable));
    }
    assert_eq!(shown(&bench.store.get_many(&names(3)).await), ["unavailable", "unavailable", "k2"]);
    assert!(!bench.store.breaker_is_open());
    bench.store.get_many(&names(2)).await;
    assert!(bench.store.breaker_is_open());
}

#[tokio::test]
async fn a_batch_that_is_refused_names_each_secret() {
    let bench = bench_of(10, &breaking_after(1));
    bench.fail(1).await;
    let answers = bench.store.get_many(&names(2)).await;
    let named: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap_err().name().unwrap()).collect();
    assert_eq!(named, ["k0", "k1"]);
}

#[tokio::test]
async fn a_store_that_has_changed_is_not_left_alone_any_longer() {
    let bench = bench(&breaking_after(2));
    bench.store.revision().await.unwrap();
    bench.fail(2).await;
    bench.store.revision().await.unwrap();
    assert!(bench.store.breaker_is_open(), "it is as it was");
    bench.store.management().unwrap().set(&name("k1"), &"mended".into()).await.unwrap();
    assert!(bench.store.breaker_is_open(), "a write says nothing of what failed");
    bench.store.revision().await.unwrap();
    assert!(!bench.store.breaker_is_open());
    assert_eq!(bench.store.get(&name("k1")).await.unwrap().expose(), "mended");
}
