//! `[errands]`: what is done for a user besides deliveries, and how long it is tried.

use serde::Deserialize;

/// Notifications, disposition notifications, storing, interworking.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Errands {
    /// Errands under way for one user at once.
    pub in_flight_max: usize,
    /// Errands of a kind that may wait for one user; beyond it nothing new is told or reported.
    pub waiting_max: usize,
    /// A disposition notification that cannot be sent is given up after so long, seconds.
    pub report_secs_max: u64,
    /// Report `stored` instead of `delivered` for what was put into the message store, if `processing` was asked for (I-17).
    pub report_stored: bool,
    /// An expired message that cannot be stored is discarded after so long, seconds.
    pub store_secs_max: u64,
    /// Pause between two notifications out of band while no client registers, seconds; it doubles …
    pub out_of_band_again_secs: u64,
    /// … up to this, seconds.
    pub out_of_band_again_secs_max: u64,
    /// System messages carry the feature tag of the standard's first edition as well (I-05).
    pub legacy_system_tag: bool,
    /// A message at its expiry waits so long if preferences cannot be read, seconds …
    pub postpone_secs: u64,
    /// … and so many times.
    pub postponements_max: u32,
}

/// What stands in where a user has no rule for deferred messages (I-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    Push,
    Manage,
}

/// What stands in where a user has no preference `expired`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expired {
    Discard,
    Store,
}

impl Default for Errands {
    fn default() -> Self {
        Self {
            in_flight_max: 4,
            waiting_max: 1000,
            report_secs_max: 604_800,
            report_stored: false,
            store_secs_max: 604_800,
            out_of_band_again_secs: 3600,
            out_of_band_again_secs_max: 86_400,
            legacy_system_tag: false,
            postpone_secs: 60,
            postponements_max: 5,
        }
    }
}
