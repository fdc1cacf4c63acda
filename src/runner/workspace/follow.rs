//! A reviewer's workspace follows what others push: forward as any other is brought up to date
//! ([`fresh`](super::fresh)), and over to what took the place of what was looked at last.
//!
//! The worktree is moved within the sandbox: an agent may have been in it. Nothing that is only in the
//! workspace gets lost.

use super::git::{Git, Origin, is_commit};
use super::{Workspace, WorkspaceError, Workspaces};
use crate::domain::RunId;
use tokio_util::sync::CancellationToken;

/// Where a workspace is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Its commit, where it has any.
    pub commit: Option<String>,
    /// The commit that its origin is at, where it was to be followed.
    pub pushed: Option<String>,
    /// What became of it, where something was rewritten.
    pub note: Option<String>,
}

impl Workspaces {
    /// Moves a workspace over to where its origin is, where that is not what was looked at last
    /// (`seen`) gone on, but something else in its place. Without `follows`, it stays where it is.
    ///
    /// # Errors
    /// When it was stopped, the sandbox cannot be had, or it is not known where its origin is.
    pub async fn follow(
        &self,
        workspace: &Workspace,
        follows: bool,
        seen: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Followed, WorkspaceError> {
        let standing = workspace.standing();
        let at = standing.target.as_ref().or(standing.default.as_ref());
        let pushed = at.filter(|new| follows && is_commit(new)).cloned();
        if follows && pushed.is_none() {
            let why =
                standing.note.clone().unwrap_or_else(|| "its origin names no commit".to_owned());
            return Err(WorkspaceError::Failed(why));
        }
        let over = match (&pushed, seen.filter(|seen| is_commit(seen))) {
            (Some(new), Some(seen)) if new != seen => script(new, seen),
            _ => String::new(),
        };
        let commit = head(workspace, &over, stop).await?;
        let has_moved = !over.is_empty() && commit == pushed && !standing.is_forward;
        let note = pushed.as_ref().filter(|_| has_moved && standing.note.is_some());
        let note = note.map(|new| {
            format!(
                "what was looked at last was rewritten: it was moved to {new}, which took its place"
            )
        });
        Ok(Followed { commit, pushed, note })
    }

    /// The commit that a branch is at where it comes from; nothing is fetched.
    ///
    /// # Errors
    /// When the origin cannot be asked.
    pub async fn remote_head(
        &self,
        origin: &Origin,
        run: &RunId,
        stop: &CancellationToken,
    ) -> Result<Option<String>, WorkspaceError> {
        let root = self.root()?;
        let git = Git { environment: &self.options.environment, run, stop };
        git.remote_head(&root, origin).await
    }
}

/// Moves over to a commit from what was looked at last, unless a file is changed. What was there keeps
/// a name.
fn script(new: &str, seen: &str) -> String {
    format!(
        "if [ \"$(git rev-parse --verify --quiet HEAD)\" = {seen} ] &&\n\
         ! git merge-base --is-ancestor {new} HEAD && git diff --quiet HEAD; then\n\
         git update-ref refs/rota/seen/{seen} HEAD && git reset --quiet --hard {new}\n\
         fi >/dev/null 2>&1\n"
    )
}

/// The workspace's commit after a script; `None`: it is no repository, or has no commit.
async fn head(
    workspace: &Workspace,
    script: &str,
    stop: &CancellationToken,
) -> Result<Option<String>, WorkspaceError> {
    let said = workspace.ask(&format!("{script}git rev-parse --verify --quiet HEAD"), stop).await;
    match said {
        Ok(said) => Ok(Some(said.trim().to_owned()).filter(|said| is_commit(said))),
        Err(WorkspaceError::Failed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
