//! The metrics, by store and outcome. No label is a secret's name.

use super::CallRecord;

pub(super) fn call_ended(_call: &CallRecord<'_>) {}

/// How many entries stand where.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) fresh: usize,
    pub(crate) stale: usize,
    pub(crate) lapsed: usize,
    pub(crate) negative: usize,
    pub(crate) oldest: std::time::Duration,
}

pub(crate) fn entries(_store: &str, _census: &Census) {}
