//! Workspaces as playbooks ask for them, and what a repository, a branch or a host may be called.
//!
//! What stands here judges texts only: whoever fetches, makes folders or starts programs asks it
//! first, because such a text may come from the board, where anybody can write anything.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The longest name of a repository, in bytes.
const REPOSITORY_BYTES_MAX: usize = 1_024;
/// The longest name of a branch, in bytes.
const REFERENCE_BYTES_MAX: usize = 200;

/// `[workspace]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRules {
    /// What is checked out in it; `None`: it begins empty.
    pub source: Option<WorkspaceSource>,
    /// Repositories that a value from the board may name, besides those of `rota.toml`.
    pub repositories: Vec<String>,
    /// What is run around its life.
    pub hooks: WorkspaceHooks,
    /// How long a hook may take.
    pub hook_time: Duration,
    /// Hosts that its programs may reach while the sandbox is strict.
    pub hosts: Vec<HostPort>,
    /// What its programs may see and reach.
    pub sandbox: SandboxLevel,
    /// Where people see its files: see [`super::check_link`].
    pub link: Option<String>,
}

/// Where a workspace's files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSource {
    /// The repository: an address or a path, or a template that gives one.
    pub repository: String,
    /// Whether `repository` is the path of a repository on this machine.
    pub is_path: bool,
    /// The branch, tag or commit (a template); `None`: the repository's own choice.
    pub reference: Option<String>,
}

impl WorkspaceSource {
    /// Whether the repository is the team's own word and not a value from the board.
    pub fn is_literal(&self) -> bool {
        !self.repository.contains("{{")
    }
}

/// Shell commands around a workspace's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceHooks {
    /// Once, when it was made; if it fails, there is no workspace.
    pub after_create: Option<String>,
    /// Before each attempt; if it fails, so does the attempt.
    pub before_run: Option<String>,
    /// After each attempt; its failure is only told.
    pub after_run: Option<String>,
    /// Before it is removed; its failure is only told.
    pub before_remove: Option<String>,
}

impl WorkspaceHooks {
    /// Each hook that is written, with its key.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("after_create", &self.after_create),
            ("before_run", &self.before_run),
            ("after_run", &self.after_run),
            ("before_remove", &self.before_remove),
        ]
        .into_iter()
        .filter_map(|(name, hook)| Some((name, hook.as_deref()?)))
    }
}

/// What a program in a workspace may see and reach; each one more than the one before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// Its own files and the system's, and of the network only the hosts that are listed.
    #[default]
    Strict,
    /// Its own files and the system's, and the whole network.
    Workspace,
    /// Whatever the daemon's user may.
    None,
}

impl SandboxLevel {
    /// All of them, by the word playbooks use.
    pub const ALL: [(&'static str, Self); 3] =
        [("strict", Self::Strict), ("workspace", Self::Workspace), ("none", Self::None)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Workspace => "workspace",
            Self::None => "none",
        }
    }
}

impl fmt::Display for SandboxLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[checks.NAME]`: a command that an agent may have run by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Program and arguments, as they are.
    pub command: Vec<String>,
    /// How long it may take.
    pub time: Duration,
}

/// Whether a tool, or a pattern of tools, is for the workspace of a run and for nothing else.
pub fn is_of_workspace(tool: &str) -> bool {
    !tool.contains(':') && (tool.starts_with("code") || tool == super::RUN_CHECK)
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name or an address, in small letters.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::str::FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a host such as crates.io, or with a port crates.io:443";
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse::<u16>().map_err(|_| EXPECTED.to_owned())?),
            None => (text, 443),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let is_name = !host.is_empty() && host.len() <= 253 && host.chars().all(fits);
        if !is_name || host.starts_with(['-', '.']) || host.contains("..") || port == 0 {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

/// Whether a repository may be called so. `is_trusted`: it is the team's own word, which may also be
/// a plain `http://` address.
///
/// # Errors
/// What is wrong with it; never the text itself.
pub fn check_repository(text: &str, is_trusted: bool) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@+".contains(c);
    if text.is_empty() || text.len() > REPOSITORY_BYTES_MAX {
        return Err("it is empty or far too long");
    }
    if text.starts_with('-') {
        return Err("it begins with `-`, as an option does");
    }
    if text.contains("::") {
        return Err("it names a transport of its own (`::`)");
    }
    if text.starts_with('/') {
        let fits = |c: char| !c.is_control() && (is_trusted || is_plain(c));
        let is_path = text.chars().all(fits) && !has_dots(text);
        return if is_path { Ok(()) } else { Err("it is no plain path") };
    }
    if !text.chars().all(is_plain) || has_dots(text) {
        return Err("it holds signs that an address of a repository does not need, or `..`");
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    match scheme {
        Some("https" | "ssh") => {}
        Some("http") if is_trusted => {}
        Some(_) => return Err("only https, ssh and paths are fetched from"),
        // host:path, as ssh is often written.
        None if rest.split_once(':').is_some_and(|(host, path)| {
            !host.contains('/') && !path.is_empty() && !path.starts_with('-')
        }) => {}
        None => return Err("it is neither an address nor an absolute path"),
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", authority),
    };
    if user.contains(':') || (!user.is_empty() && matches!(scheme, Some("https" | "http"))) {
        return Err("it holds credentials");
    }
    if host.is_empty() || host.starts_with(['-', ':', '.']) || user.starts_with('-') {
        return Err("it names no host");
    }
    Ok(())
}

fn has_dots(text: &str) -> bool {
    text.split('/').any(|part| part == ".." || part == ".")
}

/// Whether one of these patterns allows a repository. `*` stands for one or more letters, digits,
/// `-`, `_` and `.` within one part of the path.
pub fn allows_repository(patterns: &[String], repository: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, repository))
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let longest = rest.find(|c| !fits(c)).unwrap_or(rest.len());
    (1..=longest).any(|end| matches(after, &rest[end..]))
}

/// Whether a branch, tag or commit may be called so.
///
/// # Errors
/// What is wrong with it; never the text itself.
pub fn check_reference(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._/+#".contains(c);
    if text.is_empty() || text.len() > REFERENCE_BYTES_MAX {
        return Err("it is empty or far too long");
    }
    if !text.chars().all(fits) {
        return Err("it holds signs that a branch does not need");
    }
    let is_bad = |part: &str| {
        part.is_empty()
            || part.starts_with(['-', '.'])
            || part.ends_with('.')
            || std::path::Path::new(part).extension().is_some_and(|end| end == "lock")
    };
    if text.contains("..") || text.split('/').any(is_bad) {
        return Err("git would not take it for a branch");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_repositories_are_known_and_nothing_else_is() {
        for good in [
            "https://github.com/acme/site.git",
            "ssh://git@example.org:22/acme/site",
            "git@github.com:acme/site.git",
            "/srv/git/site.git",
        ] {
            assert_eq!(check_repository(good, false), Ok(()), "{good}");
        }
        assert_eq!(check_repository("http://git.lan/site", true), Ok(()));
        for bad in [
            "",
            "--upload-pack=touch /tmp/x",
            "-oProxyCommand=sh",
            "ext::sh -c id",
            "file:///etc",
            "fd::3",
            "http://example.org/x",
            "git://example.org/x",
            "https://user:word@example.org/x",
            "https://token@example.org/x",
            "ssh://-oProxyCommand=x/y",
            "https:///x",
            "https://example.org/../x",
            "https://example.org/a?b",
            "https://example.org/a b",
            "https://example.org/a\nb",
            "-x@host:path",
            "host:-path",
            "../up",
            "site",
            "/srv/../etc",
            "/srv/$(id)",
        ] {
            assert!(check_repository(bad, false).is_err(), "{bad}");
        }
        assert!(check_repository(&"a".repeat(5_000), true).is_err());
    }

    #[test]
    fn a_star_stands_for_one_part_of_a_path_and_never_for_more() {
        let patterns = ["https://github.com/acme/*".to_owned(), "/srv/git/*.git".to_owned()];
        for good in ["https://github.com/acme/site.git", "/srv/git/a.git"] {
            assert!(allows_repository(&patterns, good), "{good}");
        }
        for bad in [
            "https://github.com/acme/",
            "https://github.com/acme/site/more",
            "https://github.com/acme2/site",
            "https://evil.org/https://github.com/acme/x",
            "/srv/git/a.git/..",
            "/srv/git/.git/x",
        ] {
            assert!(!allows_repository(&patterns, bad), "{bad}");
        }
        assert!(!allows_repository(&[], "https://github.com/acme/site"));
    }

    #[test]
    fn branches_are_known_and_options_are_none() {
        for good in ["main", "feature/login-2", "v1.0", "issue#12"] {
            assert_eq!(check_reference(good), Ok(()), "{good}");
        }
        for bad in
            ["", "-f", "a..b", "a/-b", "a//b", ".git", "a.lock", "a@{1}", "a b", "a:b", "a\n", "a^"]
        {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_has_a_port_and_no_star() {
        let host: HostPort = "Crates.IO".parse().unwrap();
        assert_eq!(host.to_string(), "crates.io:443");
        assert_eq!("git.lan:22".parse::<HostPort>().unwrap().port, 22);
        for bad in ["", "*", "*.io", "a:b", "a:0", "-a", "a..b", "https://a", "a/b", "a b:1"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}
