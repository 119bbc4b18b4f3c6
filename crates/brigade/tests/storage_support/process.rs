//! `brigade run` as a process of its own.
