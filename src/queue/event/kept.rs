//! The headers of a sender's request that are stored with its message, and no others.

use crate::types::Octets;
use serde::{Deserialize, Serialize};

/// One stored header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHeader {
    pub name: KeptName,
    pub value: Octets,
}

/// The headers that are stored (DEF-1a-i … 1a-xi, DEF-2a, DEF-2c) and no others (DEF-1n). Stored by position: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeptName {
    From,
    To,
    PAssertedIdentity,
    Subject,
    Date,
    AcceptContact,
    ContentType,
    ConversationId,
    ContributionId,
    InReplyToContributionId,
    ReferredBy,
    /// Of a large message's INVITE (DEF-2a-vii).
    Contact,
    /// Of its MSRP SEND (DEF-2c-v).
    ContentDisposition,
    /// `Message-ID` of its MSRP SEND (DEF-2c-i).
    MsrpMessageId,
    /// Of its MSRP SEND (DEF-2c-ii).
    SuccessReport,
    FailureReport,
    /// The recipient-list part of its INVITE, headers and body (DEF-2b).
    RecipientList,
}

impl KeptName {
    /// Those of a MESSAGE, in the order of the standard (DEF-1a).
    pub const OF_MESSAGE: [Self; 11] = [
        Self::From,
        Self::To,
        Self::PAssertedIdentity,
        Self::Subject,
        Self::Date,
        Self::AcceptContact,
        Self::ContentType,
        Self::ConversationId,
        Self::ContributionId,
        Self::InReplyToContributionId,
        Self::ReferredBy,
    ];

    /// Those of an INVITE for a large message, in the order of the standard (DEF-2a); the others are told by MSRP.
    pub const OF_INVITE: [Self; 11] = [
        Self::From,
        Self::To,
        Self::PAssertedIdentity,
        Self::Subject,
        Self::Date,
        Self::AcceptContact,
        Self::Contact,
        Self::ReferredBy,
        Self::ConversationId,
        Self::ContributionId,
        Self::InReplyToContributionId,
    ];

    /// The header's name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::To => "To",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::Subject => "Subject",
            Self::Date => "Date",
            Self::AcceptContact => "Accept-Contact",
            Self::ContentType => "Content-Type",
            Self::ConversationId => "Conversation-ID",
            Self::ContributionId => "Contribution-ID",
            Self::InReplyToContributionId => "InReplyTo-Contribution-ID",
            Self::ReferredBy => "Referred-By",
            Self::Contact => "Contact",
            Self::ContentDisposition => "Content-Disposition",
            Self::MsrpMessageId => "Message-ID",
            Self::SuccessReport => "Success-Report",
            Self::FailureReport => "Failure-Report",
            Self::RecipientList => "recipient-list",
        }
    }
}
