//! A small mesh of providers whose keys rotate while it runs.
//!
//! [`mesh`] is the part to copy. The rest stands in for the world around it: [`vault`] for the store that
//! somebody else writes, [`upstream`] for a provider's API, and [`load`] for the users.

pub mod load;
pub mod mesh;
pub mod upstream;
pub mod vault;
