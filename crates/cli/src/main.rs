//! The command `modelmesh`.

fn main() {}
