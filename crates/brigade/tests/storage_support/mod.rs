//! What the tests of storage share: a shop on a disk that a test holds in its hands, readers who
//! order books, and a look into the database and the file system afterwards.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod checker;
pub mod database;
pub mod e2fsck;
pub mod http;
pub mod process;
pub mod random;
pub mod session;
pub mod shop;
pub mod wire;

/// Why something did not go as it must, for people.
pub type Outcome<T> = Result<T, String>;
