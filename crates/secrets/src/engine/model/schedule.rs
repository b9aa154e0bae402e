//! What may happen, at random.

use std::time::Duration;

use proptest::{prelude::*, sample::select};

use crate::{ErrorKind, ResolutionPolicy};

/// One thing that happens. Names and flights are numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Time passes, and each timer rings when it is due.
    Advance(Duration),
    /// Time passes at once, as when a machine wakes.
    Leap(Duration),
    /// Time passes, and the timers are late.
    Late(Duration),
    Read(usize),
    Force(usize),
    Land(usize, Outcome),
    Refuse(usize, Which),
    Pin(usize),
    Unpin(usize),
    /// A write begins, or ends.
    Write(usize, End),
    Forget(usize),
    Clear,
    LookAnew,
}

/// What a store answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Same,
    New,
    /// The version before.
    Lower,
    /// A new value that comes to its own end after this many seconds.
    Ends(u64),
    Fails(ErrorKind, Option<u64>),
}

/// Which version was refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Current,
    Before,
    Served,
}

/// How a write ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Written,
    Deleted,
    Unknown,
}

/// What a table goes by, and what its store is like.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) policy: ResolutionPolicy,
    pub(super) batch: usize,
    pub(super) is_ordered: bool,
    pub(super) has_versions: bool,
}

fn seconds(choice: &'static [u64]) -> impl Strategy<Value = Duration> {
    select(choice).prop_map(Duration::from_secs)
}

pub(super) fn setting() -> impl Strategy<Value = Setting> {
    let times = (
        seconds(&[300, 300, 60, 1, 0]),
        seconds(&[7200, 600, 30, 0]),
        seconds(&[10, 10, 0]),
        seconds(&[5, 5, 0]),
        seconds(&[300, 300, 20, 0]),
    );
    let shares = (select(vec![0.1, 0.0, 0.5, 1.0]), select(vec![0.8, 0.5, 0.0, 1.0]));
    let counts = (select(vec![100, 100, 2, 1]), select(vec![8, 1, 2]), select(vec![1, 2, 4]));
    let flags = (proptest::bool::weighted(0.9), any::<bool>(), any::<bool>());
    (times, shares, counts, flags).prop_map(|(times, shares, counts, flags)| Setting {
        policy: ResolutionPolicy {
            cache_enabled: flags.0,
            cache_ttl: times.0,
            max_stale: times.1,
            negative_ttl: times.2,
            min_refresh_interval: times.3,
            previous_retain: times.4,
            ttl_jitter: shares.0,
            refresh_ahead: shares.1,
            max_entries: counts.0,
            max_in_flight: counts.1,
            ..ResolutionPolicy::default()
        },
        batch: counts.2,
        is_ordered: flags.1,
        has_versions: flags.2,
    })
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => (0_u64..2_000).prop_map(Duration::from_millis),
        3 => (0_u64..60).prop_map(Duration::from_secs),
        3 => (0_u64..600).prop_map(Duration::from_secs),
        1 => (0_u64..9_000).prop_map(Duration::from_secs),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let retry_after = prop_oneof![3 => Just(None), 1 => (0_u64..100).prop_map(Some)];
    prop_oneof![
        4 => Just(Outcome::Same),
        4 => Just(Outcome::New),
        1 => Just(Outcome::Lower),
        1 => select(vec![0, 1, 20, 200, 2_000]).prop_map(Outcome::Ends),
        4 => (select(&ErrorKind::ALL[..]), retry_after.clone())
            .prop_map(|(kind, after)| Outcome::Fails(kind, after)),
        2 => (Just(ErrorKind::Denied), retry_after).prop_map(|(kind, after)| Outcome::Fails(kind, after)),
    ]
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    // The first name is used more than the others, so that much happens to one.
    let key = || prop_oneof![4 => Just(0_usize), 3 => 0_usize..5];
    let end = select(vec![End::Written, End::Written, End::Deleted, End::Unknown]);
    let which = select(vec![Which::Current, Which::Current, Which::Before, Which::Served]);
    prop_oneof![
        8 => time().prop_map(Op::Advance),
        1 => time().prop_map(Op::Leap),
        1 => time().prop_map(Op::Late),
        8 => key().prop_map(Op::Read),
        1 => key().prop_map(Op::Force),
        10 => (any::<usize>(), outcome()).prop_map(|(at, outcome)| Op::Land(at, outcome)),
        3 => (key(), which).prop_map(|(key, which)| Op::Refuse(key, which)),
        2 => key().prop_map(Op::Pin),
        1 => key().prop_map(Op::Unpin),
        1 => (key(), end).prop_map(|(key, end)| Op::Write(key, end)),
        1 => key().prop_map(Op::Forget),
        1 => prop_oneof![1 => Just(Op::Clear), 3 => Just(Op::LookAnew)],
    ]
}
