//! Developer commands of Brigade. [`tidy`] checks the habits of the house that neither the compiler
//! nor clippy knows; `cargo test` runs it too. [`figures`] measures the release build, and
//! [`planted`] asks it for limits that are known.

pub mod figures;
pub mod planted;
pub mod tidy;
