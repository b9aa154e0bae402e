//! Listings: pages, and the links by which they go on.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    http::Asked,
    reply::{Outcome, invalid},
};

/// The most that a page holds, and what it holds if it is not said.
const PAGE: usize = 25;

/// A page of `items`, each with the key by which the next page goes on, in rising order. `origin` is where the next
/// page is said to be.
pub(super) fn page(asked: &Asked, origin: &str, items: Vec<(String, Value)>) -> Outcome {
    let size = match asked.parameter("maxresults").map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(size @ 1..=PAGE)) => size,
        Some(_) => return Err(invalid("Property maxresults must be from 1 to 25.")),
    };
    let after = match asked.parameter("$skiptoken") {
        None => String::new(),
        Some(token) => {
            let token = URL_SAFE_NO_PAD.decode(token).ok().and_then(|token| String::from_utf8(token).ok());
            // A token is of one listing.
            let after = token.and_then(|token| Some(token.strip_prefix(&asked.path)?.to_owned()));
            after.ok_or_else(|| invalid("The skip token is not one of this listing."))?
        }
    };
    let mut rest = items.into_iter().filter(|(key, _)| *key > after).peekable();
    let shown: Vec<(String, Value)> = rest.by_ref().take(size).collect();
    let next = match (shown.last(), rest.peek()) {
        (Some((last, _)), Some(_)) => {
            let version = asked.parameter("api-version").unwrap_or_default();
            let token = URL_SAFE_NO_PAD.encode(format!("{}{last}", asked.path));
            let path = &asked.path;
            json!(format!("{origin}{path}?api-version={version}&$skiptoken={token}&maxresults={size}"))
        }
        _ => Value::Null,
    };
    let value: Vec<Value> = shown.into_iter().map(|(_, item)| item).collect();
    Ok(json!({ "value": value, "nextLink": next }))
}
