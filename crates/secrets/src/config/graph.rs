//! Which stores need which others to open, and that none needs itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    entry::{DEFAULT_STORE, StoreEntry},
    problem::Problem,
    reader::{Reader, unknown_store},
};
use crate::{Error, ErrorKind};

/// Reports references in settings to stores that do not exist, and every loop once.
pub(super) fn check(reader: &mut Reader<'_>, stores: &BTreeMap<Arc<str>, StoreEntry>) {
    for entry in stores.values() {
        for (node, reference) in entry.reference_nodes() {
            if !stores.contains_key(reference.store.as_deref().unwrap_or(DEFAULT_STORE)) {
                reader.problem(node, unknown_store(reference, stores.keys().map(|name| &**name)));
            }
        }
    }
    let mut done = BTreeSet::new();
    for name in stores.keys() {
        if let Some(cycle) = find_cycle(stores, name, &mut Vec::new(), &mut done) {
            let drawn = cycle.join("' -> '");
            let error =
                Error::new(ErrorKind::InvalidConfig, format!("stores need each other to open: '{drawn}'"))
                    .with_help("take one of these references from 'env', or write the setting out");
            let place = stores.get(cycle[0]).and_then(|entry| entry.place.clone());
            reader.push(place.map_or_else(
                || Problem::elsewhere(error.clone()),
                |place| Problem::at(place, error.clone()),
            ));
        }
    }
}

/// Walks from `name` along `path`; a loop comes back as its names, the first again at the end.
fn find_cycle<'a>(
    stores: &'a BTreeMap<Arc<str>, StoreEntry>,
    name: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = path.iter().position(|visited| *visited == name) {
        let mut cycle = path[start..].to_vec();
        cycle.push(name);
        done.extend(&cycle);
        return Some(cycle);
    }
    if done.contains(name) {
        return None;
    }
    let entry = stores.get(name)?;
    path.push(name);
    let found = entry.needs().into_iter().find_map(|need| find_cycle(stores, need, path, done));
    path.pop();
    done.insert(name);
    found
}
