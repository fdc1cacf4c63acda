//! The loop between host and server: takes the host's lines one by one, lets many messages be under
//! way at once, and knows which, so that a cancellation finds its request.

use super::carry::{Bridge, Letter};
use super::lines::{Host, Line};
use super::message::{Kind, Message, error_line};
use super::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// So many requests of the host may be under way at once.
pub const REQUESTS_MAX: usize = 64;

/// So many notifications and answers of the host may be under way; more wait to be read.
const ASIDES_MAX: usize = 64;

/// How long answers are waited for after the host said its last word.
const GRACE: Duration = Duration::from_secs(5);

/// The same when we are told to end.
const GRACE_WHEN_STOPPED: Duration = Duration::from_millis(500);

/// How long taking leave of the server may take.
const LEAVE_TIME: Duration = Duration::from_millis(500);

/// JSON-RPC's codes for what is no message.
const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;

/// What is under way.
#[derive(Debug)]
struct Pump {
    bridge: Arc<Bridge>,
    tasks: JoinSet<()>,
    /// The host's requests by their tasks.
    asked: HashMap<Id, Value>,
    /// Their tasks by their ids.
    requests: HashMap<String, Request>,
    /// The message that has to be through before the next one is read.
    first: Option<Id>,
}

#[derive(Debug)]
struct Request {
    task: AbortHandle,
    is_modern: bool,
    /// The host does not wait for its answer.
    is_unwanted: bool,
}

/// Carries messages until the host hangs up or `stop` says so.
pub(super) async fn run(bridge: Arc<Bridge>, host: Host, stop: CancellationToken) {
    let Host { lines, out, hung_up, deaf } = host;
    drop(out);
    let mut pump = Pump {
        bridge,
        tasks: JoinSet::new(),
        asked: HashMap::new(),
        requests: HashMap::new(),
        first: None,
    };
    pump.run(lines, [hung_up, stop.clone(), deaf.clone()]).await;
    if !deaf.is_cancelled() {
        // A host that asked is not left to guess.
        let _ = tokio::time::timeout(LEAVE_TIME, pump.give_up()).await;
    }
    pump.tasks.abort_all();
    // A host that is gone is told nothing; the server is told that the session is over.
    let _ = tokio::time::timeout(LEAVE_TIME, pump.bridge.end()).await;
    while pump.tasks.join_next().await.is_some() {}
    // The way to the host is closed once nothing holds it; what was said is written till then.
    drop(pump);
    let time = if stop.is_cancelled() { LEAVE_TIME } else { GRACE };
    let _ = tokio::time::timeout(time, deaf.cancelled()).await;
}

impl Pump {
    async fn run(&mut self, mut lines: mpsc::Receiver<Line>, ends: [CancellationToken; 3]) {
        let [hung_up, stop, deaf] = ends;
        let (mut deadline, mut heard_all) = (None::<Instant>, false);
        let (mut is_over, mut is_stopped) = (false, false);
        while !(heard_all && self.tasks.is_empty()) {
            let may_read = !heard_all && self.first.is_none();
            let may_read = may_read && self.tasks.len() - self.requests.len() < ASIDES_MAX;
            let end = deadline.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = deaf.cancelled() => return,
                () = sleep_until(end), if deadline.is_some() => return,
                () = stop.cancelled(), if !is_stopped => {
                    is_stopped = true;
                    // Nothing more is begun.
                    heard_all = true;
                    let end = Instant::now() + GRACE_WHEN_STOPPED;
                    deadline = Some(deadline.map_or(end, |before| before.min(end)));
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
                line = lines.recv(), if may_read => match line {
                    Some(line) => self.take(line).await,
                    None => heard_all = true,
                },
                () = hung_up.cancelled(), if !is_over => {
                    is_over = true;
                    deadline = deadline.or_else(|| Some(Instant::now() + GRACE));
                }
            }
        }
    }

    /// A line of the host.
    async fn take(&mut self, line: Line) {
        let refused = |code, what: &str| error_line(&Value::Null, code, what, &Value::Null);
        let text = match line {
            Line::Text(text) => text,
            Line::Bad(what) => {
                let line = refused(PARSE_ERROR, &format!("the message cannot be read: {what}"));
                return self.bridge.tell(line).await;
            }
        };
        let Ok(message) = Message::read(&text) else {
            let what = "the line is no JSON-RPC message; batches are not taken";
            return self.bridge.tell(refused(PARSE_ERROR, what)).await;
        };
        match message.kind() {
            Kind::Request => self.request(Letter { message, text }).await,
            Kind::Response => self.aside(Letter { message, text }),
            Kind::Notification => self.notification(Letter { message, text }),
            Kind::Nonsense => {
                let what = "the message is neither a request, nor a notification, nor a response";
                let id = if message.id().is_object() { Value::Null } else { message.id() };
                self.bridge.tell(error_line(&id, INVALID_REQUEST, what, &Value::Null)).await;
            }
        }
    }

    async fn request(&mut self, letter: Letter) {
        let id = letter.message.id();
        let key = id.to_string();
        let refusal = if self.requests.contains_key(&key) {
            Some(("id_in_use", "a request with this id is under way"))
        } else if self.requests.len() >= REQUESTS_MAX {
            Some(("busy", "64 requests are under way: wait for one of them"))
        } else {
            None
        };
        if let Some((code, what)) = refusal {
            let message = format!("{code}: {what}");
            let line = error_line(&id, INVALID_REQUEST, &message, &json!({ "code": code }));
            return self.bridge.tell(line).await;
        }
        // Whatever follows needs the session that it opens.
        let is_first = letter.message.method() == "initialize";
        let is_modern = letter.message.modern().is_some();
        let task = self.tasks.spawn(Arc::clone(&self.bridge).request(letter));
        if is_first {
            self.first = Some(task.id());
        }
        self.asked.insert(task.id(), id);
        self.requests.insert(key, Request { task, is_modern, is_unwanted: false });
    }

    fn aside(&mut self, letter: Letter) {
        self.tasks.spawn(Arc::clone(&self.bridge).aside(letter));
    }

    fn notification(&mut self, letter: Letter) {
        match letter.message.method() {
            "notifications/cancelled" => self.cancel(letter),
            "notifications/initialized" => {
                let task = self.tasks.spawn(Arc::clone(&self.bridge).aside(letter));
                self.first = Some(task.id());
            }
            _ => self.aside(letter),
        }
    }

    /// The host does not want an answer any more. Without sessions, closing the stream says so; with
    /// them the server is told, and then the stream is closed.
    fn cancel(&mut self, letter: Letter) {
        let id = letter.message.params.request_id.clone().unwrap_or_default();
        // It was answered meanwhile, or never asked.
        let Some(request) = self.requests.get_mut(&id.to_string()) else { return };
        request.is_unwanted = true;
        let task = request.task.clone();
        if request.is_modern {
            task.abort();
            return;
        }
        let bridge = Arc::clone(&self.bridge);
        self.tasks.spawn(async move {
            bridge.aside(letter).await;
            task.abort();
        });
    }

    /// Ends what is under way, and says of each request that was not answered that nobody knows.
    async fn give_up(&mut self) {
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let Err(error) = &ended else {
                self.ended(ended).await;
                continue;
            };
            let id = self.asked.get(&error.id()).filter(|_| error.is_cancelled()).cloned();
            let wanted = |id: &Value| {
                self.requests.get(&id.to_string()).is_some_and(|request| !request.is_unwanted)
            };
            if let Some(id) = id.filter(wanted) {
                let trouble = Trouble::broken("the bridge ended before the answer came,");
                self.bridge.tell(trouble.line(&id)).await;
            }
            self.ended(ended).await;
        }
    }

    async fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        self.first = self.first.filter(|first| *first != task);
        let Some(id) = self.asked.remove(&task) else { return };
        self.requests.remove(&id.to_string());
        if ended.is_err_and(|error| error.is_panic()) {
            let data = json!({ "code": "internal" });
            let line = error_line(&id, -32_603, "internal: a fault of the bridge", &data);
            self.bridge.tell(line).await;
        }
    }
}
