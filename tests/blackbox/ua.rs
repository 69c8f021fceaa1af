//! A small SIP user agent of the tests' own, written from RFC 3261 and RFC 3428 with plain sockets: it shares no code
//! with the server, so that a misreading of the standard in one is not confirmed by the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A SIP message as lines and octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn new(start: impl Into<String>) -> Self {
        Self { start: start.into(), headers: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces every line of this name by one, at the place of the first.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        let place = self.headers.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)).unwrap_or(self.headers.len());
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.insert(place.min(self.headers.len()), (name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with("Content-Type", content_type)
    }

    /// One whole message, as in a datagram; `None` if it is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
        let mut message = Self::new(lines.next()?);
        for line in lines {
            let (name, value) = line.split_once(':')?;
            message.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let rest = &bytes[end + 4..];
        let length = message.header("Content-Length").map_or(Some(rest.len()), |length| length.parse().ok())?;
        message.body = rest.get(..length)?.to_vec();
        Some(message)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(&name)).map(|(_, value)| value.as_str())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let others = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length"));
        let lines: Vec<_> = others.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{}\r\n{}Content-Length: {}\r\n\r\n", self.start, lines.concat(), self.body.len());
        [head.as_bytes(), &self.body].concat()
    }

    pub fn method(&self) -> Option<&str> {
        (!self.start.starts_with("SIP/2.0 ")).then(|| self.start.split(' ').next().unwrap_or_default())
    }

    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> &str {
        parameter(self.header("Via").unwrap_or_default(), "branch").unwrap_or_default()
    }

    pub fn tag(&self, name: &str) -> Option<&str> {
        parameter(self.header(name)?, "tag")
    }

    /// The response of a user agent server that has no more to say than a status.
    pub fn answer(&self, status: u16, reason: &str) -> Self {
        let mut response = Self::new(format!("SIP/2.0 {status} {reason}"));
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.all(name) {
                let value = match name {
                    "To" if !value.contains(";tag=") => format!("{value};tag=ua-1"),
                    _ => value.to_owned(),
                };
                response.headers.push((name.to_owned(), value));
            }
        }
        response
    }
}

/// The value of `;name=value` in a header value.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let start = value.find(&format!(";{name}="))? + name.len() + 2;
    value[start..].split([';', ',', ' ']).next()
}

/// A text that no other call in this process, and hardly one in another, has had.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{prefix}{:x}x{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The far end of the server's SIP dealings: sends requests from a UDP port of its own and reads what comes back.
pub struct Caller {
    socket: UdpSocket,
}

impl Caller {
    pub fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        Self { socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// A Via of this socket with a branch nobody else has.
    pub fn via(&self) -> String {
        format!("SIP/2.0/UDP {};branch={}", self.address(), unique("z9hG4bK-t-"))
    }

    /// A server that has been killed makes the kernel refuse the datagram: for UDP that is a loss like any other.
    pub fn send_raw(&self, bytes: &[u8]) {
        let _ = self.socket.send(bytes);
    }

    /// The next message that comes within this time.
    pub fn receive(&self, within: Duration) -> Option<Message> {
        let deadline = Instant::now() + within;
        let mut buffer = vec![0; 65_536];
        loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok(length) = self.socket.recv(&mut buffer)
                && let Some(message) = Message::parse(&buffer[..length])
            {
                return Some(message);
            }
        }
    }

    /// The next response to this request (Call-ID, CSeq and branch agree) that comes within this time.
    pub fn response_to(&self, request: &Message, within: Duration) -> Option<Message> {
        let deadline = Instant::now() + within;
        loop {
            let message = self.receive(deadline.checked_duration_since(Instant::now())?)?;
            if message.status().is_some()
                && message.call_id() == request.call_id()
                && message.header("CSeq") == request.header("CSeq")
                && message.branch() == request.branch()
            {
                return Some(message);
            }
        }
    }

    /// A non-INVITE client transaction (RFC 3261 section 17.1.2): retransmits until the final response.
    pub fn request(&self, request: &Message) -> Message {
        let bytes = request.to_bytes();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(500);
        while Instant::now() < deadline {
            self.send_raw(&bytes);
            if let Some(response) = self.response_to(request, pause) {
                return response;
            }
            pause = (pause * 2).min(Duration::from_secs(4));
        }
        panic!("no answer to {} within {PATIENCE:?}", request.start);
    }
}

/// A TCP connection on which messages are told apart by Content-Length (RFC 3261 section 18.3).
pub struct Stream {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Stream {
    pub fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub fn of(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub fn via(&self) -> String {
        format!("SIP/2.0/TCP {};branch={}", self.address(), unique("z9hG4bK-t-"))
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// For an end that does not mind whether the other has gone.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn request(&mut self, request: &Message) -> Message {
        self.send_raw(&request.to_bytes());
        self.receive(PATIENCE).unwrap_or_else(|| panic!("no answer to {} on the connection", request.start))
    }

    /// The next whole message; `None` if the connection ends or the time is over.
    pub fn receive(&mut self, within: Duration) -> Option<Message> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut piece = [0; 16_384];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn take(&mut self) -> Option<Message> {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.buffer.drain(..blank);
        let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let length: usize = std::str::from_utf8(&self.buffer[..end])
            .ok()?
            .split("\r\n")
            .find_map(|line| line.strip_prefix("Content-Length:"))
            .expect("a message on a stream has a Content-Length")
            .trim()
            .parse()
            .ok()?;
        if self.buffer.len() < end + length {
            return None;
        }
        let message = Message::parse(&self.buffer[..end + length]);
        self.buffer.drain(..end + length);
        message
    }
}
