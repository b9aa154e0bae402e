//! How long to wait before a store is asked again.

use std::time::Duration;

use crate::{Retry, duration::share};

/// The pause after `failed` calls: full jitter, for callers that failed together must not come back together.
///
/// `draw` is a number from 0 to 1. A store that says how long it wants to be left alone is obeyed.
pub(super) fn pause(retry: &Retry, failed: u32, retry_after: Option<Duration>, draw: f64) -> Duration {
    let doubled = retry.base.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1)));
    share(doubled.min(retry.max), draw).max(retry_after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn retry() -> Retry {
        Retry { tries: 10, base: milliseconds(100), max: milliseconds(2_000) }
    }

    #[test]
    fn the_upper_bound_doubles_up_to_the_longest_pause() {
        for (failed, longest) in [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (u32::MAX, 2_000)] {
            assert_eq!(pause(&retry(), failed, None, 1.0), milliseconds(longest), "after {failed}");
        }
    }

    #[test]
    fn the_whole_range_down_to_nothing_is_drawn_from() {
        assert_eq!(pause(&retry(), 3, None, 0.0), Duration::ZERO);
        assert_eq!(pause(&retry(), 3, None, 0.25), milliseconds(100));
    }

    #[test]
    fn a_retry_after_is_the_least() {
        assert_eq!(pause(&retry(), 1, Some(milliseconds(700)), 0.5), milliseconds(700));
        assert_eq!(pause(&retry(), 6, Some(milliseconds(700)), 0.5), milliseconds(1_000));
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let retry = Retry { tries: 2, base: Duration::MAX, max: Duration::MAX };
        assert_eq!(pause(&retry, u32::MAX, None, 1.0), Duration::MAX);
    }
}
