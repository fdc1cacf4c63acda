//! Daemons in process over a real PostgreSQL, in real time: its server, the way there, their clocks and
//! what others do there go wrong while they work.

mod clocks;
mod narrow;
mod statements;
mod ways;

use crate::support::daemon::{ADA, Told, WEBSITE, people, project};
use crate::support::gates::{GatedBoard, GatedModel, Gates};
use crate::support::ingredients::{Ingredients, Pace, channels};
use crate::support::playbooks::{WORKER, changed};
use crate::support::postgres::Team as Database;
use chrono::TimeDelta;
use rota::board::sql::SqlBoard;
use rota::board::{Board as _, Comments as _, History as _, Projects as _, Tasks as _};
use rota::clock::{Clock, ServerClock, SystemClock, SystemEntropy};
use rota::daemon::{Daemon, Wake};
use rota::domain::*;
use rota::ledger::{Ledger, LedgerOptions, RunFilter};
use rota::model::Model;
use rota::model::scripted::ScriptedModel;
use rota::postgres::{Address, Cluster, PostgresOptions, Schema};
use rota::store::Store as _;
use rota::store::postgres::PostgresStore;
use rota::tools::ToolRegistry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_mins(3);

/// What a machine that has others beside it keeps without trouble.
const PACE: Pace = Pace {
    tick: Duration::from_secs(1),
    lease: Duration::from_secs(10),
    renew: Duration::from_secs(2),
    margin: Duration::from_secs(2),
};

/// Takes one task a second, as long as there are some.
pub fn each_second() -> String {
    let on = "[on]\ncron = \"* * * * * *\"\noverlap = \"allow\"\n\n[select]";
    changed(
        WORKER,
        &[
            ("[select]", on),
            ("limit = 50", "limit = 1"),
            ("backoff = \"10s..1m\"", "backoff = \"1s..2s\""),
        ],
    )
}

/// Looks again and again until there is something to see.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(LONG, looking).await;
    found.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Waits for something that has to come.
pub async fn comes<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(LONG, coming).await;
    came.unwrap_or_else(|_| panic!("never: {what}"))
}

/// A machine whose wall clock is wrong.
#[derive(Debug)]
struct Skewed {
    machine: SystemClock,
    by: TimeDelta,
}

impl Clock for Skewed {
    fn wall(&self) -> Timestamp {
        self.machine.wall() + self.by
    }
    fn boot(&self) -> Duration {
        self.machine.boot()
    }
    fn boot_id(&self) -> String {
        self.machine.boot_id()
    }
}

/// A daemon as it is to be.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub name: &'a str,
    /// Where the database is for it, on loopback; nowhere: where it is for everybody.
    pub ports: &'a [u16],
    /// Of the board, and as many of the store.
    pub connections: u32,
    pub slots: u32,
    /// How long its claims stand without a renewal.
    pub lease: Duration,
    /// Its machine's wall clock.
    pub wrong_by: TimeDelta,
}

impl<'a> Wanted<'a> {
    pub fn named(name: &'a str) -> Self {
        let (lease, wrong_by) = (PACE.lease, TimeDelta::zero());
        Self { name, ports: &[], connections: 4, slots: 4, lease, wrong_by }
    }
}

/// A daemon at work, which nobody drives.
pub struct Machine {
    pub daemon: Arc<Daemon>,
    pub ledger: Arc<Ledger>,
    pub store: Arc<PostgresStore>,
    _tools: Arc<ToolRegistry>,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// Ends it in good order.
    pub async fn stop(self) {
        comes("the end of a daemon", self.daemon.drain()).await;
    }
}

/// Whoever looks on, by a way of their own.
pub struct Eye {
    pub board: Arc<SqlBoard>,
    pub store: Arc<PostgresStore>,
    pub ledger: Ledger,
}

/// What daemons share.
pub struct Scene {
    pub gates: Arc<Gates>,
    pub eye: Eye,
    model: Arc<dyn Model>,
    playbook: (&'static str, String),
    lives: AtomicU64,
    /// Last: what is open there is closed before.
    pub database: Database,
}

impl Scene {
    /// A small team's board in this database, seen over these ports, and what its daemons do with it.
    pub async fn new(
        database: Database,
        ports: &[u16],
        playbook: (&'static str, String),
        scripts: &[&str],
    ) -> Self {
        let gates = Arc::new(Gates::default());
        let eye = Eye::open(&database, ports).await;
        people(eye.board.as_ref()).await;
        project(eye.board.as_ref()).await;
        let scripted = |text: &&str| {
            Box::new(ScriptedModel::from_toml("worker", text).unwrap()) as Box<dyn Model>
        };
        let model = Arc::new(GatedModel {
            name: "worker".to_owned(),
            scripts: scripts.iter().map(scripted).collect(),
            gates: Arc::clone(&gates),
            prompts: Arc::default(),
        });
        Self { gates, eye, model, playbook, lives: AtomicU64::new(0), database }
    }

    /// A task of Ada's that ai-worker may take.
    pub async fn task(&self, headline: &str) -> TaskId {
        let new = NewTask::new(WEBSITE, headline)
            .with(TaskEdit::AddTag("AI-Suitable".into()))
            .with(TaskEdit::AcceptanceCriteria("It works.".into()));
        self.eye.board.add_task(&Stamp::by(ADA), new).await.unwrap().after.id
    }

    /// Starts a daemon; it goes on by itself.
    pub async fn start(&self, wanted: Wanted<'_>) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        for name in ["agents", "templates", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (name, text) = &self.playbook;
        std::fs::write(folder.path().join(format!("agents/{name}.toml")), text).unwrap();
        let machine = Skewed { machine: SystemClock::new(), by: wanted.wrong_by };
        let clock = Arc::new(ServerClock::over(Arc::new(machine)));
        let cluster = || cluster(&self.database, wanted.ports, wanted.connections);
        let store = PostgresStore::open(cluster()).await.unwrap().telling(Arc::clone(&clock));
        let store = Arc::new(store);
        store.now().await.unwrap();
        let board = SqlBoard::shared(cluster(), BoardName::new("main"), Arc::clone(&clock) as _);
        let board = GatedBoard::new(Arc::new(board.await.unwrap()), &self.gates);
        let told = Arc::new(Told::default());
        let life = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        let parts = Ingredients {
            daemon: wanted.name.to_owned(),
            life: format!("life-{life}"),
            clock,
            entropy: Arc::new(SystemEntropy),
            board: Arc::new(board),
            store: Arc::clone(&store) as _,
            folder: folder.path().to_owned(),
            templates: None,
            models: BTreeMap::from([("worker".to_owned(), Arc::clone(&self.model))]),
            notifiers: channels().into_iter().map(|to| (to, Arc::clone(&told) as _)).collect(),
            slots: wanted.slots,
            labels: Vec::new(),
            arms_itself: true,
            log_time: None,
            budget: DayBudget::default(),
            families: BTreeMap::new(),
            workspaces: None,
            guards: Guards::default(),
            review: ReviewRules::default(),
            recipients: Vec::new(),
            reviews: None,
        }
        .parts_at(Pace { lease: wanted.lease, ..PACE });
        let (ledger, tools) = (Arc::clone(&parts.ledger), Arc::clone(&parts.tools));
        let daemon = Daemon::start(parts, Wake::ByItself).await.unwrap();
        tools.set_desk(Arc::clone(&daemon) as _);
        Machine { daemon, ledger, store, _tools: tools, _folder: folder }
    }

    /// What time it is for all of them.
    pub async fn now(&self) -> Timestamp {
        let ms = self.eye.store.now().await.unwrap().ms;
        from_millis(i64::try_from(ms).unwrap())
    }

    /// The label of a task's status.
    pub async fn status(&self, task: TaskId) -> Option<String> {
        let status = self.eye.board.task(task).await.ok()?.status;
        let project = self.eye.board.project(WEBSITE).await.ok()?;
        project.status(status).map(|status| status.label.clone())
    }

    /// The runs that took a task, by their fences.
    pub async fn runs(&self, task: TaskId) -> Vec<Run> {
        let filter = RunFilter { task: Some(task), ..RunFilter::default() };
        let mut runs = self.eye.ledger.runs(&filter, 100).await.unwrap();
        runs.retain(|run| run.state != RunState::Refused);
        runs.sort_by_key(|run| (run.fence, run.attempt));
        runs
    }

    /// How often this was said on a task.
    pub async fn said(&self, task: TaskId, what: &str) -> usize {
        let on = Some(CommentTarget::Task(task));
        let query = CommentQuery { on, limit: 1_000, ..CommentQuery::default() };
        let said = self.eye.board.comments(&query).await.unwrap().items;
        said.iter().filter(|comment| comment.text.contains(what)).count()
    }

    /// Returns when a task was handed over and nobody holds it any more; by which run.
    pub async fn handed_over(&self, task: TaskId) -> Run {
        let what = format!("{task} is handed over");
        until(&what, async || {
            let is_handed_over = self.status(task).await? == "Ready for Review";
            let claims = self.eye.ledger.claims().await.ok()?;
            let is_free = claims.iter().all(|claim| claim.task != task);
            if !is_handed_over || !is_free {
                return None;
            }
            let runs = self.runs(task).await;
            runs.into_iter().find(|run| run.state == RunState::Succeeded)
        })
        .await
    }

    /// Of these tasks each was worked at by one after the other, done once, and nothing of what the journal
    /// says of it is otherwise on the board.
    pub async fn is_sound(&self, tasks: &[TaskId]) {
        for task in tasks {
            let runs = self.runs(*task).await;
            let done = runs.iter().filter(|run| run.state == RunState::Succeeded).count();
            assert_eq!(done, 1, "{runs:#?}");
            let query =
                ActivityQuery { task: Some(*task), limit: 1_000, ..ActivityQuery::default() };
            let rows = self.eye.board.activity(&query).await.unwrap().items;
            let fence_of = |mark: &Mark| runs.iter().find(|run| run.id == mark.run)?.fence;
            let fences: Vec<_> =
                rows.iter().filter_map(|row| fence_of(row.mark.as_ref()?)).collect();
            assert!(fences.is_sorted(), "one wrote after another had taken over: {rows:#?}");
            for run in &runs {
                self.is_as_journaled(run).await;
            }
        }
    }

    async fn is_as_journaled(&self, run: &Run) {
        for effect in self.eye.ledger.effects(&run.id).await.unwrap() {
            let found = self.eye.board.effect_of(&effect.mark).await.unwrap();
            match effect.result {
                Some(EffectResult::Done { .. }) => {
                    assert!(matches!(found, EffectState::Applied(_)), "lost: {effect:#?}");
                }
                Some(EffectResult::Failed { .. }) => {
                    assert_eq!(found, EffectState::Absent, "{effect:#?}");
                }
                _ => {}
            }
        }
    }
}

impl Eye {
    async fn open(database: &Database, ports: &[u16]) -> Self {
        let clock = SystemClock::shared();
        let name = BoardName::new("main");
        let board = cluster(database, ports, 2);
        let board = SqlBoard::shared(board, name.clone(), Arc::clone(&clock)).await.unwrap();
        let store = Arc::new(PostgresStore::open(cluster(database, ports, 2)).await.unwrap());
        let options = LedgerOptions {
            board: name,
            daemon: DaemonId::new("eye"),
            life: LifeId::new("eye"),
            margin: PACE.margin,
            epoch: 0,
        };
        let ledger = Ledger::new(Arc::clone(&store) as _, clock, Arc::new(SystemEntropy), options);
        Self { board: Arc::new(board), store, ledger }
    }
}

/// A pool whose statements have a few seconds, over these ports or as it is for everybody.
fn cluster(database: &Database, ports: &[u16], connections: u32) -> Cluster {
    let url = if ports.is_empty() { database.url().to_owned() } else { database.url_at(ports) };
    Cluster::new(PostgresOptions {
        address: Address::parse(&url, false).unwrap(),
        schema: Schema::parse(database.schema_name()).unwrap(),
        connections,
        statement_timeout: Duration::from_secs(3),
    })
}
