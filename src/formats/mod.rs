//! Document formats of CPM and its neighbours, sans-IO: read with limits, written exactly.
//!
//! Readers take the octets of one body and the [`Limits`] of its XML, and give owned values or a typed error; none
//! panics or recurses on any input. Names are matched by local name in any namespace (spec chapter 3), and what is
//! unknown is skipped. The caller bounds the body before (`sip` limits, the HTTP client); the readers check again.

mod common_policy;
mod datetime;
pub mod imdn;
pub mod msginfo;
mod preferences;
pub mod reginfo;
pub mod resource_lists;
pub mod sdp;
mod xml;
mod xml_out;

pub use common_policy::{MEDIA, NAMESPACES, Ruleset, RulesetError, SERVICE};
pub use datetime::{parse_rfc3339, rfc3339};
pub use preferences::{Evaluated, Expired, Origin, Profile, UserProfile};
pub use xml::{Limits, XmlError};
