//! The right way for each realm, not too fast, never more than once a try, and no personal data in logs.

use super::*;
use crate::config::{Config, NotifierKind, Realm};
use crate::shelf::MemoryShelf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A notice of one message for this user.
pub(super) fn notice(id: &str, user: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        user: Address::parse(user).unwrap(),
        realm: "ims.test".to_owned(),
        cause: NotificationCause::Deferred,
        at: Timestamp::from_secs(1_267_521_247),
        total: 1,
        messages: vec![message(1)],
    }
}

pub(super) fn message(size: u64) -> NoticeMessage {
    NoticeMessage {
        uri: "sip:1f2e@pf.ims.test".to_owned(),
        size,
        received_at: Timestamp::from_secs(1_267_521_247),
        expires_at: Timestamp::from_secs(1_267_607_647),
        sender: Some("sip:alice@ims.test".to_owned()),
        subject: None,
        stored_uid: None,
    }
}

/// What was counted, in words.
#[derive(Default)]
pub(super) struct Counted(Mutex<Vec<String>>);

impl Counted {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Counters for Counted {
    fn notified(&self, kind: NotifierKind, outcome: Outcome, took: Duration) {
        self.note(format!("{kind:?} {outcome:?} {took:?}"));
    }

    fn outbox(&self, waiting: u64) {
        self.note(format!("outbox {waiting}"));
    }

    fn smsc_bound(&self, bound: bool) {
        self.note(format!("bound {bound}"));
    }

    fn limit_hit(&self, limit: Limit) {
        self.note(limit.key().to_owned());
    }
}

struct Node {
    notifiers: Notifiers,
    now: Arc<AtomicU64>,
    counted: Arc<Counted>,
}

fn node(config: &Config) -> Node {
    let (now, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(Counted::default()));
    let clock = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Timestamp(clock.load(Ordering::Relaxed)));
    let shelf = Arc::new(MemoryShelf::default());
    let notifiers = Notifiers::start(config, shelf, clock, Arc::clone(&counted) as _).unwrap();
    Node { notifiers, now, counted }
}

fn config() -> Config {
    let realm = |notifier| Realm { notifier, ..Realm::default() };
    let mut config = Config::default();
    config.realms.insert("ims.test".to_owned(), realm(None));
    config.realms.insert("quiet.test".to_owned(), realm(Some(NotifierKind::None)));
    config
}

#[tokio::test]
async fn a_realm_is_notified_in_its_own_way_or_in_that_of_all() {
    let node = node(&config());
    node.notifiers.notify(notice("1", "tel:+12025550200")).await.unwrap();
    assert_eq!(node.notifiers.outbox().list(0, 9).unwrap().waiting, 1);
    for realm in ["quiet.test", "elsewhere.test"] {
        let quiet = Notice { realm: realm.to_owned(), ..notice("2", "tel:+12025550200") };
        assert!(node.notifiers.notify(quiet).await.unwrap_err().is_final(), "{realm}");
    }
    assert_eq!(node.notifiers.outbox().list(0, 9).unwrap().waiting, 1);
    assert_eq!(
        node.counted.all(),
        ["outbox 0", "outbox 1", "Outbox Taken 0ns", "None Refused 0ns", "None Refused 0ns"]
    );
    node.notifiers.close().await;
}

#[tokio::test]
async fn the_overall_rate_is_kept_and_what_is_over_it_is_told_when_to_come_again() {
    let mut config = config();
    config.notifier.per_second_max = 2;
    let node = node(&config);
    for id in ["1", "2"] {
        node.notifiers.notify(notice(id, "tel:+12025550200")).await.unwrap();
    }
    let error = node.notifiers.notify(notice("3", "tel:+12025550200")).await.unwrap_err();
    assert_eq!(error, NotifyError::Busy { limit: Limit::Rate, after: Duration::from_millis(500) });
    assert!(!error.is_final());
    assert!(node.counted.all().contains(&"notifier.per-second-max".to_owned()));
    assert!(error.to_string().contains("notifier.per-second-max"), "{error}");
    node.now.store(500, Ordering::Relaxed);
    node.notifiers.notify(notice("3", "tel:+12025550200")).await.unwrap();
    assert_eq!(node.notifiers.outbox().list(0, 9).unwrap().waiting, 3);
}

#[tokio::test]
async fn a_long_list_is_cut_and_its_total_kept() {
    let mut config = config();
    config.notifier.messages_max = 2;
    let node = node(&config);
    let messages = (1..=5).map(message).collect();
    node.notifiers.notify(Notice { total: 5, messages, ..notice("1", "tel:+12025550200") }).await.unwrap();
    let page = node.notifiers.outbox().list(0, 9).unwrap();
    let line: serde_json::Value = serde_json::from_slice(&page.entries[0].1).unwrap();
    assert_eq!(line["total"], 5);
    assert_eq!(line["messages"].as_array().unwrap().len(), 2);
    assert!(node.counted.all().contains(&"notifier.messages-max".to_owned()));
}

#[test]
fn debug_shows_neither_user_nor_sender_nor_subject() {
    let mut notice = notice("n1", "sip:alice@ims.test");
    notice.messages[0].subject = Some("Secret".to_owned());
    let shown = format!("{notice:?} {:?}", notice.messages);
    assert!(shown.contains("n1") && !shown.contains("alice") && !shown.contains("Secret"), "{shown}");
}

#[test]
fn a_line_says_everything_and_leaves_out_what_is_not_known() {
    let mut notice = notice("n1", "tel:+12025550200");
    notice.cause = NotificationCause::ExpiredStored;
    notice.messages[0].stored_uid = Some(7);
    notice.messages[0].sender = None;
    notice.messages[0].subject = Some("two\nlines".to_owned());
    assert_eq!(
        wire::line(&notice).unwrap(),
        r#"{"id":"n1","realm":"ims.test","user":"tel:+12025550200","cause":"expired-stored","at":"2010-03-02T09:14:07.000Z","total":1,"messages":[{"uri":"sip:1f2e@pf.ims.test","size":1,"received-at":"2010-03-02T09:14:07.000Z","expires-at":"2010-03-03T09:14:07.000Z","subject":"two\nlines","stored-uid":7}]}"#
    );
}
