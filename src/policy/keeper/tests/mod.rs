//! Tests of the keeper.

mod goldens;
mod laws;
mod lifecycle;
mod restart;
mod sight;
mod signatures;
mod tenure;
mod tripping;
mod world;

use super::decide::{Bind, Rules};
use super::event::{Entry, Event, PolicyUploaded};
use super::state::Baseline;
use crate::policy::policies::{Author, Realms, Retire};
use crate::queue::question::Hook;
use crate::types::{Digest, Timestamp};

const EAST: &str = "east.test";
const WEST: &str = "west.test";
/// What the configuration binds; it does not decide notifications.
const BASELINE: Digest = Digest([0xba; 32]);

fn digest(n: u8) -> Digest {
    Digest([n; 32])
}

fn rules() -> Rules {
    let decides = Hook::ALL.into_iter().filter(|hook| *hook != Hook::Notification).collect();
    Rules {
        realms: [EAST, WEST].map(str::to_owned).into(),
        baseline: Baseline { policy: BASELINE, decides },
        built_in: [BASELINE].into(),
        earlier_max: 3,
        catalogue_max: 4,
        catalogue_bytes_max: 1000,
    }
}

fn entry(seq: u64, events: Vec<Event>) -> Entry {
    Entry { seq, at: Timestamp(seq * 1000), author: Author("ops".to_owned()), reason: format!("reason {seq}"), events }
}

fn upload(n: u8, decides: &[Hook]) -> PolicyUploaded {
    let decides = decides.to_vec();
    PolicyUploaded { policy: digest(n), bytes: 100, name: None, decides, schema: None, signature: None, realm: None }
}

fn retire(policy: Digest) -> Retire {
    Retire { policy, sees: Realms::All, operates: Realms::All }
}

fn bind(realm: &str, n: u8, decisions: Option<&[Hook]>, settings: &str) -> Bind {
    Bind {
        realm: realm.to_owned(),
        policy: digest(n),
        decisions: decisions.map(<[Hook]>::to_vec),
        settings: settings.to_owned(),
        built_in: None,
    }
}
