use super::*;

/// Each reference of each text, as the source spells it at the place given.
#[track_caller]
fn located(source: &str, format: Format) -> Vec<&str> {
    let document = parsed(source, format);
    let mut found = Vec::new();
    for (id, text) in document.strings() {
        for (start, _) in text.match_indices("${") {
            let end = start + text[start..].find('}').expect("closed") + 1;
            let place = document.locate(id, start..end);
            found.push((place.start, &source[place]));
        }
    }
    assert!(found.is_sorted_by_key(|(start, _)| *start));
    found.into_iter().map(|(_, spelled)| spelled).collect()
}

#[test]
fn yaml_scalars_of_every_style() {
    for (source, expected) in [
        ("a: x ${secrets:a} y\n", vec!["${secrets:a}"]),
        ("ключ: é ${secrets:a} ${secrets:b}\n", vec!["${secrets:a}", "${secrets:b}"]),
        ("a: 'it''s ${secrets:a b}'\n", vec!["${secrets:a b}"]),
        ("a: 'it''s ${secrets:a''b}'\n", vec!["${secrets:a''b}"]),
        ("a: \"\\t${secrets:x y}\"\n", vec!["${secrets:x y}"]),
        (
            "a: \"\\x24{secrets:\\u0061}\\n\\U0001F600${secrets:\\\"}\"\n",
            vec!["\\x24{secrets:\\u0061}", "${secrets:\\\"}"],
        ),
        (
            "a: \"\\u0020 \\\n   ${secrets:a}\n\n  ${secrets:b}\\\n  c\"\n",
            vec!["${secrets:a}", "${secrets:b}"],
        ),
        (
            "a: |\n  x ${secrets:a}\n    ${secrets:b}\n\n  ${secrets:c}\n",
            vec!["${secrets:a}", "${secrets:b}", "${secrets:c}"],
        ),
        (
            "a: >2- # ${no}\n\n    ${secrets:a}\n\n  y\n  ${secrets:b} z\n\n\nb: ${secrets:c}\n",
            vec!["${secrets:a}", "${secrets:b}", "${secrets:c}"],
        ),
        (
            "a: x ${secrets:a}\n  ${secrets:b}\n\n  ${secrets:c}\n",
            vec!["${secrets:a}", "${secrets:b}", "${secrets:c}"],
        ),
        ("a: [\"x\n  ${secrets:a}\", 'y\n\n  ${secrets:b}']\n", vec!["${secrets:a}", "${secrets:b}"]),
        ("a: |\r\n  x ${secrets:a}\r\n  é ${secrets:b}\r\n", vec!["${secrets:a}", "${secrets:b}"]),
        ("\u{feff}a: &x !!str 'é'' ${secrets:a}'\n", vec!["${secrets:a}"]),
        ("a: ${secrets:a\n  b}\n", vec!["${secrets:a\n  b}"]),
    ] {
        assert_eq!(located(source, Format::Yaml), expected, "{source:?}");
    }
}

#[test]
fn json_strings() {
    assert_eq!(
        located(r#"{"a": "\ud83d\ude00é\t${secrets:a}\u0024{secrets:\/\u007d"}"#, Format::Json),
        ["${secrets:a}", r"\u0024{secrets:\/\u007d"]
    );
}

#[test]
fn toml_strings_of_every_style() {
    let source = "a = \"\\t${secrets:a}\\u0024{b}\"\nc = 'x\\n${secrets:c}'\nd = \"\"\"\n\\\n   ${secrets:d}\n  x \\U0001F600 ${secrets:e}\"\"\"\nf = '''\r\n''${secrets:f}\r\n'''\n";
    assert_eq!(
        located(source, Format::Toml),
        ["${secrets:a}", "\\u0024{b}", "${secrets:c}", "${secrets:d}", "${secrets:e}", "${secrets:f}"]
    );
}

#[test]
fn what_has_no_place_of_its_own_is_the_whole_scalar() {
    let document = yaml("a: \"x\\n \\n y\"\nb: 1\n");
    let id = at(&document, &["a"]);
    assert_eq!(document.locate(id, 1..4), document.span(id));
    assert_eq!(document.locate(id, 90..95), document.span(id));
    let number = at(&document, &["b"]);
    assert_eq!(document.locate(number, 0..1), document.span(number));
}
