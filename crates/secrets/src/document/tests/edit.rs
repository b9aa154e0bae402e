use proptest::prelude::*;

use super::*;

/// `source` with every text replaced by `new`, and the same read again.
#[track_caller]
fn replaced(source: &str, format: Format, new: &str) -> String {
    let document = parsed(source, format);
    let replacements: Vec<_> = document.strings().map(|(id, _)| (id, new)).collect();
    document.replace(&replacements).unwrap_or_else(|error| panic!("{error}: {source:?} {new:?}")).to_string()
}

const HARD: &[&str] = &[
    "",
    " ",
    " a ",
    "true",
    "null",
    "~",
    "123",
    "1e3",
    ".inf",
    "- x",
    "? x",
    ": ",
    "a: b",
    "#",
    " # x",
    "$",
    "${secrets:other}",
    "$$",
    "\"",
    "'",
    "\\",
    "\\n",
    "'''",
    "\"\"\"",
    "a\nb",
    "\n",
    "a\n",
    "\n\n a",
    "\r",
    "\r\n",
    "\t",
    "\t\t",
    "\u{85}",
    "\u{2028}\u{2029}",
    "\u{1F600}",
    "\u{0}",
    "\u{1}\u{1b}\u{7f}\u{9f}",
    "\u{feff}",
    "\u{fffe}\u{ffff}",
    "\u{10ffff}",
    "\u{e0001}",
    "\u{202e}abc",
    "---",
    "...",
    "%",
    "@",
    "`",
    "|",
    ">",
    "!!int 1",
    "&a",
    "*a",
    "{",
    "[",
    "}",
    "]",
    ",",
    "<<",
    "é\u{301}",
    "\u{a0}",
    "-----BEGIN KEY-----\nMIIE+/==\n-----END KEY-----\n",
];

/// Texts to replace, in every style and surrounding.
const YAML: &[&str] = &[
    "a: x\n",
    "a: x",
    "a:   x   # c\nb: 1\n",
    "a: 'x'\n",
    "a: \"x\"\n",
    "a: |\n  x\n",
    "a: |\n  x",
    "a: >-\n  x\n  y\n\n# c\nb: 1\n",
    "a: |2+ # c\n    x\n\n\nb: 1\n",
    "a: |\n\n\n",
    "a: |\nb: 1\n",
    "a:\n  x\n",
    "a:\n  # c\n  |\n  x\n",
    "a: x\n  y\n\n  z\n\nb: 1\n",
    "a: 'x\n  y'\n",
    "- x\n- 'y'\n-   z # c\n- |\n x\n-\n  w\n",
    "- - x\n  - y\n",
    "? k\n: x\n",
    "? k\n: |\n  x\n",
    "a: &n x\nb: *n\n",
    "a: !!str x\n",
    "a: !!str\nb: 1\n",
    "a: !!str # c\n  x\n",
    "a: !!str &n\n  |\n  x\n",
    "{a: x, b: [y, 'z', \"w\"], c: !!str , d: !!str}\n",
    "[x,y,\n z\n  w]\n",
    "{\"a\":x}\n",
    "x",
    "--- x\n...\n",
    "--- |\n x\n",
    "'x'",
    "a:\r\n  x\r\nb: |\r\n  y\r\n\r\n# c\r\nc: 1\r\n",
    "\u{feff}é: ü # é\nb: ö\n",
    "d: &d {k: x}\np: {<<: *d, j: y}\nq:\n  <<: *d\n  k: z\n",
    "a: |\n  x\n \t\n\t\nb: 1\n",
    "a: >\n  x\n\n   y\n  z\n",
    "a: |-\n  x # not a comment\n  # nor this\n # but this\nb: 1\n",
];

const JSON: &[&str] = &["\"x\"", "{\"a\": \"x\" , \"b\":[\"y\",1,\"\\u0041\"]}\n", "\u{feff}[ \"\" ]"];

const TOML: &[&str] = &[
    "a = 'x' # c\n",
    "a = \"x\"\r\nb = \"\"\"\r\nx\r\ny\"\"\"\r\n",
    "a = '''x'''\n[t]\nb.c = 'y'\n[[u]]\nd = ['z', {e = \"w\"}]\n",
    "\u{feff}a = \"\"",
];

fn sources() -> Vec<(&'static str, Format)> {
    let with = |sources: &[&'static str], format| {
        sources.iter().map(move |source| (*source, format)).collect::<Vec<_>>()
    };
    let mut all = with(YAML, Format::Yaml);
    all.extend(with(JSON, Format::Json));
    all.extend(with(TOML, Format::Toml));
    all
}

#[track_caller]
fn check(source: &str, format: Format, new: &str) {
    let edited = replaced(source, format, new);
    let again = parsed(&edited, format);
    for (_, text) in again.strings() {
        assert_eq!(text, new, "{source:?} became {edited:?}");
    }
    assert_eq!(again.strings().len(), parsed(source, format).strings().len());
    // What stands around the texts is what stood there.
    assert_eq!(
        edited.lines().filter(|line| line.trim_start().starts_with("# c")).count(),
        source.lines().filter(|line| line.trim_start().starts_with("# c")).count()
    );
}

#[test]
fn hard_texts_read_back_as_they_are_from_every_style() {
    for (source, format) in sources() {
        for new in HARD {
            check(source, format, new);
        }
    }
}

#[test]
fn every_other_byte_stays() {
    for (source, format, expected) in [
        ("a:   x   # c\nb: 1\n", Format::Yaml, "a:   \"N\"   # c\nb: 1\n"),
        ("a: |2+ # c\n    x\n\n\nb: 1\n", Format::Yaml, "a: \"N\" # c\n\n\nb: 1\n"),
        ("a: >-\n  x\n  y\n\n# c\nb: 1\n", Format::Yaml, "a: \"N\"\n\n# c\nb: 1\n"),
        (
            "a:\r\n  x\r\nb: |\r\n  y\r\n\r\n# c\r\nc: 1\r\n",
            Format::Yaml,
            "a:\r\n  \"N\"\r\nb: \"N\"\r\n\r\n# c\r\nc: 1\r\n",
        ),
        ("- &n !!str   x # c\n- *n\n", Format::Yaml, "- &n !!str   \"N\" # c\n- *n\n"),
        ("a: x\n  y\n\n  z\n\nb: 1\n", Format::Yaml, "a: \"N\"\n\nb: 1\n"),
        ("{a: x , b: !!str, c: [y]}", Format::Yaml, "{a: \"N\" , b: !!str \"N\", c: [\"N\"]}"),
        ("a: |-\n  x # no\n # c\nb: 1\n", Format::Yaml, "a: \"N\"\n # c\nb: 1\n"),
        (
            "\u{feff}a = 'x' # c\r\nb = '''\r\ny'''\r\n",
            Format::Toml,
            "\u{feff}a = \"N\" # c\r\nb = \"N\"\r\n",
        ),
        (" {\"a\" :\"x\"  }\n", Format::Json, " {\"a\" :\"N\"  }\n"),
    ] {
        assert_eq!(replaced(source, format, "N"), expected, "{source:?}");
    }
}

#[test]
fn only_the_texts_asked_for_change() {
    let document = yaml("a: x\nb: [x, 'x']\n");
    let edited = document.replace(&[(at(&document, &["b", "1"]), "new")]).unwrap();
    assert_eq!(*edited, "a: x\nb: [x, \"new\"]\n");
    assert_eq!(*document.replace(&[]).unwrap(), document.text());
}

#[test]
fn only_text_can_be_replaced_and_once() {
    let document = yaml("a: 1\nb: x\n");
    let (a, b) = (at(&document, &["a"]), at(&document, &["b"]));
    assert!(document.replace(&[(a, "x")]).is_err());
    assert!(document.replace(&[(b, "x"), (b, "y")]).is_err());
}

#[test]
fn an_error_of_an_edit_never_shows_the_text() {
    let document = yaml("a: 1\n");
    let error = document.replace(&[(at(&document, &["a"]), "canary")]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<char>().prop_map(String::from),
        2 => proptest::sample::select(HARD).prop_map(str::to_owned),
        1 => "[ -~\n\t]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_reads_back_as_it_is_from_every_style(pieces in proptest::collection::vec(piece(), 0..8)) {
        let new = pieces.concat();
        for (source, format) in sources() {
            check(source, format, &new);
        }
    }

    #[test]
    fn what_was_written_by_an_edit_can_be_edited_and_located(
        old in proptest::collection::vec(piece(), 0..8), new in ".*", before in any::<u8>(),
    ) {
        let old = old.concat();
        for (source, format) in [("- x\n", Format::Yaml), ("[\"x\"]", Format::Json), ("a = 'x'", Format::Toml)] {
            let written = replaced(source, format, &old);
            check(&written, format, &new);
            let marked = format!("{}${{secrets:m}}{}", &"é\"\\ \u{85}\u{1F600}\n".repeat(before as usize % 3), old);
            let written = replaced(source, format, &marked);
            let document = parsed(&written, format);
            let (id, text) = document.strings().next().expect("one");
            let start = text.find("${").expect("there");
            prop_assert_eq!(&written[document.locate(id, start..start + 12)], "${secrets:m}");
        }
    }
}
