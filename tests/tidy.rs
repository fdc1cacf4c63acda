//! The laws of the house, held over its own source.
//!
//! Each law is a pure function from a file's path and text to the faults it finds, and has a test
//! with a planted violation, so that no law is kept only because nobody looks.

mod adapters;
mod container;
mod crates;
mod documents;
mod floors;
mod shape;
mod tree;

use tree::{File, files};

/// Fails with every fault at once.
fn hold(law: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{law}: {} faults\n{}", faults.len(), faults.join("\n"));
}

/// Runs a law over files and gathers what it finds.
fn faults(files: &[File], law: impl Fn(&File) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(law).collect()
}

#[test]
fn there_is_something_to_look_at() {
    let sources = files("src");
    assert!(sources.len() > 20, "only {} files were found", sources.len());
    assert!(sources.iter().any(|file| file.path == "src/domain/reason.rs"));
    assert!(files("tests").iter().any(|file| file.path == "tests/tidy/tree.rs"));
}
