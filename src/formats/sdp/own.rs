//! Our own MSRP medium: the offer of WX-10, and the answer to the offer of a large message.

use super::media::{self, Media, Setup};
use super::{Offer, Own, octets, refused};
use sdp_types::{Attribute, Media as Medium};
use std::fmt;
use std::net::IpAddr;

const CPIM: &str = "message/cpim";

/// Where one MSRP session of ours is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnMedia {
    /// Its MSRP URI, for `a=path`.
    pub uri: String,
    /// Of the `o=` and `c=` lines.
    pub address: IpAddr,
    /// Of the `m=` line.
    pub port: u16,
    /// Over TLS.
    pub secure: bool,
    /// `a=fingerprint` of our certificate (RFC 8122), as in `SHA-256 AB:CD…`.
    pub fingerprint: Option<String>,
}

/// Who knows the URI may take part in the session.
impl fmt::Debug for OwnMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnMedia").field("port", &self.port).field("secure", &self.secure).finish_non_exhaustive()
    }
}

impl OwnMedia {
    /// SNDL-7, WX-10: we send, and wait for the peer's connection. `session_id` is any number; `size` is announced if
    /// there is one (SNDL-7d, I-11).
    #[must_use]
    pub fn offer(&self, session_id: u64, size: Option<u64>) -> Vec<u8> {
        let mut medium = self.medium();
        let mut say = |name: &str, value: Option<&str>| medium.attributes.push(attribute(name, value));
        // SNDL-7b, SNDL-7c, without the blanks of the standard (I-12).
        say("accept-types", Some(CPIM));
        say("path", Some(&self.uri));
        if let Some(size) = size {
            say("file-selector", Some(&format!("size:{size}")));
        }
        // SNDL-7e.
        say("setup", Some(Setup::Passive.as_str()));
        self.say_tls(&mut say);
        say("msrp-cema", None);
        // SNDL-7a.
        say("sendonly", None);
        let mut session = self.own(session_id).session();
        session.medias = vec![medium];
        octets(&session)
    }

    fn own(&self, session_id: u64) -> Own {
        Own { session_id, version: 1, address: self.address }
    }

    fn medium(&self) -> Medium {
        Medium {
            media: "message".to_owned(),
            port: self.port,
            num_ports: None,
            proto: if self.secure { "TCP/TLS/MSRP" } else { "TCP/MSRP" }.to_owned(),
            fmt: "*".to_owned(),
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Vec::new(),
        }
    }

    fn say_tls(&self, say: &mut impl FnMut(&str, Option<&str>)) {
        if let Some(fingerprint) = self.fingerprint.as_deref().filter(|_| self.secure) {
            say("fingerprint", Some(fingerprint));
        }
    }

    /// WX-11 from the other side: we receive only, and are what the offer leaves to us.
    fn answering(&self, offered: &Media) -> Medium {
        let mut medium = self.medium();
        let mut say = |name: &str, value: Option<&str>| medium.attributes.push(attribute(name, value));
        say("accept-types", Some(CPIM));
        // What is in the CPIM is the recipient's affair: without this line strict senders would put nothing into it.
        say("accept-wrapped-types", Some("*"));
        say("path", Some(&self.uri));
        if let Some(setup) = offered.setup_of_answer() {
            say("setup", Some(setup.as_str()));
        }
        self.say_tls(&mut say);
        if offered.cema {
            say("msrp-cema", None);
        }
        say("recvonly", None);
        medium
    }
}

impl Media {
    /// RFC 6135 section 4.2, seen from us: who offers to be passive is called, and all others call. Who says nothing knows
    /// RFC 4975 only, by which the offerer opens the connection, and gets no `a=setup`.
    #[must_use]
    pub const fn setup_of_answer(&self) -> Option<Setup> {
        match self.setup {
            None => None,
            Some(Setup::Passive) => Some(Setup::Active),
            Some(Setup::Active | Setup::ActPass) => Some(Setup::Passive),
            Some(Setup::HoldConn) => Some(Setup::HoldConn),
        }
    }
}

impl Offer {
    /// The MSRP medium, if there is one: the first that is not refused.
    #[must_use]
    pub fn message_media(&self) -> Option<Media> {
        let medium = self.session.medias.get(media::place(&self.session)?)?;
        Some(media::read(&self.session, medium))
    }

    /// The answer that takes the MSRP medium with `own` and refuses all others, in the order offered.
    #[must_use]
    pub fn answer(&self, session_id: u64, own: &OwnMedia) -> Vec<u8> {
        let taken = media::place(&self.session);
        let mut session = self.frame(&own.own(session_id));
        let answered = |(place, medium): (usize, &Medium)| match taken {
            Some(taken) if taken == place => own.answering(&media::read(&self.session, medium)),
            _ => refused(medium),
        };
        session.medias = self.session.medias.iter().enumerate().map(answered).collect();
        octets(&session)
    }
}

fn attribute(name: &str, value: Option<&str>) -> Attribute {
    Attribute { attribute: name.to_owned(), value: value.map(str::to_owned) }
}
