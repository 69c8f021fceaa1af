//! The user actors: they load, ask, decide, append, evolve and perform, one command at a time.
//!
//! The only place that names the actor library. An actor holds no rule: rules are in `queue`, procedures in `pf`.

mod counting;
mod due;
mod effects;
mod front;
mod load;
mod registry;
mod shared;
mod system;
mod user;

pub use due::Scheduler;
pub use front::Front;
pub use load::{LoadError, LoadedQueue, load};
pub use registry::{Refusal, Registry};
pub use shared::{Answer, Clock, Job, Shared};
pub use system::{Threads, run};
