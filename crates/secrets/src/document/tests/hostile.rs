use std::fmt::Write as _;

use proptest::{prelude::*, sample};
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::document::Excerpt;

/// Refused, with far less work than expanding the file would take. The work is this thread's own: what else the machine
/// does is not counted.
#[track_caller]
fn refused_soon(text: &str, format: Format) -> SyntaxError {
    let worked = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
    let before = worked();
    let error = refused(text, format);
    let seconds = worked() - before;
    assert!(seconds < 100, "{seconds} s of work");
    error
}

#[test]
fn deep_nesting_is_refused_before_it_costs_a_stack() {
    let deep = 100_000;
    for (text, format) in [
        ("[".repeat(deep), Format::Yaml),
        ("{a: ".repeat(deep), Format::Yaml),
        ("- ".repeat(deep), Format::Yaml),
        ("? ".repeat(deep), Format::Yaml),
        ("[".repeat(deep), Format::Json),
        ("{\"a\":".repeat(deep), Format::Json),
        (format!("a = {}", "[".repeat(deep)), Format::Toml),
        (format!("a = {}", "{b = ".repeat(deep)), Format::Toml),
        (format!("{}a = 1", "a.".repeat(deep)), Format::Toml),
        (format!("[{}a]", "a.".repeat(deep)), Format::Toml),
    ] {
        refused_soon(&text, format);
    }
}

#[test]
fn the_depth_limit_is_the_callers() {
    let limits = Limits { max_depth: 3, ..Limits::default() };
    for format in [Format::Yaml, Format::Json] {
        assert!(Document::parse("[[[]]]", format, &limits).is_ok());
        let error = Document::parse("[[[[]]]]", format, &limits).unwrap_err();
        assert_eq!(error.span, 3..4, "{format:?}");
    }
    assert!(Document::parse("a = [[]]", Format::Toml, &limits).is_ok());
    assert!(Document::parse("a = [[[]]]", Format::Toml, &limits).is_err());
}

#[test]
fn a_billion_laughs_are_refused_at_the_alias_that_is_too_many() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..100 {
        let before = format!("*a{}, ", level - 1);
        _ = writeln!(text, "a{level}: &a{level} [{}]", before.repeat(10).trim_end_matches(", "));
    }
    let error = refused_soon(&text, Format::Yaml);
    assert!(error.message.contains("too many values"), "{error}");
    assert!(text[error.span].starts_with("*a"));
}

#[test]
fn merges_are_counted_too() {
    let mut text = "a0: &a0 {k: v}\n".to_owned();
    for level in 1..3000 {
        _ = writeln!(text, "a{level}: &a{level} {{<<: *a{}, k{level}: v}}", level - 1);
    }
    assert!(refused_soon(&text, Format::Yaml).message.contains("too many values"));
}

#[test]
fn many_values_are_refused() {
    let limits = Limits { max_nodes: 1000, ..Limits::default() };
    for (text, format) in [
        (format!("[{}]", "1,".repeat(2000)), Format::Yaml),
        (format!("[{}1]", "1,".repeat(2000)), Format::Json),
        (format!("a = [{}]", "1,".repeat(2000)), Format::Toml),
    ] {
        let error = Document::parse(text, format, &limits).unwrap_err();
        assert!(error.message.contains("too many values"), "{format:?}: {error}");
    }
}

#[test]
fn a_large_file_is_refused() {
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    assert!(Document::parse("a: 4567890", Format::Yaml, &limits).is_ok());
    assert!(Document::parse("a: 45678901", Format::Yaml, &limits).is_err());
}

#[test]
fn no_message_quotes_the_file() {
    let canary = "canary-SECRET";
    let yaml = [
        "a: 'C",
        "a: \"C",
        "a: \"\\C\"",
        "a: [C",
        "a: {C",
        "a: C: C",
        "C\nb: c",
        "a: *C",
        "a: !C!x C",
        "a: @C",
        "a: %C",
        "a: `C`",
        "%C\n---\na",
        "a: |C\n x",
        "\tC: x",
        "a:\n\t- C",
        "a: &C",
        "a: !<C",
        "- C\nb: C",
        "a: b\n C: d",
        "a: ]C",
        "C: 1\nC: 2",
        "a: !!int C",
        "a: !!bool C",
        "--- C\n--- C",
        "? [C]\n: C",
        "*C : x",
        "a: \"\\xC\"",
        "a: \"\\uC\"",
        "a: C\u{0}C",
        "<<: C",
        "%TAG C C\n---\na",
        "%YAML C\n---\na",
        "a: \"C\" C",
        "&C &C a",
        "!C !C a",
    ];
    let json = [
        "C",
        "\"C",
        "{\"C\": C}",
        "{\"C\": \"C\" \"C\"}",
        "{C: 1}",
        "'C'",
        "[\"C\\C\"]",
        "[\"\\uC\"]",
        "[\"\\ud800C\"]",
        "{\"C\":1,\"C\":2}",
        "// C",
        "/*C",
        "[1C]",
        "[\"C\nC\"]",
        "{\"C\"}",
        "[\"C\"",
        "\u{a0}C",
    ];
    let toml = [
        "C",
        "a = C",
        "a = \"C",
        "a = 'C",
        "a = \"\\C\"",
        "C = 1\nC = 2",
        "[C",
        "[[C]",
        "[C]\n[C]",
        "a = [C",
        "a = {C",
        "a = 1C",
        "a = 0xC",
        "a = 1979-C",
        "a = \"\"\"C",
        "= C",
        "a = \"C\" C",
        "C C = 1",
        "a.C = 1\na = 2",
        "a = \"\\uC\"",
        "a = {C=1,C=2}",
        "a = [1]\na.C = 1",
        "[a]\nC=1\n[[a]]",
    ];
    let all = yaml
        .map(|t| (t, Format::Yaml))
        .into_iter()
        .chain(json.map(|t| (t, Format::Json)))
        .chain(toml.map(|t| (t, Format::Toml)));
    let mut errors = 0;
    for (template, format) in all {
        let text = template.replace('C', canary);
        let Err(error) = Document::parse(text.as_str(), format, &Limits::default()) else { continue };
        errors += 1;
        let shown = format!("{error} {error:?} {}", error.help.as_deref().unwrap_or_default());
        assert!(
            !shown.to_lowercase().contains("canary") && !shown.contains("SECRET"),
            "{template:?}: {shown}"
        );
        assert!(
            error.span.end <= text.len() && text.get(error.span.clone()).is_some(),
            "{template:?}: {error:?}"
        );
    }
    assert!(errors > 70, "{errors}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_anything_panic(pieces in proptest::collection::vec(sample::select(PIECES), 0..24)) {
        let source = pieces.concat();
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            match Document::parse(source.as_str(), format, &Limits::default()) {
                Err(error) => {
                    prop_assert!(source.get(error.span.clone()).is_some(), "{source:?}: {error:?}");
                    Excerpt::of(&source, &[], error.span);
                }
                Ok(document) => {
                    for (id, text) in document.strings() {
                        let place = document.locate(id, 0..text.len());
                        prop_assert!(source.get(place.clone()).is_some(), "{source:?}: {place:?}");
                        document.excerpt(id, &[], place);
                        _ = document.path(id);
                    }
                    let all: Vec<_> = document.strings().map(|(id, _)| (id, "true")).collect();
                    let edited = document.replace(&all);
                    prop_assert!(edited.is_ok(), "{source:?}: {edited:?}");
                }
            }
        }
    }
}

/// What the three formats give a meaning.
const PIECES: &[&str] = &[
    "a",
    "b",
    "é",
    "\u{1F600}",
    "1",
    "true",
    "x y",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    " ",
    "\t",
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "|\n",
    "|2+",
    ">-\n",
    "'",
    "\"",
    "''",
    "\\",
    "\\n",
    "\\u0041",
    "\\\n",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    " = ",
    "=",
    ".",
    "#",
    " # ",
    "&a ",
    "*a",
    "!!str ",
    "! ",
    "!<x> ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "<<: ",
    "\"\"\"",
    "'''",
    "[[",
    "]]",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "@",
    "`",
    "${secrets:x}",
    "null",
];
