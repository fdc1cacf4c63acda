//! What git says of a workspace. An agent may have written into its configuration: so git is started
//! in the workspace's sandbox as everything else is, and besides told by its environment, which wins,
//! where the repository is and to run nothing of it.

use super::super::process::Exit;
use super::super::signs::{Overrun, Signs, Watch};
use super::git::SETTINGS;
use super::look::TEXT_BYTES_MAX;
use super::room::Workspace;
use super::tree::Tree;
use crate::domain::check_reference;
use crate::tools::code::{
    Blame, BlameAsk, BlameLine, Changes, CodeError, Commit, DiffAsk, History, LogAsk,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long one command may take.
const TIME: Duration = Duration::from_mins(2);
/// Of what git said against it, so much is told.
const TOLD_CHARS_MAX: usize = 300;
/// At most so many commits, lines.
const COMMITS_MAX: u32 = 200;
const LINES_MAX: u64 = 500;
/// The longest texts of a commit, and the longest line.
const SUBJECT_CHARS_MAX: usize = 300;
const BODY_CHARS_MAX: usize = 1_000;
const LINE_CHARS_MAX: usize = 500;

/// Settings besides the daemon's own: nothing is run to show something, and answers look alike
/// everywhere.
const SHOWING: &[&str] = &[
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "core.bigFileThreshold=8m",
    "core.sshCommand=false",
    "color.ui=false",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "diff.ignoreSubmodules=dirty",
    "diff.submodule=short",
    "log.showSignature=false",
    "log.mailmap=false",
    "blame.ignoreRevsFile=",
    "protocol.allow=never",
];

/// Names the commit that is checked out and the one it is compared with. `$1` is a path for later, `$2`
/// says what `$3` is.
const BASE: &str = r#"
path=$1
shift
head=$(git rev-parse --verify --quiet 'HEAD^{commit}') || exit 90
base=
case "$1" in
named)
    base=$(git rev-parse --verify --quiet --end-of-options "refs/remotes/origin/$2^{commit}") &&
        { base=$(git merge-base "$head" "$base") || exit 92; }
    test -n "$base" ||
        base=$(git rev-parse --verify --quiet --end-of-options "refs/tags/$2^{commit}") ||
        base=$(git rev-parse --verify --quiet --end-of-options "$2^{commit}") || exit 91
    ;;
left) base=$(git merge-base "$head" "$2") || base=$2 ;;
*) base=$head ;;
esac
echo "$head $base"
shift 2
"#;

/// What is new is added to a copy of the index, so that it is shown, too.
const DIFF: &str = r#"
index="$TMPDIR/index.$$"
trap 'rm -f -- "$index"' EXIT
cp -- "$GIT_DIR/index" "$index" 2>/dev/null
GIT_INDEX_FILE=$index
export GIT_INDEX_FILE
git add --intent-to-add --ignore-errors -- . >/dev/null 2>&1
git --no-pager diff --no-color --no-ext-diff --no-textconv --find-renames "$@" "$base" \
"#;

impl Workspace {
    /// Where git finds the workspace's repository, whatever `.git` says by now.
    fn git_folder(&self) -> Option<(PathBuf, PathBuf)> {
        let repo = self.place().repo();
        let of_tree = repo.join("worktrees").join(self.name());
        of_tree.is_dir().then_some((of_tree, repo))
    }

    /// Starts git, or a script around it, in the sandbox.
    async fn git(
        &self,
        words: &[&str],
        input: &str,
        stop: &CancellationToken,
    ) -> Result<Exit, CodeError> {
        let Some((folder, repo)) = self.git_folder() else {
            let why = "the workspace was made from no repository ([workspace] source)";
            return Err(CodeError::Refused(why.to_owned()));
        };
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let env = environment(&folder, &repo, self.folder());
        let (signs, _nobody) = Signs::channel(1);
        let mut watch = Watch::of(TIME);
        let exit = self.run_beside(&words, &env, input, &signs, &mut watch, stop).await;
        let exit = exit.map_err(|error| CodeError::Failed(format!("git: {error}")))?;
        match exit.overrun {
            None => Ok(exit),
            Some(Overrun::Stopped) => Err(CodeError::Stopped),
            Some(_) => Err(CodeError::Failed("git took too long".to_owned())),
        }
    }

    /// The same for one that has to end well; what it wrote.
    pub(super) async fn git_says(
        &self,
        words: &[&str],
        input: &str,
        stop: &CancellationToken,
    ) -> Result<(String, u64), CodeError> {
        let exit = self.git(words, input, stop).await?;
        let code = exit.status.and_then(|status| status.code());
        match code {
            Some(0) => Ok(exit.stdout.begin_text()),
            Some(90) => Err(CodeError::Refused("nothing is committed yet".to_owned())),
            Some(91) => {
                let why = "since: there is no such commit, branch or tag in the workspace";
                Err(CodeError::NotFound(why.to_owned()))
            }
            Some(92) => {
                let why = "since: it has no history in common with what is checked out";
                Err(CodeError::Refused(why.to_owned()))
            }
            _ => {
                let told = exit.stderr.end_text(TOLD_CHARS_MAX);
                Err(CodeError::Refused(format!("git: {told}")))
            }
        }
    }

    /// The commit that is checked out.
    pub(super) async fn head(&self, stop: &CancellationToken) -> Option<String> {
        let words = ["git", "rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
        let (said, _) = self.git_says(&words, "", stop).await.ok()?;
        let said = said.trim();
        is_hash(said).then(|| said.to_owned())
    }

    /// What `since` means to [`BASE`].
    fn since<'a>(&'a self, since: Option<&'a str>) -> Result<(&'static str, &'a str), CodeError> {
        let Some(since) = since.map(str::trim).filter(|since| !since.is_empty()) else {
            return Ok(self
                .standing()
                .default
                .as_deref()
                .map_or(("head", ""), |commit| ("left", commit)));
        };
        check_reference(since).map_err(|why| CodeError::Refused(format!("since: {why}")))?;
        Ok(("named", since))
    }

    pub(super) async fn diff(
        &self,
        ask: &DiffAsk,
        stop: &CancellationToken,
    ) -> Result<Changes, CodeError> {
        let (how, since) = self.since(ask.since.as_deref())?;
        let path = self.path(&ask.path)?;
        let script = format!("{BASE}{DIFF}    -- {}\n", word(&path));
        let shown: &[&str] = if ask.stat { &["--stat=160,120", "--summary"] } else { &["--patch"] };
        let words = [&["sh", "-c", &script, "codeDiff", &path, how, since][..], shown].concat();
        let (said, more) = self.git_says(&words, "", stop).await?;
        let (first, text) = said.split_once('\n').unwrap_or((said.as_str(), ""));
        let (head, base) = two_hashes(first)?;
        let (text, next) = part(text, ask.from.max(1));
        let left_out = (more > 0 && next.is_none())
            .then(|| format!("{more} more bytes: ask for stat, or for single paths"));
        Ok(Changes { base, head, text, next, left_out })
    }

    pub(super) async fn log(
        &self,
        ask: &LogAsk,
        stop: &CancellationToken,
    ) -> Result<History, CodeError> {
        let path = self.path(&ask.path)?;
        let (how, since) = match ask.since.as_deref() {
            Some(since) => self.since(Some(since))?,
            None => ("head", ""),
        };
        let range = if how == "head" { "\"$head\"" } else { "\"$base..$head\"" };
        let limit = ask.limit.clamp(1, COMMITS_MAX);
        let script = format!(
            "{BASE}\ngit --no-pager log -z --no-color --no-ext-diff --no-textconv \
             --no-show-signature --no-notes --format='%H%x1f%an%x1f%aI%x1f%s%x1f%b' \
             --max-count={} {range} -- {}\n",
            limit + 1,
            word(&path)
        );
        let words = ["sh", "-c", &script, "codeLog", &path, how, since];
        let (said, more) = self.git_says(&words, "", stop).await?;
        let (first, text) = said.split_once('\n').unwrap_or((said.as_str(), ""));
        let (head, _) = two_hashes(first)?;
        let all: Vec<Commit> = text.split('\0').filter_map(commit_of).collect();
        let mut commits = Vec::new();
        let mut bytes = 0;
        for commit in all.iter().take(limit as usize) {
            bytes += commit.subject.len() + commit.body.len() + commit.author.len() + 80;
            if bytes > TEXT_BYTES_MAX {
                break;
            }
            commits.push(commit.clone());
        }
        let is_more = commits.len() < all.len() || more > 0;
        let left_out = is_more.then(|| "earlier commits".to_owned());
        Ok(History { head, commits, left_out })
    }

    pub(super) async fn blame(
        &self,
        ask: &BlameAsk,
        stop: &CancellationToken,
    ) -> Result<Blame, CodeError> {
        let path = self.path(&ask.path)?;
        if path.is_empty() {
            return Err(CodeError::Refused("path: name a file".to_owned()));
        }
        // Also git would follow no link here; but it would say less plainly why.
        Tree::new(self.folder()).file(&Tree::new(self.folder()).parts(&path)?)?;
        let (from, count) = (ask.from.max(1), ask.lines.clamp(1, LINES_MAX));
        let range = format!("{from},+{}", count + 1);
        let script = format!(
            "{BASE}\ngit --no-pager blame --line-porcelain --no-textconv -L \"$1\" -- \
             \"$path\"\n"
        );
        let words = ["sh", "-c", &script, "codeBlame", &path, "head", "", &range];
        let (said, _) = self.git_says(&words, "", stop).await?;
        let (first, text) = said.split_once('\n').unwrap_or((said.as_str(), ""));
        let (head, _) = two_hashes(first)?;
        let mut lines = blamed(text);
        let mut bytes = 0;
        let fit = lines.iter().take(usize::try_from(count).unwrap_or(0)).take_while(|line| {
            bytes += line.text.len() + line.author.len() + 80;
            bytes <= TEXT_BYTES_MAX
        });
        let fit = fit.count();
        let next = lines.get(fit).map(|line| line.line);
        lines.truncate(fit);
        Ok(Blame { head, lines, next })
    }

    /// Whether a file was there in an earlier state of the work.
    pub(super) async fn was_there(&self, path: &str, stop: &CancellationToken) -> bool {
        let Ok(path) = self.path(path) else { return false };
        let (how, since) = self.since(None).unwrap_or(("head", ""));
        let script = format!(
            "{BASE}\ntest \"$(git cat-file -t \"$base:$path\")\" = blob || \
             test \"$(git cat-file -t \"$head:$path\")\" = blob\n"
        );
        let words = ["sh", "-c", &script, "codeComment", &path, how, since];
        !path.is_empty() && self.git_says(&words, "", stop).await.is_ok()
    }

    fn path(&self, path: &str) -> Result<String, CodeError> {
        Ok(Tree::new(self.folder()).parts(path)?.join("/"))
    }
}

/// How a script speaks of the path that it was given, if it was given one.
fn word(path: &str) -> &'static str {
    if path.is_empty() { "" } else { "\"$path\"" }
}

/// What git is told by its environment.
fn environment(folder: &Path, repo: &Path, tree: &Path) -> Vec<(String, String)> {
    let path = |path: &Path| path.display().to_string();
    let mut env: Vec<(String, String)> =
        [("GIT_DIR", path(folder)), ("GIT_COMMON_DIR", path(repo)), ("GIT_WORK_TREE", path(tree))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ALLOW_PROTOCOL", ""),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_PAGER", "cat"),
        ("GIT_EDITOR", "false"),
        ("LC_ALL", "C"),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    let settings = SETTINGS.iter().chain(SHOWING).filter_map(|setting| setting.split_once('='));
    let mut count = 0;
    for (key, value) in settings {
        env.push((format!("GIT_CONFIG_KEY_{count}"), key.to_owned()));
        env.push((format!("GIT_CONFIG_VALUE_{count}"), value.to_owned()));
        count += 1;
    }
    env.push(("GIT_CONFIG_COUNT".to_owned(), count.to_string()));
    env
}

/// Whether a text is a commit's whole name.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn two_hashes(line: &str) -> Result<(String, String), CodeError> {
    let words = line.split_once(' ').filter(|(head, base)| is_hash(head) && is_hash(base));
    let words = words.map(|(head, base)| (head.to_owned(), base.to_owned()));
    words.ok_or_else(|| CodeError::Failed("git's answer cannot be understood".to_owned()))
}

/// As much of a text as is told at once, and at which line it goes on.
fn part(text: &str, from: u64) -> (String, Option<u64>) {
    let mut told = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if number < from {
            continue;
        }
        if told.len() >= TEXT_BYTES_MAX {
            return (told, Some(number));
        }
        told.push_str(&cut(line, LINE_CHARS_MAX));
        told.push('\n');
    }
    (told, None)
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn commit_of(text: &str) -> Option<Commit> {
    let mut parts = text.trim_start_matches('\n').splitn(5, '\x1f');
    let hash = parts.next().filter(|hash| is_hash(hash))?.to_owned();
    let mut next = |most| cut(parts.next().unwrap_or_default().trim(), most);
    let (author, date) = (next(100), next(40));
    let (subject, body) = (next(SUBJECT_CHARS_MAX), next(BODY_CHARS_MAX));
    Some(Commit { hash, author, date, subject, body })
}

/// The lines of `git blame --line-porcelain`.
fn blamed(text: &str) -> Vec<BlameLine> {
    let mut lines = Vec::new();
    let mut line = BlameLine::default();
    for row in text.lines() {
        if let Some(text) = row.strip_prefix('\t') {
            line.text = cut(text, LINE_CHARS_MAX);
            lines.push(std::mem::take(&mut line));
        } else if let Some(author) = row.strip_prefix("author ") {
            line.author = cut(author, 100);
        } else if let Some(at) = row.strip_prefix("author-time ") {
            let at = at.parse().ok().and_then(|at| chrono::DateTime::from_timestamp(at, 0));
            line.date = at.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
        } else if line.commit.is_empty() {
            let mut words = row.split(' ');
            let hash = words.next().filter(|hash| is_hash(hash));
            hash.unwrap_or_default().clone_into(&mut line.commit);
            line.line = words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_with_their_commits() {
        let hash = "0123456789".repeat(4);
        let text = format!(
            "{hash} 3 7 1\nauthor Ada\nauthor-mail <a@b>\nauthor-time 0\nsummary author Eve\n\tlet x = 1;\n"
        );
        let lines = blamed(&text);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].line, lines[0].author.as_str()), (7, "Ada"));
        assert_eq!((lines[0].date.as_str(), lines[0].text.as_str()), ("1970-01-01", "let x = 1;"));
        assert_eq!(lines[0].commit, hash);
    }

    #[test]
    fn commits_are_read_and_what_is_none_is_left_out() {
        let hash = "a".repeat(40);
        let commit =
            commit_of(&format!("{hash}\x1fAda\x1f2026-01-01\x1fOne\x1fmore\x1fyet\n")).unwrap();
        assert_eq!((commit.subject.as_str(), commit.body.as_str()), ("One", "more\x1fyet"));
        assert_eq!(commit_of(""), None);
        assert_eq!(commit_of("--upload\x1fx"), None);
    }

    #[test]
    fn a_long_text_is_told_in_parts() {
        let text = "x".repeat(99) + "\n";
        let (told, next) = part(&text.repeat(1_000), 1);
        let next = next.unwrap();
        assert!(told.len() <= TEXT_BYTES_MAX + 100 && next > 200, "{next}");
        let (rest, end) = part(&text.repeat(1_000), 990);
        assert_eq!((rest.lines().count(), end), (11, None));
    }
}
