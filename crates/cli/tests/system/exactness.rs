//! Values come out as they went in, whatever they hold.

use crate::{
    project::{Project, Run as _},
    tools::python,
};

/// Values that some layer would change if it could.
const VALUES: [(&str, &str); 26] = [
    ("dollar", "$"),
    ("dollars", "$$ $1 ${ ${} $(id) `id`"),
    ("reference", "${secrets:other}"),
    ("escaped-reference", "$${secrets:other} ${secrets.env:HOME:-x} ${env:HOME} ${HOME}"),
    ("half-a-reference", "${secrets:"),
    ("quotes", "'\"`'' \"\" ''' \"\"\" «»"),
    ("newlines", "one\ntwo\r\nthree\r\n\n"),
    ("only-newlines", "\n\n"),
    ("blanks-around", "  \t value \t  "),
    ("colon", "key: value"),
    ("comment", "value # no comment"),
    ("list", "- item\n- [a, b]\n- {c: d}"),
    ("null", "null"),
    ("true", "true"),
    ("number", "0123"),
    ("float", "1e3"),
    ("date", "2025-01-31"),
    ("document-end", "...\n---\n"),
    ("backslashes", "\\ \\n \\\\ \\u0041 \\x41 C:\\new\\table"),
    ("percent", "100%25 %s %n"),
    ("controls", "\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}[2J\u{7f}\u{85}"),
    ("bidirectional", "\u{202e}abc\u{2066}\u{2028}\u{2029}\u{feff}\u{200b}"),
    ("astral", "\u{1f511}\u{10ffff}\u{fffd}é\u{301}"),
    ("anchors", "*a &b !!c @d |e >f"),
    ("json", "{\"a\": [1, \"\\\"\", null]}"),
    ("pem", "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n"),
];

/// Every store that holds any text.
const STORES: [&str; 2] = [
    "secrets:\n  store: modelmesh.age-file.v1\n",
    "secrets:\n  store: modelmesh.encrypted-file.v1\n  path: secrets.enc\n  encryption_key: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
];

fn filled(config: &str) -> Project {
    let project = Project::with_config(config);
    for (name, value) in VALUES {
        project.set(name, value);
    }
    project
}

#[test]
fn set_and_get_keep_every_byte() {
    for store in STORES {
        let project = filled(store);
        for (name, value) in VALUES {
            assert_eq!(project.get(name), value, "{name}");
        }
    }
}

#[test]
fn a_dotenv_file_keeps_every_byte() {
    let project = Project::with_config("secrets:\n  store: modelmesh.dotenv.v1\n");
    for (name, value) in VALUES {
        project.set(&variable(name), value);
    }
    for (name, value) in VALUES {
        assert_eq!(project.get(&variable(name)), value, "{name}");
    }
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// Parses a file and prints it as JSON.
const PARSERS: [(&str, &str); 3] = [
    ("yaml", "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1], 'rb')), sys.stdout)"),
    ("json", "import json, sys; json.dump(json.load(open(sys.argv[1], 'rb')), sys.stdout)"),
    ("toml", "import json, sys, tomllib; json.dump(tomllib.load(open(sys.argv[1], 'rb')), sys.stdout)"),
];

/// A configuration in each format, whose lists hold every value: alone, and within other text.
fn configuration(format: &str) -> String {
    let alone = VALUES.map(|(name, _)| format!("\"${{secrets:{name}}}\"")).join(", ");
    let within = VALUES.map(|(name, _)| format!("\"<${{secrets:{name}}}|${{secrets:{name}}}>\"")).join(", ");
    match format {
        "yaml" => format!(
            "secrets:\n  store: modelmesh.age-file.v1\nalone: [{alone}]\nwithin: [{within}]\nplain: # stays\n{}",
            VALUES.map(|(name, _)| format!("  {name}: ${{secrets:{name}}} # as it is\n")).concat()
                + &VALUES.map(|(name, _)| format!("  single-{name}: 'it''s ${{secrets:{name}}}'\n")).concat()
        ),
        "json" => format!(
            r#"{{"secrets": {{"store": "modelmesh.age-file.v1"}}, "alone": [{alone}], "within": [{within}]}}"#
        ),
        "toml" => {
            format!("alone = [{alone}]\nwithin = [{within}]\n[secrets]\nstore = \"modelmesh.age-file.v1\"\n")
        }
        other => panic!("no format '{other}'"),
    }
}

#[test]
fn a_rendered_file_parses_elsewhere_to_the_exact_values() {
    let project = filled(STORES[0]);
    std::fs::remove_file(project.path("modelmesh.yaml")).unwrap();
    for (format, parser) in PARSERS {
        let (source, rendered) = (format!("source.{format}"), format!("rendered.{format}"));
        project.write(&source, configuration(format));
        project.run(&["render", "--config", &source, "-o", &rendered]).expect(0);
        let parsed = python(parser, [project.path(&rendered)]).expect(0).json();
        for (at, (name, value)) in VALUES.into_iter().enumerate() {
            assert_eq!(parsed["alone"][at], value, "{format}: {name}");
            assert_eq!(parsed["within"][at], format!("<{value}|{value}>"), "{format}: {name}");
            if format == "yaml" {
                assert_eq!(parsed["plain"][name], value, "{format}: {name}");
                assert_eq!(parsed["plain"][format!("single-{name}")], format!("it's {value}"), "{name}");
            }
        }
    }
}

/// Every way to write a text, with a reference in it, and what it stands for once `V` is filled in.
const YAML_STYLES: &str = r#"
literal: |
  one ${secrets:NAME}
  two
literal-strip: |-
  ${secrets:NAME}
folded: >-
  ${secrets:NAME}
  next
anchored: &a '${secrets:NAME}'
alias: *a
tagged: !!str ${secrets:NAME}
long: "one
  ${secrets:NAME}"
flow: {a: '${secrets:NAME}', "b":"${secrets:NAME}", c: ['plain ${secrets:NAME} text']}
? complex
: ${secrets:NAME}
escaped: "\x41${secrets:NAME}\n$${secrets:NAME}"
last: ${secrets:NAME}"#;

const YAML_MEANING: [(&str, &str); 11] = [
    ("literal", "one V\ntwo\n"),
    ("literal-strip", "V"),
    ("folded", "V next"),
    ("anchored", "V"),
    ("alias", "V"),
    ("tagged", "V"),
    ("long", "one V"),
    ("complex", "V"),
    ("escaped", "AV\n${secrets:NAME}"),
    ("last", "V"),
    ("after", "unchanged"),
];

const TOML_STYLES: &str = r#"
basic = "${secrets:NAME}"
literal = '${secrets:NAME}'
multi = """
one ${secrets:NAME}"""
multi-literal = '''
${secrets:NAME} two'''
inline = { a = '${secrets:NAME}', "b" = "\u0041${secrets:NAME}" }
dotted.key = "${secrets:NAME}"
after = "unchanged"
"#;

const TOML_MEANING: [(&str, &str); 8] = [
    ("basic", "V"),
    ("literal", "V"),
    ("multi", "one V"),
    ("multi-literal", "V two"),
    ("/inline/a", "V"),
    ("/inline/b", "AV"),
    ("/dotted/key", "V"),
    ("after", "unchanged"),
];

#[test]
fn a_reference_is_replaced_in_every_style_of_text() {
    let project = filled(STORES[0]);
    let pointer = |key: &str| if key.starts_with('/') { key.to_owned() } else { format!("/{key}") };
    let yaml = format!("secrets: {{store: modelmesh.age-file.v1}}\nafter: unchanged # here{YAML_STYLES}");
    let toml = format!("{TOML_STYLES}[secrets]\nstore = \"modelmesh.age-file.v1\"\n");
    let formats = [(PARSERS[0], yaml, &YAML_MEANING[..]), (PARSERS[2], toml, &TOML_MEANING[..])];
    for ((format, parser), text, meaning) in formats {
        for (name, value) in VALUES {
            for line_end in ["\n", "\r\n"] {
                let source = format!("source.{format}");
                project.write(&source, text.replace("NAME", name).replace('\n', line_end));
                let rendered = project.outside("rendered");
                let target = rendered.to_str().unwrap();
                project.run(&["render", "--config", &source, "-o", target]).expect(0);
                let parsed = python(parser, [&rendered]).expect(0).json();
                for (key, expected) in meaning {
                    let expected = expected.replace("NAME", name).replace('V', value);
                    let found = parsed.pointer(&pointer(key)).and_then(|found| found.as_str());
                    assert_eq!(found, Some(&*expected), "{format}: {key}: {name}: {line_end:?}");
                }
            }
        }
    }
}

#[test]
fn rendering_leaves_every_other_byte() {
    let project = Project::with_age_file();
    project.set("key", "v: #");
    let around = "# first\nsecrets: {store: modelmesh.age-file.v1}\n\n'a'  :   [1,  2 ] # two\n";
    project.write("modelmesh.yaml", format!("{around}key: ${{secrets:key}} # why\nprice: $${{secrets:x}}\n"));
    let rendered = project.run(&["render"]).expect(0).text();
    let tail = rendered.strip_prefix(around).unwrap_or_else(|| panic!("{rendered}"));
    let (first, second) = tail.split_once('\n').unwrap();
    assert!(first.starts_with("key: ") && first.ends_with(" # why"), "{first}");
    assert!(second.contains("${secrets:x}") && !second.contains("$${"), "{second}");
}

#[test]
fn a_rendered_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::with_age_file();
    project.set("key", "value");
    project.write("other.yaml", "");
    project.run(&["render", "-o", "rendered.yaml"]).expect(0);
    let mode = project.path("rendered.yaml").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_program_gets_the_exact_bytes() {
    let project = filled(STORES[0]);
    for redact in [false, true] {
        for (name, value) in VALUES {
            let assignment = format!("SECRET=${{secrets:{name}}}");
            // In hexadecimal backwards: a value in clear would be masked.
            let script = "import os; print(os.environb[b'SECRET'][::-1].hex())";
            let mut args = vec!["run", "--set", &assignment];
            args.extend(redact.then_some("--redact"));
            args.extend(["--", "python3", "-c", script]);
            let hex = value.bytes().rev().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            assert_eq!(project.run(&args).expect(0).text().trim(), hex, "{name}, redact: {redact}");
        }
    }
}

#[test]
fn an_export_is_imported_elsewhere_with_the_exact_values() {
    for format in ["dotenv", "json", "yaml", "toml"] {
        let project = Project::with_config(&format!(
            "{}  stores:\n    other: {{ store: modelmesh.age-file.v1, path: other.age }}\n",
            STORES[0]
        ));
        for (name, value) in VALUES {
            project.set(&variable(name), value);
        }
        project.run(&["secrets", "export", "--format", format, "-o", "exported"]).expect(0);
        project.run(&["secrets", "import", "exported", "--format", format, "--store", "other"]).expect(0);
        for (name, value) in VALUES {
            let read = project.run(&["secrets", "get", &variable(name), "--store", "other"]).expect(0);
            assert_eq!(read.text(), value, "{format}: {name}");
        }
        let count = project.run(&["secrets", "list", "--store", "other"]).expect(0).text().lines().count();
        assert_eq!(count, VALUES.len());
    }
}

#[test]
fn an_export_is_what_other_parsers_read() {
    let project = filled(STORES[0]);
    for (format, parser) in PARSERS {
        let file = format!("exported.{format}");
        project.run(&["secrets", "export", "-o", &file]).expect(0);
        let parsed = python(parser, [project.path(&file)]).expect(0).json();
        for (name, value) in VALUES {
            assert_eq!(parsed[name], value, "{format}: {name}");
        }
    }
}

#[test]
fn one_final_newline_of_a_pipe_is_dropped_unless_raw() {
    let project = Project::with_age_file();
    for (input, value) in [("v\n", "v"), ("v\r\n", "v"), ("v\n\n", "v\n"), ("v", "v"), (" v ", " v ")] {
        project.modelmesh(&["secrets", "set", "key"]).run(input.as_bytes()).expect(0);
        assert_eq!(project.get("key"), value);
    }
    project.set("key", "v\n");
    assert_eq!(project.get("key"), "v\n");
}

#[test]
fn a_megabyte_comes_through() {
    let project = Project::with_age_file();
    let value = "0123456789abcde\n".repeat(1 << 16);
    project.set("large", &value);
    assert!(project.get("large") == value);
}
