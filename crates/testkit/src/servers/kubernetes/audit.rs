//! What the server's own audit log tells.
//!
//! <https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/>

use std::{fs, path::Path};

use serde_json::{Value, json};

/// A line for each request about Secrets, written before the request is answered. Values are not part of it.
pub(super) fn policy() -> Value {
    let secrets = json!({ "level": "Metadata", "resources": [{ "group": "", "resources": ["secrets"] }] });
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["ResponseStarted", "ResponseComplete", "Panic"],
        "rules": [secrets, { "level": "None" }],
    })
}

/// The verbs and names of the requests of a namespace, but for the administrator's.
pub(super) fn requests_of(log: &Path, namespace: &str) -> Vec<String> {
    let log = fs::read_to_string(log).unwrap_or_default();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let asked = events.filter(|event| {
        event["objectRef"]["namespace"] == namespace && event["user"]["username"] != "administrator"
    });
    asked
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (verb, name) = (text(&event["verb"]), text(&event["objectRef"]["name"]));
            if name.is_empty() { verb } else { format!("{verb} {name}") }
        })
        .collect()
}
