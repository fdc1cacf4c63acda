//! A walk over the files of a workspace: in the order of their paths, through no link, past what git
//! ignores, and not for ever.

use super::tree::{Patience, Tree, file_in, folder_in, is_gits, look_at, names_in, target_of};
use crate::tools::code::{CodeError, EntryKind};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use nix::dir::Dir;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// A walk comes to know so many entries.
const ENTRIES_MAX: usize = 50_000;
/// No folder lies deeper.
pub(super) const DEPTH_MAX: u32 = 32;
/// The largest list of what git ignores, and the most lines of one.
const RULES_BYTES_MAX: u64 = 64 * 1024;
const RULES_MAX: usize = 1_000;

/// Something on the way.
pub(super) struct Seen<'a> {
    pub path: &'a str,
    pub kind: EntryKind,
    pub bytes: u64,
    folder: &'a Dir,
    name: &'a CStr,
}

impl Seen<'_> {
    /// Opens it: it is a plain file, or that fails.
    pub fn open(&self) -> Result<std::fs::File, CodeError> {
        file_in(self.folder, self.name, self.path).map(|(file, _)| file)
    }

    /// Where it leads, for a link.
    pub fn target(&self) -> Option<String> {
        target_of(self.folder, self.name)
    }
}

/// Whether the walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Home,
}

/// A walk.
pub(super) struct Walk<'a> {
    pub tree: &'a Tree,
    pub patience: &'a Patience,
    /// So many levels below where it begins.
    pub depth_max: u32,
    /// Also what git ignores.
    pub ignored: bool,
    rules: Vec<Gitignore>,
    count: usize,
    left_out: BTreeSet<&'static str>,
}

impl<'a> Walk<'a> {
    pub fn new(tree: &'a Tree, patience: &'a Patience, depth_max: u32, ignored: bool) -> Self {
        let (rules, left_out) = Default::default();
        Self { tree, patience, depth_max, ignored, rules, count: 0, left_out }
    }

    /// Walks below a folder; `visit` is shown everything, folders before what is in them.
    pub fn below(
        &mut self,
        start: &[String],
        visit: &mut dyn FnMut(&Seen<'_>) -> Go,
    ) -> Result<(), CodeError> {
        if !self.ignored {
            for level in 0..start.len() {
                let above = start.get(..level).unwrap_or_default();
                let rules = rules_of(&above.join("/"), &self.tree.folder(above)?);
                self.rules.push(rules);
            }
        }
        let folder = self.tree.folder(start)?;
        self.folder(folder, &start.join("/"), 1, visit)?;
        Ok(())
    }

    /// What was not looked at, and why.
    pub fn left_out(self) -> impl Iterator<Item = String> {
        self.left_out.into_iter().map(str::to_owned)
    }

    fn folder(
        &mut self,
        folder: OwnedFd,
        path: &str,
        level: u32,
        visit: &mut dyn FnMut(&Seen<'_>) -> Go,
    ) -> Result<Go, CodeError> {
        let room = ENTRIES_MAX.saturating_sub(self.count);
        let (folder, names, is_all) = names_in(folder, room)?;
        self.count += names.len();
        if !is_all {
            self.left_out.insert("more than 50,000 entries: name a folder");
        }
        if !self.ignored {
            self.rules.push(rules_of(path, &folder));
        }
        let mut go = Go::On;
        for name in &names {
            go = self.entry(&folder, name, path, level, visit);
            if go == Go::Home {
                break;
            }
        }
        if !self.ignored {
            self.rules.pop();
        }
        Ok(go)
    }

    fn entry(
        &mut self,
        folder: &Dir,
        name: &CStr,
        above: &str,
        level: u32,
        visit: &mut dyn FnMut(&Seen<'_>) -> Go,
    ) -> Go {
        if self.patience.is_over() {
            self.left_out.insert("it took too long: name a folder");
            return Go::Home;
        }
        let Ok(text) = name.to_str() else {
            self.left_out.insert("names that are no UTF-8");
            return Go::On;
        };
        if is_gits(text) {
            return Go::On;
        }
        // What is gone in between is not there.
        let Some((kind, bytes)) = look_at(folder, name) else { return Go::On };
        let path = if above.is_empty() { text.to_owned() } else { format!("{above}/{text}") };
        if !self.ignored && is_ignored(&self.rules, &path, kind == EntryKind::Folder) {
            return Go::On;
        }
        if visit(&Seen { path: &path, kind, bytes, folder, name }) == Go::Home {
            return Go::Home;
        }
        if kind != EntryKind::Folder {
            return Go::On;
        }
        if level >= self.depth_max.min(DEPTH_MAX) {
            if level >= DEPTH_MAX {
                self.left_out.insert("folders that lie very deep");
            }
            return Go::On;
        }
        let Some(inner) = folder_in(folder, name) else {
            self.left_out.insert("folders that may not be entered");
            return Go::On;
        };
        self.folder(inner, &path, level + 1, visit).unwrap_or_else(|_| {
            self.left_out.insert("folders that cannot be read");
            Go::On
        })
    }
}

/// What a folder's `.gitignore` says.
fn rules_of(path: &str, folder: &impl std::os::fd::AsFd) -> Gitignore {
    let mut builder = GitignoreBuilder::new(path);
    let mut text = Vec::new();
    if let Ok((file, _)) = file_in(folder, c".gitignore", ".gitignore")
        && file.take(RULES_BYTES_MAX).read_to_end(&mut text).is_ok()
    {
        for line in String::from_utf8_lossy(&text).lines().take(RULES_MAX) {
            // A line that is no pattern ignores nothing.
            let _ = builder.add_line(None, line);
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// The innermost rule that speaks of a path decides.
fn is_ignored(rules: &[Gitignore], path: &str, is_folder: bool) -> bool {
    for rules in rules.iter().rev() {
        match rules.matched(path, is_folder) {
            Match::None => {}
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
        }
    }
    false
}

/// What `glob` stands for.
pub(super) fn glob(text: Option<&str>) -> Result<Option<Override>, CodeError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = |error: ignore::Error| CodeError::Refused(format!("glob: {error}"));
    if text.len() > 500 {
        return Err(CodeError::Refused("glob: it is far too long".to_owned()));
    }
    let mut builder = OverrideBuilder::new("");
    builder.add(text).map_err(refused)?;
    builder.build().map(Some).map_err(refused)
}

/// Whether a file is one of those that are meant.
pub(super) fn is_meant(glob: Option<&Override>, path: &str) -> bool {
    glob.is_none_or(|glob| glob.matched(path, false).is_whitelist())
}
