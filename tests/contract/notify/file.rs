//! Files.

use super::{Way, body, deliver, opened};
use rota::domain::Body;
use rota::notify::{FileOptions, NotifyOptions};
use std::fs;
use std::path::Path;

fn options(path: &Path, size_bytes_max: u64) -> NotifyOptions {
    let mut options = NotifyOptions::default();
    options.file.insert("log".into(), FileOptions { path: path.into(), size_bytes_max });
    options
}

#[tokio::test]
async fn messages_are_appended_as_markdown_and_folders_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/notes.md");
    let options = options(&path, 10_000);
    let notifier = opened("file:log", &options);
    assert!(!path.exists(), "opening writes nothing");
    let first = Body { markdown: "# one".into(), ..body("one", &[]) };
    deliver(&notifier, "digest:x", &first).await.unwrap();
    deliver(&notifier, "k2", &body("two", &[])).await.unwrap();
    // It was taken before.
    let mut way = Way { part: 1, ..Way::default() };
    way.go(&notifier, "k2", &body("two", &[])).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "<!-- digest:x -->\n\n# one\n\n<!-- k2 -->\n\ntwo\n\n");
}

#[tokio::test]
async fn a_full_file_is_moved_aside_and_no_message_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.md");
    let notifier = opened("file:log", &options(&path, 60));
    for text in ["first first first", "second second second", "third third third"] {
        deliver(&notifier, "k", &body(text, &[])).await.unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "<!-- k -->\n\nthird third third\n\n");
    let older = fs::read_to_string(folder.path().join("notes.md.1")).unwrap();
    assert_eq!(older, "<!-- k -->\n\nsecond second second\n\n");
    deliver(&notifier, "k", &body(&"long ".repeat(40), &[])).await.unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains(&"long ".repeat(39)));
}

#[tokio::test]
async fn a_folder_in_the_files_place_will_never_take_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let notifier = opened("file:log", &options(folder.path(), 10_000));
    let error = deliver(&notifier, "k", &body("x", &[])).await.unwrap_err();
    assert!(!error.is_transient, "{error}");
}
