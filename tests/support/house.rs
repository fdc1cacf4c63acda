//! A small team's board, a journal that remembers the order of things, and the tools over both.

use async_trait::async_trait;
use rota::board::overlay::Overlay;
use rota::board::{
    Board, BoardError, Capabilities, Comments, History, Milestones, People, Projects, Result, Tasks,
};
use rota::clock::{Clock, ManualClock};
use rota::domain::*;
use rota::tools::{
    Context, Intended, Journal, JournalError, Parts, RunContext, Tally, ToolRegistry, Trust,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happened, in order: `intend addTask`, `act`, `conclude done`, …
pub type Log = Arc<Mutex<Vec<String>>>;

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It was done, and the answer was lost.
    AnswerLost,
    /// It never arrived.
    NeverArrived,
    /// It was done or not, and nobody can tell.
    NobodyKnows,
    /// Somebody edited the task a moment before.
    EditedBefore,
    /// A later claim exists.
    Fenced,
    /// It was refused.
    Denied,
}

/// A board that notes each write and goes wrong on demand.
#[derive(Debug)]
pub struct WatchedBoard {
    inner: Overlay,
    log: Log,
    mishaps: Mutex<VecDeque<Mishap>>,
    pub blind: Mutex<bool>,
}

impl WatchedBoard {
    pub fn next(&self, mishap: Mishap) {
        self.mishaps.lock().unwrap().push_back(mishap);
    }

    fn mishap(&self, what: &str) -> Option<Mishap> {
        self.log.lock().unwrap().push(format!("act {what}"));
        self.mishaps.lock().unwrap().pop_front()
    }

    fn lost<T>(&self, done: Result<T>, mishap: Option<Mishap>) -> Result<T> {
        let lost = || BoardError::Unavailable { what: "the answer was lost".into(), source: None };
        match mishap {
            Some(Mishap::AnswerLost) => done.and_then(|_| Err(lost())),
            Some(Mishap::NobodyKnows) => {
                *self.blind.lock().unwrap() = true;
                done.and_then(|_| Err(lost()))
            }
            _ => done,
        }
    }
}

/// The errors that come before anything is done.
fn before(mishap: Option<Mishap>, stamp: &Stamp) -> Result<()> {
    match mishap {
        Some(Mishap::NeverArrived) => {
            Err(BoardError::Unavailable { what: "never arrived".into(), source: None })
        }
        Some(Mishap::Fenced) => {
            let (task, offered) = stamp.claim.unwrap();
            Err(BoardError::Fenced { task, offered, seen: Fence(99) })
        }
        Some(Mishap::Denied) => Err(BoardError::Denied("no".into())),
        _ => Ok(()),
    }
}

#[async_trait]
impl Board for WatchedBoard {
    fn name(&self) -> BoardName {
        self.inner.name()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        self.inner.raise_fence(task, fence).await
    }
    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        self.log.lock().unwrap().push("ask".into());
        if *self.blind.lock().unwrap() {
            return Ok(EffectState::Unknown);
        }
        self.inner.effect_of(mark).await
    }
}

#[async_trait]
impl People for WatchedBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        self.inner.people().await
    }
    async fn person(&self, id: PersonId) -> Result<Person> {
        self.inner.person(id).await
    }
    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        self.mishap("addPerson");
        self.inner.add_person(stamp, new).await
    }
}

#[async_trait]
impl Projects for WatchedBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        self.inner.projects().await
    }
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.inner.project(id).await
    }
    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        self.mishap("addProject");
        self.inner.add_project(stamp, new).await
    }
    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        self.mishap("editProject");
        self.inner.edit_project(stamp, id, edits).await
    }
}

#[async_trait]
impl Tasks for WatchedBoard {
    async fn task(&self, id: TaskId) -> Result<Task> {
        self.inner.task(id).await
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        self.inner.tasks(query).await
    }
    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        let mishap = self.mishap("addTask");
        before(mishap, stamp)?;
        self.lost(self.inner.add_task(stamp, new).await, mishap)
    }
    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        let mishap = self.mishap("editTask");
        before(mishap, stamp)?;
        if mishap == Some(Mishap::EditedBefore) {
            let edit = TaskEdit::Description("somebody was quicker".into());
            self.inner.edit_task(&Stamp::by(PersonId(1)), id, &[edit]).await?;
        }
        self.lost(self.inner.edit_task(stamp, id, edits).await, mishap)
    }
    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        let mishap = self.mishap("deleteTask");
        before(mishap, stamp)?;
        self.lost(self.inner.delete_task(stamp, id).await, mishap)
    }
}

#[async_trait]
impl Milestones for WatchedBoard {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        self.inner.milestone(id).await
    }
    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        self.inner.milestones(query).await
    }
    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        self.mishap("addMilestone");
        self.inner.add_milestone(stamp, new).await
    }
    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        self.mishap("editMilestone");
        self.inner.edit_milestone(stamp, id, edits).await
    }
}

#[async_trait]
impl Comments for WatchedBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        self.inner.comments(query).await
    }
    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        let mishap = self.mishap("addComment");
        before(mishap, stamp)?;
        self.lost(self.inner.add_comment(stamp, new).await, mishap)
    }
    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        self.mishap("deleteComment");
        self.inner.delete_comment(stamp, id).await
    }
}

#[async_trait]
impl History for WatchedBoard {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        self.inner.activity(query).await
    }
    async fn latest_activity(&self) -> Result<ActivityId> {
        self.inner.latest_activity().await
    }
}

/// A journal that keeps everything in order, and fails on demand.
#[derive(Debug, Default)]
pub struct WatchedJournal {
    log: Log,
    pub effects: Mutex<Vec<Effect>>,
    once: Mutex<BTreeMap<String, Mark>>,
    pub failing_intent: Mutex<bool>,
    pub failing_result: Mutex<bool>,
    pub claim_lost: Mutex<bool>,
}

fn broken() -> JournalError {
    JournalError::Failed("the disk is full".into())
}

#[async_trait]
impl Journal for WatchedJournal {
    async fn intend(
        &self,
        effect: &Effect,
        once: Option<(&PlaybookName, &str)>,
    ) -> std::result::Result<Intended, JournalError> {
        self.log.lock().unwrap().push(format!("intend {}", effect.tool));
        if *self.failing_intent.lock().unwrap() {
            return Err(broken());
        }
        if let Some((_, key)) = once {
            if let Some(mark) = self.once.lock().unwrap().get(key) {
                return Ok(Intended::DoneBefore(mark.clone()));
            }
            self.once.lock().unwrap().insert(key.to_owned(), effect.mark.clone());
        }
        let mut effects = self.effects.lock().unwrap();
        assert!(effects.iter().all(|known| known.mark != effect.mark), "a mark came twice");
        effects.push(effect.clone());
        Ok(Intended::Journaled)
    }

    async fn conclude(
        &self,
        mark: &Mark,
        result: EffectResult,
    ) -> std::result::Result<(), JournalError> {
        let what = match &result {
            EffectResult::Done { .. } => "done",
            EffectResult::Failed { .. } => "failed",
            EffectResult::Unknown => "unknown",
            EffectResult::Recorded => "recorded",
        };
        self.log.lock().unwrap().push(format!("conclude {what}"));
        if *self.failing_result.lock().unwrap() {
            return Err(broken());
        }
        let mut effects = self.effects.lock().unwrap();
        effects.iter_mut().find(|effect| effect.mark == *mark).unwrap().result = Some(result);
        Ok(())
    }

    async fn check_fence(
        &self,
        task: TaskId,
        _fence: Fence,
        _run: &RunId,
    ) -> std::result::Result<(), JournalError> {
        self.log.lock().unwrap().push("fence".into());
        if *self.claim_lost.lock().unwrap() {
            return Err(JournalError::ClaimLost { task, reason: Reason::ClaimLost });
        }
        Ok(())
    }
}

/// A team of three, two projects and a few tasks.
pub struct House {
    pub board: Arc<WatchedBoard>,
    pub journal: Arc<WatchedJournal>,
    pub clock: Arc<ManualClock>,
    pub tools: Arc<ToolRegistry>,
    pub log: Log,
    /// In the first project, the agent's.
    pub task: TaskId,
    /// A subtask of it.
    pub subtask: TaskId,
    /// In the same project.
    pub neighbour: TaskId,
    /// In the other project.
    pub stranger: TaskId,
}

pub const WEBSITE: ProjectId = ProjectId(1);
pub const SHOP: ProjectId = ProjectId(2);

impl House {
    pub async fn build() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-03T11:00:00Z".parse().unwrap()));
        let log = Log::default();
        let inner = Overlay::empty(BoardName::new("main"), clock.clone());
        let by = Stamp::by(PersonId(1));
        for (name, kind, role) in [
            ("Ada", PersonKind::Person, Role::Owner),
            ("AI-Developer", PersonKind::Agent, Role::Editor),
            ("Bo", PersonKind::Person, Role::Commenter),
        ] {
            let new = NewPerson { name: name.into(), email: None, kind, role };
            inner.add_person(&by, new).await.unwrap();
        }
        for name in ["Website", "Shop"] {
            let new = NewProject { name: name.into(), details: String::new(), statuses: vec![] };
            inner.add_project(&by, new).await.unwrap();
        }
        let add = async |new: NewTask| inner.add_task(&by, new).await.unwrap().after.id;
        let task = add(NewTask::new(WEBSITE, "Fix the login")
            .with(TaskEdit::AddTag("AI-Suitable".into()))
            .with(TaskEdit::Due(Some("2026-11-03T22:59:59Z".parse().unwrap()))))
        .await;
        let mut part = NewTask::new(WEBSITE, "Write the test");
        (part.kind, part.parent) = (TaskKind::Subtask, Some(task));
        let subtask = add(part).await;
        let neighbour = add(NewTask::new(WEBSITE, "Polish the footer")).await;
        let stranger = add(NewTask::new(SHOP, "Count the stock")).await;
        let board = Arc::new(WatchedBoard {
            inner,
            log: log.clone(),
            mishaps: Mutex::default(),
            blind: Mutex::default(),
        });
        let journal = Arc::new(WatchedJournal { log: log.clone(), ..WatchedJournal::default() });
        let parts = Parts::new(board.clone(), journal.clone(), clock.clone() as Arc<dyn Clock>);
        let tools = Arc::new(ToolRegistry::new(parts));
        Self { board, journal, clock, tools, log, task, subtask, neighbour, stranger }
    }

    /// A person of the team, by name.
    pub async fn person(&self, name: &str) -> Context {
        let people = self.board.people().await.unwrap();
        let person = people.into_iter().find(|person| person.name == name).unwrap();
        let principal = Principal { person, by: Initiative::Person };
        Context::person(principal, chrono_tz::Europe::Berlin)
    }

    /// The agent in a run that has claimed [`House::task`].
    pub async fn agent(&self, playbook: Playbook) -> Context {
        let mut context = self.person("AI-Developer").await;
        let run = RunId::new("r-aaaaaaaaaaaa");
        context.principal.by = Initiative::Agent(run.clone());
        context.run = Some(RunContext {
            run,
            playbook: Arc::new(playbook),
            task: Some(self.task),
            claim: Some((self.task, Fence(5))),
            projects: vec![],
            trust: Trust::without_lease(),
            actor: EffectActor::Agent,
            mode: Mode::Live,
            revision: None,
            once: None,
            tally: Arc::new(Tally::default()),
        });
        context
    }

    /// What happened since the last time it was asked.
    pub fn happened(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    pub async fn the_task(&self) -> Task {
        self.board.task(self.task).await.unwrap()
    }
}

/// A playbook that lists these tools and has the scope *claimed*.
pub fn playbook(tools: &[&str]) -> Playbook {
    Playbook {
        name: PlaybookName::new("ai-worker"),
        description: String::new(),
        agent: "AI-Developer".into(),
        runs_on: vec![],
        mode: Mode::Live,
        on: On {
            cron: None,
            every: None,
            events: vec![],
            zone: chrono_tz::Europe::Berlin,
            gap: Gap::Next,
            fold: Fold::First,
            catch_up: CatchUp::Latest,
            catch_up_max: 10,
            late: None,
            overlap: Overlap::Skip,
            jitter: Duration::ZERO,
            hours: None,
        },
        select: None,
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: None,
        work: Work::Steps(vec![]),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        outcomes: BTreeMap::from([
            ("done".to_owned(), Outcome::default()),
            ("blocked".to_owned(), Outcome::default()),
        ]),
        review: Review { by: Reviewer::Person, rounds: 3, waiting_max: None },
        scope: Scope::default(),
        limits: Limits {
            turns: 10,
            tokens: 100_000,
            cost_micros: None,
            time: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            attempts: 3,
            backoff_min: Duration::from_secs(10),
            backoff_max: Duration::from_mins(1),
            concurrent: 1,
            runs_per_day: None,
        },
        report: None,
        on_failure: OnFailure::default(),
        hash: String::new(),
        source: String::new(),
        path: String::new(),
    }
}

/// A value from JSON.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
