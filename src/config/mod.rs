//! Everything an operator sets: a commented TOML file, overridden by flags; unknown keys are errors with their line.
//!
//! Reading the file is the caller's affair (`cli::load`): this floor turns text into checked values and does no IO.

mod admin;
mod demo;
mod errands;
mod load;
mod msrp;
mod notifier;
mod places;
mod policy;
mod preferences;
mod sections;
mod store;
mod validate;

pub use admin::{
    Admin, AdminCertificate, AdminTls, AdminToken, CallerNameError, Role, RoleError, check_caller_name, sha256_octets,
};
pub use demo::{DEMO_REALM, DEMO_USERS};
pub use errands::{Errands, Expired, Handling};
pub use load::{ConfigError, Fault, Overrides, Problem, Source};
pub use msrp::{Msrp, MsrpListen, MsrpListenError};
pub use notifier::{Notifier, NotifierKind, Smpp, SmppBind, SmppEncoding, SmppLong, Webhook};
pub use places::Place;
pub use policy::{Policy, PolicyKey};
pub use preferences::Preferences;
pub use sections::{
    Actors, Config, Journal, Listen, ListenError, Log, PeerError, Queue, Realm, Registrations, Secret, Sip, Transport,
    peer,
};
pub use store::{ImapServer, ImapServerError, Login, Security, Store};

#[cfg(test)]
mod tests;
