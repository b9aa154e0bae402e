//! `--env` and `--store`: where references that name no store go.

use crate::project::Project;

const CONFIGURATION: &str = "\
secrets:
  store: modelmesh.json-secrets.v1
  file_path: dev.json
  stores:
    prod: { store: modelmesh.json-secrets.v1, file_path: '${secrets:prod-file}' }
    lenient: { store: modelmesh.dotenv.v1, path: none.env, fail_on_missing: false }
key: '${secrets:key}'
fixed: '${secrets.default:key}'
env: { KEY: '${secrets:key}' }
";

fn project() -> Project {
    let project = Project::with(CONFIGURATION);
    project.write("dev.json", r#"{ "key": "of-dev", "prod-file": "prod.json" }"#);
    project.write("prod.json", r#"{ "key": "of-prod" }"#);
    project
}

#[test]
fn an_environment_takes_the_place_of_the_default_store() {
    let project = project();
    let run = |args: &[&str]| project.run(&[args, &["--", "sh", "-c", "echo $KEY"]].concat()).stdout;
    assert_eq!(run(&["run"]), "of-dev\n");
    assert_eq!(run(&["run", "--env", "prod"]), "of-prod\n");
    assert_eq!(run(&["run", "--store", "prod"]), "of-prod\n");
    assert_eq!(run(&["run", "--env", "prod", "--set", "KEY=${secrets:key}!"]), "of-prod!\n");
}

#[test]
fn a_reference_that_names_its_store_and_the_stores_own_settings_stay() {
    let rendered = project().run(&["render", "--env", "prod"]);
    rendered.expect(0);
    assert!(rendered.stdout.contains("key: \"of-prod\"\nfixed: \"of-dev\"\n"), "{rendered:?}");
    assert!(rendered.stdout.contains("file_path: '${secrets:prod-file}'"), "{rendered:?}");
}

#[test]
fn check_asks_the_environment_and_names_it() {
    let project = project();
    project.write("prod.json", "{}");
    let ran = project.run(&["check", "--env", "prod"]);
    ran.expect(3).says("store 'prod': secret 'key': not found");
    project.run(&["check"]).expect(0);
}

#[test]
fn the_environments_own_policy_counts() {
    let project = project();
    project.run(&["check", "--env", "lenient"]).expect(0).says("warning: store 'lenient'");
}

#[test]
fn a_connectors_id_means_its_defaults_where_no_store_has_it() {
    let project = Project::with("key: '${secrets:key}'\n");
    project.write(".env", "key=of-dotenv\n");
    let ran = project.run(&["render", "--store", "modelmesh.dotenv.v1"]);
    assert_eq!(ran.expect(0).stdout, "key: \"of-dotenv\"\n");
}

#[test]
fn an_environment_that_is_not_there_is_told_with_those_that_are() {
    project().run(&["check", "--env", "staging"]).expect(1).says("no environment 'staging'").says("'prod'");
}
