//! What an item has to be, and what the server adds to it.

use serde_json::{Map, Value, json};

use super::new_id;

const CATEGORIES: [&str; 21] = [
    "LOGIN",
    "PASSWORD",
    "API_CREDENTIAL",
    "SERVER",
    "DATABASE",
    "CREDIT_CARD",
    "MEMBERSHIP",
    "PASSPORT",
    "SOFTWARE_LICENSE",
    "OUTDOOR_LICENSE",
    "SECURE_NOTE",
    "WIRELESS_ROUTER",
    "BANK_ACCOUNT",
    "DRIVER_LICENSE",
    "IDENTITY",
    "REWARD_PROGRAM",
    "DOCUMENT",
    "EMAIL_ACCOUNT",
    "SOCIAL_SECURITY_NUMBER",
    "MEDICAL_RECORD",
    "SSH_KEY",
];

const FIELD_TYPES: [&str; 9] =
    ["STRING", "EMAIL", "CONCEALED", "URL", "OTP", "DATE", "MONTH_YEAR", "MENU", "SSHKEY"];

/// The fields by purpose: their IDs, and their labels.
const PURPOSES: [(&str, &str); 3] =
    [("USERNAME", "username"), ("PASSWORD", "password"), ("NOTES", "notesPlain")];

pub(super) fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

pub(super) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// A new item of what a client sent.
pub(super) fn made(vault: &str, sent: Value) -> Result<Value, String> {
    let mut item = checked(vault, sent)?;
    item.entry("id").or_insert_with(|| new_id().into());
    let now = now();
    item.insert("version".into(), 1.into());
    item.insert("createdAt".into(), now.clone().into());
    item.insert("updatedAt".into(), now.into());
    Ok(Value::Object(item))
}

/// What an item becomes when a client replaces it. Its ID and its creation stay, and the version counts on: one that
/// a client sends is not looked at.
pub(super) fn replaced(vault: &str, current: &Value, sent: Value) -> Result<Value, String> {
    if sent.get("id").is_some_and(|id| *id != current["id"]) {
        return Err("Item ID does not match the request".into());
    }
    let mut item = checked(vault, sent)?;
    for key in ["id", "createdAt"] {
        item.insert(key.into(), current[key].clone());
    }
    let version = current["version"].as_u64().expect("an item has a version");
    item.insert("version".into(), (version + 1).into());
    item.insert("updatedAt".into(), now().into());
    Ok(Value::Object(item))
}

/// An item without its sections and fields: what a listing holds.
pub(super) fn summary(item: &Value) -> Value {
    let mut item = item.clone();
    let object = item.as_object_mut().expect("an item is an object");
    for key in ["sections", "fields", "files"] {
        object.remove(key);
    }
    item
}

/// What filters compare.
pub(super) fn attributes(item: &Value) -> Vec<(&'static str, &str)> {
    let tags = item["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let title = item["title"].as_str().unwrap_or_default();
    tags.map(|tag| ("tag", tag)).chain([("title", title)]).collect()
}

fn checked(vault: &str, sent: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(mut item) = sent else { return Err("Invalid item".into()) };
    if item.get("vault").is_none_or(|sent| sent["id"] != vault) {
        return Err("Item vault does not match the request".into());
    }
    let category = item.get("category").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !CATEGORIES.contains(&category.as_str()) {
        return Err("Invalid item category".into());
    }
    // Read-only.
    item.remove("state");
    let sections = sections(&mut item)?;
    let fields = match item.remove("fields") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(fields)) => fields,
        Some(_) => return Err("Invalid item fields".into()),
    };
    let fields: Vec<Value> =
        fields.into_iter().map(|sent| field(sent, &sections)).collect::<Result<_, _>>()?;
    if category == "PASSWORD" && !fields.iter().any(|field| field["purpose"] == "PASSWORD") {
        return Err("The item doesn't have a password field.".into());
    }
    item.insert("fields".into(), fields.into());
    Ok(item)
}

fn sections(item: &mut Map<String, Value>) -> Result<Vec<String>, String> {
    let Some(Value::Array(sections)) = item.get_mut("sections") else { return Ok(Vec::new()) };
    let ids = sections.iter_mut().map(|section| {
        let section = section.as_object_mut().ok_or("Invalid section")?;
        let id = section.entry("id").or_insert_with(|| new_id().into());
        Ok(id.as_str().ok_or("Invalid section ID")?.to_owned())
    });
    ids.collect()
}

fn field(sent: Value, sections: &[String]) -> Result<Value, String> {
    let Value::Object(mut field) = sent else { return Err("Invalid field".into()) };
    // The examples of the description write types in lower case, too.
    let kind = field.get("type").and_then(Value::as_str).unwrap_or("STRING").to_uppercase();
    if !FIELD_TYPES.contains(&kind.as_str()) {
        return Err("Invalid field type".into());
    }
    field.insert("type".into(), kind.into());
    let purpose = field.get("purpose").and_then(Value::as_str).unwrap_or_default();
    if let Some((_, name)) = PURPOSES.iter().find(|(known, _)| *known == purpose) {
        field.insert("id".into(), (*name).into());
        field.insert("label".into(), (*name).into());
    } else if !purpose.is_empty() {
        return Err("Invalid field purpose".into());
    }
    if let Some(section) = field.get("section").filter(|section| !section.is_null())
        && !sections.iter().any(|known| section["id"] == **known)
    {
        return Err("The section of a field is not in the item".into());
    }
    match field.get("value").cloned() {
        None if field.remove("generate") == Some(Value::Bool(true)) => {
            field.insert("value".into(), new_id().into());
        }
        None | Some(Value::Null) => drop(field.remove("value")),
        Some(Value::String(text)) if text.is_empty() => drop(field.remove("value")),
        Some(Value::String(_)) => {}
        Some(_) => return Err("Invalid field value".into()),
    }
    for key in ["generate", "recipe"] {
        field.remove(key);
    }
    if field.get("id").and_then(Value::as_str).is_none_or(str::is_empty) {
        field.insert("id".into(), new_id().into());
    }
    if field.get("purpose") == Some(&json!("PASSWORD")) {
        field.insert("entropy".into(), 0.into());
    }
    Ok(Value::Object(field))
}
