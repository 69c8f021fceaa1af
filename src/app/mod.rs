//! The composition root: open, load, bind, start; drain in order.

mod counters;
mod demo;
mod node;
mod outside;
mod serve;
mod shelf;

pub use demo::{DemoError, Story, demo};
pub use node::{AppError, Node};
pub use serve::serve;
pub use shelf::DiskShelf;
