//! Batches: how many names are asked for in one call, and what comes when a store takes none.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, GuardedStore, ResolutionPolicy, Result, SecretManagement as _,
    SecretName, SecretResolution, SecretStoreConnector, SecretValue, async_trait, clock::ManualClock,
    observe::Observer,
};
use modelmesh_testkit::faults::{Call, Gate, Rule};

use super::{at_once, bench_of, name, names, seconds, settle, shown};

#[tokio::test]
async fn names_are_asked_for_in_batches_of_the_stores_size() {
    for (batch, many, single) in [(1, 0, 250), (100, 3, 0), (249, 1, 1), (250, 1, 0), (usize::MAX, 1, 0)] {
        let bench = bench_of(batch, &at_once());
        let answers = bench.store.get_many(&names(250)).await;
        assert_eq!(shown(&answers), names(250).iter().map(SecretName::to_string).collect::<Vec<_>>());
        let calls = (bench.faulty.calls(Call::GetMany), bench.faulty.calls(Call::Get));
        assert_eq!(calls, (many, single), "batches of {batch}");
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_answered_is_asked_one_by_one_within_the_limit_of_calls() {
    let bench = bench_of(10, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).fail(ErrorKind::Unsupported));
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k7")).times(1).fail(ErrorKind::Throttled));
    bench.faulty.rule(Rule::on(Call::Get).named(&name("k8")).fail(ErrorKind::Denied));
    let answers = bench.store.get_many(&names(200)).await;
    let expected = names(200).iter().map(SecretName::to_string).collect::<Vec<_>>();
    let expected: Vec<_> = expected.iter().map(|name| if name == "k8" { "denied" } else { name }).collect();
    assert_eq!(shown(&answers), expected);
    let calls = (bench.faulty.calls(Call::GetMany), bench.faulty.calls(Call::Get));
    assert_eq!(calls, (20, 201));
    assert!(bench.faulty.high_water() <= 8);
}

#[tokio::test]
async fn each_name_that_is_asked_one_by_one_has_its_own_time() {
    let bench = bench_of(3, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).fail(ErrorKind::Unsupported));
    let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
    for gate in &gates {
        bench.faulty.rule(Rule::on(Call::Get).times(1).hold(gate));
    }
    let caller = bench.get_many(names(3));
    for gate in &gates {
        settle().await;
        bench.clock.advance(seconds(4));
        gate.release();
    }
    assert_eq!(shown(&caller.await.unwrap()), ["k0", "k1", "k2"]);
}

/// A store that finds at its first batch that it may not be asked so.
#[derive(Debug, Default)]
struct Narrowing {
    is_narrow: AtomicBool,
    asked: Mutex<Vec<usize>>,
}

#[async_trait]
impl SecretResolution for Narrowing {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.asked.lock().unwrap().push(1);
        Ok(name.as_str().into())
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.asked.lock().unwrap().push(names.len());
        self.is_narrow.store(true, Ordering::SeqCst);
        names.iter().map(|_| Err(Error::unsupported("be asked for several secrets in one call"))).collect()
    }
}

impl SecretStoreConnector for Narrowing {
    fn connector_id(&self) -> &'static str {
        "test.narrowing.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batch = if self.is_narrow.load(Ordering::SeqCst) { 1 } else { 10 };
        capabilities
    }
}

#[tokio::test]
async fn batches_that_have_not_begun_follow_what_the_store_has_found() {
    let inner = Arc::new(Narrowing::default());
    let policy = ResolutionPolicy { max_in_flight: 1, ..at_once() };
    let store = Arc::clone(&inner) as Arc<dyn SecretStoreConnector>;
    let store = GuardedStore::new(store, "prod", &policy, Arc::new(ManualClock::new()), Observer::new());
    let answers = store.get_many(&names(25)).await;
    assert_eq!(shown(&answers), names(25).iter().map(SecretName::to_string).collect::<Vec<_>>());
    let asked = inner.asked.lock().unwrap().clone();
    assert_eq!(asked, [&[10][..], &[1; 25]].concat());
}

#[tokio::test]
async fn nothing_is_asked_for_no_names() {
    let bench = bench_of(10, &at_once());
    let (read, set) = (bench.store.get_many(&[]).await, bench.store.set_many(&[]).await);
    assert_eq!((read.len(), set.len(), bench.store.exchange(&[]).await.len()), (0, 0, 0));
    assert_eq!(bench.faulty.total(), 0);
}

#[tokio::test]
async fn what_a_store_itself_holds_is_asked_for_like_any_read() {
    let bench = bench_of(2, &at_once());
    bench.faulty.rule(Rule::on(Call::GetMany).times(1).fail(ErrorKind::Unavailable));
    let stored = bench.store.stored(&names(3)).await;
    assert_eq!(shown(&stored), ["k0", "k1", "k2"]);
    assert_eq!(bench.faulty.calls(Call::GetMany), 3);
}
