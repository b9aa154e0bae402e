//! A short input made long: what a reader that is not linear takes too long for.

use std::time::{Duration, Instant};

/// A quadratic reader of a text this long takes minutes, a linear one some milliseconds.
const LENGTH: usize = 256 << 10;

/// Far above what a linear reader needs on a very busy machine in a debug build, below what a quadratic one takes alone.
const PATIENCE: Duration = Duration::from_mins(1);

/// Parts a head and a tail from the unit between them that is repeated.
const SEPARATOR: char = '\u{1E}';

/// Stands for the number of the repetition, so that keys can differ.
const COUNTER: char = '\u{1F}';

/// The text that `input`, `unit` or `head ␞ unit ␞ tail`, is short for; none if the unit is not short.
pub(crate) fn repeated(input: &str) -> Option<String> {
    let mut parts = input.splitn(3, SEPARATOR);
    let (head, unit, tail) = match (parts.next()?, parts.next(), parts.next()) {
        (unit, None, _) => ("", unit, ""),
        (head, Some(unit), tail) => (head, unit, tail.unwrap_or_default()),
    };
    if !(1..=64).contains(&unit.len()) {
        return None;
    }
    let times = LENGTH / unit.len();
    let middle: String = if unit.contains(COUNTER) {
        (0..times / 8).map(|at| unit.replace(COUNTER, &at.to_string())).collect()
    } else {
        unit.repeat(times)
    };
    Some(format!("{head}{middle}{tail}"))
}

/// Runs `read`, and panics if it took as long as no linear reader does.
#[track_caller]
pub(crate) fn in_linear_time<T>(read: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let read = read();
    assert!(start.elapsed() < PATIENCE, "not linear: {:?}", start.elapsed());
    read
}
