//! The time limit: what it costs to ask a store that hangs.

use std::time::Duration;

use modelmesh_secrets::{ErrorKind, ResolutionPolicy};
use modelmesh_testkit::faults::{Call, Gate, Rule};

use super::{at_once, bench, bench_of, breaking_after, name, names, seconds, settle, shown, throttled};

#[tokio::test]
async fn a_store_that_hangs_costs_the_limit_and_not_more() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(Duration::from_millis(4_999));
    settle().await;
    assert!(!caller.is_finished());
    bench.clock.advance(Duration::from_millis(1));
    let error = caller.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "store 'prod': secret 'k0': the store did not answer within 5s");
    assert_eq!(bench.faulty.calls(Call::Get), 1, "a time-out is not retried");
    assert_eq!((bench.faulty.in_flight(), bench.store.in_flight()), (0, 0), "the call is dropped");
}

#[tokio::test]
async fn the_limit_is_that_of_all_tries_and_pauses() {
    let bench = bench(&at_once());
    bench.faulty.rule(Rule::on(Call::Get).times(1).fail_with(throttled(seconds(4))));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(seconds(4));
    settle().await;
    assert_eq!((bench.faulty.calls(Call::Get), caller.is_finished()), (2, false));
    bench.clock.advance(seconds(1));
    let error = caller.await.unwrap().unwrap_err();
    assert_eq!(error.message(), "the store did not answer within 5s");
}

#[tokio::test]
async fn the_limit_includes_the_wait_for_a_permit_which_is_no_failure_of_the_store() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 1, ..breaking_after(2) });
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let callers = [bench.get("k0"), bench.get("k1"), bench.get("k2")];
    settle().await;
    bench.clock.advance(seconds(5));
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().message(), "the store did not answer within 5s");
    }
    assert_eq!(bench.faulty.calls(Call::Get), 1, "who gets a permit when it is too late makes no call");
    assert!(!bench.store.breaker_is_open(), "one call hung");
}

#[tokio::test]
async fn waiting_for_earlier_batches_of_the_same_call_is_not_in_the_limit() {
    let bench = bench(&ResolutionPolicy { max_in_flight: 2, ..at_once() });
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    for gate in &gates {
        bench.faulty.rule(Rule::on(Call::Get).times(2).hold(gate));
    }
    let caller = bench.get_many(names(6));
    for gate in &gates {
        settle().await;
        bench.clock.advance(seconds(4));
        gate.release();
    }
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "k1", "k2", "k3", "k4", "k5"]);
}

#[tokio::test]
async fn names_that_were_answered_before_the_limit_keep_their_answers() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k1")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::Get).hold(&Gate::new()));
    let caller = bench.get_many(names(3));
    settle().await;
    bench.clock.advance(seconds(5));
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "unavailable", "k2"]);
}

#[tokio::test]
async fn without_the_limit_a_person_may_take_their_time() {
    let bench = bench(&at_once()).without_time_limit();
    let gate = Gate::new();
    bench.faulty.rule(Rule::on(Call::Get).hold(&gate));
    let caller = bench.get("k0");
    settle().await;
    bench.clock.advance(seconds(3_600));
    settle().await;
    gate.release();
    assert_eq!(caller.await.unwrap().unwrap().expose(), "k0");
}
