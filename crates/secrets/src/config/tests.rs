//! The configuration as its readers meet it: every accepted spelling, and every mistake at its place.

mod hostile;

use std::collections::HashMap;

use secrecy::ExposeSecret;

use super::*;
use crate::{
    Naming, NamingRule,
    setting::{Setting, SettingKind, Settings},
};

const CATALOGUE: &[ConnectorSpec] = &[
    ConnectorSpec::new("modelmesh.env.v1", "the environment").uncached(),
    ConnectorSpec::new("test.vault.v1", "a vault")
        .with_credential_variables(&["VAULT_TOKEN"])
        .with_settings(&[Setting::new("token", SettingKind::Secret, "a token")]),
    ConnectorSpec::new("test.file.v1", "a file").writable().with_settings(&[
        Setting::new("path", SettingKind::Path, "the file").with_aliases(&["file_path", "file"]),
        Setting::new("passphrase", SettingKind::Secret, "the passphrase"),
        Setting::new("override_env", SettingKind::Boolean, "who wins").with_aliases(&["override"]),
        Setting::new("iterations", SettingKind::Integer(1, 1000), "how many"),
        Setting::new("recipients", SettingKind::TextList, "who reads"),
        Setting::new("secrets", SettingKind::SecretMap, "in place"),
        Setting::new("mode", SettingKind::Choice(&["fast", "safe"]), "how"),
        Setting::new(
            "auth",
            SettingKind::Group(&[Setting::new("method", SettingKind::Text, "which")]),
            "the login",
        ),
    ]),
];

fn parse(text: &str) -> Configuration {
    Configuration::parse("m.yaml", "/base".into(), text, Format::Yaml, CATALOGUE).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let configuration = parse(text);
    let report = configuration.report(configuration.problems().to_vec());
    if report.problems().is_empty() {
        return Vec::new();
    }
    report.to_string().lines().map(str::to_owned).collect()
}

fn settings_of(configuration: &Configuration, store: &str) -> Settings {
    let variable = |name: &str| (name == "TOKEN").then(|| "from-env".to_owned());
    let values = HashMap::new();
    let filler = Filler { variable: &variable, values: &values, base: configuration.base() };
    configuration.require_valid().unwrap();
    configuration.store(store).unwrap().settings(&filler).unwrap()
}

fn kind(problem: &Problem) -> ErrorKind {
    problem.error.kind()
}

#[test]
fn without_a_secrets_section_the_environment_is_the_store() {
    for text in ["", "providers: {}", "secrets:", "secrets: {}"] {
        let configuration = parse(text);
        configuration.require_valid().unwrap();
        assert_eq!(configuration.store("default").unwrap().connector().unwrap().id, "modelmesh.env.v1");
    }
}

#[test]
fn the_variables_that_hold_a_stores_credentials_are_known() {
    let configuration = parse("secrets: {store: test.vault.v1, token: '${env:NAMED}'}");
    let variables: Vec<_> = configuration.store("default").unwrap().credential_variables().collect();
    assert_eq!(variables, ["NAMED", "VAULT_TOKEN"]);
}

#[test]
fn every_spelling_of_a_store_reads_the_same() {
    for text in [
        "secrets: {store: test.file.v1, path: s.age, override_env: true}",
        "secrets: {connector: test.file.v1, path: s.age, override_env: true}",
        "secrets: {store: secret-store.test.file.v1, file_path: s.age, override: true}",
        "secrets: {store: test.file.v1, config: {file: s.age, override: yes-no}}",
        "secrets: {store: test.file.v1, config: {file: s.age}, override: 'true'}",
    ] {
        let text = text.replace("yes-no", "true");
        let settings = settings_of(&parse(&text), "default");
        assert_eq!(settings.path("path"), Some(std::path::Path::new("/base/s.age")), "{text}");
        assert_eq!(settings.boolean("override_env"), Some(true), "{text}");
    }
}

#[test]
fn every_spelling_of_a_resolution_parameter_reads_the_same() {
    for text in [
        "secrets: {resolution: {cache_ttl: 90s}}",
        "secrets: {cache_ttl: 1m30s}",
        "secrets: {cache_ttl: 90}",
        "secrets: {cache_ttl_ms: 90000}",
        "secrets: {secret-store.resolution.cache_ttl: 90s}",
        "secrets: {resolution: {secret-store.resolution.cache_ttl: 90s}}",
        "secret-store.resolution.cache_ttl: 90s",
        "secret-store: {resolution: {cache_ttl: 90s}}",
        "secrets.cache_ttl: 90s",
    ] {
        let configuration = parse(text);
        configuration.require_valid().unwrap();
        assert_eq!(configuration.policy().cache_ttl, std::time::Duration::from_secs(90), "{text}");
        assert_eq!(configuration.store("default").unwrap().policy.cache_ttl.as_secs(), 90, "{text}");
    }
}

#[test]
fn a_resolution_parameter_is_set_once() {
    let text = "secrets: {cache_ttl: 60s, resolution: {cache_ttl: 90s}}";
    assert_eq!(
        problems(text),
        ["m.yaml:1:11: secrets.cache_ttl: 'cache_ttl' is set twice: 'cache_ttl' is the same setting"]
    );
}

#[test]
fn a_named_store_inherits_the_policy_and_may_differ() {
    let configuration = parse(
        "secrets: {cache_ttl: 60s, max_stale: 1h, stores: {a: {store: test.file.v1, cache_ttl: 5s}, b: {store: test.file.v1}}}",
    );
    configuration.require_valid().unwrap();
    let policy = |name| configuration.store(name).unwrap().policy.clone();
    assert_eq!((policy("a").cache_ttl.as_secs(), policy("a").max_stale.as_secs()), (5, 3600));
    assert_eq!(policy("b").cache_ttl.as_secs(), 60);
}

#[test]
fn settings_have_their_kinds() {
    let configuration = parse(
        "
secrets:
  store: test.file.v1
  path: ~/s.age
  passphrase: 12345
  iterations: 600
  recipients: [a, b]
  secrets: {k: v, n: 7}
  mode: safe
  auth: {method: approle}
  naming: screaming-snake
  prefix: APP_
",
    );
    let settings = settings_of(&configuration, "default");
    assert_eq!(settings.secret("passphrase").unwrap().expose_secret(), "12345");
    assert_eq!(settings.integer("iterations"), Some(600));
    assert_eq!(settings.text_list("recipients").unwrap(), ["a", "b"]);
    assert_eq!(settings.secret_map("secrets").unwrap()["n"].expose_secret(), "7");
    assert_eq!(settings.text("mode"), Some("safe"));
    assert_eq!(settings.group("auth").unwrap().text("method"), Some("approle"));
    assert_eq!(StoreEntry::naming(&settings), Naming::new("APP_", NamingRule::ScreamingSnake));
}

#[test]
fn bootstrap_references_are_filled_in_and_only_under_secrets() {
    let configuration = parse(
        "
secrets:
  store: test.file.v1
  passphrase: ${TOKEN}
  recipients: ['${env:TOKEN}', '${OTHER:-x}']
  iterations: ${N:-7}
providers: {openai: {key: '${TOKEN}'}}
",
    );
    let settings = settings_of(&configuration, "default");
    assert_eq!(settings.secret("passphrase").unwrap().expose_secret(), "from-env");
    assert_eq!(settings.text_list("recipients").unwrap(), ["from-env", "x"]);
    assert_eq!(settings.integer("iterations"), Some(7));
    assert!(configuration.usage().templates().is_empty(), "`${{TOKEN}}` under providers is plain text");
}

#[test]
fn what_was_filled_in_is_checked_and_not_quoted() {
    let configuration = parse("secrets: {store: test.file.v1, iterations: '${TOKEN}'}");
    let variable = |_: &str| Some("canary".to_owned());
    let values = HashMap::new();
    let filler = Filler { variable: &variable, values: &values, base: configuration.base() };
    let error = configuration.store("default").unwrap().settings(&filler).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn mistakes_under_secrets_are_each_reported_at_their_place() {
    let text = "\
secrets:
  store: test.fle.v1
  stores:
    a: {store: test.file.v1, pth: x}
    b: {store: test.file.v1, iterations: 0, mode: slow}
    c: {path: x}
    default: {store: test.file.v1}
    'sp ace': {store: test.file.v1}
    e: {chain: [a, nope]}
    f: {chain: [a], store: test.file.v1}
    g: {store: test.file.v1, path: x, file: y}
    h: {store: test.file.v1, cache_ttl: soon, retry: {trys: 3}}
    i: 5
";
    assert_eq!(
        problems(text),
        [
            "m.yaml:2:10: secrets.store: there is no connector 'test.fle.v1'",
            "m.yaml:4:30: secrets.stores.a.pth: unknown key 'pth'",
            "m.yaml:5:42: secrets.stores.b.iterations: 'iterations' takes a whole number from 1 to 1000",
            "m.yaml:5:51: secrets.stores.b.mode: 'mode' takes one of 'fast', 'safe'",
            "m.yaml:6:8: secrets.stores.c: this entry names no connector",
            "m.yaml:7:5: secrets.stores.default: the store 'default' is built in",
            "m.yaml:8:5: secrets.stores.\"sp ace\": a store's name holds letters, digits, '_' and '-' alone, so that a reference can name it",
            "m.yaml:9:20: secrets.stores.e.chain[1]: there is no store named 'nope'",
            "m.yaml:10:9: secrets.stores.f.chain: an entry is either a chain or a connector's store, not both",
            "m.yaml:11:39: secrets.stores.g.file: 'path' is set twice: 'file' is the same setting",
            "m.yaml:12:41: secrets.stores.h.cache_ttl: 'cache_ttl' takes a duration such as 500ms, 30s or 1h30m",
            "m.yaml:12:55: secrets.stores.h.retry.trys: unknown key 'trys'",
            "m.yaml:13:8: secrets.stores.i: a store's entry is a mapping, not a number",
        ]
    );
}

#[test]
fn the_nearest_known_word_is_offered() {
    let configuration = parse("secrets: {store: test.file.v1, pasphrase: x}");
    assert_eq!(configuration.problems()[0].error.help(), Some("did you mean 'passphrase'?"));
    let configuration = parse("secrets: {store: test.file.v1, file_pth: x}");
    assert_eq!(configuration.problems()[0].error.help(), Some("did you mean 'file_path'?"));
    let configuration = parse("secrets: {stores: {prod: {store: test.file.v1}}}\na: '${secrets.prd:x}'");
    assert_eq!(configuration.problems()[0].error.help(), Some("did you mean 'prod'?"));
}

#[test]
fn mistakes_in_references_are_each_reported_at_their_place() {
    let text = "\
secrets: {stores: {n: {store: test.file.v1, naming: kebab}}}
providers:
  openai:
    api_key: Bearer ${secrets:my key}
    org: ${secrets:../etc}
    url: ${secrets.nowhere:x}
  other: ['${secrets:', \"é\\t${secrets:x?stage=1}\"]
  named: '${secrets.n:a_b} ${secrets.n:a-b} ${secrets.n:a/b}'
  block: |
    first
    ${secrets:a b}
";
    assert_eq!(
        problems(text),
        [
            "m.yaml:4:21: providers.openai.api_key: the name holds a ' ', which must be percent-encoded",
            "m.yaml:5:10: providers.openai.org: secret '../etc': a segment of a name cannot be '.' or '..'",
            "m.yaml:6:10: providers.openai.url: secret 'x': there is no store named 'nowhere'",
            "m.yaml:7:12: providers.other[0]: this reference is not closed",
            "m.yaml:7:29: providers.other[1]: the only parameter of a reference is '?version='",
            "m.yaml:8:28: providers.named: secret 'a-b': this name and 'a_b' are one name in the store 'n'",
            "m.yaml:8:45: providers.named: secret 'a/b': the store's naming rule cannot write this name",
            "m.yaml:11:5: providers.block: the name holds a ' ', which must be percent-encoded",
        ]
    );
}

#[test]
fn a_loop_of_stores_is_shown_once() {
    let text = "\
secrets:
  store: test.file.v1
  stores:
    a: {store: test.file.v1, passphrase: '${secrets.b:x}'}
    b: {chain: [c, env]}
    c: {store: test.file.v1, passphrase: '${secrets.a:x}'}
";
    assert_eq!(
        problems(text),
        ["m.yaml:4:8: secrets.stores.a: stores need each other to open: 'a' -> 'b' -> 'c' -> 'a'"]
    );
    let itself = "secrets: {store: test.file.v1, passphrase: '${secrets:x}'}";
    assert_eq!(
        problems(itself),
        ["m.yaml:1:10: secrets: stores need each other to open: 'default' -> 'default'"]
    );
}

#[test]
fn what_looks_like_a_reference_is_a_warning() {
    let configuration = parse("a: '${secret:x} ${Secrets:y}'\nb: '${HOME} ${secretary:x} ${secrets_dir}'");
    assert_eq!(configuration.problems().len(), 1);
    assert_eq!(configuration.problems()[0].severity, Severity::Warning);
    assert_eq!(kind(&configuration.problems()[0]), ErrorKind::InvalidReference);
    configuration.require_valid().unwrap();
}

#[test]
fn a_mistake_elsewhere_does_not_keep_anyone_from_the_stores() {
    let configuration = parse("secrets: {store: test.file.v1}\nproviders: {a: '${secrets:'}");
    assert!(configuration.require_valid().is_err());
    configuration.require_valid_stores().unwrap();
    let configuration = parse("secrets: {store: test.file.v1, pth: x}");
    assert!(configuration.require_valid_stores().is_err());
}

#[test]
fn a_reference_is_visible_and_what_stands_beside_it_is_not() {
    for (text, shown) in [
        ("a: x-canary ${secrets:my key} canary", "a ${secrets:my }"),
        ("a: ${secrets:x?bad=1:-canary}", "a ${secrets:x?bad=1 }"),
        ("a: '${secrets:x canary'", "a ${secrets:x"),
        ("secrets: {store: test.file.v1, iterations: canary}", "iterations"),
    ] {
        let configuration = parse(text);
        let place = configuration.problems()[0].place.clone().unwrap();
        let mut visible = place.visible;
        visible.sort_by_key(|range| range.start);
        let visible: Vec<&str> = visible.into_iter().map(|range| &text[range]).collect();
        let joined = visible.join(" ");
        assert_eq!(joined, shown, "{text}");
        assert!(!joined.contains("canary"));
    }
}

#[test]
fn providers_may_be_a_mapping_or_a_list() {
    let ids =
        |text: &str| parse(text).providers().iter().map(|provider| provider.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids("providers: {openai: {}, anthropic: {}}"), ["openai", "anthropic"]);
    assert_eq!(ids("providers: [{id: openai}, {name: anthropic}, {}]"), ["openai", "anthropic", "[2]"]);
}

#[test]
fn variables_take_text() {
    let configuration = parse("env: {A: '${secrets:a}', B: 7, C: [x], 'D=': y}");
    assert_eq!(configuration.env().iter().map(|variable| &*variable.name).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(configuration.problems().len(), 2);
}

#[test]
fn a_store_is_selected_by_name_or_by_id() {
    let configuration = parse("secrets: {stores: {a: {store: test.file.v1, path: x}}}");
    let select = |text: &str| configuration.select(text, CATALOGUE);
    assert_eq!(&*select("a").unwrap().name, "a");
    assert_eq!(&*select("test.file.v1").unwrap().name, "a");
    assert_eq!(&*select("secret-store.test.file.v1").unwrap().name, "a");
    assert_eq!(&*select("default").unwrap().name, "default");
    assert_eq!(select("nope").unwrap_err().kind(), ErrorKind::InvalidConfig);

    let two = parse("secrets: {store: test.file.v1, stores: {a: {store: test.file.v1}}}");
    assert_eq!(two.select("test.file.v1", CATALOGUE).unwrap_err().help(), Some("name one of 'a', 'default'"));
    let none = parse("");
    assert!(none.select("test.file.v1", CATALOGUE).unwrap().place.is_none());
}

#[test]
fn what_is_no_document_is_one_problem_at_its_place() {
    let report =
        Configuration::parse("m.yaml", "".into(), "a: [canary", Format::Yaml, CATALOGUE).unwrap_err();
    assert_eq!(report.problems().len(), 1);
    assert!(report.to_string().starts_with("m.yaml:"), "{report}");
    assert!(!format!("{report} {report:?}").contains("canary"));
}

#[test]
fn debug_shows_no_plaintext_of_the_file() {
    let configuration = parse(
        "secrets: {store: test.file.v1, passphrase: canary}\na: 'canary ${secrets:x:-canary}'\nenv: {A: canary}",
    );
    assert!(!format!("{configuration:#?}").contains("canary"));
}

#[test]
fn json_and_toml_read_the_same() {
    let json = r#"{"secrets": {"store": "test.file.v1", "path": "s.age"}, "a": "${secrets:x}"}"#;
    let toml = "a = '${secrets:x}'\n[secrets]\nstore = 'test.file.v1'\npath = 's.age'\n";
    for (text, format) in [(json, Format::Json), (toml, Format::Toml)] {
        let configuration = Configuration::parse("m", "/base".into(), text, format, CATALOGUE).unwrap();
        configuration.require_valid().unwrap();
        assert_eq!(configuration.usage().references().len(), 1);
        assert!(settings_of(&configuration, "default").path("path").is_some());
    }
}

#[test]
fn the_schema_knows_every_key_of_the_tables() {
    let schema = json_schema(CATALOGUE).to_string();
    for setting in CATALOGUE[1].settings.iter().chain(crate::RESOLUTION_SETTINGS).chain(SECTION_SETTINGS) {
        for key in std::iter::once(&setting.key).chain(setting.aliases) {
            assert!(schema.contains(&format!("\"{key}\"")), "{key}");
        }
    }
}

#[test]
fn the_audit_log_is_a_path_like_any_other() {
    let variable = |name: &str| match name {
        "HOME" => Some("/home/me".to_owned()),
        "LOGS" => Some("/var/log/app".to_owned()),
        _ => None,
    };
    for (text, path) in [
        ("secrets: {}", None),
        ("secrets: {audit_log: }", None),
        ("secrets: {audit_log: audit.jsonl}", Some("/base/audit.jsonl")),
        ("secrets: {store: test.file.v1, path: s, audit_log: ~/audit.jsonl}", Some("/home/me/audit.jsonl")),
        ("secrets: {chain: [env], audit_log: '${env:LOGS}/a'}", Some("/var/log/app/a")),
        ("secrets: {audit_log: '${UNSET:-fallback}'}", Some("/base/fallback")),
    ] {
        let configuration = parse(text);
        configuration.require_valid().unwrap();
        let read = configuration.audit_log(&variable).unwrap();
        assert_eq!(read.as_deref(), path.map(std::path::Path::new), "{text}");
    }
    let unset = parse("secrets: {audit_log: '${UNSET}'}").audit_log(&variable).unwrap_err();
    assert_eq!(unset.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn there_is_one_audit_log_and_its_path_is_no_secret() {
    assert_eq!(
        problems("secrets: {stores: {dev: {store: test.file.v1, audit_log: a}}}"),
        ["m.yaml:1:47: secrets.stores.dev.audit_log: 'audit_log' is one for all stores"]
    );
    assert_eq!(
        problems("secrets: {audit_log: '${secrets.env:path}'}"),
        ["m.yaml:1:22: secrets.audit_log: this setting cannot be a secret"]
    );
    assert_eq!(
        problems("secrets: {audit_log: [a]}"),
        ["m.yaml:1:22: secrets.audit_log: 'audit_log' takes a path, not a list"]
    );
    assert_eq!(
        parse("secrets: {store: test.file.v1, audit_lgo: a}").problems()[0].error.help(),
        Some("did you mean 'audit_log'?")
    );
}

#[test]
fn a_connector_of_the_program_takes_any_key_and_each_once() {
    let specs = [ConnectorSpec::of_host("program.table.v1", ""), CATALOGUE[0]];
    let text = "secrets: {store: program.table.v1, table: a, config: {prefix: '${TOKEN}', table: b}}";
    let configuration = Configuration::parse("m.yaml", "".into(), text, Format::Yaml, &specs).unwrap();
    let report = configuration.report(configuration.problems().to_vec()).to_string();
    assert_eq!(report, "m.yaml:1:75: secrets.config.table: 'table' is set twice");
    let store = configuration.store("default").unwrap();
    assert_eq!(
        store.credential_variables().collect::<Vec<_>>(),
        ["TOKEN"],
        "any setting may be a credential"
    );
}
