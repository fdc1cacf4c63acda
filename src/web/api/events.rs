//! What happens, as it happens: `GET /api/v1/events`, server-sent events.
//!
//! # What stays true
//! - The last events are remembered, in bounds; whoever comes back with `Last-Event-ID` goes on after it.
//!   Where that is not remembered any more, `missed` says so, and what changed on the board since is told
//!   once more: the board remembers that.
//! - A stream has no queue of its own. Whoever reads too slowly to find the next event still remembered is
//!   cut off by `missed` and the end of the stream.
//! - What somebody may not ask for they do not hear of, and whose token ends hears nothing more.
//! - So many streams at one time.

use super::Behind;
use super::answer::Asked;
use crate::domain::Value;
use crate::mcp::{About, Caller, News, served};
use crate::web::problem::Problem;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use futures::stream::unfold;
use serde_json::{Map, Value as Json, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// So many events are remembered.
const EVENTS_MAX: usize = 1_000;
/// And so many bytes of them.
const BYTES_MAX: usize = 1024 * 1024;
/// Longer parts of an event are left out.
const PARTS_BYTES_MAX: usize = 16 * 1024;
/// So many streams at one time.
const STREAMS_MAX: usize = 256;
/// And of one caller.
const STREAMS_OF_ONE_MAX: usize = 128;
/// A silent stream says so often that it is there, and whoever hears it is asked after.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often the board is asked for news, while somebody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who hears what the daemon does may ask for it.
const OF_RUNS: &str = "listRuns";

/// What happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// The daemon, or a run, did something: one line for people, in its parts.
    Progress {
        /// What sort of thing, in one word.
        kind: String,
        /// The line. It may hold text from the board.
        text: String,
        /// The run, if it is about one.
        run: Option<String>,
        /// When, RFC 3339.
        at: String,
        /// Its parts by name.
        data: Value,
    },
    /// Something changed on the board.
    Changed(About),
}

/// An event as it is remembered.
#[derive(Debug)]
struct Told {
    number: u64,
    /// The board's activity up to it.
    activity: i64,
    name: &'static str,
    data: String,
    about: Option<About>,
}

#[derive(Debug, Default)]
struct Memory {
    events: VecDeque<Arc<Told>>,
    bytes: usize,
    last: u64,
    /// Up to where the board's activity was told, while somebody listens.
    activity: Option<i64>,
    /// Open streams, by caller.
    streams: HashMap<String, usize>,
}

/// Remembers what happened last, and tells it.
pub struct Feed {
    /// Tells the events of this process from those of another.
    life: String,
    board: Arc<dyn News>,
    memory: Mutex<Memory>,
    news: watch::Sender<u64>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Feed {
    /// Nothing happened yet. `life` is another one in each process.
    pub fn new(life: String, board: Arc<dyn News>, stop: CancellationToken) -> Arc<Self> {
        let (memory, news) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { life, board, memory, news, stop })
    }

    /// Something happened.
    pub fn tell(&self, happened: Happened) {
        let (name, data, about) = match happened {
            Happened::Changed(about) => ("changed", of_change(about), Some(about)),
            Happened::Progress { kind, text, run, at, data } => {
                let data = serde_json::to_value(data).unwrap_or_default();
                let is_long = data.to_string().len() > PARTS_BYTES_MAX;
                let text: String = text.chars().take(PARTS_BYTES_MAX / 4).collect();
                let data = if is_long { Json::Null } else { data };
                let line =
                    json!({ "at": at, "kind": kind, "text": text, "run": run, "data": data });
                ("progress", line, None)
            }
        };
        self.remember(name, data.to_string(), about);
    }

    fn remember(&self, name: &'static str, data: String, about: Option<About>) {
        let mut memory = self.lock();
        memory.last += 1;
        memory.bytes += data.len();
        let (number, activity) = (memory.last, memory.activity.unwrap_or_default());
        memory.events.push_back(Arc::new(Told { number, activity, name, data, about }));
        while memory.events.len() > EVENTS_MAX || memory.bytes > BYTES_MAX {
            let Some(oldest) = memory.events.pop_front() else { break };
            memory.bytes -= oldest.data.len();
        }
        drop(memory);
        self.news.send_replace(number);
    }

    /// Tells of the board's news until it is stopped; asks for none while nobody listens.
    pub async fn watch(self: Arc<Self>) {
        loop {
            let round = async {
                tokio::time::sleep(LOOK_EVERY).await;
                let known = {
                    let memory = self.lock();
                    (!memory.streams.is_empty()).then_some(memory.activity)
                };
                let Some(known) = known else { return };
                match self.board.since(known).await {
                    Ok((changed, now)) => {
                        self.lock().activity = Some(now);
                        for about in changed {
                            self.tell(Happened::Changed(about));
                        }
                    }
                    Err(error) => tracing::debug!(%error, "nobody is told of news now"),
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    /// A place for one more stream; free again when it is dropped.
    fn take_place(self: &Arc<Self>, caller: &str) -> Option<Place> {
        let mut memory = self.lock();
        let all: usize = memory.streams.values().sum();
        let own = memory.streams.get(caller).copied().unwrap_or(0);
        if all >= STREAMS_MAX || own >= STREAMS_OF_ONE_MAX {
            return None;
        }
        memory.streams.insert(caller.to_owned(), own + 1);
        Some(Place { feed: Arc::clone(self), caller: caller.to_owned() })
    }

    /// The first event after this one; `Err`: it is not remembered any more.
    fn after(&self, number: u64) -> Result<Option<Arc<Told>>, Forgotten> {
        let memory = self.lock();
        let first = memory.events.front().map_or(memory.last + 1, |told| told.number);
        if number + 1 < first || number > memory.last {
            return Err(Forgotten);
        }
        let at = usize::try_from(number + 1 - first).unwrap_or(usize::MAX);
        Ok(memory.events.get(at).map(Arc::clone))
    }

    fn id_of(&self, number: u64, activity: i64) -> String {
        format!("{}.{number}.{activity}", self.life)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event is not remembered any more.
struct Forgotten;

struct Place {
    feed: Arc<Feed>,
    caller: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut memory = self.feed.lock();
        if let Some(own) = memory.streams.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                memory.streams.remove(&self.caller);
            }
        }
        if memory.streams.is_empty() {
            memory.activity = None;
        }
    }
}

fn of_change(about: About) -> Json {
    match about {
        About::Task(task) => json!({ "task": task.0 }),
        About::Project(project) => json!({ "project": project.0 }),
    }
}

/// A stream for whoever was let in.
pub(super) fn response(behind: &Behind, asked: &Asked) -> Response {
    if let Err(problem) = asked.takes_no_query() {
        return problem.response();
    }
    let feed = &behind.feed;
    let Some(place) = feed.take_place(&asked.caller.id) else {
        let message = "there are too many streams of events; close one";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
            .response();
    };
    let last =
        asked.headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let listener = Listener {
        behind: behind.clone(),
        caller: asked.caller.clone(),
        hears_runs: may_call(&asked.caller, OF_RUNS),
        hears_tasks: may_call(&asked.caller, "getTicket"),
        hears_projects: may_call(&asked.caller, "getProject"),
        news: feed.news.subscribe(),
        at: 0,
        first: VecDeque::new(),
        last,
        state: State::Begins,
        asked: Instant::now(),
        _place: place,
    };
    let mut response = Sse::new(events(listener)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Whether a tool is there for a caller at all.
fn may_call(caller: &Caller, tool: &str) -> bool {
    let found = served().find(|served| served.definition.name == tool);
    found.is_some_and(|served| {
        caller.may_reach(tool)
            && caller.principal.person.role >= served.definition.role
            && (caller.projects.is_empty() || served.definition.keeps_to_projects())
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begins,
    Goes,
    Ends,
}

/// Whoever hears a stream.
struct Listener {
    behind: Behind,
    caller: Caller,
    hears_runs: bool,
    hears_tasks: bool,
    hears_projects: bool,
    news: watch::Receiver<u64>,
    /// The number of the last event that was looked at.
    at: u64,
    /// What is told before anything else.
    first: VecDeque<Event>,
    /// The last event that was heard before.
    last: Option<String>,
    state: State,
    /// When it was last asked whether the token counts.
    asked: Instant,
    _place: Place,
}

fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        if self.state == State::Begins {
            self.state = State::Goes;
            self.begin().await;
        }
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            if self.state == State::Ends {
                return None;
            }
            if self.asked.elapsed() >= HEARTBEAT && !self.still_counts().await {
                continue;
            }
            let feed = Arc::clone(&self.behind.feed);
            match feed.after(self.at) {
                Err(Forgotten) => {
                    self.state = State::Ends;
                    let why = "you read too slowly: events were forgotten before you took them";
                    return Some(ending("missed", why));
                }
                Ok(Some(told)) => {
                    self.at = told.number;
                    if self.hears(told.about).await {
                        let id = feed.id_of(told.number, told.activity);
                        return Some(Event::default().id(id).event(told.name).data(&told.data));
                    }
                }
                Ok(None) => {
                    let wait = tokio::time::timeout(HEARTBEAT, self.news.changed());
                    tokio::select! {
                        biased;
                        () = feed.stop.cancelled() => {
                            self.state = State::Ends;
                            return Some(ending("over", "the daemon is stopping; come back later"));
                        }
                        heard = wait => if heard.is_err() && self.still_counts().await {
                            return Some(Event::default().comment("here"));
                        }
                    }
                }
            }
        }
    }

    /// Whether the token still counts; the stream is at its end where it does not.
    async fn still_counts(&mut self) -> bool {
        self.asked = Instant::now();
        let counts = self.behind.gate.access().still_counts(&self.caller.id).await;
        if !counts {
            self.state = State::Ends;
            self.first.push_back(ending("over", "the token does not count any more"));
        }
        counts
    }

    /// Goes on after the event that was heard last, or says that it cannot.
    async fn begin(&mut self) {
        let feed = Arc::clone(&self.behind.feed);
        let now = feed.board.since(None).await.map(|(_, now)| now).ok();
        let (latest, now) = {
            let mut memory = feed.lock();
            memory.activity = memory.activity.or(now);
            (memory.last, memory.activity.unwrap_or_default())
        };
        self.at = latest;
        self.news.mark_unchanged();
        let hello = Event::default().id(feed.id_of(latest, now)).event("hello");
        let Some(last) = self.last.take() else {
            self.first.push_back(hello.data(json!({ "resumed": false }).to_string()));
            return;
        };
        let mut parts = last.rsplitn(3, '.');
        let activity = parts.next().and_then(|text| text.parse::<i64>().ok());
        let number = parts.next().and_then(|text| text.parse::<u64>().ok());
        let is_ours = parts.next() == Some(&feed.life);
        if let Some(number) = number.filter(|number| is_ours && feed.after(*number).is_ok()) {
            self.at = number;
            self.first.push_back(Event::default().event("hello").data(r#"{"resumed":true}"#));
            return;
        }
        // Changes of the board are told once more; of what runs did, the runs themselves tell.
        self.first.push_back(missed("what came after that event is not remembered any more"));
        self.first.push_back(hello.data(json!({ "resumed": false }).to_string()));
        let Some(activity) = activity else { return };
        let Ok((changed, _)) = feed.board.since(Some(activity)).await else { return };
        for about in changed {
            if self.hears(Some(about)).await {
                let event = Event::default().event("changed");
                self.first.push_back(event.data(of_change(about).to_string()));
            }
        }
    }

    /// Whether this is for whoever listens: what they could ask for.
    async fn hears(&self, about: Option<About>) -> bool {
        let (tool, id) = match about {
            None => return self.hears_runs,
            Some(About::Task(_)) if !self.hears_tasks => return false,
            Some(About::Project(_)) if !self.hears_projects => return false,
            Some(_) if self.caller.projects.is_empty() => return true,
            Some(About::Project(project)) => return self.caller.projects.contains(&project),
            Some(About::Task(task)) => ("getTicket", task.0),
        };
        let args = Map::from_iter([("id".to_owned(), Json::from(id))]);
        self.behind.call(&self.caller, tool, args).await.is_ok()
    }
}

fn missed(why: &str) -> Event {
    Event::default().event("missed").data(json!({ "why": why }).to_string())
}

/// The last event of a stream.
fn ending(name: &str, why: &str) -> Event {
    Event::default().event(name).data(json!({ "why": why }).to_string())
}
