//! Connections of ours by where they go, so that messages to one place share one (RFC 4975 section 5.4).

use super::connection::connect;
use super::error::TransferError;
use super::fingerprint::Fingerprint;
use super::link::Link;
use super::shared::{Shared, lock};
use crate::msrp::MsrpUri;
use std::collections::HashMap;
use std::sync::{Arc, Mutex as Guarded, Weak};
use tokio::sync::Mutex;

/// Where a connection goes, and whom it must find there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    secure: bool,
    host: String,
    port: u16,
    pinned: Option<Fingerprint>,
}

/// Held while somebody connects, so that others wait for the same connection.
type Route = Arc<Mutex<Weak<Link>>>;

#[derive(Default)]
pub(super) struct Routes(Guarded<HashMap<Place, Route>>);

impl Routes {
    /// A connection to this hop: one that there is, or a new one.
    pub(super) async fn to(
        &self,
        shared: &Arc<Shared>,
        hop: &MsrpUri,
        pinned: Option<Fingerprint>,
    ) -> Result<Arc<Link>, TransferError> {
        let place = Place { secure: hop.is_secure(), host: hop.host().to_ascii_lowercase(), port: hop.port(), pinned };
        let route = self.route(place);
        let mut last = route.lock().await;
        if let Some(link) = last.upgrade().filter(|link| link.is_open()) {
            return Ok(link);
        }
        let link = connect(shared, hop, pinned).await?;
        *last = Arc::downgrade(&link);
        Ok(link)
    }

    /// The route to a place. Those that lead nowhere any more are dropped when their number doubles what is alive.
    fn route(&self, place: Place) -> Route {
        let mut routes = lock(&self.0);
        if routes.len() == routes.capacity() {
            routes.retain(|_, route| {
                let is_alive = |last: &Weak<Link>| last.strong_count() > 0;
                Arc::strong_count(route) > 1 || route.try_lock().is_ok_and(|last| is_alive(&last))
            });
        }
        Arc::clone(routes.entry(place).or_default())
    }
}
