//! What a plain `cargo test` leaves to the full command.

#[test]
#[ignore = "needs minutes, mounts, servers and other programs: 'cargo xtask test' runs tests/system"]
fn system() {
    panic!("run 'cargo xtask test', which installs what it needs");
}
