//! Live configurations on a clock that stands still, over stores that fail as told.

mod activation;
mod recovery;
mod rotation;
mod start;
mod world;

use std::{thread, time::Duration};

use secrecy::ExposeSecret as _;

use self::world::World;
use super::*;

/// How often is looked for what is bound to happen: for seconds, and longer on a machine that is busy.
const PATIENCE: usize = 100_000;

/// Waits a moment of real time for what other threads are about to do.
fn settles(condition: &impl Fn() -> bool) -> bool {
    comes_about(20, condition)
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    assert!(comes_about(PATIENCE, &condition), "{what} did not happen");
}

fn comes_about(looks: usize, condition: &impl Fn() -> bool) -> bool {
    for _ in 0..looks {
        if condition() {
            return true;
        }
        thread::park_timeout(Duration::from_micros(200));
    }
    false
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn setting(resolver: &SecretResolver, provider: &str, path: &str) -> String {
    let generation = resolver.provider(provider).unwrap().current().unwrap();
    generation.setting(path).unwrap().to_owned()
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

const TWO: &str = "
secrets: {store: test.vault.v1}
providers:
  openai: {url: 'https://o', api_key: '${secrets:key}', headers: {org: 'org-${secrets:org}'}}
  other: {keys: ['${secrets:other}']}
";
const TWO_SECRETS: &[(&str, &str)] = &[("key", "k1"), ("org", "o1"), ("other", "x1")];

#[test]
fn a_provider_has_its_settings_with_values_in_place() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    assert_eq!(setting(&resolver, "openai", "api_key"), "k1");
    assert_eq!(setting(&resolver, "openai", "headers.org"), "org-o1");
    assert_eq!(setting(&resolver, "openai", "url"), "https://o");
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
    let generation = resolver.provider("openai").unwrap().current().unwrap();
    assert_eq!((generation.number(), generation.reason()), (1, Reason::Init));
    assert_eq!(generation.setting("api_keys"), None);
    assert!(!format!("{generation:?} {resolver:?}").contains("k1"));
    assert_eq!(world.vault.calls(), 3, "each document once");
}

#[test]
fn texts_of_the_program_are_resolved_as_those_of_the_file_are() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    let texts =
        ["<${secrets:key}>", "", "${secrets:key}${secrets:org} $${secrets:key}", "${secrets:none:-f}"];
    let filled = block_on(resolver.resolve_texts(&texts)).unwrap();
    let filled: Vec<&str> = filled.iter().map(SecretString::expose_secret).collect();
    assert_eq!(filled, ["<k1>", "", "k1o1 ${secrets:key}", "f"]);
    assert_eq!(world.vault.calls(), calls + 1, "all but one were in the cache");

    let broken = ["${secrets:none}", "${secrets:", "${secrets:none} ${secrets:nor-this}"];
    let failures = block_on(resolver.resolve_texts(&broken)).unwrap_err();
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "this reference is not closed",
            "store 'default': secret 'none': not found",
            "store 'default': secret 'nor-this': not found",
        ]
    );
}

#[test]
fn nothing_stands_in_place_of_what_may_be_missing() {
    let world = World::new("secrets: {store: test.vault.v1, fail_on_missing: false}", &[]);
    let resolved = block_on(world.start().resolve_texts(&["<${secrets:none}>"])).unwrap();
    assert_eq!(resolved[0].expose_secret(), "<>");
}

#[test]
fn a_provider_that_there_is_not_is_told_with_the_nearest() {
    let world = World::new(TWO, TWO_SECRETS);
    let error = world.start().known_provider("opnai").unwrap_err();
    assert_eq!(error.to_string(), "the configuration has no provider 'opnai'");
    assert_eq!(error.help(), Some("did you mean 'openai'?"));
}

#[test]
fn a_watch_yields_each_new_version_and_the_end() {
    let world = World::new("secrets: {store: test.vault.v1}", &[("doc", r#"{"user":"u1"}"#)]);
    let resolver = world.start();
    let mut watch = block_on(resolver.watch(&reference("${secrets:doc#user}"))).unwrap();
    assert_eq!(watch.value().unwrap().expose(), "u1");
    world.vault.put("doc", r#"{"user":"u2"}"#);
    world.within(245, "the refresh", || watch.value().is_some_and(|value| value.expose() == "u2"));
    assert_eq!(block_on(watch.changed()).unwrap().expose(), "u2");
    world.vault.fail("doc", ErrorKind::NotFound);
    world.within(245, "the end", || watch.value().is_none());
    assert!(block_on(watch.changed()).is_none());
    world.vault.heal();
    world.vault.put("doc", r#"{"user":"u3"}"#);
    world.within(60, "the return", || watch.value().is_some());
    assert_eq!(block_on(watch.changed()).unwrap().expose(), "u3");
}

#[test]
fn values_die_with_the_resolver() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let generation = resolver.provider("other").unwrap().current().unwrap();
    let weak = generation.secrets().next().unwrap().1.downgrade();
    drop(generation);
    let World { stores, .. } = world;
    drop((resolver, stores));
    eventually("the end", || weak.strong_count() == 0);
}
