//! Session descriptions of the management INVITE: an offer is read, and every medium in it is refused (I-13, WX-7).

use sdp_types::{Connection, Media, Origin, ParserError, Session, Time};
use std::fmt;
use std::net::IpAddr;

/// The media type of these bodies.
pub const CONTENT_TYPE: &str = "application/sdp";
/// Most octets of an offer that is read.
pub const OCTETS_MAX: usize = 16 << 10;
/// Most media of one offer; each is named in the answer.
pub const MEDIA_MAX: usize = 32;

/// What was offered.
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
    /// Reads an offer.
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
        let mut session = own.session();
        if !self.session.times.is_empty() {
            session.times = self.session.times.iter().map(|time| Time::new(time.start_time, time.stop_time)).collect();
        }
        session.medias = self.session.medias.iter().map(refused).collect();
        octets(&session)
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
fn refused(offered: &Media) -> Media {
    Media {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WX_6: &str = include_str!("../../tests/fixtures/wx/wx-06-management-invite.sip");
    const WX_7: &str = include_str!("../../tests/fixtures/wx/wx-07-200.sip");

    const OWN: Own =
        Own { session_id: 3_476_511_301, version: 1, address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10)) };

    fn offer() -> &'static str {
        let rest = &WX_6[WX_6.find("v=0").unwrap()..];
        &rest[..rest.find("\r\n--").unwrap()]
    }

    fn answer(offer: &str) -> String {
        String::from_utf8(Offer::read(offer.as_bytes()).unwrap().refuse(&OWN)).unwrap()
    }

    #[test]
    fn i_13_the_offer_of_wx_6_is_answered_with_wx_7_octet_for_octet() {
        assert_eq!(answer(offer()), WX_7.split_once("\r\n\r\n").unwrap().1);
    }

    #[test]
    fn i_13_every_medium_is_refused_in_the_order_offered() {
        let many =
            "v=0\no=x 1 1 IN IP6 ::1\ns=x\nt=5 6\nm=audio 49170/2 RTP/AVP 0 8\na=sendrecv\nm=video 1 RTP/AVP 31\n";
        let answer = answer(many);
        assert!(answer.ends_with("t=5 6\r\nm=audio 0 RTP/AVP 0 8\r\nm=video 0 RTP/AVP 31\r\n"), "{answer}");
    }

    #[test]
    fn i_13_no_media_no_offer() {
        let none = "v=0\r\no=- 3476511301 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
        assert_eq!(answer("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\n"), none);
        assert_eq!(String::from_utf8(OWN.empty_offer()).unwrap(), none);
        let own = Own { address: "2001:db8::1".parse().unwrap(), ..OWN };
        assert!(String::from_utf8(own.empty_offer()).unwrap().contains("\r\nc=IN IP6 2001:db8::1\r\n"));
    }

    #[test]
    fn what_is_beyond_a_limit_or_malformed_is_refused() {
        let head = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n";
        let many = |n: usize| format!("{head}{}", "m=message 9 TCP/MSRP *\r\n".repeat(n));
        assert_eq!(Offer::read(many(MEDIA_MAX).as_bytes()).unwrap().media(), MEDIA_MAX);
        assert_eq!(Offer::read(many(MEDIA_MAX + 1).as_bytes()), Err(SdpError::TooManyMedia(MEDIA_MAX)));
        assert_eq!(Offer::read(&vec![b'x'; OCTETS_MAX + 1]), Err(SdpError::TooLong(OCTETS_MAX)));
        assert_eq!(Offer::read(format!("{head}m=message x\r\n").as_bytes()), Err(SdpError::Malformed(5)));
        assert!(Offer::read(b"").is_err());
    }

    #[test]
    fn debug_shows_no_address() {
        assert_eq!(format!("{:?}", Offer::read(offer().as_bytes()).unwrap()), "Offer(1 media)");
    }

    proptest! {
        #[test]
        fn an_answer_can_be_read_again(text in "v=0\n(o=- 1 1 IN IP4 h\n)?(s=.?\n)?(t=[0-9]{0,3} 0\n)?([macbzkrt]=[a-z0-9 /:*]{0,20}\n){0,5}") {
            if let Ok(offer) = Offer::read(text.as_bytes()) {
                prop_assert_eq!(Offer::read(&offer.refuse(&OWN)).unwrap().media(), offer.media());
            }
        }
    }
}
