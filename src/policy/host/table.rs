//! All that is bound, at one moment: never changed, only replaced.

use super::Placement;
use super::guest::Guest;
use super::shadow::Shadow;
use super::slot::{Live, Realm, Slot};
use crate::config;
use crate::policy::Counters;
use crate::queue::question::Hook;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// What is bound to one decision of one realm; a [`Placement`] as the host sees it.
pub(super) struct Place {
    pub(super) realm: String,
    pub(super) hook: Hook,
    pub(super) live: Option<Arc<dyn Guest>>,
    pub(super) shadow: Option<Arc<dyn Guest>>,
}

impl From<Placement> for Place {
    fn from(Placement { realm, hook, live, shadow }: Placement) -> Self {
        let live = live.filter(|binding| binding.answers(hook)).map(|binding| binding as Arc<dyn Guest>);
        let shadow = shadow.filter(|binding| binding.answers(hook)).map(|binding| binding as Arc<dyn Guest>);
        Self { realm, hook, live, shadow }
    }
}

/// A realm with all its decisions, in the order of [`Hook`].
type Row = (Arc<Realm>, [Slot; HOOKS]);

const HOOKS: usize = Hook::ALL.len();

/// Realms with their decisions.
#[derive(Default)]
pub(super) struct Table {
    rows: HashMap<String, Row>,
}

/// What surrounds the making of a table.
struct Maker<'a> {
    limits: &'a config::Policy,
    counters: &'a dyn Counters,
    now: Instant,
}

impl Table {
    /// The realm and what is bound there; `None`: nobody has bound anything in that realm.
    pub(super) fn slot(&self, realm: &str, hook: Hook) -> Option<(&Realm, &Slot)> {
        let (realm, slots) = self.rows.get(realm)?;
        Some((realm, slots.iter().find(|slot| slot.hook == hook)?))
    }

    /// The next table: what stays bound keeps what is known of it.
    pub(super) fn replaced_by(
        &self,
        places: Vec<Place>,
        limits: &config::Policy,
        counters: &dyn Counters,
        now: Instant,
    ) -> Self {
        let maker = Maker { limits, counters, now };
        let mut realms: HashMap<String, Vec<Place>> = HashMap::new();
        for place in places {
            realms.entry(place.realm.clone()).or_default().push(place);
        }
        let row = |(name, places): (String, Vec<Place>)| {
            let row = maker.row(&name, places, self.rows.get(&name));
            (name, row)
        };
        Self { rows: realms.into_iter().map(row).collect() }
    }
}

impl Maker<'_> {
    fn row(&self, name: &str, mut places: Vec<Place>, before: Option<&Row>) -> Row {
        let realm = before
            .map_or_else(|| Arc::new(Realm::new(name, self.limits, self.counters)), |(realm, _)| Arc::clone(realm));
        let slots = Hook::ALL.map(|hook| {
            let found = places.iter().rposition(|place| place.hook == hook).map(|at| places.remove(at));
            let (live, shadow) = found.map_or((None, None), |place| (place.live, place.shadow));
            let before = before.and_then(|(_, slots)| slots.iter().find(|slot| slot.hook == hook));
            self.slot(&realm, hook, live, shadow, before)
        });
        (realm, slots)
    }

    fn slot(
        &self,
        realm: &Arc<Realm>,
        hook: Hook,
        live: Option<Arc<dyn Guest>>,
        shadow: Option<Arc<dyn Guest>>,
        before: Option<&Slot>,
    ) -> Slot {
        let before = before.filter(|slot| slot.live.is(live.as_ref()));
        let known = before.and_then(|slot| slot.shadow.as_ref());
        let shadow = shadow.map(|guest| match known {
            Some(known) if known.is(&guest) => Arc::clone(known),
            _ => Arc::new(Shadow::new(Arc::clone(realm), hook, guest, self.limits, self.counters, self.now)),
        });
        let live = before.map_or_else(
            || Arc::new(Live::new(&realm.name, hook, live, self.limits, self.counters)),
            |slot| Arc::clone(&slot.live),
        );
        Slot { hook, live, shadow }
    }
}
