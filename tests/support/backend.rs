//! A house and a daemon that only do what a test told them to expect: stricter than the real ones.

use async_trait::async_trait;
use rota::app::failure::{Failure, FailureKind};
use rota::app::house::{
    AddAgent, AgentAdded, AtPipe, BackupReport, CheckReport, DemoOptions, Finding, House,
    LeantimeStart, LeantimeStarted, Need, Place, Ready, SchemaKind, ServeOptions, StarterFile,
    TransferOptions,
};
use rota::cli::args::Cli;
use rota::cli::commands::Session;
use rota::cli::environment::Environment;
use rota::cli::output::Output;
use rota::daemon::control::{Answer, AnswerError, Answered, DryRun, Progress, ToolRequest};
use rota::daemon::signals::Signal;
use rota::domain::Value;
use rota::mcp::bridge::Options;
use rota::transfer::{Report, Step};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A call that is expected, and what it is answered with.
#[derive(Debug)]
pub struct Expected {
    pub tool: &'static str,
    pub args: serde_json::Value,
    pub dry_run: Option<DryRun>,
    pub progress: Vec<Progress>,
    pub answer: Result<Answered, AnswerError>,
}

/// A call of this tool with these arguments, answered with this value and text.
pub fn expect(tool: &'static str, args: serde_json::Value, value: serde_json::Value) -> Expected {
    let answered = Answered { value: to_value(value), text: format!("text of {tool}") };
    Expected { tool, args, dry_run: None, progress: Vec::new(), answer: Ok(answered) }
}

/// Our own value from JSON.
pub fn to_value(json: serde_json::Value) -> Value {
    serde_json::from_value(json).unwrap()
}

/// Answers what is expected, in that order; anything else fails the test.
#[derive(Debug, Default)]
pub struct StrictBackend {
    expected: Mutex<VecDeque<Expected>>,
    closed: Mutex<u32>,
}

impl StrictBackend {
    pub fn expecting(calls: impl IntoIterator<Item = Expected>) -> Arc<Self> {
        let expected = Mutex::new(calls.into_iter().collect());
        Arc::new(Self { expected, closed: Mutex::default() })
    }

    /// Every expected call came; how often it was closed.
    pub fn finish(&self) -> u32 {
        let left = self.expected.lock().unwrap();
        assert!(left.is_empty(), "calls that never came: {left:?}");
        *self.closed.lock().unwrap()
    }
}

#[async_trait]
impl Answer for StrictBackend {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        let expected = self.expected.lock().unwrap().pop_front();
        let expected = expected.unwrap_or_else(|| panic!("unexpected call {request:?}"));
        assert_eq!(request.tool, expected.tool);
        assert_eq!(serde_json::to_value(&request.args).unwrap(), expected.args);
        assert_eq!(request.dry_run, expected.dry_run);
        for happened in expected.progress {
            progress.try_send(happened).unwrap();
        }
        expected.answer
    }

    async fn close(&self) {
        *self.closed.lock().unwrap() += 1;
    }
}

/// A house that opens a strict backend, once, and has what a test puts into it.
#[derive(Default)]
pub struct TestHouse {
    pub backend: Arc<StrictBackend>,
    pub opened: Mutex<Vec<Need>>,
    pub locked: Mutex<u32>,
    pub check: CheckReport,
    pub findings: Vec<Finding>,
    pub starter: Vec<StarterFile>,
    pub stops: Mutex<Vec<String>>,
    /// The file that stops everything cannot be written.
    pub stop_fails: bool,
    /// Daemons elsewhere share its store.
    pub shares: bool,
    pub serve_fails: bool,
    pub transfers: Mutex<Vec<TransferOptions>>,
    pub report: Report,
}

#[async_trait]
impl House for TestHouse {
    async fn open(&self, _: &Place, need: Need) -> Result<Arc<dyn Answer>, Failure> {
        let mut locked = self.locked.lock().unwrap();
        if *locked > 0 {
            *locked -= 1;
            return Err(Failure::locked("somebody holds the state folder"));
        }
        self.opened.lock().unwrap().push(need);
        Ok(Arc::clone(&self.backend) as Arc<dyn Answer>)
    }

    async fn serve(
        &self,
        place: &Place,
        _: ServeOptions,
        mut signals: mpsc::Receiver<Signal>,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), Failure> {
        if self.serve_fails {
            return Err(Failure::locked("another daemon holds the state folder"));
        }
        let addr = Some("127.0.0.1:3001".parse().unwrap());
        ready.send(Ready { socket: place.state.join("control.sock"), addr }).unwrap();
        // Nothing more is asked of it: the test drops it, or a signal ends it.
        tokio::task::yield_now().await;
        signals.close();
        Ok(())
    }

    fn at_pipe(&self, _: &Place) -> Result<AtPipe, Failure> {
        Ok(AtPipe::default())
    }

    async fn demo(
        &self,
        _: DemoOptions,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, Failure> {
        tell.send(progress("the day begins")).await.unwrap();
        let value = to_value(serde_json::json!({ "tasks": 3 }));
        Ok(Answered { value, text: "the day is over".to_owned() })
    }

    async fn check(&self, _: &Place, _: &[PathBuf]) -> Result<CheckReport, Failure> {
        Ok(self.check.clone())
    }

    async fn visit(&self, _: &Options) -> Result<Vec<Finding>, Failure> {
        Ok(self.findings.clone())
    }

    async fn transfer(
        &self,
        _: &Place,
        options: TransferOptions,
        _: watch::Sender<Step>,
        _: CancellationToken,
    ) -> Result<Report, Failure> {
        self.transfers.lock().unwrap().push(options);
        Ok(self.report.clone())
    }

    async fn backup(&self, _: &Place, file: &Path) -> Result<BackupReport, Failure> {
        let at = rota::domain::Timestamp::UNIX_EPOCH;
        let version = "0.0.0".to_owned();
        Ok(BackupReport { file: file.to_owned(), at, version, parts: BTreeMap::default() })
    }

    async fn restore(&self, _: &Place, file: &Path) -> Result<BackupReport, Failure> {
        Err(Failure::usage(format!("no backup in {}", file.display())))
    }

    async fn doctor(&self, _: &Place, _: bool) -> Result<Vec<Finding>, Failure> {
        Ok(self.findings.clone())
    }

    fn stop_all(&self, _: &Place, reason: &str) -> Result<Value, Failure> {
        if self.stop_fails {
            return Err(Failure::new(FailureKind::State, "the disk is full"));
        }
        self.stops.lock().unwrap().push(format!("stop {reason}"));
        Ok(Value::map([("stopped", true)]))
    }

    fn start_all(&self, _: &Place) -> Result<Value, Failure> {
        self.stops.lock().unwrap().push("start".to_owned());
        Ok(Value::map([("stopped", false)]))
    }

    async fn stop_everywhere(&self, _: &Place, why: Option<&str>) -> Result<bool, Failure> {
        if self.shares {
            let what = why.map_or_else(|| "start".to_owned(), |why| format!("stop {why}"));
            self.stops.lock().unwrap().push(format!("{what} everywhere"));
        }
        Ok(self.shares)
    }

    async fn new_epoch(&self, _: &Place) -> Result<Value, Failure> {
        Ok(Value::map([("epoch", 7_i64)]))
    }

    async fn leantime_start(&self, _: &LeantimeStart) -> Result<LeantimeStarted, Failure> {
        Err(Failure::usage("there is no Leantime in this test"))
    }

    async fn add_agent(&self, _: &Place, _: &AddAgent) -> Result<AgentAdded, Failure> {
        Err(Failure::usage("there is no Leantime in this test"))
    }

    fn starter_files(&self) -> Vec<StarterFile> {
        self.starter.clone()
    }

    fn schema(&self, kind: SchemaKind) -> Result<String, Failure> {
        Ok(format!("{{\"title\":\"{kind:?}\"}}"))
    }
}

/// Something that happened at eight.
pub fn progress(text: &str) -> Progress {
    Progress {
        at: "2026-03-02T08:00:00Z".parse().unwrap(),
        kind: "note".to_owned(),
        text: text.to_owned(),
        run: None,
        data: rota::domain::Value::Null,
    }
}

/// What a command printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Typed {
    /// Standard output as the one document it must be.
    pub fn document(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not one document: {error}\n{self:?}"))
    }
}

/// Types a command to a house whose state folder is empty.
pub async fn type_to(house: Arc<dyn House>, words: &[&str]) -> Typed {
    let folder = tempfile::tempdir().unwrap();
    type_in(house, folder.path().join("state"), words).await
}

/// Types a command to a house with this state folder, in Berlin.
pub async fn type_in(house: Arc<dyn House>, state: PathBuf, words: &[&str]) -> Typed {
    use clap::Parser as _;
    let cli = Cli::try_parse_from(std::iter::once("rota").chain(words.iter().copied()))
        .unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (Sink::default(), Sink::default());
    let manner = cli.globals.manner.manner(false);
    let output = Output::to(manner, Box::new(out.clone()), Box::new(err.clone()), false, false);
    let environment = Environment {
        state: Some(state),
        zone: Some("Europe/Berlin".to_owned()),
        ..Environment::default()
    };
    let place = cli.globals.place(&environment);
    let session = Session { house, place, output: &output };
    let code = session.perform(&cli.command).await;
    Typed { code, out: out.text(), err: err.text() }
}

/// Keeps what is written to it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
