//! Where an instance keeps its policy between `configure` and the questions.

use alloc::boxed::Box;
use alloc::string::String;
use core::cell::Cell;

/// What an instance was configured with.
pub struct Kept<T: 'static>(Cell<Option<&'static T>>);

// SAFETY: the host gives every instance to one thread at a time, and a component has no threads of its own.
unsafe impl<T> Sync for Kept<T> {}

impl<T> Kept<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Keeps it for the life of the instance: the host configures an instance once.
    pub fn keep(&self, value: T) {
        self.0.set(Some(Box::leak(Box::new(value))));
    }

    /// What is kept.
    ///
    /// # Errors
    /// The host has not called `configure`.
    pub fn get(&self) -> Result<&'static T, String> {
        self.0.get().ok_or_else(|| String::from("asked before it was configured"))
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}
