//! The CPIM wrapper of a message (RFC 3862) with the headers of IMDN (RFC 5438): read, and written for notifications.

mod print;

pub use print::Notification;

use std::fmt;

/// Longest block of CPIM headers that is looked at, octets. What is beyond it is stored with the body all the same.
pub const HEADER_BYTES_MAX: usize = 8 << 10;
/// Most CPIM header lines that are looked at.
pub const HEADER_LINES_MAX: usize = 64;

/// The namespace of IMDN headers (RFC 5438 section 6).
const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";

/// The message headers of a `message/cpim` body: those of the CPIM core and those of the IMDN namespace.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CpimHeaders {
    pub from: Option<String>,
    pub to: Option<String>,
    pub date_time: Option<String>,
    pub message_id: Option<String>,
    /// `imdn.Disposition-Notification`, item by item, in lower case.
    pub dispositions: Vec<String>,
    pub original_to: Option<String>,
    pub record_routes: Vec<String>,
}

/// Its addresses are personal data.
impl fmt::Debug for CpimHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CpimHeaders");
        shown.field("message_id", &self.message_id).field("dispositions", &self.dispositions).finish_non_exhaustive()
    }
}

/// Reads the message headers of a `message/cpim` body; `None` if there is no header block at all. Liberal: what cannot
/// be read is left out, because the body is stored and sent on octet for octet anyway.
#[must_use]
pub fn read(body: &[u8]) -> Option<CpimHeaders> {
    let lines = header_lines(body)?;
    let prefixes: Vec<&str> = lines.iter().filter_map(|(name, value)| imdn_prefix(name, value)).collect();
    let mut headers = CpimHeaders::default();
    for (name, value) in &lines {
        match name.split_once('.') {
            Some((prefix, name)) if prefixes.contains(&prefix) => headers.take_imdn(name, value),
            Some(_) => {}
            None => {
                headers.take_core(name, value);
                // A declaration without prefix is for the names without one (RFC 3862 section 3.4).
                if prefixes.contains(&"") {
                    headers.take_imdn(name, value);
                }
            }
        }
    }
    Some(headers)
}

impl CpimHeaders {
    /// Header names of CPIM are case-sensitive (RFC 3862 section 2.4); real clients err, so case is ignored here.
    fn take_core(&mut self, name: &str, value: &str) {
        let slot = match name.to_ascii_lowercase().as_str() {
            "from" => &mut self.from,
            "to" => &mut self.to,
            "datetime" => &mut self.date_time,
            _ => return,
        };
        slot.get_or_insert_with(|| value.to_owned());
    }

    fn take_imdn(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "message-id" => self.message_id = self.message_id.take().or_else(|| Some(value.to_owned())),
            "original-to" => self.original_to = self.original_to.take().or_else(|| Some(value.to_owned())),
            "imdn-record-route" => self.record_routes.push(value.to_owned()),
            "disposition-notification" => {
                let items = value.split(',').map(|item| item.trim().to_ascii_lowercase());
                self.dispositions.extend(items.filter(|item| !item.is_empty()));
            }
            _ => {}
        }
    }
}

/// `NS: imdn <urn:ietf:params:imdn>` declares a prefix; any prefix is legal (RFC 3862 section 3.4).
fn imdn_prefix<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    if !name.eq_ignore_ascii_case("NS") {
        return None;
    }
    let (prefix, uri) = value.split_once('<')?;
    (uri.trim_end().trim_end_matches('>').trim() == IMDN_NAMESPACE).then(|| prefix.trim())
}

/// The header lines up to the first empty one.
fn header_lines(body: &[u8]) -> Option<Vec<(&str, &str)>> {
    let head = &body[..body.len().min(HEADER_BYTES_MAX)];
    let mut lines = Vec::new();
    for line in head.split(|octet| *octet == b'\n').take(HEADER_LINES_MAX) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let read = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':'));
        lines.extend(read.map(|(name, value)| (name.trim(), value.trim())));
    }
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WX_1: &[u8] = b"From: <sip:+12025550100@ims.example.net>\r\nTo: <sip:+12025550200@ims.example.net>\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: Mk7xQ2b9LhT0\r\nDateTime: 2010-03-02T09:14:07Z\r\n\
        imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\nFrom: not a header\r\n";

    #[test]
    fn def_1b_the_imdn_headers_of_wx_1_are_read() {
        let headers = read(WX_1).unwrap();
        assert_eq!(headers.message_id.as_deref(), Some("Mk7xQ2b9LhT0"));
        assert_eq!(headers.date_time.as_deref(), Some("2010-03-02T09:14:07Z"));
        assert_eq!(headers.dispositions, ["positive-delivery", "negative-delivery"]);
        assert_eq!(headers.from.as_deref(), Some("<sip:+12025550100@ims.example.net>"));
    }

    #[test]
    fn any_prefix_may_stand_for_the_imdn_namespace() {
        let other = read(b"NS: x <urn:ietf:params:imdn>\nx.Message-ID: 1\nimdn.Message-ID: 2\n\n").unwrap();
        assert_eq!(other.message_id.as_deref(), Some("1"));
        assert_eq!(read(b"imdn.Message-ID: 2\r\n\r\n").unwrap().message_id, None, "an undeclared prefix means nothing");
    }

    #[test]
    fn def_1b_a_declaration_without_prefix_is_for_names_without_one() {
        let headers = read(b"From: <im:a@b>\r\nNS: <urn:ietf:params:imdn>\r\nMessage-ID: 1\r\n\r\n").unwrap();
        assert_eq!((headers.message_id.as_deref(), headers.from.as_deref()), (Some("1"), Some("<im:a@b>")));
        let other = read(b"NS: <http://www.openmobilealliance.org/cpm/>\r\nMessage-ID: 1\r\n\r\n").unwrap();
        assert_eq!(other.message_id, None, "another namespace");
    }

    #[test]
    fn def_1b_all_headers_that_imdn_needs_are_read_whatever_their_case_and_order() {
        let headers = read(
            b"imdn.message-id: 1\nimdn.Original-To: <sip:o@h>\nimdn.IMDN-Record-Route: <sip:r1@h>\n\
            imdn.IMDN-Record-Route: <sip:r2@h>\nimdn.Disposition-Notification: Display, ,PROCESSING\n\
            imdn.Disposition-Notification: interworking\ndatetime: 2010-03-02T09:14:07Z\n\
            NS: imdn <urn:ietf:params:imdn>\nNS: cpm <http://www.openmobilealliance.org/cpm/>\ncpm.Message-ID: 2\n\n",
        );
        let headers = headers.unwrap();
        assert_eq!(headers.message_id.as_deref(), Some("1"), "the first, and not that of another namespace");
        assert_eq!(headers.original_to.as_deref(), Some("<sip:o@h>"));
        assert_eq!(headers.record_routes, ["<sip:r1@h>", "<sip:r2@h>"]);
        assert_eq!(headers.dispositions, ["display", "processing", "interworking"]);
        assert_eq!(headers.date_time.as_deref(), Some("2010-03-02T09:14:07Z"));
    }

    #[test]
    fn what_stands_behind_the_limits_is_not_read() {
        let long = [b"X: ".to_vec(), vec![b'x'; HEADER_BYTES_MAX], b"\r\nFrom: <sip:a@h>\r\n\r\n".to_vec()].concat();
        assert_eq!(read(&long).unwrap().from, None);
        let many = [b"X: y\r\n".repeat(HEADER_LINES_MAX), b"From: <sip:a@h>\r\n\r\n".to_vec()].concat();
        assert_eq!(read(&many).unwrap().from, None);
        let content = read(b"To: <sip:a@h>\r\n\r\nFrom: <sip:b@h>\r\n").unwrap();
        assert_eq!((content.to.as_deref(), content.from), (Some("<sip:a@h>"), None), "nor what is behind the headers");
    }

    #[test]
    fn what_is_no_cpim_is_left_alone() {
        assert_eq!(read(b""), None);
        assert_eq!(read(b"hello"), None);
        assert_eq!(read(&[0xff; 100]), None);
        assert!(read(&b"a: b\r\n".repeat(10_000)).is_some(), "read up to the limit");
    }
}
