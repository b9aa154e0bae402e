//! Listings: pages, and the tokens by which they go on.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    http::Asked,
    reply::{Outcome, Reply, invalid},
};

/// The most that a page holds, whatever was asked for.
const PAGE: usize = 25;

/// A page of `items`, each with the number by which the next page goes on, in falling order.
pub(super) fn page(asked: &Asked, context: &str, key: &str, items: Vec<(u64, Value)>) -> Outcome {
    let size = asked.parameter("pageSize").map_or(Ok(0), str::parse::<usize>);
    let size = size.map_err(|_| invalid("page_size must not be negative."))?;
    let size = if size == 0 { PAGE } else { size.min(PAGE) };
    // A token is of one listing: another parent, or another filter, makes it worthless.
    let after = asked.parameter("pageToken").map(|token| {
        let token = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (of, after) = token.rsplit_once('#')?;
        (of == context).then(|| after.parse::<u64>().ok()).flatten()
    });
    let after = match after {
        Some(None) => return Err(invalid("page_token is invalid.")),
        Some(Some(after)) => after,
        None => u64::MAX,
    };
    // Google does not count what a filter lets through.
    let total = if asked.parameter("filter").is_some() { 0 } else { items.len() };
    let mut rest = items.into_iter().filter(|(number, _)| *number < after).peekable();
    let shown: Vec<(u64, Value)> = rest.by_ref().take(size).collect();
    let mut answer = json!({ "totalSize": total });
    if let (Some((last, _)), Some(_)) = (shown.last(), rest.peek()) {
        answer["nextPageToken"] = json!(URL_SAFE_NO_PAD.encode(format!("{context}#{last}")));
    }
    if !shown.is_empty() {
        answer[key] = shown.into_iter().map(|(_, item)| item).collect();
    }
    Ok(answer)
}

/// The part of a name that `name:PART` or `name:"PART"` asks for: the one filter of this server.
/// <https://cloud.google.com/secret-manager/docs/filtering>
pub(super) fn parse_filter(filter: &str) -> Result<String, Reply> {
    let part = filter.strip_prefix("name:").ok_or_else(|| invalid("This filter is not supported."))?;
    Ok(part.trim_matches('"').to_owned())
}
