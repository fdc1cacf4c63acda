//! A daemon in process over a small team's board: manual clock, seeded chance, scripted models, a
//! store of its own, and channels that keep what they are told.

use super::gates::{GatedBoard, GatedModel, Gates};
use super::ingredients::{Ingredients, channels};
use super::playbooks::changed;
use async_trait::async_trait;
use rota::board::Board;
use rota::board::overlay::Overlay;
use rota::clock::{Clock, ManualClock, SeededEntropy};
use rota::daemon::{Daemon, Parts, StartError, Wake};
use rota::domain::*;
use rota::ledger::{Ledger, RunFilter};
use rota::model::Model;
use rota::model::scripted::ScriptedModel;
use rota::notify::{Delivered, Notifier, NotifyError, Post};
use rota::store::Store;
use rota::store::memory::MemoryStore;
use rota::tools::desk::{Desk as _, RunReport, RunRequest};
use rota::tools::{Context, Progress, ToolError, ToolRegistry};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The person who owns the board.
pub const ADA: PersonId = PersonId(1);
/// Another person.
pub const BO: PersonId = PersonId(2);
/// The first of the agents that playbooks act as.
pub const WORKER: PersonId = PersonId(3);
/// The reviewing agent.
pub const REVIEWER: PersonId = PersonId(4);
/// The project.
pub const WEBSITE: ProjectId = ProjectId(1);

/// Goes when it is told to, and with the time of the runtime: where that is paused, a backoff that
/// nobody disturbs passes at once, on all clocks alike.
#[derive(Debug)]
pub struct FlowClock {
    manual: ManualClock,
    since: tokio::time::Instant,
}

impl FlowClock {
    /// Stands at this instant, until the runtime's time passes.
    pub fn at(wall: Timestamp) -> Self {
        Self { manual: ManualClock::at(wall), since: tokio::time::Instant::now() }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.manual.advance(by);
    }

    /// Somebody sets the wall clock, forward or back; the boot-time clock does not care.
    pub fn set(&self, by: chrono::TimeDelta) {
        self.manual.step_wall(self.manual.wall() + by);
    }

    /// Time passes until this instant of the wall clock.
    pub fn advance_to(&self, text: &str) {
        let by = instant(text) - self.wall();
        self.advance(by.to_std().expect("it has passed already"));
    }
}

impl Clock for FlowClock {
    fn wall(&self) -> Timestamp {
        self.manual.wall() + to_delta(self.since.elapsed())
    }
    fn boot(&self) -> Duration {
        self.manual.boot() + self.since.elapsed()
    }
    fn boot_id(&self) -> String {
        self.manual.boot_id()
    }
}

/// The clocks of the daemon's machine: those of everybody, but its wall clock may be set wrong.
#[derive(Debug)]
pub struct MachineClock {
    clock: Arc<FlowClock>,
    wrong_by: Mutex<chrono::TimeDelta>,
}

impl MachineClock {
    /// From now on its wall clock is wrong by so much.
    pub fn set_wrong_by(&self, by: chrono::TimeDelta) {
        *self.wrong_by.lock().unwrap() = by;
    }
}

impl Clock for MachineClock {
    fn wall(&self) -> Timestamp {
        self.clock.wall() + *self.wrong_by.lock().unwrap()
    }
    fn boot(&self) -> Duration {
        self.clock.boot()
    }
    fn boot_id(&self) -> String {
        self.clock.boot_id()
    }
}

/// What is told, in order: key and body.
#[derive(Debug, Default)]
pub struct Told(pub Mutex<Vec<(String, Body)>>);

impl Told {
    /// The texts, in order.
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, body)| body.text.clone()).collect()
    }
}

#[async_trait]
impl Notifier for Told {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        self.0.lock().unwrap().push((post.key.to_owned(), post.body.clone()));
        Ok(Delivered { is_last: true, ..Delivered::default() })
    }
}

/// Everything that outlives a daemon.
pub struct Team {
    /// The board's clock, and the store's.
    pub clock: Arc<FlowClock>,
    /// The daemons'.
    pub machine: Arc<MachineClock>,
    pub board: Arc<GatedBoard>,
    pub gates: Arc<Gates>,
    pub store: Arc<dyn Store>,
    pub folder: tempfile::TempDir,
    pub models: BTreeMap<String, Arc<dyn Model>>,
    pub prompts: Arc<Mutex<Vec<String>>>,
    pub told: Arc<Told>,
    /// Channels that are others than `told`.
    pub channels: BTreeMap<Channel, Arc<dyn Notifier>>,
    pub slots: u32,
    /// Of daemons, by their names.
    pub labels: BTreeMap<String, Vec<String>>,
    pub arms_itself: bool,
    pub log_time: Option<TimeKind>,
    pub budget: DayBudget,
    pub families: BTreeMap<String, String>,
    pub workspaces: Option<Arc<rota::runner::Workspaces>>,
    pub guards: Guards,
    pub review: ReviewRules,
    pub recipients: Vec<Recipient>,
    pub reviews: Option<Channel>,
    lives: AtomicU64,
}

/// One life of a daemon.
pub struct Life {
    pub daemon: Arc<Daemon>,
    pub ledger: Arc<Ledger>,
    pub tools: Arc<ToolRegistry>,
}

impl Team {
    /// Ada, Bo, the agents and a project, at this instant.
    pub async fn at(now: &str) -> Self {
        let clock = Arc::new(FlowClock::at(instant(now)));
        let gates = Arc::new(Gates::default());
        let overlay = Overlay::empty(BoardName::new("main"), Arc::clone(&clock) as _);
        let board = Arc::new(GatedBoard::new(Arc::new(overlay), &gates));
        people(board.as_ref()).await;
        project(board.as_ref()).await;
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let folder = tempfile::tempdir().unwrap();
        for name in ["agents", "templates", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let machine = MachineClock { clock: Arc::clone(&clock), wrong_by: Mutex::default() };
        Self {
            clock,
            machine: Arc::new(machine),
            board,
            gates,
            store,
            folder,
            models: BTreeMap::new(),
            prompts: Arc::default(),
            told: Arc::default(),
            channels: BTreeMap::new(),
            slots: 4,
            labels: BTreeMap::new(),
            arms_itself: true,
            log_time: None,
            budget: DayBudget::default(),
            families: BTreeMap::new(),
            workspaces: None,
            guards: Guards::default(),
            review: ReviewRules::default(),
            recipients: Vec::new(),
            reviews: None,
            lives: AtomicU64::new(0),
        }
    }

    /// A Tuesday morning.
    pub async fn new() -> Self {
        Self::at("2026-11-03T09:00:00Z").await
    }

    /// Writes a playbook's file.
    pub fn playbook(&self, name: &str, text: &str) {
        let path = self.folder.path().join("agents").join(format!("{name}.toml"));
        std::fs::write(path, text).unwrap();
    }

    /// Writes a playbook that ships with the program, with replacements.
    pub fn shipped(&self, name: &str, replace: &[(&str, &str)]) {
        let path = format!("{}/agents/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        self.playbook(name, &changed(&text, replace));
    }

    /// A model whose first conversation follows the first script, and so on.
    pub fn model(&mut self, name: &str, scripts: &[&str]) {
        let scripted =
            |text: &&str| Box::new(ScriptedModel::from_toml(name, text).unwrap()) as Box<dyn Model>;
        let model = GatedModel {
            name: name.to_owned(),
            scripts: scripts.iter().map(scripted).collect(),
            gates: Arc::clone(&self.gates),
            prompts: Arc::clone(&self.prompts),
        };
        self.models.insert(name.to_owned(), Arc::new(model));
    }

    /// The prompts that models were given, in order.
    pub fn prompts(&self) -> Vec<String> {
        self.prompts.lock().unwrap().clone()
    }

    /// A task of Ada's that ai-worker may take.
    pub async fn task(&self, headline: &str) -> TaskId {
        let new = NewTask::new(WEBSITE, headline)
            .with(TaskEdit::AddTag("AI-Suitable".into()))
            .with(TaskEdit::AcceptanceCriteria("It works.".into()));
        self.board.below.add_task(&Stamp::by(ADA), new).await.unwrap().after.id
    }

    /// A person edits a task.
    pub async fn edit(&self, who: PersonId, task: TaskId, edit: TaskEdit) {
        self.board.below.edit_task(&Stamp::by(who), task, &[edit]).await.unwrap();
    }

    /// A person comments on a task.
    pub async fn say(&self, who: PersonId, task: TaskId, text: &str) {
        let on = CommentTarget::Task(task);
        let new = NewComment { on, text: text.to_owned(), parent: None, rating: None };
        self.board.below.add_comment(&Stamp::by(who), new).await.unwrap();
    }

    /// Somebody of the board.
    pub async fn person(&self, id: PersonId) -> Person {
        let people = self.board.below.people().await.unwrap();
        people.into_iter().find(|person| person.id == id).unwrap()
    }

    /// A task as it is now.
    pub async fn look(&self, task: TaskId) -> Task {
        self.board.below.task(task).await.unwrap()
    }

    /// The label of a task's status.
    pub async fn status(&self, task: TaskId) -> String {
        let status = self.look(task).await.status;
        let project = self.board.below.project(WEBSITE).await.unwrap();
        project.status(status).unwrap().label.clone()
    }

    /// The status of this label.
    pub async fn labelled(&self, label: &str) -> StatusId {
        let project = self.board.below.project(WEBSITE).await.unwrap();
        project.status_named(label).unwrap_or_else(|| panic!("no status {label:?}")).id
    }

    /// Who commented what on a task, in order.
    pub async fn comments(&self, task: TaskId) -> Vec<(PersonId, String)> {
        let on = Some(CommentTarget::Task(task));
        let query = CommentQuery { on, limit: 1_000, ..CommentQuery::default() };
        let page = self.board.below.comments(&query).await.unwrap();
        page.items.into_iter().map(|comment| (comment.author, comment.text)).collect()
    }

    /// What happened to a task, in order.
    pub async fn activity(&self, task: TaskId) -> Vec<Activity> {
        let query = ActivityQuery { task: Some(task), limit: 1_000, ..ActivityQuery::default() };
        self.board.below.activity(&query).await.unwrap().items
    }

    /// Starts the daemon `one`.
    pub async fn start(&self) -> Life {
        self.start_as("one").await
    }

    /// Starts a daemon over the same board and store.
    pub async fn start_as(&self, daemon: &str) -> Life {
        self.start_with(daemon, Wake::ByTicks).await
    }

    /// Starts a daemon that nobody drives: its alarm and its timer do, with the runtime's time.
    pub async fn start_by_itself(&self) -> Life {
        self.start_with("one", Wake::ByItself).await
    }

    async fn start_with(&self, daemon: &str, wake: Wake) -> Life {
        self.try_start(daemon, wake).await.unwrap()
    }

    /// The same, unless that cannot be.
    pub async fn try_start(&self, daemon: &str, wake: Wake) -> Result<Life, StartError> {
        let life = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        let parts = self.parts(daemon, life);
        let ledger = Arc::clone(&parts.ledger);
        let tools = Arc::clone(&parts.tools);
        let daemon = Daemon::start(parts, wake).await?;
        tools.set_desk(Arc::clone(&daemon) as _);
        Ok(Life { daemon, ledger, tools })
    }

    fn notifiers(&self) -> BTreeMap<Channel, Arc<dyn Notifier>> {
        let told = channels().into_iter().map(|channel| (channel, Arc::clone(&self.told) as _));
        told.chain(self.channels.clone()).collect()
    }

    fn parts(&self, daemon: &str, life: u64) -> Parts {
        let seed = life * 7_919 + daemon.bytes().map(u64::from).sum::<u64>();
        Ingredients {
            daemon: daemon.to_owned(),
            life: format!("life-{life}"),
            clock: Arc::clone(&self.machine) as _,
            entropy: Arc::new(SeededEntropy::new(seed)),
            board: Arc::clone(&self.board) as _,
            store: Arc::clone(&self.store),
            folder: self.folder.path().to_owned(),
            templates: None,
            models: self.models.clone(),
            notifiers: self.notifiers(),
            slots: self.slots,
            labels: self.labels.get(daemon).cloned().unwrap_or_default(),
            arms_itself: self.arms_itself,
            log_time: self.log_time,
            budget: self.budget,
            families: self.families.clone(),
            workspaces: self.workspaces.clone(),
            guards: self.guards,
            review: self.review.clone(),
            recipients: self.recipients.clone(),
            reviews: self.reviews.clone(),
        }
        .parts()
    }
}

impl Life {
    /// One tick, then until nothing runs.
    pub async fn work(&self) {
        self.daemon.tick().await;
        self.daemon.idle().await;
        self.daemon.deliver().await;
    }

    /// Runs a playbook by hand, as Ada.
    pub async fn run(&self, playbook: &str) -> RunReport {
        self.daemon.run_playbook(request(playbook)).await.unwrap()
    }

    /// An assistant of somebody of the board calls a tool.
    pub async fn call(
        &self,
        who: &Person,
        tool: &str,
        args: serde_json::Value,
    ) -> Result<Value, ToolError> {
        self.call_within(who, &[], tool, args).await
    }

    /// The same with a token for these projects only.
    pub async fn call_within(
        &self,
        who: &Person,
        projects: &[ProjectId],
        tool: &str,
        args: serde_json::Value,
    ) -> Result<Value, ToolError> {
        let context = as_themselves(who).limited_to(projects.to_vec());
        let args = serde_json::from_value(args).unwrap();
        self.tools.call(tool, args, &context).await.map(|result| result.value)
    }

    /// Somebody calls a tool at their own terminal.
    pub async fn call_by_hand(
        &self,
        who: &Person,
        tool: &str,
        args: serde_json::Value,
    ) -> Result<Value, ToolError> {
        let context = as_themselves(who).by_hand();
        let args = serde_json::from_value(args).unwrap();
        self.tools.call(tool, args, &context).await.map(|result| result.value)
    }

    /// The runs at a task, the latest first.
    pub async fn runs(&self, task: TaskId) -> Vec<Run> {
        let filter = RunFilter { task: Some(task), ..RunFilter::default() };
        let mut runs = self.ledger.runs(&filter, 100).await.unwrap();
        // Where the clock stands still, the fence tells which came later.
        runs.sort_by_key(|run| std::cmp::Reverse((run.started, run.fence, run.attempt)));
        runs
    }

    /// The one run at a task.
    pub async fn the_run(&self, task: TaskId) -> Run {
        let runs = self.runs(task).await;
        assert_eq!(runs.len(), 1, "{runs:#?}");
        runs.into_iter().next().unwrap()
    }

    /// The claim's record.
    pub async fn claim(&self, task: TaskId) -> Claim {
        self.ledger.claim(task).await.unwrap().expect("it was never claimed")
    }

    /// The occurrences of a playbook, the earliest first.
    pub async fn occurrences(&self, playbook: &str) -> Vec<Occurrence> {
        let name = PlaybookName::new(playbook);
        let mut found = self.ledger.occurrences(&name, 1_000).await.unwrap();
        found.sort_by_key(|occurrence| occurrence.planned);
        found
    }

    /// Ends it in good order.
    pub async fn stop(self) {
        self.daemon.drain().await;
    }
}

fn as_themselves(who: &Person) -> Context {
    let principal = Principal { person: who.clone(), by: Initiative::Person };
    Context::person(principal, chrono_tz::Europe::Berlin)
}

/// By hand, as Ada.
pub fn request(playbook: &str) -> RunRequest {
    RunRequest {
        playbook: PlaybookName::new(playbook),
        task: None,
        at: None,
        set: BTreeMap::new(),
        by: "Ada".to_owned(),
        told: Progress::default(),
    }
}

/// An instant.
pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub async fn people(board: &dyn Board) {
    use PersonKind::{Agent, Person};
    for (name, kind, role) in [
        ("Ada", Person, Role::Owner),
        ("Bo", Person, Role::Editor),
        ("AI-Worker", Agent, Role::Editor),
        ("AI-Reviewer", Agent, Role::Editor),
        ("AI-Docs", Agent, Role::Editor),
        ("AI-Assistant", Agent, Role::Editor),
    ] {
        let new = NewPerson { name: name.into(), email: None, kind, role };
        board.add_person(&Stamp::by(PersonId(0)), new).await.unwrap();
    }
    let people = board.people().await.unwrap();
    let id = |name: &str| people.iter().find(|person| person.name == name).unwrap().id;
    let known = [id("Ada"), id("Bo"), id("AI-Worker"), id("AI-Reviewer")];
    assert_eq!(known, [ADA, BO, WORKER, REVIEWER]);
}

pub async fn project(board: &dyn Board) {
    let mut statuses = default_statuses();
    for (label, kind) in [
        ("Ready for Review", StatusKind::Waiting),
        ("Changes Requested", StatusKind::Waiting),
        ("Approved", StatusKind::Waiting),
    ] {
        let id = StatusId(10 + i64::try_from(statuses.len()).unwrap());
        let order = i32::try_from(statuses.len()).unwrap();
        statuses.push(Status { id, label: label.into(), kind, order });
    }
    let new = NewProject { name: "Website".into(), details: String::new(), statuses };
    board.add_project(&Stamp::by(ADA), new).await.unwrap();
}
