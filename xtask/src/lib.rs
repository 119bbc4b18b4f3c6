//! Developer commands of Brigade. [`tidy`] checks the habits of the house that neither the compiler
//! nor clippy knows; `cargo test` runs it too. [`figures`] measures the release build.

pub mod figures;
pub mod tidy;
