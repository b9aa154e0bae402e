//! The cases of `conformance/references.json`, which the bindings for other languages run too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use modelmesh_secrets::{
    ExposeSecret as _, Naming, NamingRule, SecretName, Version, duration,
    reference::{Fallback, Field, PieceText, Reference, scan},
};
use serde_json::{Map, Value, json};

/// Puts every case of a section to `judge`, and tells of all that fail, each with the case itself.
fn every_case_of(section: &str, judge: impl Fn(&Value) -> Result<(), String>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/references.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file[section].as_array().unwrap();
    assert!(!cases.is_empty(), "'{section}' has cases");
    let failures: Vec<String> =
        cases.iter().filter_map(|case| judge(case).err().map(|why| format!("{case}\n    {why}"))).collect();
    assert!(failures.is_empty(), "{} of '{section}':\n{}", failures.len(), failures.join("\n"));
}

#[allow(clippy::needless_pass_by_value, reason = "it reads like `assert_eq`")]
fn same<T: PartialEq + Debug>(got: T, wanted: T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("got {got:?}, not {wanted:?}")) }
}

fn text<'c>(case: &'c Value, key: &str) -> &'c str {
    case[key].as_str().unwrap()
}

/// What a scan yields, as the file writes it: neighboring literals are one.
fn pieces_of(text: &str) -> Vec<Value> {
    let mut pieces: Vec<Value> = Vec::new();
    for piece in scan(text) {
        match piece.text {
            PieceText::Literal(more) => match pieces.last_mut().and_then(|last| last.get_mut("literal")) {
                Some(literal) => *literal = json!(literal.as_str().unwrap().to_owned() + more),
                None => pieces.push(json!({ "literal": more })),
            },
            PieceText::Reference(reference) => pieces.push(json!({ "reference": parts_of(&reference) })),
            PieceText::Broken(error) => pieces.push(json!({ "error": error.kind().as_str() })),
        }
    }
    pieces
}

fn parts_of(reference: &Reference) -> Map<String, Value> {
    let field = reference.field.as_ref().map(|field| match field {
        Field::Key(text) | Field::Pointer(text) => &**text,
        other => panic!("a field of a new kind: {other:?}"),
    });
    let parts = [
        ("name", Some(reference.name.as_str())),
        ("store", reference.store.as_deref()),
        ("version", reference.version.as_ref().map(Version::as_str)),
        ("field", field),
        ("fallback", reference.fallback.as_ref().map(Fallback::expose)),
    ];
    parts.into_iter().filter_map(|(part, text)| Some((part.to_owned(), json!(text?)))).collect()
}

#[test]
fn texts_have_these_pieces() {
    every_case_of("pieces", |case| same(&pieces_of(text(case, "text")), case["pieces"].as_array().unwrap()));
}

#[test]
fn names_are_names_or_not() {
    every_case_of("names", |case| {
        same(SecretName::new(text(case, "name")).is_ok(), case["valid"].as_bool().unwrap())
    });
}

#[test]
fn names_are_written_as_references_and_read_back() {
    every_case_of("written", |case| {
        let name = SecretName::new(text(case, "name")).unwrap();
        same(name.to_reference().as_str(), text(case, "reference"))?;
        same(Reference::parse(text(case, "reference")).map_err(|error| error.to_string())?.name, name)
    });
}

#[test]
fn documents_have_these_fields() {
    every_case_of("fields", |case| {
        let field = text(case, "field");
        let field =
            if field.starts_with('/') { Field::Pointer(field.into()) } else { Field::Key(field.into()) };
        match field.of(text(case, "document")) {
            Ok(value) => same(json!(value.expose_secret()), case["value"].clone()),
            Err(error) => same(json!(error.kind().as_str()), case["error"].clone()),
        }
    });
}

#[test]
fn durations_last_this_long() {
    every_case_of("durations", |case| {
        let milliseconds = duration::parse(text(case, "text")).map(|duration| duration.as_millis());
        same(milliseconds, case["milliseconds"].as_u64().map(u128::from))
    });
}

fn naming(case: &Value) -> Naming {
    Naming::new(text(case, "prefix"), NamingRule::from_text(text(case, "naming")).unwrap())
}

#[test]
fn logical_names_become_these_names_of_the_backend() {
    every_case_of("naming", |case| {
        let logical = SecretName::new(text(case, "logical")).unwrap();
        match naming(case).to_backend(&logical) {
            Ok(backend) => same(json!(backend.as_str()), case["backend"].clone())?,
            Err(error) => return same(json!(error.kind().as_str()), case["error"].clone()),
        }
        let canonical = naming(case).canonical(&logical).map_err(|error| error.to_string())?;
        same(canonical.as_str(), case["canonical"].as_str().unwrap_or(logical.as_str()))
    });
}

#[test]
fn listings_give_these_logical_names() {
    every_case_of("listed", |case| {
        let backend = SecretName::new(text(case, "backend")).unwrap();
        same(naming(case).to_logical(&backend).as_ref().map(SecretName::as_str), case["logical"].as_str())
    });
}
