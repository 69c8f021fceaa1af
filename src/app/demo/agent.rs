//! A user agent, as small as can be: one UDP socket, one request at a time.

use super::{DemoError, io};
use crate::config::{DEMO_REALM, DEMO_USERS};
use crate::sip::{Limits, Message, Method, NameAddr, Request, Response, Via, answer, cseq, datagram};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Interval of retransmissions (T1) and the end of patience (64·T1), RFC 3261 section 17.1.2.2.
const T1: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(32);

pub(super) struct Agent {
    pub user: &'static str,
    password: &'static str,
    socket: UdpSocket,
    here: SocketAddr,
    server: SocketAddr,
    sent: u32,
    /// Requests that came while an answer was awaited.
    early: VecDeque<Request>,
    /// Those that were answered already, by Call-ID and CSeq, with the answer: they may come again.
    answered: Vec<(String, Bytes)>,
}

impl Agent {
    pub fn new(user: &'static str, server: SocketAddr) -> Result<Self, DemoError> {
        let password = DEMO_USERS.iter().find(|(known, _)| *known == user).map_or("", |(_, password)| password);
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(io("no UDP socket could be opened"))?;
        let here = socket.local_addr().map_err(io("no UDP socket could be opened"))?;
        Ok(Self { user, password, socket, here, server, sent: 0, early: VecDeque::new(), answered: Vec::new() })
    }

    /// The server has moved to another port.
    pub fn turn_to(&mut self, server: SocketAddr) {
        self.server = server;
    }

    pub fn contact(&self) -> String {
        let (user, here) = (self.user, self.here);
        format!("<sip:{user}@{here}>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-{user:0>12}>\"")
    }

    /// Sends a request, with credentials if it was challenged, and waits for its final response.
    pub fn ask(&mut self, mut request: Request, challenge: Option<&Response>) -> Result<Response, DemoError> {
        self.sent += 1;
        let (sent, user) = (self.sent, self.user);
        let branch = format!("z9hG4bKdemo{user}{sent}{}", self.here.port());
        request.headers.push_front("Via", Via::new("UDP", "127.0.0.1", Some(self.here.port()), &branch).to_string());
        request.headers.push("Max-Forwards", "70");
        request.headers.push("From", format!("<sip:{user}@{DEMO_REALM}>;tag={user}{sent}"));
        request.headers.push("Call-ID", format!("demo-{user}-{sent}@{}", self.here));
        request.headers.push("CSeq", format!("{sent} {}", request.method));
        if let Some(value) = challenge.and_then(|challenge| challenge.headers.get("WWW-Authenticate")) {
            let credentials = answer(value, &request.method, &request.uri, user, self.password, "demo", 1);
            request.headers.push("Authorization", credentials.unwrap_or_default());
        }
        self.exchange(&request, &branch)
    }

    fn exchange(&mut self, request: &Request, branch: &str) -> Result<Response, DemoError> {
        let bytes = request.to_bytes();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.send(&bytes)?;
            if let Some(response) = self.response(branch)? {
                if request.method == Method::Invite && response.status >= 300 {
                    let via = request.headers.get("Via").unwrap_or_default().to_owned();
                    self.acknowledge(&response, &request.uri, via)?;
                }
                return Ok(response);
            }
        }
        Err(DemoError::Silence { who: self.user, what: "an answer" })
    }

    /// The final response of this transaction, if it comes before the next retransmission.
    fn response(&mut self, branch: &str) -> Result<Option<Response>, DemoError> {
        let until = Instant::now() + T1;
        while let Some(message) = self.read(until)? {
            match message {
                Message::Request(request) => self.early.push_back(request),
                Message::Response(response) => {
                    let ours = Via::top(&response.headers).is_some_and(|via| via.branch.as_deref() == Some(branch));
                    if ours && response.status >= 200 {
                        return Ok(Some(response));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Confirms a 200 OK to an INVITE: a transaction of its own, to where the 200 says.
    pub fn confirm(&mut self, response: &Response) -> Result<(), DemoError> {
        self.sent += 1;
        let (sent, user, port) = (self.sent, self.user, self.here.port());
        let uri = self.remote(response);
        let via = Via::new("UDP", "127.0.0.1", Some(port), &format!("z9hG4bKdemo{user}{sent}{port}"));
        self.acknowledge(response, &uri, via.to_string())
    }

    fn acknowledge(&self, response: &Response, uri: &str, via: String) -> Result<(), DemoError> {
        let mut request = Request::new(Method::Ack, uri);
        request.headers.push("Via", via);
        request.headers.push("Max-Forwards", "70");
        for name in ["From", "To", "Call-ID"] {
            request.headers.push(name, response.headers.get(name).unwrap_or_default().to_owned());
        }
        request.headers.push("CSeq", cseq(response.cseq().map_or(1, |(number, _)| number), &Method::Ack));
        self.send(&request.to_bytes())
    }

    /// The next request of the server.
    pub fn receive(&mut self) -> Result<Request, DemoError> {
        let silence = DemoError::Silence { who: self.user, what: "a message" };
        self.next_request(Instant::now() + PATIENCE)?.ok_or(silence)
    }

    /// Whether anything comes in this time.
    pub fn receives_within(&mut self, time: Duration) -> Result<bool, DemoError> {
        Ok(self.next_request(Instant::now() + time)?.is_some())
    }

    fn next_request(&mut self, until: Instant) -> Result<Option<Request>, DemoError> {
        loop {
            let request = match self.early.pop_front() {
                Some(request) => request,
                None => match self.read(until)? {
                    Some(Message::Request(request)) => request,
                    Some(Message::Response(_)) => continue,
                    None => return Ok(None),
                },
            };
            match self.answered.iter().find(|(known, _)| *known == transaction(&request)) {
                Some((_, answer)) => self.send(answer)?,
                None if request.method == Method::Ack => {}
                None => return Ok(Some(request)),
            }
        }
    }

    /// 200 OK.
    pub fn accept(&mut self, request: &Request) -> Result<(), DemoError> {
        self.respond(request, &Response::to(request, 200, "OK", self.user))
    }

    /// 200 OK to an INVITE, with a body.
    pub fn answer(&mut self, request: &Request, content_type: &'static str, body: &str) -> Result<(), DemoError> {
        let mut response = Response::to(request, 200, "OK", self.user);
        for route in request.headers.all("Record-Route") {
            response.headers.push("Record-Route", route.to_owned());
        }
        response.headers.push("Contact", self.contact());
        response.headers.push("Content-Type", content_type);
        response.body = Bytes::copy_from_slice(body.as_bytes());
        self.respond(request, &response)
    }

    fn respond(&mut self, request: &Request, response: &Response) -> Result<(), DemoError> {
        let bytes = response.to_bytes();
        self.answered.push((transaction(request), bytes.clone()));
        self.send(&bytes)
    }

    /// Ends a call that was answered with this.
    pub fn hang_up(&mut self, accepted: &Response) -> Result<Response, DemoError> {
        self.sent += 1;
        let (sent, user, port) = (self.sent, self.user, self.here.port());
        let branch = format!("z9hG4bKdemo{user}{sent}{port}");
        let mut request = Request::new(Method::Bye, self.remote(accepted));
        request.headers.push("Via", Via::new("UDP", "127.0.0.1", Some(port), &branch).to_string());
        request.headers.push("Max-Forwards", "70");
        for name in ["From", "To", "Call-ID"] {
            request.headers.push(name, accepted.headers.get(name).unwrap_or_default().to_owned());
        }
        let number = accepted.cseq().map_or(1, |(number, _)| number.saturating_add(1));
        request.headers.push("CSeq", cseq(number, &Method::Bye));
        self.exchange(&request, &branch)
    }

    /// Where requests of a call go.
    fn remote(&self, response: &Response) -> String {
        let contact = NameAddr::list(&response.headers, "Contact").into_iter().next();
        contact.map_or_else(|| format!("sip:{}", self.server), |contact| contact.uri)
    }

    fn send(&self, bytes: &Bytes) -> Result<(), DemoError> {
        self.socket.send_to(bytes, self.server).map(drop).map_err(io("a datagram could not be sent"))
    }

    fn read(&self, until: Instant) -> Result<Option<Message>, DemoError> {
        let mut buffer = vec![0; 65_536];
        loop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Ok(None);
            };
            self.socket.set_read_timeout(Some(left)).map_err(io("the socket takes no timeout"))?;
            // A timeout, or an ICMP error of a server that is just being started again.
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            if let Ok(message) = datagram(&bytes, &Limits::default()) {
                return Ok(Some(message));
            }
        }
    }
}

/// What a repeated request has in common with the first.
fn transaction(request: &Request) -> String {
    format!("{} {}", request.call_id().unwrap_or_default(), request.headers.get("CSeq").unwrap_or_default())
}
