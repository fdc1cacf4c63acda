//! One stream of events, as somebody hears it.

use super::{Feed, For, Forgotten, Place, of_change};
use crate::mcp::{About, Caller, reachable};
use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use futures::stream::unfold;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A silent stream says so often that it is there, and who hears it is asked anew.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Who hears is asked after also before an event, where that was not done for so long.
const FRESH: Duration = Duration::from_secs(2);
/// So many pages of the board's changes are told at once.
const PAGES_MAX: usize = 100;
/// Who hears what the daemon does may ask for it.
const OF_RUNS: &str = "listRuns";

/// Whoever hears a stream, as the door by which they came knows them.
#[async_trait]
pub(in crate::web) trait Hearer: Send + Sync {
    /// Who it is, as they were looked at last.
    fn caller(&self) -> &Caller;
    /// Whose stream it is, and how many of theirs there may be.
    fn share(&self) -> (String, usize);
    /// Looks who they are by now, and which rights they have; whether they may go on.
    async fn looks_again(&mut self) -> bool;
    /// Returns when they may have lost their leave just now; never, where nobody says so.
    async fn stirred(&mut self) {
        std::future::pending::<()>().await;
    }
}

impl Feed {
    /// A stream for whoever was let in, after the event that its `Last-Event-ID` names; `None`: there are too
    /// many.
    pub(in crate::web) fn open(
        self: &Arc<Self>,
        hearer: Box<dyn Hearer>,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let place = self.take_place(hearer.share())?;
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let listener = Listener {
            hears: Hears::of(hearer.caller()),
            feed: Arc::clone(self),
            hearer,
            news: self.news.subscribe(),
            at: 0,
            first: VecDeque::new(),
            last,
            state: State::Begins,
            spoken: Instant::now(),
            asked: Instant::now(),
            _place: place,
        };
        let mut response = Sse::new(events(listener)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Some(response)
    }
}

/// Of what somebody hears: of what they could ask for.
#[derive(Clone, Copy)]
struct Hears {
    runs: bool,
    tasks: bool,
    projects: bool,
}

impl Hears {
    fn of(caller: &Caller) -> Self {
        Self {
            runs: may_call(caller, OF_RUNS),
            tasks: may_call(caller, "getTicket"),
            projects: may_call(caller, "getProject"),
        }
    }
}

/// Whether a tool is there for a caller at all.
fn may_call(caller: &Caller, tool: &str) -> bool {
    let tool = reachable(tool, caller);
    tool.is_some_and(|tool| caller.principal.person.role >= tool.role)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begins,
    Goes,
    Ends,
}

/// Whoever hears a stream.
struct Listener {
    feed: Arc<Feed>,
    hearer: Box<dyn Hearer>,
    hears: Hears,
    news: watch::Receiver<u64>,
    /// The number of the last event that was looked at.
    at: u64,
    /// What is told before anything else.
    first: VecDeque<Event>,
    /// The last event that was heard before.
    last: Option<String>,
    state: State,
    /// When the last byte was sent, and when it was asked last who hears.
    spoken: Instant,
    asked: Instant,
    _place: Place,
}

/// What the id of the last event says.
#[derive(Clone, Copy)]
struct Heard {
    /// Its number, where it is of this process.
    number: Option<u64>,
    /// The board's activity up to it; `None`: that was not known.
    activity: Option<i64>,
}

impl Heard {
    fn read(id: &str, life: &str) -> Self {
        let mut parts = id.rsplitn(3, '.');
        let activity = parts.next().and_then(|text| text.parse().ok()).filter(|at| *at > 0);
        let number = parts.next().and_then(|text| text.parse().ok());
        Self { number: number.filter(|_| parts.next() == Some(life)), activity }
    }
}

fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        listener.spoken = Instant::now();
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
            if self.asked.elapsed() >= HEARTBEAT && !self.look_again().await {
                continue;
            }
            // Also where much happens that is not for this listener.
            if self.spoken.elapsed() >= HEARTBEAT {
                return Some(Event::default().comment("here"));
            }
            let feed = Arc::clone(&self.feed);
            match feed.after(self.at) {
                Err(Forgotten) => {
                    self.state = State::Ends;
                    let why = "you read too slowly: events were forgotten before you took them";
                    return Some(ending("missed", why));
                }
                Ok(Some(told)) => {
                    let is_due = told.ends_something || self.asked.elapsed() >= FRESH;
                    if is_due && !self.look_again().await {
                        continue;
                    }
                    self.at = told.number;
                    if self.hears(&told.whom).await {
                        let id = feed.id_of(told.number, told.activity);
                        return Some(Event::default().id(id).event(told.name).data(&told.data));
                    }
                }
                Ok(None) => {
                    let until = self.spoken.min(self.asked) + HEARTBEAT;
                    let wait = tokio::time::timeout_at(until, self.news.changed());
                    tokio::select! {
                        biased;
                        () = feed.stop.cancelled() => {
                            self.state = State::Ends;
                            return Some(ending("over", "the daemon is stopping; come back later"));
                        }
                        () = self.hearer.stirred() => {
                            self.look_again().await;
                        }
                        _ = wait => {}
                    }
                }
            }
        }
    }

    /// Whether they may still hear, and of what; the stream is at its end where they may not.
    async fn look_again(&mut self) -> bool {
        self.asked = Instant::now();
        let counts = self.hearer.looks_again().await;
        self.hears = Hears::of(self.hearer.caller());
        if !counts {
            self.state = State::Ends;
            let why = "the token or session does not count any more";
            self.first.push_back(ending("over", why));
        }
        counts
    }

    /// Goes on after the event that was heard last, or says that it cannot.
    async fn begin(&mut self) {
        let feed = Arc::clone(&self.feed);
        let last = self.last.take();
        let heard = last.as_deref().map(|last| Heard::read(last, &feed.life));
        let here = heard.filter(|heard| heard.number.is_some_and(|n| feed.after(n).is_ok()));
        let now = feed.board.since(None).await.map(|(_, now)| now).ok();
        let (latest, now) = {
            let mut memory = feed.lock();
            // Nobody listened meanwhile: the board is asked for what happened since.
            let before = here.and_then(|heard| heard.activity);
            memory.activity = memory.activity.or(before).or(now);
            (memory.last, memory.activity.or(now).unwrap_or(memory.activity_before))
        };
        self.news.mark_unchanged();
        if let Some(number) = here.and_then(|heard| heard.number) {
            self.at = number;
            self.first.push_back(Event::default().event("hello").data(r#"{"resumed":true}"#));
            return;
        }
        self.at = latest;
        let id = feed.id_of(latest, now);
        let hello = Event::default().event("hello").data(json!({ "resumed": false }).to_string());
        let Some(heard) = heard else { return self.first.push_back(hello.id(id)) };
        // Changes of the board are told once more; of what runs did, the runs themselves tell.
        self.first.push_back(missed("what came after that event is not remembered any more"));
        let mut changed = self.changed_since(heard.activity).await;
        // From there whoever comes back goes on: only once all of it is told.
        match changed.pop() {
            None => self.first.push_back(hello.id(id)),
            Some(last) => {
                self.first.push_back(hello);
                self.first.extend(changed);
                self.first.push_back(last.id(id));
            }
        }
    }

    /// What changed on the board since, of what this listener may hear.
    async fn changed_since(&mut self, activity: Option<i64>) -> Vec<Event> {
        let (mut events, mut told) = (Vec::new(), BTreeSet::new());
        let Some(mut from) = activity else { return events };
        for _ in 0..PAGES_MAX {
            let Ok((changed, to)) = self.feed.board.since(Some(from)).await else {
                let why = "the board does not answer: what changed on it is not told";
                self.first.push_back(missed(why));
                break;
            };
            for about in changed {
                if told.insert(about) && self.hears(&For::Board(about)).await {
                    let event = Event::default().event("changed");
                    events.push(event.data(of_change(about).to_string()));
                }
            }
            if to <= from {
                break;
            }
            from = to;
        }
        events
    }

    /// Whether this is for whoever listens: what they could ask for.
    async fn hears(&self, whom: &For) -> bool {
        let caller = self.hearer.caller();
        match whom {
            For::Anybody => self.hears.runs,
            For::Run(run) => {
                self.hears.runs && self.feed.board.sees_run(caller, run.as_deref()).await
            }
            For::Board(About::Task(_)) if !self.hears.tasks => false,
            For::Board(About::Project(_)) if !self.hears.projects => false,
            For::Board(about) => self.feed.board.sees(caller, *about).await,
        }
    }
}

fn missed(why: &str) -> Event {
    Event::default().event("missed").data(json!({ "why": why }).to_string())
}

/// The last event of a stream.
fn ending(name: &str, why: &str) -> Event {
    Event::default().event(name).data(json!({ "why": why }).to_string())
}
