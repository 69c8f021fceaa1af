//! The body of a system message that tells of deferred messages: `application/msginfo+xml` (spec 1.8, WX-5).
//!
//! Appendix I.2 of the standard could not be had; this vocabulary is its best surviving trace. So the body stands behind
//! [`NotificationFormat`], and another is one variant more.

use super::datetime::{parse_rfc3339, rfc3339};
use super::xml::{Document, Element, Limits, XmlError};
use super::xml_out::Writer;
use crate::types::Timestamp;
use std::fmt;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:msginfo";
/// Ours, for what the vocabulary has no words for: `outcome` and `uid` of an expired message (EXP-2a-ii, EXP-2b-ii). As
/// attributes of a foreign namespace, so that a strict reader still takes the document.
pub const EXTENSION_NAMESPACE: &str = "urn:x-restante:msginfo:1";

/// How notifications are written. One so far; a setting may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotificationFormat {
    #[default]
    Msginfo,
}

/// The messages that one notification tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageList {
    /// How many there are; more than are listed if the body has no room for all.
    pub number: u64,
    pub messages: Vec<Listed>,
}

/// One message in a notification (MNG-N1f, MNG-N1g).
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// The message-URI-ID.
    pub reference: String,
    /// When it was received; written in whole seconds, as `expiry`.
    pub date_time: Timestamp,
    /// Octets of the body.
    pub size: u64,
    pub expiry: Timestamp,
    pub subject: Option<String>,
    /// The sender's address; `None` if the sender is anonymous.
    pub from: Option<String>,
    pub to: Option<String>,
    /// Set if the notification tells of its expiry.
    pub outcome: Option<Outcome>,
}

/// What became of a message that expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Discarded,
    /// In the message store, with the UID that it has in its folder if the store told one.
    Stored {
        uid: Option<u32>,
    },
}

/// Why a body is no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsginfoError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is not message-list")]
    Root,
    #[error("more than {0} messages are listed")]
    TooMany(usize),
    #[error("a message has no message-reference")]
    Reference,
    #[error("the number of messages, a size, a date or an outcome cannot be read")]
    Value,
}

/// Addresses and subject are personal data.
impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Listed");
        shown.field("reference", &self.reference).field("size", &self.size).field("expiry", &self.expiry);
        shown.field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl NotificationFormat {
    /// The Content-Type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Msginfo => "application/msginfo+xml",
        }
    }

    /// The body.
    #[must_use]
    pub fn print(self, list: &MessageList) -> Vec<u8> {
        match self {
            Self::Msginfo => print(list),
        }
    }

    /// Reads a body back: for clients as ours in the demonstration, and for tests.
    ///
    /// # Errors
    /// [`MsginfoError`] if it is no notification or lists more than `messages_max`.
    pub fn read(self, body: &[u8], limits: &Limits, messages_max: usize) -> Result<MessageList, MsginfoError> {
        match self {
            Self::Msginfo => read(body, limits, messages_max),
        }
    }
}

fn print(list: &MessageList) -> Vec<u8> {
    let mut writer = Writer::new();
    let number = list.number.to_string();
    let plain = [("xmlns", NAMESPACE), ("number", number.as_str())];
    let extended = [("xmlns", NAMESPACE), ("xmlns:r", EXTENSION_NAMESPACE), ("number", number.as_str())];
    let is_extended = list.messages.iter().any(|message| message.outcome.is_some());
    writer.open("message-list", if is_extended { &extended } else { &plain });
    for message in &list.messages {
        print_message(&mut writer, message);
    }
    writer.finish()
}

fn print_message(writer: &mut Writer, message: &Listed) {
    let (date_time, uid) = (rfc3339(message.date_time), message.outcome.and_then(Outcome::uid));
    let mut attributes = vec![("date-time", date_time.as_str()), ("message-reference", message.reference.as_str())];
    if let Some(outcome) = message.outcome {
        attributes.push(("r:outcome", outcome.name()));
    }
    let uid = uid.map(|uid| uid.to_string());
    if let Some(uid) = &uid {
        attributes.push(("r:uid", uid));
    }
    writer.open("message", &attributes);
    writer.leaf("size", &message.size.to_string());
    writer.leaf("expiry", &rfc3339(message.expiry));
    if let Some(subject) = &message.subject {
        writer.leaf("subject", subject);
    }
    writer.open("info", &[]);
    for (name, address) in [("from", &message.from), ("to", &message.to)] {
        if let Some(address) = address {
            writer.leaf(name, address);
        }
    }
    writer.close();
    writer.close();
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Discarded => "discarded",
            Self::Stored { .. } => "stored",
        }
    }

    const fn uid(self) -> Option<u32> {
        match self {
            Self::Discarded => None,
            Self::Stored { uid } => uid,
        }
    }
}

fn read(body: &[u8], limits: &Limits, messages_max: usize) -> Result<MessageList, MsginfoError> {
    let document = Document::read(body, limits)?;
    let root = document.root().filter(|root| root.is("message-list")).ok_or(MsginfoError::Root)?;
    let mut messages = Vec::new();
    for element in root.children().filter(|child| child.is("message")) {
        if messages.len() >= messages_max {
            return Err(MsginfoError::TooMany(messages_max));
        }
        messages.push(read_message(element)?);
    }
    let number = root.attribute("number").map_or(Ok(messages.len() as u64), |number| number.trim().parse());
    Ok(MessageList { number: number.map_err(|_| MsginfoError::Value)?, messages })
}

fn read_message(element: Element<'_>) -> Result<Listed, MsginfoError> {
    let date = |text: Option<&str>| text.and_then(parse_rfc3339).ok_or(MsginfoError::Value);
    let info = element.child("info");
    let address = |name: &str| info.and_then(|info| info.child_text(name)).map(str::to_owned);
    let reference = element.attribute("message-reference").map(str::trim).filter(|text| !text.is_empty());
    Ok(Listed {
        reference: reference.ok_or(MsginfoError::Reference)?.to_owned(),
        date_time: date(element.attribute("date-time"))?,
        size: element.child_text("size").and_then(|size| size.parse().ok()).ok_or(MsginfoError::Value)?,
        expiry: date(element.child_text("expiry"))?,
        subject: element.child_text("subject").map(str::to_owned),
        from: address("from"),
        to: address("to"),
        outcome: outcome(element)?,
    })
}

fn outcome(element: Element<'_>) -> Result<Option<Outcome>, MsginfoError> {
    let ours = |name: &str| {
        let mut all = element.attributes();
        all.find(|(local, namespace, _)| *local == name && *namespace == Some(EXTENSION_NAMESPACE)).map(|(.., v)| v)
    };
    let uid = ours("uid").map(|uid| uid.parse().map_err(|_| MsginfoError::Value)).transpose()?;
    match ours("outcome") {
        None => Ok(None),
        Some("discarded") => Ok(Some(Outcome::Discarded)),
        Some("stored") => Ok(Some(Outcome::Stored { uid })),
        Some(_) => Err(MsginfoError::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WX_5: &str = include_str!("../../tests/fixtures/wx/wx-05-system-message.sip");
    const FORMAT: NotificationFormat = NotificationFormat::Msginfo;

    fn wx_5() -> &'static str {
        WX_5.split_once("\r\n\r\n").unwrap().1
    }

    fn at(text: &str) -> Timestamp {
        parse_rfc3339(text).unwrap()
    }

    fn two() -> MessageList {
        let first = Listed {
            reference: "sip:9f2c41d07be5@pf.ims.example.net".to_owned(),
            date_time: at("2010-03-02T09:14:07Z"),
            size: 340,
            expiry: at("2010-03-03T09:14:07Z"),
            subject: None,
            from: Some("sip:+12025550100@ims.example.net".to_owned()),
            to: Some("sip:+12025550200@ims.example.net".to_owned()),
            outcome: None,
        };
        let second = Listed {
            reference: "sip:0b77aa10c3d8@pf.ims.example.net".to_owned(),
            date_time: at("2010-03-02T09:20:41Z"),
            size: 641,
            expiry: at("2010-03-09T09:20:41Z"),
            subject: Some("Photos".to_owned()),
            ..first.clone()
        };
        MessageList { number: 2, messages: vec![first, second] }
    }

    fn read(body: &[u8]) -> Result<MessageList, MsginfoError> {
        FORMAT.read(body, &Limits::default(), 100)
    }

    #[test]
    fn wx_5_is_written_octet_for_octet_and_read() {
        assert_eq!(String::from_utf8(FORMAT.print(&two())).unwrap(), wx_5());
        assert_eq!(read(wx_5().as_bytes()), Ok(two()));
        assert_eq!(FORMAT.content_type(), "application/msginfo+xml");
    }

    #[test]
    fn exp_2b_ii_an_expired_message_is_told_with_its_outcome_and_uid() {
        let outcomes = [Outcome::Discarded, Outcome::Stored { uid: Some(42) }, Outcome::Stored { uid: None }];
        for outcome in outcomes {
            let listed = Listed { outcome: Some(outcome), from: None, ..two().messages.remove(0) };
            let list = MessageList { number: 1, messages: vec![listed] };
            let text = String::from_utf8(FORMAT.print(&list)).unwrap();
            assert!(text.contains(&format!(" xmlns:r=\"{EXTENSION_NAMESPACE}\" number=\"1\">")), "{text}");
            assert!(text.contains(&format!(" r:outcome=\"{}\"", outcome.name())), "{text}");
            assert_eq!(text.contains(" r:uid=\"42\""), outcome == Outcome::Stored { uid: Some(42) });
            assert_eq!(read(text.as_bytes()), Ok(list));
        }
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        assert_eq!(read(b"<x/>"), Err(MsginfoError::Root));
        assert_eq!(read(b"<message-list><message/></message-list>"), Err(MsginfoError::Reference));
        assert_eq!(read(b"<message-list number='x'/>"), Err(MsginfoError::Value));
        assert_eq!(FORMAT.read(wx_5().as_bytes(), &Limits::default(), 1), Err(MsginfoError::TooMany(1)));
        assert_eq!(read(b"<message-list/>"), Ok(MessageList::default()));
    }

    #[test]
    fn debug_shows_no_address_and_no_subject() {
        let text = format!("{:?}", two());
        assert!(!text.contains("1202555") && !text.contains("Photos"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            reference in "sip:[0-9a-f]{32}@[a-z.]{1,20}",
            times in (0u64..4_000_000_000, 0u64..4_000_000_000),
            size in any::<u64>(),
            subject in proptest::option::of("[!-~é]([ -~é]{0,20}[!-~é])?"),
            from in proptest::option::of("[!-~]{1,40}"),
            outcome in proptest::option::of(proptest::option::of(any::<u32>())),
            number in any::<u64>(),
        ) {
            let outcome = outcome.map(|uid| uid.map_or(Outcome::Discarded, |uid| Outcome::Stored { uid: Some(uid) }));
            let (date_time, expiry) = (Timestamp::from_secs(times.0), Timestamp::from_secs(times.1));
            let listed = Listed { reference, date_time, size, expiry, subject, to: from.clone(), from, outcome };
            let list = MessageList { number, messages: vec![listed.clone(), listed] };
            prop_assert_eq!(read(&FORMAT.print(&list)), Ok(list));
        }
    }
}
