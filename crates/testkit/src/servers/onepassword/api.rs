//! Requests and what is answered to them.

use std::collections::BTreeMap;

use http::{Method, header::AUTHORIZATION, request::Parts};
use reqwest::Url;
use serde_json::{Value, json};

use super::{Held, Right, Vault, filter, item, patch};

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

impl Reply {
    fn ok(body: Value) -> Self {
        Reply { status: 200, body: Some(body) }
    }

    /// An error in the shape of Connect.
    pub(super) fn error(status: u16, message: &str) -> Self {
        Reply { status, body: Some(json!({ "status": status, "message": message })) }
    }
}

/// What a request came to; an error is an answer too.
type Answered = Result<Reply, Reply>;

pub(super) fn respond(held: &mut Held, parts: &Parts, body: &[u8]) -> Reply {
    let url = Url::parse("http://connect").and_then(|base| base.join(&parts.uri.to_string()));
    let Ok(url) = url else { return Reply::error(400, "Invalid URL") };
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    let filter = url.query_pairs().find(|(key, _)| key == "filter").map(|(_, text)| text.into_owned());
    held.filters.extend(filter.clone());
    let answered = match path[..] {
        ["heartbeat"] => Ok(Reply::ok(Value::from("."))),
        ["health"] => Ok(Reply::ok(health())),
        ["v1", "vaults"] => vaults(held, parts, filter.as_deref()),
        ["v1", "vaults", vault] => in_vault(held, parts, vault).map(|found| Reply::ok(found.shown(vault))),
        ["v1", "vaults", vault, "items"] => {
            in_vault(held, parts, vault).and_then(|found| items(found, vault, parts, filter.as_deref(), body))
        }
        ["v1", "vaults", vault, "items", id] => {
            in_vault(held, parts, vault).and_then(|found| one_item(found, vault, id, parts, body))
        }
        // No route: the answer of the router, which is not in the shape.
        _ => Err(Reply { status: 404, body: Some(Value::from("404 page not found\n")) }),
    };
    answered.unwrap_or_else(|refused| refused)
}

fn health() -> Value {
    let dependencies = [
        json!({ "service": "sync", "status": "TOKEN_NEEDED" }),
        json!({ "service": "sqlite", "status": "ACTIVE", "message": "Connected to ./1password.sqlite" }),
    ];
    json!({ "name": "1Password Connect API", "version": "1.8.1", "dependencies": dependencies })
}

fn token(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn rights<'h>(held: &'h Held, parts: &Parts) -> Result<&'h BTreeMap<String, Right>, Reply> {
    let known = token(parts).and_then(|token| held.tokens.get(token));
    known.ok_or_else(|| Reply::error(401, "Invalid token signature"))
}

fn vaults(held: &Held, parts: &Parts, filter: Option<&str>) -> Answered {
    let rights = rights(held, parts)?;
    let filter = parse(filter, &["name"])?;
    let seen = held.vaults.iter().filter(|(id, vault)| {
        rights.contains_key(*id)
            && filter.as_ref().is_none_or(|filter| filter.matches(&[("name", &vault.name)]))
    });
    Ok(Reply::ok(seen.map(|(id, vault)| vault.shown(id)).collect()))
}

/// The vault of a request, if it is there and the token may do with it what the method says.
fn in_vault<'h>(held: &'h mut Held, parts: &Parts, id: &str) -> Result<&'h mut Vault, Reply> {
    let right = rights(held, parts)?.get(id).copied();
    if !item::is_id(id) {
        return Err(Reply::error(400, "Invalid Vault UUID"));
    }
    let Some(vault) = held.vaults.get_mut(id) else {
        return Err(Reply::error(404, &format!("vault {id} not found")));
    };
    match right {
        None => Err(Reply::error(403, &format!("vault {id} is not in scope"))),
        Some(Right::Read) if parts.method != Method::GET => Err(Reply::error(
            403,
            "Authorization: token does not have permission to perform the requested action",
        )),
        Some(_) => Ok(vault),
    }
}

fn parse(filter: Option<&str>, attributes: &[&str]) -> Result<Option<filter::Filter>, Reply> {
    let parsed = filter.map(|text| filter::Filter::parse(text, attributes)).transpose();
    parsed.map_err(|()| Reply::error(400, "Invalid filter query"))
}

fn items(vault: &mut Vault, vault_id: &str, parts: &Parts, filter: Option<&str>, body: &[u8]) -> Answered {
    match parts.method {
        Method::GET => {
            let filter = parse(filter, &["title", "tag"])?;
            let found = vault
                .items
                .values()
                .filter(|item| filter.as_ref().is_none_or(|filter| filter.matches(&item::attributes(item))));
            Ok(Reply::ok(found.map(item::summary).collect()))
        }
        Method::POST => {
            let sent = read(body)?;
            let made = item::made(vault_id, sent).map_err(|why| Reply::error(400, &why))?;
            Ok(Reply::ok(keep(vault, made)))
        }
        _ => Err(Reply { status: 405, body: None }),
    }
}

fn one_item(vault: &mut Vault, vault_id: &str, id: &str, parts: &Parts, body: &[u8]) -> Answered {
    if !item::is_id(id) {
        return Err(Reply::error(400, "Invalid Item UUID"));
    }
    let Some(current) = vault.items.get(id) else {
        return Err(Reply::error(404, &format!("item {id} not found")));
    };
    let bad = |why: String| Reply::error(400, &why);
    let changed = match parts.method {
        Method::GET => return Ok(Reply::ok(current.clone())),
        Method::DELETE => {
            vault.items.remove(id);
            vault.version += 1;
            return Ok(Reply { status: 204, body: None });
        }
        Method::PUT => item::replaced(vault_id, current, read(body)?).map_err(bad)?,
        Method::PATCH => {
            let patched = patch::applied(current, &read(body)?).map_err(bad)?;
            item::replaced(vault_id, current, patched).map_err(bad)?
        }
        _ => return Err(Reply { status: 405, body: None }),
    };
    Ok(Reply::ok(keep(vault, changed)))
}

fn read(body: &[u8]) -> Result<Value, Reply> {
    serde_json::from_slice(body).map_err(|_| Reply::error(400, "Unable to parse JSON body"))
}

fn keep(vault: &mut Vault, item: Value) -> Value {
    vault.version += 1;
    let id = item["id"].as_str().expect("an item has an ID").to_owned();
    vault.items.insert(id, item.clone());
    item
}
