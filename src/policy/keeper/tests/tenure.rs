//! The settings of the past.

use super::{EAST, WEST, digest, entry};
use crate::policy::keeper::event::{Event, PolicyActivated, PolicyRolledBack, PolicyTripped, Resort, Step};
use crate::policy::keeper::tenure::Tenures;
use crate::queue::question::Hook;
use crate::types::Timestamp;

fn activated(realm: &str, n: u8, settings: &str) -> Event {
    let (realm, settings) = (realm.to_owned(), settings.to_owned());
    let hooks = vec![Hook::Delivery, Hook::Expiry];
    Event::PolicyActivated(PolicyActivated { realm, hooks, policy: digest(n), settings, earlier_max: 3 })
}

fn rolled_back(n: u8, to: Resort) -> Event {
    let steps = vec![Step { hook: Hook::Expiry, from: digest(n), to }];
    Event::PolicyRolledBack(PolicyRolledBack { realm: EAST.to_owned(), steps })
}

#[test]
fn settings_are_those_that_the_policy_had_at_the_moment() {
    let tripped = |n| PolicyTripped {
        realm: EAST.to_owned(),
        hook: Hook::Expiry,
        policy: digest(n),
        failures: 20,
        to: Resort::Standard,
    };
    let mut tenures = Tenures::default();
    for (seq, event) in [
        (1, activated(EAST, 1, "one")),
        (2, activated(EAST, 1, "two")),
        (3, activated(EAST, 2, "other")),
        (4, rolled_back(2, Resort::Earlier(digest(1)))),
        (5, Event::PolicyTripped(tripped(1))),
        (6, rolled_back(1, Resort::Standard)),
    ] {
        tenures.evolve(&entry(seq, vec![event]));
    }
    let expiry = |n, at| tenures.settings(EAST, Hook::Expiry, digest(n), Timestamp(at));
    assert_eq!(expiry(1, 999), None, "the configuration's");
    assert_eq!([expiry(1, 1000), expiry(1, 1999), expiry(1, 2000)], [Some("one"), Some("one"), Some("two")]);
    assert_eq!((expiry(2, 3000), expiry(1, 3000)), (Some("other"), Some("two")), "who decided for a moment more");
    assert_eq!((expiry(1, 4500), expiry(1, 5500), expiry(1, 6500)), (Some("two"), Some("one"), None));
    let delivery = |at| tenures.settings(EAST, Hook::Delivery, digest(2), Timestamp(at));
    assert_eq!(delivery(9000), Some("other"), "what was not rolled back");
    assert_eq!(tenures.settings(EAST, Hook::Admission, digest(1), Timestamp(9000)), None);
    assert_eq!(tenures.settings(WEST, Hook::Expiry, digest(1), Timestamp(9000)), None);
}
