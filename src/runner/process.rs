//! Children: the only file that starts processes.
//!
//! A child gets its own process group, a cleared environment with an allow-list, the prompt on
//! stdin, and bounded room for its output. When it has to end it is asked politely, then killed with
//! its whole group; whatever left the group (`setsid`) is found by the tag `ROTA_RUN` in its
//! environment and killed too. A process that clears its own environment *and* leaves its group
//! cannot be found this way, unless it was started in a workspace: there it has a supervisor.

mod converse;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(not(target_os = "linux"))]
mod unsupervised;

pub(super) use converse::{Talked, converse};
#[cfg(target_os = "linux")]
pub(crate) use supervise::{Probe, confined, trouble_with, wrapped};
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupervised::{confined, wrapped};

use super::signs::{Overrun, Signs, Watch};
use crate::domain::{RunId, TaskId};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The variables of the daemon's environment that a child may see.
const BASIC_VARIABLES: &[&str] = &["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"];

/// Of an environment, what a child may see.
pub(super) fn basic(
    environment: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let is_basic = |(name, _): &(String, String)| BASIC_VARIABLES.contains(&name.as_str());
    environment.into_iter().filter(is_basic).collect()
}

/// The variable by which a run's processes are found.
const TAG: &str = "ROTA_RUN";
/// Of each stream, so much is kept of its begin and so much of its end.
const KEPT_BYTES_MAX: usize = 512 * 1024;
/// A longer line is no result.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long a program of the system may take to answer.
const TOLD_TIME: Duration = Duration::from_secs(30);
/// How long the pipes may stay open after everything was killed.
const PIPES_MAX: Duration = Duration::from_secs(2);
/// How often survivors are looked for, and the wait between two looks.
const SWEEPS_MAX: u32 = 50;
const SWEEP_AGAIN: Duration = Duration::from_millis(20);

static ADOPTING: AtomicBool = AtomicBool::new(false);

/// What is to be started. The environment may hold secrets: it is never shown.
pub(super) struct Start<'a> {
    pub run: &'a RunId,
    pub task: Option<TaskId>,
    pub program: &'a str,
    pub args: &'a [String],
    pub env: BTreeMap<String, String>,
    pub folder: &'a Path,
    pub input: &'a str,
    /// Whether everything of its run ends with it. Not beside another program of the run, which has
    /// the same tag; what it leaves behind ends with its supervisor, or with that program.
    pub sweeps: bool,
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Exit {
    /// Its status; `None` if it could not be had.
    pub status: Option<ExitStatus>,
    /// Why it had to end, if it did not by itself.
    pub overrun: Option<Overrun>,
    pub stdout: Kept,
    pub stderr: Kept,
}

/// The begin and end of a stream.
#[derive(Debug, Default)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    /// Bytes between head and tail that were not kept.
    pub dropped: u64,
    line: Vec<u8>,
    line_too_long: bool,
    /// The last line that was not blank and not too long.
    pub last_line: Option<String>,
}

impl Kept {
    fn take(&mut self, bytes: &[u8], signs: &Signs) {
        let room = KEPT_BYTES_MAX.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT_BYTES_MAX);
        self.tail.drain(..over);
        self.dropped = self.dropped.saturating_add(over as u64);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            if self.line.len() + text.len() > LINE_BYTES_MAX {
                self.line_too_long = true;
            } else {
                self.line.extend_from_slice(text);
            }
            if piece.len() != text.len() {
                self.end_line(signs);
            }
        }
    }

    fn end_line(&mut self, signs: &Signs) {
        let text = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        if !text.is_empty() {
            signs.line(&text);
            self.last_line = (!self.line_too_long).then_some(text);
        }
        self.line.clear();
        self.line_too_long = false;
    }

    /// The last so many characters, for people.
    pub(super) fn end_text(&self, chars_max: usize) -> String {
        let bytes: Vec<u8> = self.head.iter().chain(&self.tail).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        let skip = text.chars().count().saturating_sub(chars_max);
        text.chars().skip(skip).collect()
    }

    /// All that was kept from the begin on without a gap, and how many bytes came after that.
    pub(super) fn begin_text(&self) -> (String, u64) {
        let mut bytes = self.head.clone();
        let mut more = self.dropped;
        if more == 0 {
            bytes.extend(&self.tail);
        } else {
            more = more.saturating_add(self.tail.len() as u64);
        }
        (String::from_utf8_lossy(&bytes).into_owned(), more)
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

/// Starts a child and stays with it to its end, or until its run has to end.
pub(super) async fn run(
    start: Start<'_>,
    signs: &Signs,
    watch: &mut Watch,
    stop: &CancellationToken,
) -> std::io::Result<Exit> {
    let mut child = spawn(&start)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let (stdin, stdout, stderr) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let (out, err) = (Mutex::new(Kept::default()), Mutex::new(Kept::default()));
    let talk = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A child that does not want its prompt is free to close the pipe.
                let _ = stdin.write_all(start.input.as_bytes()).await;
            }
        };
        tokio::join!(feed, pump(stdout, &out, signs), pump(stderr, &err, signs));
    };
    tokio::pin!(talk);
    let mut talking = true;
    let ended = loop {
        tokio::select! {
            status = child.inner_mut().wait() => break Ok(status.ok()),
            () = &mut talk, if talking => talking = false,
            overrun = signs.overrun(watch, stop) => break Err(overrun),
        }
    };
    let (status, overrun) = match ended {
        Ok(status) => (status, None),
        Err(overrun) => {
            let ask = end(child.as_mut(), group);
            tokio::pin!(ask);
            let status = loop {
                tokio::select! {
                    status = &mut ask => break status,
                    () = &mut talk, if talking => talking = false,
                }
            };
            (status, Some(overrun))
        }
    };
    signal_group(group, Signal::SIGKILL);
    if start.sweeps {
        sweep(tags_of(std::slice::from_ref(start.run)), BTreeSet::new()).await;
    }
    if talking {
        // Whoever held the pipes is gone; what is still in them is read.
        let _ = tokio::time::timeout(PIPES_MAX, &mut talk).await;
    }
    let taken = |kept: &Mutex<Kept>| {
        std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let (mut stdout, mut stderr) = (taken(&out), taken(&err));
    stdout.end_line(signs);
    stderr.end_line(signs);
    Ok(Exit { status, overrun, stdout, stderr })
}

#[expect(clippy::disallowed_methods, reason = "this is the home of children")]
fn command(start: &Start<'_>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(start.program);
    command
        .args(start.args)
        .current_dir(start.folder)
        .env_clear()
        .envs(&start.env)
        .env(TAG, start.run.as_str())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(task) = start.task {
        command.env("ROTA_TASK", task.to_string());
    }
    command
}

fn spawn(start: &Start<'_>) -> std::io::Result<Box<dyn ChildWrapper>> {
    let mut wrap = CommandWrap::from(command(start));
    wrap.wrap(KillOnDrop).wrap(ProcessGroup::leader());
    wrap.spawn()
}

/// A server that stays up as long as this is held: its own process group, a cleared environment, and
/// the tag by which whatever it left behind is found.
#[derive(Debug)]
pub struct Served {
    child: Box<dyn ChildWrapper>,
    group: Option<Pid>,
    tag: String,
}

impl Served {
    /// Starts a server whose pipes the caller takes; what it writes to standard error is dropped. Of
    /// this process's environment it gets the few variables that every child may see, and `env`.
    /// Whatever carries its mark, which is no other child's, ends with it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        mark: &str,
        program: &str,
        args: &[String],
        env: &BTreeMap<String, String>,
    ) -> std::io::Result<(Self, ChildStdout, ChildStdin)> {
        let basic = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| BASIC_VARIABLES.contains(&name)));
        #[expect(clippy::disallowed_methods, reason = "this is the home of children")]
        let mut command = tokio::process::Command::new(program);
        command.args(args).env_clear().envs(basic).envs(env).env(TAG, mark);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut wrap = CommandWrap::from(command);
        wrap.wrap(KillOnDrop).wrap(ProcessGroup::leader());
        let mut child = wrap.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (stdin, stdout) = (child.stdin().take(), child.stdout().take());
        let served = Self { child, group, tag: format!("{TAG}={mark}") };
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        Ok((served, stdout, stdin))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A leader that was reaped may have left its number to somebody else's group.
        if self.child.id().is_some() {
            signal_group(self.group, Signal::SIGKILL);
        }
        // At once, because this process may be about to end; then until nothing is found.
        let tags = vec![std::mem::take(&mut self.tag)];
        let mut ended = BTreeSet::new();
        kill_all(tagged(&tags), &mut ended);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            TaskTracker::new().spawn_on(sweep(tags, ended), &runtime);
        }
    }
}

/// What a program of the system said, in one line, and whether it ended well.
pub struct Told {
    /// Whether it ended with 0.
    pub is_well: bool,
    /// Its last line that was not blank.
    pub text: String,
}

/// Asks a program of the system one thing, with this process's own environment, within half a minute.
///
/// # Errors
/// When it cannot be started, or does not end.
pub async fn told_by(program: &str, args: &[String]) -> std::io::Result<Told> {
    #[expect(clippy::disallowed_methods, reason = "this is the home of children")]
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(TOLD_TIME, command.output()).await;
    let output = ended.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let text = last.trim().chars().filter(|sign| !sign.is_control()).take(200).collect();
    Ok(Told { is_well: output.status.success(), text })
}

async fn pump(stream: Option<impl AsyncRead + Unpin>, kept: &Mutex<Kept>, signs: &Signs) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                kept.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, signs);
            }
        }
    }
}

/// Asks the group to end; after the grace, kills it.
async fn end(child: &mut dyn ChildWrapper, group: Option<Pid>) -> Option<ExitStatus> {
    signal_group(group, Signal::SIGTERM);
    if let Ok(status) = tokio::time::timeout(GRACE, child.inner_mut().wait()).await {
        return status.ok();
    }
    signal_group(group, Signal::SIGKILL);
    child.inner_mut().wait().await.ok()
}

fn signal_group(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // A group that is gone already is what was wanted.
        let _ = killpg(group, signal);
    }
}

/// Makes this process the one that inherits orphans of its children, so that they can be ended and
/// reaped. Once, at start; on systems without it nothing happens.
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if nix::sys::prctl::set_child_subreaper(true).is_ok() {
        ADOPTING.store(true, Ordering::Relaxed);
    }
}

/// Ends every process that carries the tag of one of these runs: what an earlier life of the daemon
/// left over. Returns how many were ended.
pub async fn sweep_left_over(runs: &[RunId]) -> usize {
    sweep(tags_of(runs), BTreeSet::new()).await
}

/// The same for servers, whose marks begin so.
pub async fn sweep_left_over_served(mark: &str) -> usize {
    sweep(vec![format!("{TAG}={mark}*")], BTreeSet::new()).await
}

fn tags_of(runs: &[RunId]) -> Vec<String> {
    runs.iter().map(|run| format!("{TAG}={run}")).collect()
}

/// Kills tagged processes until none is left; some may have been killed already.
async fn sweep(tags: Vec<String>, mut ended: BTreeSet<i32>) -> usize {
    if tags.is_empty() {
        return 0;
    }
    for _ in 0..SWEEPS_MAX {
        let tags = tags.clone();
        let found = tokio::task::spawn_blocking(move || tagged(&tags)).await.unwrap_or_default();
        if found.is_empty() && ended.is_empty() {
            break;
        }
        let is_last = found.is_empty();
        kill_all(found, &mut ended);
        tokio::time::sleep(SWEEP_AGAIN).await;
        reap(&ended);
        if is_last {
            break;
        }
    }
    reap(&ended);
    ended.len()
}

fn kill_all(pids: Vec<i32>, ended: &mut BTreeSet<i32>) {
    for pid in pids {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        ended.insert(pid);
    }
}

/// Reaps those of these that were adopted by us. Never *any* child: the others have their waiters.
fn reap(pids: &BTreeSet<i32>) {
    if ADOPTING.load(Ordering::Relaxed) {
        for pid in pids {
            let _ = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// The processes whose environment holds one of these tags; `*` at the end stands for any rest.
fn tagged(tags: &[String]) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|variable| tags.iter().any(|tag| is_tag(variable, tag)))
            })
        })
        .collect()
}

fn is_tag(variable: &[u8], tag: &str) -> bool {
    match tag.strip_suffix('*') {
        Some(start) => variable.starts_with(start.as_bytes()),
        None => variable == tag.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_begin_and_the_end_are_kept_and_the_rest_is_counted() {
        let (signs, _end) = Signs::channel(4);
        let mut kept = Kept::default();
        let line = [b"x".repeat(1_023), b"\n".to_vec()].concat();
        for _ in 0..4_096 {
            kept.take(&line, &signs);
        }
        kept.take(b"the end\n", &signs);
        assert_eq!(kept.bytes(), 2 * KEPT_BYTES_MAX);
        assert_eq!(kept.dropped, 4_096 * 1_024 + 8 - 2 * KEPT_BYTES_MAX as u64);
        assert_eq!(kept.last_line.as_deref(), Some("the end"));
        assert_eq!(kept.end_text(7), "the end");
        assert!(signs.dropped() > 4_000);
    }

    #[test]
    fn a_line_without_end_is_no_result_and_takes_no_room() {
        let (signs, _end) = Signs::channel(4);
        let mut kept = Kept::default();
        kept.take(b"before\n", &signs);
        for _ in 0..200 {
            kept.take(&b"y".repeat(1_024), &signs);
        }
        assert!(kept.line.len() <= LINE_BYTES_MAX);
        kept.end_line(&signs);
        assert_eq!(kept.last_line, None);
    }
}
