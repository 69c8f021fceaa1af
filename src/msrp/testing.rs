//! What the tests of receiver and sender share: the paths of WX-12, frames by hand, and a receiver with a sink.

use super::*;
use bytes::Bytes;
use std::fmt::Write as _;

/// The PF's end of WX-12.
pub(super) const PF: &str = "msrp://192.0.2.10:2855/q7Zk2mPf;tcp";
/// The client's end of WX-12.
pub(super) const CLIENT: &str = "msrp://198.51.100.7:9/b0bA77x2;tcp";

pub(super) fn uri(text: &str) -> MsrpUri {
    MsrpUri::parse(text).unwrap()
}

pub(super) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// All events of whole frames.
pub(super) fn events(octets: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new();
    reader.push(Bytes::copy_from_slice(octets));
    let events = std::iter::from_fn(|| reader.next().unwrap()).collect();
    assert!(!reader.is_midway(), "frames are whole: {}", octets.escape_ascii());
    events
}

/// The heads of whole frames.
pub(super) fn heads(octets: &[u8]) -> Vec<Head> {
    let head = |event| if let Event::Head(head) = event { Some(*head) } else { None };
    events(octets).into_iter().filter_map(head).collect()
}

/// A SEND with these headers (`Message-ID` and `Content-Type` are there already) and data, by hand.
pub(super) fn send(transaction: &str, headers: &[&str], data: &[u8], flag: char) -> Vec<u8> {
    let mut frame = format!("MSRP {transaction} SEND\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\nMessage-ID: m1\r\n");
    for header in headers {
        let _ = write!(frame, "{header}\r\n");
    }
    let end = format!("\r\n-------{transaction}{flag}\r\n");
    [frame.as_bytes(), b"Content-Type: message/cpim\r\n\r\n", data, end.as_bytes()].concat()
}

/// A receiver with a sink in memory.
pub(super) struct Sink {
    pub(super) receiver: Receiver,
    /// What was written; 0xee where nothing was.
    pub(super) content: Vec<u8>,
    pub(super) sent: Vec<u8>,
    pub(super) bound: usize,
    pub(super) finished: Vec<Finished>,
    pub(super) failed: Vec<ReceiveFailure>,
    /// What is said to a message that is there; nothing yet if `None`.
    pub(super) kept: Option<Result<(), u16>>,
}

impl Sink {
    /// The PF's end, for messages of at most 1000 octets in at most 4 ranges.
    pub(super) fn new() -> Self {
        Self::with(1000, 4)
    }

    pub(super) fn with(message_bytes_max: u64, ranges_max: usize) -> Self {
        let accept = ["message/cpim".to_owned()].into();
        let settings = ReceiverSettings { message_bytes_max, ranges_max, accept };
        Self {
            receiver: Receiver::new(settings, uri(PF), path(CLIENT), TransactionIds::numbered("pfr")),
            content: Vec::new(),
            sent: Vec::new(),
            bound: 0,
            finished: Vec::new(),
            failed: Vec::new(),
            kept: Some(Ok(())),
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Head(head) => self.receiver.handle_head(*head),
            Event::Data(octets) => self.receiver.handle_data(octets),
            Event::End(flag) => self.receiver.handle_end(flag),
        }
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Bound => self.bound += 1,
                ReceiverEvent::Write { position, octets } => {
                    let start = usize::try_from(position).unwrap();
                    let end = start + octets.len();
                    self.content.resize(self.content.len().max(end), 0xee);
                    self.content[start..end].copy_from_slice(&octets);
                }
                ReceiverEvent::Complete(finished) => {
                    self.finished.push(*finished);
                    if let Some(kept) = self.kept {
                        self.receiver.completed(kept);
                    }
                }
                ReceiverEvent::Transmit(octets) => self.sent.extend_from_slice(&octets),
                ReceiverEvent::Failed(failure) => self.failed.push(failure),
            }
        }
    }

    /// Frames come; what was answered since, as `id status` and `REPORT range status`.
    pub(super) fn take(&mut self, octets: &[u8]) -> Vec<String> {
        self.feed(octets);
        self.answers()
    }

    /// Whole frames come.
    pub(super) fn feed(&mut self, octets: &[u8]) {
        for event in events(octets) {
            self.event(event);
        }
    }

    pub(super) fn answers(&mut self) -> Vec<String> {
        let line = |head: Head| match head.kind {
            Kind::Response { status, .. } => format!("{} {status}", head.transaction),
            Kind::Report => {
                format!("REPORT {} {}", head.byte_range.unwrap(), head.status.map(|status| status.code).unwrap())
            }
            other => format!("{other:?}"),
        };
        heads(&std::mem::take(&mut self.sent)).into_iter().map(line).collect()
    }
}
