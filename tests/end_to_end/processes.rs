//! The command line in processes of its own, over a house that only waits: real signals, a real
//! daemon at one end of the socket and real commands at the other.

use crate::support::backend::progress;
use crate::support::rota::Rota;
use async_trait::async_trait;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use rota::app::failure::Failure;
use rota::app::house::{
    AddAgent, AgentAdded, AtPipe, BackupReport, CheckReport, DemoOptions, Finding, House,
    LeantimeStart, LeantimeStarted, Need, Place, Ready, SchemaKind, ServeOptions, StarterFile,
    TransferOptions,
};
use rota::daemon::control::server::ControlServer;
use rota::daemon::control::{Answer, AnswerError, Answered, ControlLimits, Progress, ToolRequest};
use rota::daemon::signals::Signal;
use rota::domain::{Reason, Value};
use rota::mcp::bridge::Options;
use rota::transfer::{Report, Step};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Set in the processes that are to be a command line over [`WaitingHouse`].
const ROLE: &str = "ROTA_TEST_WAITING_HOUSE";

/// A tool of this house that ends when the house is closed; `getStatus` ends at once.
const WAITS: &str = "followRun";

#[derive(Default)]
struct WaitingHouse;

#[derive(Default)]
struct Waiting {
    closed: Notify,
}

#[async_trait]
impl Answer for Waiting {
    async fn answer(
        &self,
        request: ToolRequest,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        match request.tool.as_str() {
            WAITS => {
                let _ = tell.send(progress("begun")).await;
                self.closed.notified().await;
                Err(AnswerError::rejected(Reason::Cancelled, "it was stopped"))
            }
            "showRun" => panic!("a fault"),
            tool => Ok(Answered { value: Value::Null, text: format!("did {tool}") }),
        }
    }

    async fn close(&self) {
        self.closed.notify_one();
    }
}

#[async_trait]
impl House for WaitingHouse {
    async fn open(&self, _: &Place, _: Need) -> Result<Arc<dyn Answer>, Failure> {
        Ok(Arc::new(Waiting::default()))
    }

    async fn serve(
        &self,
        place: &Place,
        _: ServeOptions,
        mut signals: mpsc::Receiver<Signal>,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), Failure> {
        std::fs::create_dir_all(&place.state).unwrap();
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let server = ControlServer::bind(&place.state, "test", ControlLimits::default()).await?;
        let socket = server.path();
        let answer = Arc::new(Waiting::default());
        server.spawn(Arc::clone(&answer) as _, stop.clone(), &tracker);
        let _ = ready.send(Ready { socket, addr: None });
        // Drains until it is told a second time: a test of what signals mean.
        loop {
            match signals.recv().await {
                Some(Signal::Reload) => tracing::info!(target: "rota::test", "reloaded"),
                Some(Signal::Drain) => tracing::info!(target: "rota::test", "draining"),
                Some(Signal::StopNow) | None => break,
            }
        }
        stop.cancel();
        answer.close().await;
        tracker.close();
        tracker.wait().await;
        Ok(())
    }

    fn at_pipe(&self, _: &Place) -> Result<AtPipe, Failure> {
        panic!("not asked for")
    }

    async fn demo(&self, _: DemoOptions, _: mpsc::Sender<Progress>) -> Result<Answered, Failure> {
        panic!("not asked for")
    }

    async fn check(&self, _: &Place, _: &[PathBuf]) -> Result<CheckReport, Failure> {
        panic!("not asked for")
    }

    async fn visit(&self, _: &Options) -> Result<Vec<Finding>, Failure> {
        panic!("not asked for")
    }

    async fn transfer(
        &self,
        _: &Place,
        _: TransferOptions,
        _: watch::Sender<Step>,
        _: CancellationToken,
    ) -> Result<Report, Failure> {
        panic!("not asked for")
    }

    async fn backup(&self, _: &Place, _: &Path) -> Result<BackupReport, Failure> {
        panic!("not asked for")
    }

    async fn restore(&self, _: &Place, _: &Path) -> Result<BackupReport, Failure> {
        panic!("not asked for")
    }

    async fn doctor(&self, _: &Place, _: bool) -> Result<Vec<Finding>, Failure> {
        panic!("a fault of the house")
    }

    fn stop_all(&self, _: &Place, _: &str) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn start_all(&self, _: &Place) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn leantime_start(&self, _: &LeantimeStart) -> Result<LeantimeStarted, Failure> {
        panic!("not asked for")
    }

    async fn add_agent(&self, _: &Place, _: &AddAgent) -> Result<AgentAdded, Failure> {
        panic!("not asked for")
    }

    fn starter_files(&self) -> Vec<StarterFile> {
        Vec::new()
    }

    fn schema(&self, _: SchemaKind) -> Result<String, Failure> {
        panic!("not asked for")
    }
}

/// Not a test of its own: what the processes of the others do.
#[test]
#[expect(clippy::disallowed_methods, reason = "the role is handed over by the environment")]
fn the_waiting_house() {
    let Ok(words) = std::env::var(ROLE) else { return };
    let argv = std::iter::once("rota").chain(words.split_whitespace()).map(Into::into);
    std::process::exit(rota::cli::run(argv, WaitingHouse::default).into());
}

/// A folder in which a command line over the waiting house is typed: the words are in the
/// variable, not behind the program.
fn house(words: &str) -> Rota {
    let before = ["--exact", "end_to_end::processes::the_waiting_house", "--nocapture"];
    let program = std::env::current_exe().unwrap();
    Rota::of(program, before.map(str::to_owned).to_vec()).with_env(ROLE, words)
}

#[test]
fn the_first_stop_drains_the_second_ends_and_a_hangup_reloads() {
    let rota = house("serve");
    let mut daemon = rota.serve_as_it_is();
    assert!(daemon.ready.ends_with("socket=./state/control.sock"), "{}", daemon.ready);
    daemon.signal(SIGHUP);
    daemon.wait_for_log("reloaded");
    daemon.signal(SIGTERM);
    daemon.wait_for_log("draining");
    assert!(rota.state().join("control.sock").exists(), "a draining daemon still answers");
    daemon.signal(SIGINT);
    assert_eq!(daemon.wait(), 0);
    assert!(!rota.state().join("control.sock").exists());
}

#[test]
fn a_command_in_another_process_is_answered_by_the_daemon() {
    let serving = house("serve");
    let mut daemon = serving.serve_as_it_is();
    let state = serving.state().display().to_string();
    let status = house(&format!("status --state {state}")).run(Vec::<&str>::new()).ok();
    assert!(status.out.contains("did getStatus"), "{status:#?}");
    daemon.signal(SIGTERM);
    daemon.wait_for_log("draining");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.wait(), 0);
}

/// Starts a command that waits, and returns when it has said that it has begun.
fn begun(rota: &Rota) -> std::process::Child {
    let mut child = rota
        .command(Vec::<&str>::new())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().expect("it ended before it began").unwrap().contains("begun") {}
    child
}

fn signal(child: &std::process::Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

#[test]
fn an_interrupted_command_closes_its_own_house_and_says_what_became_of_it() {
    let child = begun(&house("runs follow r-1"));
    signal(&child, SIGINT);
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("stopping") && err.contains("it was stopped [cancelled]"), "{err}");
}

#[test]
fn an_interrupted_command_leaves_the_daemon_at_its_work() {
    let serving = house("serve");
    let mut daemon = serving.serve_as_it_is();
    let state = serving.state().display().to_string();
    let child = begun(&house(&format!("runs follow r-1 --state {state}")));
    signal(&child, SIGINT);
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("the daemon goes on"), "{err}");
    house(&format!("status --state {state}")).run(Vec::<&str>::new()).ok();
    daemon.signal(SIGTERM);
    daemon.wait_for_log("draining");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn a_fault_of_ours_ends_with_seventy_in_one_line() {
    for words in ["doctor", "runs show r-1"] {
        let rota = house(words).with_env("RUST_BACKTRACE", "0");
        let ran = rota.run(Vec::<&str>::new()).ended(70);
        assert!(ran.err.starts_with("error: a fault of ours at "), "{ran:#?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:#?}");
    }
}
