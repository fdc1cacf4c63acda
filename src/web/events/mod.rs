//! What happens, as it happens: remembered for a while, and told as server-sent events to whoever listens, by
//! whichever door they came.
//!
//! # What stays true
//! - The last events are remembered, in bounds; whoever comes back with `Last-Event-ID` goes on after it.
//!   Where that is not remembered any more, `missed` says so, and what changed on the board since is told
//!   once more: the board remembers that.
//! - A stream has no queue of its own. Whoever reads too slowly to find the next event still remembered is
//!   cut off by `missed` and the end of the stream.
//! - What somebody may not ask for they do not hear of, and whose token or session ends hears nothing more. Who
//!   they are is asked anew while they listen: what their rights are by now holds.
//! - So many streams at one time.

mod stream;
#[cfg(test)]
mod tests;

pub(super) use stream::Hearer;

use crate::domain::Value;
use crate::mcp::{About, News};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// So many events are remembered.
const EVENTS_MAX: usize = 1_000;
/// And so many bytes of them.
const BYTES_MAX: usize = 1024 * 1024;
/// Longer parts of an event are left out.
const PARTS_BYTES_MAX: usize = 16 * 1024;
/// So many streams at one time.
const STREAMS_MAX: usize = 256;
/// So often the board is asked for news, while somebody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tools that take somebody's leave away: whoever listens is looked at anew before they hear of it.
const ENDS_SOMETHING: &[&str] = &["revokeToken", "rotateToken", "endSessions"];

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
    /// Somebody worked the daemon by a tool: paused, decided, claimed.
    Acted {
        /// The tool.
        tool: &'static str,
    },
}

/// For whom something is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum For {
    /// Whoever may ask for runs.
    Anybody,
    /// Whoever may see what this run is about; nobody for whom there are some projects only, where it is
    /// about nothing that can be told.
    Run(Option<String>),
    /// Whoever may see this.
    Board(About),
}

/// An event as it is remembered.
#[derive(Debug)]
struct Told {
    number: u64,
    /// The board's activity up to it.
    activity: i64,
    name: &'static str,
    data: String,
    whom: For,
    /// Whether somebody's leave may have ended by it.
    ends_something: bool,
}

#[derive(Debug, Default)]
struct Memory {
    events: VecDeque<Arc<Told>>,
    bytes: usize,
    last: u64,
    /// Up to where the board's activity was told, while somebody listens.
    activity: Option<i64>,
    /// The same when somebody listened last; 0: nobody ever did.
    activity_before: i64,
    /// Open streams, by whose they are.
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
        let ends_something =
            matches!(&happened, Happened::Acted { tool } if ENDS_SOMETHING.contains(tool));
        let (name, data, whom) = match happened {
            Happened::Acted { tool } => ("acted", json!({ "tool": tool }), For::Anybody),
            Happened::Changed(about) => ("changed", of_change(about), For::Board(about)),
            Happened::Progress { kind, text, run, at, data } => {
                let data = serde_json::to_value(data).unwrap_or_default();
                let is_long = data.to_string().len() > PARTS_BYTES_MAX;
                let text: String = text.chars().take(PARTS_BYTES_MAX / 4).collect();
                let data = if is_long { Json::Null } else { data };
                let line =
                    json!({ "at": at, "kind": kind, "text": text, "run": run, "data": data });
                ("progress", line, For::Run(run))
            }
        };
        let told =
            Told { number: 0, activity: 0, name, data: data.to_string(), whom, ends_something };
        self.remember(told);
    }

    fn remember(&self, told: Told) {
        let mut memory = self.lock();
        memory.last += 1;
        memory.bytes += told.data.len();
        let (number, activity) = (memory.last, memory.activity.unwrap_or(memory.activity_before));
        memory.events.push_back(Arc::new(Told { number, activity, ..told }));
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
                        // Up to there is told with the last of them: whoever breaks off before hears of
                        // all of them again.
                        let mut changed = changed.into_iter().peekable();
                        while let Some(about) = changed.next() {
                            if changed.peek().is_none() {
                                self.lock().activity = Some(now);
                            }
                            self.tell(Happened::Changed(about));
                        }
                        self.lock().activity = Some(now);
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

    /// A place for one more stream of somebody who may have so many; free again when it is dropped.
    fn take_place(self: &Arc<Self>, (whose, most): (String, usize)) -> Option<Place> {
        let mut memory = self.lock();
        let all: usize = memory.streams.values().sum();
        let own = memory.streams.get(&whose).copied().unwrap_or(0);
        if all >= STREAMS_MAX || own >= most {
            return None;
        }
        memory.streams.insert(whose.clone(), own + 1);
        Some(Place { feed: Arc::clone(self), whose })
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
    whose: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut memory = self.feed.lock();
        if let Some(own) = memory.streams.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                memory.streams.remove(&self.whose);
            }
        }
        if memory.streams.is_empty()
            && let Some(activity) = memory.activity.take()
        {
            memory.activity_before = activity;
        }
    }
}

fn of_change(about: About) -> Json {
    match about {
        About::Task(task) => json!({ "task": task.0 }),
        About::Project(project) => json!({ "project": project.0 }),
    }
}
