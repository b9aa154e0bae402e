//! `modelmesh explain`: what would be asked of which store, in how many calls, and what that costs.
//!
//! The file alone is read. No store is opened, and no credential is needed: it works on a change that one does
//! not trust, as `check --offline` does.

mod forecast;
mod told;

use std::collections::HashMap;

use modelmesh_secrets::{
    config::{Configuration, DEFAULT_STORE, Report, StoreEntry},
    document::NodeId,
    plan::{Plan, PlannedDocument, StorePlan},
    reference::{Field, Reference},
};
use serde::Serialize;

use self::forecast::{Asked, Totals};
use super::{check::ended, examination::Examination};
use crate::{args::Global, context::Context, failure::Result, output::Described, output::Output};

/// What `--json` prints. With `ok: false` there are problems, and no plan.
#[derive(Serialize, Default)]
struct Explained<'a> {
    ok: bool,
    file: &'a str,
    references: usize,
    documents: usize,
    /// Every store that is asked, by name.
    stores: Vec<Store<'a>>,
    /// Every store that is opened, those first whose secrets or stores the others need.
    opened: Vec<Opened<'a>>,
    totals: Totals<'a>,
    problems: Vec<Described<'a>>,
}

/// A store to which references go.
#[derive(Serialize)]
struct Store<'a> {
    name: &'a str,
    #[serde(skip)]
    backing: String,
    #[serde(skip)]
    is_chain: bool,
    references: usize,
    /// Who is asked: the store itself, or each link of a chain for what those before it do not have.
    asked: Vec<Asked<'a>>,
    documents: Vec<Document<'a>>,
}

/// What one question yields, and where it is used.
#[derive(Serialize)]
struct Document<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_version: Option<String>,
    uses: Vec<Use<'a>>,
}

/// A place in the configuration.
#[derive(Serialize, Clone)]
struct Use<'a> {
    path: String,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The entry under `providers:` that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

/// A store that is opened, and what its settings need before.
#[derive(Serialize)]
struct Opened<'a> {
    name: &'a str,
    needs: Vec<&'a str>,
    /// The secrets in its settings.
    reads: Vec<Read<'a>>,
    calls: usize,
}

#[derive(Serialize)]
struct Read<'a> {
    store: &'a str,
    name: &'a str,
}

pub(super) fn run(global: &Global, output: &mut Output) -> Result<()> {
    let context = match Context::load_for_references(global) {
        Ok(context) => context,
        // Even a file that cannot be parsed has its problems listed like all others.
        Err(failure) => {
            return match failure.report() {
                Some(report) if output.is_json() => refused(report, output),
                _ => Err(failure),
            };
        }
    };
    let configuration = context.require_file()?;
    let report = Examination::offline(&context).report;
    if report.has_errors() {
        return if output.is_json() { refused(&report, output) } else { Err(Box::new(report).into()) };
    }
    let plan = Plan::of(configuration.usage().references());
    let explained = explain(configuration, &plan, &report);
    if output.is_json() {
        return output.json(&explained);
    }
    output.report(&report);
    told::tell(&explained, output)
}

/// Where anything is wrong there is no plan: what is wrong may be what would be asked.
fn refused(report: &Report, output: &mut Output) -> Result<()> {
    let file = report.source().map_or("", |source| source.name());
    output.json(&Explained { file, problems: Described::report(report), ..Explained::default() })?;
    ended(report)
}

fn explain<'a>(configuration: &'a Configuration, plan: &'a Plan<'a>, report: &'a Report) -> Explained<'a> {
    let uses = uses(configuration);
    let mut stores: Vec<Store<'_>> = plan
        .stores()
        .iter()
        .filter_map(|plan| Some(store(configuration, configuration.store(plan.store())?, plan, &uses)))
        .collect();
    stores.sort_by_key(|store| store.name);
    let opened = opened(configuration, stores.iter().map(|store| store.name));
    Explained {
        ok: true,
        file: report.source().map_or("", |source| source.name()),
        references: configuration.usage().references().len(),
        documents: stores.iter().map(|store| store.documents.len()).sum(),
        totals: Totals::of(&stores, &opened),
        stores,
        opened,
        problems: Described::report(report),
    }
}

fn store<'a>(
    configuration: &'a Configuration,
    entry: &'a StoreEntry,
    plan: &'a StorePlan<'a>,
    uses: &[Vec<Use<'a>>],
) -> Store<'a> {
    let document = |planned: PlannedDocument<'_>| {
        let mut uses: Vec<Use<'_>> = planned.references().flat_map(|at| uses[at].iter().cloned()).collect();
        uses.sort_by_key(|place| (place.line, place.column));
        Document {
            name: planned.name.as_str().to_owned(),
            secret_version: planned.version.map(ToString::to_string),
            uses,
        }
    };
    Store {
        name: &entry.name,
        backing: super::check::backing(&entry.backing),
        is_chain: entry.connector().is_none(),
        references: plan.references(),
        asked: forecast::asked(configuration, entry, plan),
        documents: plan.documents().map(document).collect(),
    }
}

/// The places of each reference, in the order of the references.
fn uses(configuration: &Configuration) -> Vec<Vec<Use<'_>>> {
    let references = configuration.usage().references();
    let providers: HashMap<NodeId, &str> =
        configuration.providers().iter().map(|provider| (provider.node, provider.id.as_str())).collect();
    let parent = |node: &NodeId| configuration.document()?.parent(*node);
    let mut uses = vec![Vec::new(); references.len()];
    for (at, node, span) in configuration.usage().uses() {
        let Some(place) = configuration.place_of(node, span) else { continue };
        uses[at].push(Use {
            path: place.path,
            line: place.position.line,
            column: place.position.column,
            field: references[at].field.as_ref().map(Field::as_str),
            provider: std::iter::successors(Some(node), parent)
                .find_map(|node| providers.get(&node).copied()),
        });
    }
    uses
}

/// The stores that `asked` come to, each after those it needs.
fn opened<'a>(configuration: &'a Configuration, asked: impl Iterator<Item = &'a str>) -> Vec<Opened<'a>> {
    let mut opened = Vec::new();
    for name in asked {
        open(configuration, name, &mut opened);
    }
    opened
}

/// Loops are mistakes of the file, and there is no plan of a file with mistakes.
fn open<'a>(configuration: &'a Configuration, name: &str, opened: &mut Vec<Opened<'a>>) {
    let Some(entry) = configuration.store(name) else { return };
    if opened.iter().any(|known| known.name == name) {
        return;
    }
    let needs: Vec<&str> = entry.needs().into_iter().collect();
    for need in &needs {
        open(configuration, need, opened);
    }
    let read = |reference: &'a Reference| Read {
        store: reference.store.as_deref().unwrap_or(DEFAULT_STORE),
        name: reference.name.as_str(),
    };
    opened.push(Opened {
        name: &entry.name,
        needs,
        reads: entry.references().map(read).collect(),
        calls: forecast::calls_to_open(configuration, entry),
    });
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{
        document::Format,
        setting::{ConnectorSpec, Price},
    };
    use serde_json::json;

    use super::*;

    /// A store whose vendor charges for calls, and one beside it that takes nothing.
    const CATALOGUE: &[ConnectorSpec] = &[
        ConnectorSpec::new("modelmesh.env.v1", "").uncached(),
        ConnectorSpec::new("test.priced.v1", "").with_batch(20).with_price(Price::new(
            5,
            "https://example.com/pricing",
            "2026-11-01",
        )),
    ];

    fn explained(text: &str, output: &mut Output) {
        let configuration = Configuration::parse("m.yaml", "".into(), text, Format::Yaml, CATALOGUE).unwrap();
        configuration.require_valid().unwrap();
        let report = configuration.report(Vec::new());
        let plan = Plan::of(configuration.usage().references());
        let explained = explain(&configuration, &plan, &report);
        if output.is_json() { output.json(&explained) } else { told::tell(&explained, output) }.unwrap();
    }

    fn told(text: &str) -> String {
        let mut output = Output::memory(false);
        explained(text, &mut output);
        output.printed().0
    }

    fn json(text: &str) -> serde_json::Value {
        let mut output = Output::memory(true);
        explained(text, &mut output);
        serde_json::from_str(&output.printed().0).unwrap()
    }

    #[test]
    fn what_a_vendor_charges_is_told_with_its_price_list() {
        let text = told("secrets: { store: test.priced.v1 }\na: ['${secrets:x}', '${secrets:y}']\n");
        let own = "  a month       at most 22,737 calls, 0.12 USD (list price of 2026-11-01: https://example.com/pricing)\n";
        assert!(text.contains(own), "{text}");
        assert!(
            text.contains(
                "Together\n  at the start  at most 1 call\n  a month       at most 22,737 calls, 0.12 USD\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn where_nothing_is_kept_the_price_is_that_of_a_million_calls() {
        let text = told("secrets: { store: test.priced.v1, cache_enabled: false }\na: '${secrets:x}'\n");
        assert!(
            text.contains("  a month       one call for each read, 5.00 USD for a million (list price"),
            "{text}"
        );
    }

    #[test]
    fn every_link_of_a_chain_may_be_asked_whenever_the_chain_is() {
        let configuration = "\
secrets:
  stores:
    near: { store: test.priced.v1, cache_ttl: 1h }
    far: { store: test.priced.v1 }
    ha: { chain: [near, inner], cache_ttl: 10m }
    inner: { chain: [far] }
a: '${secrets.ha:x}'
";
        let json = json(configuration);
        let asked: Vec<_> = json["stores"][0]["asked"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asked| json!([asked["store"], asked["calls_a_month"], asked["micro_usd_a_month"]]))
            .collect();
        assert_eq!(asked, [json!(["near", 5_685, 28_425]), json!(["far", 5_685, 28_425])]);
        assert_eq!(json["totals"]["micro_usd_a_month"], 2 * 28_425);
        let opened: Vec<_> =
            json["opened"].as_array().unwrap().iter().map(|store| store["name"].as_str().unwrap()).collect();
        assert_eq!(opened, ["far", "inner", "near", "ha"]);
    }

    #[test]
    fn names_go_in_batches() {
        let references: Vec<String> = (0..41).map(|at| format!("'${{secrets:k{at}}}'")).collect();
        let text = format!("secrets: {{ store: test.priced.v1 }}\na: [{}]\n", references.join(", "));
        assert!(told(&text).contains("  at the start  3 calls for 41 documents, up to 20 names a call\n"));
    }
}
