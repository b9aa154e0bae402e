//! The naming rule of a store: how a logical name becomes the backend's.

use std::sync::Arc;

use crate::{
    Capabilities, Change, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
};

/// How the words of a logical name are written in the backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamingRule {
    /// The logical name itself.
    #[default]
    AsIs,
    /// `openai-key` is `OPENAI_KEY` in the backend.
    ScreamingSnake,
    /// `openai-key` is `openai-key`; so are `OPENAI_KEY` and `openai_key`.
    Kebab,
}

impl NamingRule {
    /// The rule that configuration calls `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "as-is" => Some(NamingRule::AsIs),
            "screaming-snake" => Some(NamingRule::ScreamingSnake),
            "kebab" => Some(NamingRule::Kebab),
            _ => None,
        }
    }
}

/// A prefix and a rule: maps logical names to the backend's, and back.
///
/// - Without a rule (`as-is`) the backend's name is the prefix and the logical name.
/// - Under a rule the logical name is kebab: `OPENAI_KEY` and `openai-key` are one name, and
///   [`to_logical`](Naming::to_logical) gives `openai-key`. Only letters, digits, `-`, `_` and spaces can be
///   written so; anything else is `InvalidName`.
///
/// ```
/// use modelmesh_secrets::{Naming, NamingRule, SecretName};
///
/// let naming = Naming::new("MODELMESH_", NamingRule::ScreamingSnake);
/// let backend = naming.to_backend(&SecretName::new("openai-key")?)?;
/// assert_eq!(backend.as_str(), "MODELMESH_OPENAI_KEY");
/// assert_eq!(naming.to_logical(&backend).unwrap().as_str(), "openai-key");
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    prefix: String,
    rule: NamingRule,
}

impl Naming {
    /// A naming with this prefix and rule.
    pub fn new(prefix: impl Into<String>, rule: NamingRule) -> Self {
        Naming { prefix: prefix.into(), rule }
    }

    /// Fails with `InvalidConfig` if no name can begin with the prefix: then nothing would ever be found.
    pub fn check(&self) -> Result<()> {
        let Err(error) = SecretName::new(format!("{}name", self.prefix)) else { return Ok(()) };
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("no name can begin with 'prefix': {}", error.message()),
        )
        .with_help("a prefix has no segment that is empty, '.' or '..', and no control character"))
    }

    /// Whether names pass unchanged.
    pub fn is_identity(&self) -> bool {
        self.prefix.is_empty() && self.rule == NamingRule::AsIs
    }

    /// The logical name in its canonical spelling: kebab under a rule, unchanged without one.
    pub fn canonical(&self, name: &SecretName) -> Result<SecretName> {
        match self.rule {
            NamingRule::AsIs => Ok(name.clone()),
            NamingRule::ScreamingSnake | NamingRule::Kebab => kebab(name),
        }
    }

    /// The backend's name of a logical name.
    ///
    /// Fails with `InvalidName` if the rule cannot write the name, or if it is an ARN under a prefix: an ARN
    /// names one secret whole, so a prefix would be silently passed over.
    pub fn to_backend(&self, name: &SecretName) -> Result<SecretName> {
        if self.is_identity() {
            return Ok(name.clone());
        }
        if !self.prefix.is_empty() && name.as_str().starts_with("arn:") {
            return Err(Error::new(ErrorKind::InvalidName, "an ARN cannot be used in a store with a prefix")
                .with_name(name)
                .with_help("refer to the secret by its name, or use a store without 'prefix'"));
        }
        let canonical = self.canonical(name)?;
        let written = match self.rule {
            NamingRule::ScreamingSnake => canonical.as_str().to_ascii_uppercase().replace('-', "_"),
            NamingRule::AsIs | NamingRule::Kebab => canonical.as_str().to_owned(),
        };
        SecretName::new(format!("{}{written}", self.prefix)).map_err(|error| error.renamed(name))
    }

    /// The logical name of a backend's name; none if no logical name leads there.
    pub fn to_logical(&self, backend: &SecretName) -> Option<SecretName> {
        let bare = backend.as_str().strip_prefix(&self.prefix)?;
        let logical = match self.rule {
            NamingRule::AsIs | NamingRule::Kebab => bare.to_owned(),
            NamingRule::ScreamingSnake => bare.to_ascii_lowercase().replace('_', "-"),
        };
        let logical = SecretName::new(logical).ok()?;
        (self.to_backend(&logical).ok()? == *backend).then_some(logical)
    }
}

fn kebab(name: &SecretName) -> Result<SecretName> {
    let written: Option<String> = name
        .as_str()
        .chars()
        .map(|c| match c {
            '_' | ' ' | '-' => Some('-'),
            c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let written = written.ok_or_else(|| {
        Error::new(ErrorKind::InvalidName, "the store's naming rule cannot write this name")
            .with_name(name)
            .with_help("use letters, digits and '-', or set 'naming: as-is'")
    })?;
    SecretName::new(written)
}

/// A store under a naming rule.
#[derive(Clone)]
pub struct NamedStore {
    inner: Arc<dyn SecretStoreConnector>,
    naming: Naming,
}

impl std::fmt::Debug for NamedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedStore")
            .field("connector", &self.inner.connector_id())
            .field("naming", &self.naming)
            .finish()
    }
}

impl NamedStore {
    /// `inner` under `naming`; `inner` itself where that changes nothing.
    pub fn wrap(inner: Arc<dyn SecretStoreConnector>, naming: Naming) -> Arc<dyn SecretStoreConnector> {
        if naming.is_identity() { inner } else { Arc::new(NamedStore { inner, naming }) }
    }

    fn writer(&self) -> Result<&dyn SecretManagement> {
        self.inner.management().ok_or_else(|| Error::unsupported("be written"))
    }

    fn ask<'n>(&self, names: &'n [SecretName]) -> Asked<'n> {
        let mapped: Vec<Result<SecretName>> = names.iter().map(|name| self.naming.to_backend(name)).collect();
        let backend = mapped.iter().filter_map(|name| name.as_ref().ok().cloned()).collect();
        Asked { names, mapped, backend }
    }
}

/// Several names on their way to the backend and back.
struct Asked<'n> {
    names: &'n [SecretName],
    mapped: Vec<Result<SecretName>>,
    /// Those that the backend can be asked for.
    backend: Vec<SecretName>,
}

impl Asked<'_> {
    /// The backend's answers under the logical names.
    fn logical(self, answers: Vec<Result<SecretValue>>) -> Vec<Result<SecretValue>> {
        let mut answers = answers.into_iter();
        let answer = |(mapped, name): (Result<SecretName>, &SecretName)| match mapped {
            Ok(_) => answers
                .next()
                .unwrap_or_else(|| Err(Error::unanswered()))
                .map_err(|error| error.renamed(name)),
            Err(error) => Err(error),
        };
        self.mapped.into_iter().zip(self.names).map(answer).collect()
    }
}

#[async_trait]
impl SecretResolution for NamedStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let backend = self.naming.to_backend(name)?;
        self.inner.get(&backend).await.map_err(|error| error.renamed(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        let backend = self.naming.to_backend(name)?;
        self.inner.get_version(&backend, version).await.map_err(|error| error.renamed(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let asked = self.ask(names);
        let answers = self.inner.get_many(&asked.backend).await;
        asked.logical(answers)
    }
}

#[async_trait]
impl SecretManagement for NamedStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let backend = self.naming.to_backend(name)?;
        self.writer()?.set(&backend, value).await.map_err(|error| error.renamed(name))
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let mapped: Result<Vec<_>> =
            secrets.iter().map(|(name, value)| Ok((self.naming.to_backend(name)?, value.clone()))).collect();
        // One name that cannot be written stops all, as in a store without a naming rule.
        match (self.writer(), mapped) {
            (Ok(writer), Ok(mapped)) => writer.set_many(&mapped).await,
            (Err(error), _) | (_, Err(error)) => secrets.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let backend = self.writer()?.list().await?;
        let mut names: Vec<SecretName> =
            backend.iter().filter_map(|name| self.naming.to_logical(name)).collect();
        names.sort();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let backend = self.naming.to_backend(name)?;
        self.writer()?.delete(&backend).await.map_err(|error| error.renamed(name))
    }
}

#[async_trait]
impl SecretStoreConnector for NamedStore {
    fn connector_id(&self) -> &str {
        self.inner.connector_id()
    }

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        // What a rule can write narrows what the backend accepts; the rule reports it name by name.
        Capabilities {
            names: if self.naming.rule == NamingRule::AsIs { inner.names } else { NameRule::Any },
            ..inner
        }
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        self.inner.management().map(|_| self as &dyn SecretManagement)
    }

    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let asked = self.ask(names);
        let answers = self.inner.stored(&asked.backend).await;
        asked.logical(answers)
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        let mapped =
            |change: &Change| Ok(Change { name: self.naming.to_backend(&change.name)?, ..change.clone() });
        match changes.iter().map(mapped).collect::<Result<Vec<Change>>>() {
            Ok(mapped) => {
                // An error may be of another change than the one whose result it is.
                let logical = |error: Error| match mapped
                    .iter()
                    .position(|change| error.name() == Some(change.name.as_str()))
                {
                    Some(at) => error.renamed(&changes[at].name),
                    None => error,
                };
                let results = self.inner.exchange(&mapped).await.into_iter();
                results.map(|result| result.map_err(logical)).collect()
            }
            Err(error) => changes.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.inner.revision().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn a_prefix_that_no_name_can_begin_with_is_refused() {
        let check = |prefix: &str| Naming::new(prefix, NamingRule::AsIs).check();
        for prefix in ["", "APP_", "team/", "a/b", "!", "..a", "."] {
            check(prefix).unwrap();
        }
        for prefix in ["/", "/team/", "../", "a//", "a/./", "a\n"] {
            let error = check(prefix).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{prefix:?}");
            assert!(error.message().starts_with("no name can begin with 'prefix': "), "{error}");
        }
    }

    #[test]
    fn logical_names_come_back_from_the_backend() {
        for (prefix, rule, logical, backend) in [
            ("", NamingRule::AsIs, "openai/key", "openai/key"),
            ("modelmesh/", NamingRule::AsIs, "openai", "modelmesh/openai"),
            ("", NamingRule::ScreamingSnake, "openai-key", "OPENAI_KEY"),
            ("APP_", NamingRule::ScreamingSnake, "openai-key", "APP_OPENAI_KEY"),
            ("app-", NamingRule::Kebab, "openai-key", "app-openai-key"),
        ] {
            let naming = Naming::new(prefix, rule);
            assert_eq!(naming.to_backend(&name(logical)).unwrap().as_str(), backend);
            assert_eq!(naming.to_logical(&name(backend)).unwrap().as_str(), logical);
        }
    }

    #[test]
    fn under_a_rule_spellings_are_one_name() {
        let naming = Naming::new("", NamingRule::ScreamingSnake);
        for spelling in ["openai-key", "OPENAI_KEY", "openai_key", "OpenAI Key"] {
            assert_eq!(naming.to_backend(&name(spelling)).unwrap().as_str(), "OPENAI_KEY");
        }
    }

    #[test]
    fn names_outside_the_prefix_or_the_rule_are_not_listed() {
        let naming = Naming::new("APP_", NamingRule::ScreamingSnake);
        for backend in ["OTHER_KEY", "APP_", "APP_lower", "APP_A.B"] {
            assert_eq!(naming.to_logical(&name(backend)), None, "{backend}");
        }
    }

    #[test]
    fn what_a_rule_cannot_write_is_refused() {
        let naming = Naming::new("", NamingRule::Kebab);
        assert_eq!(naming.to_backend(&name("a/b")).unwrap_err().kind(), ErrorKind::InvalidName);
    }

    #[test]
    fn an_arn_under_a_prefix_is_refused() {
        let naming = Naming::new("modelmesh/", NamingRule::AsIs);
        let arn = name("arn:aws:secretsmanager:us-east-1:1:secret:x");
        assert_eq!(naming.to_backend(&arn).unwrap_err().kind(), ErrorKind::InvalidName);
    }
}
