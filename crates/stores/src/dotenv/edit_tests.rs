use modelmesh_secrets::ErrorKind;
use proptest::prelude::*;

use super::*;

fn name(key: &str) -> SecretName {
    SecretName::new(key).unwrap()
}

fn set(text: &str, key: &str, value: &str) -> String {
    (*edit(text, [(&name(key), Change::Set(value))]).unwrap()).clone()
}

fn delete(text: &str, key: &str) -> String {
    (*edit(text, [(&name(key), Change::Delete)]).unwrap()).clone()
}

fn read(text: &str, key: &str) -> Option<String> {
    let entries = parse(text).unwrap();
    winner(&entries, text, key).and_then(|entry| entry.value(text)).map(|value| (*value).clone())
}

#[test]
fn a_value_is_written_in_the_first_spelling_that_does() {
    for (value, spelling) in [
        ("", ""),
        ("sk-Az_09./:@%+,=", "sk-Az_09./:@%+,="),
        ("a b", "'a b'"),
        ("$HOME", "'$HOME'"),
        ("say \"hi\"", "'say \"hi\"'"),
        ("C:\\dir", "'C:\\dir'"),
        ("ключ", "'ключ'"),
        ("it's", "\"it's\""),
        ("a\nb", "\"a\\nb\""),
        ("{\n\"a\": \"\\n\"\n}", "'{\n\"a\": \"\\n\"\n}'"),
        ("C:\\dir\\", "\"C:\\\\dir\\\\\""),
        ("\\\\host", "\"\\\\\\\\host\""),
        ("a\r\nb", "\"a\\r\\nb\""),
        ("it's $5", "\"it's \\$5\""),
    ] {
        assert_eq!(set("", "A", value), format!("A={spelling}\n"));
    }
}

#[test]
fn a_replaced_value_keeps_its_place_and_its_surroundings() {
    for (before, value, after) in [
        ("A=1\nB=2\n", "new", "A=new\nB=2\n"),
        (
            "\u{FEFF}# c\r\n  export A = 1   # one\r\n\r\nB=2",
            "new",
            "\u{FEFF}# c\r\n  export A = new   # one\r\n\r\nB=2",
        ),
        ("A='1' # c", "new", "A='new' # c"),
        ("A=\"1\"#c", "new", "A=\"new\"#c"),
        ("A=`1`", "it's", "A=`it's`"),
        ("A='1'", "it's", "A=\"it's\""),
        ("A=\"1\"", "$x", "A='$x'"),
        ("A=`1`", "`", "A='`'"),
        ("A='1\n2'\nB=3", "x", "A='x'\nB=3"),
        ("A=1\\\n2\nB=3", "x", "A=x\nB=3"),
        ("A= # c", "x", "A=x # c"),
        ("A=1 # c", "", "A='' # c"),
        ("A=1", "", "A="),
        ("A: 1", "x y", "A: 'x y'"),
        ("A: 1", "", "A: ''"),
        ("A: 1", "=x", "A: '=x'"),
        ("A:  1 # c", "==", "A:  '==' # c"),
        ("A=1\nA=2\nA", "3", "A=1\nA=3\nA"),
        ("A\nexport A\n", "1", "A\nexport A=1\n"),
        ("A#c", "1", "A='1'#c"),
        ("A # c", "", "A='' # c"),
    ] {
        assert_eq!(set(before, "A", value), after, "{before:?}");
        assert_eq!(read(after, "A").as_deref(), Some(value), "{after:?}");
    }
}

#[test]
fn a_new_key_goes_to_the_end_in_the_manner_of_the_file() {
    for (before, after) in [
        ("", "N=1\n"),
        ("\u{FEFF}", "\u{FEFF}N=1\n"),
        ("A=1", "A=1\nN=1\n"),
        ("A=1\r\nB=2", "A=1\r\nB=2\r\nN=1\r\n"),
        ("# c\n\n", "# c\n\nN=1\n"),
        ("export A=1\n", "export A=1\nexport N=1\n"),
        ("export A=1\nB=2\n", "export A=1\nB=2\nN=1\n"),
        ("A=C:\\dir\\", "A=C:\\dir\\\n\nN=1\n"),
        ("A=C:\\dir\\ \r\n", "A=C:\\dir\\ \r\n\r\nN=1\r\n"),
        ("A=1\nB=C:\\\r", "A=1\nB=C:\\\r\n\nN=1\n"),
    ] {
        assert_eq!(set(before, "N", "1"), after);
    }
}

#[test]
fn an_edit_that_would_change_another_value_is_refused() {
    // Of the first value, the quote behind the backslash is the end, for no other quote can be.
    let text = "# c\nA='C:\\dir\\'\nB='1'\nC='# 2'\n";
    for (key, change) in [("N", Change::Set("# 3")), ("B", Change::Set("# 3")), ("B", Change::Delete)] {
        let text = if key == "N" { "# c\nA='C:\\dir\\'\n" } else { text };
        let error = edit(text, [(&name(key), change)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(error.message(), "line 2: this value would no longer end where it does", "{key}");
    }
    assert_eq!(read(&set(text, "B", "2"), "A").as_deref(), Some("C:\\dir\\"));
    assert_eq!(read(&set(text, "A", "2"), "C").as_deref(), Some("# 2"));
}

#[test]
fn a_deleted_key_takes_its_lines_with_it_and_no_other() {
    for (before, after) in [
        ("A=1", ""),
        ("# c\nA=1 # one\n\nB=2\n", "# c\n\nB=2\n"),
        ("A='1\n2'\r\nB=2", "B=2"),
        ("B=1\nA=1\\\n2", "B=1\n"),
        ("A=1\nB=2\nA=3\nexport A\n", "B=2\n"),
        ("B=2\n", "B=2\n"),
    ] {
        assert_eq!(delete(before, "A"), after);
    }
}

#[test]
fn several_changes_are_one_edit() {
    let (a, b, c, d) = (name("A"), name("B"), name("C"), name("D"));
    let changes = [
        (&d, Change::Set("4")),
        (&b, Change::Delete),
        (&a, Change::Set("x")),
        (&c, Change::Set("3")),
        (&a, Change::Set("y")),
    ];
    assert_eq!(*edit("A=1\nB=2", changes).unwrap(), "A=y\nD=4\nC=3\n");
}

#[test]
fn what_the_dialect_cannot_hold_is_refused() {
    for key in ["a b", "a=b", "team/key", "a#b", "a'b", "arn:aws", "a\u{2028}b", "\u{feff}a"] {
        let error = edit("", [(&name(key), Change::Set("canary"))]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{key:?}");
        assert!(error.help().is_some());
    }
    let error = edit("", [(&name("A"), Change::Set("canary\0"))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        edit("canary line", [(&name("A"), Change::Set("1"))]).unwrap_err().kind(),
        ErrorKind::Malformed
    );
}

/// Texts out of the pieces that readers trip over.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9]{1,3}",
        4 => prop::sample::select(vec![
            "'", "\"", "`", "\\", "\\\\", "\\n", "\n", "\r\n", "\r", " ", "\t", "#", " #", "$", "${A}", "=", ":",
            "é", "\u{a0}", "\u{2028}", "\u{FEFF}", "export ", "A=", "{\"a\":\"b\"}",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = String> {
    awkward().prop_map(|text| text.replace('\0', ""))
}

/// A file that reads: entries in every spelling, comments, blank lines, and one ending or another.
fn file() -> impl Strategy<Value = String> {
    let key = "[A-D]";
    let spelled = prop_oneof![
        "[a-z0-9]{0,4}".prop_map(|v| v),
        "[a-z \"`\n\\\\]{0,6}[a-z]".prop_map(|v| format!("'{v}'")),
        "([a-z '`\n]|\\\\[\"\\\\nt$]){0,6}".prop_map(|v| format!("\"{v}\"")),
        "[a-z '\"\n]{0,6}".prop_map(|v| format!("`{v}`")),
        "[a-z]{1,3}\\\\\n[a-z]{1,3}".prop_map(|v| v),
    ];
    let entry = ("(  )?(export )?", key, " ?= ?", spelled, "( # c'\"`| )?")
        .prop_map(|(lead, key, sign, value, tail)| format!("{lead}{key}{sign}{value}{tail}"));
    let line = prop_oneof![
        5 => entry,
        1 => Just(String::new()),
        1 => "# [a-zA-Z='\" ]{0,6}".prop_map(|v| v),
        1 => "(export )?[A-D]( # c)?".prop_map(|v| v),
    ];
    let ending = prop::sample::select(vec!["\n", "\r\n"]);
    (any::<bool>(), prop::collection::vec(line, 0..6), ending, any::<bool>()).prop_map(
        |(bom, lines, ending, last)| {
            let (bom, last) = (if bom { BOM } else { "" }, if last { ending } else { "" });
            format!("{bom}{}{last}", lines.join(ending))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_value_reads_back_as_it_was_written(file in file(), key in "[A-F]", value in value()) {
        let edited = set(&file, &key, &value);
        prop_assert_eq!(read(&edited, &key), Some(value));
    }

    #[test]
    fn an_edit_changes_no_other_key(file in file(), key in "[A-F]", value in value()) {
        for edited in [set(&file, &key, &value), delete(&file, &key)] {
            for other in ["A", "B", "C", "D", "E", "F"].into_iter().filter(|other| *other != key) {
                prop_assert_eq!(read(&edited, other), read(&file, other), "{} in {:?}", other, edited);
            }
        }
    }

    #[test]
    fn setting_a_value_keeps_every_byte_around_it(file in file(), key in "[A-D]", value in value()) {
        let entries = parse(&file).unwrap();
        let edited = set(&file, &key, &value);
        match winner(&entries, &file, &key) {
            Some(entry) => {
                let span = &entry.value.as_ref().unwrap().span;
                prop_assert!(edited.starts_with(&file[..span.start]));
                prop_assert!(edited.ends_with(&file[span.end..]));
            }
            None if entries.iter().all(|entry| entry.key(&file) != key) => prop_assert!(edited.starts_with(&file)),
            None => {}
        }
    }

    #[test]
    fn setting_the_value_that_stands_there_changes_what_is_said_nowhere(file in file()) {
        let entries = parse(&file).unwrap();
        for entry in &entries {
            let key = entry.key(&file);
            if let Some(value) = read(&file, key) {
                prop_assert_eq!(read(&set(&file, key, &value), key), Some(value));
            }
        }
    }

    #[test]
    fn a_deleted_key_is_gone(file in file(), key in "[A-D]") {
        prop_assert_eq!(read(&delete(&file, &key), &key), None);
    }

    #[test]
    fn any_text_is_read_or_refused_and_an_edit_of_it_reads(text in awkward(), value in value()) {
        if let Ok(entries) = parse(&text) {
            for entry in &entries {
                _ = entry.value(&text);
            }
            let edited = set(&text, "NEW", &value);
            prop_assert_eq!(read(&edited, "NEW"), Some(value));
        }
    }

    /// A second reader of the common subset. It expands `$`, so values hold none.
    #[test]
    fn another_reader_reads_what_is_written(values in prop::collection::vec("[ -~&&[^$`]]{0,12}", 1..5)) {
        let text = values.iter().enumerate().fold(String::new(), |text, (i, value)| set(&text, &format!("K{i}"), value));
        let read: Vec<String> = dotenvy::from_read_iter(text.as_bytes()).map(|pair| pair.unwrap().1).collect();
        prop_assert_eq!(read, values);
    }
}
