//! Files written to cost more than they are worth.

use std::fmt::Write as _;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// The configuration, read with far less work than a quadratic reader takes. The work is this thread's own: what else
/// the machine does is not counted.
#[track_caller]
fn read_soon(text: &str) -> Configuration {
    let worked = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
    let before = worked();
    let configuration = parse(text);
    let seconds = worked() - before;
    assert!(seconds < 100, "{seconds} s of work");
    configuration
}

/// Stores of which each is made of the next, but for the last.
fn row_of_stores(length: usize) -> String {
    let mut text = "secrets:\n  stores:\n".to_owned();
    for at in 1..length {
        _ = writeln!(text, "    s{at}: {{chain: [s{}]}}", at + 1);
    }
    _ = writeln!(text, "    s{length}: {{store: modelmesh.env.v1}}");
    text
}

#[test]
fn stores_may_need_each_other_to_a_depth() {
    assert_eq!(problems(&row_of_stores(32)), [""; 0]);
    assert_eq!(
        problems(&row_of_stores(33)),
        ["m.yaml:3:9: secrets.stores.s1: to open this store, more than 32 others are opened one in another"]
    );
}

#[test]
fn the_depth_is_found_whichever_store_is_looked_at_first() {
    // In the order of their names, each store is looked at after the one it needs.
    let mut text = "secrets:\n  stores:\n    s10: {store: modelmesh.env.v1}\n".to_owned();
    for at in 11..43 {
        _ = writeln!(text, "    s{at}: {{chain: [s{}]}}", at - 1);
    }
    let problems = problems(&text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with("m.yaml:35:10: secrets.stores.s42: to open this store"), "{problems:?}");
}

#[test]
fn a_long_row_of_stores_costs_no_stack() {
    let configuration = read_soon(&row_of_stores(50_000));
    assert_eq!(configuration.problems().len(), 1);
}

#[test]
fn many_problems_are_counted_and_not_listed() {
    let mut text = "secrets: {}\nproviders:\n".to_owned();
    for at in 0..20_000 {
        _ = writeln!(text, "  p{at}: ${{secrets.nowhere{at}:x}}");
    }
    let configuration = read_soon(&text);
    let problems = configuration.problems();
    assert_eq!(problems.len(), 1001);
    assert_eq!(problems[1000].error.message(), "there are 19000 more problems, which are not listed");
    assert!(configuration.require_valid_stores().is_err(), "one that is not listed may be of a store");
}

#[test]
fn as_many_mistakes_as_stores_do_not_cost_the_square() {
    let mut text = "secrets:\n  stores:\n".to_owned();
    for at in 0..30_000 {
        _ = writeln!(text, "    s{at}: {{chain: [nowhere]}}");
    }
    assert_eq!(read_soon(&text).problems().len(), 1001);
}

#[test]
fn of_many_known_stores_some_are_named() {
    let mut text = "secrets:\n  stores:\n".to_owned();
    for at in 0..100 {
        _ = writeln!(text, "    s{at}: {{store: modelmesh.env.v1}}");
    }
    text.push_str("key: ${secrets.completely-different:x}\n");
    let configuration = parse(&text);
    let help = configuration.problems()[0].error.help().unwrap();
    assert!(
        help.starts_with("name it under 'secrets.stores'; some of those known are 'default', 'env', 's0'")
    );
    assert_eq!(help.matches("'s").count(), 1 + 18, "{help}");
}

#[test]
fn what_nothing_closes_is_looked_through_once() {
    let times = 50_000;
    for open in ["${secrets:x:-\\n", "${", "${secret", "${A:-", "${env:A:-", "$${"] {
        for (head, tail) in [("key: \"", "\""), ("secrets: {path: \"", "\"}"), ("secrets: {path: \"", "}\"}")]
        {
            read_soon(&format!("{head}{}{tail}", open.repeat(times)));
        }
    }
}

#[test]
fn a_long_key_is_compared_with_no_known_one() {
    read_soon(&format!("secrets:\n  store: test.file.v1\n  ? {}\n  : 1\n", "k".repeat(8 << 20)));
}

#[test]
fn only_what_may_be_a_name_is_repeated() {
    for text in [
        "secrets: {store: '${secrets:a.b:-canary}'}",
        "secrets: {store: 'a.canary/+=='}",
        "secrets: {stores: {s: {chain: ['${secrets:a:-canary}']}}}",
        "secrets: {stores: {s: {chain: ['canary/+==']}}}",
    ] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
    }
}
