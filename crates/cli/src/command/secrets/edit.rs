//! `modelmesh secrets edit`: the whole store as text in the user's editor.
//!
//! The text is YAML: it holds any name and any value, shows a value of several lines as lines, and is read by
//! the parser that reads configurations.

use std::{collections::HashMap, fmt::Write as _};

use modelmesh_secrets::{Change, Error, ExposeSecret as _, SecretName, SecretString, SecretValue, printable};

use super::{
    Chosen,
    bundle::{self, Bundle},
    changes::Plan,
};
use crate::{
    args::Format,
    editor,
    failure::{Failure, Result},
    output::Output,
    prompt::{self, TerminalPrompt},
};

/// The name of the file: what the editor shows, and by which it knows the syntax.
const FILE: &str = "secrets.yaml";

/// Edits until the text can be read, and makes the differences.
///
/// - A text that cannot be read is edited again if the person wants; otherwise nothing is changed.
/// - A secret that somebody else changed meanwhile is a `Conflict`. Stores in one file change nothing then.
/// - Secrets that were removed are deleted after a question, where there is a terminal to ask at.
pub(super) fn run(chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    chosen.management()?;
    let before = chosen.all()?;
    let header = header(chosen);
    let text = bundle::write(&before, Format::Yaml)?;
    let mut shown = headed(&header, &text);
    let variables = chosen.context().variables(&[]);
    loop {
        let Some(edited) = editor::edit(FILE, &shown, &variables)? else {
            output.note("nothing was changed");
            return Ok(());
        };
        match understand(&edited, &before, chosen) {
            Ok(plan) => {
                if !confirmed(&plan)? {
                    output.note("nothing was changed");
                    return Ok(());
                }
                return plan.apply(chosen, output);
            }
            Err(errors) => {
                let again = TerminalPrompt::available().is_some()
                    && prompt::confirm(&format!("{}; edit it again?", summary(&errors)), "")?;
                if !again {
                    output.note("nothing was changed");
                    return Err(Failure::from(errors));
                }
                shown = with_errors(&errors, &edited);
            }
        }
    }
}

fn header(chosen: &Chosen<'_>) -> String {
    format!(
        "# Secrets of {chosen}.\n\
         # NAME: \"value\" on each line, as YAML. To remove a line deletes the secret.\n\
         # To change nothing, leave the editor with an error (:cq in Vim), or without saving.\n"
    )
}

/// `text` under a comment.
fn headed(comment: &str, text: &str) -> SecretString {
    let mut headed = String::with_capacity(comment.len() + text.len());
    headed.push_str(comment);
    headed.push_str(text);
    headed.into()
}

/// What is wrong, above the text that it is wrong with. The lines of an earlier round go.
fn with_errors(errors: &[Error], edited: &SecretString) -> SecretString {
    const MARK: &str = "#! ";
    let mut comment = String::new();
    for error in errors {
        let _ = writeln!(comment, "{MARK}{error}");
    }
    let text = edited.expose_secret();
    let old: usize = text.split_inclusive('\n').take_while(|line| line.starts_with(MARK)).map(str::len).sum();
    headed(&comment, &text[old..])
}

fn summary(errors: &[Error]) -> String {
    match errors {
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first}; and {} more", others.len()),
        [] => String::new(),
    }
}

/// The differences between the text and the secrets that it was made of.
fn understand(edited: &SecretString, before: &Bundle, chosen: &Chosen<'_>) -> Result<Plan, Vec<Error>> {
    let parsed = bundle::parse(edited.expose_secret(), Format::Yaml, FILE)?;
    if parsed.secrets.is_empty() && before.len() > 1 {
        // An editor that failed to write leaves this far more often than somebody who means it.
        let error = Error::new(modelmesh_secrets::ErrorKind::Malformed, "the text holds no secrets any more");
        return Err(vec![error.with_help("to delete all of them, use 'modelmesh secrets delete'")]);
    }
    let mut held: HashMap<&SecretName, &SecretValue> =
        before.iter().map(|(name, value)| (name, value)).collect();
    let mut plan = Plan::default();
    let mut refused = Vec::new();
    for (name, value) in parsed.secrets {
        let before = held.remove(&name);
        if before.is_some_and(|before| before.same_value(&value)) {
            plan.unchanged.push(name.as_str().to_owned());
            continue;
        }
        refused.extend(chosen.check(&name, Some(&value)).err());
        plan.changes.push(Change { name, before: before.cloned(), after: Some(value) });
    }
    let removed = before.iter().filter(|(name, _)| held.contains_key(name));
    plan.changes.extend(removed.map(|(name, value)| Change {
        name: name.clone(),
        before: Some(value.clone()),
        after: None,
    }));
    if refused.is_empty() { Ok(plan) } else { Err(refused) }
}

/// Asks before secrets are deleted, if there is somebody to ask: a script that edits says what it means.
fn confirmed(plan: &Plan) -> Result<bool> {
    let removed = plan.changes.iter().filter(|change| change.after.is_none());
    let names: Vec<String> = removed.map(|change| format!("'{}'", printable(change.name.as_str()))).collect();
    if names.is_empty() || TerminalPrompt::available().is_none() {
        return Ok(true);
    }
    prompt::confirm(&format!("delete {}?", names.join(", ")), "")
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ErrorKind;

    use super::*;

    #[test]
    fn the_errors_of_the_round_before_are_replaced() {
        let error = |message: &'static str| vec![Error::new(ErrorKind::Malformed, message)];
        let first = with_errors(&error("one"), &"# head\na: [\n".into());
        let second = with_errors(&error("two"), &first);
        assert_eq!(second.expose_secret(), "#! two\n# head\na: [\n");
    }
}
