//! How a store's values are cached and refreshed: the parameters `secret-store.resolution.*`.

use std::time::Duration;

use crate::setting::{Setting, SettingKind, Settings};

/// The parameters of resolution, with the defaults of the contract.
///
/// ```
/// use std::time::Duration;
/// use modelmesh_secrets::ResolutionPolicy;
///
/// let policy = ResolutionPolicy { cache_ttl: Duration::from_secs(60), ..ResolutionPolicy::default() };
/// assert!(policy.fail_on_missing);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ResolutionPolicy {
    /// Keep resolved values in memory.
    pub cache_enabled: bool,
    /// How long a value is served without asking again: an upper bound, which jitter and the value's own
    /// expiry shorten.
    pub cache_ttl: Duration,
    /// Re-resolve a provider's references when it is activated.
    pub reload_on_rotation: bool,
    /// Fail initialization if a reference is not found.
    pub fail_on_missing: bool,
    /// The share of the TTL by which expiry is spread; only ever earlier.
    pub ttl_jitter: f64,
    /// The share of the TTL after which a value that was used is refreshed in the background.
    pub refresh_ahead: f64,
    /// How long past its last validation a value is served while the store cannot answer.
    pub max_stale: Duration,
    /// How long an authoritative 'not found' is remembered.
    pub negative_ttl: Duration,
    /// The time of one fetch with all its retries.
    pub fetch_timeout: Duration,
    /// The time of the whole initialization.
    pub init_timeout: Duration,
    /// What a store that is down at the start means.
    pub on_init_outage: OnInitOutage,
    /// Retries of one fetch.
    pub retry: Retry,
    /// When a store that fails is left alone.
    pub breaker: Breaker,
    /// Concurrent calls per store.
    pub max_in_flight: usize,
    /// Forced refreshes of one name and version within this time are one.
    pub min_refresh_interval: Duration,
    /// How long the version before stays usable after a rotation.
    pub previous_retain: Duration,
    /// The most entries the cache holds, negative ones included.
    pub max_entries: usize,
}

/// What a store that is down at the start means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnInitOutage {
    /// Initialization fails.
    #[default]
    Fail,
    /// Providers whose store is down stay inactive and are tried again; the others start.
    Degraded,
}

/// Retries of one fetch: full jitter between `base` and `max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a call is made at the most, the first included.
    pub tries: u32,
    /// The first pause's upper bound; each further one doubles.
    pub base: Duration,
    /// The longest pause.
    pub max: Duration,
}

/// When a store that fails is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// How long it stays open before one probe is let through.
    pub open: Duration,
}

impl Default for ResolutionPolicy {
    fn default() -> Self {
        ResolutionPolicy {
            cache_enabled: true,
            cache_ttl: Duration::from_mins(5),
            reload_on_rotation: true,
            fail_on_missing: true,
            ttl_jitter: 0.1,
            refresh_ahead: 0.8,
            max_stale: Duration::from_hours(2),
            negative_ttl: Duration::from_secs(10),
            fetch_timeout: Duration::from_secs(5),
            init_timeout: Duration::from_secs(30),
            on_init_outage: OnInitOutage::Fail,
            retry: Retry { tries: 3, base: Duration::from_millis(100), max: Duration::from_secs(2) },
            breaker: Breaker { failures: 5, open: Duration::from_secs(10) },
            max_in_flight: 8,
            min_refresh_interval: Duration::from_secs(5),
            previous_retain: Duration::from_mins(5),
            max_entries: 100_000,
        }
    }
}

impl ResolutionPolicy {
    /// This policy with what `settings` (of [`RESOLUTION_SETTINGS`]) says otherwise.
    pub fn with_settings(mut self, settings: &Settings) -> Self {
        macro_rules! take {
            ($($field:ident: $getter:ident;)*) => {
                $(if let Some(value) = settings.$getter(stringify!($field)) { self.$field = value; })*
            };
        }
        take! {
            cache_enabled: boolean;
            cache_ttl: duration;
            reload_on_rotation: boolean;
            fail_on_missing: boolean;
            ttl_jitter: ratio;
            refresh_ahead: ratio;
            max_stale: duration;
            negative_ttl: duration;
            fetch_timeout: duration;
            init_timeout: duration;
            min_refresh_interval: duration;
            previous_retain: duration;
        }
        if let Some(milliseconds) = settings.integer("cache_ttl_ms") {
            self.cache_ttl = Duration::from_millis(milliseconds);
        }
        if let Some(word) = settings.text("on_init_outage") {
            self.on_init_outage =
                if word == "degraded" { OnInitOutage::Degraded } else { OnInitOutage::Fail };
        }
        if let Some(count) = settings.integer("max_in_flight") {
            self.max_in_flight = usize::try_from(count).unwrap_or(usize::MAX);
        }
        if let Some(count) = settings.integer("max_entries") {
            self.max_entries = usize::try_from(count).unwrap_or(usize::MAX);
        }
        if let Some(retry) = settings.group("retry") {
            if let Some(tries) = retry.integer("tries") {
                self.retry.tries = u32::try_from(tries).unwrap_or(u32::MAX);
            }
            self.retry.base = retry.duration("base").unwrap_or(self.retry.base);
            self.retry.max = retry.duration("max").unwrap_or(self.retry.max);
        }
        if let Some(breaker) = settings.group("breaker") {
            if let Some(failures) = breaker.integer("failures") {
                self.breaker.failures = u32::try_from(failures).unwrap_or(u32::MAX);
            }
            self.breaker.open = breaker.duration("open").unwrap_or(self.breaker.open);
        }
        self
    }
}

const COUNT: SettingKind = SettingKind::Integer(1, u32::MAX as u64);

/// The keys under `resolution:`, which may also stand flat beside the store's own.
pub const RESOLUTION_SETTINGS: &[Setting] = &[
    Setting::new("cache_enabled", SettingKind::Boolean, "keep resolved values in memory")
        .with_default("true"),
    Setting::new(
        "cache_ttl",
        SettingKind::Duration,
        "how long a value is served without asking again; an upper bound",
    )
    .with_default("300s"),
    Setting::new(
        "cache_ttl_ms",
        SettingKind::Integer(0, u64::MAX),
        "the same in milliseconds, as earlier packages wrote it",
    ),
    Setting::new(
        "reload_on_rotation",
        SettingKind::Boolean,
        "re-resolve a provider's references when it is activated",
    )
    .with_default("true"),
    Setting::new("fail_on_missing", SettingKind::Boolean, "fail if a reference is not found; all are listed")
        .with_default("true"),
    Setting::new(
        "ttl_jitter",
        SettingKind::Ratio,
        "the share of the TTL by which expiry is spread, only earlier",
    )
    .with_default("0.1"),
    Setting::new(
        "refresh_ahead",
        SettingKind::Ratio,
        "the share of the TTL after which a used value is refreshed in the background",
    )
    .with_default("0.8"),
    Setting::new(
        "max_stale",
        SettingKind::Duration,
        "how long past its last validation a value is served while the store cannot answer",
    )
    .with_default("2h"),
    Setting::new(
        "negative_ttl",
        SettingKind::Duration,
        "how long an authoritative 'not found' is remembered",
    )
    .with_default("10s"),
    Setting::new("fetch_timeout", SettingKind::Duration, "the time of one fetch with all its retries")
        .with_default("5s"),
    Setting::new("init_timeout", SettingKind::Duration, "the time of the whole initialization")
        .with_default("30s"),
    Setting::new(
        "on_init_outage",
        SettingKind::Choice(&["fail", "degraded"]),
        "whether a store that is down at the start fails it, or leaves its providers inactive",
    )
    .with_default("fail"),
    Setting::new(
        "retry",
        SettingKind::Group(&[
            Setting::new("tries", COUNT, "calls at the most, the first included").with_default("3"),
            Setting::new("base", SettingKind::Duration, "the first pause's upper bound")
                .with_default("100ms"),
            Setting::new("max", SettingKind::Duration, "the longest pause").with_default("2s"),
        ]),
        "retries of one fetch",
    ),
    Setting::new(
        "breaker",
        SettingKind::Group(&[
            Setting::new("failures", COUNT, "failures in a row that open the breaker").with_default("5"),
            Setting::new("open", SettingKind::Duration, "how long it stays open").with_default("10s"),
        ]),
        "when a store that fails is left alone",
    ),
    Setting::new("max_in_flight", COUNT, "concurrent calls per store").with_default("8"),
    Setting::new(
        "min_refresh_interval",
        SettingKind::Duration,
        "forced refreshes of one name within this time are one",
    )
    .with_default("5s"),
    Setting::new(
        "previous_retain",
        SettingKind::Duration,
        "how long the version before stays usable after a rotation",
    )
    .with_default("300s"),
    Setting::new("max_entries", COUNT, "the most entries the cache holds").with_default("100000"),
];
