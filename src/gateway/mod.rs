//! The outside parts as ports: each with an embedded default and a real client (docs/design.md, "Outside parts").

pub mod http;
pub mod notifier;
pub mod preferences;
pub mod store;
