//! Developer commands of Brigade. [`tidy`] checks the habits of the house that neither the compiler
//! nor clippy knows; `cargo test` runs it too.

pub mod tidy;
