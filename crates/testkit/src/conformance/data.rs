//! Values: whatever is text comes back as it went in, or is refused.

use futures_util::future::BoxFuture;
use modelmesh_secrets::{ErrorKind, SecretValue};

use super::{
    Case, CaseFailure, CaseResult, Harness, Verdict,
    expect::{fails, has_names, holds},
    harness::writer,
};

/// What each value is called, and its text; `@@` stands for the text by which leaks are recognized.
const SAMPLES: &[(&str, &str)] = &[
    ("nul", "@@a\0b"),
    ("line-feed", "@@\nsecond line\n\nfourth line"),
    ("carriage-return-line-feed", "@@\r\nsecond line\r\nthird"),
    ("carriage-return", "@@\rsecond"),
    ("dollar", "@@$HOME${HOME}$$$1$"),
    ("reference", "@@${secrets:other}"),
    ("escaped-reference", "@@$${secrets:other} $${env:HOME}"),
    ("double-quotes", "\"@@\" \"\"\""),
    ("single-quotes", "'@@' '''"),
    ("backticks-and-angles", "`@@` <&amp;>"),
    ("backslashes", "\\@@\\n\\\\u0041\\"),
    ("leading-spaces", "   @@"),
    ("trailing-spaces", "@@   "),
    ("leading-and-trailing-tabs", "\t@@\t"),
    ("leading-newline", "\n@@"),
    ("trailing-newline", "@@\n"),
    ("trailing-newlines", "@@\r\n\n"),
    ("one-space", " "),
    ("hash", "#@@ # not a comment"),
    ("equals", "=@@=KEY=value="),
    ("colon-space", "key: @@: "),
    ("dash-space", "- @@"),
    ("commas-and-brackets", "[@@, {a}, *b, !c, &d, |, >, %e, ?f]"),
    ("percent-signs", "%@@%20%%41"),
    ("composed", "@@caf\u{e9}"),
    ("decomposed", "@@cafe\u{301}"),
    ("emoji", "@@🔑👩‍👩‍👧🇦🇶"),
    ("right-to-left", "@@שלום \u{202e}abc\u{202c} مرحبا"),
    ("byte-order-mark", "\u{feff}@@"),
    ("control-characters", "@@\u{1}\u{2}\u{7}\u{8}\u{b}\u{c}\u{e}\u{1b}[31m\u{1f}\u{7f}\u{85}\u{9b}"),
    ("odd-unicode", "@@\u{fffd}\u{ffff}\u{e000}\u{2028}\u{2029}\u{10ffff}\u{200b}"),
    ("json-document", "{\"user\": \"a\", \"key\": \"@@\", \"n\": [1, 2.50, null, true]}"),
    ("pem-key", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n@@\n-----END PRIVATE KEY-----\n"),
    ("true", "true"),
    ("number", "0123"),
    ("float", "1e3"),
    ("null", "null"),
    ("tilde", "~"),
    ("no", "no"),
    ("date", "2026-01-01"),
];

/// The size every store must take unless it says otherwise.
const LONG: usize = 64 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let samples = SAMPLES.iter().map(|&(id, text)| {
        Case::new(format!("data/keeps-{id}"), &[], move |h| -> BoxFuture<'_, CaseResult> {
            let value = SecretValue::new(text.replace("@@", h.witness().marker().text()));
            Box::pin(keeps_or_refuses(h, value))
        })
    });
    samples
        .chain([
            Case::new("data/keeps-empty", &[], |h| Box::pin(keeps_or_refuses(h, SecretValue::new("")))),
            Case::new("data/keeps-64-kib", &[], |h| {
                let length = h.capabilities().max_bytes.map_or(LONG, |max| max.min(LONG));
                Box::pin(keeps_or_refuses(h, long(h, length)))
            }),
            Case::new("data/keeps-the-longest", &[], |h| Box::pin(keeps_the_longest(h))),
            Case::new("data/refuses-too-long", &[super::Need::Management], |h| Box::pin(refuses_too_long(h))),
            Case::new("data/look-alikes-stay-different", &[], |h| Box::pin(look_alikes_stay_different(h))),
        ])
        .collect()
}

/// A value of `length` bytes whose ends and middle differ.
fn long(h: &Harness<'_>, length: usize) -> SecretValue {
    let numbers: Vec<String> = (0..=length / 8).map(|at| format!("{at:07}.")).collect();
    let text = h.witness().marker().text().to_owned() + &numbers.concat();
    SecretValue::new(&text[..length])
}

/// The capability that this value needs and the store lacks, if any.
fn lacking(h: &Harness<'_>, value: &SecretValue) -> Option<&'static str> {
    let (capabilities, text) = (h.capabilities(), value.expose());
    if text.is_empty() && !capabilities.empty {
        Some("empty")
    } else if text.contains('\0') && !capabilities.nul {
        Some("nul")
    } else if capabilities.max_bytes.is_some_and(|max| text.len() > max) {
        Some("max_bytes")
    } else {
        None
    }
}

/// A value beyond the capabilities is refused and changes nothing; any other comes back as it went in.
async fn keeps_or_refuses(h: &Harness<'_>, value: SecretValue) -> CaseResult {
    let (name, old) = h.secret("some-key", "old");
    let Some(capability) = lacking(h, &value) else {
        let other = h.secret("other-key", "other");
        let store = h.holding(&[(name.clone(), value.clone()), other.clone()]).await?;
        holds(&*store, &name, &value).await?;
        holds(&*store, &other.0, &other.1).await?;
        if h.has(super::Need::Reopen) {
            holds(&*h.reopen().await?, &name, &value).await?;
        }
        return Ok(Verdict::Passed);
    };
    if h.has(super::Need::Management) {
        let store = h.holding(&[(name.clone(), old.clone())]).await?;
        let fresh = h.name("fresh-key");
        fails("set over an old value", writer(&store)?.set(&name, &value).await, &[ErrorKind::Unsupported])?;
        fails("set of a new name", writer(&store)?.set(&fresh, &value).await, &[ErrorKind::Unsupported])?;
        holds(&*store, &name, &old).await?;
        has_names(&store, &[&name]).await?;
    }
    Ok(Verdict::Excluded(capability))
}

async fn keeps_the_longest(h: &Harness<'_>) -> CaseResult {
    match h.capabilities().max_bytes {
        Some(max) => keeps_or_refuses(h, long(h, max)).await,
        None => keeps_or_refuses(h, long(h, 4 * LONG)).await,
    }
}

async fn refuses_too_long(h: &Harness<'_>) -> CaseResult {
    let Some(max) = h.capabilities().max_bytes else {
        return Ok(Verdict::Excluded("max_bytes (the store states no limit)"));
    };
    match keeps_or_refuses(h, long(h, max + 1)).await? {
        Verdict::Excluded(_) => Ok(Verdict::Passed), // refusing is what this case demands
        Verdict::Passed => Err(CaseFailure::new("a value beyond the limit was taken")),
    }
}

async fn look_alikes_stay_different(h: &Harness<'_>) -> CaseResult {
    // Composed and decomposed é, the Kelvin sign, Cyrillic а, a ligature, full-width A.
    let texts = ["\u{e9}", "e\u{301}", "K", "\u{212a}", "a", "\u{430}", "fi", "\u{fb01}", "A", "\u{ff21}"];
    let secrets: Vec<_> =
        texts.iter().enumerate().map(|(at, text)| h.secret(&format!("key-{at}"), text)).collect();
    let store = h.holding(&secrets).await?;
    for (name, value) in &secrets {
        holds(&*store, name, value).await?;
    }
    Ok(Verdict::Passed)
}
