//! Secrets as text: what `import` reads, `export` writes and `edit` shows. What is written reads back as exactly
//! itself.

mod read;
mod write;

use modelmesh_secrets::{SecretName, SecretValue};

pub(super) use read::{Parsed, is_encrypted_file, parse};
pub(super) use write::write;

/// Names and values, each name once.
pub(super) type Bundle = Vec<(SecretName, SecretValue)>;

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;
    use proptest::prelude::*;

    use super::*;
    use crate::args::Format;

    const STRUCTURED: [Format; 3] = [Format::Json, Format::Yaml, Format::Toml];

    fn bundle(secrets: &[(&str, &str)]) -> Bundle {
        secrets.iter().map(|(name, value)| (SecretName::new(name).unwrap(), (*value).into())).collect()
    }

    fn exposed(bundle: &Bundle) -> Vec<(String, String)> {
        bundle.iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned())).collect()
    }

    fn read(text: &str, format: Format) -> Vec<(String, String)> {
        exposed(&parse(text, format, "f").unwrap().secrets)
    }

    #[test]
    fn nested_keys_become_dotted_names_and_scalars_text() {
        let expected = [("openai.key", "sk"), ("port", "0080"), ("on", "true")];
        let expected: Vec<_> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        assert_eq!(read("openai:\n  key: sk\nport: 0080\non: true\n", Format::Yaml), expected);
    }

    #[test]
    fn what_is_no_value_is_refused_at_its_place_and_all_of_it_at_once() {
        let errors = parse("a: 1\nb: [canary]\nc: null\nd:\n  e: ~\n", Format::Yaml, "f").unwrap_err();
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "'f' 2:4: 'b' is a list, not a value",
                "'f' 3:4: 'c' is null, not a value",
                "'f' 5:6: 'd.e' is null, not a value"
            ]
        );
    }

    #[test]
    fn two_entries_of_one_name_are_refused() {
        let errors = parse(r#"{"a": {"b": "1"}, "a.b": "2"}"#, Format::Json, "f").unwrap_err();
        assert_eq!(errors[0].to_string(), "'f' 1:19: 'a.b' is there twice");
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number_and_not_shown() {
        for (text, line) in [("A=1\ncanary+canary/canary=\n", "line 2"), ("A=1\n\ncan ary\n", "line 3")] {
            let error = parse(text, Format::Dotenv, "f").unwrap_err().remove(0);
            assert!(error.to_string().starts_with(&format!("'f' {line}: ")), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn of_several_values_of_one_dotenv_key_the_last_counts_and_a_bare_key_has_none() {
        let parsed = parse("A=1\nB\nA=2\n", Format::Dotenv, "f").unwrap();
        assert_eq!(exposed(&parsed.secrets), [("A".to_owned(), "2".to_owned())]);
        assert_eq!(parsed.without_value, ["B"]);
    }

    #[test]
    fn names_that_a_format_cannot_hold_are_told_and_nothing_is_written() {
        let errors =
            write(&bundle(&[("fine", "canary"), ("a/b", "canary"), ("c d", "canary")]), Format::Dotenv)
                .unwrap_err();
        let names: Vec<_> = errors.iter().map(|error| (error.kind(), error.name())).collect();
        assert_eq!(names, [(ErrorKind::InvalidName, Some("a/b")), (ErrorKind::InvalidName, Some("c d"))]);
    }

    #[test]
    fn a_value_of_several_lines_is_shown_as_such_in_yaml() {
        let text = write(&bundle(&[("pem", "one\n  two\n"), ("no", "x")]), Format::Yaml).unwrap();
        assert_eq!(*text, "pem: |\n  one\n    two\n\"no\": \"x\"\n");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_itself(
            values in proptest::collection::vec(
                prop_oneof![any::<String>(), "[ab\n #:'\"$\\\\|>-]{0,12}", "(\n|x| |\t|\r){0,6}"], 0..5),
            names in proptest::collection::hash_set("[a-zA-Z0-9_.~:$%\"'é\u{2028}#-]{1,8}", 5),
        ) {
            let valid = |name: &String| SecretName::new(name).ok();
            let secrets: Bundle = names.iter().filter_map(valid).zip(values)
                .map(|(name, value)| (name, value.as_str().into())).collect();
            for format in STRUCTURED {
                let text = write(&secrets, format).unwrap();
                prop_assert_eq!(read(&text, format), exposed(&secrets));
            }
            let plain: Bundle = secrets.into_iter()
                .filter(|(name, value)| modelmesh_stores::dotenv::KEYS.allows(name) && !value.expose().contains('\0'))
                .collect();
            let text = write(&plain, Format::Dotenv).unwrap();
            prop_assert_eq!(read(&text, Format::Dotenv), exposed(&plain));
        }
    }
}
