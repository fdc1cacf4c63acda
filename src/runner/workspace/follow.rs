//! A workspace follows the repository that it was made from: for whoever looks at what others push.
//!
//! What is new is fetched by the daemon's own git into what it fetched before; the workspace's own
//! repository reads objects from there. The worktree itself is moved within the sandbox: an agent may
//! have been in it. Nothing that is only in the workspace gets lost.

use super::git::{Git, Origin, is_commit};
use super::{Workspace, WorkspaceError, Workspaces};
use crate::domain::RunId;
use tokio_util::sync::CancellationToken;

/// What is to be followed.
#[derive(Clone, Copy, Debug)]
pub struct Follow<'a> {
    /// Where the work goes on; `None`: in the workspace itself, nothing is followed.
    pub origin: Option<&'a Origin>,
    /// The commit that was looked at last: what was rewritten since then takes its place.
    pub seen: Option<&'a str>,
    /// The run.
    pub run: &'a RunId,
}

/// Where a workspace is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Its commit, where it has any.
    pub commit: Option<String>,
    /// The commit that its origin is at, where it was to be followed.
    pub pushed: Option<String>,
    /// Why it is not where its origin is.
    pub not_followed: Option<String>,
}

impl Workspaces {
    /// Moves a workspace on to where its origin is now.
    ///
    /// # Errors
    /// When the origin cannot be fetched.
    pub async fn follow(
        &self,
        workspace: &Workspace,
        wish: &Follow<'_>,
        stop: &CancellationToken,
    ) -> Result<Followed, WorkspaceError> {
        let Some(origin) = wish.origin else {
            let commit = head(workspace, "", stop).await?;
            return Ok(Followed { commit, ..Followed::default() });
        };
        let root = self.root()?;
        let new = {
            let _alone = self.making.lock().await;
            let git = Git { environment: &self.options.environment, run: wish.run, stop };
            let mirror = git.fetch(&root, origin).await?;
            git.commit(&mirror, origin.reference.as_deref()).await?
        };
        if !is_commit(&new) {
            return Err(WorkspaceError::Failed("git named no commit".to_owned()));
        }
        let seen = wish.seen.filter(|seen| is_commit(seen)).unwrap_or("none");
        let commit = head(workspace, &script(&new, seen), stop).await?;
        let is_there = commit.as_deref() == Some(new.as_str());
        let not_followed = (!is_there).then(|| {
            format!("the workspace has work of its own and is not moved to {new}, which was pushed")
        });
        Ok(Followed { commit, pushed: Some(new), not_followed })
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

/// Moves to a commit: forwards; or, where what was looked at last was rewritten, over to it, unless
/// a file is changed. What was there keeps a name.
fn script(new: &str, seen: &str) -> String {
    format!(
        "head=$(git rev-parse --verify --quiet HEAD)\n\
         if git merge-base --is-ancestor {new} HEAD; then :\n\
         elif git merge-base --is-ancestor HEAD {new}; then git merge --quiet --ff-only {new}\n\
         elif [ \"$head\" = {seen} ] && git diff --quiet HEAD; then\n\
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
