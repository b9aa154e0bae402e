//! `modelmesh stores`: the kinds of stores, their settings, and the stores of the configuration.

use modelmesh_secrets::{
    config::{Backing, Configuration, StoreEntry},
    printable,
    setting::{ConnectorSpec, Setting, SettingKind},
};
use modelmesh_stores::registry::{catalogue, connector};
use serde::Serialize;

use super::check::backing;
use crate::{
    args::{Global, StoresArgs},
    context::Context,
    failure::Result,
    output::{Output, style},
};

#[derive(Serialize)]
struct Catalogue<'a> {
    connectors: Vec<Kind>,
    stores: Vec<Configured<'a>>,
}

#[derive(Serialize)]
struct Kind {
    id: &'static str,
    summary: &'static str,
    management: bool,
}

/// A store of the configuration. `connector` or `chain` says what is behind it, `line` where it is configured.
#[derive(Serialize)]
struct Configured<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Configured<'a>>,
    settings: Vec<DescribedSetting>,
}

#[derive(Serialize)]
struct DescribedSetting {
    key: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aliases: &'static [&'static str],
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    choices: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    help: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<DescribedSetting>,
}

pub(super) fn run(args: &StoresArgs, global: &Global, output: &mut Output) -> Result<()> {
    match &args.name {
        None => list(&Context::load(global)?, output),
        // A kind of store is known whatever the configuration is.
        Some(id) if connector(id).is_some() => {
            connector(id).map_or(Ok(()), |connector| show(connector.spec, None, output))
        }
        Some(name) => {
            let context = Context::load(global)?;
            let configuration = context.configuration();
            let entry = configuration.select(name, context.catalogue())?;
            let configured = configured(&entry, configuration);
            match entry.connector() {
                Some(&spec) => show(spec, Some(configured), output),
                None if output.is_json() => output.json(&configured),
                None => line(&configured, &entry, entry.name.len(), output),
            }
        }
    }
}

fn list(context: &Context, output: &mut Output) -> Result<()> {
    let configuration = context.configuration();
    if output.is_json() {
        return output.json(&Catalogue {
            connectors: context.catalogue().iter().map(Kind::from).collect(),
            stores: configuration.stores().map(|entry| configured(entry, configuration)).collect(),
        });
    }
    let strong = style::STRONG;
    output.line(format_args!("{strong}Kinds of stores{strong:#}"))?;
    let width = catalogue().iter().map(|spec| spec.id.len()).max().unwrap_or_default();
    for ConnectorSpec { id, summary, management, .. } in context.catalogue() {
        let access = if *management { "read, write" } else { "read" };
        output.line(format_args!("  {id:<width$}  {access:<11}  {summary}"))?;
    }
    let file = configuration.source().map_or("no configuration file", |source| source.name());
    output.line(format_args!("\n{strong}Stores{strong:#} ({})", printable(file)))?;
    let width = configuration.stores().map(|entry| entry.name.len()).max().unwrap_or_default();
    for entry in configuration.stores() {
        line(&configured(entry, configuration), entry, width, output)?;
    }
    output.note("\n'modelmesh stores ID' shows the settings of a kind");
    Ok(())
}

fn line(store: &Configured<'_>, entry: &StoreEntry, width: usize, output: &mut Output) -> Result<()> {
    let faint = style::FAINT;
    let place = store.line.map(|line| format!("  {faint}line {line}{faint:#}")).unwrap_or_default();
    let backing = backing(&entry.backing);
    output.line(format_args!(
        "  {:<width$}  {}{place}",
        printable(store.name).to_string(),
        printable(&backing)
    ))
}

fn configured<'a>(entry: &'a StoreEntry, configuration: &'a Configuration) -> Configured<'a> {
    let place = entry.place.as_ref().zip(configuration.source());
    Configured {
        name: &entry.name,
        connector: entry.connector().map(|spec| spec.id),
        chain: match &entry.backing {
            Backing::Chain(links) => Some(links.iter().map(|link| &**link).collect()),
            _ => None,
        },
        file: place.map(|(_, source)| source.name()),
        line: place.map(|(place, _)| place.position.line),
    }
}

impl From<&ConnectorSpec> for Kind {
    fn from(spec: &ConnectorSpec) -> Self {
        Kind { id: spec.id, summary: spec.summary, management: spec.management }
    }
}

fn show(spec: ConnectorSpec, store: Option<Configured<'_>>, output: &mut Output) -> Result<()> {
    let settings: Vec<DescribedSetting> = spec.all_settings().map(described).collect();
    if output.is_json() {
        return output.json(&Detail { kind: Kind::from(&spec), store, settings });
    }
    let strong = style::STRONG;
    output.line(format_args!("{strong}{}{strong:#}: {}", spec.id, spec.summary))?;
    if let Some(Configured { name, file: Some(file), line: Some(line), .. }) = store {
        output.line(format_args!("store '{}', {}:{line}", printable(name), printable(file)))?;
    }
    output.line(if spec.management { "It is read and written." } else { "It is only read." })?;
    output.line(format_args!("\n{strong}Settings{strong:#}"))?;
    tell_settings(&settings, 2, output)
}

fn tell_settings(settings: &[DescribedSetting], indent: usize, output: &mut Output) -> Result<()> {
    let (strong, faint) = (style::STRONG, style::FAINT);
    for DescribedSetting { key, aliases, kind, choices, default, help, settings } in settings {
        let kind = if choices.is_empty() { (*kind).to_owned() } else { choices.join(" | ") };
        let keys: Vec<String> = std::iter::once(format!("{strong}{key}{strong:#}"))
            .chain(aliases.iter().map(ToString::to_string))
            .collect();
        let default = default.map(|default| format!(", default: {default}")).unwrap_or_default();
        output.line(format_args!("{:indent$}{}  {faint}{kind}{default}{faint:#}", "", keys.join(", ")))?;
        output.line(format_args!("{:indent$}    {help}", ""))?;
        tell_settings(settings, indent + 4, output)?;
    }
    Ok(())
}

fn described(setting: &Setting) -> DescribedSetting {
    let inner = match setting.kind {
        SettingKind::Group(settings) => settings.iter().map(described).collect(),
        _ => Vec::new(),
    };
    DescribedSetting {
        key: setting.key,
        aliases: setting.aliases,
        kind: kind(&setting.kind),
        choices: if let SettingKind::Choice(words) = setting.kind { words } else { &[] },
        default: setting.default,
        help: setting.help,
        settings: inner,
    }
}

fn kind(kind: &SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "text",
        SettingKind::Secret => "secret",
        SettingKind::Path => "path",
        SettingKind::Boolean => "boolean",
        SettingKind::Integer(..) => "integer",
        SettingKind::Duration => "duration",
        SettingKind::Ratio => "ratio",
        SettingKind::TextList => "list",
        SettingKind::SecretMap => "secrets",
        SettingKind::Choice(_) => "choice",
        SettingKind::Group(_) => "mapping",
        _ => "other",
    }
}
