//! `modelmesh secrets rekey`: who can open an encrypted store.

use modelmesh_secrets::{Error, ErrorKind, SecretString, printable};
use modelmesh_stores::{
    age_file::{AgeFileStore, CONNECTOR as AGE_FILE, PASSPHRASE, RekeyPlan},
    encrypted_file::{CONNECTOR as ENCRYPTED_FILE, EncryptedFileStore},
    environment::variable,
};
use serde::Serialize;

use super::Chosen;
use crate::{
    args::RekeyArgs,
    failure::{Failure, Result},
    output::Output,
    prompt,
};

#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    /// None where the file did not say: another tool made it.
    before: Option<&'a [String]>,
    recipients: &'a [String],
    changed: bool,
}

pub(super) fn run(args: &RekeyArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let id = chosen.connector_id();
    if id == AGE_FILE.spec.id {
        age_file(args, chosen, output)
    } else if id == ENCRYPTED_FILE.spec.id {
        encrypted_file(args, chosen, output)
    } else {
        let error =
            Error::new(ErrorKind::Unsupported, format!("a store of {} has no key of its own", printable(id)));
        let help = "'rekey' is for modelmesh.age-file.v1 and modelmesh.encrypted-file.v1; elsewhere the backend \
                    decides who can read";
        Err(chosen.named(error.with_help(help)).into())
    }
}

fn age_file(args: &RekeyArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let store = AgeFileStore::open(chosen.settings()?, chosen.context().open_context())
        .map_err(|error| chosen.named(error))?;
    let before = chosen.wait(store.recipients())?;
    if before.is_none() && !store.path().exists() {
        let error = Error::new(ErrorKind::Io, format!("there is no file '{}' yet", store.path().display()));
        let help = "'modelmesh secrets set' makes it; 'recipients' in the configuration says for whom";
        return Err(chosen.named(error.with_help(help)).into());
    }
    if args.add.is_empty() && args.remove.is_empty() && !args.passphrase {
        return match before {
            Some(before) => tell(chosen, Some(&before), &before, output),
            None => adopt(&store, args, chosen, output),
        };
    }
    if !args.remove.is_empty() && !args.yes {
        show("it can be opened by", before.as_deref().unwrap_or_default(), output);
        let question = format!("remove {} of its recipients?", args.remove.len());
        if !prompt::confirm(&question, "pass --yes to remove without being asked")? {
            output.note("nothing was changed");
            return Ok(());
        }
    }
    let mut plan = RekeyPlan::default();
    for recipient in &args.add {
        plan = plan.add_recipient(recipient);
    }
    for recipient in &args.remove {
        plan = plan.remove_recipient(recipient);
    }
    if args.passphrase {
        plan = plan.passphrase(new_passphrase(chosen)?);
    } else if before.as_deref().is_some_and(|before| before == [PASSPHRASE]) {
        // A passphrase stands alone in a file: the keys take its place.
        plan = plan.remove_recipient(PASSPHRASE);
    }
    let done = chosen.wait(store.rekey(plan))?;
    tell(chosen, done.before.as_deref(), &done.after, output)?;
    if args.passphrase {
        warn_of_the_old(chosen, output)?;
    }
    if !args.remove.is_empty() {
        output.warn(
            "who was removed keeps what they have read, and older copies of the file",
            Some("replace the secrets themselves too"),
        );
    }
    Ok(())
}

/// Writes the recipients of the identity at hand into a file that names none.
fn adopt(store: &AgeFileStore, args: &RekeyArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let question = format!(
        "another tool made '{}', so its recipients are not known; encrypt it to your own identity alone?",
        store.path().display()
    );
    let help = "pass --yes for your own identity alone, or name the others with --add";
    if !args.yes && !prompt::confirm(&question, help)? {
        output.note("nothing was changed");
        return Ok(());
    }
    let done = chosen.wait(store.rekey(RekeyPlan::default()))?;
    tell(chosen, done.before.as_deref(), &done.after, output)
}

fn encrypted_file(args: &RekeyArgs, chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    if !args.add.is_empty() || !args.remove.is_empty() {
        let error =
            Error::new(ErrorKind::Unsupported, "a file of this kind has no recipients, but one passphrase");
        let help = "'--passphrase' changes it; modelmesh.age-file.v1 is for several people";
        return Err(chosen.named(error.with_help(help)).into());
    }
    let store = EncryptedFileStore::open(chosen.settings()?, chosen.context().open_context())
        .map_err(|error| chosen.named(error))?;
    // Before anything is said or a new one is thought of: does the key at hand open the file?
    chosen.wait(store.document())?;
    let by =
        if chosen.settings()?.secret("encryption_key").is_some() { "encryption key" } else { PASSPHRASE };
    let recipients = [by.to_owned()];
    if !args.passphrase {
        return tell(chosen, Some(&recipients), &recipients, output);
    }
    chosen.wait(store.change_passphrase(new_passphrase(chosen)?))?;
    warn_of_the_old(chosen, output)?;
    if output.is_json() {
        let before = Some(&recipients[..]);
        return output.json(&Report { store: chosen.name(), before, recipients: &recipients, changed: true });
    }
    output.note(format_args!("changed the passphrase of {chosen}"));
    Ok(())
}

fn new_passphrase(chosen: &Chosen<'_>) -> Result<SecretString> {
    let prompt = chosen.context().open_context().prompt.as_ref();
    let prompt =
        prompt.ok_or_else(|| Failure::usage("there is no terminal to ask for the new passphrase"))?;
    let what = chosen.path().map_or_else(|| chosen.name().to_owned(), |path| format!("'{}'", path.display()));
    Ok(prompt.passphrase(&what, true)?)
}

/// The next command would take the passphrase from where the old one still is.
fn warn_of_the_old(chosen: &Chosen<'_>, output: &mut Output) -> Result<()> {
    let configured = chosen.settings()?.secret("passphrase").is_some();
    let in_environment = chosen.context().open_context().environment.var(variable::PASSPHRASE).is_some();
    if configured || in_environment {
        let place = if configured { "the configuration" } else { variable::PASSPHRASE };
        output.warn(
            &format!("the old passphrase is still the one that {place} gives"),
            Some("change it there too"),
        );
    }
    Ok(())
}

fn tell(chosen: &Chosen<'_>, before: Option<&[String]>, after: &[String], output: &mut Output) -> Result<()> {
    let changed = before != Some(after);
    if output.is_json() {
        return output.json(&Report { store: chosen.name(), before, recipients: after, changed });
    }
    if !changed {
        return after.iter().try_for_each(|recipient| output.line(printable(recipient)));
    }
    show("before", before.unwrap_or_default(), output);
    show("now", after, output);
    output.note(format_args!("encrypted {chosen} anew"));
    Ok(())
}

fn show(what: &str, recipients: &[String], output: &mut Output) {
    output.note(format_args!("{what}:"));
    if recipients.is_empty() {
        output.note("  (not known)");
    }
    for recipient in recipients {
        output.note(format_args!("  {}", printable(recipient)));
    }
}
