//! Runs `tidy` over the workspace, so that `cargo test` fails where a habit of the house is broken.

use std::path::Path;

use xtask::tidy::{Tree, check};

#[test]
fn the_workspace_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tree = Tree::read(&root).expect("the workspace is readable");
    let report = check(&tree);
    assert!(report.violations.is_empty(), "\n{report}");
}
