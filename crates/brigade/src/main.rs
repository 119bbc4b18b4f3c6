//! The `brigade` command.

use std::process::ExitCode;

/// For Rust and, by overriding `malloc`, for SQLite, which allocates each row that it sorts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    brigade::main(brigade::registry())
}
