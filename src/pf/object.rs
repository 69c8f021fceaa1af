//! The object that goes into the message store for a message (chapter 6 of the Message Storage standard): a header block
//! made of what was stored of the request, and the CPIM body.

use super::{CPM_LARGEMSG, CPM_MSG, tags};
use crate::queue::event::{Envelope, KeptName};
use crate::queue::question::Mode;
use crate::sip::{self, NameAddr};
use crate::types::{Address, Digest, MessageId, Timestamp};
use bytes::Bytes;
use std::fmt;

const CPIM: &str = "message/cpim";
/// Parts of a body that are looked at for the CPIM one.
const PARTS_MAX: usize = 16;
/// Longest IMDN-Message-ID that is taken over; a longer one, or one with other than visible ASCII, is replaced.
const ID_MAX: usize = 200;

/// What is appended to a user's message store, and under which names.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The Conversation-ID; empty if there is none, which means the root folder.
    pub folder: String,
    /// As it stands in the header block.
    pub imdn_message_id: String,
    /// The header block with its empty line, and the body unless that follows.
    pub head: Bytes,
    /// The stored body, message/cpim, follows as it is: that of a large message, which nobody holds in memory.
    pub body_follows: bool,
}

/// What it holds is personal data.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("octets", &self.head.len())
            .field("body_follows", &self.body_follows)
            .finish_non_exhaustive()
    }
}

/// Makes the object of a Pager Mode message. The same message always gives the same octets, so that a repeated append can be
/// recognised.
#[must_use]
pub fn object(envelope: &Envelope, body: &Bytes, id: &MessageId, received_at: Timestamp) -> Object {
    let imdn_message_id = imdn_message_id(envelope, id);
    let content = cpim(envelope, body).unwrap_or_else(|| wrapped(envelope, body, &imdn_message_id, received_at));
    let head = block(envelope, &imdn_message_id, received_at).and(&content);
    Object { folder: folder(envelope), imdn_message_id, head, body_follows: false }
}

/// Makes the object of a large message (section 6 of Message Storage, WX-13): its body came as message/cpim and follows as
/// it is. The same message always gives the same octets.
#[must_use]
pub fn large_object(envelope: &Envelope, id: &MessageId, received_at: Timestamp) -> Object {
    let imdn_message_id = imdn_message_id(envelope, id);
    let head = block(envelope, &imdn_message_id, received_at).and(&[]);
    Object { folder: folder(envelope), imdn_message_id, head, body_follows: true }
}

fn folder(envelope: &Envelope) -> String {
    envelope.text(KeptName::ConversationId).map(|value| value.trim().to_owned()).unwrap_or_default()
}

fn block(envelope: &Envelope, imdn_message_id: &str, received_at: Timestamp) -> Block {
    let mut block = Block::default();
    block.line("From", sender(envelope).as_deref().unwrap_or("anonymous"));
    block.line("To", plain_uri(&envelope.request_uri));
    block.copy(envelope, KeptName::Subject);
    block.line("Date", date(envelope, received_at));
    block.line("Message-Context", if envelope.mode == Mode::Large { "multimedia-message" } else { "pager-message" });
    block.line("P-Asserted-Service", service(envelope));
    for name in [KeptName::ConversationId, KeptName::ContributionId, KeptName::InReplyToContributionId] {
        block.copy(envelope, name);
    }
    for value in envelope.all(KeptName::AcceptContact).filter(|value| says_more(&value.text(), service(envelope))) {
        block.line("Accept-Contact", &value.0);
    }
    block.line("IMDN-Message-ID", imdn_message_id);
    block.line("Content-Type", "Message/CPIM");
    block
}

/// Header lines, each of them one line whatever was stored.
#[derive(Default)]
struct Block(Vec<u8>);

impl Block {
    fn line(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let clean: Vec<u8> = value.as_ref().iter().map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect();
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(clean.trim_ascii());
        self.0.extend_from_slice(b"\r\n");
    }

    /// The first stored value, if there is one.
    fn copy(&mut self, envelope: &Envelope, name: KeptName) {
        if let Some(value) = envelope.all(name).next() {
            self.line(name.wire(), &value.0);
        }
    }

    /// Ended by an empty line and followed by this.
    fn and(mut self, content: &[u8]) -> Bytes {
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(content);
        Bytes::from(self.0)
    }
}

/// Who sent it: Referred-By, else the asserted identity; nobody if they asked for anonymity (DEF-1a-iii), or if nobody
/// vouches for them.
fn sender(envelope: &Envelope) -> Option<String> {
    if envelope.anonymous {
        return None;
    }
    let named = [KeptName::ReferredBy, KeptName::PAssertedIdentity];
    let values = named.into_iter().find_map(|name| envelope.text(name))?;
    let first = sip::split_list(&values).next()?;
    let uri = NameAddr::parse(first).map_or_else(|_| first.to_owned(), |address| address.uri);
    Some(plain_uri(&uri))
}

/// A CPM Address without parameters; any other URI as it is.
fn plain_uri(uri: &str) -> String {
    Address::parse(uri).map_or_else(|_| uri.to_owned(), |address| address.as_str().to_owned())
}

/// When it was sent, else when it came, in the form of RFC 5322.
fn date(envelope: &Envelope, received_at: Timestamp) -> String {
    let stored = envelope.text(KeptName::Date).and_then(|date| sip::parse_date(date.trim()));
    stored.unwrap_or(received_at).sip_date().replace(" GMT", " +0000")
}

const fn service(envelope: &Envelope) -> &'static str {
    match envelope.mode {
        Mode::Pager => CPM_MSG,
        Mode::Large => CPM_LARGEMSG,
    }
}

/// Whether an Accept-Contact asks for anything beside the service, which P-Asserted-Service tells already (WX-15-obj
/// has none where WX-1 has only that).
fn says_more(value: &str, service: &str) -> bool {
    let is_service = |contact: &str| {
        NameAddr::parse(contact).is_ok_and(|contact| {
            let known = ["+g.3gpp.icsi-ref", "require", "explicit"];
            contact.params.iter().all(|(name, _)| known.iter().any(|known| name.eq_ignore_ascii_case(known)))
                && tags::services(&contact.params) == [service]
        })
    };
    !sip::split_list(value).all(is_service)
}

/// That of the sender, else one of ours that is always the same for this message, and does not tell its message-URI-ID,
/// which is a bearer name.
fn imdn_message_id(envelope: &Envelope, id: &MessageId) -> String {
    let given = envelope.imdn.as_ref().and_then(|imdn| imdn.message_id.as_deref()).map(str::trim);
    let fits = |id: &&str| !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    given.filter(fits).map_or_else(
        || {
            let mut digest = Digest::of(&[b"imdn-message-id".as_slice(), &id.0].concat()).to_string();
            digest.truncate(32);
            digest
        },
        str::to_owned,
    )
}

/// The CPIM body: the body itself, or the part of it beside a recipient list.
fn cpim(envelope: &Envelope, body: &Bytes) -> Option<Bytes> {
    let parts = sip::parts(&envelope.text(KeptName::ContentType)?, body, PARTS_MAX).ok()?;
    parts.into_iter().find(|part| part.media_type() == CPIM).map(|part| part.body)
}

/// A body that is no CPIM, made one (RFC 3862).
fn wrapped(envelope: &Envelope, body: &Bytes, imdn_message_id: &str, received_at: Timestamp) -> Bytes {
    let mut message = Block::default();
    let from = sender(envelope);
    message.line("From", format!("<{}>", from.as_deref().unwrap_or("sip:anonymous@anonymous.invalid")));
    message.line("To", format!("<{}>", plain_uri(&envelope.request_uri)));
    message.line("NS", "imdn <urn:ietf:params:imdn>");
    message.line("imdn.Message-ID", imdn_message_id);
    message.line("DateTime", received_at.to_string());
    let mut content = Block::default();
    match envelope.all(KeptName::ContentType).next() {
        Some(media) => content.line("Content-Type", &media.0),
        None => content.line("Content-Type", "application/octet-stream"),
    }
    content.line("Content-Length", body.len().to_string());
    message.and(&content.and(body))
}
