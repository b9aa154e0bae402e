//! The documentation is held to the code: its examples are read, and it names every setting there is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use modelmesh_secrets::{
    RESOLUTION_SETTINGS,
    config::{Configuration, json_schema},
    document::Format,
    setting::{COMMON_SETTINGS, NETWORK_SETTINGS, SECTION_SETTINGS, Setting},
};
use modelmesh_stores::registry;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page under `docs/`, by its path in the repository.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["docs", "docs/stores"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()));
            }
        }
    }
    pages
}

/// The blocks of a page in this language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("\n```{language}\n");
    let starts = page.match_indices(&fence).map(|(at, _)| at + fence.len());
    starts.map(|start| page[start..].split("\n```").next().unwrap_or_default()).collect()
}

fn problems(name: &str, text: &str, format: Format) -> Vec<String> {
    let catalogue = registry::catalogue();
    match Configuration::parse(name, repository(), text, format, &catalogue) {
        Err(report) => vec![report.to_string()],
        Ok(read) if read.problems().is_empty() => Vec::new(),
        Ok(read) => vec![read.report(read.problems().to_vec()).to_string()],
    }
}

#[test]
fn the_schema_that_is_shipped_is_made_from_the_tables() {
    let made = serde_json::to_string_pretty(&json_schema(&registry::catalogue())).unwrap();
    let shipped = read("docs/modelmesh.schema.json");
    assert!(
        shipped.trim_end() == made,
        "docs/modelmesh.schema.json is out of date: run 'cargo xtask schema'"
    );
}

#[test]
fn every_configuration_in_the_documentation_is_valid() {
    let mut count = 0;
    let mut found = Vec::new();
    for page in pages() {
        let text = read(&page);
        for (language, format) in [("yaml", Format::Yaml), ("toml", Format::Toml)] {
            for block in blocks(&text, language) {
                count += 1;
                found.extend(problems(&page, block, format));
            }
        }
    }
    let example = "examples/quickstart/modelmesh.yaml";
    found.extend(problems(example, &read(example), Format::Yaml));
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(count > 10, "only {count} configurations were found");
}

/// What of these settings a page does not name in code font.
fn missing(page: &str, settings: &[Setting]) -> Vec<String> {
    let names = settings.iter().flat_map(|setting| std::iter::once(&setting.key).chain(setting.aliases));
    // A default in parentheses is described in words.
    let defaults = settings
        .iter()
        .filter_map(|setting| setting.default.as_ref())
        .filter(|default| !default.starts_with('('));
    names.chain(defaults).map(|text| format!("`{text}`")).filter(|text| !page.contains(text)).collect()
}

#[test]
fn every_setting_of_a_store_is_on_its_page() {
    for spec in registry::catalogue() {
        let name = spec.id.trim_start_matches("modelmesh.").trim_end_matches(".v1");
        let page = read(&format!("docs/stores/{name}.md"));
        assert!(page.starts_with(&format!("# {}: ", spec.id)), "{name}.md starts with its ID");
        assert_eq!(missing(&page, spec.settings), [""; 0], "{name}.md");
    }
}

#[test]
fn the_page_on_configuration_knows_every_store_and_every_parameter() {
    let page = read("docs/configuration.md");
    assert_eq!(missing(&page, COMMON_SETTINGS), [""; 0]);
    assert_eq!(missing(&page, NETWORK_SETTINGS), [""; 0]);
    assert_eq!(missing(&page, SECTION_SETTINGS), [""; 0]);
    assert_eq!(missing(&page, RESOLUTION_SETTINGS), [""; 0]);
    for spec in registry::catalogue() {
        assert!(page.contains(&format!("`{}`", spec.id)), "{}", spec.id);
    }
}

#[test]
fn the_page_on_observability_knows_every_metric() {
    use modelmesh_secrets::observe::metrics::*;
    let page = read("docs/observability.md");
    for name in [
        CALLS_TOTAL,
        CALL_SECONDS,
        EVENTS_TOTAL,
        PROVIDER_EVENTS_TOTAL,
        STALE_TOTAL,
        ROTATION_LAG_SECONDS,
        ENTRIES,
        OLDEST_SECONDS,
        BREAKER_OPEN,
        IN_FLIGHT,
        RETRIES_TOTAL,
        AUDIT_FAILURES_TOTAL,
    ] {
        assert!(page.contains(&format!("| `{name}` ")), "{name}");
    }
}

#[test]
fn the_code_of_the_page_on_custom_stores_is_the_examples() {
    let example = read("crates/secrets/examples/custom_store.rs");
    let page = read("docs/custom-store.md");
    let blocks = blocks(&page, "rust");
    assert!(!blocks.is_empty());
    for block in blocks {
        assert!(example.contains(block), "not in the example:\n{block}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let others = [
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "examples/quickstart/README.md",
        "examples/rotation/README.md",
    ];
    for page in pages().into_iter().chain(others.map(str::to_owned)) {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = repository().join(&page).parent().unwrap().join(target);
            assert!(path.exists(), "{page}: {link}");
        }
    }
}
