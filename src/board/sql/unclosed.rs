//! SQLite's files, open for reading beside SQLite.
//!
//! It locks them with locks of POSIX, and a process loses all its locks on a file when it closes any
//! descriptor of it (<https://sqlite.org/howtocorrupt.html>, section 2.2). So a descriptor that was
//! opened here stays open, for all boards of the process, for as long as the file has a name.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// By device and number.
static OPEN: Mutex<BTreeMap<(u64, u64), Arc<File>>> = Mutex::new(BTreeMap::new());

fn number(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// Whether it has no name any more: then nobody else can come to lock it.
pub(super) fn is_gone(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.nlink() == 0)
}

/// The file at this path.
pub(super) fn opened(path: &Path) -> std::io::Result<Arc<File>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, file| !is_gone(file));
    if let Some(file) = open.get(&number(&std::fs::metadata(path)?)) {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::open(path)?);
    let number = number(&file.metadata()?);
    if let Some(known) = open.get(&number) {
        // It took the other's place just now: this descriptor is not closed either.
        std::mem::forget(file);
        return Ok(Arc::clone(known));
    }
    open.insert(number, Arc::clone(&file));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_once_and_kept_until_it_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        assert!(opened(&path).is_err());
        std::fs::write(&path, "x").unwrap();
        let file = opened(&path).unwrap();
        let again = opened(&path).unwrap();
        assert!(Arc::ptr_eq(&file, &again));
        drop((file, again));
        let kept = |path: &Path| {
            let open = OPEN.lock().unwrap();
            open.values()
                .any(|file| number(&file.metadata().unwrap()) == number(&path.metadata().unwrap()))
        };
        assert!(kept(&path), "it was closed");
        let moved = folder.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        std::fs::write(&path, "y").unwrap();
        let other = opened(&path).unwrap();
        assert!(kept(&moved) && !is_gone(&other));
    }
}
