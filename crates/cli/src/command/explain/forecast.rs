//! How many calls a plan comes to, at the start and in a month, and what the vendor charges for them.

use std::collections::BTreeSet;

use modelmesh_secrets::{
    ResolutionPolicy,
    config::{Backing, Configuration, StoreEntry},
    duration,
    plan::{Plan, StorePlan, calls_a_month},
    reference::Reference,
    setting::{ConnectorSpec, Price, WHOLE_STORE},
};
use serde::Serialize;

use super::{Opened, Store};

/// A backend that is asked, and how often. Every number is the most that can be, as long as no call fails.
#[derive(Serialize)]
pub(super) struct Asked<'a> {
    pub(super) store: &'a str,
    pub(super) connector: &'static str,
    /// How many names a call can fetch; none if one call reads everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<usize>,
    pub(super) calls_at_start: usize,
    pub(super) cached: bool,
    pub(super) resolution: Resolution,
    /// None if nothing is kept: then there is a call for each read.
    pub(super) calls_a_month: Option<u64>,
    #[serde(flatten)]
    pub(super) cost: Option<Cost>,
}

/// The resolution parameters from which the calls follow, as the configuration writes them.
#[derive(Serialize)]
pub(super) struct Resolution {
    pub(super) cache_ttl: String,
    pub(super) ttl_jitter: f64,
    pub(super) refresh_ahead: f64,
    pub(super) negative_ttl: String,
    pub(super) max_stale: String,
    pub(super) max_in_flight: usize,
}

/// What a vendor charges. Money is in millionths of a US dollar.
#[derive(Serialize)]
pub(super) struct Cost {
    pub(super) micro_usd_a_call: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) micro_usd_a_month: Option<u64>,
    pub(super) price_source: &'static str,
    pub(super) price_as_of: &'static str,
}

/// All stores together.
#[derive(Serialize, Default)]
pub(super) struct Totals<'a> {
    /// With the calls for the settings of stores.
    pub(super) calls_at_start: usize,
    /// Of the stores whose values are kept.
    pub(super) calls_a_month: u64,
    /// The other stores.
    pub(super) call_for_each_read: BTreeSet<&'a str>,
    /// Of the stores whose vendor charges for calls; none if there is no such store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) micro_usd_a_month: Option<u64>,
}

/// Who is asked when `entry` is: itself, or its links in turn.
pub(super) fn asked<'a>(
    configuration: &'a Configuration,
    entry: &'a StoreEntry,
    plan: &StorePlan<'_>,
) -> Vec<Asked<'a>> {
    let mut backends = Vec::new();
    collect_backends(configuration, entry, &mut backends);
    // A chain keeps what its links answer, and each of them is asked whenever the chain is.
    let is_kept = entry.policy.cache_enabled && entry.connector().is_none_or(|spec| spec.cached);
    backends.iter().map(|(link, spec)| ask(link, spec, plan, &entry.policy, is_kept)).collect()
}

/// The stores with a connector behind `entry`, in the order in which a chain asks them.
fn collect_backends<'a>(
    configuration: &'a Configuration,
    entry: &'a StoreEntry,
    found: &mut Vec<(&'a StoreEntry, &'a ConnectorSpec)>,
) {
    match &entry.backing {
        Backing::Connector(spec) => found.push((entry, spec)),
        Backing::Chain(links) => {
            for link in links.iter().filter_map(|link| configuration.store(link)) {
                collect_backends(configuration, link, found);
            }
        }
        _ => {}
    }
}

/// `policy` is of the store that keeps what `entry` answers.
fn ask<'a>(
    entry: &'a StoreEntry,
    spec: &ConnectorSpec,
    plan: &StorePlan<'_>,
    policy: &ResolutionPolicy,
    cached: bool,
) -> Asked<'a> {
    let calls_a_month = if cached { calls_a_month(plan.documents().len(), policy) } else { None };
    Asked {
        store: &entry.name,
        connector: spec.id,
        batch: (spec.batch != WHOLE_STORE).then_some(spec.batch),
        calls_at_start: plan.calls(spec.batch),
        cached,
        resolution: Resolution {
            cache_ttl: duration::format(policy.cache_ttl),
            ttl_jitter: policy.ttl_jitter,
            refresh_ahead: policy.refresh_ahead,
            negative_ttl: duration::format(policy.negative_ttl),
            max_stale: duration::format(policy.max_stale),
            max_in_flight: entry.policy.max_in_flight,
        },
        calls_a_month,
        cost: spec.price.map(|price| Cost::of(price, calls_a_month)),
    }
}

/// The calls for the secrets in a store's own settings.
pub(super) fn calls_to_open(configuration: &Configuration, entry: &StoreEntry) -> usize {
    let references: Vec<Reference> = entry.references().cloned().collect();
    let plan = Plan::of(&references);
    let stores = plan.stores().iter().filter_map(|plan| Some((configuration.store(plan.store())?, plan)));
    stores.flat_map(|(entry, plan)| asked(configuration, entry, plan)).map(|asked| asked.calls_at_start).sum()
}

impl Cost {
    fn of(price: Price, calls_a_month: Option<u64>) -> Self {
        Cost {
            micro_usd_a_call: price.micro_usd_a_call,
            micro_usd_a_month: calls_a_month.map(|calls| price.of(calls)),
            price_source: price.source,
            price_as_of: price.as_of,
        }
    }
}

impl<'a> Totals<'a> {
    pub(super) fn of(stores: &[Store<'a>], opened: &[Opened<'_>]) -> Self {
        let mut totals =
            Totals { calls_at_start: opened.iter().map(|store| store.calls).sum(), ..Totals::default() };
        for asked in stores.iter().flat_map(|store| &store.asked) {
            totals.calls_at_start += asked.calls_at_start;
            match asked.calls_a_month {
                Some(calls) => totals.calls_a_month = totals.calls_a_month.saturating_add(calls),
                None => _ = totals.call_for_each_read.insert(asked.store),
            }
            if let Some(cost) = asked.cost.as_ref().and_then(|cost| cost.micro_usd_a_month) {
                totals.micro_usd_a_month = Some(totals.micro_usd_a_month.unwrap_or(0).saturating_add(cost));
            }
        }
        totals
    }
}
