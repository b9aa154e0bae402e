//! dotenv texts, read and edited.

use modelmesh_secrets::{ErrorKind, SecretName};
use modelmesh_stores::dotenv::{Change, Entry, KEYS, edit, parse};

use crate::{
    repeated::{in_linear_time, repeated},
    silence::{CANARY, assert_error_silent, assert_silent},
};

/// Parts a text from a value that goes into it. It occurs in no UTF-8.
const SEPARATOR: u8 = 0xFF;

/// Values of every spelling, beside the one that an input brings.
const VALUES: [&str; 3] = ["", "it's \"$5\" `\\", "a # b\nc\r\nd=\\"];

/// A key that texts hardly have.
const NEW_KEY: &str = "ANOTHER.key-1";

/// More keys of one text teach nothing new.
const KEYS_TRIED: usize = 6;

/// `data` is a dotenv text, and behind a byte 0xFF a value; behind a `*`, a text that is repeated until it is
/// long.
///
/// - A value that is set reads back exactly, and every other line stays byte for byte.
/// - A key that is deleted is gone, and nothing else is.
/// - Neither an error nor `Debug` tells a value.
/// - The time is linear in the length.
pub fn dotenv(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == SEPARATOR);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let given = String::from_utf8_lossy(parts.next().unwrap_or_default());
    if text.contains(CANARY) {
        return;
    }
    if let Some(text) = text.strip_prefix('*').and_then(repeated) {
        in_linear_time(|| decode_all(&text));
        return;
    }

    check_silence(text);
    let Ok(entries) = parse(text) else {
        assert!(edit(text, []).is_err(), "what cannot be read is not edited");
        return;
    };
    assert_eq!(edit(text, []).ok().as_deref().map(String::as_str), Some(text), "no change changes nothing");
    for entry in &entries {
        let key = entry.key(text);
        assert!(!key.is_empty() && !key.contains(char::is_whitespace), "a key of {key:?}");
    }
    let names = names_to_edit(&entries, text);
    for name in &names {
        check_delete(text, name);
        for value in VALUES.into_iter().chain([&*given]) {
            check_set(text, name, value);
        }
    }
    check_set_all(text, &names, &given);
}

/// Decodes every value.
fn decode_all(text: &str) {
    for entry in parse(text).unwrap_or_default() {
        drop(entry.value(text));
    }
}

/// Names that an edit takes: some of the text's own, and one more.
fn names_to_edit(entries: &[Entry], text: &str) -> Vec<SecretName> {
    let mut names: Vec<SecretName> = Vec::new();
    for key in entries.iter().map(|entry| entry.key(text)).chain([NEW_KEY]) {
        if let Ok(name) = SecretName::new(key)
            && KEYS.allows(&name)
            && !names.contains(&name)
            && (names.len() < KEYS_TRIED || key == NEW_KEY)
        {
            names.push(name);
        }
    }
    names
}

/// Every key and value in order, but for `left_out`.
fn others(text: &str, left_out: &SecretName) -> Vec<(String, Option<String>)> {
    read(text).into_iter().filter(|(key, _)| key != left_out.as_str()).collect()
}

fn read(text: &str) -> Vec<(String, Option<String>)> {
    match parse(text) {
        Ok(entries) => entries
            .iter()
            .map(|entry| (entry.key(text).to_owned(), entry.value(text).map(|value| (*value).clone())))
            .collect(),
        Err(error) => panic!("an edited text is none: {error}\n{text:?}"),
    }
}

/// The value that counts: the last one of the key.
fn value_of(text: &str, name: &SecretName) -> Option<String> {
    read(text).into_iter().rev().find_map(|(key, value)| value.filter(|_| key == name.as_str()))
}

/// The edited text; none if the edit is refused because a value ends where a `\` stands before its quote, and
/// would end elsewhere.
fn changed(text: &str, name: &SecretName, change: Change<'_>) -> Option<String> {
    match edit(text, [(name, change)]) {
        Ok(edited) => Some((*edited).clone()),
        Err(error) => {
            let is_unsure = ["\\'", "\\`"].iter().any(|end| text.contains(end));
            assert!(is_unsure && error.kind() == ErrorKind::Malformed, "{text:?} cannot be edited: {error}");
            assert_error_silent(&error, "an error");
            None
        }
    }
}

fn check_delete(text: &str, name: &SecretName) {
    let Some(without) = changed(text, name, Change::Delete) else { return };
    assert!(read(&without).iter().all(|(key, _)| key != name.as_str()), "{name} is still in {without:?}");
    assert_eq!(others(&without, name), others(text, name), "deleting {name} changed another key");
}

fn check_set(text: &str, name: &SecretName, value: &str) {
    if value.contains('\0') {
        let refused = edit(text, [(name, Change::Set(value))]).map(drop);
        assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
        return;
    }
    let Some(edited) = changed(text, name, Change::Set(value)) else { return };
    assert_eq!(value_of(&edited, name).as_deref(), Some(value), "{name} reads differently in {edited:?}");
    assert_eq!(others(&edited, name), others(text, name), "setting {name} changed another key");
    let again = changed(&edited, name, Change::Set(value));
    assert_eq!(again.as_ref(), Some(&edited), "setting a value again changed the text");

    // Without the key's own lines, the two texts are the same byte for byte.
    let Some(after) = changed(&edited, name, Change::Delete) else { return };
    let Some(before) = changed(text, name, Change::Delete) else { return };
    if read(text).iter().any(|(key, _)| key == name.as_str()) {
        assert_eq!(after, before, "setting {name} changed a line of another key");
    } else {
        let ending = after.strip_prefix(text).unwrap_or("something else");
        assert!(
            ending.chars().all(|c| matches!(c, '\n' | '\r')),
            "a new key changed more than the end of the text: {after:?}"
        );
    }
}

/// Several changes at once.
fn check_set_all(text: &str, names: &[SecretName], value: &str) {
    let edited = match edit(text, names.iter().map(|name| (name, Change::Set(value)))) {
        Ok(edited) => edited,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::InvalidName, "together they cannot be set");
            return;
        }
    };
    for name in names {
        assert_eq!(value_of(&edited, name).as_deref(), Some(value), "{name} among several");
    }
}

/// Puts the canary where values start, and looks for it in all that is said.
fn check_silence(text: &str) {
    for sign in ["=", ": ", "='", "=\"", "\n"] {
        let marked = text.replace(sign, &format!("{sign}{CANARY}"));
        match parse(&marked) {
            Ok(entries) => assert_silent(&entries, "the Debug of an entry"),
            Err(error) => assert_error_silent(&error, "an error"),
        }
    }
}
