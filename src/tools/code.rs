//! The seam to a run's workspace: what its work may look at there, and which checks it may have run.
//!
//! **Contract.** Nothing is changed but by a check's own program. No path leads out of the workspace,
//! also by no link, and none into `.git`. What is given back is bounded, and says what it leaves out.
//! What stands in the workspace is hostile: whoever looks runs nothing of it outside of its sandbox.

use super::ToolError;
use crate::domain::Reason;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

/// A run's workspace, as its tools see it. Every path is from the workspace's root.
#[async_trait]
pub trait Code: Send + Sync + std::fmt::Debug {
    /// The commit that is checked out; `None` where there is no repository.
    async fn head(&self) -> Option<String>;

    /// The commit of the branch, tag or commit that the playbook's source names (`source.ref`), as it
    /// was when the run began; `None` where it names none.
    async fn target_head(&self) -> Option<String>;

    /// The files and folders below a folder.
    async fn list(&self, ask: ListAsk) -> Result<Listing, CodeError>;

    /// Lines of a file.
    async fn read(&self, ask: ReadAsk) -> Result<Passage, CodeError>;

    /// Lines that match a regular expression.
    async fn search(&self, ask: SearchAsk) -> Result<Found, CodeError>;

    /// What is different from an earlier state: committed, not committed, and new.
    async fn diff(&self, ask: DiffAsk) -> Result<Changes, CodeError>;

    /// Commits, the latest first.
    async fn log(&self, ask: LogAsk) -> Result<History, CodeError>;

    /// Who wrote which line.
    async fn blame(&self, ask: BlameAsk) -> Result<Blame, CodeError>;

    /// How many lines a file has; `None` for one that was removed and is there in an earlier state.
    async fn lines(&self, file: &str) -> Result<Option<u64>, CodeError>;

    /// The names of the playbook's checks.
    fn checks(&self) -> Vec<String>;

    /// Runs a check, in the sandbox, within its own time and that of the run.
    async fn check(&self, name: &str) -> Result<CheckEnd, CodeError>;

    /// The run is over: what is under way ends, and nothing more is begun.
    fn end(&self);
}

/// Why something was not looked at, or not run.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// It is not there.
    #[error("{0}")]
    NotFound(String),
    /// It leads out of the workspace, or to what is shown to nobody.
    #[error("{0}")]
    Outside(String),
    /// It was asked for in a way that cannot be answered.
    #[error("{0}")]
    Refused(String),
    /// The run was stopped, or is over.
    #[error("the run was stopped")]
    Stopped,
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

impl From<CodeError> for ToolError {
    fn from(error: CodeError) -> Self {
        let reason = match &error {
            CodeError::NotFound(_) => Reason::NotFound,
            CodeError::Outside(_) => Reason::OutOfScope,
            CodeError::Refused(_) => Reason::InvalidArguments,
            CodeError::Stopped => Reason::Cancelled,
            CodeError::Failed(_) => Reason::WorkspaceFailed,
        };
        Self::rejected(reason, error.to_string())
    }
}

/// Which files and folders.
#[derive(Clone, Debug, Default)]
pub struct ListAsk {
    /// The folder; empty: the root.
    pub path: String,
    /// So many levels below it.
    pub depth: u32,
    /// Only files whose path matches (`*.rs`, `src/**/*.toml`).
    pub glob: Option<String>,
    /// Also what git ignores.
    pub ignored: bool,
    /// At most so many.
    pub limit: usize,
    /// Those after this path.
    pub after: Option<String>,
}

/// Which lines of which file.
#[derive(Clone, Debug, Default)]
pub struct ReadAsk {
    /// The file.
    pub path: String,
    /// The first line, from 1.
    pub from: u64,
    /// At most so many.
    pub lines: u64,
}

/// What to search for, and where.
#[derive(Clone, Debug, Default)]
pub struct SearchAsk {
    /// A regular expression.
    pub pattern: String,
    /// Whether capital letters are small ones, too.
    pub ignores_case: bool,
    /// Below this folder, or in this file; empty: everywhere.
    pub path: String,
    /// Only in files whose path matches.
    pub glob: Option<String>,
    /// Also in what git ignores.
    pub ignored: bool,
    /// At most so many matches.
    pub limit: usize,
}

/// Different from what, and where.
#[derive(Clone, Debug, Default)]
pub struct DiffAsk {
    /// A commit or a branch; `None`: where the work left the repository's default branch.
    pub since: Option<String>,
    /// Only this file or folder; empty: all.
    pub path: String,
    /// Only which files, and how much.
    pub stat: bool,
    /// The first line of the answer, from 1.
    pub from: u64,
}

/// Which commits.
#[derive(Clone, Debug, Default)]
pub struct LogAsk {
    /// Those after this commit or branch.
    pub since: Option<String>,
    /// Those that touch this file or folder; empty: all.
    pub path: String,
    /// At most so many.
    pub limit: u32,
}

/// Which lines of which file.
#[derive(Clone, Debug, Default)]
pub struct BlameAsk {
    /// The file.
    pub path: String,
    /// The first line, from 1.
    pub from: u64,
    /// At most so many.
    pub lines: u64,
}

/// Files and folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listing {
    /// The folder.
    pub path: String,
    /// What is in it, in the order of their paths.
    pub entries: Vec<Entry>,
    /// Give this as `after` for the next ones; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What was not looked at, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// file, folder, link (not followed) or other (a pipe, a socket, a device).
    pub kind: EntryKind,
    /// Its size, for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where it leads, for links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link, which is never followed.
    Link,
    /// A pipe, a socket, a device.
    Other,
}

/// Lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Passage {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Which line the text begins with.
    pub from: u64,
    /// The lines; empty for a binary file.
    pub text: String,
    /// Which line comes next; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many lines the file has, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// Whether it is no text.
    pub binary: bool,
    /// What was cut or changed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// Lines that matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Found {
    /// The lines, in the order of their files.
    pub matches: Vec<Match>,
    /// How many files were searched.
    pub files: u64,
    /// What was not searched or not told, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Match {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// What stands there.
    pub text: String,
}

/// What is different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changes {
    /// The commit that it is compared with.
    pub base: String,
    /// The commit that is checked out.
    pub head: String,
    /// The differences, as git writes them.
    pub text: String,
    /// Give this as `from` for the next lines; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// What is left out, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// Commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct History {
    /// The commit that is checked out.
    pub head: String,
    /// The commits, the latest first.
    pub commits: Vec<Commit>,
    /// What is left out, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Commit {
    /// Its whole hash.
    pub hash: String,
    /// Who wrote it, as they said.
    pub author: String,
    /// When, as they said.
    pub date: String,
    /// The first line.
    pub subject: String,
    /// The rest.
    pub body: String,
}

/// Who wrote which line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Blame {
    /// The commit that is checked out.
    pub head: String,
    /// The lines.
    pub lines: Vec<BlameLine>,
    /// Which line comes next; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlameLine {
    /// Its number, from 1.
    pub line: u64,
    /// The commit that it came with; all zeros where it is not committed.
    pub commit: String,
    /// Who wrote it, as they said.
    pub author: String,
    /// The day.
    pub date: String,
    /// The line.
    pub text: String,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckEnd {
    /// Whether it ended with status 0 in its time.
    pub passed: bool,
    /// Its exit code, where it ended by itself.
    pub exit_code: Option<i32>,
    /// How it ended, in words.
    pub status: String,
    /// The end of what it wrote to standard output and error.
    pub output: String,
    /// Bytes of its output that were not kept.
    pub dropped: u64,
}
