//! A run looks at what was changed in its workspace, when, and by whom.

use super::code::{on_one_line, told};
use crate::domain::Role;
use crate::tools::code::{Blame, BlameAsk, Changes, DiffAsk, History, LogAsk};
use crate::tools::definition::{Definition, Words};
use crate::tools::noted::workspace;
use crate::tools::{Context, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write as _;

/// So much of a hash is shown before a line.
const SHORT: usize = 10;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::look::<CodeDiff, Changes>(
            Words {
                name: "codeDiff",
                title: "See what changed",
                description: "Shows how the run's workspace differs from an earlier state: commits, what \
                    is not committed, and new files. Without `since`: from where the work left the \
                    repository's default branch. Begin with stat, then ask for single paths. The answer \
                    names both commits. Example: {\"since\": \"main\", \"path\": \"src\", \"stat\": true}.",
                example: r#"{"since": "main", "path": "src", "stat": true}"#,
            },
            Role::Readonly,
            |_, context, args| Box::pin(diff(context, args)),
        ),
        Definition::look::<CodeLog, History>(
            Words {
                name: "codeLog",
                title: "List commits",
                description: "Lists commits of the run's workspace, the latest first, with whole hashes. \
                    Example: {\"since\": \"main\", \"path\": \"src/lib.rs\", \"limit\": 10}.",
                example: r#"{"since": "main", "path": "src/lib.rs", "limit": 10}"#,
            },
            Role::Readonly,
            |_, context, args| Box::pin(log(context, args)),
        ),
        Definition::look::<CodeBlame, Blame>(
            Words {
                name: "codeBlame",
                title: "See who wrote a line",
                description: "Says of lines of a file in the run's workspace with which commit each came, \
                    and who wrote it. Example: {\"path\": \"src/lib.rs\", \"from\": 120, \"lines\": 20}.",
                example: r#"{"path": "src/lib.rs", "from": 120, "lines": 20}"#,
            },
            Role::Readonly,
            |_, context, args| Box::pin(blame(context, args)),
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct CodeDiff {
    /// A commit or a branch.
    since: Option<String>,
    /// Only this file or folder.
    path: String,
    /// Only which files, and how many lines of each.
    stat: bool,
    /// The first line of the answer to give: what `next` said.
    from: Option<u64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct CodeLog {
    /// Only commits after this commit or branch.
    since: Option<String>,
    /// Only those that touch this file or folder.
    path: String,
    /// At most so many, up to 200.
    limit: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeBlame {
    /// The file.
    path: String,
    /// The first line, from 1.
    #[serde(default)]
    from: Option<u64>,
    /// At most so many lines, up to 500.
    #[serde(default)]
    lines: Option<u64>,
}

async fn diff(context: &Context, args: CodeDiff) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeDiff")?;
    let (since, from) = (args.since, args.from.unwrap_or(1));
    let changes = code.diff(DiffAsk { since, path: args.path, stat: args.stat, from }).await?;
    let mut text = format!("from {} to the files as they are, at {}\n", changes.base, changes.head);
    text.push_str(if changes.text.is_empty() { "(no difference)" } else { &changes.text });
    text.push('\n');
    if let Some(next) = changes.next {
        let _ = writeln!(text, "(more: from = {next}, or ask for single paths)");
    }
    Ok(told(&changes, text, changes.left_out.as_deref()))
}

async fn log(context: &Context, args: CodeLog) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeLog")?;
    let limit = args.limit.unwrap_or(20);
    let history = code.log(LogAsk { since: args.since, path: args.path, limit }).await?;
    let mut text = format!("at {}\n", history.head);
    for commit in &history.commits {
        let (hash, date, author) = (&commit.hash, &commit.date, on_one_line(&commit.author));
        let _ = writeln!(text, "{hash} {date} {author}: {}", on_one_line(&commit.subject));
        for line in commit.body.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    Ok(told(&history, text, history.left_out.as_deref()))
}

async fn blame(context: &Context, args: CodeBlame) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeBlame")?;
    let (from, lines) = (args.from.unwrap_or(1), args.lines.unwrap_or(100));
    let blame = code.blame(BlameAsk { path: args.path, from, lines }).await?;
    let mut text = format!("at {}\n", blame.head);
    for line in &blame.lines {
        let commit = line.commit.get(..SHORT).unwrap_or(&line.commit);
        let author = on_one_line(&line.author);
        let _ = writeln!(text, "{commit} {} {author} {:>6}\t{}", line.date, line.line, line.text);
    }
    if let Some(next) = blame.next {
        let _ = writeln!(text, "(more: from = {next})");
    }
    Ok(told(&blame, text, None))
}
