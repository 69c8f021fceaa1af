//! The numbers of the event kinds.

use super::Event;

/// The number of an event kind in the journal. Numbers are never reused; the gaps are kept for the kinds that design.md
/// names and later issues bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Kind {
    ClientRegistered = 1,
    ClientGone = 2,
    PreferencesChanged = 3,
    MessageDeferred = 10,
    DeferralRefused = 11,
    HandlingChosen = 12,
    PreferencesMissed = 13,
    ManagementRequested = 14,
    NotificationPlanned = 15,
    NotificationSent = 16,
    NotificationCalledFor = 17,
    BodyKept = 18,
    PreferencesHeeded = 19,
    DeliveryStarted = 20,
    DeliveryWithheld = 21,
    MessageDelivered = 22,
    DeliveryFailed = 23,
    MessageInterworked = 24,
    ErrandBegun = 25,
    ErrandFailed = 26,
    TransferFailed = 27,
    MessageDiscarded = 30,
    StoreAwaited = 31,
    DisposalPostponed = 32,
    MessageDeleted = 33,
    MessageStored = 34,
    DispositionOwed = 40,
    DispositionSent = 41,
    HistoryAwaited = 42,
    HistoryRecorded = 43,
    HistoryWithdrawn = 44,
    DispositionForgone = 45,
}

impl Event {
    /// Its number in the journal.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::ClientRegistered(_) => Kind::ClientRegistered,
            Self::ClientGone(_) => Kind::ClientGone,
            Self::MessageDeferred(_) => Kind::MessageDeferred,
            Self::BodyKept(_) => Kind::BodyKept,
            Self::DeferralRefused(_) => Kind::DeferralRefused,
            Self::HandlingChosen(_) => Kind::HandlingChosen,
            Self::DeliveryStarted(_) => Kind::DeliveryStarted,
            Self::DeliveryWithheld(_) => Kind::DeliveryWithheld,
            Self::MessageDelivered(_) => Kind::MessageDelivered,
            Self::DeliveryFailed(_) => Kind::DeliveryFailed,
            Self::TransferFailed(_) => Kind::TransferFailed,
            Self::MessageDiscarded(_) => Kind::MessageDiscarded,
            Self::StoreAwaited(_) => Kind::StoreAwaited,
            Self::PreferencesChanged(_) => Kind::PreferencesChanged,
            Self::PreferencesMissed(_) => Kind::PreferencesMissed,
            Self::PreferencesHeeded(_) => Kind::PreferencesHeeded,
            Self::ManagementRequested(_) => Kind::ManagementRequested,
            Self::NotificationPlanned(_) => Kind::NotificationPlanned,
            Self::NotificationSent(_) => Kind::NotificationSent,
            Self::NotificationCalledFor(_) => Kind::NotificationCalledFor,
            Self::MessageInterworked(_) => Kind::MessageInterworked,
            Self::ErrandBegun(_) => Kind::ErrandBegun,
            Self::ErrandFailed(_) => Kind::ErrandFailed,
            Self::DisposalPostponed(_) => Kind::DisposalPostponed,
            Self::MessageDeleted(_) => Kind::MessageDeleted,
            Self::MessageStored(_) => Kind::MessageStored,
            Self::DispositionOwed(_) => Kind::DispositionOwed,
            Self::DispositionSent(_) => Kind::DispositionSent,
            Self::HistoryAwaited(_) => Kind::HistoryAwaited,
            Self::HistoryRecorded(_) => Kind::HistoryRecorded,
            Self::HistoryWithdrawn(_) => Kind::HistoryWithdrawn,
            Self::DispositionForgone(_) => Kind::DispositionForgone,
        }
    }
}
