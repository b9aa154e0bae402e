//! Which stores need which others to open, and that none needs itself.

use std::{collections::BTreeMap, sync::Arc};

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
    let mut walk = Walk { stores, path: Vec::new(), depths: BTreeMap::new() };
    let mut is_deep = false;
    for name in stores.keys() {
        let (at, error) = match walk.depth(name) {
            Ok(_) => continue,
            Err(Fault::Loop(cycle)) => {
                let drawn = cycle.join("' -> '");
                let error = format!("stores need each other to open: '{drawn}'");
                (
                    cycle[0],
                    Error::new(ErrorKind::InvalidConfig, error)
                        .with_help("take one of these references from 'env', or write the setting out"),
                )
            }
            // Of a long row of stores, one says it.
            Err(Fault::TooDeep(_)) if is_deep => continue,
            Err(Fault::TooDeep(name)) => {
                is_deep = true;
                let error =
                    format!("to open this store, more than {MAX_DEPTH} others are opened one in another");
                (name, Error::new(ErrorKind::InvalidConfig, error))
            }
        };
        reader.push(|_| match stores.get(at).and_then(|entry| entry.place.clone()) {
            Some(place) => Problem::at(place, error),
            None => Problem::elsewhere(error),
        });
    }
}

/// How deep stores may need each other. A store opens what it needs from within, so that depth is stack.
const MAX_DEPTH: usize = 32;

/// A walk through what stores need.
struct Walk<'a> {
    stores: &'a BTreeMap<Arc<str>, StoreEntry>,
    /// From where the walk started to where it is.
    path: Vec<&'a str>,
    /// Of each store that was left, how many are opened one in another below it.
    depths: BTreeMap<&'a str, usize>,
}

enum Fault<'a> {
    /// The names of a loop, the first again at the end.
    Loop(Vec<&'a str>),
    TooDeep(&'a str),
}

impl<'a> Walk<'a> {
    fn depth(&mut self, name: &'a str) -> Result<usize, Fault<'a>> {
        if let Some(start) = self.path.iter().position(|visited| *visited == name) {
            return Err(Fault::Loop(self.path[start..].iter().copied().chain([name]).collect()));
        }
        if let Some(depth) = self.depths.get(name) {
            return Ok(*depth);
        }
        let stores = self.stores;
        let Some(entry) = stores.get(name) else { return Ok(0) };
        if self.path.len() == MAX_DEPTH {
            return Err(Fault::TooDeep(self.path[0]));
        }
        self.path.push(name);
        let below = entry.needs().into_iter().try_fold(0, |deepest, need| Ok(self.depth(need)?.max(deepest)));
        self.path.pop();
        // A fault is found once: whoever comes here again finds nothing wrong.
        self.depths.insert(name, below.as_ref().map_or(0, |below| below + 1));
        match below? {
            MAX_DEPTH => Err(Fault::TooDeep(name)),
            below => Ok(below + 1),
        }
    }
}
