//! The JSON Schema of the configuration, made from the tables that the parser reads.

use serde_json::{Map, Value, json};

use super::entry::{DEFAULT_STORE, ENV_STORE};
use crate::{
    RESOLUTION_SETTINGS,
    setting::{ConnectorSpec, SECTION_SETTINGS, Setting, SettingKind},
};

/// The JSON Schema (2020-12) of a configuration file, for editors and CI.
///
/// It knows every key that the parser reads, aliases included. What only the parser can judge (that a store
/// exists, that a reference is well formed) it leaves to `modelmesh check`.
pub fn json_schema(catalogue: &[ConnectorSpec]) -> Value {
    let mut stores_of: Vec<Value> = catalogue.iter().map(connector_rule).collect();
    stores_of.push(json!({
        "if": { "required": ["chain"] },
        "then": { "not": { "anyOf": [{ "required": ["store"] }, { "required": ["connector"] }] } }
    }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ModelMesh configuration",
        "description": "Secrets are referred to by name: ${secrets:NAME}, ${secrets.STORE:NAME}.",
        "type": "object",
        "properties": {
            "secrets": { "$ref": "#/$defs/secrets", "description": "where secrets live" },
            "providers": {
                "type": ["object", "array", "null"],
                "description": "the model providers, whose settings hold references"
            },
            "env": {
                "type": ["object", "null"],
                "description": "the variables that 'modelmesh run' gives to the program it starts",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
                "propertyNames": { "pattern": "^[^=]+$" }
            }
        },
        "$defs": {
            "secrets": {
                "type": ["object", "null"],
                "properties": section_properties(),
                "allOf": [{ "$ref": "#/$defs/entry" }]
            },
            "entry": {
                "type": ["object", "null"],
                "properties": entry_properties(catalogue),
                "allOf": stores_of
            },
            "resolution": {
                "type": ["object", "null"],
                "properties": properties(RESOLUTION_SETTINGS.iter()),
                "additionalProperties": false
            }
        }
    })
}

/// The keys that `secrets:` has beyond those of any entry.
fn section_properties() -> Value {
    let mut known = properties(SECTION_SETTINGS.iter());
    let stores = json!({
        "type": ["object", "null"],
        "description": "named stores; environments are named stores too",
        "propertyNames": {
            "pattern": "^[A-Za-z0-9_-]+$",
            "not": { "enum": [DEFAULT_STORE, ENV_STORE] }
        },
        "additionalProperties": {
            "allOf": [
                { "$ref": "#/$defs/entry" },
                { "anyOf": [
                    { "required": ["store"] },
                    { "required": ["connector"] },
                    { "required": ["chain"] }
                ] }
            ]
        }
    });
    known.insert("stores".into(), stores);
    Value::Object(known)
}

fn entry_properties(catalogue: &[ConnectorSpec]) -> Value {
    let ids: Vec<String> =
        catalogue.iter().flat_map(|spec| [spec.id.to_owned(), format!("secret-store.{}", spec.id)]).collect();
    let mut known = properties(RESOLUTION_SETTINGS.iter());
    for (key, value) in properties(RESOLUTION_SETTINGS.iter()) {
        for prefix in ["resolution.", "secret-store.resolution."] {
            known.insert(format!("{prefix}{key}"), value.clone());
        }
    }
    let id = json!({ "enum": ids, "description": "the connector's ID" });
    known.insert("store".into(), id.clone());
    known.insert("connector".into(), id);
    known.insert(
        "config".into(),
        json!({ "type": ["object", "null"], "description": "the connector's settings" }),
    );
    known.insert(
        "chain".into(),
        json!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "description": "stores that are asked in turn; the first that has a secret answers"
        }),
    );
    known.insert("resolution".into(), json!({ "$ref": "#/$defs/resolution" }));
    Value::Object(known)
}

/// The settings of one connector, flat or under `config`.
fn connector_rule(spec: &ConnectorSpec) -> Value {
    let names = json!({ "enum": [spec.id, format!("secret-store.{}", spec.id)] });
    let settings = properties(spec.all_settings());
    let mut flat = settings.clone();
    flat.insert("config".into(), json!({ "type": ["object", "null"], "properties": settings }));
    json!({
        "if": { "anyOf": [
            { "required": ["store"], "properties": { "store": names } },
            { "required": ["connector"], "properties": { "connector": names } }
        ] },
        "then": { "description": spec.summary, "properties": flat }
    })
}

fn properties<'a>(settings: impl Iterator<Item = &'a Setting>) -> Map<String, Value> {
    let mut known = Map::new();
    for setting in settings {
        let mut value = of_kind(&setting.kind);
        if let Value::Object(value) = &mut value {
            let default = setting.default.map(|default| format!(" (default: {default})")).unwrap_or_default();
            value.insert("description".into(), format!("{}{default}", setting.help).into());
        }
        for key in std::iter::once(&setting.key).chain(setting.aliases) {
            known.insert((*key).to_owned(), value.clone());
        }
    }
    known
}

/// What a kind takes. Text may always stand in: it may hold a bootstrap reference.
fn of_kind(kind: &SettingKind) -> Value {
    const FILLED_IN: &str = r"\$\{";
    let or_filled_in = |value: Value| json!({ "anyOf": [value, { "type": "string", "pattern": FILLED_IN }] });
    match kind {
        SettingKind::Text | SettingKind::Secret | SettingKind::Path => {
            json!({ "type": ["string", "number", "boolean", "null"] })
        }
        SettingKind::Boolean => or_filled_in(json!({ "enum": [true, false, "true", "false"] })),
        SettingKind::Integer(min, max) => {
            or_filled_in(json!({ "type": ["integer", "string"], "minimum": min, "maximum": max }))
        }
        SettingKind::Ratio => or_filled_in(json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        SettingKind::Duration => or_filled_in(json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(\\d+|(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?)$", "minLength": 1 }
            ]
        })),
        SettingKind::TextList => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
        SettingKind::SecretMap => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        SettingKind::Choice(words) => or_filled_in(json!({ "enum": words })),
        SettingKind::Group(settings) => {
            json!({ "type": "object", "properties": properties(settings.iter()), "additionalProperties": false })
        }
    }
}
