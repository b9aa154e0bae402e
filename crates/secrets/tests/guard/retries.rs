//! Retries: what is asked for again, and what is final.

use std::time::Duration;

use futures_util::FutureExt as _;
use modelmesh_secrets::{ErrorKind, ResolutionPolicy, SecretResolution as _};
use modelmesh_testkit::faults::{Call, Rule};

use super::{at_once, bench, bench_of, breaking_after, name, names, seconds, shown, throttled};

#[tokio::test]
async fn what_is_worth_a_retry_is_tried_as_often_as_the_policy_says() {
    for kind in [ErrorKind::Throttled, ErrorKind::Unavailable] {
        let bench = bench(&at_once());
        bench.faulty.rule(Rule::on(Call::Get).times(2).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap().expose(), "k0");
        bench.faulty.rule(Rule::on(Call::Get).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap_err().kind(), kind);
        assert_eq!(bench.faulty.calls(Call::Get), 6);
    }
}

#[tokio::test]
async fn any_other_answer_is_final_and_none_of_the_breakers_business() {
    for kind in ErrorKind::ALL.into_iter().filter(|kind| !kind.is_retryable()) {
        let bench = bench(&ResolutionPolicy { retry: at_once().retry, ..breaking_after(1) });
        bench.faulty.rule(Rule::on(Call::Get).fail(kind));
        assert_eq!(bench.store.get(&name("k0")).await.unwrap_err().kind(), kind);
        assert_eq!((bench.faulty.calls(Call::Get), bench.store.breaker_is_open()), (1, false), "{kind}");
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_limit_fails_at_once() {
    let limited = || bench(&at_once());
    let unlimited = || limited().without_time_limit();
    // Where there is no limit, a pause as long as the limit is still bearable.
    let longer = seconds(5) + Duration::from_millis(1);
    let hour = seconds(3_600);
    for (bench, wait) in
        [(limited(), seconds(5)), (limited(), hour), (unlimited(), longer), (unlimited(), hour)]
    {
        bench.faulty.rule(Rule::on(Call::Get).fail_with(throttled(wait)));
        let error = bench.store.get(&name("k0")).now_or_never().expect("at once").unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(wait)));
        assert_eq!(bench.faulty.calls(Call::Get), 1);
    }
}

#[tokio::test]
async fn in_a_batch_only_names_without_an_answer_are_asked_for_again() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k1")).times(1).fail(ErrorKind::Unavailable));
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k3")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::GetMany).named(&name("k4")).fail(ErrorKind::Denied));
    let answers = bench.store.get_many(&names(5)).await;
    assert_eq!(shown(&answers), ["k0", "k1", "k2", "k3", "denied"]);
    let asked: Vec<usize> = names(5).iter().map(|name| bench.faulty.calls_for(name)).collect();
    assert_eq!(asked, [1, 2, 1, 2, 1]);
}
