//! Opening: the stream is replayed, what is bound is made ready, and what cannot be is taken off. A start does not wait
//! for all of it without end: what is late is made ready behind the running service.

use super::decide::Rules;
use super::orders::State;
use super::signature::Keys;
use super::state::Baseline;
use super::workshop::{NO_SETTINGS, Workshop, decides};
use super::{Clock, Keeper, ledger, texts, watch};
use crate::config::Config;
use crate::policy::engine::{Binding, Engine};
use crate::policy::{Counters, Host, Limit, PolicyError, STANDARD_COMPONENT};
use crate::queue::question::Hook;
use crate::shelf::Shelf;
use crate::types::SeedSecret;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

impl Keeper {
    /// Replays the operator stream, makes ready what is bound (with compiled code from the cache if it is there), falls
    /// back to the last good binding where that cannot be (which is written down), and binds it. Where that takes longer
    /// than `policy.start-secs-max`, the standard rule stands in for what is not ready, until it is.
    ///
    /// # Errors
    /// [`PolicyError`]: the machine cannot give what the limits allow; the configured component cannot be read, is not
    /// acceptable or wants settings; the stream cannot be read, or is damaged, or a newer program's.
    pub fn open(
        config: &Config,
        engine: Engine,
        shelf: Arc<dyn Shelf>,
        secret: SeedSecret,
        clock: Clock,
        counters: Arc<dyn Counters>,
    ) -> Result<Arc<Self>, PolicyError> {
        let limits = &config.policy;
        let catalogue = |error| PolicyError::Catalogue(Box::new(error));
        let (state, chain) = ledger::fold(shelf.as_ref()).map_err(catalogue)?;
        let mut workshop = Workshop::new(engine, Arc::clone(&shelf), secret, limits.settings_bytes_max);
        let (baseline, rules) = built_in(config, &mut workshop)?;
        let slots = config.realms.len().saturating_mul(Hook::ALL.len());
        let (bell, alarms) = watch::bell(slots);
        let state =
            State { catalogue: state, chain, ready: HashMap::new(), baseline, refused: (None, 0), closed: false };
        let signed = config.realms.iter().filter(|(_, realm)| realm.signed_policies);
        let keeper = Arc::new(Self {
            host: Host::new(limits, Arc::clone(&counters), bell.rope()),
            workshop,
            shelf,
            limits: limits.clone(),
            rules,
            keys: Keys::of(&limits.keys),
            signed_realms: signed.map(|(name, _)| name.clone()).collect(),
            clock,
            counters,
            state: Mutex::new(state),
            examined: AtomicUsize::new(0),
            watch: watch::Watch::new(bell),
        });
        // What the configuration binds needs nothing more.
        keeper.install(&mut keeper.state());
        let ready = keeper.watch.start(&keeper, alarms).map_err(PolicyError::Watch)?;
        let patience = Duration::from_secs(limits.start_secs_max);
        if let Err(RecvTimeoutError::Timeout) = ready.recv_timeout(patience) {
            keeper.counters.limit_hit(Limit::StartSecs);
            tracing::error!(target: "policy", "not all policies are ready after policy.start-secs-max; the standard rule stands in for them until they are");
        }
        Ok(keeper)
    }
}

/// Takes in the policies that are there without an upload, and binds what the configuration binds.
fn built_in(config: &Config, workshop: &mut Workshop) -> Result<(Arc<Binding>, Rules), PolicyError> {
    let limits = &config.policy;
    let standard = workshop.build_in(Some(texts::STANDARD), Bytes::from_static(STANDARD_COMPONENT))?;
    let policy = match &limits.component {
        None => standard,
        Some(path) => {
            let octets = std::fs::read(path).map_err(|error| PolicyError::Read { path: path.clone(), error })?;
            workshop.build_in(None, octets.into())?
        }
    };
    let component = workshop.built_in(policy).map(|own| Arc::clone(&own.component));
    let component =
        component.ok_or_else(|| PolicyError::Engine { detail: "a built-in policy is not there".to_owned() })?;
    let decides = decides(&component);
    let binding = Arc::new(Binding::new(component, NO_SETTINGS)?);
    let rules = Rules {
        realms: config.realms.keys().cloned().collect(),
        baseline: Baseline { policy, decides },
        built_in: workshop.all_built_in().map(|(digest, _)| digest).collect(),
        earlier_max: u32::try_from(limits.history_max).unwrap_or(u32::MAX),
        catalogue_max: limits.catalogue_max,
        catalogue_bytes_max: limits.catalogue_bytes_max,
    };
    Ok((binding, rules))
}
