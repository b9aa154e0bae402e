//! Configuration files: read, reported on, and rendered.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    path::Path,
    sync::LazyLock,
};

use modelmesh_secrets::{
    ErrorKind, SecretValue,
    config::{Configuration, Filler, Report},
    document::{Document, Format, Kind, Limits, NodeId},
    reference::{PieceText, may_hold_reference, scan},
    setting::{ConnectorSpec, SettingKind},
};
use modelmesh_stores::registry;

use crate::{
    repeated::{in_linear_time, repeated},
    silence::{CANARY, assert_error_silent, assert_silent, assert_text_silent},
};

static CATALOGUE: LazyLock<Vec<ConnectorSpec>> = LazyLock::new(registry::catalogue);

/// Beyond these, more replaced scalars of one file teach nothing new.
const SCALARS_TRIED: usize = 24;

/// What scalars are replaced by: text that looks like anything but text, and text that needs every escape.
const NEW_TEXTS: [&str; 3] =
    ["", "true", "- \"a\": 'b' #\\\n\t\r\u{0}\u{85}\u{2028}\u{FEFF}\u{1F511}${secrets:x}"];

/// Keys whose values are shown as they are: the names of connectors, stores and providers, and settings that hold
/// no secret.
static SHOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let settings = CATALOGUE.iter().flat_map(ConnectorSpec::all_settings);
    let open =
        settings.filter(|setting| !matches!(setting.kind, SettingKind::Secret | SettingKind::SecretMap));
    let keys = open.flat_map(|setting| setting.aliases.iter().copied().chain([setting.key]));
    keys.chain(["store", "connector", "chain", "id", "name"]).collect()
});

/// The first byte says the format (`0`, `1`, `2`: YAML, JSON, TOML), the others are the file; with `` ` ``,
/// `a`, `b` instead, they are one that is repeated until it is long.
///
/// - Whatever is read, all that is said about it can be said, and tells neither a value nor a fallback.
/// - Any text scalar can be replaced by any text: the file parses again, reads back as meant, and every byte
///   outside the scalar is the same.
/// - The time is linear in the length.
pub fn configuration(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(CANARY) {
        return;
    }
    let format = [Format::Yaml, Format::Json, Format::Toml][usize::from(kind % 3)];
    if kind & 0x40 != 0 {
        if let Some(text) = repeated(text) {
            in_linear_time(|| drop(parse(&text, format)));
        }
        return;
    }

    match parse(text, format) {
        Err(report) => _ = say_report(&report),
        Ok(configuration) => {
            say_everything(&configuration);
            if let Some(document) = configuration.document() {
                check_silence(document);
                check_replacements(document);
            }
        }
    }
    check_syntax_errors(text, format);
}

fn parse(text: &str, format: Format) -> Result<Configuration, Box<Report>> {
    Configuration::parse("modelmesh.conf", "/work".into(), text, format, &CATALOGUE)
}

/// Everything that a command may print about a configuration.
fn say_everything(configuration: &Configuration) -> String {
    let mut said = say_report(&configuration.report(configuration.problems().to_vec()));
    _ = write!(said, "{configuration:?}");
    for refusal in [configuration.require_valid(), configuration.require_valid_stores()] {
        said.extend(refusal.err().map(|report| say_report(&report)));
    }
    if let (Some(source), Some(document)) = (configuration.source(), configuration.document()) {
        for (_, node, span) in configuration.usage().uses() {
            if let Some(place) = configuration.place_of(node, span) {
                said.push_str(&place.path);
                said.push_str(&source.excerpt(&place).text);
            }
        }
        for (node, text) in document.strings() {
            let place = document.locate(node, 0..text.len());
            assert!(document.text().get(place).is_some(), "a place that is none");
        }
    }
    for entry in configuration.stores() {
        let values = entry.references().map(|reference| (reference.clone(), SecretValue::from(CANARY)));
        let values = values.collect::<HashMap<_, _>>();
        let filler = Filler { variable: &|_| Some(CANARY.into()), values: &values, base: Path::new("/work") };
        // A path and a text are filled in to be shown; only errors must not tell what was filled in.
        if let Err(error) = entry.settings(&filler) {
            assert_error_silent(&error, "an error of settings that were filled in");
        }
    }
    said
}

fn say_report(report: &Report) -> String {
    let mut said = format!("{report} {report:?}");
    for problem in report.problems() {
        said.push_str(problem.error.help().unwrap_or_default());
        if let (Some(source), Some(place)) = (report.source(), &problem.place) {
            assert!(source.text().get(place.span.clone()).is_some(), "a place that is none: {place:?}");
            let excerpt = source.excerpt(place);
            assert!(excerpt.text.get(excerpt.span.clone()).is_some(), "a place that is none: {excerpt:?}");
            said.push_str(&excerpt.text);
        }
    }
    said
}

/// Puts the canary where secrets stand: instead of the texts, and as the fallback of their references.
fn check_silence(document: &Document) {
    let mut plaintext = Vec::new();
    let mut fallbacks = Vec::new();
    for (node, text) in document.strings() {
        let key = nearest_key(document, node);
        if key.is_none_or(|key| !SHOWN.contains(key)) {
            plaintext.push((node, CANARY.to_owned()));
        }
        // The name of a provider is the one text that is taken as it is, whatever it looks like.
        if key.is_none_or(|key| !["id", "name"].contains(&key)) {
            fallbacks.push((node, with_fallbacks(text)));
        }
    }
    for texts in [plaintext, fallbacks] {
        let texts: Vec<(NodeId, &str)> = texts.iter().map(|(node, text)| (*node, text.as_str())).collect();
        let Some(marked) = replaced(document, &texts) else { continue };
        match parse(&marked, document.format()) {
            Ok(configuration) => assert_text_silent(&say_everything(&configuration), "a configuration"),
            Err(report) => panic!("a rendered file does not parse: {report}"),
        }
    }
}

/// The key under which a value stands, itself or a list that holds it.
fn nearest_key(document: &Document, mut node: NodeId) -> Option<&str> {
    while let Some(parent) = document.parent(node) {
        if let Some(entry) = document.entries(parent).find(|entry| entry.value == node) {
            return Some(entry.key);
        }
        node = parent;
    }
    None
}

/// `text` with the canary as the fallback of its references; of one that has none, a reference with it.
fn with_fallbacks(text: &str) -> String {
    if !may_hold_reference(text) {
        return format!("${{secrets:a:-{CANARY}}}");
    }
    let mut marked = String::new();
    for piece in scan(text) {
        let written = &text[piece.span];
        match (&piece.text, written.find(":-")) {
            (PieceText::Literal(_), _) | (PieceText::Broken(_), None) => marked.push_str(written),
            (PieceText::Reference(_), None) => {
                marked.push_str(written.strip_suffix('}').unwrap_or(written));
                marked.push_str(":-");
                marked.push_str(CANARY);
                marked.push('}');
            }
            (_, Some(sign)) => {
                let (head, tail) = written.split_at(sign + ":-".len());
                for part in [head, CANARY, tail] {
                    marked.push_str(part);
                }
            }
        }
    }
    marked
}

/// A text that is no document is never quoted, wherever the secret stands in it.
fn check_syntax_errors(text: &str, format: Format) {
    let middle = text.char_indices().map(|(at, _)| at).find(|at| *at >= text.len() / 2).unwrap_or_default();
    for at in [0, middle, text.len()] {
        let (head, tail) = text.split_at(at);
        let marked = format!("{head}{CANARY}{tail}");
        if let Err(error) = Document::parse(marked.as_str(), format, &Limits::default()) {
            assert_text_silent(&format!("{error} {}", error.help.as_deref().unwrap_or_default()), "an error");
            assert_silent(&error, "the Debug of an error");
        }
        if let Err(report) = parse(&marked, format) {
            assert_text_silent(&say_report(&report), "a report");
        }
    }
}

/// Replaces each text by each of [`NEW_TEXTS`], and all of them at once.
fn check_replacements(document: &Document) {
    let nodes: Vec<NodeId> = document.strings().map(|(node, _)| node).collect();
    for new in NEW_TEXTS {
        let all: Vec<(NodeId, &str)> = nodes.iter().map(|&node| (node, new)).collect();
        check_replaced(document, &all);
    }
    for (at, &node) in nodes.iter().take(SCALARS_TRIED).enumerate() {
        let new = NEW_TEXTS[at % NEW_TEXTS.len()];
        let Some(edited) = check_replaced(document, &[(node, new)]) else { continue };
        let (text, span) = (document.text(), document.span(node));
        assert!(edited.starts_with(&text[..span.start]), "a byte before the scalar changed");
        assert!(edited.ends_with(&text[span.end..]), "a byte behind the scalar changed");
    }
}

/// The edited text; none where the YAML parser has a defect, and the edit is refused.
///
/// It takes `[a` with the `]` on a line of its own for wrongly indented if `a` is in quotes, as it is after an
/// edit, and not if it is plain: <https://github.com/saphyr-rs/saphyr/pull/108>.
fn replaced(document: &Document, replacements: &[(NodeId, &str)]) -> Option<String> {
    let error = match document.replace(replacements) {
        Ok(edited) => return Some(edited.to_string()),
        Err(error) => error,
    };
    let mut lines = document.text().split(['\n', '\r']).skip(1);
    let has_defect = lines.any(|line| line.trim_start_matches([' ', '\t']).starts_with([']', '}', ',']));
    assert!(
        error.kind() == ErrorKind::Malformed && document.format() == Format::Yaml && has_defect,
        "texts cannot be replaced: {error}"
    );
    None
}

/// The edited text, which reads back as meant.
fn check_replaced(document: &Document, replacements: &[(NodeId, &str)]) -> Option<String> {
    let edited = replaced(document, replacements)?;
    let again = match Document::parse(edited.as_str(), document.format(), &Limits::default()) {
        Ok(again) => again,
        Err(error) => panic!("a rendered file does not parse: {error}\n{edited}"),
    };
    let wanted: HashMap<NodeId, &str> = replacements.iter().copied().collect();
    let mut pairs = vec![(document.root(), again.root())];
    let mut seen = HashSet::new();
    while let Some((before, after)) = pairs.pop() {
        if !seen.insert(before) {
            continue;
        }
        match (document.kind(before), again.kind(after), wanted.get(&before)) {
            (_, Kind::Text(text), Some(new)) => assert!(text.expose() == *new, "a replaced text is another"),
            (before, after, None) => assert_eq!(before, after, "another value changed"),
            (before, after, Some(_)) => panic!("{before:?} was replaced, and became {after:?}"),
        }
        let (items, others) = (document.items(before), again.items(after));
        assert_eq!(items.len(), others.len());
        pairs.extend(items.iter().copied().zip(others.iter().copied()));
        let (entries, others) = (document.entries(before), again.entries(after));
        assert_eq!(entries.len(), others.len());
        for (entry, other) in entries.zip(others) {
            assert_eq!(entry.key, other.key, "a key changed");
            pairs.push((entry.value, other.value));
        }
    }
    Some(edited)
}
