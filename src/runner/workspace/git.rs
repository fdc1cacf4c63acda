//! The daemon's own git: for fetching, and for making worktrees. It is never run where an agent may
//! have written configuration, hooks or a `commondir`: only in what it fetched itself, and in a
//! workspace's repository before the agent sees it.

use super::super::process::{self, Start};
use super::super::signs::{Overrun, Signs, Watch};
use super::WorkspaceError;
use super::place::{self, Place};
use crate::domain::RunId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long one command may take.
const TIME: Duration = Duration::from_mins(10);
/// How long a question to another machine may take.
const ASK_TIME: Duration = Duration::from_secs(30);
/// Of what git said, so many characters are read and so many told.
const READ_CHARS_MAX: usize = 64_000;
const TOLD_CHARS_MAX: usize = 400;

/// Settings that hold whatever a user's own configuration says: nothing of a repository is run, no
/// submodule is followed, no filter is started.
pub(super) const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "filter.lfs.smudge=",
    "filter.lfs.clean=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.templateDir=",
    "advice.detachedHead=false",
];

/// What a workspace's repository is told for those who work in it.
const OF_WORKSPACE: &[(&str, &str)] = &[
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
];

/// Git, for one run.
#[derive(Debug)]
pub(super) struct Git<'a> {
    pub environment: &'a BTreeMap<String, String>,
    pub run: &'a RunId,
    pub stop: &'a CancellationToken,
}

/// Where a workspace's files come from, once it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// An address, or an absolute path.
    pub repository: String,
    /// A branch, tag or commit.
    pub reference: Option<String>,
}

impl Origin {
    /// By which transports it may be fetched.
    fn transports(&self) -> &'static str {
        if self.repository.starts_with('/') { "file" } else { "https:ssh:http" }
    }
}

impl Git<'_> {
    async fn call(
        &self,
        folder: &Path,
        transports: &str,
        args: &[&str],
    ) -> Result<String, WorkspaceError> {
        self.call_within(TIME, folder, transports, args).await
    }

    async fn call_within(
        &self,
        time: Duration,
        folder: &Path,
        transports: &str,
        args: &[&str],
    ) -> Result<String, WorkspaceError> {
        let mut env = process::basic(self.environment.clone());
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", transports),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        if transports.is_empty() {
            // What its user has set up is for reaching servers; filters of theirs are not for whatever
            // a repository asks to be put through them.
            env.insert("GIT_CONFIG_GLOBAL".to_owned(), "/dev/null".to_owned());
        }
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        let args: Vec<String> = settings.chain(args.iter().copied()).map(str::to_owned).collect();
        let start = Start {
            run: self.run,
            task: None,
            program: "git",
            args: &args,
            env,
            folder,
            input: "",
            sweeps: true,
        };
        let (signs, _nobody) = Signs::channel(1);
        let mut watch = Watch::of(time);
        let exit = process::run(start, &signs, &mut watch, self.stop)
            .await
            .map_err(|error| WorkspaceError::Failed(format!("git cannot be started: {error}")))?;
        match exit.overrun {
            Some(Overrun::Stopped) => return Err(WorkspaceError::Stopped),
            Some(_) => return Err(WorkspaceError::Failed("git took too long".to_owned())),
            None => {}
        }
        if exit.status.is_some_and(|status| status.success()) {
            return Ok(exit.stdout.end_text(READ_CHARS_MAX));
        }
        Err(WorkspaceError::Failed(format!("git: {}", exit.stderr.end_text(TOLD_CHARS_MAX))))
    }

    /// Fetches a repository, into what was fetched of it before; where that is.
    pub async fn fetch(&self, root: &Path, origin: &Origin) -> Result<PathBuf, WorkspaceError> {
        let repos = root.join(place::REPOS);
        place::make_folder(&repos)?;
        let name = place::hash(&origin.repository);
        let mirror = repos.join(format!("{name}.git"));
        let is_new = !mirror.is_dir();
        // A new one gets its name when it is whole.
        let folder = if is_new { repos.join(format!("{name}.new")) } else { mirror.clone() };
        if is_new {
            place::remove_all(&folder)?;
            self.call(&repos, "", &["init", "--quiet", "--bare", "--", text(&folder)?]).await?;
        }
        // One at a time fetches: whoever left a lock was ended in the middle.
        place::remove_locks(&folder)?;
        let by = origin.transports();
        let what = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        let fetch = ["fetch", "--quiet", "--prune", "--no-tags", "--", &origin.repository];
        self.call(&folder, by, &[&fetch[..], &what[..]].concat()).await?;
        let asked = ["ls-remote", "--symref", "--", &origin.repository, "HEAD"];
        let head = self.call(&folder, by, &asked).await?;
        if let Some(branch) = head_of(&head) {
            self.call(&folder, "", &["symbolic-ref", "HEAD", &branch]).await?;
        }
        if is_new {
            std::fs::rename(&folder, &mirror)?;
        }
        Ok(mirror)
    }

    /// The branches of what was fetched, with their commits.
    pub async fn branches(&self, mirror: &Path) -> Result<Vec<(String, String)>, WorkspaceError> {
        let asked = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"];
        let said = self.call(mirror, "", &asked).await?;
        let of = |line: &str| {
            let (commit, name) = line.split_once(' ')?;
            Some((name.strip_prefix("refs/heads/")?.to_owned(), commit.to_owned()))
        };
        Ok(said.lines().filter_map(of).collect())
    }

    /// The commit that a name means: a branch, a tag, or a whole hash.
    pub async fn commit(
        &self,
        mirror: &Path,
        reference: Option<&str>,
    ) -> Result<String, WorkspaceError> {
        let candidates = match reference {
            None => vec!["HEAD".to_owned()],
            Some(name) => {
                let is_hash = name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
                let hash = is_hash.then(|| name.to_owned());
                let named = [format!("refs/heads/{name}"), format!("refs/tags/{name}")];
                named.into_iter().chain(hash).collect()
            }
        };
        for candidate in candidates {
            let commit = format!("{candidate}^{{commit}}");
            let asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
            match self.call(mirror, "", &asked).await {
                Ok(found) => return Ok(found),
                Err(WorkspaceError::Failed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let what =
            reference.map_or_else(|| "a first commit".to_owned(), |name| format!("{name:?}"));
        Err(WorkspaceError::Refused(format!("the repository has no branch, tag or commit {what}")))
    }

    /// The commit that a branch (`None`: the repository's own) is at, where it is. Nothing is fetched.
    pub async fn remote_head(
        &self,
        root: &Path,
        origin: &Origin,
    ) -> Result<Option<String>, WorkspaceError> {
        let wanted = match &origin.reference {
            Some(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
            None => vec!["HEAD".to_owned()],
        };
        let asked = ["ls-remote", "--", &origin.repository].into_iter();
        let asked: Vec<&str> = asked.chain(wanted.iter().map(String::as_str)).collect();
        let answer = self.call_within(ASK_TIME, root, origin.transports(), &asked).await?;
        Ok(wanted.iter().find_map(|name| commit_of(&answer, name)))
    }

    /// Makes a workspace's own repository, whose objects are those that were fetched, and a worktree
    /// of it on a branch of its own.
    pub async fn worktree(
        &self,
        place: &Place,
        mirror: &Path,
        origin: &Origin,
        commit: &str,
        agent: &str,
    ) -> Result<(), WorkspaceError> {
        let repo = place.repo();
        self.call(&place.room, "", &["init", "--quiet", "--bare", "--", text(&repo)?]).await?;
        let objects = format!("{}\n", text(&mirror.join("objects"))?);
        std::fs::write(repo.join("objects").join("info").join("alternates"), objects)?;
        place::make_folder(&repo.join("logs"))?;
        let copy = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        let fetch = ["fetch", "--quiet", "--no-tags", "--", text(mirror)?];
        self.call(&repo, "file", &[&fetch[..], &copy[..]].concat()).await?;
        let mail = format!("{}@rota.invalid", place.name);
        let url = origin.repository.as_str();
        let own = [("user.name", agent), ("user.email", &mail), ("remote.origin.url", url)];
        for (key, value) in own.iter().chain(OF_WORKSPACE) {
            self.call(&repo, "", &["config", key, value]).await?;
        }
        let branch = branch_of(place);
        let tree = text(&place.tree)?;
        let add = ["worktree", "add", "--quiet", "-b", &branch, "--", tree, commit];
        self.call(&repo, "", &add).await.map(drop)
    }
}

/// Where what was fetched of a repository lies, if it was.
pub(super) fn mirror(root: &Path, origin: &Origin) -> Option<PathBuf> {
    let name = place::hash(&origin.repository);
    let mirror = root.join(place::REPOS).join(format!("{name}.git"));
    mirror.is_dir().then_some(mirror)
}

/// A workspace's own branch.
pub(super) fn branch_of(place: &Place) -> String {
    let branch = format!("rota/{}", place.name);
    match crate::domain::check_reference(&branch) {
        Ok(()) => branch,
        Err(_) => format!("rota/{}", place::hash(&place.name)),
    }
}

/// The commit that an answer gives for a name.
fn commit_of(answer: &str, name: &str) -> Option<String> {
    let of_name = |line: &&str| line.split_whitespace().nth(1) == Some(name);
    let commit = answer.lines().find(of_name)?.split_whitespace().next()?;
    is_commit(commit).then(|| commit.to_owned())
}

/// Whether a text is a whole hash.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The branch that a repository's `HEAD` names, if that is one we fetched.
fn head_of(answer: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix("ref: "))?;
    let branch = line.split_whitespace().next()?;
    let name = branch.strip_prefix("refs/heads/")?;
    crate::domain::check_reference(name).is_ok().then(|| branch.to_owned())
}

fn text(path: &Path) -> Result<&str, WorkspaceError> {
    path.to_str().ok_or_else(|| WorkspaceError::Failed("a path is no UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_of_a_branch_is_that_of_its_whole_name() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let answer = format!("{one}\trefs/heads/x/main\n{two}\trefs/heads/main\nx\tHEAD\n");
        assert_eq!(commit_of(&answer, "refs/heads/main"), Some(two));
        assert_eq!(commit_of(&answer, "HEAD"), None);
        assert_eq!(commit_of("", "HEAD"), None);
    }

    #[test]
    fn a_head_that_is_no_plain_branch_is_not_followed() {
        let answer = "ref: refs/heads/main\tHEAD\n0123\tHEAD\n";
        assert_eq!(head_of(answer).as_deref(), Some("refs/heads/main"));
        for odd in ["", "0123\tHEAD", "ref: refs/heads/-x\tHEAD", "ref: ../../config\tHEAD"] {
            assert_eq!(head_of(odd), None, "{odd}");
        }
    }
}
