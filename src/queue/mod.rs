//! The heart: one user's deferred queue as a value; commands in, events stored, effects out.

pub mod command;
pub mod decide;
pub mod effect;
pub mod event;
mod outline;
pub mod question;
pub mod recall;
pub mod run;
pub mod schema;
pub mod standard;
mod state;

pub use state::{
    Absence, Arrival, Attempt, Bar, Entry, Errand, Gone, History, News, ORIGIN_MEMORY, ORIGINS_MAX, Pause, Queue,
    Reach, Registered, Report, Stage, Stray, Task, Telling,
};

#[cfg(test)]
mod tests;
