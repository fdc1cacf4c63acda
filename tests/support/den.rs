//! Workspaces of the real thing in a folder of their own, repositories to make them from, and a
//! runner that works in them.

use super::asked;
use super::house::{House, playbook};
use rota::domain::*;
use rota::runner::command::CommandRunner;
use rota::runner::sandbox::{Ability, ability, limits::ResourceLimits};
use rota::runner::workspace::{Ask, Options, Origin, Workspace, WorkspaceError};
use rota::runner::{Runner as _, Sign, Signs, WorkEnd, Workspaces};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whether the sandbox can be tried here; where it cannot, that is said.
pub fn has_sandbox() -> bool {
    let Ability::Less { why, .. } = able() else { return true };
    asked::lacks("landlock", why);
    false
}

/// Whether a program in the sandbox can also be given a way to ports of this machine; where it cannot,
/// that is said.
pub fn has_own_network() -> bool {
    if let Ability::All { no_network: Some(why), .. } = able() {
        asked::lacks("userns", why);
        return false;
    }
    has_sandbox()
}

/// Whether what is not its own can be made read-only to a program; where it cannot, that is said.
pub fn has_own_mounts() -> bool {
    if let Ability::All { no_mounts: Some(why), .. } = able() {
        asked::lacks("userns", why);
        return false;
    }
    has_sandbox()
}

/// What the sandbox can do here.
pub fn able() -> &'static Ability {
    static ABLE: OnceLock<Ability> = OnceLock::new();
    ABLE.get_or_init(|| ability(env!("CARGO_BIN_EXE_rota")))
}

/// Whether git is here; where it is not, that is said.
#[expect(clippy::disallowed_methods, reason = "tests ask for git as people do")]
pub fn has_git() -> bool {
    let found = std::process::Command::new("git").arg("--version").output();
    let is_here = found.is_ok_and(|ran| ran.status.success());
    if !is_here {
        asked::lacks("git", "there is no git");
    }
    is_here
}

/// A program of ours that is built beside the tests.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let debug = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = debug.join("examples").join(name);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// A git command in a folder, as a person would type it; what it printed.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "tests make repositories as people do")]
pub fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(args);
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let ran = command.output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "git {args:?}: {err}");
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

/// A den: a folder with a repository and workspaces.
pub struct Den {
    folder: tempfile::TempDir,
    pub workspaces: Workspaces,
    pub house: House,
    pub book: Playbook,
    runs: AtomicU32,
}

/// What came of a program.
#[derive(Debug)]
pub struct Played {
    pub end: WorkEnd,
    pub lines: Vec<String>,
}

impl Played {
    /// What was said of an attempt.
    #[track_caller]
    pub fn of(&self, attempt: &str) -> &str {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(&format!("{attempt}: ")));
        found.unwrap_or_else(|| panic!("nothing of {attempt:?}: {self:#?}"))
    }

    #[track_caller]
    pub fn is_denied(&self, attempt: &str) {
        assert!(self.of(attempt).starts_with("denied"), "{attempt}: {self:#?}");
    }

    #[track_caller]
    pub fn is_through(&self, attempt: &str) {
        assert!(self.of(attempt).starts_with("through"), "{attempt}: {self:#?}");
    }
}

pub fn rules(sandbox: SandboxLevel) -> WorkspaceRules {
    WorkspaceRules {
        source: None,
        repositories: vec![],
        hooks: WorkspaceHooks::default(),
        hook_time: Duration::from_secs(30),
        hosts: vec![],
        sandbox,
        link: None,
    }
}

/// Workspaces as large as anybody likes.
pub fn options() -> Options {
    Options {
        bytes_max: 1 << 40,
        limits: ResourceLimits::default(),
        repositories: vec![],
        read: vec![],
        write: vec![],
        exe: env!("CARGO_BIN_EXE_rota").to_owned(),
        environment: [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("SLACK_TOKEN", "secret"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
    }
}

impl Den {
    /// With a playbook of this level, and whatever else `change` makes of it and of the limits.
    pub async fn new(
        level: SandboxLevel,
        change: impl FnOnce(&mut Playbook, &mut Options),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut book = playbook(&[]);
        book.workspace = Some(rules(level));
        let read = vec![example("escape_artist"), example("fake_agent")];
        let mut options = Options { read, ..options() };
        change(&mut book, &mut options);
        let root = std::fs::canonicalize(folder.path()).unwrap().join("state").join("workspaces");
        let workspaces = Workspaces::new(root, options);
        Self { folder, workspaces, house: House::build().await, book, runs: AtomicU32::new(0) }
    }

    /// Its folder, without links.
    pub fn path(&self) -> PathBuf {
        std::fs::canonicalize(self.folder.path()).unwrap()
    }

    pub fn root(&self) -> PathBuf {
        self.path().join("state").join("workspaces")
    }

    /// A repository with a commit on `main` and one on `other`.
    pub fn repository(&self, name: &str) -> Origin {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "-q", "-b", "main"]);
        std::fs::write(path.join("README"), "read me\n").unwrap();
        git(&path, &["add", "."]);
        git(&path, &["commit", "-q", "-m", "first"]);
        git(&path, &["branch", "other"]);
        Origin { repository: path.to_str().unwrap().to_owned(), reference: None }
    }

    /// The next run's name.
    fn run(&self) -> RunId {
        RunId::new(format!("r-den-{}-{}", std::process::id(), self.run_number()))
    }

    fn run_number(&self) -> String {
        let address = std::ptr::from_ref(self) as usize;
        format!("{address:x}-{}", self.runs.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn prepare(
        &self,
        identifier: &str,
        origin: Option<&Origin>,
    ) -> Result<Workspace, WorkspaceError> {
        self.prepare_by(&self.book, identifier, origin).await
    }

    pub async fn prepare_by(
        &self,
        book: &Playbook,
        identifier: &str,
        origin: Option<&Origin>,
    ) -> Result<Workspace, WorkspaceError> {
        self.prepare_until(book, identifier, origin, &CancellationToken::new()).await
    }

    /// The same, unless it is told to stop.
    pub async fn prepare_until(
        &self,
        book: &Playbook,
        identifier: &str,
        origin: Option<&Origin>,
        stop: &CancellationToken,
    ) -> Result<Workspace, WorkspaceError> {
        use rota::clock::Clock as _;
        let run = self.run();
        let ask = Ask {
            run: &run,
            identifier,
            task: self.house.task,
            playbook: book,
            origin,
            follows: false,
            now: self.house.clock.wall(),
        };
        self.workspaces.prepare(&ask, stop).await
    }

    /// Plays a program in a workspace, by the runner of commands.
    pub async fn play(&self, workspace: &Arc<Workspace>, words: &[&str]) -> Played {
        self.play_until(workspace, words, None).await
    }

    /// The same, told to stop when it prints a line.
    pub async fn play_until(
        &self,
        workspace: &Arc<Workspace>,
        words: &[&str],
        stop_at: Option<&str>,
    ) -> Played {
        let (mut job, tools) =
            crate::flow::runner::job(&self.house, self.book.clone(), "the prompt").await;
        job.run = self.run();
        job.command = words.iter().map(|word| (*word).to_owned()).collect();
        job.folder = workspace.folder().to_owned();
        job.workspace = Some(Arc::clone(workspace));
        let (signs, mut receiver) = Signs::channel(10_000);
        let stop = CancellationToken::new();
        let mut lines = Vec::new();
        let runner = CommandRunner::new([]);
        let work = runner.work(&job, &tools, &signs, stop.clone());
        tokio::pin!(work);
        let end = loop {
            tokio::select! {
                end = &mut work => break end,
                Some(Sign::Line(line)) = receiver.recv() => {
                    if stop_at == Some(line.as_str()) {
                        stop.cancel();
                    }
                    lines.push(line);
                }
            }
        };
        while let Ok(Sign::Line(line)) = receiver.try_recv() {
            lines.push(line);
        }
        Played { end, lines }
    }

    /// Plays the one that tries to get out.
    pub async fn try_to(&self, workspace: &Arc<Workspace>, attempts: &[&str]) -> Played {
        let program = example("escape_artist");
        let joined = attempts.join(" + ");
        let mut words = vec![program.to_str().unwrap()];
        words.extend(joined.split(' '));
        self.play(workspace, &words).await
    }
}

/// Whether a process runs: it is there and no zombie.
pub fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .ok()
        .and_then(|stat| stat.rsplit(") ").next().map(|rest| !rest.starts_with('Z')))
        .unwrap_or(false)
}
