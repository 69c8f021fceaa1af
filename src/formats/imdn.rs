//! Disposition notifications, `message/imdn+xml` (RFC 5438 section 11): read with tolerance, written as WX-14 has them.
//!
//! The CPIM wrapper around them is written by `cpim::Notification`.

use super::xml::{Document, Element, Limits, XmlError};
use super::xml_out::Writer;
use std::fmt;

/// The media type of these documents.
pub const CONTENT_TYPE: &str = "message/imdn+xml";
const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// One notification about one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Imdn {
    /// `imdn.Message-ID` of the message it is about.
    pub message_id: String,
    /// The `DateTime` of that message (not of the notification), as it stood there.
    pub date_time: Option<String>,
    pub recipient: Option<Recipient>,
    pub kind: Kind,
    pub status: Status,
}

/// Whom the message was for: the schema has both or none, so that one without the other cannot be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    /// `recipient-uri`: where the message went.
    pub uri: String,
    /// `original-recipient-uri`: the one the sender wrote; the same if no one has changed it.
    pub original: String,
}

/// What is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Delivery,
    Display,
    Processing,
}

/// What is told. Not every status goes with every kind; the reader takes what comes. CPM's own
/// `interworking-notification` (spec 1.2) is the ISF's affair and neither written nor read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Delivered,
    Failed,
    Displayed,
    Processed,
    /// Kept for later (I-17: what a setting may send in place of `Delivered`).
    Stored,
    Forbidden,
    Error,
}

/// Why a body is no disposition notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImdnError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is not imdn")]
    Root,
    #[error("the notification does not say which message it is about")]
    MessageId,
    #[error("the notification has no status that is known")]
    Status,
}

/// Its addresses are personal data.
impl fmt::Debug for Imdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Imdn");
        shown.field("message_id", &self.message_id).field("kind", &self.kind).field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(…)")
    }
}

impl Kind {
    const ALL: [Self; 3] = [Self::Delivery, Self::Display, Self::Processing];

    const fn element(self) -> &'static str {
        match self {
            Self::Delivery => "delivery-notification",
            Self::Display => "display-notification",
            Self::Processing => "processing-notification",
        }
    }
}

impl Status {
    const ALL: [Self; 7] =
        [Self::Delivered, Self::Failed, Self::Displayed, Self::Processed, Self::Stored, Self::Forbidden, Self::Error];

    const fn element(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Displayed => "displayed",
            Self::Processed => "processed",
            Self::Stored => "stored",
            Self::Forbidden => "forbidden",
            Self::Error => "error",
        }
    }
}

impl Imdn {
    /// The document, elements in the schema's order. A `datetime` is mandatory there: without one an empty one is written.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.open("imdn", &[("xmlns", NAMESPACE)]);
        writer.leaf("message-id", &self.message_id);
        writer.leaf("datetime", self.date_time.as_deref().unwrap_or_default());
        if let Some(recipient) = &self.recipient {
            writer.leaf("recipient-uri", &recipient.uri);
            writer.leaf("original-recipient-uri", &recipient.original);
        }
        writer.open(self.kind.element(), &[]);
        writer.open("status", &[]);
        writer.leaf(self.status.element(), "");
        writer.finish()
    }

    /// Reads a document: the order of its elements, other namespaces and what is unknown do not matter.
    ///
    /// # Errors
    /// [`ImdnError`] if it is no notification, or one of which the message or the status cannot be told.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Self, ImdnError> {
        let document = Document::read(body, limits)?;
        let root = document.root().filter(|root| root.is("imdn")).ok_or(ImdnError::Root)?;
        let text = |name: &str| root.child_text(name).map(str::to_owned);
        let (kind, status) = status(root).ok_or(ImdnError::Status)?;
        // One without the other breaks the schema; it says enough to be read as both.
        let recipient = match (text("recipient-uri"), text("original-recipient-uri")) {
            (None, None) => None,
            (Some(uri), Some(original)) => Some(Recipient { uri, original }),
            (Some(uri), None) | (None, Some(uri)) => Some(Recipient { original: uri.clone(), uri }),
        };
        Ok(Self {
            message_id: text("message-id").ok_or(ImdnError::MessageId)?,
            date_time: text("datetime"),
            recipient,
            kind,
            status,
        })
    }
}

fn status(root: Element<'_>) -> Option<(Kind, Status)> {
    let (kind, notification) =
        Kind::ALL.into_iter().find_map(|kind| root.child(kind.element()).map(|found| (kind, found)))?;
    let mut told = notification.child("status")?.children();
    let status = told.find_map(|told| Status::ALL.into_iter().find(|status| told.is(status.element())))?;
    Some((kind, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WX_14: &str = include_str!("../../tests/fixtures/wx/wx-14-imdn.sip");

    fn wx_14() -> &'static str {
        WX_14.split("Content-Length: 419\r\n\r\n").nth(1).unwrap()
    }

    fn failed() -> Imdn {
        let bob = "sip:+12025550200@ims.example.net".to_owned();
        Imdn {
            message_id: "Mk7xQ2b9LhT0".to_owned(),
            date_time: Some("2010-03-02T09:14:07Z".to_owned()),
            recipient: Some(Recipient { uri: bob.clone(), original: bob }),
            kind: Kind::Delivery,
            status: Status::Failed,
        }
    }

    fn read(body: &str) -> Result<Imdn, ImdnError> {
        Imdn::read(body.as_bytes(), &Limits::default())
    }

    #[test]
    fn wx_14_is_written_octet_for_octet_and_read() {
        assert_eq!(String::from_utf8(failed().print()).unwrap(), wx_14());
        assert_eq!(read(wx_14()), Ok(failed()));
    }

    #[test]
    fn wx_14_with_delivered_for_failed_is_three_octets_longer() {
        let delivered = Imdn { status: Status::Delivered, ..failed() }.print();
        assert_eq!(delivered.len(), wx_14().len() + 3);
    }

    #[test]
    fn i_17_stored_is_told_as_a_processing_notification() {
        let stored = Imdn { kind: Kind::Processing, status: Status::Stored, recipient: None, ..failed() };
        let text = String::from_utf8(stored.print()).unwrap();
        assert!(text.contains(" <processing-notification>\r\n  <status>\r\n   <stored/>\r\n"), "{text}");
        assert!(!text.contains("recipient-uri"), "both or none");
        assert_eq!(read(&text), Ok(stored));
    }

    #[test]
    fn other_prefixes_orders_and_unknown_elements_are_read() {
        let text = "<i:imdn xmlns:i='urn:x' xmlns:z='urn:z'><z:new/><i:display-notification><i:status><z:note/><i:displayed/>\
            </i:status></i:display-notification><i:message-id> 1 </i:message-id>\
            <i:recipient-uri>sip:b@h</i:recipient-uri></i:imdn>";
        let imdn = read(text).unwrap();
        assert_eq!((imdn.kind, imdn.status, imdn.message_id.as_str()), (Kind::Display, Status::Displayed, "1"));
        assert_eq!((imdn.date_time, imdn.recipient.unwrap().original.as_str()), (None, "sip:b@h"));
    }

    #[test]
    fn what_tells_nothing_is_refused() {
        assert_eq!(read("<x/>"), Err(ImdnError::Root));
        assert_eq!(read("<imdn/>"), Err(ImdnError::Status));
        let no_id = "<imdn><delivery-notification><status><failed/></status></delivery-notification></imdn>";
        assert_eq!(read(no_id), Err(ImdnError::MessageId));
        let unknown = "<imdn><message-id>1</message-id><delivery-notification><status><lost/></status>\
            </delivery-notification></imdn>";
        assert_eq!(read(unknown), Err(ImdnError::Status));
        assert_eq!(read("<imdn>"), Err(ImdnError::Xml(XmlError::Open)));
    }

    #[test]
    fn debug_shows_no_address() {
        assert!(!format!("{:?} {:?}", failed(), failed().recipient).contains("1202555"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            id in "[!-~]{1,32}",
            date in "[ -~]{0,30}",
            uri in proptest::option::of("[!-~é]{1,40}"),
            kind in 0usize..3,
            status in 0usize..7,
        ) {
            let imdn = Imdn {
                message_id: id,
                date_time: Some(date.trim().to_owned()).filter(|date| !date.is_empty()),
                recipient: uri.map(|uri| Recipient { original: uri.clone(), uri }),
                kind: Kind::ALL[kind],
                status: Status::ALL[status],
            };
            prop_assert_eq!(Imdn::read(&imdn.print(), &Limits::default()), Ok(imdn));
        }
    }
}
