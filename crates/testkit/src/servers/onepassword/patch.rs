//! The server's own JSON Patch: `add`, `remove` and `replace` alone, `/` for the whole item, and a field's ID where
//! RFC 6902 has an index.

use serde_json::{Map, Value};

/// `item` with the operations done, not yet checked.
pub(super) fn applied(item: &Value, operations: &Value) -> Result<Value, String> {
    let operations = operations.as_array().ok_or("A patch is a list of operations")?;
    let mut item = item.clone();
    for operation in operations {
        let text =
            |key: &str| operation.get(key).and_then(Value::as_str).ok_or(format!("'{key}' is missing"));
        let (op, path) = (Op::parse(text("op")?, operation.get("value"))?, text("path")?);
        apply(&mut item, op, path)?;
    }
    Ok(item)
}

enum Op {
    Add(Value),
    Replace(Value),
    Remove,
}

impl Op {
    fn parse(op: &str, value: Option<&Value>) -> Result<Self, String> {
        let value = || value.cloned().ok_or("'value' is missing".to_owned());
        match op {
            "add" => Ok(Op::Add(value()?)),
            "replace" => Ok(Op::Replace(value()?)),
            "remove" => Ok(Op::Remove),
            _ => Err("Only add, remove and replace are supported".into()),
        }
    }
}

fn apply(item: &mut Value, op: Op, path: &str) -> Result<(), String> {
    let steps = path.strip_prefix('/').ok_or("A path starts with '/'")?;
    let steps: Vec<String> =
        steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    match (&steps[..], op) {
        ([""], Op::Add(value) | Op::Replace(value)) => {
            let sent = value.as_object().ok_or("An item is an object")?.clone();
            // As a PUT: what is not sent is gone, but for what makes it this item.
            let kept = ["id", "vault", "category"].map(|key| (key.to_owned(), item[key].clone()));
            *item = Value::Object(Map::from_iter(kept).into_iter().chain(sent).collect());
            Ok(())
        }
        ([list @ ("fields" | "sections" | "tags" | "urls")], Op::Add(value)) if !value.is_array() => {
            let object = item.as_object_mut().expect("an item is an object");
            let list = object.entry(*list).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().ok_or("This is no list")?.push(value);
            Ok(())
        }
        ([attribute], op) => change(item, attribute, op),
        (["fields", id, rest @ ..], op) => {
            let fields = item["fields"].as_array_mut().ok_or("The item has no fields")?;
            let at =
                fields.iter().position(|field| field["id"] == **id).ok_or("The item has no such field")?;
            match (rest, op) {
                ([], Op::Remove) => drop(fields.remove(at)),
                ([], Op::Add(Value::Object(mut field)) | Op::Replace(Value::Object(mut field))) => {
                    field.insert("id".into(), (*id).into());
                    fields[at] = Value::Object(field);
                }
                ([attribute], op) => change(&mut fields[at], attribute, op)?,
                _ => return Err("This is no place in a field".into()),
            }
            Ok(())
        }
        ([list, index], Op::Remove) => {
            let list = item[*list].as_array_mut().ok_or("This is no list")?;
            let index: usize = index.parse().map_err(|_| "This is no index")?;
            if index >= list.len() {
                return Err("The list is shorter".into());
            }
            list.remove(index);
            Ok(())
        }
        _ => Err("This is no place in an item".into()),
    }
}

/// As RFC 6902: `add` sets in any case, the others need something there.
fn change(object: &mut Value, key: &str, op: Op) -> Result<(), String> {
    let object = object.as_object_mut().ok_or("This is no object")?;
    let is_there = object.contains_key(key);
    match op {
        Op::Replace(_) | Op::Remove if !is_there => return Err(format!("There is no '{key}'")),
        Op::Add(value) | Op::Replace(value) => drop(object.insert(key.to_owned(), value)),
        Op::Remove => drop(object.remove(key)),
    }
    Ok(())
}
