//! `import`.

use serde_json::json;

use crate::project::Project;

/// Files that the reference package wrote, with PBKDF2 of 600,000 rounds.
const OLD: &[u8] = include_bytes!("../../../stores/tests/fixtures/encrypted-file/passphrase.json");
const OBFUSCATED: &[u8] = include_bytes!("../../../stores/tests/fixtures/encrypted-file/obfuscated.json");
const PASSPHRASE: &str = "correct horse battery staple";

#[test]
fn a_dotenv_file_is_imported_and_the_values_are_not_shown() {
    let project = Project::new();
    project.write(".env", "# keys\nexport OPENAI_API_KEY='canary one'\nB=\"canary\\ntwo\"\nEMPTY=\nALONE\n");
    let ran = project.run(&["import", ".env"]);
    ran.expect(0).says("created 'OPENAI_API_KEY'").says(": 3 created, 1 skipped");
    ran.says("names without a value are skipped: 'ALONE'");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    assert_eq!(
        (project.get("OPENAI_API_KEY"), project.get("B")),
        ("canary one".into(), "canary\ntwo".into())
    );
    assert_eq!(project.get("EMPTY"), "");
}

#[test]
fn a_second_import_changes_nothing() {
    let project = Project::new();
    project.write(".env", "A=1\nB=2\n");
    project.run(&["import", ".env"]).expect(0);
    let before = project.read("secrets.age");
    project.run(&["import", ".env"]).expect(0).says(": 2 unchanged");
    assert_eq!(project.read("secrets.age"), before);
}

#[test]
fn another_value_is_refused_unless_that_is_said_and_nothing_is_written() {
    let project = Project::new();
    project.given(&[], &[("A", "mine")]);
    project.write(".env", "A=theirs\nB=2\n");
    project.run(&["import", ".env"]).expect(1).says("under these names: 'A'").says("--overwrite");
    assert_eq!(project.run(&["list"]).stdout, "A\n");

    let ran = project.run(&["import", ".env", "--skip-existing", "--json"]);
    assert_eq!(
        ran.json(),
        json!({"version": 1, "store": "default", "created": ["B"], "updated": [], "deleted": [],
               "unchanged": [], "skipped": ["A"], "failed": []})
    );
    assert_eq!(project.get("A"), "mine");

    let ran = project.run(&["import", ".env", "--overwrite", "--json"]);
    assert_eq!((&ran.json()["updated"], &ran.json()["unchanged"]), (&json!(["A"]), &json!(["B"])));
    assert_eq!(project.get("A"), "theirs");
}

#[test]
fn a_line_that_cannot_be_read_refuses_the_whole_file_and_is_not_shown() {
    let project = Project::new();
    project.write(".env", "A=1\nKEY=-----BEGIN\nMIIcanary/canary+==\n");
    let ran = project.run(&["import", ".env"]);
    ran.expect(1).says("'.env' line 3: ");
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    assert!(!project.path("secrets.age").exists());
}

#[test]
fn every_wrong_place_of_a_structured_file_is_told() {
    let project = Project::new();
    project.write("in.yaml", "a: 1\nb: [1]\nc:\n");
    let ran = project.run(&["import", "in.yaml"]);
    ran.expect(1).says("'in.yaml' 2:4: 'b' is a list").says("'in.yaml' 3:2: 'c' is null");
    assert!(!project.path("secrets.age").exists());
}

#[test]
fn json_yaml_and_toml_give_the_same_secrets() {
    for (file, text) in [
        ("in.json", r#"{"openai": {"key": "sk\n1"}, "port": 8080, "on": true}"#),
        ("in.yaml", "openai:\n  key: \"sk\\n1\"\nport: 8080\non: true\n"),
        ("in.toml", "port = 8080\non = true\n[openai]\nkey = \"sk\\n1\"\n"),
    ] {
        let project = Project::new();
        project.write(file, text);
        project.run(&["import", file]).expect(0);
        assert_eq!(project.run(&["list"]).stdout, "on\nopenai.key\nport\n", "{file}");
        assert_eq!(
            (project.get("openai.key"), project.get("port")),
            ("sk\n1".into(), "8080".into()),
            "{file}"
        );
    }
}

#[test]
fn standard_input_needs_a_format() {
    let project = Project::new();
    project.feed(&["import", "-"], "A=1\n").expect(2).says("--format");
    project.feed(&["import", "-", "--format", "dotenv"], "A=1\n").expect(0);
    assert_eq!(project.get("A"), "1");
}

#[test]
fn names_become_kebab_where_that_is_asked_for_or_the_store_has_it_so() {
    let project = Project::new();
    project.write(".env", "OPENAI_API_KEY=1\n");
    project.run(&["import", ".env", "--kebab"]).expect(0);
    assert_eq!(project.run(&["list"]).stdout, "openai-api-key\n");
    project.run(&["import", ".env", "--store", "screaming"]).expect(0);
    project.run(&["import", ".env", "--store", "screaming"]).expect(0).says("1 unchanged");
    assert_eq!(project.read("screaming.env"), "OPENAI_API_KEY=1\n");
}

#[test]
fn a_variable_of_the_environment_is_not_taken_for_a_secret_of_the_file() {
    let project = Project::new();
    project.write("in.env", "A=same\n");
    let mut command = project.command(&["import", "in.env", "--format", "dotenv", "--store", "dotenv"]);
    command.env("A", "same");
    crate::project::run(command).expect(0).says("created 'A'");
    assert_eq!(project.read("local.env"), "A=same\n");
}

#[test]
fn a_name_that_the_store_cannot_hold_refuses_the_whole_file() {
    let project = Project::new();
    project.write("in.json", r#"{"fine": "1", "a/b": "2"}"#);
    project.run(&["import", "in.json", "--store", "dotenv"]).expect(1).says("secret 'a/b'");
    assert!(!project.path("local.env").exists());
}

#[test]
fn an_encrypted_file_of_the_older_package_is_opened_by_its_passphrase() {
    let project = Project::new();
    project.write("from-there.json", OLD);
    let mut command = project.command(&["import", "from-there.json"]);
    command.env("MODELMESH_PASSPHRASE", PASSPHRASE);
    crate::project::run(command).expect(0).says("6 created");
    assert_eq!(project.get("OPENAI_API_KEY"), "sk-fixture-$HOME");
    assert_eq!(project.get("nul"), "a\0b");

    let mut command = project.command(&["import", "from-there.json"]);
    command.env("MODELMESH_PASSPHRASE", "wrong");
    crate::project::run(command).expect(6);
}

#[test]
fn an_obfuscated_file_is_imported_with_a_warning_and_the_settings_of_its_store() {
    let project = Project::new();
    project.write("older.json", OBFUSCATED);
    let mut command = project.command(&["import", "older.json"]);
    command.env("MODELMESH_PASSPHRASE", PASSPHRASE);
    crate::project::run(command).expect(0).says("warning: this file is obfuscated, not encrypted");
    assert_eq!(project.get("OPENAI_API_KEY"), "sk-fixture-$HOME");
}
