//! A Leantime server (3.5 to 3.9) as the board, over its JSON-RPC API and without any plugin.
//!
//! Requests go through a governor, one for each identity. What the server cannot keep is kept
//! in a [`Notebook`]: revisions, marks, fences, the record of changes, blockers and the team's own
//! fields of tasks, running timers, and whatever was written more exactly than the server stores it.
//!
//! # How it differs from a board of our own
//! - The server has no compare-and-swap and no transactions. A write checks the revision against a
//!   fresh read, writes, and reads back; somebody else's write in between is noticed, not prevented.
//!   Several writes in one step are refused.
//! - It does not say who changed what: changes that others made are found by comparing, by whoever
//!   looks at them next, and have no actor. An acceptance criterion or collaborator that somebody
//!   else changes is seen when the task itself is next read, since lists do not show them.
//! - Whether a marked write happened is known unless the process ended, or the connection broke,
//!   while it was under way.
//! - Blockers, own fields and timers are kept here alone and do not show in its web pages. Time that
//!   was logged does, and so does everything else.
//! - Goal boards, the labels of a project beyond their names, roles within projects and goals' removal
//!   have no route and are refused; so are events in calendars of people whose credential is not here.

mod agents;
mod book;
mod call;
mod changes;
mod client;
mod comments;
mod dates;
mod events;
mod fault;
mod goals;
mod governor;
mod history;
mod html;
mod locks;
mod look;
mod markers;
mod members;
mod memo;
mod milestones;
pub mod notebook;
mod nouns;
pub mod options;
mod people;
mod projects;
mod reach;
mod remote;
mod rounds;
mod server_clock;
mod session;
mod shelf;
mod sprints;
mod task_page;
mod task_row;
mod tasks;
mod time;
mod timers;
mod wire;
mod writing;

pub use agents::Minted;
pub use look::Sight;

use super::{Board, BoardError, Capabilities, Markers, Result, check};
use crate::clock::Clock;
use crate::domain::{
    BoardName, CalendarEvent, Comment, EffectState, Fence, Goal, Mark, Milestone, Person, PersonId,
    Project, ProjectId, Sprint, Stamp, Status, Task, TaskId, TimeEntry, Timer, Timestamp,
};
use async_trait::async_trait;
use book::Book;
use call::{BAD_PARAMS, Call, Refusal, Reply};
use client::{HttpLine, Line};
use governor::{Governor, Lane, Limits};
use locks::Locks;
use memo::Memo;
use notebook::Notebook;
use options::Options;
use rounds::Rounds;
use serde_json::{Value, json};
use server_clock::ServerClock;
use shelf::{Context, Shelf};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::Row;

/// The window in which the server counts requests.
const WINDOW: Duration = Duration::from_mins(1);
/// The requests that a server takes in a minute, as it comes.
const REQUESTS: u32 = 120;
/// How old what is known of people, projects and labels may be.
const DIRECTORY: Duration = Duration::from_mins(1);
/// How old a list may be that a page is made of; writes of our own are always in it.
const LIST: Duration = Duration::from_secs(2);

/// A Leantime server.
#[derive(Debug)]
pub struct LeantimeBoard {
    name: BoardName,
    clock: Arc<dyn Clock>,
    options: Options,
    own: Governor,
    others: BTreeMap<PersonId, Governor>,
    book: Book,
    locks: Locks,
    shelves: Shelves,
    server_clock: Arc<ServerClock>,
    rounds: Mutex<Rounds>,
    looking: tokio::sync::Mutex<()>,
    listed: Memo<Vec<Task>>,
    homes: Memo<Vec<Project>>,
    /// The labels of each project as they were last told.
    labels: Mutex<BTreeMap<ProjectId, Vec<Status>>>,
    /// The server is too old for `patchTicket`.
    is_old: AtomicBool,
    me: tokio::sync::OnceCell<PersonId>,
}

#[derive(Debug, Default)]
struct Shelves {
    people: Shelf<Person>,
    projects: Shelf<Project>,
    tasks: Shelf<Task>,
    milestones: Shelf<Milestone>,
    comments: Shelf<Comment>,
    sprints: Shelf<Sprint>,
    goals: Shelf<Goal>,
    events: Shelf<CalendarEvent>,
    time: Shelf<TimeEntry>,
    timers: Shelf<Timer>,
}

/// Who a credential belongs to, and what the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The user that reads, and writes for those without a credential of their own.
    pub me: Person,
    /// The server's version, if it says so.
    pub version: Option<String>,
    /// Whether it is an API key's user: such users do not show in pickers and get no mail.
    pub is_api_user: bool,
}

impl LeantimeBoard {
    /// A board at a server. Nothing is asked of it yet.
    pub fn open(
        options: Options,
        notebook: Arc<dyn Notebook>,
        name: BoardName,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let limits = Limits {
            requests: options.requests_per_minute,
            window: options.window.unwrap_or(WINDOW),
            patience: options.patience,
        };
        let server_clock = Arc::<ServerClock>::default();
        let governor = |credential: &options::Credential| -> Result<Governor> {
            let line: Arc<dyn Line> =
                Arc::new(HttpLine::new(&options.place(), credential, Arc::clone(&server_clock))?);
            Ok(Governor::new(line, limits))
        };
        let own = governor(&options.credential)?;
        let mut queues = vec![(&options.credential, own.clone())];
        let mut others = BTreeMap::new();
        for (person, credential) in &options.identities {
            // One queue for each identity, also if it is named twice.
            let known = queues.iter().find(|(known, _)| credential.is_same(known));
            let queue = match known {
                Some((_, queue)) => queue.clone(),
                None => governor(credential)?,
            };
            queues.push((credential, queue.clone()));
            others.insert(*person, queue);
        }
        Ok(Self {
            name,
            book: Book::new(notebook, Arc::clone(&clock)),
            clock,
            own,
            others,
            options,
            locks: Locks::default(),
            shelves: Shelves::default(),
            server_clock,
            rounds: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            listed: Memo::default(),
            homes: Memo::default(),
            labels: Mutex::default(),
            is_old: AtomicBool::new(false),
            me: tokio::sync::OnceCell::new(),
        })
    }

    /// Who we are there, and what it is.
    pub async fn about(&self) -> Result<About> {
        let row = self.own_row(Duration::ZERO).await?;
        let calls = vec![
            Call::new("api.config.getSystemInfo", json!({})),
            Call::new("install.currentVersion", json!({})),
        ];
        let replies = self.ask(Lane::People, calls, Duration::ZERO).await?;
        let word = |reply: Option<&Reply>| match reply {
            Some(Ok(value)) if !value.is_object() => {
                wire::unwrapped(value.clone()).as_str().map(str::to_owned)
            }
            Some(Ok(value)) => value.get("version").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let version = word(replies.first()).or_else(|| word(replies.get(1)));
        let is_api_user = row.text("source") == "api";
        Ok(About { me: people::read_person(&row), version, is_api_user })
    }

    /// The credential was changed on the server: requests may go out again after it was refused.
    pub fn admit(&self) {
        self.own.admit();
        self.others.values().for_each(Governor::admit);
    }

    /// How many requests were sent under all identities.
    pub fn requests(&self) -> u64 {
        let mut queues: Vec<&Governor> = vec![&self.own];
        for queue in self.others.values() {
            if !queues.iter().any(|known| known.is_same(queue)) {
                queues.push(queue);
            }
        }
        queues.into_iter().map(Governor::requests).sum()
    }

    /// The limit of requests in a minute, as far as it is known.
    pub fn limit(&self) -> u32 {
        self.own.limit()
    }

    /// The row of the user whose credential it is.
    async fn own_row(&self, fresh: Duration) -> Result<Row> {
        self.row_of_whom(&self.own, self.options.user, fresh).await
    }

    /// The row of the user whose queue it is; a server that cannot say it is asked for `named`.
    async fn row_of_whom(
        &self,
        queue: &Governor,
        named: Option<PersonId>,
        fresh: Duration,
    ) -> Result<Row> {
        let what = "say who this user is";
        let ask = async |params: Value| -> Result<Option<Reply>> {
            let calls = vec![Call::new("users.getUser", params)];
            let replies = queue.read(Lane::People, calls, fresh).await.map_err(fault::troubled)?;
            Ok(replies.first().cloned())
        };
        let mut reply = ask(json!({})).await?;
        if let Some(Err(Refusal { code: BAD_PARAMS, .. })) = reply {
            let user = named.ok_or_else(|| {
                BoardError::Unsupported(
                    "this Leantime is too old to say whose credential it is: name the user's id \
                     in the configuration"
                        .to_owned(),
                )
            })?;
            reply = ask(json!({ "id": user.0 })).await?;
        }
        match reply {
            Some(Ok(value)) => Row::of(value)
                .filter(|row| row.id("id").is_some())
                .ok_or_else(|| fault::no_sense(what)),
            Some(Err(refusal)) => Err(fault::refused(&refusal, what)),
            None => Err(fault::no_sense(what)),
        }
    }

    /// Whose name stands under what goes out without a credential of its own.
    async fn me(&self) -> Result<PersonId> {
        let found = self
            .me
            .get_or_try_init(|| async { Ok(PersonId(self.own_row(DIRECTORY).await?.int("id"))) });
        found.await.copied()
    }

    /// Whose name stands under a write of this person.
    async fn writer(&self, actor: PersonId) -> Result<PersonId> {
        if self.others.contains_key(&actor) { Ok(actor) } else { self.me().await }
    }

    fn governor_of(&self, actor: PersonId) -> &Governor {
        self.others.get(&actor).unwrap_or(&self.own)
    }

    fn now(&self) -> Timestamp {
        check::whole(self.clock.wall())
    }

    /// Reads; an answer of this age will do.
    async fn ask(&self, lane: Lane, calls: Vec<Call>, fresh: Duration) -> Result<Vec<Reply>> {
        Ok(self.ask_shared(lane, calls, fresh).await?.to_vec())
    }

    /// The same, without a copy of the answer: lists may be large.
    async fn ask_shared(
        &self,
        lane: Lane,
        calls: Vec<Call>,
        fresh: Duration,
    ) -> Result<Arc<Vec<Reply>>> {
        let fresh = self.paced(fresh);
        self.own.read(lane, calls, fresh).await.map_err(fault::troubled)
    }

    /// Reads one thing.
    async fn ask_one(&self, lane: Lane, call: Call, fresh: Duration, what: &str) -> Result<Value> {
        let replies = self.own.read(lane, vec![call], fresh).await.map_err(fault::troubled)?;
        let reply = replies.first().cloned().ok_or_else(|| fault::no_sense(what))?;
        reply.map_err(|refusal| fault::refused(&refusal, what))
    }

    /// What it takes to understand rows.
    async fn context(&self) -> Result<Context> {
        Ok(Context { projects: self.all_projects().await?, ..self.bare_context() })
    }

    fn bare_context(&self) -> Context {
        Context {
            zone: self.options.zone,
            now: self.now(),
            projects: Arc::default(),
            homes: BTreeMap::new(),
        }
    }
}

#[async_trait]
impl Board for LeantimeBoard {
    fn name(&self) -> BoardName {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            fencing: false,
            marks: false,
            actors: false,
            blockers: true,
            steps: false,
            labels: false,
            goal_boards: false,
            project_roles: false,
        }
    }

    /// Kept here, and asked before each write; the server knows nothing of it.
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        check::fence(fence)?;
        self.book.raise_fence(task, fence).await
    }

    fn markers(&self) -> Option<&dyn Markers> {
        Some(self)
    }

    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        self.book.effect_of(mark).await
    }
}

/// Who is served first: runs under a claim.
fn lane_of(stamp: &Stamp) -> Lane {
    if stamp.claim.is_some() { Lane::Claims } else { Lane::People }
}
