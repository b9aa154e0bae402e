//! Everything that is wrong is told at once, at its place, and without a value.

use modelmesh_testkit::canary::{Canary, CanarySet};
use serde_json::json;

use crate::project::Project;

/// Eight mistakes, each beside a plaintext key where there can be one.
fn eight_mistakes(key: &str) -> String {
    format!(
        "\
secrets:
  store: modelmesh.json-secrets.v1
  file_pth: {key}
  resolution: {{ cache_ttl: {key} }}
  stores:
    prod: {{ store: modelmesh.dotenw.v1, path: {key} }}
providers:
  openai:
    api_key: {key} ${{secrets:openai-key
    org: \"${{secrets.prd:org:-{key}}} {key}\"
  azure: {{ key: '${{secrets:../{key}}}', region: {key} }}
  local: [\"{key} ${{secrets:a b:-{key}}}\"]
env: [{key}]
"
    )
}

#[test]
fn eight_mistakes_are_drawn_each_at_its_place() {
    let ran = Project::with(&eight_mistakes("plaintext")).run(&["check"]);
    ran.expect(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        r"  error: unknown key 'file_pth'
   ╭─[modelmesh.yaml:3:3]
 3 │   file_pth: •••••••••
   ·   ────┬───
   ·       ╰── secrets.file_pth
   ╰────
  help: did you mean 'file_path'?

  error: 'cache_ttl' takes a duration such as 500ms, 30s or 1h30m
   ╭─[modelmesh.yaml:4:28]
 4 │   resolution: • cache_ttl: ••••••••• •
   ·                            ────┬────
   ·                                ╰── secrets.resolution.cache_ttl
   ╰────

  error: there is no connector 'modelmesh.dotenw.v1'
   ╭─[modelmesh.yaml:6:20]
 6 │     prod: • store: •••••••••••••••••••• ••••• ••••••••• •
   ·                    ─────────┬─────────
   ·                             ╰── secrets.stores.prod.store
   ╰────
  help: did you mean 'modelmesh.dotenv.v1'?

  error: this reference is not closed
   ╭─[modelmesh.yaml:9:24]
 9 │     api_key: ••••••••• ${secrets:openai-key
   ·                        ──────────┬─────────
   ·                                  ╰── providers.openai.api_key
   ╰────
  help: end it with '}'; inside a fallback, write '\}' for a literal '}'

  error: secret 'org': there is no store named 'prd'
    ╭─[modelmesh.yaml:10:11]
 10 │     org: •${secrets.prd:org•••••••••••} ••••••••••
    ·           ──────────────┬──────────────
    ·                         ╰── providers.openai.org
    ╰────
  help: did you mean 'prod'?

  error: secret '../plaintext': a segment of a name cannot be '.' or '..'
    ╭─[modelmesh.yaml:11:18]
 11 │   azure: • key: •${secrets:../plaintext}•• ••••••• ••••••••• •
    ·                  ───────────┬───────────
    ·                             ╰── providers.azure.key
    ╰────

  error: the name holds a ' ', which must be percent-encoded
    ╭─[modelmesh.yaml:12:22]
 12 │   local: ••••••••••• ${secrets:a ••••••••••••}••
    ·                      ────────────┬────────────
    ·                                  ╰── providers.local[0]
    ╰────
  help: write ' ' as %20

  error: 'env' takes a mapping of variables to texts, not a list
    ╭─[modelmesh.yaml:13:6]
 13 │ env: •••••••••••
    ·      ─────┬─────
    ·           ╰── env
    ╰────

8 problems in modelmesh.yaml
"
    );
}

#[test]
fn no_key_that_stands_beside_a_mistake_is_shown() {
    let key = Canary::new("a plaintext key");
    let project = Project::with(&eight_mistakes(key.text()));
    for args in [&["check"][..], &["check", "--json"], &["check", "--offline"], &["render"], &["run", "true"]]
    {
        let ran = project.run_with(&[("RUST_LOG", "trace")], args);
        // The name of a secret is shown, also of a wrong one: it is no value.
        let told = format!("{}{}", ran.stdout, ran.stderr).replace(&format!("../{}", key.text()), "../NAME");
        CanarySet::from_iter([key.clone()]).assert_absent(told, &args.join(" "));
        assert_ne!(ran.code, 0);
    }
}

#[test]
fn missing_secrets_alone_end_with_3_and_each_is_told_how_to_be_set() {
    let project = Project::with(
        "secrets: { store: modelmesh.dotenv.v1 }\na: ${secrets:one}\nb: [\"x ${secrets:two}\"]\nc: ${secrets:one}\n",
    );
    let ran = project.run(&["check"]);
    ran.expect(3);
    assert_eq!(
        ran.stderr,
        "  error: store 'default': secret 'one': not found
   ╭─[modelmesh.yaml:2:4]
 2 │ a: ${secrets:one}
   ·    ───────┬──────
   ·           ╰── a
   ╰────
  help: set it: modelmesh secrets set one

  error: store 'default': secret 'two': not found
   ╭─[modelmesh.yaml:3:8]
 3 │ b: ••• ${secrets:two}••
   ·        ───────┬──────
   ·               ╰── b[0]
   ╰────
  help: set it: modelmesh secrets set two

2 problems in modelmesh.yaml
"
    );
}

#[test]
fn mistakes_and_missing_secrets_are_one_report() {
    let project =
        Project::given(&[], "a: ${secrets:missing}\nb: ${secrets:unclosed\nc: ${secrets.nowhere:x}\n");
    let ran = project.run(&["check", "--json"]);
    ran.expect(1);
    let found: Vec<_> = ran.json()["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| json!([problem["line"], problem["column"], problem["path"], problem["kind"]]))
        .collect();
    assert_eq!(
        found,
        [
            json!([2, 4, "a", "not_found"]),
            json!([3, 4, "b", "invalid_reference"]),
            json!([4, 4, "c", "invalid_config"]),
        ]
    );
}

#[test]
fn what_resolves_is_counted_by_store() {
    let project = Project::given(
        &[("a", "1"), ("b", "2")],
        "x: '${secrets:a} ${secrets:b}'\ny: '${secrets.env:HOME} ${secrets:a}'\n",
    );
    let ran = project.run(&["check"]);
    ran.expect(0);
    assert_eq!(
        ran.stdout,
        "3 references in 2 stores resolve (modelmesh.yaml)\n\
         \x20 default  modelmesh.json-secrets.v1     2\n\
         \x20 env      modelmesh.env.v1              1\n"
    );
    let json = project.run(&["check", "--json"]).json();
    assert_eq!((&json["ok"], &json["references"]), (&json!(true), &json!(3)));
    assert_eq!(
        json["stores"][0],
        json!({ "name": "default", "connector": "modelmesh.json-secrets.v1", "references": 2 })
    );
}

#[test]
fn a_file_that_is_no_yaml_is_told_at_its_place() {
    let key = Canary::new("a plaintext key");
    let project = Project::with(&format!("a: {}\nb: [{}\n", key.text(), key.text()));
    let ran = project.run(&["check"]);
    ran.expect(1).says("[modelmesh.yaml:3:1]");
    let json = project.run(&["check", "--json"]);
    assert_eq!(json.expect(1).json()["problems"][0]["line"], 3);
    CanarySet::from_iter([key]).assert_absent(format!("{ran:?}{json:?}"), "the report");
}

#[test]
fn offline_judges_the_file_and_opens_nothing() {
    let project = Project::given(&[], "a: ${secrets:missing}\n");
    // A folder in the store's place: whoever opened it would fail.
    std::fs::remove_file(project.path("given.json")).unwrap();
    std::fs::create_dir(project.path("given.json")).unwrap();
    project.run(&["check"]).expect(1);
    let ran = project.run(&["check", "--offline"]);
    ran.expect(0).says("no store was asked");
    assert!(ran.stdout.starts_with("1 reference in 1 store is well-formed"), "{ran:?}");

    project.write("modelmesh.yaml", "a: ${secrets:unclosed\n");
    project.run(&["check", "--offline"]).expect(1).says("not closed");
}

#[test]
fn a_store_that_fails_is_told_once_and_one_that_nobody_uses_not_at_all() {
    let project = Project::with(
        "secrets:
  store: modelmesh.env.v1
  stores:
    broken: { store: modelmesh.json-secrets.v1, file_path: broken.json }
    unused: { store: modelmesh.encrypted-file.v1, file_path: none, passphrase: '${NOT_SET}' }
a: ['${secrets.broken:x}', '${secrets.broken:y}', '${secrets:HOME}']
",
    );
    project.write("broken.json", "{");
    let json = project.run(&["check", "--json"]).expect(1).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["problems"][0]["store"], "broken");
}

#[test]
fn what_may_be_missing_is_a_warning() {
    let project = Project::with(
        "secrets: { store: modelmesh.env.v1, resolution: { fail_on_missing: false } }\na: ${secrets:nope}\n",
    );
    let ran = project.run(&["check"]);
    ran.expect(0).says("warning: ").says("1 warning in modelmesh.yaml");
    assert!(ran.stdout.starts_with("0 of 1 reference in 1 store resolves"), "{ran:?}");
}

#[test]
fn without_a_file_there_is_nothing_to_check() {
    Project::empty().run(&["check"]).expect(1).says("there is no configuration file").says("modelmesh init");
}

#[test]
fn colours_are_for_terminals_and_honour_no_color() {
    let project = Project::with("a: ${secrets:x\n");
    assert!(!project.run(&["check"]).stderr.contains('\u{1b}'));
    assert!(project.run(&["check", "--color", "always"]).stderr.contains("\u{1b}["));
    let ran = project.run_with(&[("NO_COLOR", "1")], &["check"]);
    assert!(!ran.stderr.contains('\u{1b}'));
    assert!(project.run_with(&[("LC_ALL", "C")], &["check"]).stderr.is_ascii());
}
