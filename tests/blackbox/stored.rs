//! DEF-1, item by item: what was stored, seen in the push after a `kill -9` between the two and in the data directory.

use crate::phone::Phone;
use crate::server::{Server, Setup};
use crate::ua::Message;
use crate::wire::{self, MSG_TAG, REALM, Registration, cpim, message, someone};
use std::path::Path;
use std::sync::OnceLock;

/// Whether any file below this directory has these octets.
pub fn on_disk(directory: &Path, octets: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return on_disk(&path, octets);
        }
        // A file may be compacted away between the listing and the reading.
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(octets.len()).any(|part| part == octets))
    })
}

/// Two messages, one with everything and one with the least, and what became of them.
struct Story {
    full: Message,
    bare: Message,
    pushed_full: Message,
    pushed_bare: Message,
    timeline: String,
    /// What of the full message is on the disk before it is delivered.
    has_accept_contact: bool,
    has_charging: bool,
    has_credentials: bool,
    began: std::time::SystemTime,
}

const CHARGING: &str = "icid-value-that-nobody-may-keep";
const CREDENTIALS: &str = "credentials-that-nobody-may-keep";

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let phone = Phone::answering(200);
        let mut server: Server = Setup::behind(phone.address()).start();
        let (caller, bob) = (server.caller(), someone());
        let began = std::time::SystemTime::now();
        let full = message(caller.via(), &bob, cpim(&bob, "everything"))
            .set("From", format!("\"Alice, at home\" <sip:{}@{REALM};user=phone>;tag=a1-7731", wire::ALICE))
            .set("To", format!("\"Bob\" <sip:{bob}@{REALM};user=phone>"))
            .set("P-Charging-Vector", format!("icid-value=\"{CHARGING}\""))
            .with("Authorization", format!("Digest username=\"a\", response=\"{CREDENTIALS}\""))
            .with("Subject", "Trains, and how they are late")
            .with("InReplyTo-Contribution-ID", "abcdef00-1234-11df-8a39-0800200c9a65");
        let bare = full.clone().set("Call-ID", "bare").set("CSeq", "9 MESSAGE").without("Date").without("Subject");
        let bare = bare.without("InReplyTo-Contribution-ID");
        let mut bare = bare.set("Content-Type", "text/plain;charset=utf-8");
        bare.headers[0].1 = caller.via();
        bare.body = b"the least".to_vec();
        for request in [&full, &bare] {
            assert_eq!(caller.request(request).status(), Some(202));
        }
        let data = server.data();
        let has = |octets: &str| on_disk(&data, octets.as_bytes());
        let (has_accept_contact, has_charging, has_credentials) = (has(MSG_TAG), has(CHARGING), has(CREDENTIALS));
        server.kill();
        server.start();
        server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
        let mut pushes = phone.wait_for(2);
        let pushed_bare = pushes.remove(1).message;
        let pushed_full = pushes.remove(0).message;
        let timeline = server.wait_for_event(&bob, "MessageDelivered");
        Story {
            full,
            bare,
            pushed_full,
            pushed_bare,
            timeline,
            has_accept_contact,
            has_charging,
            has_credentials,
            began,
        }
    })
}

/// The value without its tag.
fn untagged(value: &str) -> &str {
    value.split(";tag=").next().unwrap()
}

/// The header is in both pushes as it was in the requests, absent where it was absent.
fn replayed(name: &str) {
    let story = story();
    assert!(story.full.header(name).is_some());
    for (sent, pushed) in [(&story.full, &story.pushed_full), (&story.bare, &story.pushed_bare)] {
        assert_eq!(pushed.all(name).collect::<Vec<_>>(), sent.all(name).collect::<Vec<_>>(), "{name} of {pushed:#?}");
    }
}

#[test]
fn def_1_a_pager_message_comes_out_of_the_store_whole() {
    let story = story();
    for (sent, pushed) in [(&story.full, &story.pushed_full), (&story.bare, &story.pushed_bare)] {
        assert_eq!(pushed.method(), Some("MESSAGE"));
        assert_eq!(pushed.body, sent.body);
        assert_eq!(pushed.header("Content-Type"), sent.header("Content-Type"));
    }
}

#[test]
fn def_1a_the_request_uri_of_the_start_line_is_kept() {
    assert_eq!(story().pushed_full.uri(), story().full.uri());
}

#[test]
fn def_1a_i_from_is_kept_with_its_display_name() {
    let story = story();
    assert_eq!(untagged(story.pushed_full.header("From").unwrap()), untagged(story.full.header("From").unwrap()));
}

#[test]
fn def_1a_ii_to_is_kept_with_its_display_name() {
    assert_eq!(story().pushed_full.header("To"), story().full.header("To"));
}

#[test]
fn def_1a_iv_subject_is_kept_if_present() {
    replayed("Subject");
}

#[test]
fn def_1a_v_date_is_kept_or_made_at_receipt() {
    let story = story();
    assert_eq!(story.pushed_full.header("Date"), story.full.header("Date"));
    let made = story.pushed_bare.header("Date").expect("a Date where the sender gave none");
    let made = httpdate::parse_http_date(made).expect("a date as RFC 3261 writes it");
    let late = made.duration_since(story.began - std::time::Duration::from_secs(1)).expect("not before the request");
    assert!(late < std::time::Duration::from_secs(30), "{late:?} after the request");
}

#[test]
fn def_1a_vi_accept_contact_is_stored_though_the_push_replaces_it() {
    assert!(story().has_accept_contact);
    assert!(!story().pushed_full.all("Accept-Contact").any(|value| value == MSG_TAG));
}

#[test]
fn def_1a_vii_content_type_is_kept_with_its_parameters() {
    replayed("Content-Type");
}

#[test]
fn def_1a_viii_content_length_is_the_size_of_the_message() {
    let story = story();
    for (sent, pushed) in [(&story.full, &story.pushed_full), (&story.bare, &story.pushed_bare)] {
        assert_eq!(pushed.header("Content-Length"), Some(sent.body.len().to_string().as_str()));
        assert!(story.timeline.contains(&format!("{} octets", sent.body.len())), "{}", story.timeline);
    }
}

#[test]
fn def_1a_ix_conversation_id_is_kept() {
    replayed("Conversation-ID");
}

#[test]
fn def_1a_x_contribution_id_is_kept() {
    replayed("Contribution-ID");
}

#[test]
fn def_1a_xi_in_reply_to_contribution_id_is_kept_if_present() {
    replayed("InReplyTo-Contribution-ID");
}

#[test]
fn def_1n_charging_headers_and_credentials_are_neither_stored_nor_sent() {
    let story = story();
    assert!(!story.has_charging && !story.has_credentials, "on the disk");
    for pushed in [&story.pushed_full, &story.pushed_bare] {
        let text = String::from_utf8_lossy(&pushed.to_bytes()).into_owned();
        assert!(!text.contains(CHARGING) && !text.contains(CREDENTIALS), "{text}");
    }
}

#[test]
fn def_3a_each_message_gets_a_string_that_the_function_makes_itself() {
    let story = story();
    let names: Vec<&str> = story
        .timeline
        .lines()
        .filter(|line| line.contains("MessageDeferred"))
        .filter_map(|line| line.split_whitespace().find(|word| word.len() == 32 && is_hex(word)))
        .collect();
    assert_eq!(names.len(), 2, "{}", story.timeline);
    assert_ne!(names[0], names[1]);
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

#[test]
fn def_6a_the_choice_to_push_is_on_record_and_a_component_made_it() {
    let story = story();
    let chosen: Vec<&str> = story.timeline.lines().filter(|line| line.contains("HandlingChosen")).collect();
    assert_eq!(chosen.len(), 2, "{}", story.timeline);
    for line in chosen {
        assert!(line.contains("push") && line.contains("component:"), "{line}");
    }
}

#[test]
fn sndp_3_the_request_uri_is_the_recipients_cpm_address() {
    let story = story();
    for pushed in [&story.pushed_full, &story.pushed_bare] {
        let recipient = untagged(story.bare.header("To").unwrap());
        assert!(recipient.contains(pushed.uri()), "{} for {recipient}", pushed.start);
    }
}
