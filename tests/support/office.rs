//! Daemons in process whose board is a Leantime, played by the fake: each with a store of its own, as
//! a laptop and a server that share nothing else.

use super::daemon::{FlowClock, Told, request};
use super::gates::{GatedModel, Gates};
use super::ingredients::{Ingredients, channels};
use super::leantime::{FakeLeantime, Options as Fake, Role};
use super::playbooks::changed;
use super::watched::{Call, Watch, Watched};
use rota::board::Board;
use rota::board::leantime::LeantimeBoard;
use rota::board::leantime::notebook::{MemoryNotebook, Notebook};
use rota::board::leantime::options::{Credential, Options};
use rota::clock::SeededEntropy;
use rota::daemon::{Daemon, Wake};
use rota::domain::*;
use rota::ledger::{Ledger, RunFilter};
use rota::model::Model;
use rota::model::scripted::ScriptedModel;
use rota::store::Store;
use rota::store::memory::MemoryStore;
use rota::tools::ToolRegistry;
use rota::tools::desk::{Desk as _, RunReport};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A server that counts no requests.
pub fn unlimited() -> Fake {
    Fake { rate_per_minute: Some(1_000_000), ..Fake::default() }
}

/// A Leantime with a person and an agent in one project.
pub struct Office {
    pub fake: FakeLeantime,
    pub clock: Arc<FlowClock>,
    pub folder: tempfile::TempDir,
    pub hugo: i64,
    pub agent: i64,
    pub key: String,
    pub project: i64,
    pub slots: u32,
    lives: AtomicU64,
}

/// What outlives a daemon.
pub struct Home {
    pub name: &'static str,
    pub store: Arc<dyn Store>,
    notes: Arc<dyn Notebook>,
    pub told: Arc<Told>,
    pub gates: Arc<Gates>,
}

/// One life of a daemon.
pub struct Life {
    pub daemon: Arc<Daemon>,
    pub ledger: Arc<Ledger>,
    pub board: Arc<LeantimeBoard>,
    pub tools: Arc<ToolRegistry>,
}

/// What stands between a daemon and the board: its eyes for markers may be shut, and a person may be
/// at the board whenever something is asked of it.
#[derive(Clone, Default)]
pub struct Between {
    pub is_blind: bool,
    pub person: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Before and after each write, as `before addComment`.
    pub gates: Arc<Gates>,
}

impl std::fmt::Debug for Between {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Between").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Watch for Between {
    async fn before(&self, call: &Call<'_>) -> rota::board::Result<()> {
        if let Some(person) = &self.person {
            person();
        }
        if call.is_write() {
            self.gates.pass(&format!("before {}", call.tool())).await;
        }
        Ok(())
    }

    async fn after(
        &self,
        call: &Call<'_>,
        _: std::result::Result<bool, &rota::board::BoardError>,
    ) -> rota::board::Result<()> {
        if call.is_write() {
            self.gates.pass(&format!("after {}", call.tool())).await;
        }
        Ok(())
    }

    fn sees_markers(&self) -> bool {
        !self.is_blind
    }
}

impl Office {
    pub async fn new(fake: Fake) -> Self {
        let fake = FakeLeantime::start(fake).await;
        let hugo = fake.add_person("Hugo", "Human", Role::Editor);
        let project = fake.add_project("Orchestra", &[hugo]);
        let (agent, key) = fake.add_key("AI-Worker", Role::Editor, &[project]);
        let folder = tempfile::tempdir().unwrap();
        for name in ["agents", "templates", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let clock = Arc::new(FlowClock::at(fake.now()));
        let (slots, lives) = (4, AtomicU64::new(0));
        Self { fake, clock, folder, hugo, agent, key, project, slots, lives }
    }

    /// Writes a playbook's file.
    pub fn playbook(&self, name: &str, text: &str, replace: &[(&str, &str)]) {
        let path = self.folder.path().join("agents").join(format!("{name}.toml"));
        std::fs::write(path, changed(text, replace)).unwrap();
    }

    /// A ticket of Hugo's that ai-worker may take.
    pub fn ticket(&self, headline: &str) -> i64 {
        self.fake.as_person(self.hugo).add_ticket(json!({
            "headline": headline, "projectId": self.project, "status": 3, "tags": "AI-Suitable",
            "acceptanceCriteria": "It works.", "editorId": "",
        }))
    }

    /// A home with nothing in it yet.
    pub fn home(&self, name: &'static str) -> Home {
        let store = Arc::new(MemoryStore::new(Arc::clone(&self.clock) as _));
        let notes = Arc::new(MemoryNotebook::default());
        Home { name, store, notes, told: Arc::default(), gates: Arc::default() }
    }

    /// The board as a daemon has it.
    pub fn board(&self, home: &Home, change: impl FnOnce(&mut Options)) -> LeantimeBoard {
        let mut options = Options::new(self.fake.url(), Credential::read(&self.key).unwrap());
        options.zone = chrono_tz::America::Los_Angeles;
        options.requests_per_minute = 1_000_000;
        change(&mut options);
        let (notes, clock) = (Arc::clone(&home.notes), Arc::clone(&self.clock));
        LeantimeBoard::open(options, notes, BoardName::new("main"), clock).unwrap()
    }

    /// Starts a daemon there that only works when it is told to. Its model follows a script, and
    /// stops at the gates as its writes do.
    pub async fn start(&self, home: &Home, script: &str) -> Life {
        let gates = Arc::clone(&home.gates);
        let model = GatedModel {
            name: "worker".to_owned(),
            scripts: vec![Box::new(ScriptedModel::from_toml("worker", script).unwrap())],
            gates: Arc::clone(&gates),
            prompts: Arc::default(),
        };
        let between = Between { gates, ..Between::default() };
        // What people do is to be seen at the next tick.
        let board = self.board(home, |options| options.look_every = Duration::ZERO);
        self.start_with(home, &(Arc::new(model) as _), board, between).await
    }

    pub async fn start_with(
        &self,
        home: &Home,
        model: &Arc<dyn Model>,
        board: LeantimeBoard,
        watch: Between,
    ) -> Life {
        self.start_as(home, model, board, watch, Wake::ByTicks).await
    }

    /// Starts a daemon that nobody drives.
    pub async fn start_by_itself(
        &self,
        home: &Home,
        model: &Arc<dyn Model>,
        board: LeantimeBoard,
        watch: Between,
    ) -> Life {
        self.start_as(home, model, board, watch, Wake::ByItself).await
    }

    async fn start_as(
        &self,
        home: &Home,
        model: &Arc<dyn Model>,
        board: LeantimeBoard,
        watch: Between,
        wake: Wake,
    ) -> Life {
        let life = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        let board = Arc::new(board);
        let seen = Watched { below: Arc::clone(&board) as _, watch };
        let parts = Ingredients {
            daemon: home.name.to_owned(),
            life: format!("life-{life}"),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SeededEntropy::new(life * 7_919)),
            board: Arc::new(seen) as Arc<dyn Board>,
            store: Arc::clone(&home.store),
            folder: self.folder.path().to_owned(),
            templates: None,
            models: BTreeMap::from([("worker".to_owned(), Arc::clone(model))]),
            notifiers: channels().into_iter().map(|c| (c, Arc::clone(&home.told) as _)).collect(),
            slots: self.slots,
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
        .parts();
        let (ledger, tools) = (Arc::clone(&parts.ledger), Arc::clone(&parts.tools));
        let daemon = Daemon::start(parts, wake).await.unwrap();
        tools.set_desk(Arc::clone(&daemon) as _);
        Life { daemon, ledger, board, tools }
    }

    /// Time passes, here and at the server.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.fake.advance(by);
    }

    /// The texts of the comments on a ticket as the server has them, the oldest first.
    pub fn comments(&self, ticket: i64) -> Vec<String> {
        let text = |comment: Value| comment["text"].as_str().unwrap_or_default().to_owned();
        self.fake.comments("ticket", ticket).into_iter().map(text).collect()
    }

    /// Until when the marker on a ticket is, in seconds from now by the server's clock.
    pub fn marked_for(&self, ticket: i64) -> Option<i64> {
        let comments = self.comments(ticket);
        let (_, rest) = comments.iter().find_map(|text| text.split_once("<!-- rota "))?;
        let ends = rest.split(' ').nth(2).expect("an end");
        let ends: chrono::DateTime<chrono::Utc> = ends.parse().expect("an instant");
        Some((ends - self.fake.now()).num_seconds())
    }

    /// How many markers stand on a ticket.
    pub fn markers(&self, ticket: i64) -> usize {
        self.comments(ticket).iter().filter(|text| text.contains("<!-- rota ")).count()
    }

    /// A column of a ticket, as a text.
    pub fn column(&self, ticket: i64, name: &str) -> String {
        match &self.fake.ticket(ticket).expect("a ticket")[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// A client that a careful server has nothing against.
    pub fn is_careful(&self) {
        let violations = self.fake.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

impl Life {
    /// Runs a playbook by hand.
    pub async fn run(&self, playbook: &str) -> RunReport {
        self.daemon.run_playbook(request(playbook)).await.unwrap()
    }

    /// One tick, then until nothing runs.
    pub async fn work(&self) {
        self.daemon.tick().await;
        self.daemon.idle().await;
        self.daemon.deliver().await;
    }

    /// The runs at a ticket, the earliest first.
    pub async fn runs(&self, ticket: i64) -> Vec<Run> {
        let filter = RunFilter { task: Some(TaskId(ticket)), ..RunFilter::default() };
        let mut runs = self.ledger.runs(&filter, 100).await.unwrap();
        runs.sort_by_key(|run| (run.started, run.fence, run.attempt));
        runs
    }

    /// The claim's record.
    pub async fn claim(&self, ticket: i64) -> Option<Claim> {
        self.ledger.claim(TaskId(ticket)).await.unwrap()
    }

    /// Ends it in good order.
    pub async fn stop(self) {
        self.daemon.drain().await;
    }
}
