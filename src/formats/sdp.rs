//! Session descriptions (RFC 8866): offers are read and answered, and the one medium that we take or offer is MSRP's.
//!
//! The offer of a management INVITE is refused medium by medium (I-13, WX-7); that of a large message is answered with a
//! medium of our own (DEF-2), and large messages leave with an offer (SNDL-7, WX-10).

mod media;
mod own;

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod tests;

pub use media::{Direction, Media, PATH_MAX, Setup};
pub use own::OwnMedia;

use sdp_types::{Connection, Media as Medium, Origin, ParserError, Session, Time};
use std::fmt;
use std::net::IpAddr;

/// The media type of these bodies.
pub const CONTENT_TYPE: &str = "application/sdp";
/// Most octets of an offer that is read.
pub const OCTETS_MAX: usize = 16 << 10;
/// Most media of one offer; each is named in the answer.
pub const MEDIA_MAX: usize = 32;

/// What a peer offered, or answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    session: Session,
}

/// Our own side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// `sess-id` of the `o=` line: any number, the same for one dialog.
    pub session_id: u64,
    /// `sess-version` of the `o=` line: grows by one with each description of one dialog that differs.
    pub version: u64,
    /// The address of the `o=` and `c=` lines.
    pub address: IpAddr,
}

/// Why a body is no offer that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("the session description is longer than {0} octets")]
    TooLong(usize),
    #[error("the session description has more than {0} media")]
    TooManyMedia(usize),
    #[error("the session description cannot be read near line {0}")]
    Malformed(usize),
}

/// Addresses of a user's device are personal data.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({} media)", self.session.medias.len())
    }
}

impl Offer {
    /// Reads an offer, or the answer to one of ours.
    ///
    /// # Errors
    /// [`SdpError`] if it is beyond a limit or malformed.
    pub fn read(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > OCTETS_MAX {
            return Err(SdpError::TooLong(OCTETS_MAX));
        }
        let session = Session::parse(body).map_err(|error| SdpError::Malformed(line(&error)))?;
        if session.medias.len() > MEDIA_MAX {
            return Err(SdpError::TooManyMedia(MEDIA_MAX));
        }
        Ok(Self { session })
    }

    /// How many media are offered.
    #[must_use]
    pub fn media(&self) -> usize {
        self.session.medias.len()
    }

    /// The answer that refuses every medium by port 0, in the order offered, with the offer's `t=` lines (RFC 3264
    /// section 6). An offer without media has an answer without.
    #[must_use]
    pub fn refuse(&self, own: &Own) -> Vec<u8> {
        let mut session = self.frame(own);
        session.medias = self.session.medias.iter().map(refused).collect();
        octets(&session)
    }

    /// The session level of an answer.
    fn frame(&self, own: &Own) -> Session {
        let mut session = own.session();
        if !self.session.times.is_empty() {
            session.times = self.session.times.iter().map(|time| Time::new(time.start_time, time.stop_time)).collect();
        }
        session
    }
}

impl Own {
    /// An offer without media: the body of a 200 OK to an INVITE that had no offer (RFC 3264 section 5).
    #[must_use]
    pub fn empty_offer(&self) -> Vec<u8> {
        octets(&self.session())
    }
}

impl Own {
    fn session(&self) -> Session {
        let mut session = Session::new(Origin::with_ip_addr(self.session_id, self.version, self.address), "-");
        session.connection = Some(Connection::from_ip_addr(self.address));
        session.times = vec![Time::new(0, 0)];
        session
    }
}

/// The medium as offered, with port 0 and nothing said about it.
fn refused(offered: &Medium) -> Medium {
    Medium {
        media: offered.media.clone(),
        port: 0,
        num_ports: None,
        proto: offered.proto.clone(),
        fmt: offered.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

fn octets(session: &Session) -> Vec<u8> {
    let mut octets = Vec::new();
    // Writing into memory does not fail.
    let _ = session.write(&mut octets);
    octets
}

const fn line(error: &ParserError) -> usize {
    match error {
        ParserError::InvalidLineFormat(line, _)
        | ParserError::InvalidFieldEncoding(line, _)
        | ParserError::InvalidFieldFormat(line, _)
        | ParserError::MissingField(line, _)
        | ParserError::FieldTrailingData(line, _)
        | ParserError::InvalidVersion(line, _)
        | ParserError::MultipleVersions(line)
        | ParserError::MultipleOrigins(line)
        | ParserError::MultipleSessionNames(line)
        | ParserError::MultipleSessionDescription(line)
        | ParserError::MultipleUris(line)
        | ParserError::MultipleConnections(line)
        | ParserError::MultipleTimeZones(line)
        | ParserError::MultipleMediaTitles(line)
        | ParserError::MultipleKeys(line)
        | ParserError::RepeatWithoutTime(line) => *line,
        _ => 0,
    }
}
