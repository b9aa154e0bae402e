//! Starting a program with 100 secrets.
pub(crate) fn bench() {}
