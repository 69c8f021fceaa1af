//! The embedded default: a realm with two users, to try the server with on the loopback interface.

use super::{Config, Realm, Secret};
use std::collections::BTreeMap;

/// The realm served when neither a file nor `--realm` names one.
pub const DEMO_REALM: &str = "restante.test";

/// Its users and their passwords. They are printed in the documentation, so they are only taken on loopback sockets.
pub const DEMO_USERS: [(&str, &str); 2] = [("alice", "alice-demo"), ("bob", "bob-demo")];

/// The realms of the embedded default.
pub(super) fn realms() -> BTreeMap<String, Realm> {
    let users =
        DEMO_USERS.iter().map(|(user, password)| ((*user).to_owned(), Secret((*password).to_owned()))).collect();
    BTreeMap::from([(DEMO_REALM.to_owned(), Realm { users, ..Realm::default() })])
}

/// Whether some user has a password that everybody knows.
pub(super) fn is_open_to_all(config: &Config) -> bool {
    config.realms.get(DEMO_REALM).is_some_and(|realm| {
        DEMO_USERS.iter().any(|(user, password)| realm.users.get(*user).is_some_and(|known| known.0 == *password))
    })
}
