//! The files of a folder of playbooks, and which of them are as they were at the last look.
//!
//! A file that looks the same (same inode, size and instants) is not opened. Instants are coarse: a
//! file may change twice within one. So what a file looks like speaks for its text only from the
//! second reading on, when text and looks were both found unchanged.

use super::PLAYBOOK_BYTES_MAX;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files of a folder as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Texts(BTreeMap<String, Known>);

/// A file, compared with the last look.
#[derive(Debug)]
pub(super) enum FileText {
    /// Its text is the same.
    Same,
    /// This is its text now, or why it cannot be read.
    Other(Result<String, String>),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    looks: Looks,
    sha256: [u8; 32],
    /// Read twice, with these looks both times.
    is_settled: bool,
}

/// What tells that a file was written, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    inode: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Looks {
    fn of(file: &Metadata) -> Self {
        Self {
            inode: (file.dev(), file.ino()),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Texts {
    /// Looks at a folder's playbooks, by file name; one that does not exist is empty.
    ///
    /// # Errors
    /// The folder cannot be read, or holds too many; then the last look still counts.
    pub(super) fn look(
        &mut self,
        folder: &Path,
        files_max: usize,
    ) -> Result<BTreeMap<String, FileText>, String> {
        let paths = paths(folder, files_max)?;
        let mut last = std::mem::take(&mut self.0);
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(name) = path.file_name() else { continue };
            let Some(name) = name.to_str().map(str::to_owned) else {
                // A name that cannot be told apart from others is never taken for known.
                let shown = name.to_string_lossy().into_owned();
                files.insert(shown, FileText::Other(read(&path)));
                continue;
            };
            let known = last.remove(&name);
            // The looks first: a file written in between looks different at the next look.
            let looks = std::fs::metadata(&path).ok().map(|file| Looks::of(&file));
            let looks_same = known.as_ref().is_some_and(|known| Some(known.looks) == looks);
            if let Some(known) = known.as_ref().filter(|known| looks_same && known.is_settled) {
                self.0.insert(name.clone(), *known);
                files.insert(name, FileText::Same);
                continue;
            }
            let text = read(&path);
            let sha256 = text.as_ref().ok().map(|text| Sha256::digest(text.as_bytes()).into());
            let is_same = known.is_some_and(|known| Some(known.sha256) == sha256);
            if let (Some(looks), Some(sha256)) = (looks, sha256) {
                let known = Known { looks, sha256, is_settled: is_same && looks_same };
                self.0.insert(name.clone(), known);
            }
            files.insert(name, if is_same { FileText::Same } else { FileText::Other(text) });
        }
        Ok(files)
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    crate::fault::read_text(path, PLAYBOOK_BYTES_MAX)
}

/// The files of a folder's playbooks, by name.
fn paths(folder: &Path, files_max: usize) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: std::io::Error| format!("folder cannot be read: {}", error.kind());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        // Editors leave hidden files beside the one they write.
        let is_hidden =
            path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_toml || is_hidden {
            continue;
        }
        if paths.len() == files_max {
            return Err(format!("folder holds more than {files_max} playbooks"));
        }
        paths.push(path);
    }
    paths.sort_unstable();
    Ok(paths)
}
