//! What a plain `cargo test` leaves to the full command.

const FULL: &str = "run 'cargo xtask test', which installs and starts the servers";

#[test]
#[ignore = "needs a Secret Service: 'cargo xtask test' runs tests/keyring.rs"]
fn keyring() {
    panic!("{FULL}");
}

#[test]
#[ignore = "needs servers of secret stores: 'cargo xtask test' runs tests/network"]
fn network_stores() {
    panic!("{FULL}");
}
