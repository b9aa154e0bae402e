//! The resolved file: exact, private, and every other byte as it was.

use std::{fs, os::unix::fs::PermissionsExt as _};

use modelmesh_secrets::document::{Document, Format, Limits};
use serde_json::Value;

use crate::project::Project;

/// What configuration formats and templates stumble over.
const TRICKY: &str = "a: b # c\n${secrets:other} $${secrets:x} $HOME \"q\" 'q' \\n \t{}[]&*!|>%@`\u{1}\u{7f}\u{85}\u{feff}\u{202e}é🔑\u{10ffff}\r\n trailing ";

fn project(name: &str, text: &str) -> Project {
    let project = Project::empty();
    project.write(name, text);
    let secrets = serde_json::json!({ "tricky": TRICKY, "other": "never", "plain": "value", "number": "42" });
    project.write("given.json", secrets.to_string());
    project
}

#[test]
fn a_tricky_value_reads_back_exactly_from_yaml() {
    let project = project(
        "modelmesh.yaml",
        "secrets: { store: modelmesh.json-secrets.v1, file_path: given.json }
plain: ${secrets:tricky}
double: \"<${secrets:tricky}>\"
single: '<${secrets:tricky}>'
block: |
  <${secrets:tricky}>
folded: >-
  <${secrets:tricky}>
list: [ '${secrets:tricky}' ]
",
    );
    let rendered = project.run(&["render"]).expect(0).stdout.clone();
    let document = Document::parse(rendered, Format::Yaml, &Limits::default()).unwrap();
    let at = |key: &str| document.string(document.get(document.root(), key).unwrap()).unwrap();
    assert_eq!(at("plain"), TRICKY);
    assert_eq!(at("double"), format!("<{TRICKY}>"));
    assert_eq!(at("single"), format!("<{TRICKY}>"));
    assert_eq!(at("block"), format!("<{TRICKY}>\n"));
    assert_eq!(at("folded"), format!("<{TRICKY}>"));
    let list = document.get(document.root(), "list").unwrap();
    assert_eq!(document.string(document.items(list)[0]).unwrap(), TRICKY);
}

#[test]
fn a_tricky_value_reads_back_exactly_from_json() {
    let text = r#"{ "secrets": { "store": "modelmesh.json-secrets.v1", "file_path": "given.json" },
  "a": "<${secrets:tricky}>", "b": ["${secrets:tricky}"] }"#;
    let rendered = project("modelmesh.json", text).run(&["render"]).expect(0).stdout.clone();
    let json: Value = serde_json::from_str(&rendered).unwrap();
    assert_eq!((&json["a"], &json["b"][0]), (&format!("<{TRICKY}>").into(), &TRICKY.into()));
}

#[test]
fn a_tricky_value_reads_back_exactly_from_toml() {
    let text = "a = '<${secrets:tricky}>'\nb = \"\"\"\n<${secrets:tricky}>\"\"\"
[secrets]\nstore = 'modelmesh.json-secrets.v1'\nfile_path = 'given.json'\n";
    let rendered = project("modelmesh.toml", text).run(&["render"]).expect(0).stdout.clone();
    let toml: toml::Table = toml::from_str(&rendered).unwrap();
    for key in ["a", "b"] {
        assert_eq!(toml[key].as_str().unwrap(), format!("<{TRICKY}>"), "{key}");
    }
}

#[test]
fn every_other_byte_stays() {
    let text = "\u{feff}# ${secrets:plain} in a comment\r
secrets: { store: modelmesh.json-secrets.v1, file_path: '${NOWHERE:-given.json}' }\r
\r
a:   ${secrets:plain}   # kept\r
n: 0x1F   \r
other: ${HOME} $x\r
escaped: $${secrets:plain}\r
text: ${secrets:number}\r
";
    let expected = text
        .replace("a:   ${secrets:plain} ", "a:   \"value\" ")
        .replace("$${secrets:plain}", "\"${secrets:plain}\"")
        .replace("${secrets:number}", "\"42\"");
    assert_eq!(project("modelmesh.yaml", text).run(&["render"]).expect(0).stdout, expected);
}

#[test]
fn the_file_is_private_and_replaced_whole() {
    let project = Project::given(&[("a", "value")], "x: ${secrets:a}\n");
    project.write("out.yaml", "old");
    fs::set_permissions(project.path("out.yaml"), fs::Permissions::from_mode(0o644)).unwrap();
    project.run(&["render", "-o", "out.yaml"]).expect(0).says("out.yaml");
    assert_eq!(fs::metadata(project.path("out.yaml")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(project.read("out.yaml").ends_with("x: \"value\"\n"));
    let json = project.run(&["render", "-o", "out.yaml", "--json"]).json();
    assert_eq!((&json["file"], &json["references"]), (&"out.yaml".into(), &1.into()));
}

#[test]
fn nothing_is_written_unless_everything_resolves() {
    let project = Project::given(&[("a", "value")], "x: ${secrets:a}\ny: ${secrets:missing}\n");
    project.write("out.yaml", "old");
    let ran = project.run(&["render", "-o", "out.yaml"]);
    ran.expect(3).says("'missing'");
    assert_eq!(project.read("out.yaml"), "old");
    assert_eq!(project.run(&["render"]).expect(3).stdout, "");
}

#[test]
fn the_configuration_itself_is_not_overwritten() {
    let project = Project::given(&[("a", "value")], "x: ${secrets:a}\n");
    let before = project.read("modelmesh.yaml");
    project.run(&["render", "-o", "./modelmesh.yaml"]).expect(1).says("is the configuration itself");
    assert_eq!(project.read("modelmesh.yaml"), before);
}

#[test]
fn a_terminal_is_shown_values_only_when_they_are_asked_for() {
    let project = Project::given(&[("a", "shown-value")], "x: ${secrets:a}\n");
    let mut screen = project.screen(&["render"]);
    let shown = screen.expect("--reveal").to_owned();
    assert_eq!(screen.wait().code(), Some(2));
    assert!(!shown.contains("shown-value"));
    let mut screen = project.screen(&["render", "--reveal"]);
    screen.expect("shown-value");
}

#[test]
fn a_text_in_which_a_secret_may_be_missing_becomes_empty() {
    let project = Project::with(
        "secrets: { store: modelmesh.env.v1, fail_on_missing: false }\na: 'https://u:${secrets:nope}@h'\nb: 1\n",
    );
    let ran = project.run(&["render"]);
    ran.expect(0).says("warning: ").says("'nope'");
    assert!(ran.stdout.ends_with("a: \"\"\nb: 1\n"), "{ran:?}");
}
