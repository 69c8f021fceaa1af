//! The small words every floor speaks: moments, names, digests, and who is who.

mod address;
mod ids;
mod octets;
mod seal;
mod time;

pub use address::{Address, AddressError};
pub use ids::{Chain, ClientId, Digest, IdSource, MessageId, OriginKey, SeedSecret, UserKey};
pub use octets::{Octets, PIECE};
pub use time::Timestamp;
