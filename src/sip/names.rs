//! The header names we know: their canonical spelling, their compact forms, and which of them the reader checks.

/// The headers that the reader itself must understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Via,
    From,
    To,
    CallId,
    CSeq,
    MaxForwards,
    ContentLength,
    Other,
}

type Known = (&'static str, Field);

const fn other(name: &'static str) -> Known {
    (name, Field::Other)
}

/// The names by length, so that a look-up compares a handful of them.
#[rustfmt::skip]
static BY_LENGTH: [&[Known]; 30] = [
    &[],
    &[],
    &[("To", Field::To)],
    &[("Via", Field::Via)],
    &[("From", Field::From), ("CSeq", Field::CSeq), other("Date"), other("Path"), other("RSeq"), other("RAck")],
    &[other("Allow"), other("Event"), other("Route")],
    &[other("Accept"), other("Server"), other("Min-SE"), other("Reason")],
    &[("Call-ID", Field::CallId), other("Contact"), other("Expires"), other("Subject"), other("Require"),
      other("Privacy"), other("Warning")],
    &[other("Identity"), other("Reply-To"), other("Refer-To"), other("Priority"), other("Replaces"),
      other("SIP-ETag")],
    &[other("Call-Info"), other("Supported"), other("Timestamp")],
    &[other("User-Agent"), other("Alert-Info"), other("Error-Info"), other("Flow-Timer")],
    &[other("Message-UID"), other("Retry-After"), other("Unsupported"), other("Referred-By"), other("Min-Expires"),
      other("In-Reply-To"), other("Geolocation")],
    &[("Max-Forwards", Field::MaxForwards), other("Content-Type"), other("Record-Route"), other("Organization"),
      other("Allow-Events"), other("MIME-Version"), other("SIP-If-Match"), other("History-Info"),
      other("Feature-Caps")],
    &[other("Authorization"), other("P-Served-User"), other("Proxy-Require"), other("Service-Route")],
    &[("Content-Length", Field::ContentLength), other("Accept-Contact"), other("Reject-Contact")],
    &[other("Conversation-ID"), other("Contribution-ID"), other("Session-Expires"), other("Accept-Encoding"),
      other("Accept-Language"), other("Security-Client"), other("Security-Server"), other("Security-Verify"),
      other("Message-Expires")],
    &[other("Content-Encoding"), other("WWW-Authenticate"), other("Content-Language"), other("P-Associated-URI"),
      other("Session-Replaces")],
    &[other("P-Charging-Vector"), other("P-Called-Party-ID")],
    &[other("P-Asserted-Service"), other("Subscription-State"), other("Proxy-Authenticate")],
    &[other("P-Asserted-Identity"), other("Content-Disposition"), other("Proxy-Authorization"),
      other("Request-Disposition"), other("P-Preferred-Service"), other("Authentication-Info")],
    &[other("P-Preferred-Identity"), other("P-Visited-Network-ID")],
    &[other("P-Access-Network-Info")],
    &[],
    &[],
    &[],
    &[other("InReplyTo-Contribution-ID")],
    &[],
    &[],
    &[],
    &[other("P-Charging-Function-Addresses")],
];

/// The canonical spelling of a header name and what the reader does with it; compact forms (RFC 3261 section 7.3.3
/// and the IANA registry) count. `None` for a name we do not know.
pub(super) fn known(name: &[u8]) -> Option<Known> {
    let list = match name {
        [letter] => return compact(letter.to_ascii_lowercase()),
        _ => BY_LENGTH.get(name.len())?,
    };
    list.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).copied()
}

fn compact(letter: u8) -> Option<Known> {
    Some(match letter {
        b'a' => other("Accept-Contact"),
        b'b' => other("Referred-By"),
        b'c' => other("Content-Type"),
        b'd' => other("Request-Disposition"),
        b'e' => other("Content-Encoding"),
        b'f' => ("From", Field::From),
        b'i' => ("Call-ID", Field::CallId),
        b'j' => other("Reject-Contact"),
        b'k' => other("Supported"),
        b'l' => ("Content-Length", Field::ContentLength),
        b'm' => other("Contact"),
        b'o' => other("Event"),
        b'r' => other("Refer-To"),
        b's' => other("Subject"),
        b't' => ("To", Field::To),
        b'u' => other("Allow-Events"),
        b'v' => ("Via", Field::Via),
        b'x' => other("Session-Expires"),
        b'y' => other("Identity"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_under_its_own_length() {
        for (len, names) in BY_LENGTH.iter().enumerate() {
            for (name, _) in *names {
                assert_eq!(name.len(), len, "{name}");
                assert_eq!(known(name.to_ascii_uppercase().as_bytes()).map(|known| known.0), Some(*name));
            }
        }
    }

    #[test]
    fn compact_forms_are_the_long_names() {
        for letter in b'a'..=b'z' {
            if let Some((name, field)) = known(&[letter]) {
                assert_eq!(known(name.as_bytes()), Some((name, field)));
                assert_eq!(known(&[letter.to_ascii_uppercase()]), Some((name, field)));
            }
        }
        assert_eq!(known(b"v"), Some(("Via", Field::Via)));
        assert_eq!(known(b"X-Mine"), None);
    }
}
