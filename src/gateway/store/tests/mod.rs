//! One conformance suite for both stores, and what only the one or the other can show.

mod conformance;
#[path = "../../../../tests/blackbox/dovecot.rs"]
mod dovecot;
mod embedded;
mod fake;
mod imap;
mod large;

use super::{Append, BoxFuture, Content, Counters, Limit, MessageStore, Operation, Outcome, StoreError};
use crate::types::Address;
use bytes::Bytes;
use std::sync::Mutex;

/// WX-15-obj.
const OBJECT: &[u8] = include_bytes!("../../../../tests/fixtures/wx/wx-15-object.mime");
const CONVERSATION: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

/// Runs a future to its end on this thread.
fn done<T>(future: BoxFuture<'static, T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn user(name: &str) -> Address {
    Address::parse(&format!("sip:{name}@ims.example.net")).unwrap()
}

/// An append of WX-15-obj under this id.
fn append(name: &str, id: &str) -> Append {
    let object = String::from_utf8(OBJECT.to_vec()).unwrap().replace("Mk7xQ2b9LhT0", id);
    Append {
        user: user(name),
        folder: CONVERSATION.to_owned(),
        object: Bytes::from(object).into(),
        imdn_message_id: id.to_owned(),
        may_exist: false,
    }
}

fn again(first: &Append) -> Append {
    Append { may_exist: true, ..first.clone() }
}

/// Counters that remember.
#[derive(Default)]
struct Told {
    ended: Mutex<Vec<(Operation, Outcome)>>,
    limits: Mutex<Vec<Limit>>,
    connections: Mutex<Vec<(usize, usize)>>,
    resting: Mutex<Vec<bool>>,
}

impl Counters for Told {
    fn ended(&self, operation: Operation, outcome: Outcome) {
        self.ended.lock().unwrap().push((operation, outcome));
    }

    fn connections(&self, open: usize, busy: usize) {
        self.connections.lock().unwrap().push((open, busy));
    }

    fn limit_hit(&self, limit: Limit) {
        self.limits.lock().unwrap().push(limit);
    }

    fn resting(&self, resting: bool) {
        self.resting.lock().unwrap().push(resting);
    }
}
