//! What every message store does, whatever it is made of.

use super::*;
use crate::gateway::store::Location;

/// What is in a folder of a user, by UID.
pub(super) type Contents<'a> = &'a dyn Fn(&Address, &str) -> Vec<(u32, Vec<u8>)>;

/// The whole suite.
pub(super) fn holds(store: &dyn MessageStore, contents: Contents<'_>) {
    stored_octet_for_octet(store, contents);
    uids_grow_and_folders_differ(store, contents);
    repeats_find_what_is_there(store, contents);
    an_id_is_not_enough_to_be_taken_for_another(store, contents);
    removed_for_good(store, contents);
    any_conversation_id_is_a_folder(store, contents);
}

fn put(store: &dyn MessageStore, request: &Append) -> Location {
    done(store.append(request.clone())).unwrap()
}

fn stored_octet_for_octet(store: &dyn MessageStore, contents: Contents<'_>) {
    let request = append("octets", "Mk7xQ2b9LhT0");
    let location = put(store, &request);
    assert_eq!(location.folder, format!("Default/{CONVERSATION}"));
    assert!(location.uidvalidity > 0);
    assert_eq!(contents(&request.user, &location.folder), [(location.uid, OBJECT.to_vec())]);
    let root = put(store, &Append { folder: String::new(), ..request.clone() });
    assert_eq!(root.folder, "Default", "without Conversation-ID");
    assert_eq!(contents(&request.user, "Default"), [(root.uid, OBJECT.to_vec())]);
}

fn uids_grow_and_folders_differ(store: &dyn MessageStore, contents: Contents<'_>) {
    let places: Vec<Location> = (0..5).map(|n| put(store, &append("growing", &n.to_string()))).collect();
    assert!(places.windows(2).all(|two| two[0].uid < two[1].uid), "{places:?}");
    assert!(places.windows(2).all(|two| two[0].uidvalidity == two[1].uidvalidity), "{places:?}");
    assert_eq!(contents(&user("growing"), &places[0].folder).len(), 5);
    assert!(contents(&user("nobody-else"), &places[0].folder).is_empty());
}

/// The window between APPEND and our own record: the caller never heard of the first one and asks again.
fn repeats_find_what_is_there(store: &dyn MessageStore, contents: Contents<'_>) {
    let first = append("repeats", "twice-asked");
    assert!(done(store.append(again(&first))).is_ok(), "a repeat of what never arrived is stored");
    let other = put(store, &append("repeats", "twice-asked-too"));
    let second = put(store, &again(&first));
    assert_ne!(second, other);
    assert_eq!(put(store, &again(&first)), second);
    assert_eq!(contents(&first.user, &second.folder).len(), 2);
    // An id inside of another's is not the same one.
    let within = append("repeats", "twice");
    let third = put(store, &again(&within));
    assert_eq!(contents(&first.user, &second.folder).len(), 3);
    assert_eq!(put(store, &again(&within)), third);
}

/// A member of the conversation who knows an id must not be able to make us drop another's message.
fn an_id_is_not_enough_to_be_taken_for_another(store: &dyn MessageStore, contents: Contents<'_>) {
    let first = append("forged", "one-id");
    let text = String::from_utf8(first.object.head.to_vec()).unwrap();
    let forged = Append {
        object: Bytes::from(text.replace("From: sip:+12025550100", "From: sip:+12025550199")).into(),
        ..first.clone()
    };
    let forged = put(store, &forged);
    let place = put(store, &again(&first));
    assert_ne!(place, forged);
    assert_eq!(contents(&first.user, &place.folder).len(), 2);
}

fn removed_for_good(store: &dyn MessageStore, contents: Contents<'_>) {
    let request = append("removing", "goes");
    let kept = put(store, &append("removing", "stays"));
    let place = put(store, &request);
    let elsewhere = Location { uidvalidity: place.uidvalidity + 1, ..place.clone() };
    done(store.remove(&request.user, &elsewhere)).unwrap();
    assert_eq!(contents(&request.user, &place.folder).len(), 2, "a UID of another UIDVALIDITY names nothing");
    for _ in 0..2 {
        done(store.remove(&request.user, &place)).unwrap();
        let left: Vec<u32> = contents(&request.user, &place.folder).iter().map(|(uid, _)| *uid).collect();
        assert_eq!(left, [kept.uid], "removing twice is removing once");
    }
    let no_folder = Location { folder: "Default/never-made".to_owned(), ..place.clone() };
    done(store.remove(&request.user, &no_folder)).unwrap();
    let anew = put(store, &again(&request));
    assert!(anew.uid > place.uid, "a UID is given once");
}

fn any_conversation_id_is_a_folder(store: &dyn MessageStore, contents: Contents<'_>) {
    let long = "x".repeat(3000);
    let hostile =
        ["..", "a/b", "a.b", "a%2Fb", "INBOX", "\"q\\", "* %", "&AOk-", "é", "call@host.test", "\r\nx LOGOUT", &long];
    let mut places = std::collections::HashSet::new();
    for folder in hostile {
        let request = Append { folder: folder.to_owned(), ..append("hostile", "id") };
        let place = put(store, &request);
        assert_eq!(put(store, &again(&request)), place, "{folder}");
        assert_eq!(contents(&request.user, &place.folder).len(), 1, "{folder}");
        done(store.remove(&request.user, &place)).unwrap();
        assert!(contents(&request.user, &place.folder).is_empty(), "{folder}");
        assert!(places.insert(place.folder), "{folder}");
    }
}
