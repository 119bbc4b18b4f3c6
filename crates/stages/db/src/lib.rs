//! The db stage: SQLite over the fs stage.
