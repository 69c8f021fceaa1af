//! Messages as octets. `Content-Length` is always ours and always one; no value can break out of its line.

use super::message::{Headers, Message, Request, Response};
use super::via::is_token;
use bytes::Bytes;
use memchr::memchr2;
use std::io::Write as _;

impl Request {
    /// The request on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(size_hint(&self.headers, &self.body) + self.uri.len());
        self.write_to(&mut out);
        out.into()
    }

    /// Appends the request as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend(self.method.as_str().bytes().filter(|b| is_token(*b)));
        out.push(b' ');
        write_uri(out, &self.uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(out, &self.headers, &self.body);
    }
}

impl Response {
    /// The response on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(size_hint(&self.headers, &self.body) + self.reason.len());
        self.write_to(&mut out);
        out.into()
    }

    /// Appends the response as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0 ");
        write_number(out, usize::from(self.status));
        out.push(b' ');
        write_value(out, self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        write_rest(out, &self.headers, &self.body);
    }
}

impl Message {
    /// The message on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Appends the message as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write_to(out),
            Self::Response(response) => response.write_to(out),
        }
    }
}

fn size_hint(headers: &Headers, body: &Bytes) -> usize {
    let lines: usize = headers.iter().map(|header| header.name.len() + header.value.len() + 4).sum();
    lines + body.len() + 64
}

fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &Bytes) {
    let mut told = false;
    for header in headers {
        if header.name.eq_ignore_ascii_case("Content-Length") {
            // In its place, so that what was read prints back as it was.
            if !told {
                write_length(out, body.len());
                told = true;
            }
            continue;
        }
        out.extend(header.name.bytes().filter(|b| is_token(*b)));
        out.extend_from_slice(b": ");
        write_value(out, &header.value);
        out.extend_from_slice(b"\r\n");
    }
    if !told {
        write_length(out, body.len());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(b"Content-Length: ");
    write_number(out, length);
    out.extend_from_slice(b"\r\n");
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    // A Vec takes everything.
    let _ = write!(out, "{number}");
}

/// A line end inside a value would begin a header of its own: it becomes a space.
fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    if memchr2(b'\r', b'\n', value).is_none() {
        return out.extend_from_slice(value);
    }
    out.extend(value.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
}

/// White space and line ends inside a Request-URI would end it: they are percent-escaped.
fn write_uri(out: &mut Vec<u8>, uri: &str) {
    for byte in uri.bytes() {
        if byte <= b' ' || byte == 0x7f {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
