use modelmesh_secrets::ErrorKind;

use super::*;

/// The keys and values of `text`; `~` for a key without a value.
fn read(text: &str) -> Vec<(String, String)> {
    let entries = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let value = |entry: &Entry| entry.value(text).map_or("~".to_owned(), |value| (*value).clone());
    entries.iter().map(|entry| (entry.key(text).to_owned(), value(entry))).collect()
}

fn assert_reads(cases: &[(&str, &[(&str, &str)])]) {
    for (text, expected) in cases {
        let read = read(text);
        let read: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(read, *expected, "{text:?}");
    }
}

#[test]
fn keys_and_separators() {
    assert_reads(&[
        ("", &[]),
        ("\u{FEFF}", &[]),
        ("\n \t\n# A=1\n  # B=2", &[]),
        ("A=1", &[("A", "1")]),
        ("\u{FEFF}A=1", &[("A", "1")]),
        (
            "A=1\n\u{FEFF}B=2\n \u{FEFF} \u{FEFF}C\n\u{FEFF}# D=1\n\u{FEFF}",
            &[("A", "1"), ("B", "2"), ("C", "~")],
        ),
        ("  A  =  1  \nB=2", &[("A", "1"), ("B", "2")]),
        ("A=1\r\nB=2\rC=3\n", &[("A", "1"), ("B", "2"), ("C", "3")]),
        ("a.b-c_d=1", &[("a.b-c_d", "1")]),
        ("team/openai@x=1", &[("team/openai@x", "1")]),
        ("ключ=1", &[("ключ", "1")]),
        ("A==b=", &[("A", "=b=")]),
        ("export A=1\nexport\tB=2", &[("A", "1"), ("B", "2")]),
        ("export=1\nexport = 2", &[("export", "1"), ("export", "2")]),
        ("exported=1", &[("exported", "1")]),
        ("A: 1\nexport B:  'two'", &[("A", "1"), ("B", "two")]),
        ("A:=1", &[("A:", "1")]),
        ("A\nexport B # c\nexport", &[("A", "~"), ("B", "~"), ("export", "~")]),
        ("A=1\nA=2", &[("A", "1"), ("A", "2")]),
    ]);
}

#[test]
fn unquoted_values() {
    assert_reads(&[
        ("A=", &[("A", "")]),
        ("A=   \nB=1", &[("A", ""), ("B", "1")]),
        ("A=a b  c \t\n", &[("A", "a b  c")]),
        ("A=a # b", &[("A", "a")]),
        ("A=a\t#b", &[("A", "a")]),
        ("A=a#b", &[("A", "a#b")]),
        ("A=#fff", &[("A", "#fff")]),
        ("A= # b", &[("A", "")]),
        ("A=a\"b'c`", &[("A", "a\"b'c`")]),
        ("A=$B ${C} $(d) \\n", &[("A", "$B ${C} $(d) \\n")]),
        ("A=ключ\u{a0}", &[("A", "ключ")]),
    ]);
}

#[test]
fn quoted_values() {
    assert_reads(&[
        ("A=''\nB=\"\"\nC=``", &[("A", ""), ("B", ""), ("C", "")]),
        ("A= ' a # b ' # c", &[("A", " a # b ")]),
        ("A=\"a\"#c\nB=2", &[("A", "a"), ("B", "2")]),
        ("A='a\nb\r\nc\rd'\nB=2", &[("A", "a\nb\nc\nd"), ("B", "2")]),
        ("A=\"a\nb\r\nc\"", &[("A", "a\nb\nc")]),
        ("A=`a\r\n'b' \"c\"`", &[("A", "a\n'b' \"c\"")]),
        ("A='\\n\\t\\\\ $B'", &[("A", "\\n\\t\\\\ $B")]),
        ("A=`\\n\\``", &[("A", "\\n\\`")]),
        (r#"A="\n\r\t\a\b\f\v""#, &[("A", "\n\r\t\u{7}\u{8}\u{c}\u{b}")]),
        (r#"A="\\ \" \' \$ \`""#, &[("A", "\\ \" ' $ `")]),
        (r#"A="\d \é""#, &[("A", "\\d \\é")]),
        ("A=\"a\\\nb\\\r\nc\"", &[("A", "abc")]),
        ("A=\"a\\\\\"\nB=\"b\"", &[("A", "a\\"), ("B", "b")]),
    ]);
}

#[test]
fn a_backslash_before_a_single_quote_belongs_to_the_value_unless_the_quote_must_end_it() {
    assert_reads(&[
        (r"A='it\'s'", &[("A", "it's")]),
        (r"A='a\' # b'", &[("A", "a' # b")]),
        (r"A='C:\dir\'", &[("A", r"C:\dir\")]),
        (r"A='C:\dir\' # it's", &[("A", r"C:\dir\")]),
        ("A='C:\\dir\\'\nB='b'", &[("A", "C:\\dir\\"), ("B", "b")]),
        ("A='B=\\'1\\'\nC=\\'2\\''", &[("A", "B='1'\nC='2'")]),
    ]);
}

#[test]
fn a_backslash_joins_unquoted_lines() {
    assert_reads(&[
        ("A=abc\\\ndef\nB=1", &[("A", "abcdef"), ("B", "1")]),
        ("A=abc\\  \r\n  def # c\r\nB=1", &[("A", "abc  def"), ("B", "1")]),
        ("A=a\\\nb\\\nc", &[("A", "abc")]),
        ("A=C:\\dir\\", &[("A", "C:\\dir\\")]),
        ("A=C:\\dir\\\n\nB=1", &[("A", "C:\\dir\\"), ("B", "1")]),
        ("A=C:\\dir\\\n# c\nB=1", &[("A", "C:\\dir\\"), ("B", "1")]),
        ("A=a # c \\\nB=1", &[("A", "a"), ("B", "1")]),
    ]);
}

#[test]
fn a_line_that_cannot_be_read_is_named_by_its_number_and_never_shown() {
    for (text, line) in [
        ("A=1\ncanary word", 2),
        ("can/ary", 1),
        ("A=1\r\n\r\n=canary", 3),
        ("A=1\r'canary'=2", 2),
        ("A='canary\n\n", 1),
        ("\nA=\"canary\\\"", 2),
        ("A=`canary", 1),
        ("A=\"a\nb\"canary\n", 1),
        ("A='a' canary", 1),
        ("A='a''canary'", 1),
        ("A=canary\\\nB=1", 1),
        ("A=a\\\nb\\\ncanary==", 2),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text:?}");
        assert!(error.message().starts_with(&format!("line {line}: ")), "{text:?}: {error}");
        let shown = format!("{error} {error:?} {}", error.help().unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_value_in_waiting_is_never_read_twice() {
    // Each of these took time in the square of its length in some reader.
    for unit in
        ["A='\\'\n", "A='\\' #", "\\'", "A=a\\\n", "A='a' \n", "# '\n", " ", "A=\\\nb", "`\\`#", "export "]
    {
        let text = format!("A='{}", unit.repeat(1_000_000 / unit.len()));
        let _ = parse(&text);
        let _ = parse(&unit.repeat(1_000_000 / unit.len()));
    }
}

#[test]
fn debug_of_an_entry_holds_places_alone() {
    let text = "A=canary";
    assert!(!format!("{:?}", parse(text).unwrap()).contains("canary"));
}
