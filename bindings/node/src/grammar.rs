//! The grammar of names, references and durations, for the cases of `conformance/`. The package itself reads durations
//! by it, and nothing else.

use std::collections::HashMap;

use modelmesh_secrets::{
    ErrorKind, ExposeSecret as _, Naming, NamingRule, Result, SecretName, Version, duration,
    reference::{Fallback, Field, PieceText, scan},
};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

/// What a scan of a text yields, in order: `{literal}`, the parts of a reference, or `{error}`.
#[napi]
pub fn grammar_scan(text: String) -> Vec<HashMap<String, String>> {
    let piece = |piece: PieceText<'_>| -> Vec<(&'static str, String)> {
        match piece {
            PieceText::Literal(text) => vec![("literal", text.to_owned())],
            PieceText::Broken(error) => vec![("error", error.kind().as_str().to_owned())],
            PieceText::Reference(reference) => [
                ("name", Some(reference.name.as_str())),
                ("store", reference.store.as_deref()),
                ("version", reference.version.as_ref().map(Version::as_str)),
                ("field", reference.field.as_ref().map(Field::as_str)),
                ("fallback", reference.fallback.as_ref().map(Fallback::expose)),
            ]
            .into_iter()
            .filter_map(|(part, text)| Some((part, text?.to_owned())))
            .collect(),
        }
    };
    scan(&text)
        .map(|found| piece(found.text).into_iter().map(|(key, text)| (key.to_owned(), text)).collect())
        .collect()
}

/// Whether a text is a secret's name.
#[napi]
pub fn grammar_is_name(text: String) -> bool {
    SecretName::new(text).is_ok()
}

/// The reference to a name.
#[napi]
pub fn grammar_reference(name: String) -> Option<String> {
    Some(SecretName::new(name).ok()?.to_reference())
}

/// A text, or the kind of the error that it is not.
#[napi(object)]
pub struct GrammarAnswer {
    /// The text.
    pub text: Option<String>,
    /// The kind of error.
    pub error: Option<String>,
}

impl<T: Into<String>> From<Result<T>> for GrammarAnswer {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(text) => GrammarAnswer { text: Some(text.into()), error: None },
            Err(error) => GrammarAnswer { text: None, error: Some(error.kind().as_str().to_owned()) },
        }
    }
}

/// A field of a JSON document.
#[napi]
pub fn grammar_field(document: String, field: String) -> GrammarAnswer {
    let field = if field.starts_with('/') { Field::Pointer(field.into()) } else { Field::Key(field.into()) };
    field.of(&document).map(|text| text.expose_secret().to_owned()).into()
}

/// How long a duration is, in milliseconds; `null` if it is none.
#[napi]
#[allow(clippy::cast_precision_loss, reason = "the cases are small")]
pub fn grammar_duration(text: String) -> Option<f64> {
    duration::parse(&text).map(|duration| duration.as_millis() as f64)
}

/// A backend's name of a logical one, and that in its canonical spelling; or the kind of error.
#[napi]
pub fn grammar_backend_name(prefix: String, rule: String, name: String) -> Either<Vec<String>, String> {
    let names = || -> Result<Vec<String>> {
        let (naming, name) = (naming(prefix, &rule)?, SecretName::new(name)?);
        let (backend, canonical) = (naming.to_backend(&name)?, naming.canonical(&name)?);
        Ok([backend, canonical].iter().map(|name| name.as_str().to_owned()).collect())
    };
    match names() {
        Ok(names) => Either::A(names),
        Err(error) => Either::B(error.kind().as_str().to_owned()),
    }
}

/// The logical name of a backend's; `null` if there is none.
#[napi]
pub fn grammar_logical_name(prefix: String, rule: String, backend: String) -> Option<String> {
    let name = naming(prefix, &rule).ok()?.to_logical(&SecretName::new(backend).ok()?)?;
    Some(name.as_str().to_owned())
}

fn naming(prefix: String, rule: &str) -> Result<Naming> {
    let rule = NamingRule::from_text(rule)
        .ok_or_else(|| modelmesh_secrets::Error::new(ErrorKind::InvalidConfig, "no such naming rule"))?;
    Ok(Naming::new(prefix, rule))
}
