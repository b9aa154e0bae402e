//! What would be asked of which store: told without asking any.

use serde_json::json;

use crate::project::Project;

/// Stores of which none is there: whoever opened one would fail.
const CONFIGURATION: &str = "\
secrets:
  store: modelmesh.dotenv.v1
  path: none/nowhere.env
  stores:
    files: { store: modelmesh.json-secrets.v1, file_path: '${secrets:path}', resolution: { cache_ttl: 1h } }
    locked: { store: modelmesh.encrypted-file.v1, file_path: none, passphrase: '${NOT_SET}', cache_enabled: false }
    any: { chain: [env, files] }
providers:
  - id: openai
    api_key: ${secrets:openai-key}
  - id: pg
    user: ${secrets.files:db#user}
    dsn: 'pg://${secrets.files:db#user}:${secrets.files:db#/a/b}@host'
    tls: ${secrets.files:tls?version=7}
env: { ONE: '${secrets.any:one}', KEY: '${secrets:openai-key:-none}', LOCKED: '${secrets.locked:z}' }
";

#[test]
fn a_plan_is_told_store_by_store() {
    let ran = Project::with(CONFIGURATION).run(&["explain"]);
    ran.expect(0);
    assert_eq!(
        ran.stdout,
        r"7 references to 5 documents in 4 stores (modelmesh.yaml)

any  chain of env, files
  first env  modelmesh.env.v1
    at the start  1 call for 1 document, one name a call
    resolution    cache_ttl 5m, ttl_jitter 0.1, refresh_ahead 0.8, negative_ttl 10s, max_stale 2h, max_in_flight 8
    a month       at most 11,369 calls
  then files  modelmesh.json-secrets.v1, for what is not found before
    at the start  at most 1 call for 1 document, all names in one call
    resolution    cache_ttl 5m, ttl_jitter 0.1, refresh_ahead 0.8, negative_ttl 10s, max_stale 2h, max_in_flight 8
    a month       at most 11,369 calls
  documents
    one  env.ONE

default  modelmesh.dotenv.v1
  at the start  1 call for 1 document, all names in one call
  resolution    cache_ttl 5m, ttl_jitter 0.1, refresh_ahead 0.8, negative_ttl 10s, max_stale 2h, max_in_flight 8
  a month       at most 11,369 calls
  documents
    openai-key  providers[0].api_key  openai
                env.KEY

files  modelmesh.json-secrets.v1
  at the start  2 calls for 2 documents, all names in one call, each version by itself
  resolution    cache_ttl 1h, ttl_jitter 0.1, refresh_ahead 0.8, negative_ttl 10s, max_stale 2h, max_in_flight 8
  a month       at most 1,895 calls
  documents
    db             #user  providers[1].user  pg
                   #user  providers[1].dsn   pg
                   #/a/b  providers[1].dsn   pg
    tls?version=7         providers[1].tls   pg

locked  modelmesh.encrypted-file.v1
  at the start  1 call for 1 document, all names in one call
  resolution    not cached, max_in_flight 8
  a month       one call for each read
  documents
    z  env.LOCKED

Opened in this order
  env
  default
  files    after default: its settings need 'path' of default (1 call)
  any      after env, files
  locked

Together
  at the start  at most 7 calls
  a month       at most 36,002 calls; and one call for each read of 'locked'

A month is 30 days of one process, if every secret is there and is used all the time. Failed calls and
values that expire early come on top.
"
    );
    assert_eq!(ran.stderr, "no store was asked: whether the secrets are there was not judged\n");
}

#[test]
fn a_plan_is_told_to_programs() {
    let json = Project::with(CONFIGURATION).run(&["explain", "--json"]).expect(0).json();
    assert_eq!(
        (&json["ok"], &json["references"], &json["documents"], &json["problems"]),
        (&json!(true), &json!(7), &json!(5), &json!([]))
    );
    assert_eq!(
        json["stores"][2],
        json!({
            "name": "files",
            "references": 3,
            "asked": [{
                "store": "files",
                "connector": "modelmesh.json-secrets.v1",
                "calls_at_start": 2,
                "cached": true,
                "resolution": {
                    "cache_ttl": "1h",
                    "ttl_jitter": 0.1,
                    "refresh_ahead": 0.8,
                    "negative_ttl": "10s",
                    "max_stale": "2h",
                    "max_in_flight": 8,
                },
                "calls_a_month": 1895,
            }],
            "documents": [
                {
                    "name": "db",
                    "uses": [
                        { "path": "providers[1].user", "line": 12, "column": 11, "field": "user", "provider": "pg" },
                        { "path": "providers[1].dsn", "line": 13, "column": 16, "field": "user", "provider": "pg" },
                        { "path": "providers[1].dsn", "line": 13, "column": 41, "field": "/a/b", "provider": "pg" },
                    ],
                },
                {
                    "name": "tls",
                    "secret_version": "7",
                    "uses": [{ "path": "providers[1].tls", "line": 14, "column": 10, "provider": "pg" }],
                },
            ],
        })
    );
    assert_eq!(
        json["opened"][2],
        json!({
            "name": "files",
            "needs": ["default"],
            "reads": [{ "store": "default", "name": "path" }],
            "calls": 1,
        })
    );
    assert_eq!(
        json["totals"],
        json!({
            "calls_at_start": 7,
            "calls_a_month": 36_002,
            "call_for_each_read": ["locked"],
        })
    );
}

#[test]
fn an_environment_is_planned_as_it_would_be_asked() {
    let project = Project::with(
        "secrets: { stores: { prod: { store: modelmesh.age-file.v1 } } }\na: ${secrets:x}\nb: ${secrets:y}\n",
    );
    for args in [&["--env", "prod"][..], &["--store", "modelmesh.age-file.v1"]] {
        let json = project.run(&[&["explain", "--json"], args].concat()).expect(0).json();
        assert_eq!(json["stores"][0]["name"], "prod");
        assert_eq!(json["totals"]["calls_at_start"], 1);
    }
    assert_eq!(project.run(&["explain", "--json"]).json()["totals"]["calls_at_start"], 2);
}

#[test]
fn mistakes_are_told_as_check_tells_them_and_there_is_no_plan() {
    let text = "a: ${secrets:unclosed\nb: ${secrets.nowhere:x}\nc: ${secrets:fine}\n";
    let project = Project::with(text);
    let (explained, checked) = (project.run(&["explain"]), project.run(&["check", "--offline"]));
    explained.expect(1).says("2 problems in modelmesh.yaml");
    assert_eq!((explained.stdout, explained.stderr), (checked.stdout, checked.stderr));

    let json = project.run(&["explain", "--json"]).expect(1).json();
    assert_eq!(json["problems"], project.run(&["check", "--offline", "--json"]).json()["problems"]);
    assert_eq!((&json["ok"], &json["stores"]), (&json!(false), &json!([])));

    let no_yaml = Project::with("a: [").run(&["explain", "--json"]).expect(1).json();
    assert_eq!(no_yaml["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn a_warning_keeps_no_plan_back() {
    let ran = Project::with("a: ${secrets:x}\nb: ${secret:y}\n").run(&["explain"]);
    ran.expect(0).says("1 warning in modelmesh.yaml");
    assert!(ran.stdout.starts_with("1 reference to 1 document in 1 store (modelmesh.yaml)\n"), "{ran:?}");
}

#[test]
fn without_references_no_store_is_asked() {
    let project = Project::with("secrets: { store: modelmesh.age-file.v1 }\na: plain\n");
    let ran = project.run(&["explain"]);
    assert_eq!(ran.expect(0).stdout, "no references, so no store is asked (modelmesh.yaml)\n");
    let json = project.run(&["explain", "--json"]).expect(0).json();
    assert_eq!((&json["references"], &json["stores"]), (&json!(0), &json!([])));
}

#[test]
fn without_a_file_there_is_nothing_to_explain() {
    Project::empty().run(&["explain"]).expect(1).says("there is no configuration file");
}

#[test]
fn names_cannot_drive_a_terminal() {
    let project = Project::with(
        "providers: { \"p\\e[2J\": { \"k\\e[2J\": \"${secrets:x#%1B%5B2J}${secrets:y?version=%1B%5B2J}\" } }\n",
    );
    let ran = project.run(&["explain"]);
    let shown = &ran.expect(0).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown}");
    for part in
        [r#"providers."p\u{1b}[2J"."k\u{1b}[2J""#, r"  p\u{1b}[2J", r"#\u{1b}[2J", r"y?version=\u{1b}[2J"]
    {
        assert!(shown.contains(part), "no '{part}' in: {shown}");
    }
    let ran = project.run(&["explain", "--json"]);
    assert!(!ran.expect(0).stdout.contains('\u{1b}'), "{ran:?}");
    assert_eq!(ran.json()["stores"][0]["documents"][0]["uses"][0]["field"], "\u{1b}[2J");
}
