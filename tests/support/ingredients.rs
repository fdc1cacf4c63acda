//! What a daemon in process is made of, put together as the program itself does it.

use rota::board::Board;
use rota::clock::{Clock, Entropy};
use rota::cron::Pattern;
use rota::daemon::{Parts, RunJournal, Settings, Words};
use rota::digest::LinkBase;
use rota::domain::*;
use rota::ledger::{Ledger, LedgerOptions};
use rota::model::Model;
use rota::notify::Notifier;
use rota::playbook::{Defaults, Library, Vocabulary};
use rota::runner::Workspaces;
use rota::store::Store;
use rota::template::Templates;
use rota::tools::{self, ToolKind, ToolRegistry};
use rota::upstream::full_name;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// What a daemon is made of; everything it reads or writes comes through these.
pub struct Ingredients {
    pub daemon: String,
    pub life: String,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub board: Arc<dyn Board>,
    pub store: Arc<dyn Store>,
    /// Holds `agents/`, `templates/` and `state/`.
    pub folder: PathBuf,
    /// Instead of those in the folder, where the same are used again and again.
    pub templates: Option<Arc<Templates>>,
    pub models: BTreeMap<String, Arc<dyn Model>>,
    pub notifiers: BTreeMap<Channel, Arc<dyn Notifier>>,
    pub slots: u32,
    pub labels: Vec<String>,
    pub arms_itself: bool,
    pub log_time: Option<TimeKind>,
    pub budget: DayBudget,
    /// The families of the models.
    pub families: BTreeMap<String, String>,
    pub workspaces: Option<Arc<Workspaces>>,
    pub guards: Guards,
    pub review: ReviewRules,
    pub recipients: Vec<Recipient>,
    /// The channel that is told what waits for people.
    pub reviews: Option<Channel>,
}

/// How often a daemon looks, and how long what it takes is its own.
#[derive(Clone, Copy)]
pub struct Pace {
    pub tick: Duration,
    pub lease: Duration,
    pub renew: Duration,
    pub margin: Duration,
}

impl Default for Pace {
    /// As a daemon is made where nobody says otherwise, but for the tick.
    fn default() -> Self {
        let [tick, lease, renew, margin] = [5, 60, 20, 5].map(Duration::from_secs);
        Self { tick, lease, renew, margin }
    }
}

impl Ingredients {
    /// Puts them together as the program itself does.
    pub fn parts(self) -> Parts {
        self.parts_at(Pace::default())
    }

    /// The same at a pace of its own.
    pub fn parts_at(self, pace: Pace) -> Parts {
        let options = options(&self.daemon, &self.life, pace.margin);
        let settings = self.settings(&options, pace);
        let Self { clock, entropy, board, store, folder, templates, models, notifiers, .. } = self;
        let workspaces = self.workspaces;
        let ledger = Ledger::new(store, Arc::clone(&clock), Arc::clone(&entropy), options);
        let ledger = Arc::new(ledger);
        let journal = Arc::new(RunJournal::new(Arc::clone(&ledger), Arc::clone(&board)));
        let parts =
            tools::Parts::new(Arc::clone(&board), Arc::clone(&journal) as _, Arc::clone(&clock));
        let tools = Arc::new(ToolRegistry::new(parts));
        tools.set_records(Arc::clone(&ledger) as _);
        tools.set_repeats(Arc::clone(&ledger) as _);
        let templates = templates.unwrap_or_else(|| {
            let (templates, faults) = Templates::load(&settings.templates, None);
            assert!(faults.is_empty(), "{faults:?}");
            Arc::new(templates)
        });
        let vocabulary = words(&tools, models.keys().cloned().collect(), Arc::clone(&templates));
        let (zone, Pace { lease, renew, .. }) = (Some(settings.zone), pace);
        let defaults = Defaults { zone, lease, renew, ..Defaults::default() };
        let mut library = Library::new(folder.join("agents"), defaults);
        library.reload(&(vocabulary.0)(Arc::clone(&templates)));
        assert!(library.faults().is_empty(), "{:?}", library.faults());
        Parts {
            board,
            ledger,
            journal,
            tools,
            library: Mutex::new(library),
            vocabulary,
            templates: RwLock::new(templates),
            models,
            notifiers,
            clock,
            entropy,
            logged_faults: std::sync::Mutex::default(),
            deciding: tokio::sync::Mutex::default(),
            workspaces,
            door: None,
            progress: tokio::sync::broadcast::channel(1_024).0,
            settings,
        }
    }

    fn settings(&self, options: &LedgerOptions, pace: Pace) -> Settings {
        Settings {
            daemon: options.daemon.clone(),
            life: options.life.clone(),
            board: options.board.clone(),
            labels: self.labels.clone(),
            slots: self.slots,
            tick: pace.tick,
            drain: Duration::from_secs(30),
            renew: pace.renew,
            log_time: self.log_time,
            budget: self.budget,
            families: self.families.clone(),
            zone: chrono_tz::Europe::Berlin,
            currency: "USD".to_owned(),
            guards: self.guards,
            review: self.review.clone(),
            recipients: self.recipients.clone(),
            keep: Duration::from_hours(90 * 24),
            arms_itself: self.arms_itself,
            state: Some(self.folder.join("state")),
            templates: self.folder.join("templates"),
            links: LinkBase::none(),
            reviews: self.reviews.clone(),
            slack_people: BTreeMap::new(),
            environment: BTreeMap::new(),
            composes_only: false,
        }
    }
}

fn options(daemon: &str, life: &str, margin: Duration) -> LedgerOptions {
    LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new(daemon),
        life: LifeId::new(life),
        margin,
        epoch: 0,
    }
}

pub fn channels() -> [Channel; 3] {
    [Channel::Stdout, Channel::File("log".into()), Channel::Slack("ops".into())]
}

fn words(tools: &ToolRegistry, models: BTreeSet<String>, templates: Arc<Templates>) -> Words {
    let tools: BTreeMap<String, bool> = tools
        .definitions()
        .filter(|tool| tool.kind != ToolKind::Operate)
        .map(|tool| (tool.name.to_owned(), tool.kind != ToolKind::Read))
        // As if `rota.toml` named one other server.
        .chain([(full_name("calendar", "*"), true)])
        .collect();
    let vocabulary = Vocabulary {
        tools,
        models,
        families: BTreeMap::new(),
        unpriced: BTreeSet::new(),
        withheld: BTreeSet::new(),
        why_no_secret: |_| None,
        channels: channels().into_iter().collect(),
        agents: None,
        playbooks: BTreeSet::new(),
        workers: BTreeMap::new(),
        cron: |text| Pattern::parse(text).map(|_| ()).map_err(|error| error.to_string()),
        templates,
    };
    Words(Box::new(move |templates| Vocabulary { templates, ..vocabulary.clone() }))
}
