//! The user actors: they load, ask, decide, append, evolve and perform, one command at a time.
//!
//! The only place that names the actor library. An actor holds no rule: rules are in `queue`, procedures in `pf`.

mod counting;
mod dialogs;
mod due;
mod effects;
mod errands;
mod front;
mod large;
mod load;
mod pace;
mod registry;
mod shared;
mod subscriptions;
mod system;
mod user;

pub use dialogs::Dialogs;
pub use due::Scheduler;
pub use front::Front;
pub use large::Large;
pub use load::{LoadError, LoadedQueue, load};
pub use pace::Pace;
pub use registry::{Refusal, Registry};
pub use shared::{Answer, Clock, Job, Outside, Shared};
pub use subscriptions::{Missed, Subscriber, Subscriptions};
pub use system::{Threads, run};
