//! Connectors of ModelMesh secrets: one file or folder each.
