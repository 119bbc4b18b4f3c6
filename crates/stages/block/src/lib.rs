//! The block stage: io_uring with O_DIRECT, or memory.
