//! The real binary in a folder of its own, with nothing of this machine's environment.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a command or a daemon may take before the test fails: generous, for slow machines.
const PATIENCE: Duration = Duration::from_mins(4);

/// So often a state is looked for by commands.
const LOOKS_MAX: u32 = 1_500;

/// Between two looks at something that there is no waiting for.
const STEP: Duration = Duration::from_millis(10);

/// A folder in which `rota` is typed.
#[derive(Debug)]
pub struct Rota {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// What is started, and what stands before the words that are typed.
    program: (PathBuf, Vec<String>),
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// It ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Standard output as the one JSON document it must be.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not one document: {error}\n{self:#?}"))
    }
}

impl Rota {
    /// A new empty folder.
    pub fn new() -> Self {
        Self::of(PathBuf::from(env!("CARGO_BIN_EXE_rota")), Vec::new())
    }

    /// The same with another program in place of the binary.
    pub fn of(program: PathBuf, before: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, environment: Vec::new(), program: (program, before) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder of commands that name none.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Sets a variable for the commands from now on.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the folder.
    pub fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file of the folder.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// The same, whatever it holds.
    pub fn read_bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path().join(path)).unwrap()
    }

    /// The command, not yet started: cleared environment, own home, UTC, nothing on its input.
    #[expect(clippy::disallowed_methods, reason = "tests start the real binary")]
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Command {
        let mut command = Command::new(&self.program.0);
        command
            .args(&self.program.1)
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            // Any port that is free: tests run beside each other.
            .env("MCP_SERVER_PORT", "0")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Types a command and waits for its end.
    #[track_caller]
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Ran {
        let child =
            self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        finish(child)
    }

    /// Waits until a program has written something into a file; what it wrote.
    #[track_caller]
    pub fn wait_for_file(path: &Path) -> String {
        let mut waited = Duration::ZERO;
        loop {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if !text.is_empty() {
                return text;
            }
            assert!(waited < PATIENCE, "nobody wrote {}", path.display());
            std::thread::sleep(STEP);
            waited += STEP;
        }
    }

    /// Starts a command made by [`Rota::command`] and waits for its end.
    #[track_caller]
    pub fn finish(mut command: Command) -> Ran {
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts the daemon and waits until it says that it is ready.
    #[track_caller]
    pub fn serve<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Serving {
        let words = words.into_iter().map(|word| word.as_ref().to_owned());
        self.start(std::iter::once("serve".into()).chain(words))
    }

    /// Starts a daemon that may die: its exit code, -1 when a signal ended it. Once it is ready it is
    /// asked to drain.
    #[track_caller]
    pub fn serve_or_die(&self, mut command: Command) -> i32 {
        let log = std::fs::File::create(self.path().join("serve.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        if lines.recv_timeout(PATIENCE).is_ok() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        finish(child).code
    }

    /// Starts a program that serves without being told, and waits until it is ready.
    #[track_caller]
    pub fn serve_as_it_is(&self) -> Serving {
        self.start(Vec::<&str>::new())
    }

    #[track_caller]
    fn start<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Serving {
        let log = self.path().join("serve.log");
        let mut child = self
            .command(words)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(ready) if ready.starts_with("ready") => {
                    return Serving { child: Some(child), ready, log, lines };
                }
                Ok(_) => {}
                Err(error) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    let log = std::fs::read_to_string(&log).unwrap_or_default();
                    panic!("the daemon did not become ready: {error}\n{log}");
                }
            }
        }
    }
}

/// A daemon under test; SIGTERM when dropped.
#[derive(Debug)]
pub struct Serving {
    child: Option<Child>,
    /// The line that it printed when it was up.
    pub ready: String,
    log: PathBuf,
    lines: mpsc::Receiver<String>,
}

impl Serving {
    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().unwrap().id()).unwrap()
    }

    /// What it holds in memory, in KiB.
    #[cfg(target_os = "linux")]
    pub fn kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().split(' ').next().unwrap().parse().unwrap()
    }

    /// The next line of its standard output; fails the test when none comes.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the daemon printed nothing more")
    }

    /// Where its log is.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log says this.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let mut waited = Duration::ZERO;
        while !self.log().contains(text) {
            assert!(waited < PATIENCE, "the log never said {text:?}:\n{}", self.log());
            std::thread::sleep(STEP);
            waited += STEP;
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Sends SIGTERM and waits for its end; the exit code, -1 when a signal ended it.
    pub fn stop(mut self) -> i32 {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end; the exit code, -1 when a signal ended it.
    pub fn wait(&mut self) -> i32 {
        let child = self.child.take().unwrap();
        finish(child).code
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        if !ends_in(&mut child, PATIENCE) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks again and again until there is something to see.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    // Each look is a command and takes its time: the pauses are the smaller part.
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(5 * STEP);
    }
    panic!("{what} never happened")
}

/// Looks again and again until there is something to see, for at most so long, pauses alone counted;
/// `None` when there was nothing by then.
pub fn look_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let mut waited = Duration::ZERO;
    loop {
        let found = look();
        if found.is_some() || waited >= patience {
            return found;
        }
        std::thread::sleep(5 * STEP);
        waited += 5 * STEP;
    }
}

/// Waits for a child's end, reading what it prints; kills it when it takes too long.
#[track_caller]
fn finish(mut child: Child) -> Ran {
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let err = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    if !ends_in(&mut child, PATIENCE) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("the command did not end: {:?} {:?}", out.join(), err.join());
    }
    let status = child.wait().unwrap();
    Ran { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Whether a child ends within this time. Polls: there is no wait with a limit in std.
fn ends_in(child: &mut Child, time: Duration) -> bool {
    let mut waited = Duration::ZERO;
    while waited < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
    false
}

/// The lines of a stream, from a thread that reads it to its end.
fn lines_of(stream: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}
