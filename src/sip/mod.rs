//! SIP without sockets: reader, printer, typed values, digest, the transaction machine (RFC 3261, 3428, 6026), and the
//! subscriber's side of event notification (RFC 6665).

mod build;
mod date;
pub mod dialog;
mod digest;
mod message;
mod multipart;
mod nameaddr;
mod names;
mod param;
mod print;
mod read;
mod stream;
pub mod subscription;
pub mod transaction;
mod typed;
mod uri;
mod via;

pub use build::{delta_seconds, reason_phrase};
pub use date::parse_date;
pub use digest::{Challenger, DigestError, NonceCounts, NonceUse, Verdict, answer};
pub use message::{Header, Headers, Message, Method, Request, Response};
pub use multipart::{MultipartError, Part, media_type, parts};
pub use nameaddr::{NameAddr, NameAddrError, split_list};
pub use read::{Fault, Limits, ReadError, datagram};
pub use stream::{Frame, Stream};
pub use typed::{allow, cseq};
pub use uri::{Scheme, Uri, UriError};
pub use via::{Via, ViaError, pop_top, response_target, stamp_received};
