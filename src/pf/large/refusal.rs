//! Why an INVITE is not taken although it is well-formed: 488, with a Warning that says what would be.

use crate::pf::Settings;
use crate::sip::Response;

/// What is not acceptable about an INVITE or its offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unacceptable {
    OtherService,
    NoOffer,
    NoMessageMedium,
    File,
    NotSent,
    NoPath,
    NoCpim,
    HeldConnection,
    NotCallable,
    NoTls,
}

impl Unacceptable {
    /// Warn-code (RFC 3261 section 20.43) and text.
    const fn warning(self) -> (u16, &'static str) {
        match self {
            Self::OtherService => (399, "Only large messages are taken here"),
            Self::NoOffer => (399, "An offer is needed"),
            Self::NoMessageMedium => (304, "An MSRP medium is needed"),
            Self::File => (399, "Files are not taken, only messages"),
            Self::NotSent => (399, "The offerer must send"),
            Self::NoPath => (399, "A path of MSRP URIs is needed"),
            Self::NoCpim => (305, "The messages must be message/cpim"),
            Self::HeldConnection => (399, "A connection is needed"),
            Self::NotCallable => (399, "A passive offerer must have a port"),
            Self::NoTls => (302, "MSRP over TLS is not served here"),
        }
    }

    /// Completes a 488.
    pub(super) fn explain(self, settings: &Settings, response: &mut Response) {
        let (code, text) = self.warning();
        response.headers.push("Warning", format!("{code} {} \"{text}\"", settings.host));
    }
}
