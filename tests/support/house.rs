//! A small team's board, a journal that remembers the order of things, and the tools over both.

use super::watched::{Call, Change, Watch, Watched, What};
use async_trait::async_trait;
use rota::board::overlay::Overlay;
use rota::board::{BoardError, People as _, Projects as _, Result, Tasks as _};
use rota::clock::{Clock, ManualClock, SeededEntropy};
use rota::domain::*;
use rota::ledger::{Ledger, LedgerOptions};
use rota::store::memory::MemoryStore;
use rota::tools::{
    Context, Intended, Journal, JournalError, Parts, RunContext, Tally, ToolRegistry, Trust,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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

/// Notes each write, and lets it go wrong on demand.
#[derive(Debug)]
pub struct Unlucky {
    board: Arc<Overlay>,
    log: Log,
    mishaps: Mutex<VecDeque<Mishap>>,
    /// What befalls the write under way.
    now: Mutex<Option<Mishap>>,
    blind: AtomicBool,
}

/// A board on which things go wrong.
pub type UnluckyBoard = Watched<Unlucky>;

impl UnluckyBoard {
    pub fn next(&self, mishap: Mishap) {
        self.watch.mishaps.lock().unwrap().push_back(mishap);
    }
}

fn unavailable(what: &str) -> BoardError {
    BoardError::Unavailable { what: what.to_owned(), source: None }
}

#[async_trait]
impl Watch for Unlucky {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        let (stamp, change) = match &call.what {
            What::Write(stamp, change) => (stamp, change),
            What::Question if call.name == "effect_of" => {
                self.log.lock().unwrap().push("ask".into());
                return Ok(());
            }
            What::Question | What::Fence(..) => return Ok(()),
        };
        self.log.lock().unwrap().push(format!("act {}", call.tool()));
        let mishap = self.mishaps.lock().unwrap().pop_front();
        *self.now.lock().unwrap() = mishap;
        match (mishap, change) {
            (Some(Mishap::NeverArrived), _) => Err(unavailable("never arrived")),
            (Some(Mishap::Fenced), _) => {
                let (task, offered) = stamp.claim.unwrap();
                Err(BoardError::Fenced { task, offered, seen: Fence(99) })
            }
            (Some(Mishap::Denied), _) => Err(BoardError::Denied("no".into())),
            (Some(Mishap::EditedBefore), Change::Edits(id, _)) => {
                let edit = TaskEdit::Description("somebody was quicker".into());
                self.board.edit_task(&Stamp::by(PersonId(1)), *id, &[edit]).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn after(
        &self,
        call: &Call<'_>,
        answer: std::result::Result<bool, &BoardError>,
    ) -> Result<()> {
        if !call.is_write() || answer.is_err() {
            return Ok(());
        }
        match self.now.lock().unwrap().take() {
            Some(Mishap::AnswerLost) => Err(unavailable("the answer was lost")),
            Some(Mishap::NobodyKnows) => {
                self.blind.store(true, SeqCst);
                Err(unavailable("the answer was lost"))
            }
            _ => Ok(()),
        }
    }

    fn fate(&self, found: EffectState) -> EffectState {
        if self.blind.load(SeqCst) { EffectState::Unknown } else { found }
    }
}

/// A journal that keeps everything in order, and fails on demand.
#[derive(Debug, Default)]
pub struct WatchedJournal {
    log: Log,
    pub effects: Mutex<Vec<Effect>>,
    once: Mutex<BTreeMap<String, Mark>>,
    pub failing_intent: Mutex<bool>,
    /// So many marks are another holder's.
    pub taken: Mutex<u32>,
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
        let taken = std::mem::take(&mut *self.taken.lock().unwrap());
        if taken > 0 {
            *self.taken.lock().unwrap() = taken - 1;
            return Ok(Intended::Taken);
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
            EffectResult::Proposed { .. } => "proposed",
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
    pub board: Arc<UnluckyBoard>,
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
    /// A ledger of its own, by the house's clock.
    pub fn ledger(&self) -> Arc<Ledger> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let options = LedgerOptions {
            board: BoardName::new("main"),
            daemon: DaemonId::new("d"),
            life: LifeId::new("l"),
            margin: Duration::from_secs(5),
            epoch: 1,
        };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Arc::new(Ledger::new(store, clock, Arc::new(SeededEntropy::new(1)), options))
    }

    pub async fn build() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-03T11:00:00Z".parse().unwrap()));
        let log = Log::default();
        let inner = Arc::new(Overlay::empty(BoardName::new("main"), clock.clone()));
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
        let watch = Unlucky {
            board: Arc::clone(&inner),
            log: log.clone(),
            mishaps: Mutex::default(),
            now: Mutex::default(),
            blind: AtomicBool::new(false),
        };
        let board = Arc::new(Watched { below: inner, watch });
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
            marker: None,
            once: None,
            applies: None,
            workspace: None,
            tally: Arc::new(Tally::default()),
            span: tracing::Span::none(),
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
            webhook: None,
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
        set: BTreeMap::new(),
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: None,
        workspace: None,
        checks: BTreeMap::new(),
        work: Work::Steps(vec![]),
        family: None,
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        outcomes: BTreeMap::from([
            ("done".to_owned(), Outcome::default()),
            ("blocked".to_owned(), Outcome::default()),
        ]),
        review: Review {
            by: Reviewer::Person,
            rounds: 3,
            waiting_max: None,
            apply_within: Duration::from_hours(24),
            independent: false,
        },
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
            day: DayBudget::default(),
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
