//! The control socket over real Unix sockets.

use crate::support::backend::{StrictBackend, TestHouse, expect, progress, type_in};
use async_trait::async_trait;
use rota::cli::connection::to_daemon;
use rota::daemon::control::server::ControlServer;
use rota::daemon::control::{
    Answer, AnswerError, Answered, ControlError, ControlLimits, ErrorKind, FOLLOW, Progress,
    ToolRequest, socket,
};
use rota::domain::{Reason, Value};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers with what it was asked; `hold` waits until it is let go; counts what was begun, ended,
/// and dropped before its end.
#[derive(Default)]
struct Echo {
    go: Notify,
    begun: watch::Sender<usize>,
    ended: watch::Sender<usize>,
    dropped: Arc<AtomicUsize>,
}

/// Counts itself when it is dropped before it was disarmed.
struct Dropped(Arc<AtomicUsize>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        if self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Answer for Echo {
    async fn answer(
        &self,
        request: ToolRequest,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        let mut watchful = Dropped(Arc::clone(&self.dropped), true);
        self.begun.send_modify(|count| *count += 1);
        match request.tool.as_str() {
            "hold" | FOLLOW => {
                let _ = tell.send(progress("holding")).await;
                self.go.notified().await;
            }
            "refuse" => {
                watchful.1 = false;
                return Err(AnswerError::rejected(Reason::NotArmed, "arm it first"));
            }
            "panic" => panic!("the answer breaks off"),
            "large" => {
                watchful.1 = false;
                let text = "x".repeat(2_000_000);
                return Ok(Answered { value: Value::Null, text });
            }
            _ => {}
        }
        watchful.1 = false;
        self.ended.send_modify(|count| *count += 1);
        Ok(Answered { text: format!("did {}", request.tool), value: request.args })
    }
}

/// A served state folder.
struct Served {
    folder: tempfile::TempDir,
    state: PathBuf,
    echo: Arc<Echo>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Served {
    async fn with(limits: ControlLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(folder.path().to_owned(), folder, limits).await
    }

    async fn at(state: PathBuf, folder: tempfile::TempDir, limits: ControlLimits) -> Self {
        let server = ControlServer::bind(&state, "test", limits).await.unwrap();
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let echo = Arc::new(Echo::default());
        server.spawn(Arc::clone(&echo) as _, stop.clone(), &tracker);
        Self { folder, state, echo, stop, tracker }
    }

    async fn raw(&self) -> Raw {
        let stream = socket::connect(&self.state).await.unwrap().unwrap();
        let mut raw = Raw(BufReader::new(stream));
        let hello = raw.line().await;
        assert_eq!(hello["protocol"], 1);
        assert_eq!(hello["daemon"], "test");
        assert_eq!(hello["pid"], std::process::id());
        raw
    }

    async fn finish(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        assert!(!socket::socket_path(&self.state).exists(), "the socket's file is left behind");
        drop(self.folder);
    }
}

/// A client that says what it likes.
struct Raw(BufReader<UnixStream>);

impl Raw {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]).await, Ok(0) | Err(_))
    }
}

fn request(tool: &str) -> ToolRequest {
    let args = Value::map([("a", 1)]);
    let (zone, dry_run, token, assistant) = Default::default();
    ToolRequest { tool: tool.to_owned(), args, zone, dry_run, token, assistant }
}

fn nobody() -> mpsc::Sender<Progress> {
    mpsc::channel(1).0
}

async fn reaches(count: &watch::Sender<usize>, wanted: usize) {
    let mut seen = count.subscribe();
    let wait = seen.wait_for(|count| *count >= wanted);
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_is_carried_and_answered_with_what_happened_meanwhile() {
    let served = Served::with(ControlLimits::default()).await;
    let daemon = to_daemon(&served.state).await.unwrap().unwrap();
    let (tell, mut told) = mpsc::channel(4);
    served.echo.go.notify_one();
    let answered = daemon.answer(request("hold"), tell).await.unwrap();
    assert_eq!(answered.text, "did hold");
    assert_eq!(answered.value, Value::map([("a", 1)]));
    assert_eq!(told.recv().await.unwrap(), progress("holding"));
    let error = daemon.answer(request("refuse"), nobody()).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "not_armed"));
    assert_eq!(daemon.answer(request("again"), nobody()).await.unwrap().text, "did again");
    drop(daemon);
    served.finish().await;
}

#[tokio::test]
async fn a_command_talks_to_the_daemon_that_is_there_and_opens_nothing() {
    let served = Served::with(ControlLimits::default()).await;
    let house = Arc::new(TestHouse::default());
    let typed = type_in(Arc::clone(&house) as _, served.state.clone(), &["status"]).await;
    assert_eq!((typed.code, typed.out.as_str()), (0, "did getStatus\n"));
    let typed = type_in(Arc::clone(&house) as _, served.state.clone(), &["stop-all"]).await;
    assert_eq!((typed.code, typed.out.as_str()), (0, "everything is stopped\n"));
    assert_eq!(*house.stops.lock().unwrap(), ["stop "], "the file is written besides");
    assert_eq!(*served.echo.ended.borrow(), 2, "the daemon was told");
    assert!(house.opened.lock().unwrap().is_empty());
    served.finish().await;
}

#[tokio::test]
async fn without_a_daemon_a_command_opens_the_house_itself() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("control.sock")).unwrap());
    let backend = StrictBackend::expecting([expect("getStatus", json!({}), json!({"ok": 1}))]);
    let house = TestHouse { backend: Arc::clone(&backend), ..TestHouse::default() };
    let typed = type_in(Arc::new(house), folder.path().to_owned(), &["status"]).await;
    assert_eq!(typed.code, 0, "{typed:?}");
    backend.finish();
}

#[tokio::test]
async fn only_its_owner_may_touch_the_socket() {
    let served = Served::with(ControlLimits::default()).await;
    let mode = std::fs::metadata(socket::socket_path(&served.state)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    served.finish().await;
}

#[tokio::test]
async fn a_socket_that_a_dead_daemon_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("control.sock")).unwrap());
    assert!(to_daemon(folder.path()).await.unwrap().is_none());
    let state = folder.path().to_owned();
    let served = Served::at(state, folder, ControlLimits::default()).await;
    assert!(to_daemon(&served.state).await.unwrap().is_some());
    served.finish().await;
}

#[tokio::test]
async fn a_living_daemon_keeps_its_socket() {
    let served = Served::with(ControlLimits::default()).await;
    let second = ControlServer::bind(&served.state, "second", ControlLimits::default()).await;
    assert!(matches!(second, Err(ControlError::AlreadyServed { .. })), "{second:?}");
    assert!(to_daemon(&served.state).await.unwrap().is_some());
    served.finish().await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    std::fs::write(&path, "precious").unwrap();
    let bound = ControlServer::bind(folder.path(), "test", ControlLimits::default()).await;
    assert!(matches!(bound, Err(ControlError::NotASocket { .. })), "{bound:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_longer_than_a_socket_address_works_too() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("a".repeat(100)).join("b".repeat(100));
    std::fs::create_dir_all(&state).unwrap();
    let served = Served::at(state, folder, ControlLimits::default()).await;
    let daemon = to_daemon(&served.state).await.unwrap().unwrap();
    assert_eq!(daemon.answer(request("it"), nobody()).await.unwrap().text, "did it");
    let mode = std::fs::metadata(socket::socket_path(&served.state)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(daemon);
    served.finish().await;
}

#[tokio::test]
async fn a_missing_state_folder_has_no_daemon() {
    assert!(to_daemon(Path::new("/nowhere/at/all")).await.unwrap().is_none());
}

#[tokio::test]
async fn garbage_is_answered_and_only_so_often() {
    let served = Served::with(ControlLimits::default()).await;
    let mut raw = served.raw().await;
    raw.say("{\"id\":9,\"tool\":7}\n").await;
    let reply = raw.line().await;
    assert_eq!((&reply["id"], &reply["error"]["kind"]), (&json!(9), &json!("protocol")));
    raw.say("{\"id\":\"rota_secret\",\"tool\":\"x\",\"token\":\"rota_secret\"}\n").await;
    let reply = raw.line().await.to_string();
    assert!(reply.contains("not a request") && !reply.contains("rota_secret"), "{reply}");
    raw.say("{\"id\":10,\"tool\":\"x\"}\n").await;
    assert_eq!(raw.line().await["result"]["text"], "did x", "one mistake is forgiven");
    raw.say("\u{0}\u{1}\n").await;
    assert_eq!(raw.line().await["error"]["kind"], "protocol");
    assert!(raw.is_closed().await);
    served.finish().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_connection_and_no_other() {
    let limits = ControlLimits { request_bytes_max: 1_000, ..ControlLimits::default() };
    let served = Served::with(limits).await;
    let mut other = served.raw().await;
    let mut raw = served.raw().await;
    raw.say(&"x".repeat(1_001)).await;
    let reply = raw.line().await;
    assert_eq!(reply["error"]["kind"], "protocol");
    assert!(reply["error"]["message"].as_str().unwrap().contains("1000 bytes"), "{reply}");
    assert!(raw.is_closed().await);
    other.say("{\"id\":1,\"tool\":\"x\"}\n").await;
    assert_eq!(other.line().await["result"]["text"], "did x");
    drop(other);
    served.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_and_the_next_one_comes() {
    let limits = ControlLimits { reply_bytes_max: 1_000_000, ..ControlLimits::default() };
    let served = Served::with(limits).await;
    let daemon = to_daemon(&served.state).await.unwrap().unwrap();
    let error = daemon.answer(request("large"), nobody()).await.unwrap_err();
    assert!(error.message.contains("longer than 1000000 bytes"), "{error:?}");
    assert_eq!(daemon.answer(request("small"), nobody()).await.unwrap().text, "did small");
    drop(daemon);
    served.finish().await;
}

#[tokio::test]
async fn a_line_that_is_begun_and_not_finished_ends_the_connection() {
    let limits = ControlLimits { line_time: Duration::from_millis(50), ..ControlLimits::default() };
    let served = Served::with(limits).await;
    let mut raw = served.raw().await;
    raw.say("{\"id\":1,").await;
    assert_eq!(raw.line().await["error"]["kind"], "protocol");
    assert!(raw.is_closed().await);
    served.finish().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let limits = ControlLimits { connections_max: 1, ..ControlLimits::default() };
    let served = Served::with(limits).await;
    let mut raw = served.raw().await;
    raw.say("{\"id\":1,\"tool\":\"hold\"}\n").await;
    assert_eq!(raw.line().await["progress"]["text"], "holding");
    drop(raw);
    // The server has seen the end as soon as somebody else gets the only slot.
    while to_daemon(&served.state).await.is_err() {
        tokio::task::yield_now().await;
    }
    served.echo.go.notify_one();
    reaches(&served.echo.ended, 1).await;
    assert_eq!(served.echo.dropped.load(Ordering::SeqCst), 0);
    served.finish().await;
}

#[tokio::test]
async fn a_follower_that_hangs_up_follows_no_more() {
    let served = Served::with(ControlLimits::default()).await;
    let mut raw = served.raw().await;
    raw.say(&format!("{{\"id\":1,\"tool\":\"{FOLLOW}\"}}\n")).await;
    assert_eq!(raw.line().await["progress"]["text"], "holding");
    drop(raw);
    let echo = Arc::clone(&served.echo);
    let gone = async {
        while echo.dropped.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(*served.echo.ended.borrow(), 0);
    served.finish().await;
}

#[tokio::test]
async fn a_call_that_panics_is_answered_and_the_daemon_lives_on() {
    let served = Served::with(ControlLimits::default()).await;
    let daemon = to_daemon(&served.state).await.unwrap().unwrap();
    let error = daemon.answer(request("panic"), nobody()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert_eq!(daemon.answer(request("x"), nobody()).await.unwrap().text, "did x");
    drop(daemon);
    served.finish().await;
}

#[tokio::test]
async fn many_callers_are_served_at_once_and_one_too_many_is_told_to_wait() {
    let limits = ControlLimits { connections_max: 8, ..ControlLimits::default() };
    let served = Served::with(limits).await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        let mut raw = served.raw().await;
        raw.say("{\"id\":1,\"tool\":\"hold\"}\n").await;
        callers.push(raw);
    }
    reaches(&served.echo.begun, 8).await;
    let refused = to_daemon(&served.state).await.err().unwrap();
    assert!(matches!(refused, ControlError::Refused { busy: true, .. }), "{refused:?}");
    for _ in 0..8 {
        served.echo.go.notify_one();
        reaches(&served.echo.begun, 8).await;
    }
    for raw in &mut callers {
        while raw.line().await.get("result").is_none() {
            served.echo.go.notify_one();
        }
    }
    drop(callers);
    served.finish().await;
}

#[tokio::test]
async fn a_stopping_daemon_ends_the_idle_and_the_followers_and_answers_the_rest() {
    let served = Served::with(ControlLimits::default()).await;
    let mut idle = served.raw().await;
    let mut follower = served.raw().await;
    follower.say(&format!("{{\"id\":3,\"tool\":\"{FOLLOW}\"}}\n")).await;
    let mut caller = served.raw().await;
    caller.say("{\"id\":4,\"tool\":\"hold\"}\n").await;
    reaches(&served.echo.begun, 2).await;
    served.stop.cancel();
    let bye = idle.line().await;
    assert_eq!((&bye["id"], &bye["error"]["kind"]), (&json!(null), &json!("not_begun")));
    assert!(idle.is_closed().await);
    assert_eq!(follower.line().await["id"], 3);
    let end = follower.line().await;
    assert_eq!(
        (&end["error"]["kind"], &end["error"]["reason"]),
        (&json!("busy"), &json!("draining"))
    );
    assert_eq!(caller.line().await["progress"]["text"], "holding");
    served.echo.go.notify_waiters();
    assert_eq!(caller.line().await["result"]["text"], "did hold");
    served.finish().await;
}

#[tokio::test]
async fn a_daemon_that_hangs_up_is_told_as_gone_and_the_wire_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(folder.path().join("control.sock")).unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"{\"rota\":\"9\",\"protocol\":1,\"pid\":1,\"daemon\":\"d\"}\n")
            .await
            .unwrap();
        BufReader::new(&mut stream).read_line(&mut String::new()).await.unwrap();
        stream.write_all(b"{\"id\":1,\"resu").await.unwrap();
    };
    let calling = async {
        let daemon = to_daemon(folder.path()).await.unwrap().unwrap();
        let first = daemon.answer(request("x"), nobody()).await.unwrap_err();
        let second = daemon.answer(request("x"), nobody()).await.unwrap_err();
        (first.kind, second.kind)
    };
    let ((), kinds) = tokio::join!(serving, calling);
    assert_eq!(kinds, (ErrorKind::Gone, ErrorKind::NotBegun));
}

#[tokio::test]
async fn a_daemon_of_another_protocol_is_named_and_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(folder.path().join("control.sock")).unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"{\"rota\":\"9.0.0\",\"protocol\":2,\"pid\":1,\"daemon\":\"d\"}\n")
            .await
            .unwrap();
    };
    let (found, ()) = tokio::join!(to_daemon(folder.path()), serving);
    let error = found.err().unwrap();
    assert!(matches!(error, ControlError::OtherProtocol { theirs: 2, .. }), "{error:?}");
}
