//! Resolves references through the stores of a configuration.

use std::{collections::HashSet, fmt, sync::Arc};

use futures_util::future::join_all;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{
    Error, ErrorKind, Result, SecretStoreConnector, SecretValue, async_trait,
    config::{Configuration, Part, Problem, Severity, Template},
    document::NodeId,
    plan::{Answers, Plan, StorePlan},
    reference::{PieceText, Reference, scan},
};

/// Opens the stores of a configuration by name, each once.
#[async_trait]
pub trait StoreSource: Send + Sync {
    /// The store with this name, opened when first asked for.
    ///
    /// `InvalidConfig` if there is none, or whatever kept it from being opened.
    async fn store(&self, name: &str) -> Result<Arc<dyn SecretStoreConnector>>;
}

/// Resolves references through the stores of one configuration.
///
/// - Every reference is asked for once, however often it stands in the file; references to fields of one
///   document are one question.
/// - Each store is asked in as few calls as it can take, stores side by side.
/// - What a store answers is never read for references again.
#[derive(Clone)]
pub struct Resolver {
    stores: Arc<dyn StoreSource>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver over `stores`.
    pub fn new(stores: Arc<dyn StoreSource>) -> Self {
        Resolver { stores }
    }

    /// Resolves one reference.
    pub async fn get(&self, reference: &Reference) -> Result<SecretValue> {
        let mut outcomes = self.get_many(std::slice::from_ref(reference)).await;
        outcomes.pop().unwrap_or_else(|| Err(Error::not_found(reference.name.as_str())))
    }

    /// Resolves references: as many results, in the same order. One failure hides no other value.
    pub async fn get_many(&self, references: &[Reference]) -> Vec<Result<SecretValue>> {
        let plan = Plan::of(references);
        let answers = join_all(plan.stores().iter().map(|store| self.ask(store))).await;
        plan.answer(&answers)
    }

    /// Resolves every reference in `text`: the text with values in place of references, escapes undone.
    ///
    /// Fails with the first failure in the text's own order.
    pub async fn resolve(&self, text: &str) -> Result<SecretString> {
        let pieces: Vec<_> = scan(text).collect();
        let mut references = Vec::new();
        for piece in &pieces {
            match &piece.text {
                PieceText::Reference(reference) => references.push((**reference).clone()),
                PieceText::Broken(error) => return Err((**error).clone()),
                PieceText::Literal(_) => {}
            }
        }
        let mut values = self.get_many(&references).await.into_iter();
        let mut resolved = Zeroizing::new(String::new());
        for piece in pieces {
            match piece.text {
                PieceText::Literal(literal) => resolved.push_str(literal),
                _ => {
                    if let Some(value) = values.next() {
                        resolved.push_str(value?.expose());
                    }
                }
            }
        }
        Ok(SecretString::from(resolved.as_str()))
    }

    /// Resolves every reference of a configuration.
    pub async fn resolve_all<'c>(&self, configuration: &'c Configuration) -> Resolution<'c> {
        let outcomes = self.get_many(configuration.usage().references()).await;
        Resolution { configuration, outcomes }
    }

    async fn ask(&self, plan: &StorePlan<'_>) -> Answers {
        let store = self.stores.store(plan.store()).await.map_err(|error| error.with_store(plan.store()))?;
        Ok(plan.ask(&*store).await)
    }
}

/// The outcome of resolving a whole configuration.
pub struct Resolution<'c> {
    configuration: &'c Configuration,
    outcomes: Vec<Result<SecretValue>>,
}

impl fmt::Debug for Resolution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.outcomes.iter().filter(|outcome| outcome.is_err()).count();
        f.debug_struct("Resolution")
            .field("references", &self.outcomes.len())
            .field("failed", &failed)
            .finish()
    }
}

impl<'c> Resolution<'c> {
    /// The resolution of `configuration` with an outcome for each of its references.
    pub(crate) fn new(configuration: &'c Configuration, outcomes: Vec<Result<SecretValue>>) -> Self {
        Resolution { configuration, outcomes }
    }

    /// The outcome of each of the configuration's references, in the order of
    /// [`Usage::references`](crate::config::Usage::references).
    pub fn outcomes(&self) -> &[Result<SecretValue>] {
        &self.outcomes
    }

    /// What failed, each at the first place where it is referred to.
    ///
    /// - A store that could not be opened, or failed all its names alike, is one problem: [`StoreFailures`].
    /// - A name that is missing where `fail_on_missing` is false is a warning.
    pub fn problems(&self) -> Vec<Problem> {
        let references = self.configuration.usage().references();
        let mut problems: Vec<Problem> = Vec::new();
        let mut reported = vec![false; references.len()];
        let mut told = StoreFailures::default();
        for (at, node, span) in self.configuration.usage().uses() {
            let Err(error) = &self.outcomes[at] else { continue };
            if std::mem::replace(&mut reported[at], true) || !told.is_news(error) {
                continue;
            }
            let place = self.configuration.place_of(node, span);
            let mut problem = match place {
                Some(place) => Problem::at(place, error.clone()),
                None => Problem::elsewhere(error.clone()),
            };
            if self.configuration.may_be_missing(&references[at], error) {
                problem.severity = Severity::Warning;
            }
            problems.push(problem);
        }
        problems
    }

    /// The resolved text of a template.
    ///
    /// - `None` if a reference in it is missing and may be (`fail_on_missing: false`).
    /// - Fails with the first failure in it.
    pub fn text(&self, template: &Template) -> Result<Option<Zeroizing<String>>> {
        fill(self.configuration, template, |at| &self.outcomes[at])
    }

    /// The resolved texts of all templates, by node.
    ///
    /// A text in which a reference is missing, and may be, has `None`.
    pub fn texts(&self) -> Result<Vec<(NodeId, Option<Zeroizing<String>>)>> {
        let templates = self.configuration.usage().templates();
        templates.iter().map(|template| Ok((template.node, self.text(template)?))).collect()
    }
}

/// The resolved text of a template: see [`Resolution::text`]. `outcome` gives that of each reference in it, by the
/// reference's place in [`Usage::references`](crate::config::Usage::references).
pub(crate) fn fill<'o>(
    configuration: &Configuration,
    template: &Template,
    outcome: impl Fn(usize) -> &'o Result<SecretValue>,
) -> Result<Option<Zeroizing<String>>> {
    let Some(document) = configuration.document() else { return Ok(None) };
    let source = document.string(template.node).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(source.len()));
    for part in configuration.usage().parts(template) {
        match part {
            Part::Literal(span) => text.push_str(&source[span.start as usize..span.end as usize]),
            Part::Reference(at, _) => match outcome(*at as usize) {
                Ok(value) => text.push_str(value.expose()),
                Err(error) => {
                    let reference = &configuration.usage().references()[*at as usize];
                    return if configuration.may_be_missing(reference, error) {
                        Ok(None)
                    } else {
                        Err(error.clone())
                    };
                }
            },
        }
    }
    Ok(Some(text))
}

/// The failures of whole stores that were told already: each is told once, not for each of the store's names.
#[derive(Debug, Default)]
pub struct StoreFailures {
    told: HashSet<(Box<str>, ErrorKind, Box<str>)>,
}

impl StoreFailures {
    /// Whether `error`, which is why a reference has no value, says something that was not told yet.
    pub fn is_news(&mut self, error: &Error) -> bool {
        // Found in an answer, not by a store: a value that has no fields says nothing of the others.
        let Some(store) = error.store() else { return true };
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Disabled | ErrorKind::InvalidName => true,
            kind => self.told.insert((store.into(), kind, error.message().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{SecretName, SecretResolution, Version, document::Format};

    /// Stores whose every secret is its own name in brackets, but for what is said otherwise.
    struct Echo;

    #[async_trait]
    impl StoreSource for Echo {
        async fn store(&self, name: &str) -> Result<Arc<dyn SecretStoreConnector>> {
            match name {
                "down" => Err(Error::new(ErrorKind::Unavailable, "cannot be reached")),
                name => Ok(Arc::new(EchoStore(name.to_owned()))),
            }
        }
    }

    #[derive(Debug)]
    struct EchoStore(String);

    #[async_trait]
    impl SecretResolution for EchoStore {
        async fn get(&self, name: &SecretName) -> Result<SecretValue> {
            match name.as_str() {
                "missing" => Err(Error::not_found("missing")),
                "denied" => Err(Error::new(ErrorKind::Denied, "the policy refuses it")),
                "json" => Ok(r#"{"user":"u"}"#.into()),
                "tricky" => Ok("${secrets:a} $${secrets:b} \" ' \n: #".into()),
                name => Ok(format!("<{}/{name}>", self.0).into()),
            }
        }

        async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
            Ok(format!("<{name}@{version}>").into())
        }
    }

    impl SecretStoreConnector for EchoStore {
        fn connector_id(&self) -> &'static str {
            "test.echo.v1"
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn resolve(text: &str) -> Result<String> {
        let resolver = Resolver::new(Arc::new(Echo));
        block_on(resolver.resolve(text)).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn values_stand_in_for_references() {
        assert_eq!(resolve("a ${secrets:x}, ${secrets.prod:y}.").unwrap(), "a <default/x>, <prod/y>.");
        assert_eq!(resolve("${secrets:x?version=7} ${secrets:x}").unwrap(), "<x@7> <default/x>");
        assert_eq!(resolve("$${secrets:x} ${HOME}").unwrap(), "${secrets:x} ${HOME}");
        assert_eq!(resolve("${secrets:json#user}").unwrap(), "u");
    }

    #[test]
    fn a_value_is_never_read_for_references_again() {
        assert_eq!(resolve("[${secrets:tricky}]").unwrap(), "[${secrets:a} $${secrets:b} \" ' \n: #]");
    }

    #[test]
    fn a_fallback_stands_in_for_what_is_missing_and_for_nothing_else() {
        assert_eq!(resolve("${secrets:missing:-f}").unwrap(), "f");
        assert_eq!(resolve("${secrets:json#nope:-f}").unwrap(), "f");
        assert_eq!(resolve("${secrets:denied:-f}").unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(resolve("${secrets.down:x:-f}").unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(resolve("${secrets:x#f:-f}").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn an_error_names_the_store_and_the_secret() {
        let error = resolve("${secrets.prod:missing}").unwrap_err();
        assert_eq!(error.to_string(), "store 'prod': secret 'missing': not found");
    }

    fn parse(text: &str) -> Configuration {
        let spec = |id| crate::setting::ConnectorSpec::new(id, "");
        let catalogue = [spec("modelmesh.env.v1"), spec("test.echo.v1")];
        let configuration =
            Configuration::parse("m.yaml", "".into(), text, Format::Yaml, &catalogue).unwrap();
        configuration.require_valid().unwrap();
        configuration
    }

    fn problems_of(text: &str) -> Vec<String> {
        let configuration = parse(text);
        let resolver = Resolver::new(Arc::new(Echo));
        let resolution = block_on(resolver.resolve_all(&configuration));
        let report = configuration.report(resolution.problems());
        if report.problems().is_empty() {
            Vec::new()
        } else {
            report.to_string().lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn everything_that_fails_is_reported_at_its_first_place() {
        let text = "\
secrets: {stores: {down: {store: test.echo.v1}}}
a: '${secrets:missing}'
b: ['${secrets:ok}', '${secrets:denied}']
c: '${secrets:missing}'
d: '${secrets.down:x}'
e: '${secrets.down:y}'
";
        assert_eq!(
            problems_of(text),
            [
                "m.yaml:2:5: a: store 'default': secret 'missing': not found",
                "m.yaml:3:23: b[1]: store 'default': secret 'denied': the policy refuses it",
                "m.yaml:5:5: d: store 'down': secret 'x': cannot be reached",
            ]
        );
    }

    #[test]
    fn what_may_be_missing_is_a_warning() {
        let resolver = Resolver::new(Arc::new(Echo));
        let configuration = parse("secrets: {fail_on_missing: false}\na: '${secrets:missing}'");
        let report = configuration.report(block_on(resolver.resolve_all(&configuration)).problems());
        assert_eq!(report.problems().len(), 1);
        assert!(!report.has_errors(), "{report}");
    }

    #[test]
    fn each_value_without_fields_is_reported() {
        assert_eq!(problems_of("a: '${secrets:x#f}'\nb: '${secrets:y#f}'").len(), 2);
    }

    #[test]
    fn a_store_that_is_down_is_told_once_for_fields_too() {
        let text = "secrets: {stores: {down: {store: test.echo.v1}}}\na: ['${secrets.down:x#f}', '${secrets.down:y}']";
        assert_eq!(problems_of(text).len(), 1);
    }

    #[test]
    fn references_without_a_store_can_be_sent_to_another_one() {
        let configuration = parse("secrets: {stores: {prod: {store: test.echo.v1}}}\na: '${secrets:x}'");
        let prod = configuration.store("prod").unwrap().clone();
        let configuration = configuration.redirected(prod);
        let resolution = block_on(Resolver::new(Arc::new(Echo)).resolve_all(&configuration));
        assert_eq!(resolution.outcomes()[0].as_ref().unwrap().expose(), "<prod/x>");
    }
}
