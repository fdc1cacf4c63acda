//! The emergency stop: a file in the state folder, so that it works without the store, survives
//! restarts, and can be made by hand (`touch state/STOPPED`). When in doubt, everything is stopped.

use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// More of the file is not read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who stopped everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When; `None` where the file does not say.
    pub at: Option<Timestamp>,
}

/// Where the file is.
pub fn stop_path(state: &Path) -> PathBuf {
    state.join("STOPPED")
}

/// Stops everything; durable when it returns. A stop that is there already is kept.
pub fn set(state: &Path, by: &str, reason: &str, at: Timestamp) -> io::Result<()> {
    if read(state).is_some() {
        return Ok(());
    }
    let stopped = Stopped { by: by.to_owned(), reason: reason.to_owned(), at: Some(at) };
    let text = serde_json::to_vec_pretty(&stopped)?;
    // Not by a temporary file: half a file stops everything too, and sooner.
    let mut file = File::create(stop_path(state))?;
    file.write_all(&text)?;
    file.sync_all()?;
    File::open(state)?.sync_all()
}

/// Ends the stop; durable when it returns. It is no error if there was none.
pub fn clear(state: &Path) -> io::Result<()> {
    match std::fs::remove_file(stop_path(state)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::open(state)?.sync_all(),
    }
}

/// Whether everything is stopped, by whom and why. A file that cannot be read or understood is a
/// stop; only one that is certainly not there is none.
pub fn read(state: &Path) -> Option<Stopped> {
    let path = stop_path(state);
    let mut text = String::new();
    let unsure = |reason: &str| {
        let reason = format!("{} {reason}", path.display());
        Some(Stopped { by: "unknown".to_owned(), reason, at: None })
    };
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => return unsure("cannot be opened"),
        Ok(file) => {
            if file.take(FILE_BYTES_MAX).read_to_string(&mut text).is_err() {
                return unsure("cannot be read");
            }
        }
    }
    serde_json::from_str(&text).ok().or_else(|| unsure("is there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    #[test]
    fn a_stop_says_who_and_why_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        set(dir.path(), "ada", "too many comments", from_millis(5_000)).unwrap();
        set(dir.path(), "bob", "me too", from_millis(6_000)).unwrap();
        let stopped = read(dir.path()).unwrap();
        assert_eq!((stopped.by.as_str(), stopped.at), ("ada", Some(from_millis(5_000))));
        clear(dir.path()).unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(read(dir.path()), None);
    }

    #[test]
    fn a_file_that_cannot_be_understood_stops_everything() {
        let dir = tempfile::tempdir().unwrap();
        for garbage in [&b""[..], b"{\"by\":", b"\xff\xfe", b"off"] {
            std::fs::write(stop_path(dir.path()), garbage).unwrap();
            assert!(read(dir.path()).is_some(), "{garbage:?} did not stop");
        }
        std::fs::remove_file(stop_path(dir.path())).unwrap();
        std::fs::create_dir(stop_path(dir.path())).unwrap();
        assert!(read(dir.path()).is_some(), "a folder did not stop");
    }
}
