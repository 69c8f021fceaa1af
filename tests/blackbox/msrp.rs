//! MSRP by hand (RFC 4975): frames on a TCP connection, from plain sockets. It shares no code with the server.

use crate::ua::{PATIENCE, unique};
use memchr::memmem;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A request or a response.
#[derive(Clone, Debug)]
pub struct Frame {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// `$`, `+` or `#`.
    pub flag: char,
}

impl Frame {
    /// The first one in these octets, and how many it takes; `None` if it is not whole yet.
    fn parse(octets: &[u8]) -> Option<(Self, usize)> {
        let line = memmem::find(octets, b"\r\n")?;
        let start = std::str::from_utf8(&octets[..line]).expect("a start line").to_owned();
        let end_line = format!("\r\n-------{}", start.split(' ').nth(1).expect("a transaction"));
        // The end of an empty header block is that of the frame.
        let end = line + memmem::find(&octets[line..], end_line.as_bytes())?;
        let after = end + end_line.len();
        let flag = char::from(*octets.get(after..after + 3)?.first()?);
        let inside = octets.get(line + 2..end).unwrap_or_default();
        let (head, body) = match memmem::find(inside, b"\r\n\r\n") {
            Some(blank) => (&inside[..blank], &inside[blank + 4..]),
            None => (inside, &b""[..]),
        };
        let lines = std::str::from_utf8(head).expect("headers").split("\r\n");
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Some((Self { start, headers: headers.collect(), body: body.to_vec(), flag }, after + 3))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A response's.
    pub fn status(&self) -> Option<u16> {
        self.start.split(' ').nth(2)?.parse().ok()
    }

    pub fn is_send(&self) -> bool {
        self.start.ends_with(" SEND")
    }

    pub fn transaction(&self) -> &str {
        self.start.split(' ').nth(1).unwrap()
    }

    /// Byte-Range: the first octet, counted from 1, and all there are.
    pub fn range(&self) -> (usize, usize) {
        let range = self.header("Byte-Range").expect("a Byte-Range");
        let (start, rest) = range.split_once('-').unwrap();
        (start.parse().unwrap(), rest.split_once('/').unwrap().1.parse().expect("the size of all"))
    }

    /// The response to it.
    pub fn response(&self, status: u16) -> Vec<u8> {
        let (to, from) = (self.header("From-Path").unwrap(), self.header("To-Path").unwrap());
        let ours = from.split(' ').next().unwrap();
        let id = self.transaction();
        format!("MSRP {id} {status} Said\r\nTo-Path: {to}\r\nFrom-Path: {ours}\r\n-------{id}$\r\n").into_bytes()
    }
}

/// A SEND of these octets, which are all there are.
pub fn send(to: &str, from: &str, headers: &str, octets: &[u8]) -> Vec<u8> {
    let id = unique("t");
    let blank = if octets.is_empty() { "" } else { "\r\n" };
    let head = format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {}\r\nByte-Range: 1-{}/{}\r\n{headers}{blank}",
        unique("m"),
        if octets.is_empty() { "0" } else { "*" },
        octets.len()
    );
    let end = if octets.is_empty() { "" } else { "\r\n" };
    [head.as_bytes(), octets, format!("{end}-------{id}$\r\n").as_bytes()].concat()
}

/// A TCP connection with frames on it.
pub struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Link {
    /// To where this MSRP URI is.
    pub fn connect(uri: &str) -> Self {
        let authority = uri.split('/').nth(2).expect("an MSRP URI");
        Self::of(TcpStream::connect(authority).unwrap())
    }

    pub fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// The next one who connects.
    pub fn accept(listener: &TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                return Self::of(stream);
            }
            assert!(Instant::now() < deadline, "nobody connected within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The other end may be gone.
    pub fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets);
    }

    /// The next frame; `None` if the connection ends or the time is over.
    pub fn next(&mut self, within: Duration) -> Option<Frame> {
        let deadline = Instant::now() + within;
        loop {
            if let Some((frame, length)) = Frame::parse(&self.buffer) {
                self.buffer.drain(..length);
                return Some(frame);
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            if self.read(left) == Some(0) {
                return None;
            }
        }
    }

    /// The next frame, which must come.
    pub fn frame(&mut self) -> Frame {
        self.next(PATIENCE).unwrap_or_else(|| panic!("no frame; {} octets of one", self.buffer.len()))
    }

    /// Nothing comes for so long, and the connection stays.
    pub fn is_silent(&mut self, during: Duration) -> bool {
        self.read(during).is_none()
    }

    /// The other end closes it.
    pub fn is_closed(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.read(PATIENCE) != Some(0) {
            assert!(Instant::now() < deadline, "the connection stays");
        }
    }

    /// How many octets came, 0 at the end; `None` if the time is over.
    fn read(&mut self, within: Duration) -> Option<usize> {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let mut piece = vec![0; 65_536];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                Some(length)
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => None,
            Err(_) => Some(0),
        }
    }
}
