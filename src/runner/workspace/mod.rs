//! Workspaces: a folder of its own for each task, with a git worktree where the playbook names a
//! repository, and a sandbox for whatever is started in it.
//!
//! A workspace is made once, used again by every attempt and every playbook at the task, never reset
//! (at most brought forward to the branch that its source names, where nothing is lost by it), and
//! removed when the task is done. One run at a time works in it. What is asked for by a value
//! from the board is hostile: it is judged by `domain::workspace`, and fetched only from repositories
//! that the team allows.

mod code;
mod follow;
mod fresh;
mod git;
mod history;
mod look;
mod make;
mod place;
mod room;
mod tree;
mod walk;

pub use code::Files;
pub use follow::Followed;
pub use fresh::Standing;
pub use git::Origin;
pub use place::{Record, folder_name};
pub use room::Workspace;

pub use crate::tools::code::CheckEnd;

use super::sandbox::{Ability, ability, limits::ResourceLimits};
use crate::domain::{
    Playbook, Reason, RunId, RunState, SandboxLevel, TaskId, Timestamp, WorkspaceSource,
    allows_repository, check_reference, check_repository,
};
use place::{Found, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How workspaces are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the disk that all of them may take.
    pub bytes_max: u64,
    /// What a program in one may use.
    pub limits: ResourceLimits,
    /// Repositories that a value from the board may name.
    pub repositories: Vec<String>,
    /// What programs may read besides the system's folders.
    pub read: Vec<PathBuf>,
    /// What programs may write besides their own folders.
    pub write: Vec<PathBuf>,
    /// This program, to be started again as a supervisor.
    pub exe: String,
    /// The daemon's environment without its secrets; programs see the basic part of it.
    pub environment: BTreeMap<String, String>,
}

/// Why there is no workspace, or why something in it did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The repository or the branch is not one that is allowed, or not there.
    #[error("{0}")]
    Refused(String),
    /// This machine cannot keep the sandbox.
    #[error("{0}")]
    Sandbox(String),
    /// There is no room for another.
    #[error("workspaces take {bytes} bytes of the {bytes_max} that they may")]
    Full {
        /// What they take.
        bytes: u64,
        /// What they may.
        bytes_max: u64,
    },
    /// Another run works in it.
    #[error("another run works in workspace {0}")]
    Busy(String),
    /// A hook failed.
    #[error("{hook}: {why}")]
    Hook {
        /// Its key.
        hook: &'static str,
        /// How it ended.
        why: String,
    },
    /// It could not be made.
    #[error("{0}")]
    Failed(String),
    /// The run was told to stop.
    #[error("the run was stopped")]
    Stopped,
}

impl From<std::io::Error> for WorkspaceError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl WorkspaceError {
    /// In which state, and for what reason, a run ends by it.
    pub fn state(&self) -> (RunState, Reason) {
        match self {
            // Trying again changes nothing.
            Self::Refused(_) => (RunState::Refused, Reason::SourceRefused),
            Self::Sandbox(_) => (RunState::Refused, Reason::SandboxUnavailable),
            Self::Full { .. } => (RunState::Failed, Reason::WorkspacesFull),
            Self::Busy(_) => (RunState::Failed, Reason::WorkspaceBusy),
            Self::Hook { .. } => (RunState::Failed, Reason::HookFailed),
            Self::Failed(_) => (RunState::Failed, Reason::WorkspaceFailed),
            Self::Stopped => (RunState::Cancelled, Reason::Cancelled),
        }
    }
}

/// What a run asks of a workspace.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The run.
    pub run: &'a RunId,
    /// For what the workspace is: its task, as the board and all its daemons know it.
    pub identifier: &'a str,
    /// The task.
    pub task: TaskId,
    /// The playbook, which has a `[workspace]`.
    pub playbook: &'a Playbook,
    /// Where its files come from, with the task's values.
    pub origin: Option<&'a Origin>,
    /// Whether it is to be where its origin is, also where that is the repository's own choice.
    pub follows: bool,
    /// This instant.
    pub now: Timestamp,
}

/// All workspaces of a state folder.
#[derive(Debug)]
pub struct Workspaces {
    root: PathBuf,
    options: Options,
    in_use: Arc<Mutex<BTreeSet<String>>>,
    /// What was fetched is changed by one at a time, and so is how much there is of everything.
    making: tokio::sync::Mutex<()>,
    ability: OnceLock<Ability>,
}

/// A name that is in use as long as this is held.
#[derive(Debug)]
struct Occupied {
    name: String,
    in_use: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Workspaces {
    /// Those of a folder; nothing is made before one is asked for.
    pub fn new(root: PathBuf, options: Options) -> Self {
        Self {
            root,
            options,
            in_use: Arc::default(),
            making: tokio::sync::Mutex::default(),
            ability: OnceLock::new(),
        }
    }

    /// What is configured.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The root without links and relative parts; it is made if it is not there.
    fn root(&self) -> Result<PathBuf, WorkspaceError> {
        place::make_folder(&self.root)?;
        Ok(std::fs::canonicalize(&self.root)?)
    }

    /// The place of an identifier, held for whoever asks.
    fn occupy(&self, root: &Path, name: &str) -> Result<(Place, Occupied), WorkspaceError> {
        let place = Place::of(root, name);
        if !place.is_below(root) {
            return Err(WorkspaceError::Failed(format!("{name:?} is no name of a workspace")));
        }
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if !in_use.insert(name.to_owned()) {
            return Err(WorkspaceError::Busy(name.to_owned()));
        }
        Ok((place, Occupied { name: name.to_owned(), in_use: Arc::clone(&self.in_use) }))
    }

    /// The workspaces there are, in the order of their last use.
    pub fn list(&self) -> Vec<Record> {
        let Ok(root) = self.existing_root() else { return Vec::new() };
        let mut records: Vec<Record> =
            self.names(&root).iter().filter_map(|n| Place::of(&root, n).record().ok()?).collect();
        records.sort_by(|a, b| (a.used, &a.identifier).cmp(&(b.used, &b.identifier)));
        records
    }

    fn existing_root(&self) -> std::io::Result<PathBuf> {
        std::fs::canonicalize(&self.root)
    }

    /// The names of all rooms.
    #[expect(clippy::unused_self, reason = "it reads what belongs to the workspaces")]
    fn names(&self, root: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(root.join(place::ROOMS)) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| Place::of(root, name).is_below(root)).collect()
    }

    /// Clears away what an earlier life left half made or half removed; how many that were.
    pub async fn clear_half_made(&self) -> usize {
        let Ok(root) = self.existing_root() else { return 0 };
        let mut count = 0;
        for name in self.names(&root) {
            let Ok((place, _held)) = self.occupy(&root, &name) else { continue };
            if matches!(place.look(), Ok(Found::Half)) {
                match clear(place).await {
                    Ok(()) => count += 1,
                    Err(error) => tracing::warn!(name, %error, "a workspace could not be cleared"),
                }
            }
        }
        count
    }

    /// Removes a workspace whose task is done, after its playbook's `before_remove`; `false` when it
    /// is in use.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove(
        &self,
        record: &Record,
        playbook: Option<&Playbook>,
        run: &RunId,
    ) -> Result<bool, WorkspaceError> {
        let root = self.existing_root()?;
        let (place, held) = match self.occupy(&root, &folder_name(&record.identifier)) {
            Err(WorkspaceError::Busy(_)) => return Ok(false),
            other => other?,
        };
        let rules = playbook.and_then(|playbook| playbook.workspace.as_ref());
        let mut held = Some(held);
        if let (Some(playbook), Some(rules)) = (playbook, rules)
            && let Some(hook) = &rules.hooks.before_remove
            && let Some(occupied) = held.take()
        {
            let ask = Ask {
                run,
                identifier: &record.identifier,
                task: record.task,
                playbook,
                origin: None,
                follows: false,
                now: record.used,
            };
            let workspace =
                self.furnish(place.clone(), occupied, &ask, record.repository.as_deref());
            let stop = tokio_util::sync::CancellationToken::new();
            let ended = match workspace.await {
                Ok(workspace) => {
                    let ended = workspace.hook("before_remove", hook, &stop).await;
                    held = Some(workspace.leave());
                    ended
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(name = place.name, %error, "a hook failed; the workspace goes all the same");
            }
        }
        clear(place).await?;
        drop(held);
        Ok(true)
    }

    /// Whether a level of the sandbox can be kept here.
    fn check_ability(&self, playbook: &Playbook) -> Result<(), WorkspaceError> {
        let rules = playbook.workspace.as_ref();
        let level = rules.map(|rules| rules.sandbox).unwrap_or_default();
        if rules.is_some_and(|rules| !rules.hosts.is_empty()) {
            return self.check_port(level);
        }
        self.ability().allows(level).map_err(|why| cannot_be_kept(level, why))
    }

    /// Whether it can be kept of a program that has a way to a port of this machine.
    fn check_port(&self, level: SandboxLevel) -> Result<(), WorkspaceError> {
        self.ability().allows_port(level).map_err(|why| cannot_be_kept(level, &why))
    }

    fn ability(&self) -> &Ability {
        self.ability.get_or_init(|| ability(&self.options.exe))
    }

    /// Whether a run's program in a workspace can be let through to its run's tools.
    ///
    /// # Errors
    /// When the sandbox could not be kept then.
    pub fn check_grant(&self, workspace: &Workspace) -> Result<(), WorkspaceError> {
        self.check_port(workspace.level())
    }
}

fn cannot_be_kept(level: SandboxLevel, why: &str) -> WorkspaceError {
    WorkspaceError::Sandbox(format!("the sandbox {level} cannot be kept here: {why}"))
}

/// Removes all of a workspace, beside whatever else is going on.
async fn clear(place: Place) -> std::io::Result<()> {
    tokio::task::spawn_blocking(move || place.clear()).await.map_err(std::io::Error::other)?
}

/// Judges where a workspace's files are to come from: `repository` and `reference` have the task's
/// values by now, `source` is what the playbook says.
///
/// # Errors
/// Why it is not fetched; what stands on the board is not repeated.
pub fn judge(
    source: &WorkspaceSource,
    repository: &str,
    reference: Option<&str>,
    allowed: &[String],
    playbook: &Path,
) -> Result<Origin, WorkspaceError> {
    let refused = |why: &str| WorkspaceError::Refused(why.to_owned());
    let repository = if source.is_path {
        let folder = playbook.parent().unwrap_or(Path::new(""));
        let real = std::fs::canonicalize(folder.join(repository));
        let real = real.map_err(|error| refused(&format!("source.path: {error}")))?;
        let text = real.to_str().ok_or_else(|| refused("source.path is no UTF-8"))?;
        text.to_owned()
    } else {
        let repository = repository.trim();
        check_repository(repository, source.is_literal())
            .map_err(|why| refused(&format!("source.git: {why}")))?;
        if !source.is_literal() {
            let real =
                std::fs::canonicalize(repository).ok().filter(|_| repository.starts_with('/'));
            let leads_away = real.is_some_and(|real| !is_allowed_path(allowed, &real));
            if !allows_repository(allowed, repository) || leads_away {
                return Err(refused(
                    "source.git: what the task names is none of the allowed repositories \
                     (`repositories` of [workspace], or of [workspaces] in rota.toml)",
                ));
            }
        }
        repository.to_owned()
    };
    let reference = reference.map(str::trim).filter(|reference| !reference.is_empty());
    if let Some(reference) = reference {
        check_reference(reference).map_err(|why| refused(&format!("source.ref: {why}")))?;
    }
    Ok(Origin { repository, reference: reference.map(str::to_owned) })
}

fn is_allowed_path(allowed: &[String], real: &Path) -> bool {
    real.to_str().is_some_and(|real| allows_repository(allowed, real))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(repository: &str) -> WorkspaceSource {
        WorkspaceSource { repository: repository.into(), is_path: false, reference: None }
    }

    fn from_board(value: &str, allowed: &[String]) -> Result<Origin, WorkspaceError> {
        judge(&source("{{task.fields.repository}}"), value, None, allowed, Path::new("agents/a"))
    }

    #[test]
    fn what_the_board_names_must_be_allowed_and_what_the_team_wrote_need_not() {
        let literal = "https://github.com/acme/site";
        assert!(judge(&source(literal), literal, None, &[], Path::new("a")).is_ok());
        assert!(from_board(literal, &[]).is_err());
        let allowed = vec!["https://github.com/acme/*".to_owned()];
        assert_eq!(from_board(literal, &allowed).unwrap().repository, literal);
        for bad in [
            "https://github.com/evil/site",
            "--upload-pack=id",
            "ext::sh -c id",
            "https://github.com/acme/../evil/site",
            "",
        ] {
            let refused = from_board(bad, &allowed).unwrap_err();
            assert_eq!(refused.state().1, Reason::SourceRefused, "{bad}");
            assert!(bad.is_empty() || !refused.to_string().contains(bad), "{refused}");
        }
    }

    #[test]
    fn an_allowed_path_that_is_a_link_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        for name in ["git", "other", "git/real"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("other"), root.join("git/link")).unwrap();
        let allowed = vec![format!("{}/git/*", root.display())];
        let at = |name: &str| format!("{}/git/{name}", root.display());
        assert!(from_board(&at("real"), &allowed).is_ok());
        assert!(from_board(&at("link"), &allowed).is_err());
    }

    #[test]
    fn a_branch_of_the_board_is_no_option() {
        let literal = "https://github.com/acme/site";
        let with = |branch| judge(&source(literal), literal, Some(branch), &[], Path::new("a"));
        assert_eq!(with(" main ").unwrap().reference.as_deref(), Some("main"));
        assert_eq!(with("").unwrap().reference, None);
        assert!(with("--detach").is_err() && with("a..b").is_err());
    }
}
