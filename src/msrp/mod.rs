//! The Message Session Relay Protocol (RFC 4975), sans-IO: frames, addresses, and what receives and sends one message.

mod boundary;
mod draft;
mod head;
mod ids;
mod print;
mod range;
mod reader;
mod receiver;
mod sender;
mod spans;
mod uri;

pub use head::{FailureReport, Fault, Flag, Head, Kind, Status};
pub use ids::TransactionIds;
pub use print::answer;
pub use range::ByteRange;
pub use reader::{Event, HEAD_BYTES_MAX, ReadError, Reader};
pub use receiver::{Finished, ReceiveFailure, Receiver, ReceiverEvent, ReceiverSettings};
pub use sender::{Outgoing, SendFailure, Sender, SenderEvent, SenderSettings, Want};
pub use uri::{MsrpUri, PATH_MAX, Path, URI_BYTES_MAX, UriError};

/// Longest transaction id that is read, octets. The grammar ends at 32 (RFC 4975 section 9); some clients write UUIDs.
pub const TRANSACTION_BYTES_MAX: usize = 64;

/// Longest chunk that may name its own end: longer ones must be open to an interruption (RFC 4975 section 5.1).
pub const FIXED_CHUNK_BYTES_MAX: u64 = 2048;

#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod testing;
