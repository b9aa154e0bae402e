//! The cases of `conformance/configurations.json`, which the bindings for other languages run too: what is made of the
//! texts of a mapping that a program gives.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use modelmesh_secrets::{ExposeSecret as _, config::Configuration, document::Format, live::SecretResolver};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use serde_json::{Value, json};

/// Calls `visit` with every text in which references are resolved, always in the same order. A key is none, and what
/// stores are configured with stays as it is.
fn each_text<'v>(mapping: &'v mut Value, visit: &mut dyn FnMut(&'v mut String)) {
    let entries = mapping.as_object_mut().unwrap().iter_mut();
    entries.filter(|(key, _)| *key != "secrets").for_each(|(_, value)| each_text_below(value, visit));
}

fn each_text_below<'v>(value: &'v mut Value, visit: &mut dyn FnMut(&'v mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text_below(item, visit)),
        Value::Object(entries) => entries.values_mut().for_each(|value| each_text_below(value, visit)),
        _ => {}
    }
}

/// The mapping with values in place of references; else the kind of the first error.
async fn resolved(resolver: &SecretResolver, given: &Value) -> Result<Value, &'static str> {
    let mut mapping = given.clone();
    let mut texts = Vec::new();
    each_text(&mut mapping, &mut |text| texts.push(text.clone()));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let values = resolver.resolve_texts(&texts).await.map_err(|errors| errors[0].kind().as_str())?;
    let mut values = values.iter();
    each_text(&mut mapping, &mut |text| values.next().unwrap().expose_secret().clone_into(text));
    Ok(mapping)
}

#[tokio::test]
async fn every_case() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/configurations.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let configuration =
        json!({ "secrets": { "store": "modelmesh.memory-secrets.v1", "secrets": file["secrets"] } });
    let configuration =
        Configuration::parse("m.json", "".into(), &configuration.to_string(), Format::Json, &catalogue());
    let environment = Arc::new(FixedEnvironment::default());
    let context = OpenContext { environment, ..OpenContext::default() };
    let stores = StoreSet::new(Arc::new(configuration.unwrap()), context).unwrap();
    let resolver = stores.live_configuration().start().await.unwrap();
    let cases = file["resolved"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let got = resolved(&resolver, &case["given"]).await;
        match case.get("error") {
            Some(kind) => assert_eq!(got.unwrap_err(), kind.as_str().unwrap(), "{case}"),
            None => assert_eq!(got.unwrap(), case["resolved"], "{case}"),
        }
    }
}
