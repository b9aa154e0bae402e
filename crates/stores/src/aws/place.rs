//! What a secret and its versions are called in Secrets Manager.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, Version};

use crate::network::malformed;

/// The longest name of a secret, in characters:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>.
pub(super) const MAX_NAME: usize = 512;

/// What a name may hold besides ASCII letters and digits.
pub(super) const NAME_CHARACTERS: &str = "/_+=.@-";

/// The stage of the version that counts.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// `InvalidName`, before any I/O, for what is neither the name of a secret nor an ARN of one.
pub(super) fn check_name(name: &SecretName) -> Result<()> {
    let text = name.as_str();
    if is_name(text) || is_arn(text) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, "no secret of Secrets Manager can have this name").with_help(
        "a name has up to 512 letters, digits and characters of '/_+=.@-'; 'naming: kebab' turns others into such",
    ))
}

/// Whether `text` can be the name of a secret.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || NAME_CHARACTERS.as_bytes().contains(&b))
}

/// Whether `text` names a secret whole: `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`.
pub(super) fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let is_word = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match parts[..] {
        ["arn", partition, "secretsmanager", region, account, "secret", name] => {
            is_word(partition)
                && !region.is_empty()
                && is_word(region)
                && account.bytes().all(|b| b.is_ascii_digit())
                && is_name(name)
        }
        _ => false,
    }
}

/// Whether a name ends as ARNs do: in a hyphen and six letters or digits.
pub(super) fn ends_like_an_arn(name: &str) -> bool {
    name.len() > 7
        && name
            .rsplit_once('-')
            .is_some_and(|(_, suffix)| suffix.len() == 6 && suffix.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether the secret with this name and ARN is the one that was asked for: by its name, by its ARN, or by its ARN
/// without the suffix.
pub(super) fn is_answer_to(asked: &str, name: Option<&str>, arn: Option<&str>) -> bool {
    let is_this = |arn: &str| {
        arn == asked
            || arn
                .strip_prefix(asked)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|suffix| suffix.len() == 6)
    };
    if is_arn(asked) { arn.is_some_and(is_this) } else { name == Some(asked) }
}

/// `Malformed` for an answer about another secret than the one that was asked for: nobody knows what was done then.
pub(super) fn check_answer(asked: &SecretName, name: Option<&str>, arn: Option<&str>) -> Result<()> {
    if is_answer_to(asked.as_str(), name, arn) {
        return Ok(());
    }
    Err(malformed("is of another secret than was asked for"))
}

/// `Malformed` for an answer to a write that tells of no version.
pub(super) fn check_made(version: Option<&str>) -> Result<()> {
    version.filter(|version| !version.is_empty()).map(drop).ok_or_else(|| malformed("has no version"))
}

/// How a version is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selector<'v> {
    /// By a label that moves from version to version, such as `AWSPREVIOUS`.
    Stage(&'v str),
    /// By its ID, which is a UUID unless whoever wrote it chose another.
    Id(&'v str),
}

impl<'v> Selector<'v> {
    /// How `version` may be meant, most likely first; nothing if there can be no such version.
    ///
    /// An ID has 32 to 64 characters, and a stage up to 256. What could be both, and is not a UUID, is asked as an ID
    /// first: other tools choose IDs like `terraform-20260101000000000000000001`.
    pub(super) fn of(version: &'v Version) -> Vec<Self> {
        let text = version.as_str();
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
        match text.len() {
            _ if !is_visible => vec![],
            36 if is_uuid(text) => vec![Selector::Id(text)],
            32..=64 => vec![Selector::Id(text), Selector::Stage(text)],
            1..=256 => vec![Selector::Stage(text)],
            _ => vec![],
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf";

    fn checked(text: &str) -> Result<()> {
        check_name(&SecretName::new(text).unwrap())
    }

    #[test]
    fn names_follow_amazons_rules() {
        let longest = "x".repeat(MAX_NAME);
        for good in ["openai-key", "team/prod/openai", "user+tag@host=1", "_", "..a/b", &longest, ARN] {
            assert!(checked(good).is_ok(), "{good}");
        }
        let longer = "x".repeat(MAX_NAME + 1);
        let bad_arns = [
            "arn:aws:s3:us-east-1:123456789012:secret:key-AbCdEf",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a b-AbCdEf",
            "arn:aws:secretsmanager:us-east-1:someone:secret:key-AbCdEf",
            "arn:aws:secretsmanager::123456789012:secret:key-AbCdEf",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf:more",
        ];
        for bad in ["a b", "a:b", "a%2fb", "a?b", "a#b", "cl\u{e9}", &longer].into_iter().chain(bad_arns) {
            assert_eq!(checked(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad}");
        }
    }

    #[test]
    fn an_answer_is_of_the_secret_that_was_asked_for() {
        let name = Some("prod/openai");
        assert!(is_answer_to("prod/openai", name, Some(ARN)));
        assert!(is_answer_to(ARN, name, Some(ARN)));
        assert!(is_answer_to(ARN.strip_suffix("-AbCdEf").unwrap(), name, Some(ARN)));
        for other in ["prod/open", "prod", "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/open"] {
            assert!(!is_answer_to(other, name, Some(ARN)), "{other}");
        }
        assert!(!is_answer_to("prod/openai", None, Some(ARN)));
        assert!(!is_answer_to(ARN, name, None));
    }

    #[test]
    fn a_version_is_an_id_or_a_stage() {
        let shown = |text: &str| -> Vec<String> {
            let version = Version::from(text);
            let selectors = Selector::of(&version).into_iter();
            selectors.map(|selector| format!("{selector:?}").replace(text, "_")).collect()
        };
        assert_eq!(shown("AWSPREVIOUS"), [r#"Stage("_")"#]);
        assert_eq!(shown("7"), [r#"Stage("_")"#]);
        assert_eq!(shown("0d1f2a3b-4c5d-6e7f-8091-a2b3c4d5e6f7"), [r#"Id("_")"#]);
        assert_eq!(shown("terraform-20260101000000000000000001"), [r#"Id("_")"#, r#"Stage("_")"#]);
        for none in ["", "a b", "a\nb", "\u{661}", &"x".repeat(257)] {
            assert!(shown(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_name_may_look_like_the_end_of_an_arn() {
        assert!(ends_like_an_arn("db-secret"));
        assert!(ends_like_an_arn("my-key-AbCdE1"));
        for other in ["openai-key", "-secret", "secret", "a-b_cdef", "a-bcdefgh"] {
            assert!(!ends_like_an_arn(other), "{other}");
        }
    }
}
