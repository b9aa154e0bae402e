//! Rotations, those that a refresh sees and those that a refused value tells of; and the version before.

use super::*;

#[test]
fn a_rotation_seen_by_a_refresh_changes_the_generation() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("other", "x2");
    world.within(245, "the change", || setting(&resolver, "other", "keys[0]") == "x2");
    world.tells("other rotated");
    world.tells("other activated");
}

#[test]
fn a_refused_key_is_replaced_in_one_call() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    let before = other.current().unwrap();
    world.vault.put("other", "x2");
    let calls = world.vault.calls();
    let outcome = block_on(other.report_auth_failure(&before, "keys[0]"));
    let AuthFailure::Rotated(after) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after.setting("keys[0]"), Some("x2"));
    assert_eq!(world.vault.calls() - calls, 1);
    // Somebody else was refused with the old one, too.
    let outcome = block_on(other.report_auth_failure(&before, "keys[0]"));
    assert!(matches!(outcome, AuthFailure::Rotated(_)));
    assert_eq!(world.vault.calls() - calls, 1);
}

#[test]
fn a_refused_key_that_the_store_still_has_is_unchanged_and_asked_for_once_an_interval() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    for _ in 0..10 {
        let outcome = block_on(resolver.report_auth_failure(&reference("${secrets:other}"), &1.into()));
        assert!(matches!(outcome, AuthFailure::Unchanged), "{outcome:?}");
    }
    assert_eq!(world.vault.calls() - calls, 1);
}

#[test]
fn a_new_key_that_is_refused_gives_way_to_the_one_before_and_then_comes_into_use() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    world.vault.put("other", "x2");
    let early = block_on(other.activate(Reason::Manual)).unwrap();
    assert_eq!(early.setting("keys[0]"), Some("x2"));
    let outcome = block_on(other.report_auth_failure(&early, "keys[0]"));
    let AuthFailure::FellBack(old) = outcome else { panic!("{outcome:?}") };
    assert_eq!(old.setting("keys[0]"), Some("x1"));
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
    world.tells("other fell_back");
    // The upstream API has changed over.
    let calls = world.vault.calls();
    let outcome = block_on(other.report_auth_failure(&old, "keys[0]"));
    let AuthFailure::Rotated(new) = outcome else { panic!("{outcome:?}") };
    assert_eq!(new.setting("keys[0]"), Some("x2"));
    assert_eq!(world.vault.calls(), calls, "both were at hand");
    // Both are refused now: there is nothing else.
    world.clock.advance(Duration::from_secs(6));
    let outcome = block_on(other.report_auth_failure(&new, "keys[0]"));
    assert!(matches!(outcome, AuthFailure::Unchanged), "{outcome:?}");
}

#[test]
fn a_pair_of_secrets_falls_back_as_a_pair() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let openai = resolver.provider("openai").unwrap();
    world.vault.put("key", "k2");
    world.vault.put("org", "o2");
    let early = block_on(openai.activate(Reason::Manual)).unwrap();
    let outcome = block_on(openai.report_auth_failure(&early, "api_key"));
    let AuthFailure::FellBack(old) = outcome else { panic!("{outcome:?}") };
    assert_eq!((old.setting("api_key"), old.setting("headers.org")), (Some("k1"), Some("org-o1")));
}

#[test]
fn the_version_before_is_wiped_after_its_time() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let other = resolver.provider("other").unwrap();
    let before = other.current().unwrap();
    let weak = before.secrets().next().unwrap().1.downgrade();
    drop(before);
    world.vault.put("other", "x2");
    block_on(other.activate(Reason::Manual)).unwrap();
    world.clock.advance(Duration::from_secs(298));
    settles(&|| weak.strong_count() == 0);
    assert!(weak.strong_count() > 0, "kept for a new key that is refused");
    world.within(5, "the end", || weak.strong_count() == 0);
}
