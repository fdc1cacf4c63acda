//! Bringing a workspace up to date with the branch that its source names: somebody may have pushed to
//! it since. Only forward, only where nothing is lost, and never by the daemon's own git in a folder
//! that a program could write: what was fetched is handed over by its name, within the sandbox.

use super::git::{Git, Origin, branch_of, mirror};
use super::history::is_hash;
use super::room::Workspace;
use super::{Ask, WorkspaceError, Workspaces};
use crate::tools::code::CodeError;
use std::fmt::Write as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// At most so many branches are handed over.
const BRANCHES_MAX: usize = 1_000;

/// What a repository's own choice is called.
const DEFAULT: &str = "the default branch";

/// `$1`: the commit to get to; `$2`: the workspace's own branch; `$3`: the branch that leads there.
const FORWARD: &str = r#"
test -z "$3" || git update-ref "refs/remotes/origin/$3" "$1" 2>/dev/null
git update-ref --stdin 2>/dev/null
now=$(git rev-parse --verify --quiet 'HEAD^{commit}') || { echo none; exit 0; }
test "$now" != "$1" || { echo same; exit 0; }
test "$(git symbolic-ref --quiet HEAD)" = "refs/heads/$2" || { echo elsewhere; exit 0; }
if ! git merge-base --is-ancestor "$now" "$1"; then
    if git merge-base --is-ancestor "$1" "$now"; then echo ahead; else echo apart; fi
    exit 0
fi
git diff --quiet --no-ext-diff --no-textconv HEAD -- || { echo changed; exit 0; }
if git merge --quiet --ff-only --no-overwrite-ignore "$1" >&2; then echo forward; else echo kept; fi
"#;

/// How a workspace stands to where its files come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The commit of what `source.ref` names, as it was fetched.
    pub target: Option<String>,
    /// The commit of the repository's default branch, as it was fetched.
    pub default: Option<String>,
    /// What was brought up to date, or why nothing was; `None` where nothing had to be.
    pub note: Option<String>,
    /// Whether the workspace went forward to the target.
    pub is_forward: bool,
}

impl Workspaces {
    /// Fetches, and brings a workspace forward that is there already, where its source names a
    /// branch. What cannot be fetched or brought forward stays as it is, and that is said.
    pub(super) async fn freshen(
        &self,
        root: &Path,
        workspace: &Workspace,
        ask: &Ask<'_>,
        stop: &CancellationToken,
    ) -> Result<Standing, WorkspaceError> {
        let Some(origin) = ask.origin else { return Ok(Standing::default()) };
        let git = Git { environment: &self.options.environment, run: ask.run, stop };
        let fetched = {
            let _making = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(WorkspaceError::Stopped),
                making = self.making.lock() => making,
            };
            fetched(&git, root, origin, ask.follows).await
        };
        let (standing, branches) = match fetched {
            Ok(fetched) => fetched,
            Err(WorkspaceError::Stopped) => return Err(WorkspaceError::Stopped),
            Err(error) => {
                let note = format!("it could not be brought up to date: {error}");
                return Ok(Standing { note: Some(note), ..Standing::default() });
            }
        };
        let Some(target) = &standing.target else { return Ok(standing) };
        let reference = origin.reference.as_deref().unwrap_or(DEFAULT);
        let mut input = String::new();
        let others = branches.iter().filter(|(name, _)| name != reference);
        for (name, commit) in others.take(BRANCHES_MAX) {
            let _ = writeln!(input, "update refs/remotes/origin/{name} {commit}");
        }
        let is_branch = branches.iter().any(|(name, _)| name == reference);
        let branch = if is_branch { reference } else { "" };
        let own = branch_of(workspace.place());
        let words = ["sh", "-c", FORWARD, "rota", target, &own, branch];
        let said = match workspace.git_says(&words, &input, stop).await {
            Ok((said, _)) => said,
            Err(CodeError::Stopped) => return Err(WorkspaceError::Stopped),
            Err(error) => error.to_string(),
        };
        let note = note_of(said.trim(), reference, target);
        let is_forward = said.trim() == "forward";
        Ok(Standing { note, is_forward, ..standing })
    }
}

/// What is fetched of a repository: where it leads, and all its branches.
async fn fetched(
    git: &Git<'_>,
    root: &Path,
    origin: &Origin,
    follows: bool,
) -> Result<(Standing, Vec<(String, String)>), WorkspaceError> {
    let reference = origin.reference.as_deref();
    if reference.is_none() && !follows {
        // Nothing to get to: what was fetched before is good enough to compare with.
        let default = match mirror(root, origin) {
            Some(mirror) => git.commit(&mirror, None).await.ok(),
            None => None,
        };
        return Ok((Standing { default, ..Standing::default() }, Vec::new()));
    }
    let mirror = git.fetch(root, origin).await?;
    let mut standing = standing(git, &mirror, reference).await?;
    if reference.is_none() {
        standing.target.clone_from(&standing.default);
    }
    let branches = git.branches(&mirror).await?;
    let is_known = |(name, commit): &(String, String)| {
        is_hash(commit) && crate::domain::check_reference(name).is_ok()
    };
    Ok((standing, branches.into_iter().filter(is_known).collect()))
}

/// How things stand in what was fetched.
pub(super) async fn standing(
    git: &Git<'_>,
    mirror: &Path,
    reference: Option<&str>,
) -> Result<Standing, WorkspaceError> {
    let target = match reference {
        Some(reference) => Some(git.commit(mirror, Some(reference)).await?),
        None => None,
    };
    let default = git.commit(mirror, None).await.ok();
    Ok(Standing { target, default, ..Standing::default() })
}

/// What people and prompts are told.
fn note_of(said: &str, reference: &str, target: &str) -> Option<String> {
    let short = target.get(..10).unwrap_or(target);
    let of = format!("{reference} at {short}");
    Some(match said {
        "same" => return None,
        "forward" => format!("it was brought forward to {of}"),
        "ahead" => format!("it has commits that {of} does not have"),
        "apart" => format!("it is not at {of}: both have commits that the other does not have"),
        "changed" => format!("it is not at {of}: something is changed in it and not committed"),
        "elsewhere" => {
            format!("it is not at {of}: another branch than its own is checked out in it")
        }
        "kept" => format!("it is not at {of}: a file that is in the way was kept"),
        "none" => format!("it is not at {of}: nothing is checked out in it"),
        other => format!("it is not at {of}: {}", other.chars().take(300).collect::<String>()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_it_is_said_unless_nothing_had_to_be_done() {
        let target = "a".repeat(40);
        assert_eq!(note_of("same", "main", &target), None);
        for said in ["forward", "ahead", "apart", "changed", "elsewhere", "kept", "none", "odd"] {
            let note = note_of(said, "feature", &target).unwrap();
            assert!(note.contains("feature at aaaaaaaaaa"), "{note}");
        }
    }
}
