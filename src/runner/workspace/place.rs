//! Where a workspace lies: its name, its folders, what is written down about it, and how it goes.
//!
//! ```text
//! workspaces/NAME/             the files: an agent's working directory
//! workspaces/.rooms/NAME/      what belongs to it: record.json, home/, tmp/, given/, repo.git/
//! workspaces/.repos/HASH.git   what was fetched, once for each repository; no program may write it
//! ```
//! The record is written when everything else is there, and goes before anything else does: without
//! it, what lies there is half made or half removed, and is cleared away.

use crate::domain::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The longest name before its hash.
const NAME_BYTES_MAX: usize = 80;
/// The hexadecimal digits of a hash: 64 bits.
const HASH_DIGITS: usize = 16;
/// The largest record.
const RECORD_BYTES_MAX: u64 = 64 * 1024;
/// More entries than this are not counted: what holds them counts as larger than any limit.
const ENTRIES_MAX: usize = 2_000_000;
/// A tree is removed as it stands up to this depth.
const DEPTH_MAX: usize = 200;

/// The folder of what belongs to workspaces.
pub(super) const ROOMS: &str = ".rooms";
/// The folder of what was fetched.
pub(super) const REPOS: &str = ".repos";
const RECORD: &str = "record.json";

/// What is written down about a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// For what it was made, as the name was made of it.
    pub identifier: String,
    /// Its task.
    pub task: TaskId,
    /// By which playbook it was made.
    pub playbook: String,
    /// From which repository.
    pub repository: Option<String>,
    /// At which commit it began.
    pub commit: Option<String>,
    /// When it was made.
    pub made: Timestamp,
    /// When it was last used.
    pub used: Timestamp,
}

/// A folder's name for an identifier: letters, digits, `.`, `_` and `-`. Where that changes it, or it
/// might be taken for a changed one, a hash follows, so that different identifiers have different
/// folders.
pub fn folder_name(identifier: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut name: String =
        identifier.chars().map(|c| if fits(c) { c } else { '_' }).take(NAME_BYTES_MAX).collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        name = format!("_{}", name.get(1..).unwrap_or_default());
    }
    let looks_hashed = name.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == HASH_DIGITS && end.bytes().all(|b| b.is_ascii_hexdigit())
    });
    if name == identifier && !looks_hashed {
        return name;
    }
    format!("{name}-{}", hash(identifier))
}

/// 64 bits of a text's SHA-256, in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    let mut out = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(HASH_DIGITS / 2) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Makes a folder for nobody but us, and those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What lies at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A workspace.
    Made(Box<Record>),
    /// One that was not finished, or not wholly removed.
    Half,
    /// Something that we did not make; what it is.
    Foreign(&'static str),
}

/// A workspace's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub name: String,
    /// The working directory.
    pub tree: PathBuf,
    /// What belongs to it.
    pub room: PathBuf,
}

impl Place {
    /// The place of a name below the root, which is absolute and free of links.
    pub fn of(root: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), tree: root.join(name), room: root.join(ROOMS).join(name) }
    }

    /// Whether it lies in the root and nowhere else.
    pub fn is_below(&self, root: &Path) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !self.name.is_empty()
            && !self.name.starts_with('.')
            && self.name.chars().all(fits)
            && self.tree.parent() == Some(root)
            && fs::canonicalize(root).is_ok_and(|real| real == root)
    }

    pub fn home(&self) -> PathBuf {
        self.room.join("home")
    }

    pub fn tmp(&self) -> PathBuf {
        self.room.join("tmp")
    }

    /// What its programs read and cannot change.
    pub fn given(&self) -> PathBuf {
        self.room.join("given")
    }

    pub fn repo(&self) -> PathBuf {
        self.room.join("repo.git")
    }

    /// What lies here. Links are never followed.
    pub fn look(&self) -> io::Result<Found> {
        let kind = |path: &Path| match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(found.file_type())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let (tree, room) = (kind(&self.tree)?, kind(&self.room)?);
        Ok(match (tree, room) {
            (None, None) => Found::Nothing,
            (_, Some(room)) if !room.is_dir() => Found::Foreign("its room is no folder"),
            (Some(tree), _) if tree.is_symlink() => Found::Foreign("a link lies there"),
            (Some(tree), _) if !tree.is_dir() => Found::Foreign("a file lies there"),
            (Some(_), None) => Found::Foreign("a folder lies there that rota did not make"),
            (tree, Some(_)) => match (tree, self.record()?) {
                (Some(_), Some(record)) => Found::Made(Box::new(record)),
                _ => Found::Half,
            },
        })
    }

    /// The record; `None` where none was written.
    ///
    /// # Errors
    /// When it is there and cannot be read: that is no reason to take the rest for half made.
    pub fn record(&self) -> io::Result<Option<Record>> {
        let path = self.room.join(RECORD);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        if !found.is_file() || found.len() > RECORD_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "its record is no such file"));
        }
        Ok(Some(serde_json::from_slice(&fs::read(path)?)?))
    }

    /// Writes the record; it is there wholly or not at all.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let fresh = self.room.join("record.new");
        fs::write(&fresh, serde_json::to_vec_pretty(record)?)?;
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, self.room.join(RECORD))
    }

    /// Removes all of it; what is broken off is [`Found::Half`].
    pub fn clear(&self) -> io::Result<()> {
        absent(fs::remove_file(self.room.join(RECORD)))?;
        remove_all(&self.tree)?;
        remove_all(&self.room)
    }
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes a folder and what is in it, following no link; a folder that may not be entered is made
/// so first.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::Error::new(ErrorKind::NotADirectory, "it is no folder")),
        Err(error) => return absent(Err(error)),
    }
    if open_up(path, DEPTH_MAX)? {
        return absent(fs::remove_dir_all(path));
    }
    // Removed from its end it would take a descriptor and a frame of the stack for each level.
    flatten(path)?;
    absent(fs::remove_dir(path))
}

/// Removes the lock files of a repository, other than those of its objects.
pub(super) fn remove_locks(repository: &Path) -> io::Result<()> {
    let mut open = vec![repository.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let (entry, is_top) = (entry?, folder == repository);
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                if !is_top || name == "refs" {
                    open.push(entry.path());
                }
            } else if Path::new(&name).extension().is_some_and(|end| end == "lock") {
                absent(fs::remove_file(entry.path()))?;
            }
        }
    }
    Ok(())
}

/// Lets its user into every folder below; `false`, and not all of them, when they lie deeper than this.
fn open_up(path: &Path, depth_max: usize) -> io::Result<bool> {
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        if depth > depth_max {
            return Ok(false);
        }
        let_in(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // Of the entry itself: a link to a folder is no folder.
            if entry.file_type()?.is_dir() {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    Ok(true)
}

fn let_in(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.permissions().mode() & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Empties a folder, moving up whatever lies deeper.
fn flatten(top: &Path) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let mut is_empty = true;
        for entry in fs::read_dir(top)? {
            let entry = entry?;
            is_empty = false;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
                continue;
            }
            let_in(&entry.path())?;
            for inner in fs::read_dir(entry.path())? {
                let to = loop {
                    moved += 1;
                    let to = top.join(format!(".rota-moved-{moved}"));
                    if fs::symlink_metadata(&to).is_err() {
                        break to;
                    }
                };
                let inner = inner?.path();
                // A folder that is moved has to be writable itself, as its parent changes.
                if fs::symlink_metadata(&inner)?.is_dir() {
                    let_in(&inner)?;
                }
                fs::rename(inner, to)?;
            }
            fs::remove_dir(entry.path())?;
        }
        if is_empty {
            return Ok(());
        }
    }
}

/// How many bytes of the disk a folder takes, following no link.
pub(super) fn bytes_of(path: &Path) -> u64 {
    let (mut bytes, mut entries) = (0_u64, 0_usize);
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        let listed = match fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            // A folder that was closed may hold anything.
            Err(_) => return u64::MAX,
        };
        for entry in listed.flatten() {
            entries += 1;
            if entries > ENTRIES_MAX {
                return u64::MAX;
            }
            let Ok(found) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(found.blocks().saturating_mul(512));
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    fn record() -> Record {
        let now = "2026-11-03T11:00:00Z".parse().unwrap();
        Record {
            identifier: "main-7".into(),
            task: TaskId(7),
            playbook: "worker".into(),
            repository: None,
            commit: None,
            made: now,
            used: now,
        }
    }

    fn root() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn plain_identifiers_stay_and_others_get_a_hash() {
        assert_eq!(folder_name("main-42"), "main-42");
        for odd in ["..", ".", "", "../up", "/abs", ".hidden", "-rf", "a/b", "a\\b", "a\0b", "ü"] {
            let name = folder_name(odd);
            assert!(name.len() > HASH_DIGITS && !name.starts_with(['.', '-']), "{odd}: {name}");
        }
        assert_ne!(folder_name("a/b"), folder_name("a?b"));
        let forged = folder_name("a/b");
        assert_ne!(folder_name(&forged), forged, "a forged name leads to another's folder");
        assert_eq!(folder_name(&"x".repeat(500)).len(), NAME_BYTES_MAX + 1 + HASH_DIGITS);
    }

    proptest! {
        #[test]
        fn whatever_the_identifier_its_folder_lies_in_the_root(one in ".{0,120}", two in ".{0,120}") {
            let root = fs::canonicalize("/").unwrap();
            prop_assert!(Place::of(&root, &folder_name(&one)).is_below(&root));
            prop_assert_eq!(one == two, folder_name(&one) == folder_name(&two));
        }
    }

    #[test]
    fn a_root_behind_a_link_is_none() {
        let (_dir, root) = root();
        fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        assert!(Place::of(&root.join("real"), "a").is_below(&root.join("real")));
        assert!(!Place::of(&root.join("link"), "a").is_below(&root.join("link")));
        assert!(!Place::of(&root, "..").is_below(&root));
    }

    #[test]
    fn what_lies_there_is_told_apart() {
        let (_dir, root) = root();
        let place = Place::of(&root, "main-7");
        assert_eq!(place.look().unwrap(), Found::Nothing);
        fs::write(&place.tree, "a file").unwrap();
        assert!(matches!(place.look().unwrap(), Found::Foreign(_)));
        fs::remove_file(&place.tree).unwrap();
        symlink("/etc", &place.tree).unwrap();
        assert!(matches!(place.look().unwrap(), Found::Foreign(_)));
        fs::remove_file(&place.tree).unwrap();
        fs::create_dir(&place.tree).unwrap();
        assert!(matches!(place.look().unwrap(), Found::Foreign(_)), "a person's folder");
        make_folder(&place.room).unwrap();
        assert_eq!(place.look().unwrap(), Found::Half);
        place.write(&record()).unwrap();
        assert_eq!(place.look().unwrap(), Found::Made(Box::new(record())));
        fs::write(place.room.join(RECORD), "{").unwrap();
        assert!(place.look().is_err(), "it was made, whatever its record says");
        fs::remove_file(place.room.join(RECORD)).unwrap();
        assert_eq!(place.look().unwrap(), Found::Half);
    }

    #[test]
    fn clearing_follows_no_link_and_opens_closed_folders() {
        let (_dir, root) = root();
        let place = Place::of(&root.join("workspaces"), "main-7");
        let outside = root.join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "kept").unwrap();
        make_folder(&place.room).unwrap();
        make_folder(&place.tree.join("closed").join("inner")).unwrap();
        symlink(&outside, place.tree.join("link")).unwrap();
        symlink(&outside, place.tree.join("closed").join("link")).unwrap();
        let closed = fs::Permissions::from_mode(0o000);
        fs::set_permissions(place.tree.join("closed"), closed).unwrap();
        place.clear().unwrap();
        assert_eq!(place.look().unwrap(), Found::Nothing);
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
        place.clear().unwrap();
    }

    #[test]
    fn a_tree_of_whatever_depth_can_be_removed() {
        let (_dir, root) = root();
        let top = root.join("top");
        fs::create_dir(&top).unwrap();
        fs::create_dir_all(top.join(".rota-moved-1").join("its")).unwrap();
        // Built from its end: no path is as long as this is deep.
        let (mut tip, spare) = (root.join("tip"), root.join("spare"));
        fs::create_dir(&tip).unwrap();
        for _ in 0..5_000 {
            fs::create_dir(&spare).unwrap();
            fs::write(spare.join("file"), "x").unwrap();
            fs::rename(&tip, spare.join("d")).unwrap();
            tip = root.join("tip");
            fs::rename(&spare, &tip).unwrap();
        }
        fs::rename(&tip, top.join("deep")).unwrap();
        remove_all(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn bytes_are_counted_without_following_links() {
        let (_dir, root) = root();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/file"), vec![1; 100_000]).unwrap();
        fs::create_dir(root.join("b")).unwrap();
        symlink(root.join("a"), root.join("b/link")).unwrap();
        assert!(bytes_of(&root.join("a")) >= 100_000);
        assert!(bytes_of(&root.join("b")) < 50_000);
    }
}
