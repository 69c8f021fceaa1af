//! The program; everything it does is in the library.

/// The system's allocator asks the kernel for every few KiB that the queues in memory grow by, and takes a lock on the
/// whole address space each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    restante::cli::main()
}
