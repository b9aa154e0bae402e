use super::*;

fn keys(document: &Document, path: &[&str]) -> Vec<String> {
    document.entries(at(document, path)).map(|entry| entry.key.to_owned()).collect()
}

fn kind_of(value: &str) -> &'static str {
    yaml(&format!("a: {value}\n")).kind(NodeId(1)).describe()
}

#[test]
fn extensions_name_formats() {
    assert_eq!(Format::from_extension("yml"), Some(Format::Yaml));
    assert_eq!(Format::from_extension("YAML"), Some(Format::Yaml));
    assert_eq!(Format::from_path("x/modelmesh.toml".as_ref()), Some(Format::Toml));
    assert_eq!(Format::from_path("x/modelmesh".as_ref()), None);
    assert_eq!(Format::from_extension("jsonc"), None);
}

#[test]
fn the_same_content_is_the_same_tree_in_every_format() {
    for (text, format) in [
        ("a:\n  b: [x, 1, true]\nc: {d: 'y'}\n", Format::Yaml),
        (r#"{"a": {"b": ["x", 1, true]}, "c": {"d": "y"}}"#, Format::Json),
        ("a.b = ['x', 1, true]\n[c]\nd = \"y\"\n", Format::Toml),
    ] {
        let document = parsed(text, format);
        assert_eq!(keys(&document, &[]), ["a", "c"], "{format:?}");
        assert_eq!(super::text(&document, &["a", "b", "0"]), "x");
        let Kind::Number(number) = document.kind(at(&document, &["a", "b", "1"])) else { panic!() };
        assert_eq!(number.expose(), "1");
        assert_eq!(document.kind(at(&document, &["a", "b", "2"])), Kind::Boolean(true));
        assert_eq!(super::text(&document, &["c", "d"]), "y");
        assert_eq!(document.strings().map(|(_, text)| text).collect::<Vec<_>>(), ["x", "y"]);
    }
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    for null in ["~", "null", "Null", "NULL", ""] {
        assert_eq!(kind_of(null), "null", "{null:?}");
    }
    for boolean in ["true", "True", "TRUE", "false", "False", "FALSE"] {
        assert_eq!(kind_of(boolean), "a truth value", "{boolean:?}");
    }
    for number in
        ["0", "-1", "+12", "007", "0o17", "0xfF", "1.", ".5", "1e3", "-1.5E-3", ".inf", "-.INF", ".nan"]
    {
        assert_eq!(kind_of(number), "a number", "{number:?}");
    }
    for text in [
        "yes",
        "no",
        "on",
        "nUll",
        "tRue",
        "1_000",
        "0b1",
        "0x",
        "1e",
        "+",
        "-x",
        ".",
        "1.2.3",
        "0o8",
        "12:30:45",
        "2001-12-14",
        "'1'",
        "\"true\"",
        "|-\n  1",
    ] {
        assert_eq!(kind_of(text), "text", "{text:?}");
    }
}

#[test]
fn explicit_tags_decide() {
    assert_eq!(kind_of("!!str 123"), "text");
    assert_eq!(kind_of("!!str"), "text");
    assert_eq!(kind_of("! 123"), "text");
    assert_eq!(kind_of("!custom 123"), "text");
    assert_eq!(kind_of("!!int '3'"), "a number");
    assert_eq!(kind_of("!!float 3"), "a number");
    assert_eq!(kind_of("!!bool \"true\""), "a truth value");
    assert_eq!(kind_of("!!null ''"), "null");
    assert_eq!(refused("a: !!int canary", Format::Yaml).span, 9..15);
}

#[test]
fn spans_are_the_scalars_own() {
    let source = "é: &x !!str   plain text  # note\nb: 'it''s'  \nc: |2-  # note\n\n    block\n    more\n\n# end\nd:\n  - *x\n  - \"q\"\ne: a\n  b\n\n";
    let document = yaml(source);
    let written = |path: &[&str]| &source[document.span(at(&document, path))];
    assert_eq!(written(&["é"]), "plain text");
    assert_eq!(written(&["b"]), "'it''s'");
    assert_eq!(written(&["c"]), "|2-  # note\n\n    block\n    more");
    assert_eq!(written(&["d", "1"]), "\"q\"");
    assert_eq!(written(&["e"]), "a\n  b");
    assert_eq!(written(&["d"]), "- *x\n  - \"q\"");
    assert_eq!(at(&document, &["d", "0"]), at(&document, &["é"]));
}

#[test]
fn a_block_scalars_header_is_found_past_comments() {
    for source in [
        "a: # x |\n  |  # y | z\n  text\n",
        "- &a # |\n  !!str\n  >- # >\n  text\n",
        "--- |\ntext\n",
        "# |\n|\n text\n",
        "- - |\n   text\n",
        "? |\n k\n: |\n  text\n",
    ] {
        let document = yaml(source);
        let (id, _) = document.strings().next().expect("a text");
        assert!(
            source[document.span(id)].starts_with(['|', '>']),
            "{source:?}: {:?}",
            &source[document.span(id)]
        );
        assert!(source[document.span(id)].ends_with("text"), "{source:?}");
    }
}

#[test]
fn places_are_right_behind_directives() {
    for head in ["%YAML 1.2 # é\n---\n", "%OTHER x\n---\n", "# é\n%TAG !e! tag:e,2000:\n--- # é\n"] {
        let document = yaml(&format!("{head}é: value\n"));
        assert_eq!(&document.text()[document.span(at(&document, &["é"]))], "value", "{head:?}");
    }
    for head in ["%OTHER é\n", "# c\n...\n%x # é\r\n"] {
        let error = refused(&format!("{head}---\na: b\n"), Format::Yaml);
        assert_eq!(error.message, "a directive that is not known holds characters outside ASCII");
        assert_eq!(&head[error.span], "%");
    }
}

#[test]
fn an_alias_is_the_node_it_refers_to_and_is_counted_once_among_the_texts() {
    let document = yaml("a: &k ${secrets:x}\nb: *k\nc: [*k, *k]\n");
    assert_eq!(at(&document, &["a"]), at(&document, &["c", "1"]));
    assert_eq!(document.strings().count(), 1);
    assert_eq!(document.path(at(&document, &["b"])), "a");
}

#[test]
fn merge_keys_bring_entries_that_are_not_there() {
    let document = yaml(
        "base: &base {url: u, key: k}\nother: &other {key: o, more: m}\np:\n  first: 1\n  <<: *base\n  key: own\n  last: [z]\nq:\n  <<: [*base, *other]\nr: {<<: {key: inline}, k: v}\n",
    );
    assert_eq!(keys(&document, &["p"]), ["first", "key", "last", "url"]);
    assert_eq!(text(&document, &["p", "key"]), "own");
    assert_eq!(text(&document, &["p", "url"]), "u");
    assert_eq!(document.path(at(&document, &["p", "url"])), "base.url");
    assert_eq!(document.path(at(&document, &["p", "last", "0"])), "p.last[0]");
    assert_eq!(document.path(at(&document, &["p", "key"])), "p.key");
    assert_eq!(text(&document, &["q", "key"]), "k");
    assert_eq!(text(&document, &["q", "more"]), "m");
    assert_eq!(text(&document, &["r", "key"]), "inline");
    assert_eq!(document.path(at(&document, &["r", "key"])), "r.<<.key");
    assert_eq!(yaml("'<<': x").entries(NodeId(0)).len(), 1);
    assert_eq!(refused("<<: x\na: b\n", Format::Yaml).span, 0..2);
    assert_eq!(refused("<<: [x]\n", Format::Yaml).span, 0..2);
}

#[test]
fn what_cannot_be_read_one_way_alone_is_refused_at_its_place() {
    let quoted = |text: &'static str, format| &text[refused(text, format).span];
    assert_eq!(quoted("a: 1\nb: 2\n\"a\": 3\n", Format::Yaml), "\"a\"");
    assert_eq!(quoted(r#"{"a": 1, "b": {"c": 1, "\u0063": 2}}"#, Format::Json), "\"\\u0063\"");
    assert_eq!(quoted("a = 1\na = 2\n", Format::Toml), "a");
    assert_eq!(refused("é: 1\né: 2\n", Format::Yaml).span, 6..8);
    assert_eq!(quoted("? [a]\n: b\n", Format::Yaml), "[");
    assert_eq!(refused("a: b\n---\nc: d\n", Format::Yaml).message, "the file holds a second document");
    assert_eq!(quoted("a: &x [1, *x]\n", Format::Yaml), "*x");
    assert_eq!(quoted("&x a: *x\n", Format::Yaml), "*x");
    assert_eq!(quoted("a: &x b\n*x : c\n", Format::Yaml), "*x");
}

#[test]
fn a_file_without_content_is_an_empty_mapping() {
    for (text, format) in [
        ("", Format::Yaml),
        ("# note\n", Format::Yaml),
        ("---\n", Format::Yaml),
        ("\u{feff}", Format::Yaml),
        ("", Format::Toml),
        ("\u{feff}# x", Format::Toml),
        ("\u{feff}{}", Format::Json),
    ] {
        let document = parsed(text, format);
        assert_eq!(document.kind(document.root()), Kind::Mapping, "{text:?}");
        assert_eq!(document.entries(document.root()).len(), 0);
    }
    assert_eq!(refused(" \n", Format::Json).message, "the file is empty");
}

#[test]
fn json_is_strict() {
    for text in [
        "{\"a\": 1,}",
        "[1,]",
        "[1 2]",
        "{'a': 1}",
        "{a: 1}",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "// x\n{}",
        "{} /* x */",
        "{\"a\" 1}",
        "{\"a\":}",
        "[",
        "{",
        "]",
        "{}{}",
        "[1}",
        "\u{a0}{}",
        "{}\u{b}",
        "[\"a\tb\"]",
        "[\"a\nb\"]",
        "[\"\\x41\"]",
        "[\"\\ud800\"]",
        "[\"\\udc00\"]",
        "[tru]",
        "[nulL]",
        ",",
        ":",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"}",
        "[\"a\":1]",
        "[truefalse]",
        "[true false]",
        "{true:1}",
    ] {
        refused(text, Format::Json);
    }
    let document =
        parsed(" [ 1.5e+3 , -0 , \"\\ud83d\\ude00\\/\" , null , \"\u{7f}\u{2028}\" ] ", Format::Json);
    assert_eq!(text(&document, &["2"]), "\u{1F600}/");
}

#[test]
fn toml_tables_keep_their_places_and_texts_the_order_of_the_file() {
    let source =
        "[a]\nx = 'one'\n[[b]]\nk = \"two\"\n[a.c]\ny = '''\nthree'''\n[[b]]\n'q r' = 2024-01-01T00:00:00Z\n";
    let document = parsed(source, Format::Toml);
    assert_eq!(document.strings().map(|(_, text)| text).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(document.path(at(&document, &["b", "1", "q r"])), "b[1].\"q r\"");
    let Kind::Number(date) = document.kind(at(&document, &["b", "1", "q r"])) else { panic!() };
    assert_eq!(date.expose(), "2024-01-01T00:00:00Z");
    assert_eq!(document.key_span(at(&document, &["a", "c"])), Some(33..34));
}

#[test]
fn positions_count_characters_and_no_byte_order_mark() {
    let document = yaml("\u{feff}ключ: a\r\nb: \"ö\u{1F600}x\"\n");
    let show = |byte| document.position(byte).to_string();
    assert_eq!(show(document.span(at(&document, &["ключ"])).start), "1:7");
    assert_eq!(show(document.span(at(&document, &["b"])).start), "2:4");
    assert_eq!(show(document.text().len() - 3), "2:7");
    assert_eq!(show(usize::MAX), "3:1");
    for byte in 0..document.text().len() {
        assert_eq!(document.position(byte), super::super::Position::of(document.text(), byte));
    }
}

#[test]
fn paths_quote_odd_keys_and_escape_control_characters() {
    let document = yaml("a:\n  \"b.c\": [x]\n  '': y\n  \"e\\u001b[2J\\\"\": z\n  é-_1: w\n");
    let paths: Vec<String> = document.strings().map(|(id, _)| document.path(id)).collect();
    assert_eq!(paths, ["a.\"b.c\"[0]", "a.\"\"", "a.\"e\\u{1b}[2J\\\"\"", "a.é-_1"]);
    assert_eq!(document.path(document.root()), "");
}

#[test]
fn nothing_shows_a_value_by_debug() {
    let document = yaml("a: canary\nb: \"canary\\n\"\nc: 7777\n");
    let kinds: Vec<_> = document.entries(document.root()).map(|entry| document.kind(entry.value)).collect();
    let shown = format!("{document:?} {kinds:?}");
    assert!(!shown.contains("canary") && !shown.contains("7777"), "{shown}");
}

#[test]
fn large_mappings_are_searched_by_key() {
    let lines: Vec<String> = (0..1000).rev().map(|n| format!("key{n}: v{n}")).collect();
    let document = yaml(&lines.join("\n"));
    assert_eq!(text(&document, &["key421"]), "v421");
    assert_eq!(document.get(document.root(), "key1000"), None);
    assert_eq!(document.get(at(&document, &["key1"]), "x"), None);
    assert_eq!(document.entries(document.root()).next().expect("one").key, "key999");
}

#[test]
fn a_reference_without_quotes_in_a_flow_collection_is_explained() {
    let error = refused("a: {key: ${secrets:x}}\n", Format::Yaml);
    assert!(error.help.is_some_and(|help| help.contains("put quotes")));
}
