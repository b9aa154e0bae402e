//! `modelmesh.env.v1`: variables of the environment, read when asked.

use std::sync::Arc;

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, NameRule, Result, SecretName, SecretResolution, SecretStoreConnector,
    SecretValue, async_trait, setting::ConnectorSpec,
};

use crate::{connector::Connector, environment::Environment};

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        "modelmesh.env.v1",
        "environment variables, read when asked: `openai-key` is the variable of that name, or else \
                  `OPENAI_KEY`; the default store",
    )
    .uncached(),
    open: |_, context| Ok(Arc::new(EnvStore::new(Arc::clone(&context.environment)))),
};

/// Reads environment variables: the name as it is given, or else in `SCREAMING_SNAKE`.
///
/// A variable that is set to nothing is an empty value, not a missing one: POSIX tells the two apart, and so
/// does whoever set it.
#[derive(Clone, Debug)]
pub struct EnvStore {
    environment: Arc<dyn Environment>,
}

impl EnvStore {
    /// A store of the variables of `environment`.
    pub fn new(environment: Arc<dyn Environment>) -> Self {
        EnvStore { environment }
    }
}

#[async_trait]
impl SecretResolution for EnvStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let conventional = screaming_snake(name.as_str());
        for variable in [name.as_str(), &conventional] {
            if let Some(value) = read(self.environment.as_ref(), variable)? {
                return Ok(value);
            }
        }
        Err(Error::not_found(name.as_str()).with_help(format!("set the environment variable {conventional}")))
    }
}

#[async_trait]
impl SecretStoreConnector for EnvStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.nul = false;
        capabilities.batch = CONNECTOR.spec.batch;
        // The system parts name and value at the first '='.
        capabilities.names = NameRule::Without("=");
        capabilities
    }
}

/// The variable's value now; none if it is not set. Fails with `Malformed` if it is not text.
pub(crate) fn read(environment: &dyn Environment, variable: &str) -> Result<Option<SecretValue>> {
    let Some(value) = environment.var(variable) else { return Ok(None) };
    // The cause would hold the value.
    let value = value.into_string().map_err(|_| {
        Error::new(ErrorKind::Malformed, "the environment variable is not UTF-8 text")
            .with_name(variable)
            .with_help("set it to text; encode bytes as base64")
    })?;
    Ok(Some(SecretValue::new(value)))
}

/// `openai-key` as `OPENAI_KEY`: upper case, and `_` for whatever a variable's name cannot hold.
fn screaming_snake(name: &str) -> String {
    let in_variable = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.chars().map(in_variable).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::FixedEnvironment;

    fn store(variables: &[(&str, &str)]) -> EnvStore {
        EnvStore::new(Arc::new(FixedEnvironment::new(variables.iter().copied())))
    }

    async fn get(store: &EnvStore, name: &str) -> Result<String> {
        let value = store.get(&SecretName::new(name).unwrap()).await?;
        Ok(value.expose().to_owned())
    }

    #[tokio::test]
    async fn the_name_as_given_comes_before_the_name_as_a_variable() {
        let store =
            store(&[("openai-key", "exact"), ("OPENAI_KEY", "snake"), ("APP_OPENAI_KEY", "prefixed")]);
        assert_eq!(get(&store, "openai-key").await.unwrap(), "exact");
        assert_eq!(get(&store, "openai.key").await.unwrap(), "snake");
        assert_eq!(get(&store, "OPENAI_KEY").await.unwrap(), "snake");
        assert_eq!(get(&store, "APP_openai-key").await.unwrap(), "prefixed");
    }

    #[test]
    fn a_variable_has_underscores_for_whatever_parts_words() {
        for (name, variable) in [
            ("openai-key", "OPENAI_KEY"),
            ("team/openai.key", "TEAM_OPENAI_KEY"),
            ("My Login (work)", "MY_LOGIN__WORK_"),
            ("ключ-1", "КЛЮЧ_1"),
            ("a:b@c+d=e", "A_B_C_D_E"),
        ] {
            assert_eq!(screaming_snake(name), variable);
        }
    }

    #[tokio::test]
    async fn an_unset_variable_is_not_found_and_an_empty_one_is_empty() {
        let store = store(&[("EMPTY", "")]);
        assert_eq!(get(&store, "empty").await.unwrap(), "");
        let error = get(&store, "openai-key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.help(), Some("set the environment variable OPENAI_KEY"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn bytes_that_are_no_text_are_malformed_and_not_shown() {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

        #[derive(Debug)]
        struct Bytes;

        impl Environment for Bytes {
            fn var(&self, _: &str) -> Option<OsString> {
                Some(OsString::from_vec(b"canary\xff".to_vec()))
            }

            fn names(&self) -> Vec<OsString> {
                Vec::new()
            }
        }

        let error = get(&EnvStore::new(Arc::new(Bytes)), "KEY").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_variable_is_read_when_it_is_asked_for() {
        use std::{
            ffi::OsString,
            sync::atomic::{AtomicU32, Ordering},
        };

        #[derive(Debug, Default)]
        struct Counting(AtomicU32);

        impl Environment for Counting {
            fn var(&self, _: &str) -> Option<OsString> {
                Some((self.0.fetch_add(1, Ordering::Relaxed)).to_string().into())
            }

            fn names(&self) -> Vec<OsString> {
                Vec::new()
            }
        }

        let store = EnvStore::new(Arc::new(Counting::default()));
        assert_eq!(get(&store, "A").await.unwrap(), "0");
        assert_eq!(get(&store, "A").await.unwrap(), "1");
    }

    #[test]
    fn the_store_cannot_be_written() {
        assert!(store(&[]).management().is_none());
    }
}
