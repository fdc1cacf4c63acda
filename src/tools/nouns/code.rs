//! A run looks at the files of its workspace.

use crate::domain::Role;
use crate::tools::code::{Entry, EntryKind, Found, ListAsk, Listing, Passage, ReadAsk, SearchAsk};
use crate::tools::definition::{Definition, Words};
use crate::tools::noted::workspace;
use crate::tools::{Context, ToolError, ToolResult, show};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write as _;

pub(super) fn tools() -> Vec<Definition> {
    vec![list_tool(), read_tool(), search_tool()]
}

fn list_tool() -> Definition {
    Definition::look::<CodeList, Listing>(
        Words {
            name: "codeList",
            title: "List files",
            description: "Lists files and folders of the run's workspace, without .git and without what \
                git ignores. Links are named and never followed. Paths are from the workspace's root. \
                Example: {\"path\": \"src\", \"depth\": 3, \"glob\": \"*.rs\"}.",
            example: r#"{"path": "src", "depth": 3, "glob": "*.rs"}"#,
        },
        Role::Readonly,
        |_, context, args| Box::pin(list(context, args)),
    )
}

fn read_tool() -> Definition {
    Definition::look::<CodeRead, Passage>(
        Words {
            name: "codeRead",
            title: "Read a file",
            description: "Reads lines of a file of the run's workspace, numbered from 1. A long file is \
                given in parts: go on at the line that `next` names. Long lines are cut, and what is no \
                text is not shown. Example: {\"path\": \"src/lib.rs\", \"from\": 120, \"lines\": 80}.",
            example: r#"{"path": "src/lib.rs", "from": 120, "lines": 80}"#,
        },
        Role::Readonly,
        |_, context, args| Box::pin(read(context, args)),
    )
}

fn search_tool() -> Definition {
    Definition::look::<CodeSearch, Found>(
        Words {
            name: "codeSearch",
            title: "Search files",
            description: "Searches the files of the run's workspace, line by line, for a regular \
                expression (as of Rust: no look-around, no backreferences). What git ignores and what is \
                no text is left out. Example: {\"pattern\": \"fn \\\\w+_total\\\\b\", \"glob\": \"*.rs\"}.",
            example: r#"{"pattern": "fn \\w+_total\\b", "glob": "*.rs"}"#,
        },
        Role::Readonly,
        |_, context, args| Box::pin(search(context, args)),
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct CodeList {
    /// The folder; left out: the root.
    path: String,
    /// So many levels below it, 1 to 32.
    depth: u32,
    /// Only files whose path matches, such as `*.rs` or `src/**/*.toml`.
    glob: Option<String>,
    /// Also what git ignores.
    include_ignored: bool,
    /// At most so many, up to 500.
    limit: usize,
    /// Those after this path: what `next` said.
    after: Option<String>,
}

impl Default for CodeList {
    fn default() -> Self {
        let (path, glob, after) = Default::default();
        Self { path, depth: 2, glob, include_ignored: false, limit: 200, after }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeRead {
    /// The file.
    path: String,
    /// The first line, from 1.
    #[serde(default = "first")]
    from: u64,
    /// At most so many lines, up to 2,000.
    #[serde(default = "lines")]
    lines: u64,
}

fn first() -> u64 {
    1
}

fn lines() -> u64 {
    400
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CodeSearch {
    /// The regular expression.
    pattern: String,
    /// Whether capital letters match small ones, too.
    #[serde(default)]
    ignore_case: bool,
    /// Below this folder, or in this file; left out: everywhere.
    #[serde(default)]
    path: String,
    /// Only in files whose path matches, such as `*.rs`.
    #[serde(default)]
    glob: Option<String>,
    /// Also in what git ignores.
    #[serde(default)]
    include_ignored: bool,
    /// At most so many matches, up to 500.
    #[serde(default = "matches")]
    limit: usize,
}

fn matches() -> usize {
    100
}

async fn list(context: &Context, args: CodeList) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeList")?;
    let ask = ListAsk {
        path: args.path,
        depth: args.depth,
        glob: args.glob,
        ignored: args.include_ignored,
        limit: args.limit,
        after: args.after,
    };
    let listing = code.list(ask).await?;
    let mut text = String::new();
    for entry in &listing.entries {
        let _ = writeln!(text, "{}", line_of(entry));
    }
    if let Some(next) = &listing.next {
        let _ = writeln!(text, "(more: after = {})", on_one_line(next));
    }
    Ok(told(&listing, text, listing.left_out.as_deref()))
}

fn line_of(entry: &Entry) -> String {
    let path = on_one_line(&entry.path);
    match entry.kind {
        EntryKind::Folder => format!("{path}/"),
        EntryKind::File => format!("{path} ({} bytes)", entry.bytes.unwrap_or(0)),
        EntryKind::Link => {
            format!("{path} -> {}", on_one_line(entry.target.as_deref().unwrap_or("?")))
        }
        EntryKind::Other => format!("{path} (no file)"),
    }
}

async fn read(context: &Context, args: CodeRead) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeRead")?;
    let ask = ReadAsk { path: args.path, from: args.from, lines: args.lines };
    let passage = code.read(ask).await?;
    let mut text = format!("{}, {} bytes", on_one_line(&passage.path), passage.bytes);
    if let Some(lines) = passage.lines {
        let _ = write!(text, ", {lines} lines");
    }
    text.push('\n');
    for (number, line) in (passage.from..).zip(passage.text.lines()) {
        let _ = writeln!(text, "{number:>6}\t{line}");
    }
    if let Some(next) = passage.next {
        let _ = writeln!(text, "(more: from = {next})");
    }
    Ok(told(&passage, text, passage.left_out.as_deref()))
}

async fn search(context: &Context, args: CodeSearch) -> Result<ToolResult, ToolError> {
    let (_, code) = workspace(context, "codeSearch")?;
    let ask = SearchAsk {
        pattern: args.pattern,
        ignores_case: args.ignore_case,
        path: args.path,
        glob: args.glob,
        ignored: args.include_ignored,
        limit: args.limit,
    };
    let found = code.search(ask).await?;
    let mut text = String::new();
    for found in &found.matches {
        let _ = writeln!(text, "{}:{}: {}", on_one_line(&found.path), found.line, found.text);
    }
    let _ = writeln!(text, "({} matches in {} files)", found.matches.len(), found.files);
    Ok(told(&found, text, found.left_out.as_deref()))
}

/// A result with a text of its own: what a model reads is laid out like what it is.
pub(super) fn told(
    of: &impl serde::Serialize,
    mut text: String,
    left_out: Option<&str>,
) -> ToolResult {
    if let Some(left_out) = left_out {
        let _ = writeln!(text, "(left out: {left_out})");
    }
    if text.trim().is_empty() {
        "(nothing)".clone_into(&mut text);
    }
    ToolResult { value: show::value(of), text: text.trim_end().to_owned(), effect: None }
}

/// A path on a line of its own: one that holds a line's end stands in quotes.
pub(super) fn on_one_line(path: &str) -> String {
    if path.contains(char::is_control) { format!("{path:?}") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_lines_end_forges_no_line() {
        let entry = |path: &str| Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            bytes: Some(7),
            target: None,
        };
        assert_eq!(line_of(&entry("src/lib.rs")), "src/lib.rs (7 bytes)");
        assert_eq!(line_of(&entry("a\nb.rs")), "\"a\\nb.rs\" (7 bytes)");
    }
}
