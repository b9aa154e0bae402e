//! Connectors of ModelMesh secrets: one file or folder each, and [`registry`], the one list of them.

pub mod environment;
pub mod registry;
