//! The composition root: open, load, bind, start; drain in order.

mod counters;
mod demo;
mod node;
mod serve;

pub use demo::{DemoError, demo};
pub use node::{AppError, Node};
pub use serve::serve;
