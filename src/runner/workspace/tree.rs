//! Files of a workspace, opened by somebody who trusts nothing that lies there.
//!
//! A path is walked part by part, each from the folder before it that is held open, and no part of it
//! may be a link: whatever is swapped in meanwhile leads nowhere. Only plain files are opened; a pipe
//! or a device would wait, or do something. What belongs to git is shown to nobody.

use crate::tools::code::{CodeError, EntryKind};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest path.
const PATH_BYTES_MAX: usize = 4_096;

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const FILE: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// How long somebody looks, at most.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    pub until: Instant,
    pub stop: CancellationToken,
}

impl Patience {
    /// Whether it is used up.
    pub fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.until
    }
}

/// A workspace's files.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Those below a folder, whose own path is ours and free of links.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The parts of a path from the root; of the root itself none.
    pub fn parts(&self, text: &str) -> Result<Vec<String>, CodeError> {
        if text.len() > PATH_BYTES_MAX || text.contains('\0') {
            return Err(CodeError::Refused("path: it is far too long, or holds a NUL".to_owned()));
        }
        let mut text = text;
        if text.starts_with('/') {
            // Programs that work here know where it lies.
            let root = self.root.to_str().unwrap_or("/");
            let inside =
                text.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            text = inside.ok_or_else(|| {
                let why = "path: it is from the workspace's root, such as src/lib.rs";
                CodeError::Outside(why.to_owned())
            })?;
        }
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                return Err(CodeError::Outside("path: no part of it may be `..`".to_owned()));
            }
            if is_gits(part) {
                let why = "path: what is in .git is not shown; see codeLog, codeDiff and codeBlame";
                return Err(CodeError::Outside(why.to_owned()));
            }
            parts.push(part.to_owned());
        }
        Ok(parts)
    }

    /// A folder, held open.
    pub fn folder(&self, parts: &[String]) -> Result<OwnedFd, CodeError> {
        let mut at = open(&self.root, FOLDER, Mode::empty()).map_err(|error| {
            CodeError::Failed(format!("the workspace cannot be opened: {error}"))
        })?;
        for (place, part) in parts.iter().enumerate() {
            at = openat(&at, part.as_str(), FOLDER, Mode::empty()).map_err(|error| {
                let path = parts.get(..=place).unwrap_or(parts).join("/");
                why_not(&at, part, &path, error)
            })?;
        }
        Ok(at)
    }

    /// What lies at a path; a link is a link.
    pub fn kind(&self, parts: &[String]) -> Result<EntryKind, CodeError> {
        let Some((name, above)) = parts.split_last() else { return Ok(EntryKind::Folder) };
        let folder = self.folder(above)?;
        let stat = fstatat(&folder, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        stat.map(|stat| kind_of(&stat))
            .map_err(|error| why_not(&folder, name, &parts.join("/"), error))
    }

    /// A plain file, and how large it is.
    pub fn file(&self, parts: &[String]) -> Result<(File, u64), CodeError> {
        let Some((name, above)) = parts.split_last() else {
            return Err(CodeError::Refused("path: name a file".to_owned()));
        };
        let folder = self.folder(above)?;
        let name = CString::new(name.as_str())
            .map_err(|_| CodeError::Refused("path: it holds a NUL".to_owned()))?;
        file_in(&folder, &name, &parts.join("/"))
    }
}

/// A plain file in a folder that is held open.
pub(super) fn file_in(
    folder: &impl AsFd,
    name: &CStr,
    path: &str,
) -> Result<(File, u64), CodeError> {
    let shown = name.to_string_lossy();
    let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|error| why_not(folder, &shown, path, error))?;
    match kind_of(&stat) {
        EntryKind::File => {}
        EntryKind::Link => return Err(why_not(folder, &shown, path, Errno::ELOOP)),
        EntryKind::Folder => {
            return Err(CodeError::Refused(format!("{path:?} is a folder; see codeList")));
        }
        EntryKind::Other => {
            return Err(CodeError::Refused(format!("{path:?} is no file: a pipe or the like")));
        }
    }
    let file = openat(folder, name, FILE, Mode::empty())
        .map_err(|error| why_not(folder, &shown, path, error))?;
    // It may have become something else in between.
    let stat = fstat(&file).map_err(|error| CodeError::Failed(format!("{path:?}: {error}")))?;
    if kind_of(&stat) != EntryKind::File {
        return Err(CodeError::Refused(format!("{path:?} is no file any more")));
    }
    Ok((File::from(file), bytes_of(&stat)))
}

/// A folder in a folder that is held open.
pub(super) fn folder_in(folder: &impl AsFd, name: &CStr) -> Option<OwnedFd> {
    openat(folder, name, FOLDER, Mode::empty()).ok()
}

/// The names in a folder, in their order, and whether that is all of them; more than `most` it is not.
pub(super) fn names_in(
    folder: OwnedFd,
    most: usize,
) -> Result<(Dir, Vec<CString>, bool), CodeError> {
    let failed = |error: Errno| CodeError::Failed(format!("a folder cannot be read: {error}"));
    let mut folder = Dir::from_fd(folder).map_err(failed)?;
    let mut names = Vec::new();
    let mut is_all = true;
    for entry in folder.iter() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if names.len() >= most {
            is_all = false;
            break;
        }
        names.push(name.to_owned());
    }
    names.sort();
    Ok((folder, names, is_all))
}

/// What lies in a folder that is held open, if it still does.
pub(super) fn look_at(folder: &impl AsFd, name: &CStr) -> Option<(EntryKind, u64)> {
    let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    Some((kind_of(&stat), bytes_of(&stat)))
}

/// Where a link leads.
pub(super) fn target_of(folder: &impl AsFd, name: &CStr) -> Option<String> {
    readlinkat(folder, name).ok().map(|target| target.to_string_lossy().into_owned())
}

/// Whether a name is git's own, as any file system would take it.
pub(super) fn is_gits(name: &str) -> bool {
    name.eq_ignore_ascii_case(".git")
}

fn kind_of(stat: &FileStat) -> EntryKind {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => EntryKind::File,
        SFlag::S_IFDIR => EntryKind::Folder,
        SFlag::S_IFLNK => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

fn bytes_of(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Why a part of a path was not entered, in words.
fn why_not(folder: &impl AsFd, name: &str, path: &str, error: Errno) -> CodeError {
    match error {
        Errno::ENOENT => CodeError::NotFound(format!("there is no {path:?} in the workspace")),
        Errno::ELOOP | Errno::ENOTDIR => match readlinkat(folder, name) {
            Ok(target) => {
                let target = target.to_string_lossy();
                CodeError::Outside(format!(
                    "{path:?} is a link to {target:?}, and links are not followed: name the file itself"
                ))
            }
            Err(_) => CodeError::NotFound(format!("{path:?} is no folder")),
        },
        error => CodeError::Failed(format!("{path:?}: {}", error.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("tree/src")).unwrap();
        std::fs::write(root.join("tree/src/lib.rs"), "one\n").unwrap();
        std::fs::write(root.join("secret"), "of the team").unwrap();
        let tree = Tree::new(&root.join("tree"));
        (dir, tree)
    }

    #[test]
    fn paths_are_from_the_root_and_lead_nowhere_else() {
        let (_dir, tree) = tree();
        for same in ["src/lib.rs", "./src//lib.rs", "src/./lib.rs"] {
            assert_eq!(tree.parts(same).unwrap(), ["src", "lib.rs"], "{same}");
        }
        let absolute = tree.root.join("src/lib.rs");
        assert_eq!(tree.parts(absolute.to_str().unwrap()).unwrap(), ["src", "lib.rs"]);
        for root in ["", ".", "./"] {
            assert!(tree.parts(root).unwrap().is_empty(), "{root}");
        }
        let beside = format!("{}2/x", tree.root.display());
        for out in ["..", "../secret", "src/../../secret", "/etc/passwd", "/", beside.as_str()] {
            assert!(matches!(tree.parts(out), Err(CodeError::Outside(_))), "{out}");
        }
        for gits in [".git", ".git/config", "src/.GIT/config", ".Git"] {
            assert!(matches!(tree.parts(gits), Err(CodeError::Outside(_))), "{gits}");
        }
        assert!(tree.parts("a\0b").is_err() && tree.parts(&"x/".repeat(4_000)).is_err());
    }

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        let (_dir, tree) = tree();
        symlink("../secret", tree.root.join("file")).unwrap();
        symlink("..", tree.root.join("up")).unwrap();
        symlink("src", tree.root.join("inside")).unwrap();
        symlink("/proc/self/environ", tree.root.join("environ")).unwrap();
        for path in ["file", "up/secret", "inside/lib.rs", "environ"] {
            let parts = tree.parts(path).unwrap();
            let error = tree.file(&parts).unwrap_err();
            assert!(matches!(error, CodeError::Outside(_)), "{path}: {error}");
            assert!(error.to_string().contains("link"), "{path}: {error}");
        }
        assert!(tree.file(&tree.parts("src/lib.rs").unwrap()).is_ok());
    }

    #[test]
    fn only_plain_files_are_opened_and_nothing_waits() {
        let (_dir, tree) = tree();
        nix::unistd::mkfifo(&tree.root.join("pipe"), Mode::S_IRWXU).unwrap();
        let socket = tree.root.join("socket");
        let _held = std::os::unix::net::UnixListener::bind(socket).unwrap();
        for path in ["pipe", "socket", "src"] {
            let error = tree.file(&tree.parts(path).unwrap()).unwrap_err();
            assert!(matches!(error, CodeError::Refused(_)), "{path}: {error}");
        }
        let gone = tree.file(&tree.parts("src/none.rs").unwrap()).unwrap_err();
        assert!(matches!(gone, CodeError::NotFound(_)), "{gone}");
        let under_file = tree.file(&tree.parts("src/lib.rs/x").unwrap()).unwrap_err();
        assert!(matches!(under_file, CodeError::NotFound(_)), "{under_file}");
    }
}
