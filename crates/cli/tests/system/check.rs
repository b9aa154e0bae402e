//! `check` names everything that is wrong, at its place.

use modelmesh_testkit::canary::{Canary, CanarySet};
use serde_json::json;

use crate::project::{AGE_FILE, Project, Ran};

/// Asserts that `ran` tells exactly of these problems: each a place, and a word of what is wrong there.
#[track_caller]
fn assert_tells(ran: &Ran, file: &str, problems: &[((usize, usize), &str)]) {
    let blocks = ran.stderr.split("error").skip(1).collect::<Vec<_>>();
    for ((line, column), what) in problems {
        let place = format!("{file}:{line}:{column}");
        assert!(ran.stderr.contains(&place), "nothing at {place} ('{what}'): {}", ran.described());
        assert!(ran.stderr.contains(what), "no '{what}': {}", ran.described());
    }
    assert!(blocks.len() >= problems.len(), "{}", ran.described());
}

#[test]
fn eight_mistakes_of_a_file_are_told_of_at_their_places() {
    let project = Project::with_config(
        "secrets:
  store: modelmesh.age-file.v1
  pathh: secrets.age
  cache_ttl: soon
  stores:
    one: { store: modelmesh.nonsense.v1 }
    two: { chain: [nowhere] }
    three: { store: modelmesh.dotenv.v1, path: [a] }
providers:
  openai:
    api_key: ${secrets.missing-store:key}
  other:
    api_key: ${secrets:../key}
    url: https://${secrets:host
",
    );
    let ran = project.run(&["check"]).expect(1);
    assert_tells(
        &ran,
        "modelmesh.yaml",
        &[
            ((3, 3), "pathh"),
            ((4, 14), "duration"),
            ((6, 19), "modelmesh.nonsense.v1"),
            ((7, 20), "nowhere"),
            ((8, 48), "path"),
            ((11, 14), "missing-store"),
            ((13, 14), ".."),
            ((14, 18), "closed"),
        ],
    );
}

#[test]
fn eight_mistakes_as_json_are_eight_errors_with_places() {
    let project = Project::with_age_file();
    project.set("there", "x");
    let wrong = [
        ("${secrets:missing-1}", "not_found"),
        ("${secrets:missing-2?version=7}", "unsupported"),
        ("${secrets.nowhere:key}", "invalid_config"),
        ("${secrets:a/../b}", "invalid_name"),
        ("${secrets:}", "invalid_reference"),
        ("${secrets:there#field}", "malformed"),
        ("${secrets:a b}", "invalid_reference"),
        ("${secrets:open", "invalid_reference"),
    ];
    let lines = wrong.map(|(text, _)| format!("- \"{text}\"\n")).concat();
    project.write("modelmesh.yaml", format!("{AGE_FILE}list:\n{lines}"));

    let report = project.run(&["check", "--json"]).expect(1).json();

    let told: Vec<_> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| ["kind", "file", "line", "column", "path"].map(|key| problem[key].clone()))
        .collect();
    let expected: Vec<_> = wrong
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| {
            [json!(kind), json!("modelmesh.yaml"), json!(at + 4), json!(4), json!(format!("list[{at}]"))]
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn what_is_only_missing_is_told_at_once_and_is_code_3() {
    let project = Project::with_age_file();
    project.set("there", "x");
    let config =
        "a: ${secrets:there}\nb: ${secrets:gone-1}\nc: [x, '${secrets:gone-2}']\nd: ${secrets:ok:-x}\n";
    project.write("modelmesh.yaml", format!("{AGE_FILE}{config}"));
    let ran = project.run(&["check"]).expect(3);
    assert_tells(&ran, "modelmesh.yaml", &[((4, 4), "gone-1"), ((5, 9), "gone-2")]);
    project.run(&["check", "--offline"]).expect(0);
}

#[test]
fn a_sound_configuration_passes() {
    let project =
        Project::with_config(&format!("{AGE_FILE}providers:\n  openai: {{ api_key: '${{secrets:k}}' }}\n"));
    project.set("k", "x");
    project.run(&["check"]).expect(0);
    project.run(&["check", "--offline"]).expect(0);
}

#[test]
fn a_locked_store_is_told_once_and_is_code_6() {
    let project = Project::with_age_file();
    project.set("k", "x");
    let config = "a: ${secrets:k}\nb: ${secrets:l}\nc: ${secrets:m}\n";
    project.write("modelmesh.yaml", format!("{AGE_FILE}{config}"));
    crate::tools::age_keygen(&project.outside("other.txt"));
    std::fs::copy(project.outside("other.txt"), project.identity()).unwrap();
    project.run(&["check"]).expect(6);
    project.run(&["check", "--offline"]).expect(0);
}

#[test]
fn no_value_is_drawn_under_a_mistake() {
    let (plaintext, fallback, value) =
        (Canary::new("plaintext beside a reference"), Canary::new("a fallback"), Canary::new("a value"));
    let project = Project::with_age_file();
    project.set("there", value.text());
    let line = format!(
        "key: \"{} ${{secrets:gone}} ${{secrets.nowhere:x:-{}}} ${{secrets:there}}\"\npassword: {}\n",
        plaintext.text(),
        fallback.text(),
        plaintext.text()
    );
    project.write("modelmesh.yaml", format!("{AGE_FILE}{line}"));
    let canaries = CanarySet::from_iter([plaintext, fallback, value]);
    for args in
        [&["check"][..], &["check", "--json"], &["check", "--offline"], &["render"], &["run", "--", "true"]]
    {
        let ran = project.run(args);
        assert_ne!(ran.status.code(), Some(0), "{args:?}");
        canaries.assert_absent(&ran.stdout, "standard output");
        canaries.assert_absent(&ran.stderr, "standard error");
    }
}

#[test]
fn a_file_that_does_not_parse_shows_its_place_and_no_value() {
    let canary = Canary::new("plaintext");
    let project = Project::empty();
    for (name, text) in [
        ("modelmesh.yaml", format!("a: b\nkey: \"{}\n", canary.text())),
        ("modelmesh.json", format!("{{\"key\": \"{}\",\n\"b\" 1}}", canary.text())),
        ("modelmesh.toml", format!("key = \"{}\"\nb = = 1\n", canary.text())),
    ] {
        project.write(name, text);
        let ran = project.run(&["check"]).expect(1).says(&format!("{name}:2"));
        CanarySet::from_iter([canary.clone()]).assert_absent(&ran.stderr, "standard error");
        std::fs::remove_file(project.path(name)).unwrap();
    }
}
