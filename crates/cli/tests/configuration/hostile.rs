//! Files that mean harm.

use std::fmt::Write as _;

use modelmesh_testkit::canary::{Canary, CanarySet};

use crate::project::Project;

#[test]
fn names_that_leave_their_place_are_refused_before_anything_is_opened() {
    for name in ["../x", "a/../../etc/passwd", "a//b", ".", "/x", "a/./b"] {
        let project = Project::given(&[], &format!("a: '${{secrets:{name}}}'\n"));
        project.run(&["check", "--offline"]).expect(1).says("[modelmesh.yaml:2:5]");
    }
}

#[test]
fn nested_aliases_are_refused_in_no_time() {
    let mut text = "a0: &a0 ['${secrets:x}', x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{inner}]").unwrap();
    }
    for args in [&["check"][..], &["render"]] {
        Project::with(&text).run(args).expect(1);
    }
}

#[test]
fn terminal_escapes_are_shown_escaped() {
    let project = Project::with(
        "\"k\\e[2J\\u202e\":\n  a: '${secrets:%1B%5B2J}'\n  b: \"${secrets:x\\e]0;t\\a}\"\n\"env\": { \"A\\e[1m=\": x }\n",
    );
    for args in [&["check"][..], &["check", "--json"], &["check", "--color", "never"]] {
        let ran = project.run(args);
        ran.expect(1);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!told.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{told:?}");
        assert!(told.contains('k'), "{told}");
    }
    // A file's own name, too.
    project.write("e\u{1b}[2J.yaml", "a: ${secrets:x\n");
    let ran = project.run(&["check", "--config", "e\u{1b}[2J.yaml"]);
    assert!(
        ran.expect(1).stderr.contains("e\\u{1b}[2J.yaml:1:4") && !ran.stderr.contains('\u{1b}'),
        "{ran:?}"
    );
}

#[test]
fn a_plaintext_key_beside_a_bad_reference_is_masked_in_every_style() {
    let key = Canary::new("a plaintext key");
    let k = key.text();
    for line in [
        format!("a: {k} ${{secrets:x y}} {k}"),
        format!("a: '{k} ${{secrets:x y}} {k}' # {k}"),
        format!("a: \"{k}\\t${{secrets:x y}}\\t{k}\""),
        format!("{{ other: {k}, a: '${{secrets:x y:-{k}}}' }}"),
        format!("a: |\n  {k}\n  ${{secrets:x y}}\n  {k}"),
        format!("a: >-\n  {k}\n  ${{secrets:x\n  {k}}}"),
        format!("a: ${{secrets:x {k}"),
        format!("a: ${{secrets:x#{{}}{k}}}"),
        format!("a: \"\\x24{{secrets:x y}}{k}\""),
        format!("a: ${{secret:{k}}}"),
        format!("secrets: {k}"),
        format!("secrets: {{ store: {k} }}"),
        format!("secrets: {{ store: modelmesh.age-file.v1, passphrase: [{k}] }}"),
        format!("secrets: {{ store: modelmesh.age-file.v1, cache_ttl: {k} }}"),
        format!("env: {k}"),
        format!("env: {{ A: [{k}] }}"),
        format!("env: {{ '=': {k} }}"),
        format!("providers: {k}"),
        k.to_owned(),
        format!("a: [{k}"),
        format!("a: {k}\na: {k}"),
        format!("? [{k}]\n: x"),
    ] {
        let project = Project::with(&format!("{line}\n"));
        for args in [&["check"][..], &["check", "--json"], &["run", "--", "true"], &["stores"]] {
            let ran = project.run_with(&[("RUST_LOG", "trace")], args);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            CanarySet::from_iter([key.clone()]).assert_absent(told, &line.replace(k, "KEY"));
        }
    }
}

#[test]
fn a_loop_of_stores_is_shown_and_nothing_is_opened() {
    let project = Project::with(
        "secrets:
  stores:
    a: { store: modelmesh.encrypted-file.v1, file_path: x, passphrase: '${secrets.b:p}' }
    b: { store: modelmesh.encrypted-file.v1, file_path: y, passphrase: '${secrets.a:p}' }
x: ${secrets.a:x}
",
    );
    project.run(&["check"]).expect(1).says("'a' -> 'b' -> 'a'");
}
