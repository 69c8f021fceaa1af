//! Registration information, `application/reginfo+xml` (RFC 3680 section 5): the body of a reg-event NOTIFY (WX-4).

use super::xml::{Document, Element, Limits, XmlError};
use std::fmt;

/// What one NOTIFY tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reginfo {
    /// One more than in the NOTIFY before; a gap means that full state must be asked for (RFC 3680 section 5.1).
    pub version: u64,
    /// Whether it is the whole truth; else what is not named is unchanged.
    pub full: bool,
    pub registrations: Vec<Registration>,
}

/// The state of one address of record.
#[derive(Clone, PartialEq, Eq)]
pub struct Registration {
    pub aor: String,
    pub id: String,
    pub state: RegistrationState,
    pub contacts: Vec<Contact>,
}

/// RFC 3680 section 3: `init` has no contacts yet, `terminated` none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    Init,
    Active,
    Terminated,
}

/// One contact bound to an address of record.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    pub id: String,
    /// `false` if it is terminated.
    pub active: bool,
    pub event: ContactEvent,
    /// Seconds until the binding runs out.
    pub expires: Option<u64>,
    /// The preference in thousandths.
    pub q: Option<u16>,
    pub uri: String,
    /// Call-ID and CSeq of the REGISTER that last changed it.
    pub call_id: Option<String>,
    pub cseq: Option<u32>,
    /// Contact header parameters such as `+sip.instance`, in the order told; values without their quotes and escapes.
    pub params: Vec<(String, String)>,
}

/// What made the contact what it is now (RFC 3680 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactEvent {
    Registered,
    Created,
    Refreshed,
    Shortened,
    Expired,
    Deactivated,
    Probation,
    Unregistered,
    Rejected,
    /// None told, or one that we do not know.
    Other,
}

/// Why a body is no registration information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReginfoError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is not reginfo")]
    Root,
    #[error("the version is missing or no number")]
    Version,
    #[error("the document's state is neither full nor partial")]
    State,
    #[error("a registration has no aor, or its state is not known")]
    Registration,
    #[error("a contact has no uri, or its state is not known")]
    Contact,
}

/// Addresses are personal data.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Registration");
        shown.field("state", &self.state).field("contacts", &self.contacts).finish_non_exhaustive()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Contact");
        shown.field("active", &self.active).field("event", &self.event).field("expires", &self.expires);
        shown.finish_non_exhaustive()
    }
}

impl Contact {
    /// The value of a parameter by its name, in any case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads a body. What it does not know it skips; what it must know and cannot read makes the whole body void, because
/// half a truth about registrations loses messages.
///
/// # Errors
/// [`ReginfoError`] if it is no such document, or one that lacks what must be known.
pub fn read(body: &[u8], limits: &Limits) -> Result<Reginfo, ReginfoError> {
    let document = Document::read(body, limits)?;
    let root = document.root().filter(|root| root.is("reginfo")).ok_or(ReginfoError::Root)?;
    let version = root.attribute("version").and_then(|version| version.trim().parse().ok());
    let full = match root.attribute("state").map(str::trim) {
        Some("full") => true,
        Some("partial") => false,
        _ => return Err(ReginfoError::State),
    };
    let registrations = root.children().filter(|child| child.is("registration")).map(registration);
    Ok(Reginfo {
        version: version.ok_or(ReginfoError::Version)?,
        full,
        registrations: registrations.collect::<Result<_, _>>()?,
    })
}

fn registration(element: Element<'_>) -> Result<Registration, ReginfoError> {
    let state = match element.attribute("state").map(str::trim) {
        Some("init") => RegistrationState::Init,
        Some("active") => RegistrationState::Active,
        Some("terminated") => RegistrationState::Terminated,
        _ => return Err(ReginfoError::Registration),
    };
    let aor = element.attribute("aor").map(str::trim).filter(|aor| !aor.is_empty());
    let contacts = element.children().filter(|child| child.is("contact")).map(contact);
    Ok(Registration {
        aor: aor.ok_or(ReginfoError::Registration)?.to_owned(),
        id: element.attribute("id").unwrap_or_default().to_owned(),
        state,
        contacts: contacts.collect::<Result<_, _>>()?,
    })
}

fn contact(element: Element<'_>) -> Result<Contact, ReginfoError> {
    let active = match element.attribute("state").map(str::trim) {
        Some("active") => true,
        Some("terminated") => false,
        _ => return Err(ReginfoError::Contact),
    };
    let number = |name: &str| element.attribute(name).and_then(|number| number.trim().parse().ok());
    let params = element.children().filter(|child| child.is("unknown-param")).filter_map(|param| {
        let name = param.attribute("name").map(str::trim).filter(|name| !name.is_empty())?;
        Some((name.to_owned(), unquoted(param.text())))
    });
    Ok(Contact {
        id: element.attribute("id").unwrap_or_default().to_owned(),
        active,
        event: element.attribute("event").map_or(ContactEvent::Other, |event| ContactEvent::of(event.trim())),
        expires: number("expires"),
        q: element.attribute("q").and_then(|q| thousandths(q.trim())),
        uri: element.child_text("uri").ok_or(ReginfoError::Contact)?.to_owned(),
        call_id: element.attribute("callid").map(str::to_owned),
        cseq: number("cseq").and_then(|cseq| u32::try_from(cseq).ok()),
        params: params.collect(),
    })
}

impl ContactEvent {
    fn of(text: &str) -> Self {
        match text {
            "registered" => Self::Registered,
            "created" => Self::Created,
            "refreshed" => Self::Refreshed,
            "shortened" => Self::Shortened,
            "expired" => Self::Expired,
            "deactivated" => Self::Deactivated,
            "probation" => Self::Probation,
            "unregistered" => Self::Unregistered,
            "rejected" => Self::Rejected,
            _ => Self::Other,
        }
    }
}

/// `0.5` is 500; `None` unless it is a qvalue (RFC 3261 section 25.1).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = match whole {
        "0" | "" => 0,
        "1" => 1000,
        _ => return None,
    } + format!("{part:0<3}").parse::<u16>().ok()?;
    (value <= 1000 && !text.is_empty() && text != ".").then_some(value)
}

/// The inside of a quoted string, its escapes resolved; other text as it is.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const WX_4: &str = include_str!("../../tests/fixtures/wx/wx-04-notify.sip");

    fn read(body: &str) -> Result<Reginfo, ReginfoError> {
        super::read(body.as_bytes(), &Limits::default())
    }

    #[test]
    fn wx_4_is_read() {
        let info = read(WX_4.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((info.version, info.full, info.registrations.len()), (1, true, 1));
        let registration = &info.registrations[0];
        assert_eq!(registration.aor, "sip:+12025550200@ims.example.net;user=phone");
        assert_eq!((registration.id.as_str(), registration.state), ("r1", RegistrationState::Active));
        let contact = &registration.contacts[0];
        assert_eq!((contact.id.as_str(), contact.active, contact.event), ("c1", true, ContactEvent::Registered));
        assert_eq!((contact.expires, contact.q, contact.cseq), (Some(3600), None, None));
        assert_eq!(contact.uri, "sip:bob@198.51.100.7:5060;transport=tcp");
        assert_eq!(contact.param("+SIP.instance"), Some("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>"));
        let tags = contact.param("+g.3gpp.icsi-ref").unwrap();
        assert!(tags.starts_with("urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg,") && tags.ends_with("systemmsg"));
    }

    #[test]
    fn several_registrations_and_unknown_elements_are_read() {
        let info = read(
            "<reginfo xmlns='urn:ietf:params:xml:ns:reginfo' xmlns:x='urn:x' version='7' state='partial'><x:new/>\
             <registration aor='sip:a@h' id='1' state='init'/>\
             <registration aor='tel:+1' id='2' state='terminated'><contact id='c' state='terminated' event='rejected' \
             q='0.5' callid='abc@h' cseq='9' expires='x'><uri> sip:c@h </uri><display-name>C</display-name>\
             <unknown-param name='methods'>\"A,\\\"B\"</unknown-param><unknown-param name='flag'/>\
             <unknown-param>lost</unknown-param></contact><contact id='d' state='active' event='new'><uri>sip:d@h</uri>\
             </contact></registration></reginfo>",
        )
        .unwrap();
        assert_eq!((info.version, info.full, info.registrations.len()), (7, false, 2));
        assert_eq!(info.registrations[0].state, RegistrationState::Init);
        let [one, other] = &info.registrations[1].contacts[..] else { panic!() };
        assert_eq!((one.active, one.event, one.q, one.expires), (false, ContactEvent::Rejected, Some(500), None));
        assert_eq!((one.call_id.as_deref(), one.cseq, one.uri.as_str()), (Some("abc@h"), Some(9), "sip:c@h"));
        assert_eq!(one.params, [("methods".into(), "A,\"B".into()), ("flag".into(), String::new())]);
        assert_eq!((other.active, other.event), (true, ContactEvent::Other));
    }

    #[test]
    fn half_a_truth_is_refused() {
        let inside = |text: &str| read(&format!("<reginfo version='0' state='full'>{text}</reginfo>")).unwrap_err();
        assert_eq!(read("<x/>"), Err(ReginfoError::Root));
        assert_eq!(read("<reginfo state='full'/>"), Err(ReginfoError::Version));
        assert_eq!(read("<reginfo version='-1' state='full'/>"), Err(ReginfoError::Version));
        assert_eq!(read("<reginfo version='1' state='half'/>"), Err(ReginfoError::State));
        assert_eq!(inside("<registration state='active'/>"), ReginfoError::Registration);
        assert_eq!(inside("<registration aor='sip:a@h'/>"), ReginfoError::Registration);
        let contact = |text: &str| inside(&format!("<registration aor='a' state='active'>{text}</registration>"));
        assert_eq!(contact("<contact state='active'/>"), ReginfoError::Contact);
        assert_eq!(contact("<contact><uri>sip:a@h</uri></contact>"), ReginfoError::Contact);
    }

    #[test]
    fn preferences_are_thousandths() {
        let read = ["0", "0.", "0.25", "1", "1.000", ".5", "1.001", "0.1234", "2", "", ".", "0.x"].map(thousandths);
        let good = [Some(0), Some(0), Some(250), Some(1000), Some(1000), Some(500)];
        assert_eq!(read[..6], good);
        assert_eq!(read[6..], [None; 6]);
    }

    #[test]
    fn debug_shows_no_address() {
        let info = read(WX_4.split_once("\r\n\r\n").unwrap().1).unwrap();
        let text = format!("{info:?}");
        assert!(!text.contains("1202555") && !text.contains("bob") && !text.contains("uuid"), "{text}");
    }
}
