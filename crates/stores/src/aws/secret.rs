//! What a version of a secret holds.

use aws_sdk_secretsmanager::{operation::get_secret_value::GetSecretValueOutput, types::SecretValueEntry};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use zeroize::Zeroizing;

use super::place;
use crate::network::malformed;

/// One secret of an answer. Its `Debug` would show the value, so it has none.
pub(super) struct Held {
    name: Option<String>,
    arn: Option<String>,
    version: Option<String>,
    text: Option<Zeroizing<String>>,
}

macro_rules! held_from {
    ($($answer:ty),*) => {
        $(impl From<$answer> for Held {
            fn from(answer: $answer) -> Self {
                let binary = answer.secret_binary;
                drop(binary.map(|bytes| Zeroizing::new(bytes.into_inner())));
                Held {
                    name: answer.name,
                    arn: answer.arn,
                    version: answer.version_id,
                    text: answer.secret_string.map(Zeroizing::new),
                }
            }
        })*
    };
}

held_from!(GetSecretValueOutput, SecretValueEntry);

impl Held {
    pub(super) fn is_answer_to(&self, asked: &SecretName) -> bool {
        place::is_answer_to(asked.as_str(), self.name.as_deref(), self.arn.as_deref())
    }

    /// The value, if it is text, and of the secret that was asked for.
    pub(super) fn value(&self, asked: &SecretName) -> Result<SecretValue> {
        place::check_answer(asked, self.name.as_deref(), self.arn.as_deref())?;
        let version = self.version.as_deref().ok_or_else(|| malformed("has no version"))?;
        let text = self.text.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the version does not hold text").with_help(
                "another program may keep binary data under this name; set it anew to replace that",
            )
        })?;
        Ok(SecretValue::new(text.as_str()).with_version(version))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::primitives::Blob;

    use super::*;

    fn answer() -> aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueOutputBuilder
    {
        GetSecretValueOutput::builder().name("key").version_id("v1")
    }

    fn read(answer: GetSecretValueOutput) -> Result<SecretValue> {
        Held::from(answer).value(&SecretName::new("key").unwrap())
    }

    #[test]
    fn a_value_has_its_version() {
        let value = read(answer().secret_string("text").build()).unwrap();
        assert_eq!((value.expose(), value.version().unwrap().as_str()), ("text", "v1"));
    }

    #[test]
    fn what_is_no_text_or_of_another_secret_is_malformed() {
        for answer in [
            answer().secret_binary(Blob::new(b"canary".to_vec())).build(),
            answer().name("other").secret_string("canary").build(),
            GetSecretValueOutput::builder().name("key").secret_string("canary").build(),
            GetSecretValueOutput::builder().build(),
        ] {
            let error = read(answer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
