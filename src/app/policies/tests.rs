//! The life of a policy over both shelves, with restarts: what the data directory keeps is what decides.

use super::super::shelf::DiskShelf;
use crate::config::{self, Config, Realm};
use crate::journal::{Journal as _, RocksJournal, RocksReader, Uncounted};
use crate::policy::keeper::{Keeper, verify, written};
use crate::policy::policies::{Author, Bind, Place, Policies as _, PoliciesError, Realms, Retire, Signed, Upload};
use crate::policy::tests::guest::{Guest, manage};
use crate::policy::{Engine, Judges as _, NoCounters, STANDARD_COMPONENT, samples};
use crate::queue::question::{Context, Hook, Judge, Question};
use crate::shelf::{MemoryShelf, Shelf};
use crate::types::{Digest, SeedSecret, Timestamp};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

const REALM: &str = "ims.test";

/// Something that keeps a shelf while the server is away.
trait Disk {
    /// The server starts.
    fn open(&self) -> (Arc<dyn Shelf>, SeedSecret, Option<Arc<RocksJournal>>);
}

struct Memory(Arc<MemoryShelf>);

impl Disk for Memory {
    fn open(&self) -> (Arc<dyn Shelf>, SeedSecret, Option<Arc<RocksJournal>>) {
        (self.0.clone(), SeedSecret([7; 16]), None)
    }
}

struct Rocks(tempfile::TempDir);

impl Disk for Rocks {
    fn open(&self) -> (Arc<dyn Shelf>, SeedSecret, Option<Arc<RocksJournal>>) {
        let journal = Arc::new(journal_at(self.0.path()));
        (Arc::new(DiskShelf(journal.catalogue())), journal.secret(), Some(journal))
    }
}

fn journal_at(directory: &Path) -> RocksJournal {
    let config = config::Journal {
        directory: directory.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 16 << 20,
        ..config::Journal::default()
    };
    RocksJournal::open(&config, Arc::new(Uncounted)).unwrap()
}

fn config() -> Config {
    let policy = config::Policy { instances_max: 8, ..config::Policy::default() };
    Config { policy, realms: [(REALM.to_owned(), Realm::default())].into(), ..Config::default() }
}

fn keeper(shelf: Arc<dyn Shelf>, secret: SeedSecret) -> Arc<Keeper> {
    let clock = Arc::new(|| Timestamp(1_772_442_847_000));
    let engine = Engine::new(&config().policy, Arc::new(NoCounters)).unwrap();
    Keeper::open(&config(), engine, shelf, secret, clock, Arc::new(NoCounters)).unwrap()
}

/// Does something with a server that is started for it and stopped in order.
fn served<T>(disk: &dyn Disk, work: impl FnOnce(&Keeper) -> T) -> T {
    let (shelf, secret, journal) = disk.open();
    let keeper = keeper(shelf, secret);
    let result = work(&keeper);
    keeper.close();
    if let Some(journal) = journal {
        journal.close();
    }
    result
}

fn signed<T>(order: T) -> Signed<T> {
    Signed { author: Author("ops".to_owned()), reason: String::new(), order }
}

fn bind(policy: Digest) -> Signed<Bind> {
    signed(Bind { realm: REALM.to_owned(), policy, decisions: None, settings: None })
}

fn place() -> Signed<Place> {
    signed(Place { realm: REALM.to_owned(), decisions: None })
}

fn manager(text: &str) -> Bytes {
    let mut guest = Guest::new();
    guest.text(text.as_bytes());
    guest.judge("handling", manage()).build().into()
}

fn upload(keeper: &Keeper, text: &str) -> Digest {
    let upload = Upload { component: manager(text), name: Some(text.to_owned()), signature: None, realm: None };
    keeper.upload(signed(upload)).unwrap().digest
}

fn judge(keeper: &Keeper) -> Judge {
    let context = Context { realm: REALM.to_owned(), ..samples::sample_context() };
    keeper.host().ask(&Question::Handling { context, message: samples::sample_message() }).judge
}

fn life(disk: &dyn Disk) {
    let standard = Judge::Component(Digest::of(STANDARD_COMPONENT));
    let (a, b) = served(disk, |keeper| {
        assert_eq!(judge(keeper), standard);
        (upload(keeper, "a"), upload(keeper, "b"))
    });
    served(disk, |keeper| {
        assert_eq!(keeper.resolve("a", &Realms::All).unwrap(), a);
        keeper.shadow(bind(a)).unwrap();
        keeper.activate(bind(a)).unwrap();
        keeper.activate(bind(b)).unwrap();
        keeper.shadow(bind(a)).unwrap();
    });
    served(disk, |keeper| {
        assert_eq!(judge(keeper), Judge::Component(b));
        let handling = keeper.realm(REALM).unwrap().decisions.into_iter().find(|d| d.decision == Hook::Handling.name());
        assert_eq!(handling.unwrap().shadow.unwrap().bound.policy, a.to_string());
        keeper.end_shadow(place()).unwrap();
        keeper.rollback(place()).unwrap();
        assert_eq!(judge(keeper), Judge::Component(a));
        assert_eq!(keeper.component(b, &Realms::All).unwrap(), manager("b"));
        let (sees, operates) = (Realms::All, Realms::All);
        keeper.retire(signed(Retire { policy: b, sees, operates })).unwrap();
    });
    served(disk, |keeper| {
        assert_eq!(judge(keeper), Judge::Component(a));
        assert!(matches!(keeper.component(b, &Realms::All), Err(PoliciesError::Retired(_))));
        keeper.rollback(place()).unwrap();
        assert_eq!(judge(keeper), standard);
        assert_eq!(keeper.events(0, 100, &Realms::All).unwrap().entries.len(), 10);
    });
    let (shelf, ..) = disk.open();
    let verified = verify(shelf.as_ref()).unwrap();
    assert_eq!((verified.entries, verified.components), (10, 1));
}

#[test]
fn a_policy_lives_on_a_shelf_in_memory() {
    life(&Memory(Arc::default()));
}

#[test]
fn a_policy_lives_in_the_data_directory() {
    life(&Rocks(tempfile::tempdir().unwrap()));
}

/// The data directory as a crash would leave it is a copy of its files while the server runs.
#[test]
fn whatever_was_answered_survives_a_crash() {
    let (at, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = journal_at(at.path());
    let running = keeper(Arc::new(DiskShelf(journal.catalogue())), journal.secret());
    let a = upload(&running, "a");
    running.activate(bind(a)).unwrap();
    for entry in std::fs::read_dir(at.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let crashed = journal_at(copy.path());
    let shelf = Arc::new(DiskShelf(crashed.catalogue()));
    let reopened = keeper(shelf.clone(), crashed.secret());
    assert_eq!(judge(&reopened), Judge::Component(a));
    assert_eq!(verify(shelf.as_ref()).unwrap().entries, 2);
}

/// A component of the longest kind is one value among others.
#[test]
fn large_values_and_readers_beside_the_server_get_on() {
    let at = tempfile::tempdir().unwrap();
    let journal = journal_at(at.path());
    let shelf = DiskShelf(journal.catalogue());
    let keeper = keeper(Arc::new(shelf.clone()), journal.secret());
    let a = upload(&keeper, "a");
    let large = Bytes::from(vec![7; 24 << 20]);
    shelf.write(vec![crate::shelf::Change::Put { key: "component/large".into(), value: large.clone() }]).unwrap();
    assert_eq!(shelf.get(b"component/large").unwrap(), Some(large));
    let reader = RocksReader::open(at.path()).unwrap();
    assert_eq!(reader.catalogue(b"entry/", None, 9).unwrap().len(), 1);
    assert_eq!(written(&shelf, 0, 9).unwrap().len(), 1);
    keeper.activate(bind(a)).unwrap();
    assert_eq!(judge(&keeper), Judge::Component(a));
}
