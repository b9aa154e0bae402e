//! Input from people who mean harm: refused or shown masked, nothing followed, nothing printed.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    process::Command,
};

use modelmesh_testkit::canary::{Canary, CanarySet};

use crate::project::{AGE_FILE, MODELMESH, Project, Ran, Run as _};

/// Escapes that would clear the screen, set the title, hide text and reverse it.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{200b}";

/// Asserts that nothing printed acts on a terminal, or is invisible.
#[track_caller]
fn assert_harmless(ran: &Ran) {
    for text in [&ran.text(), &ran.stderr] {
        let harmful = text.chars().find(|&c| c != '\n' && modelmesh_secrets::misleads(c));
        assert_eq!(harmful, None, "{:?}", ran.described());
    }
}

#[test]
fn a_name_that_reaches_outside_is_refused_before_anything_is_touched() {
    let names = ["../key", "a/../../key", "/etc/passwd", "a//b", ".", "..", "a/", "", "a\nb", "a\u{1b}[2Jb"];
    for store in ["modelmesh.age-file.v1", "modelmesh.dotenv.v1", "modelmesh.env.v1"] {
        let project = Project::with_config("");
        for name in names {
            for args in [
                &["secrets", "set", name, "value"][..],
                &["secrets", "get", name],
                &["secrets", "delete", "--yes", name],
            ] {
                let ran = project.run(&[args, &["--store", store]].concat());
                assert!(matches!(ran.status.code(), Some(1 | 2)), "{name:?}: {}", ran.described());
                assert_harmless(&ran);
            }
        }
        assert_eq!(project.files(), ["modelmesh.yaml"], "something was written");
    }
}

#[test]
fn a_reference_that_reaches_outside_is_refused_however_it_is_spelled() {
    let references = [
        "../key",
        "%2e%2e/key",
        "%2E%2E%2Fkey",
        "a/%2e%2e/b",
        "..%2fkey",
        "a%00b",
        "a%0ab",
        "%",
        "%zz",
        "a%1b[2J",
    ];
    for reference in references {
        let project = Project::with_config(&format!("{AGE_FILE}key: '${{secrets:{reference}}}'\n"));
        let ran = project.run(&["check"]).expect(1);
        assert!(ran.stderr.contains("modelmesh.yaml:3:"), "{reference}: {}", ran.described());
        assert_harmless(&ran);
    }
}

#[test]
fn terminal_escapes_in_a_file_are_not_printed() {
    let project = Project::empty();
    let escaped = serde_json::to_string(ESCAPES).unwrap();
    let escaped = escaped.trim_matches('"');
    project.write(
        "modelmesh.json",
        format!(
            r#"{{"secrets": {{"{escaped}": 1, "store": "modelmesh.age-file.v1", "path": "{escaped}.age",
                "stores": {{"{escaped}": {{"store": "{escaped}.x"}}, "b": {{"chain": ["{escaped}"]}}}}}},
              "{escaped}": "${{secrets:{escaped}}} ${{secrets.nowhere:a#{escaped}}} ${{secrets:open",
              "env": {{"{escaped}=": "${{secrets:gone}}"}}}}"#
        ),
    );
    for args in
        [&["check"][..], &["check", "--json"], &["check", "--offline"], &["render"], &["run", "--", "true"]]
    {
        let ran = project.run(args);
        assert_eq!(ran.status.code(), Some(if args[0] == "run" { 125 } else { 1 }), "{}", ran.described());
        assert_harmless(&ran);
    }
}

#[test]
fn terminal_escapes_in_arguments_are_not_printed() {
    let project = Project::with_age_file();
    let path = format!("{ESCAPES}.yaml");
    for args in [
        &["secrets", "get", "k", "--store", ESCAPES][..],
        &["secrets", "get", "k", "--env", ESCAPES],
        &["check", "--config", &path],
        &["run", "--", ESCAPES],
        &["stores", ESCAPES],
        &["secrets", "rekey", "--add", ESCAPES],
        &["secrets", "import", &path],
        &["secrets", "get", "a\u{202e}b"],
        &["init", &path],
    ] {
        let ran = project.run(args);
        assert_harmless(&ran);
    }
}

#[test]
fn terminal_escapes_in_the_names_of_a_store_are_not_printed() {
    let project = Project::with_config("secrets:\n  store: modelmesh.age-file.v1\n");
    let plaintext = serde_json::json!({ "version": 2, "secrets": {
        "fine": { "value": "x", "version": 1 },
        "bidi\u{202e}\u{200b}": { "value": "x", "version": 1 },
        ESCAPES: { "value": "x", "version": 1 },
    } });
    let mut age = crate::tools::tool("age", "age");
    age.args(["--encrypt", "--armor", "-i"])
        .arg(project.identity())
        .arg("-o")
        .arg(project.path("secrets.age"));
    age.run(plaintext.to_string().as_bytes()).expect(0);
    for args in [&["secrets", "list"][..], &["secrets", "list", "--json"]] {
        let ran = project.run(args).expect(0);
        assert!(ran.text().contains("fine"));
        assert_harmless(&ran);
    }
}

/// Runs `modelmesh` with an address space of `mebibytes`, and at most ten seconds of processor time.
fn limited(project: &Project, mebibytes: u64, args: &[&str]) -> Ran {
    let line = format!("ulimit -v {}; ulimit -t 10; exec {MODELMESH} {}", mebibytes << 10, args.join(" "));
    project.command(Command::new("sh"), &["-c", &line]).run(b"")
}

#[test]
fn aliases_that_unfold_without_end_are_refused_in_little_memory() {
    let level = |level: u32| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{aliases}]\n")
    };
    let levels = (1..40).map(level).collect::<Vec<_>>().concat();
    let project = Project::with_config(&format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{levels}"));
    let ran = limited(&project, 512, &["check"]).expect(1);
    assert!(ran.stderr.contains("modelmesh.yaml"), "{}", ran.described());
}

#[test]
fn aliases_that_hold_themselves_are_refused() {
    let project = Project::with_config("a: &a [*a]\n");
    limited(&project, 512, &["check"]).expect(1).says("modelmesh.yaml:1");
}

#[test]
fn nesting_without_end_is_refused_in_little_memory() {
    let (open, depth) = (100_000, 100_000);
    for (name, text) in [
        ("modelmesh.yaml", format!("a: {}", "[".repeat(open))),
        ("modelmesh.yaml", format!("a: {}{}", "{a: ".repeat(depth), "}".repeat(depth))),
        ("modelmesh.yaml", "- ".repeat(depth)),
        ("modelmesh.yaml", (0..2000).map(|level| " ".repeat(level) + "a:\n").collect()),
        ("modelmesh.json", format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth))),
        ("modelmesh.json", "{\"a\":".repeat(depth)),
        ("modelmesh.toml", format!("a = {}{}", "[".repeat(depth), "]".repeat(depth))),
        ("modelmesh.toml", format!("{} = 1", vec!["a"; depth].join("."))),
    ] {
        let project = Project::empty();
        project.write(name, &text);
        let ran = limited(&project, 512, &["check"]).expect(1);
        assert!(ran.stderr.contains(name) && ran.stderr.len() < 10_000, "{}", ran.stderr.len());
    }
}

#[test]
fn a_nested_file_of_secrets_is_refused_in_little_memory() {
    let project = Project::with_age_file();
    project.write("import.json", format!("{{\"a\": {}", "[".repeat(100_000)));
    project.write("import.yaml", format!("a: {}", "[".repeat(100_000)));
    for file in ["import.json", "import.yaml"] {
        limited(&project, 512, &["secrets", "import", file]).expect(1).says(file);
    }
    assert!(!project.path("secrets.age").exists());
}

#[test]
fn a_huge_file_is_refused_without_being_read_whole() {
    let huge = |project: &Project, name: &str| {
        let file = File::create(project.path(name)).unwrap();
        file.set_len(8 << 30).unwrap();
    };
    let project = Project::empty();
    huge(&project, "modelmesh.yaml");
    limited(&project, 512, &["check"]).expect(1).says("too large");

    let project = Project::with_age_file();
    huge(&project, "secrets.age");
    limited(&project, 512, &["secrets", "get", "k"]).expect(1);
    limited(&project, 512, &["secrets", "set", "k", "v"]).expect(1);
    assert_eq!(fs::metadata(project.path("secrets.age")).unwrap().len(), 8 << 30);
    huge(&project, "import.env");
    limited(&project, 512, &["secrets", "import", "import.env", "--store", "modelmesh.dotenv.v1"]).expect(1);
}

#[test]
fn a_file_that_never_ends_is_refused() {
    let project = Project::with_age_file();
    symlink("/dev/zero", project.path("secrets.age")).unwrap();
    limited(&project, 512, &["secrets", "get", "k"]).expect(1);
    limited(&project, 512, &["check", "--config", "/dev/zero"]).expect(1);
    limited(&project, 512, &["secrets", "import", "/dev/zero", "--format", "dotenv"]).expect(1);
}

#[test]
fn a_pipe_in_a_files_place_is_refused_and_not_waited_for() {
    let project = Project::with_age_file();
    for name in ["secrets.age", "pipe.yaml"] {
        crate::tools::tool("mkfifo", "coreutils").arg(project.path(name)).run(b"").expect(0);
    }
    project.run(&["secrets", "get", "k"]).expect(1);
    project.run(&["secrets", "set", "k", "v"]).expect(1);
    project.run(&["check", "--config", "pipe.yaml"]).expect(1);
}

#[test]
fn a_pipe_in_the_place_of_an_output_is_not_replaced_by_a_file() {
    use std::os::unix::fs::FileTypeExt as _;
    let project = Project::with_age_file();
    project.set("k", "v");
    let pipe = project.path("pipe");
    crate::tools::tool("mkfifo", "coreutils").arg(&pipe).run(b"").expect(0);
    for args in [&["render", "-o", "pipe"][..], &["secrets", "export", "-o", "pipe"]] {
        project.run(args).expect(1);
        // What is true of a pipe is true of /dev/null, which root could replace.
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "{args:?} has replaced the pipe");
    }
}

#[test]
fn a_plaintext_key_beside_a_bad_reference_is_masked() {
    let canary = Canary::new("a plaintext key");
    let canaries = CanarySet::from_iter([canary.clone()]);
    let key = canary.text();
    for line in [
        format!("a: {key} ${{secrets:../x}}\n"),
        format!("a: ${{secrets:../x}} {key}\n"),
        format!("a: ${{secrets:x:-{key}\n"),
        format!("a: ${{secrets.nowhere:x:-{key}}}\n"),
        format!("a: {{ b: {key}, c: '${{secrets:}}' }}\n"),
        format!("a: ${{secrets:{key}/../x}}\n").replace(key, "name"),
        format!("secrets: {{ store: modelmesh.encrypted-file.v1, passphrase: {key}, wrong: 1 }}\n"),
        format!(
            "secrets: {{ store: modelmesh.encrypted-file.v1, encryption_key: {key}, path: x }}\na: ${{secrets:x}}\n"
        ),
        format!("secrets: {{ store: {key} }}\n"),
        format!("a: \"{key}\n"),
        format!("? {key}\n: : :\n"),
    ] {
        let project = Project::empty();
        project.write("modelmesh.yaml", &line);
        for args in [&["check"][..], &["check", "--json"], &["render"], &["secrets", "get", "x"]] {
            let ran = project.run(args);
            let what = line.replace(key, "KEY");
            canaries.assert_absent(&ran.stdout, &format!("standard output of {args:?} of {what}"));
            canaries.assert_absent(&ran.stderr, &format!("standard error of {args:?} of {what}"));
        }
    }
}

#[test]
fn a_cycle_of_stores_is_shown() {
    let project = Project::with_config(
        "secrets:
  stores:
    a: { store: modelmesh.encrypted-file.v1, path: a, passphrase: '${secrets.b:x}' }
    b: { store: modelmesh.encrypted-file.v1, path: b, passphrase: '${secrets.a:x}' }
    c: { chain: [c] }
",
    );
    let ran = limited(&project, 512, &["check"]).expect(1);
    assert!(ran.stderr.contains("modelmesh.yaml:"), "{}", ran.described());
    limited(&project, 512, &["secrets", "get", "x", "--store", "a"]).expect(1);
}
