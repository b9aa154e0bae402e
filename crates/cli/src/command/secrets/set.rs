//! `modelmesh secrets set`: one value, from a prompt, a pipe or the arguments.

use jiff::Timestamp;
use modelmesh_secrets::{Error, ErrorKind, SecretName, SecretValue};
use serde::Serialize;

use super::Chosen;
use crate::{
    args::{Expiry, SetArgs},
    failure::{Failure, Result},
    output::Output,
    prompt,
};

#[derive(Serialize)]
struct Set<'a> {
    store: &'a str,
    name: &'a str,
    outcome: Outcome,
}

/// What a write did, as far as it is known.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Created,
    Updated,
    /// One of the two: to find out would have cost a call.
    Set,
}

pub(super) fn run(args: SetArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    // All that can be wrong is found out before a person types the value.
    let management = chosen.management()?;
    chosen.check(&args.name, None)?;
    let expires_at = args.expires_at.map(Expiry::at);
    if let Some(at) = expires_at {
        check_expiry(at, &args.name, chosen)?;
    }
    let outcome = foresee(&args.name, chosen)?;

    let raw = args.raw;
    let text = match args.value {
        Some(value) => {
            output.warn(
                "the value stood in the arguments: it is in the shell's history, and was in the list of processes",
                Some("leave it out to be asked for it without echo, or pipe it in"),
            );
            value.into_secret()
        }
        None => prompt::value(&args.name, raw)?,
    };
    let mut value = SecretValue::new(text);
    if let Some(oddity) = oddity(value.expose(), raw) {
        output.warn(oddity, Some("it is stored as it is; set it again if that was not meant"));
    }
    if let Some(at) = expires_at {
        value = value.with_expires_at(at);
    }
    chosen.check(&args.name, Some(&value))?;
    chosen.wait(management.set(&args.name, &value))?;

    if output.is_json() {
        return output.json(&Set { store: chosen.name(), name: args.name.as_str(), outcome });
    }
    let did = match outcome {
        Outcome::Created => "created",
        Outcome::Updated => "updated",
        Outcome::Set => "set",
    };
    output.note(format_args!("{did} '{}' in {chosen}", args.name));
    Ok(())
}

fn check_expiry(at: Timestamp, name: &SecretName, chosen: &Chosen<'_>) -> Result<()> {
    if !chosen.store().capabilities().expiry {
        let error = Error::unsupported("keep when a secret expires").with_name(name);
        return Err(chosen.named(error.with_help("leave --expires-at out")).into());
    }
    if at <= Timestamp::now() {
        return Err(Failure::usage(format!("--expires-at {at} is in the past")));
    }
    Ok(())
}

/// Whether the name will be a new one, where the store's contents are at hand anyway.
///
/// This also opens an encrypted store, so that a wrong key is told before the value is asked for.
fn foresee(name: &SecretName, chosen: &Chosen<'_>) -> Result<Outcome> {
    if !chosen.store().capabilities().watch {
        return Ok(Outcome::Set);
    }
    let names = std::slice::from_ref(name);
    match chosen.wait_all(chosen.store().stored(names))?.pop() {
        Some(Ok(_)) => Ok(Outcome::Updated),
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(Outcome::Created),
        Some(Err(error)) => Err(error.into()),
        None => Ok(Outcome::Set),
    }
}

/// What makes a value look as if more was stored than was meant.
fn oddity(value: &str, raw: bool) -> Option<&'static str> {
    let quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if value.starts_with('\u{FEFF}') {
        Some("the value starts with a byte order mark")
    } else if quoted('"') || quoted('\'') {
        Some("the value stands in quotes, which are part of it")
    } else if value.ends_with('\n') && !raw {
        Some("the value ends with a line break")
    } else if value.trim_end_matches('\n').ends_with(char::is_whitespace) {
        Some("the value ends with a blank")
    } else if value.starts_with(char::is_whitespace) {
        Some("the value starts with a blank")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_slip_is_told() {
        for value in ["\"sk\"", "'sk'", "sk ", "sk\r", " sk", "\u{FEFF}sk", "sk\n"] {
            assert!(oddity(value, false).is_some(), "{value:?}");
        }
    }

    #[test]
    fn what_may_well_be_meant_is_not() {
        for value in
            ["sk", "", "\"", "it's", "a b", "-----BEGIN KEY-----\nx\n-----END KEY-----", "{\"a\": \"b\"}"]
        {
            assert_eq!(oddity(value, false), None, "{value:?}");
        }
        assert_eq!(oddity("-----END KEY-----\n", true), None);
    }
}
