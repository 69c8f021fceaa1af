//! Documents kept here: at hand at once, validated, conditional, and each realm its own source.

use super::counting::Tally;
use super::xdms::{RULES, Xdms};
use super::*;
use crate::config::{Config, Realm};
use crate::shelf::{Change, MemoryShelf, Shelf};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

fn kept(shelf: &Arc<MemoryShelf>, tally: &Arc<Tally>) -> KeptDocuments {
    KeptDocuments::open(shelf.clone(), &section(), tally.clone()).unwrap()
}

fn put(documents: &impl Documents, document: Document, body: &str) -> Written {
    documents.put(&user(), document, Bytes::copy_from_slice(body.as_bytes()), &Precondition::None).unwrap()
}

#[tokio::test]
async fn without_any_document_the_defaults_are_at_hand_for_everybody() {
    let documents = kept(&Arc::default(), &Arc::default());
    assert_eq!(documents.cached(&user(), at(0)).unwrap().origin, Origin::Absent);
    put(&documents, Document::Rules, PUSH);
    let other = Address::parse("sip:other@ims.example.net").unwrap();
    assert_eq!(documents.cached(&other, at(0)), None);
    assert_eq!(documents.read(&other, at(0)).await.origin, Origin::Absent);
    assert!(documents.cached(&other, at(0)).is_some());
    documents.delete(&user(), Document::Rules, &Precondition::None).unwrap();
    let third = Address::parse("sip:third@ims.example.net").unwrap();
    assert_eq!(documents.cached(&third, at(0)).unwrap().origin, Origin::Absent);
}

#[tokio::test]
async fn i_31_a_change_holds_at_once_and_is_told() {
    let documents = kept(&Arc::default(), &Arc::default());
    let told: Arc<Mutex<Vec<Address>>> = Arc::default();
    let sink = Arc::clone(&told);
    documents.changed(Arc::new(move |user| sink.lock().unwrap().push(user.clone())));
    put(&documents, Document::Profile, QUIET);
    let profile = documents.cached(&user(), at(0)).unwrap();
    assert!(quiet(&profile) && profile.origin == Origin::Document);
    put(&documents, Document::Rules, PUSH);
    put(&documents, Document::Profile, "<profile/>");
    let profile = documents.cached(&user(), at(0)).unwrap();
    assert_eq!((quiet(&profile), manage_or_push(&profile)), (false, Some(true)));
    assert!(documents.delete(&user(), Document::Rules, &Precondition::None).unwrap());
    assert_eq!(manage_or_push(&documents.cached(&user(), at(0)).unwrap()), None);
    assert_eq!(told.lock().unwrap().len(), 4);
    // Nothing was there, so nothing changed.
    assert!(!documents.delete(&user(), Document::Rules, &Precondition::None).unwrap());
    assert_eq!(told.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn documents_are_there_after_a_restart() {
    let (shelf, tally) = (Arc::default(), Arc::default());
    let tag = put(&kept(&shelf, &tally), Document::Rules, PUSH).tag;
    let documents = kept(&shelf, &tally);
    assert_eq!(documents.cached(&user(), at(0)), None);
    assert_eq!(manage_or_push(&documents.read(&user(), at(0)).await), Some(true));
    let kept = documents.get(&user(), Document::Rules).unwrap().unwrap();
    assert_eq!((kept.tag(), &kept.body[..]), (tag, PUSH.as_bytes()));
    assert_eq!(documents.get(&user(), Document::Profile).unwrap(), None);
    assert!(!format!("{kept:?}").contains("rule"));
}

#[test]
fn what_cannot_be_read_is_not_kept() {
    let tally: Arc<Tally> = Arc::default();
    let documents = kept(&Arc::default(), &tally);
    let put = |document, body: &str| {
        documents.put(&user(), document, Bytes::copy_from_slice(body.as_bytes()), &Precondition::None)
    };
    assert!(matches!(put(Document::Rules, "<profile/>"), Err(DocumentError::Unreadable(_))));
    assert!(matches!(put(Document::Profile, "<profile>"), Err(DocumentError::Unreadable(_))));
    let long = format!("<profile>{}</profile>", " ".repeat(64 << 10));
    assert!(matches!(put(Document::Profile, &long), Err(DocumentError::TooLong { limit: 65_536, .. })));
    assert_eq!(tally.limits(), [Limit::DocumentBytes]);
    assert!(documents.get(&user(), Document::Profile).unwrap().is_none());
}

#[test]
fn conditions_keep_one_writer_from_undoing_another() {
    let documents = kept(&Arc::default(), &Arc::default());
    let put = |body: &str, condition: &Precondition| {
        documents.put(&user(), Document::Rules, Bytes::copy_from_slice(body.as_bytes()), condition)
    };
    let any = Precondition::Matches(Vec::new());
    assert_eq!(put(PUSH, &any), Err(DocumentError::Precondition));
    let first = put(PUSH, &Precondition::Absent).unwrap();
    assert!(first.created);
    assert_eq!(put(PUSH, &Precondition::Absent), Err(DocumentError::Precondition));
    let matching = Precondition::Matches(vec!["\"x\"".into(), first.tag.clone()]);
    let second = put(&manage(), &matching).unwrap();
    assert!(!second.created && second.tag != first.tag);
    assert_eq!(put(PUSH, &matching), Err(DocumentError::Precondition));
    let remove = |condition| documents.delete(&user(), Document::Rules, condition);
    assert_eq!(remove(&matching), Err(DocumentError::Precondition));
    assert_eq!(remove(&any), Ok(true));
}

/// A shelf that fails when it is told to.
#[derive(Default)]
struct Weak {
    shelf: MemoryShelf,
    broken: AtomicBool,
}

impl Weak {
    fn ok(&self) -> Result<(), ShelfError> {
        let broken = self.broken.load(Ordering::Relaxed);
        if broken { Err(ShelfError { cause: "the disk is gone".into() }) } else { Ok(()) }
    }
}

impl Shelf for Weak {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.ok().and_then(|()| self.shelf.get(key))
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError> {
        self.ok().and_then(|()| self.shelf.write(changes))
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        self.ok().and_then(|()| self.shelf.scan(prefix, after, limit))
    }
}

#[tokio::test]
async fn a_failing_disk_is_unreachable_and_not_absent() {
    let (shelf, tally) = (Arc::new(Weak::default()), Arc::<Tally>::default());
    put(&KeptDocuments::open(shelf.clone(), &section(), tally.clone()).unwrap(), Document::Rules, PUSH);
    let documents = KeptDocuments::open(shelf.clone(), &section(), tally.clone()).unwrap();
    tally.outcomes();
    shelf.broken.store(true, Ordering::Relaxed);
    assert_eq!(documents.read(&user(), at(0)).await.origin, Origin::Unreachable);
    assert_eq!(tally.outcomes(), [Outcome::Disk]);
    shelf.broken.store(false, Ordering::Relaxed);
    assert_eq!(documents.read(&user(), at(0)).await.origin, Origin::Document);
    // What is known is not lost by a write that fails before it begins.
    shelf.broken.store(true, Ordering::Relaxed);
    let body = Bytes::copy_from_slice(manage().as_bytes());
    let failed = documents.put(&user(), Document::Rules, body, &Precondition::None);
    assert!(matches!(failed, Err(DocumentError::Shelf(_))));
    assert_eq!(manage_or_push(&documents.cached(&user(), at(0)).unwrap()), Some(true));
}

#[tokio::test]
async fn each_realm_has_its_own_source() {
    let xdms = Xdms::start().await;
    xdms.has(RULES, "1", PUSH);
    let realm = |root: Option<String>| Realm { xcap_root: root, ..Realm::default() };
    let root = xdms.server.url("/xcap-root");
    let realms = BTreeMap::from([
        ("ims.example.net".to_owned(), realm(Some(root.clone()))),
        ("kept.example.net".to_owned(), realm(None)),
    ]);
    let config = Config { realms, preferences: section(), ..Config::default() };
    let counters: Arc<dyn Counters> = Arc::new(NoCounters);
    let all = open(&config, Arc::<MemoryShelf>::default(), &counters).unwrap();
    assert_eq!(manage_or_push(&all.read(&user(), at(0)).await), Some(true));
    let here = Address::parse("sip:bob@kept.example.net").unwrap();
    assert_eq!(all.cached(&here, at(0)).unwrap().origin, Origin::Absent);
    let body = || Bytes::from_static(QUIET.as_bytes());
    all.put(&here, Document::Profile, body(), &Precondition::None).unwrap();
    assert!(quiet(&all.cached(&here, at(0)).unwrap()));
    let elsewhere = all.put(&user(), Document::Profile, body(), &Precondition::None);
    assert_eq!(elsewhere, Err(DocumentError::Elsewhere));
    let nobody = Address::parse("sip:bob@nowhere.example.net").unwrap();
    assert_eq!(all.get(&nobody, Document::Rules), Err(DocumentError::NotServed));
    // The root of all, and a realm that keeps its own all the same.
    let realms = BTreeMap::from([
        ("ims.example.net".to_owned(), realm(None)),
        ("kept.example.net".to_owned(), realm(Some(String::new()))),
    ]);
    let preferences = config::Preferences { xcap_root: Some(root), ..section() };
    let config = Config { realms, preferences, ..Config::default() };
    let all = open(&config, Arc::<MemoryShelf>::default(), &counters).unwrap();
    assert_eq!(manage_or_push(&all.read(&user(), at(0)).await), Some(true));
    assert!(all.cached(&here, at(0)).is_some());
}
