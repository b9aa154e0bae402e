//! The program's environment, and how the command ends.

use std::process::Stdio;

use modelmesh_testkit::canary::{Canary, CanarySet, Source, observe};

use crate::project::Project;

const TRICKY: &str =
    "a: b # c\n${secrets:other} $${secrets:x} $HOME \"q\" 'q' \\n\t\u{1}\u{7f}\u{feff}\u{202e}é🔑\r\n end ";

#[test]
fn a_tricky_value_reaches_the_program_exactly() {
    let project = Project::given(
        &[("tricky", TRICKY), ("other", "never")],
        "env: { A: '${secrets:tricky}', B: '<${secrets:tricky}>', C: 7, D: true, E: '$${secrets:x}' }\n",
    );
    let show = |name: &str| project.run(&["run", "--", "sh", "-c", &format!("printf %s \"${name}\"")]).stdout;
    assert_eq!(show("A"), TRICKY);
    assert_eq!(show("B"), format!("<{TRICKY}>"));
    assert_eq!((show("C"), show("D"), show("E")), ("7".into(), "true".into(), "${secrets:x}".into()));
}

#[test]
fn options_take_the_place_of_the_section() {
    let project = Project::given(&[("a", "of-a")], "env: { A: '${secrets:a}' }\n");
    let ran = project.run(&["run", "--set", "B=x-${secrets:a}", "--", "sh", "-c", "echo ${A-unset} $B"]);
    assert_eq!(ran.expect(0).stdout, "unset x-of-a\n");
}

#[test]
fn a_text_without_a_reference_is_refused_and_not_shown() {
    let project = Project::given(&[("a", "of-a")], "");
    let ran = project.run(&["run", "--set", "A=sk-plaintext", "--", "true"]);
    ran.expect(125).says("--set A: there is no reference");
    assert!(!ran.stderr.contains("sk-plaintext"), "{ran:?}");
}

#[test]
fn only_what_the_program_needs_is_resolved() {
    let project = Project::given(
        &[("a", "of-a")],
        "providers: { p: { key: '${secrets:missing}' } }\nenv: { A: '${secrets:a}' }\n",
    );
    project.run(&["check"]).expect(3);
    assert_eq!(project.run(&["run", "--", "sh", "-c", "echo $A"]).expect(0).stdout, "of-a\n");
}

#[test]
fn a_broken_configuration_starts_nothing() {
    let project = Project::given(
        &[("a", "of-a")],
        "providers: { p: '${secrets:unclosed' }\nenv: { A: '${secrets:a}' }\n",
    );
    let ran = project.run(&["run", "--", "touch", "started"]);
    ran.expect(125).says("[modelmesh.yaml:2:");
    assert!(!project.path("started").exists());
}

#[test]
fn what_is_missing_is_drawn_at_its_variable_and_ends_with_125() {
    let project = Project::given(&[], "env:\n  A: \"${secrets:a}\"\n  B: x ${secrets:b}\n");
    let ran = project.run(&["run", "--", "true"]);
    ran.expect(125)
        .says("[modelmesh.yaml:3:7]")
        .says("env.A")
        .says("[modelmesh.yaml:4:8]")
        .says("2 problems");
    project.run(&["run", "--set", "A=${secrets:a}", "--", "true"]).expect(125).says("'a': not found");
}

#[test]
fn what_may_be_missing_is_unset_whatever_was_inherited() {
    let project = Project::with(
        "secrets: { store: modelmesh.dotenv.v1, fail_on_missing: false }\nenv: { A: 'x ${secrets:a}', B: b }\n",
    );
    let ran = project.run_with(&[("A", "inherited")], &["run", "--", "sh", "-c", "echo ${A-unset} $B"]);
    assert_eq!(ran.expect(0).stdout, "unset b\n");
}

#[test]
fn the_stores_credentials_are_kept_from_the_program() {
    let project = Project::with(
        "secrets:
  store: modelmesh.env.v1
  stores:
    file: { store: modelmesh.encrypted-file.v1, file_path: '${FOLDER}/none', passphrase: 'x${env:FILE_PASS}' }
    other: { store: modelmesh.memory-secrets.v1, secrets: { a: '${MEMORY:-}' } }
    remote: { store: 1password.connect.v1 }
env: { GIVEN: '${secrets:MODELMESH_PASSPHRASE}' }
",
    );
    let variables = [
        ("MODELMESH_IDENTITY", "x"),
        ("MODELMESH_IDENTITY_FILE", "x"),
        ("MODELMESH_PASSPHRASE", "given"),
        ("FILE_PASS", "x"),
        ("MEMORY", "x"),
        ("OP_CONNECT_TOKEN", "x"),
        ("FOLDER", "/x"),
        ("MINE", "x"),
    ];
    let ran = project.run_with(&variables, &["run", "--", "env"]);
    let mut names: Vec<&str> =
        ran.expect(0).stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !["PATH", "HOME", "PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["FOLDER", "GIVEN", "MINE"]);
}

#[test]
fn a_variable_that_steers_a_loader_is_refused_without_its_value() {
    let key = Canary::new("a value");
    let project =
        Project::given(&[("a", key.text())], "env:\n  LD_PRELOAD: ${secrets:a}\n  N: literal-text\n");
    let ran = project.run(&["run", "--", "true"]);
    ran.expect(125).says("LD_PRELOAD").says("--allow-env").says("env.LD_PRELOAD");
    CanarySet::from_iter([key]).assert_absent(&ran.stderr, "the refusal");
    assert_eq!(
        project.run(&["run", "--allow-env", "LD_PRELOAD", "--", "sh", "-c", "echo $N"]).stdout,
        "literal-text\n"
    );
}

#[test]
fn a_literal_that_no_variable_can_hold_is_refused_and_not_shown() {
    for written in ["\"sk-literal-key\\0\"", "'${secrets:nul}'"] {
        let project = Project::given(&[("nul", "sk-literal-key\0")], &format!("env: {{ A: {written} }}\n"));
        let ran = project.run(&["run", "--", "true"]);
        ran.expect(125).says("NUL").says("env.A");
        assert!(!ran.stderr.contains("sk-lit"), "{ran:?}");
    }
}

#[test]
fn the_programs_code_is_passed_on() {
    let project = Project::given(&[], "env: { A: a }\n");
    for redact in [&[][..], &["--redact"]] {
        for code in [0, 1, 3, 7, 125] {
            let exit = format!("exit {code}");
            let ran = project.run(&[&["run"], redact, &["--", "sh", "-c", &exit]].concat());
            assert_eq!((ran.expect(code).stdout.as_str(), ran.stderr.as_str()), ("", ""));
        }
        project.run(&[&["run"], redact, &["--", "./none"]].concat()).expect(127).says("no such program");
        project.run(&[&["run"], redact, &["--", "/etc/passwd"]].concat()).expect(126);
    }
    project.run(&["run", "--redact", "--", "sh", "-c", "kill -TERM $$"]).expect(143);
}

#[test]
fn values_are_masked_where_that_is_asked_for() {
    let project = Project::given(&[("a", "sk-to-be-masked")], "env: { A: 'Bearer ${secrets:a}' }\n");
    let script = ["--", "sh", "-c", "echo \"$A\"; echo \"$A\" >&2"];
    let ran = project.run(&[&["run", "--redact"], &script[..]].concat());
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("Bearer *****\n", "Bearer *****\n"));
}

#[test]
fn without_a_file_and_without_options_there_is_nothing_to_give() {
    let project = Project::empty();
    project.run(&["run", "--", "true"]).expect(125).says("there is no configuration file");
    let ran = project
        .run_with(&[("KEY", "of-env")], &["run", "--set", "A=${secrets:key}", "--", "sh", "-c", "echo $A"]);
    assert_eq!(ran.expect(0).stdout, "of-env\n");
}

#[test]
fn no_value_reaches_another_place_than_the_programs_environment() {
    let key = Canary::with_special_characters("the value");
    let project = Project::given(&[("a", key.text())], "env: { A: '${secrets:a}' }\nx: '${secrets:a}'\n");
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["render", "-o", "out.yaml"],
        &["run", "--", "true"],
        &["run", "--redact", "--", "cat"],
    ] {
        let mut command = project.command(args);
        command.stdin(Stdio::piped());
        let seen = observe(command, b"").unwrap();
        assert!(seen.status.success(), "{args:?}");
        let canaries = CanarySet::from_iter([key.clone()]);
        canaries.assert_absent(&seen.stdout, "standard output");
        canaries.assert_absent(&seen.stderr, "standard error");
        for (source, finding) in seen.find(&canaries) {
            // Without `--redact` the process that was watched has become the program itself.
            let is_programs = match source {
                Source::Environment => args[0] == "run" && args[1] == "--",
                Source::ChildEnvironment(_) => args[0] == "run",
                _ => false,
            };
            assert!(is_programs, "{finding}");
        }
    }
}

#[test]
fn a_store_that_fails_is_told_once_whatever_is_asked_of_it() {
    let project = Project::with(
        "secrets: { stores: { broken: { store: modelmesh.json-secrets.v1, file_path: broken.json } } }
env: { A: '${secrets.broken:a}', B: '${secrets.broken:b#f}', C: '${secrets:none}', D: '${secrets:none}' }
",
    );
    project.write("broken.json", "{");
    let ran = project.run(&["run", "--", "true"]);
    ran.expect(125).says("3 problems in modelmesh.yaml");
    assert_eq!(ran.stderr.matches("store 'broken'").count(), 1, "{ran:?}");
}
