//! The composition root: open, load, bind, start; drain in order.

mod counters;
mod demo;
mod hindsight;
mod node;
mod outside;
mod policies;
mod serve;
mod shelf;

pub use demo::{DemoError, Story, demo};
pub use node::{AppError, Node, wall_clock};
pub use serve::serve;
pub use shelf::{DiskShelf, ReadCatalogue};
