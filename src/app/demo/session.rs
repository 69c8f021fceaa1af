//! The agents' half of an MSRP session, as small as can be: one connection, one message, one thread.

use super::{DemoError, io};
use crate::msrp::{
    Event, MsrpUri, Outgoing, Path, Reader, Receiver, ReceiverEvent, ReceiverSettings, Sender, SenderEvent,
    SenderSettings, TransactionIds,
};
use crate::types::Timestamp;
use bytes::Bytes;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an agent waits for the other end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing in the story takes long enough to need a clock.
const NOW: Timestamp = Timestamp(0);
/// Octets of one chunk: small, so that there are some.
const CHUNK: u64 = 32 << 10;
/// Longest message that is taken.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

/// The two ends of a session, as their descriptions name them.
pub(super) struct Ends<'a> {
    pub who: &'static str,
    pub own: &'a str,
    pub peer: &'a str,
}

/// A connection to the peer's socket.
struct Line {
    who: &'static str,
    stream: TcpStream,
    reader: Reader,
}

impl Ends<'_> {
    fn connect(&self) -> Result<(Line, MsrpUri, Path), DemoError> {
        let unreadable = |_| DemoError::Unreadable { who: self.who };
        let (own, peer) = (MsrpUri::parse(self.own).map_err(unreadable)?, Path::parse(self.peer).map_err(unreadable)?);
        let unreadable = DemoError::Unreadable { who: self.who };
        let address = peer.first().and_then(|uri| Some(SocketAddr::new(uri.host().parse().ok()?, uri.port())));
        let stream = TcpStream::connect(address.ok_or(unreadable)?).map_err(io("no MSRP connection could be made"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io("the socket takes no timeout"))?;
        Ok((Line { who: self.who, stream, reader: Reader::new() }, own, peer))
    }

    /// Sends a message whole; tells in how many chunks.
    pub fn send(&self, message: &[u8]) -> Result<usize, DemoError> {
        let (mut line, own, peer) = self.connect()?;
        let settings = SenderSettings { chunk_bytes_max: CHUNK, window: 4, response: PATIENCE };
        let outgoing = Outgoing {
            message_id: "demo-picture".to_owned(),
            content_type: "message/cpim".to_owned(),
            content_disposition: None,
            size: message.len() as u64,
            success_report: false,
        };
        let mut sender = Sender::new(settings, own, peer, outgoing, ids()?);
        sender.bound();
        let mut chunks = 0;
        loop {
            while let Some(octets) = sender.poll_transmit(NOW) {
                line.write(&octets)?;
            }
            match sender.poll_event() {
                Some(SenderEvent::Transferred) => return Ok(chunks),
                Some(SenderEvent::Failed(_)) => return Err(DemoError::Altered),
                Some(SenderEvent::Bound) => {}
                None => match sender.wants() {
                    Some(want) => {
                        let start = usize::try_from(want.position).unwrap_or(usize::MAX);
                        let end = message.len().min(start.saturating_add(want.max));
                        sender.give(Bytes::copy_from_slice(message.get(start..end).unwrap_or_default()));
                    }
                    None => {
                        if let Event::Head(head) = line.event()? {
                            chunks += usize::from(sender.handle_response(&head, NOW));
                        }
                    }
                },
            }
        }
    }

    /// Connects, names the session, and takes what comes.
    pub fn receive(&self) -> Result<Vec<u8>, DemoError> {
        let (mut line, own, peer) = self.connect()?;
        let accept = [String::from("message/cpim")].into();
        let settings = ReceiverSettings { message_bytes_max: MESSAGE_BYTES_MAX, ranges_max: 1, accept };
        let mut receiver = Receiver::new(settings, own, peer, ids()?);
        receiver.bind();
        let (mut message, mut is_whole) = (Vec::new(), false);
        loop {
            while let Some(event) = receiver.poll_event() {
                match event {
                    ReceiverEvent::Transmit(octets) => line.write(&octets)?,
                    // One chunk after the other: this end takes no others.
                    ReceiverEvent::Write { octets, .. } => message.extend_from_slice(&octets),
                    ReceiverEvent::Complete(_) => {
                        receiver.completed(Ok(()));
                        is_whole = true;
                    }
                    ReceiverEvent::Bound => {}
                    ReceiverEvent::Failed(_) => return Err(DemoError::Altered),
                }
            }
            if is_whole {
                return Ok(message);
            }
            match line.event()? {
                Event::Head(head) => receiver.handle_head(*head),
                Event::Data(octets) => receiver.handle_data(octets),
                Event::End(flag) => receiver.handle_end(flag),
            }
        }
    }
}

/// Random, as they must be.
fn ids() -> Result<TransactionIds, DemoError> {
    let mut seed = [0; 16];
    let random = getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()));
    random.map_err(io("the system gives no random octets"))?;
    Ok(TransactionIds::new(seed))
}

impl Line {
    fn write(&mut self, octets: &Bytes) -> Result<(), DemoError> {
        self.stream.write_all(octets).map_err(io("the MSRP connection broke"))
    }

    /// The next thing that the peer says.
    fn event(&mut self) -> Result<Event, DemoError> {
        let mut octets = vec![0; 16 << 10];
        loop {
            match self.reader.next() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(_) => return Err(DemoError::Unreadable { who: self.who }),
            }
            let count = self.stream.read(&mut octets).map_err(io("the MSRP connection broke"))?;
            if count == 0 {
                return Err(DemoError::Silence { who: self.who, what: "the rest of a message" });
            }
            self.reader.push(Bytes::copy_from_slice(octets.get(..count).unwrap_or_default()));
        }
    }
}
