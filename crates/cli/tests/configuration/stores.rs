//! The catalogue, and the schema that editors read.

use serde_json::{Value, json};

use crate::project::Project;

#[test]
fn the_kinds_and_the_configured_stores_are_listed() {
    let project = Project::with(
        "secrets:\n  store: modelmesh.age-file.v1\n  stores:\n    any: { chain: [env, default] }\n",
    );
    let ran = project.run(&["stores"]);
    ran.expect(0);
    for part in
        ["modelmesh.age-file.v1", "read, write", "Stores (modelmesh.yaml)", "chain of env, default  line 4"]
    {
        assert!(ran.stdout.contains(part), "no '{part}' in: {}", ran.stdout);
    }
    let json = project.run(&["stores", "--json"]).json();
    assert_eq!(json["connectors"][0]["id"], "modelmesh.env.v1");
    assert_eq!(
        json["stores"][0],
        json!({ "name": "any", "chain": ["env", "default"], "file": "modelmesh.yaml", "line": 4 })
    );
}

#[test]
fn the_settings_of_a_kind_are_told_with_their_other_spellings() {
    let ran = Project::empty().run(&["stores", "modelmesh.age-file.v1"]);
    assert!(ran.expect(0).stdout.contains("path, file_path, file  path, default: secrets.age"), "{ran:?}");
    let json = Project::empty().run(&["stores", "secret-store.modelmesh.age-file.v1", "--json"]).json();
    assert_eq!(
        json["settings"][0],
        json!({ "key": "path", "aliases": ["file_path", "file"], "type": "path", "default": "secrets.age", "help": "the file" })
    );
}

#[test]
fn a_configured_store_is_told_by_name() {
    let project = Project::with("secrets:\n  stores:\n    prod: { store: modelmesh.dotenv.v1 }\n");
    let ran = project.run(&["stores", "prod"]);
    assert!(ran.expect(0).stdout.contains("store 'prod', modelmesh.yaml:3"), "{ran:?}");
    project.run(&["stores", "modelmesh.dotenw.v1"]).expect(1).says("did you mean 'modelmesh.dotenv.v1'?");
}

#[test]
fn a_broken_configuration_keeps_nobody_from_a_kinds_settings() {
    let project = Project::with("a: [");
    project.run(&["stores", "modelmesh.env.v1"]).expect(0);
    project.run(&["stores"]).expect(1);
}

#[test]
fn the_schema_is_a_document_of_its_own() {
    let ran = Project::empty().run(&["schema"]);
    let schema: Value = serde_json::from_str(&ran.expect(0).stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
