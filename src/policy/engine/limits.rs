//! What one instance may have of memory and tables; a refusal is noted, so that a failure has an explicit cause.

use wasmtime::{ResourceLimiter, Result};

/// Elements of each table.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Core instances, memories and tables that one component may be made of (what componentize-py 0.25 makes of Python has
/// 38 instances; the number costs nothing).
pub const CORE_INSTANCES_MAX: u32 = 48;
pub const MEMORIES_MAX: u32 = 2;
pub const TABLES_MAX: u32 = 8;

/// Grants and refuses.
#[derive(Debug)]
pub struct Limits {
    memory_bytes_max: usize,
    refused: bool,
}

impl Limits {
    pub const fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, refused: false }
    }

    /// A call begins.
    pub const fn begin(&mut self) {
        self.refused = false;
    }

    /// Whether memory was refused since the call began.
    pub const fn refused(&self) -> bool {
        self.refused
    }

    /// The guest sees a failed `grow` and may cope; if it then fails, this is why.
    const fn grant(&mut self, desired: usize, limit: usize) -> bool {
        if desired > limit {
            self.refused = true;
        }
        desired <= limit
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.grant(desired, self.memory_bytes_max))
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.grant(desired, TABLE_ELEMENTS_MAX))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}
