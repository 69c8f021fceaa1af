//! A disposition notification in its CPIM wrapper, written as WX-14 has it (RFC 3862, RFC 5438 section 7.2.1.1).

/// The message headers around a notification.
#[derive(Clone, Copy)]
pub struct Notification<'a> {
    /// Whom the notified message was for: a URI, or a CPIM address (`Name <URI>`) as it stands in the message.
    pub from: &'a str,
    /// Who gets the notification: the CPIM From of the message, in either form.
    pub to: &'a str,
    /// Its own `imdn.Message-ID`, not that of the message it is about.
    pub message_id: &'a str,
    /// When it was made, RFC 3339.
    pub date_time: &'a str,
    /// `IMDN-Record-Route` of the message. They become `IMDN-Route` of the notification in the same order, and there is
    /// no IMDN-Record-Route in a notification (RFC 5438 section 8). See [`Notification::next_hop`].
    pub record_routes: &'a [String],
}

impl Notification<'_> {
    /// The URI the notification is sent to when intermediaries asked to be passed: that of the first IMDN-Route. `None`:
    /// to the sender of the message.
    #[must_use]
    pub fn next_hop(&self) -> Option<&str> {
        self.record_routes.first().map(|route| uri(route))
    }

    /// The `message/cpim` body around `content`, which is of this media type. An IMDN asks for no IMDN, so there is no
    /// Disposition-Notification.
    #[must_use]
    pub fn wrap(&self, content_type: &str, content: &[u8]) -> Vec<u8> {
        let mut head = String::new();
        let mut line = |name: &str, value: &str| head.extend([name, ": ", &one_line(value), "\r\n"]);
        line("From", &address(self.from));
        line("To", &address(self.to));
        line("NS", "imdn <urn:ietf:params:imdn>");
        line("imdn.Message-ID", self.message_id);
        line("DateTime", self.date_time);
        for route in self.record_routes {
            line("imdn.IMDN-Route", &address(route));
        }
        head.push_str("\r\n");
        let mut line = |name: &str, value: &str| head.extend([name, ": ", &one_line(value), "\r\n"]);
        line("Content-Type", content_type);
        line("Content-Disposition", "notification");
        line("Content-Length", &content.len().to_string());
        head.push_str("\r\n");
        [head.as_bytes(), content].concat()
    }
}

/// In angle brackets unless it has them.
fn address(text: &str) -> String {
    if text.contains('<') { text.to_owned() } else { format!("<{}>", text.trim()) }
}

/// What stands in the angle brackets; a text without them is itself.
fn uri(address: &str) -> &str {
    let inner = address.rsplit_once('<').map_or(address, |(_, rest)| rest.split('>').next().unwrap_or_default());
    inner.trim()
}

/// Control characters, line ends above all, cannot add a header: they are left out.
fn one_line(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use proptest::prelude::*;

    const WX_14: &str = include_str!("../../tests/fixtures/wx/wx-14-imdn.sip");

    const NOTIFICATION: Notification<'_> = Notification {
        from: "sip:+12025550200@ims.example.net",
        to: "<sip:+12025550100@ims.example.net>",
        message_id: "Zf03Nq8wKd51",
        date_time: "2010-03-03T09:14:08Z",
        record_routes: &[],
    };

    #[test]
    fn wx_14_is_wrapped_octet_for_octet() {
        let body = WX_14.split_once("\r\n\r\n").unwrap().1;
        let content = &body[body.find("<?xml").unwrap()..];
        let wrapped = NOTIFICATION.wrap("message/imdn+xml", content.as_bytes());
        assert_eq!(String::from_utf8(wrapped).unwrap(), body);
    }

    #[test]
    fn record_routes_become_routes_in_their_order_and_the_first_is_the_next_hop() {
        let routes = ["<sip:r1@h;lr>".to_owned(), "sip:r2@h".to_owned()];
        let notification = Notification { record_routes: &routes, ..NOTIFICATION };
        let text = String::from_utf8(notification.wrap("message/imdn+xml", b"")).unwrap();
        let lines = "\r\nimdn.IMDN-Route: <sip:r1@h;lr>\r\nimdn.IMDN-Route: <sip:r2@h>\r\n\r\nContent-Type";
        assert!(text.contains(lines) && !text.contains("Record-Route"), "{text}");
        assert_eq!((notification.next_hop(), NOTIFICATION.next_hop()), (Some("sip:r1@h;lr"), None));
    }

    proptest! {
        #[test]
        fn no_value_can_add_a_header(value in "[\r\n a-z:<>é]{0,30}") {
            let routes = [value.clone()];
            let notification = Notification { from: &value, to: &value, message_id: &value, date_time: &value, record_routes: &routes };
            let wrapped = notification.wrap(&value, b"content");
            let (head, content) = std::str::from_utf8(&wrapped).unwrap().rsplit_once("\r\n\r\n").unwrap();
            prop_assert_eq!((head.lines().count(), content), (10, "content"));
            prop_assert!(read(&wrapped).is_some());
        }
    }
}
