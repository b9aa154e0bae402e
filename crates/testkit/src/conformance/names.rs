//! Names: every kind that `SecretName` allows is kept apart from all others, or refused.

use futures_util::future::BoxFuture;
use modelmesh_secrets::{ErrorKind, SecretName};

use super::{
    Case, CaseFailure, CaseResult, Harness, Need, Verdict,
    case::ensure,
    expect::{fails, has_names, holds, missing},
    harness::writer,
};

/// What each kind of name is called, and one of the kind.
const SAMPLES: &[(&str, &str)] = &[
    ("lower-case", "openaikey"),
    ("variable", "OPENAI_API_KEY"),
    ("dashes", "openai-api-key"),
    ("leading-dash", "-rf"),
    ("leading-digit", "1key"),
    ("dots", "openai.api.key"),
    ("leading-dots", "..a/...b"),
    ("slashes", "team/prod/openai"),
    ("arn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf"),
    ("at-plus-equals", "user+tag@host=1"),
    ("spaces", "My Login (work)"),
    ("leading-and-trailing-spaces", " key "),
    ("percent-encoding", "a%2e%2e%2fb%00"),
    ("dollar-braces", "${secrets:key}$HOME"),
    ("quotes-and-backslash", "a\"b'c`d\\e"),
    ("hash-and-question", "key#field?version=1"),
    ("wildcards", "*?[a-z]"),
    ("punctuation", "a,b;c|d&e<f>g!h~i^j{k}"),
    ("property-constructor", "constructor"),
    ("property-proto", "__proto__"),
    ("property-tostring", "toString"),
    ("accents", "clé-privée"),
    ("cyrillic", "ключ"),
    ("emoji", "🔑key"),
    ("right-to-left", "\u{202e}key\u{202c}"),
];

/// Pairs of names that some backend takes for one.
const PAIRS: &[(&str, &str, &str)] = &[
    ("composed-and-decomposed", "cl\u{e9}", "cle\u{301}"),
    ("encoded-and-decoded", "a%20b", "a b"),
    ("encoded-slash-and-slash", "a%2Fb", "a/b"),
    ("folder-and-leaf", "team", "team/key"),
    ("dash-and-underscore", "open-ai", "open_ai"),
    ("dot-and-slash", "open.ai", "open/ai"),
    ("start-of-another", "KEY", "KEY_2"),
    ("with-and-without-spaces", "key", "key "),
];

/// What refuses a name: either kind, before anything is asked of the backend.
const REFUSED: &[ErrorKind] = &[ErrorKind::InvalidName, ErrorKind::Unsupported];

pub(super) fn cases() -> Vec<Case> {
    let samples = SAMPLES.iter().map(|&(id, name)| {
        Case::new(format!("names/takes-{id}"), &[], move |h| -> BoxFuture<'_, CaseResult> {
            Box::pin(takes_or_refuses(h, made(name)))
        })
    });
    let pairs = PAIRS.iter().map(|&(id, one, two)| {
        Case::new(format!("names/keeps-apart-{id}"), &[], move |h| -> BoxFuture<'_, CaseResult> {
            Box::pin(keeps_apart(h, one, two))
        })
    });
    samples
        .chain(pairs)
        .chain([
            Case::new("names/keeps-apart-cases", &[], |h| Box::pin(keeps_apart_cases(h))),
            Case::new("names/takes-the-longest", &[], |h| Box::pin(takes_the_longest(h))),
            Case::new("names/refuses-too-long", &[Need::Management], |h| Box::pin(refuses_too_long(h))),
        ])
        .collect()
}

fn made(name: &str) -> SecretName {
    SecretName::new(name).expect("the suite's names are names")
}

fn allowed(h: &Harness<'_>, name: &SecretName) -> bool {
    h.capabilities().names.allows(name)
}

/// A name against the store's rule is refused before any change; any other works in every method.
async fn takes_or_refuses(h: &Harness<'_>, name: SecretName) -> CaseResult {
    if !allowed(h, &name) {
        if h.has(Need::Management) {
            refuses(h, &name).await?;
        }
        return Ok(Verdict::Excluded("names"));
    }
    let (value, other) = (h.value("value"), h.secret("other-key", "other"));
    let store = h.holding(&[(name.clone(), value.clone()), other.clone()]).await?;
    holds(&*store, &name, &value).await?;
    holds(&*store, &other.0, &other.1).await?;
    if h.has(Need::Management) {
        has_names(&store, &[&name, &other.0]).await?;
        writer(&store)?.delete(&name).await?;
        if !h.rules().deleted_is_disabled {
            missing("get after delete", store.get(&name).await, &name)?;
        }
        has_names(&store, &[&other.0]).await?;
    } else {
        let absent = h.empty().await;
        missing("get on an empty store", absent.get(&name).await, &name)?;
    }
    Ok(Verdict::Passed)
}

async fn refuses(h: &Harness<'_>, name: &SecretName) -> Result<(), CaseFailure> {
    let other = h.secret("other-key", "other");
    let store = h.holding(std::slice::from_ref(&other)).await?;
    fails("set of a name against the rule", writer(&store)?.set(name, &h.value("value")).await, REFUSED)?;
    let nothing = [ErrorKind::NotFound, ErrorKind::InvalidName, ErrorKind::Unsupported];
    fails("get of a name against the rule", store.get(name).await, &nothing)?;
    holds(&*store, &other.0, &other.1).await?;
    has_names(&store, &[&other.0]).await
}

async fn keeps_apart(h: &Harness<'_>, one: &str, two: &str) -> CaseResult {
    let (one, two) = (made(one), made(two));
    if !allowed(h, &one) || !allowed(h, &two) {
        // Each kind of name against the rule has a case of its own, where it must be refused.
        return Ok(Verdict::Excluded("names"));
    }
    let secrets = [(one, h.value("one")), (two, h.value("two"))];
    // Alone, neither answers for the other.
    for (held, asked) in [(0, 1), (1, 0)] {
        let store = h.holding(&secrets[held..=held]).await?;
        missing(
            "get of a name like one that is held",
            store.get(&secrets[asked].0).await,
            &secrets[asked].0,
        )?;
    }
    let store = h.holding(&secrets).await?;
    for (name, value) in &secrets {
        holds(&*store, name, value).await?;
    }
    if h.has(Need::Management) {
        has_names(&store, &[&secrets[0].0, &secrets[1].0]).await?;
        writer(&store)?.delete(&secrets[0].0).await?;
        holds(&*store, &secrets[1].0, &secrets[1].1).await?;
        has_names(&store, &[&secrets[1].0]).await?;
    }
    Ok(Verdict::Passed)
}

async fn keeps_apart_cases(h: &Harness<'_>) -> CaseResult {
    if h.rules().case_insensitive_names {
        return Ok(Verdict::Excluded("case-sensitive names"));
    }
    keeps_apart(h, "Key_a", "KEY_A").await
}

/// The longest name of the backend, of characters that most rules allow.
fn longest(h: &Harness<'_>) -> usize {
    h.rules().max_name_bytes.unwrap_or(SecretName::MAX_BYTES)
}

async fn takes_the_longest(h: &Harness<'_>) -> CaseResult {
    let name = made(&"N".repeat(longest(h)));
    ensure!(allowed(h, &name), "the rule refuses a name of letters");
    takes_or_refuses(h, name).await
}

async fn refuses_too_long(h: &Harness<'_>) -> CaseResult {
    let length = longest(h) + 1;
    if length > SecretName::MAX_BYTES {
        return Ok(Verdict::Excluded("max_name_bytes (any name that is one will do)"));
    }
    refuses(h, &made(&"N".repeat(length))).await?;
    Ok(Verdict::Passed)
}
