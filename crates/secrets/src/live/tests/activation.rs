//! Activations: all values of a provider at once, or none.

use std::sync::atomic::Ordering;

use super::*;

#[test]
fn an_activation_swaps_all_values_at_once() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let before = resolver.provider("openai").unwrap().current().unwrap();
    world.vault.put("key", "k2");
    world.vault.put("org", "o2");
    let after = block_on(resolver.activate("openai", Reason::Manual)).unwrap();
    assert_eq!((after.setting("api_key"), after.setting("headers.org")), (Some("k2"), Some("org-o2")));
    assert_eq!((before.setting("api_key"), before.setting("headers.org")), (Some("k1"), Some("org-o1")));
    assert_eq!(setting(&resolver, "other", "keys[0]"), "x1");
}

#[test]
fn an_activation_with_one_of_three_references_failing_leaves_the_old_generation_whole() {
    let lines = "
secrets: {store: test.vault.v1}
providers: {p: {a: '${secrets:a}', b: '${secrets:b}', c: '${secrets:c}'}}
";
    for kind in [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Malformed] {
        let world = World::new(lines, &[("a", "a1"), ("b", "b1"), ("c", "c1")]);
        let resolver = world.start();
        for name in ["a", "b", "c"] {
            world.vault.put(name, "new");
        }
        world.vault.fail("b", kind);
        let error = block_on(resolver.activate("p", Reason::Manual)).unwrap_err();
        assert_eq!(error.kept(), Some(1));
        assert_eq!(error.errors().len(), 1, "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("provider 'p' was not activated (manual), generation 1 stays in use; "),
            "{text}"
        );
        assert!(text.contains("secret 'b'"), "{text}");
        // Give a wrong follower the time to do its damage.
        settles(&|| false);
        assert_eq!(setting(&resolver, "p", "a"), "a1", "{kind}");
        assert_eq!(setting(&resolver, "p", "b"), "b1", "{kind}");
        assert_eq!(setting(&resolver, "p", "c"), "c1", "{kind}");
        world.tells("p activation_failed");
    }
}

#[test]
fn activations_that_come_together_share_calls() {
    let world = World::new(TWO, TWO_SECRETS);
    let resolver = world.start();
    let calls = world.vault.calls();
    world.vault.is_held.store(true, Ordering::SeqCst);
    let all = {
        let resolver = resolver.clone();
        thread::spawn(move || {
            let activations = (0..20).map(|_| resolver.activate("other", Reason::Manual));
            block_on(futures_util::future::join_all(activations))
        })
    };
    let other = &resolver.0.providers[1];
    eventually("the rush", || other.asked.load(Ordering::SeqCst) == 20 && world.vault.calls() > calls);
    world.vault.is_held.store(false, Ordering::SeqCst);
    assert!(all.join().unwrap().iter().all(Result::is_ok));
    assert_eq!(world.vault.calls() - calls, 2, "one that was under way, and one for all who came meanwhile");
}

#[test]
fn without_reload_on_rotation_a_rotation_takes_what_is_in_the_cache() {
    let lines = format!("{TWO}\nsecret-store.resolution.reload_on_rotation: false\n");
    let world = World::new(&lines, TWO_SECRETS);
    let resolver = world.start();
    world.vault.put("other", "x2");
    let calls = world.vault.calls();
    let generation = block_on(resolver.activate("other", Reason::Rotation)).unwrap();
    assert_eq!((generation.setting("keys[0]"), world.vault.calls()), (Some("x1"), calls));
    let generation = block_on(resolver.activate("other", Reason::Manual)).unwrap();
    assert_eq!(generation.setting("keys[0]"), Some("x2"));
}
