//! Opens what configuration and state folder name, and puts the daemon's parts together.

use super::door::RunDoor;
use super::front::Front;
use super::lately::Lately;
use super::outside::{CHANGES_MAX, Outside};
use super::rehearsal::Rehearsal;
use super::spoken::Spoken;
use super::steward::Steward;
use super::{channels, failures, people};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{BoardOf, Place};
use crate::board::Board;
use crate::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config, ModelConfig, StoreConfig};
use crate::cron::Pattern;
use crate::daemon::control::Answer;
use crate::daemon::{Daemon, Parts, RunJournal, Settings, Wake, Words};
use crate::digest::LinkBase;
use crate::domain::{BoardName, Channel, DaemonId, LifeId, Person, Principal};
use crate::ledger::export::Restored;
use crate::ledger::{Ledger, LedgerOptions};
use crate::model::Model;
use crate::notify::{Notifier, SharedWriter};
use crate::playbook::{Library, Vocabulary};
use crate::runner::grant::PRIVATE;
use crate::store::Store;
use crate::store::lock::FolderLock;
use crate::template::Templates;
use crate::tools::{self, ToolKind, ToolRegistry};
use crate::upstream::full_name;
use crate::web::hooks::Key;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub(super) use super::storage::{Stored, board_and_me, open_board, open_store, store_options};

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speak {
    /// To their channels.
    Aloud,
    /// To their channels, but those to `stdout` are held: it belongs to the command's result.
    Held,
    /// Nowhere: the state folder is a copy, and what waits in it is the original's to tell.
    Nowhere,
}

/// A house that is open and does not run yet.
pub(super) struct Opened {
    pub config: Config,
    pub parts: Parts,
    pub me: Principal,
    pub restored: Option<Restored>,
    pub spoken: Option<Spoken>,
    /// Where it is; `None` in a rehearsal.
    pub place: Option<Place>,
    /// That of the state folder, where the store does not hold it.
    pub lock: Option<FolderLock>,
}

/// What a house is made of, before it is put together.
pub(super) struct Ground {
    pub config: Config,
    /// Whoever types, where it is known already.
    pub me: Option<Person>,
    pub board: Arc<dyn Board>,
    pub store: Arc<dyn Store>,
    pub epoch: u32,
    pub life: LifeId,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub notifiers: BTreeMap<Channel, Arc<dyn Notifier>>,
    pub models: BTreeMap<String, Arc<dyn Model>>,
    /// `None` in a rehearsal.
    pub state: Option<PathBuf>,
    pub templates: PathBuf,
    pub composes_only: bool,
    /// Whether it is a command's, on a store that daemons share.
    pub by_hand: bool,
    /// Where workspaces are; `None` where none may be made.
    pub workspaces: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
}

/// Opens the house of a place, for what is to wake it.
pub(super) async fn house(place: &Place, speak: Speak, wake: Wake) -> Result<Opened, Failure> {
    let config = config(place)?;
    make_state(&place.state)?;
    let machine = SystemClock::shared();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let life = LifeId::new(format!("life-{}", entropy.nonce()));
    let Stored { store, restored, lock, epoch, clock } =
        open_store(&config, place, &life, &machine).await?;
    let (board, me) = board_and_me(&config, place, &clock, Some(&store)).await?;
    let spoken = (speak == Speak::Held).then(Spoken::default);
    let stdout: SharedWriter = match &spoken {
        Some(spoken) => spoken.writer(),
        None => Arc::new(Mutex::new(std::io::stdout())),
    };
    let notifiers = match speak {
        Speak::Nowhere => BTreeMap::new(),
        Speak::Aloud | Speak::Held => channels::open(&config, &stdout, &clock)?,
    };
    let is_shared = matches!(config.store, StoreConfig::Postgres(_));
    let ground = Ground {
        notifiers,
        models: models(&config)?,
        templates: config.templates.clone(),
        by_hand: wake == Wake::ByHand && is_shared,
        config,
        me,
        board,
        store,
        epoch,
        life,
        clock,
        entropy,
        state: Some(place.state.clone()),
        composes_only: false,
        workspaces: Some(place.state.join("workspaces")),
        environment: environment(),
    };
    let mut opened = put_together(ground).await?;
    opened.restored = restored;
    opened.spoken = spoken;
    opened.place = Some(place.clone());
    opened.lock = lock;
    Ok(opened)
}

/// Reads `rota.toml`.
pub(super) fn config(place: &Place) -> Result<Config, Failure> {
    let faulty = |faults: Vec<_>| failures::config(&faults);
    if place.board == BoardOf::Environment {
        let config = Config::of_environment(&read_variable).map_err(faulty)?;
        // Whatever lies where this process was started is not meant.
        let (agents, templates) = (place.state.join("agents"), place.state.join("templates"));
        return Ok(Config { agents, templates, ..config });
    }
    Config::load(config_path(place).as_deref(), &read_variable).map_err(faulty)
}

/// The configuration's file, if there is one or one was named.
pub(super) fn config_path(place: &Place) -> Option<PathBuf> {
    let default = PathBuf::from("rota.toml");
    place.config.clone().or_else(|| default.exists().then_some(default))
}

#[expect(clippy::disallowed_methods, reason = "secrets of rota.toml may stand in the environment")]
pub(super) fn read_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The daemon's own environment: programs are given what their playbook names, and a few basics.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The folders outside the state folder that the daemon writes to: of a board's file, of files that are told
/// notices.
pub(super) fn written(place: &Place) -> Result<Vec<PathBuf>, Failure> {
    let config = config(place)?;
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Failure::internal("this folder has no path").because(&error))
    };
    let state = absolute(&place.state)?;
    let board = match &config.board {
        BoardConfig::Sqlite { path } => Some(place.state.join(path)),
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => None,
    };
    let mut folders = Vec::new();
    for file in board.iter().chain(config.files.values()) {
        let file = absolute(file)?;
        let folder = file.parent().filter(|folder| !folder.starts_with(&state));
        folders.extend(folder.map(Path::to_owned));
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}

pub(super) fn make_state(state: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|error| {
        failures::state_io(&format!("{}: the state folder cannot be made", state.display()), &error)
    })
}

pub(super) fn models(config: &Config) -> Result<BTreeMap<String, Arc<dyn Model>>, Failure> {
    let mut models: BTreeMap<String, Arc<dyn Model>> = BTreeMap::new();
    for (name, options) in &config.models {
        let opened = crate::model::open::open(options).map_err(|fault| {
            let key = match options {
                ModelConfig::Scripted { .. } => ".script",
                ModelConfig::Server { .. } => "",
            };
            Failure::new(FailureKind::Config, format!("models.{name}{key}: {fault}"))
        })?;
        models.insert(name.clone(), opened);
    }
    Ok(models)
}

/// The team's templates, and the shipped ones in the place of faulty ones.
fn loaded(folder: &Path) -> Templates {
    let (templates, faults) = Templates::load(folder, None);
    for fault in faults {
        tracing::warn!(%fault, "a template has a fault; the shipped one is used");
    }
    templates
}

/// Puts the parts together over what is open.
pub(super) async fn put_together(ground: Ground) -> Result<Opened, Failure> {
    let Ground { config, board, store, clock, entropy, .. } = ground;
    let daemon = name_of(&config, ground.by_hand.then(|| entropy.nonce()));
    let options = LedgerOptions {
        board: BoardName::new(config.board_name.clone()),
        daemon: daemon.clone(),
        life: ground.life.clone(),
        margin: config.claims.margin,
        epoch: ground.epoch,
    };
    let ledger = Arc::new(Ledger::new(store, Arc::clone(&clock), Arc::clone(&entropy), options));
    let journal = Arc::new(RunJournal::new(Arc::clone(&ledger), Arc::clone(&board)));
    let parts =
        tools::Parts::new(Arc::clone(&board), Arc::clone(&journal) as _, Arc::clone(&clock));
    let tools = Arc::new(ToolRegistry::new(parts));
    tools.set_records(Arc::clone(&ledger) as _);
    tools.set_tokens(Arc::clone(&ledger) as _);
    tools.set_repeats(Arc::clone(&ledger) as _);
    tools.set_feeds(Arc::clone(&ledger) as _);
    // A rehearsal writes nowhere, and what other servers do cannot be taken back.
    if let Some(state) = ground.state.as_deref().filter(|_| !ground.composes_only) {
        tools.set_outer(super::upstreams::outer(&config, &ledger, state).await);
    }
    let templates = Arc::new(loaded(&ground.templates));
    let words = words(&config, &tools, ground.models.keys().cloned().collect());
    let mut library = Library::new(config.agents.clone(), config.playbook_defaults())
        .at_most(config.daemon.playbooks);
    library.reload(&(words.0)(Arc::clone(&templates)));
    let me = match ground.me {
        Some(person) => people::principal(person),
        None => people::me(board.as_ref(), config.me.as_deref()).await?,
    };
    if !matches!(config.board, BoardConfig::Leantime(_)) {
        people::agents(board.as_ref(), &library.all()).await?;
    }
    let settings = settings(&config, daemon, &ground.life, ground.state, ground.templates);
    let environment = super::rooms::without_secrets(ground.environment, &config);
    let workspaces =
        ground.workspaces.map(|root| super::rooms::workspaces(root, &config, &environment));
    let settings = Settings { composes_only: ground.composes_only, environment, ..settings };
    // In a rehearsal no program is started.
    let door = (!ground.composes_only).then(|| {
        let private = settings.state.as_ref().map(|state| state.join(PRIVATE));
        let (clock, limits) = (Arc::clone(&clock), config.mcp.limits);
        Arc::new(RunDoor::new(clock, entropy.as_ref(), limits, private)) as _
    });
    let parts = Parts {
        board,
        ledger,
        journal,
        tools,
        library: Mutex::new(library),
        vocabulary: words,
        templates: RwLock::new(templates),
        models: ground.models,
        notifiers: ground.notifiers,
        clock,
        entropy,
        logged_faults: Mutex::default(),
        deciding: tokio::sync::Mutex::default(),
        workspaces,
        door,
        progress: tokio::sync::broadcast::channel(1_024).0,
        settings,
    };
    Ok(Opened { config, parts, me, restored: None, spoken: None, place: None, lock: None })
}

/// Under which name it works: what is done by hand under one of its own, for a daemon of this name may be
/// at work elsewhere, or have been a moment ago.
fn name_of(config: &Config, by_hand: Option<String>) -> DaemonId {
    let daemon = DaemonId::new(config.daemon.id.clone().unwrap_or_else(host_name));
    by_hand.map_or_else(|| daemon.clone(), |which| daemon.by_hand(&which))
}

fn settings(
    config: &Config,
    daemon: DaemonId,
    life: &LifeId,
    state: Option<PathBuf>,
    templates: PathBuf,
) -> Settings {
    Settings {
        daemon,
        life: life.clone(),
        board: BoardName::new(config.board_name.clone()),
        labels: config.daemon.labels.clone(),
        slots: config.daemon.slots,
        currency: config.currency.clone(),
        guards: config.daemon.guards,
        review: config.review.clone(),
        recipients: config.recipients.clone(),
        tick: config.daemon.tick,
        drain: config.daemon.drain,
        renew: config.claims.renew,
        log_time: config.claims.log_time,
        keep: config.keep,
        budget: config.budget,
        families: config.families.clone(),
        zone: config.timezone.unwrap_or(chrono_tz::UTC),
        arms_itself: config.arm == crate::config::Arm::Auto,
        state,
        templates,
        links: LinkBase::none(),
        reviews: config.slack_app.reviews.clone().map(Channel::Slack),
        slack_people: config.slack_app.people.clone(),
        environment: BTreeMap::new(),
        composes_only: false,
    }
}

/// The names that playbooks may use.
pub(super) fn words(
    config: &Config,
    tools: &ToolRegistry,
    models: std::collections::BTreeSet<String>,
) -> Words {
    let tools: BTreeMap<String, bool> = tools
        .definitions()
        .filter(|tool| tool.kind != ToolKind::Operate)
        .map(|tool| (tool.name.to_owned(), tool.kind != ToolKind::Read))
        // What they offer is known only once they are asked.
        .chain(config.upstreams.keys().map(|name| (full_name(name, "*"), true)))
        .collect();
    let channels = channels::names(config);
    let vocabulary = Vocabulary {
        tools,
        models,
        families: config.families.clone(),
        unpriced: unpriced(config),
        withheld: super::rooms::withheld(config),
        channels,
        agents: None,
        playbooks: std::collections::BTreeSet::new(),
        workers: BTreeMap::new(),
        why_no_secret: |name| Key::read(&read_variable(name).unwrap_or_default()).err(),
        cron: |text| Pattern::parse(text).map(|_| ()).map_err(|error| error.to_string()),
        // Whoever asks brings them.
        templates: Arc::new(Templates::from_texts([]).0),
    };
    Words(Box::new(move |templates| Vocabulary { templates, ..vocabulary.clone() }))
}

/// The models whose use is not counted in money.
fn unpriced(config: &Config) -> std::collections::BTreeSet<String> {
    let models = config.models.iter().filter(|(_, model)| model.is_unpriced());
    models.map(|(name, _)| name.clone()).collect()
}

/// The host's name, so that two daemons are told apart.
pub(super) fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "rota".to_owned())
}

impl Opened {
    /// Starts the daemon over the parts, and whoever answers for it.
    pub(super) async fn start(self, wake: Wake) -> Result<Arc<dyn Answer>, Failure> {
        Ok(Arc::new(self.start_front(wake).await?))
    }

    /// The house as clients from outside see it.
    pub(super) fn outside(&self) -> Arc<Outside> {
        Arc::new(Outside {
            ledger: Arc::clone(&self.parts.ledger),
            board: Arc::clone(&self.parts.board),
            tools: Arc::clone(&self.parts.tools),
            me: self.me.clone(),
            zone: self.parts.settings.zone,
            calls: TaskTracker::new(),
            changes: Arc::new(Semaphore::new(CHANGES_MAX)),
            clock: Arc::clone(&self.parts.clock),
            lately: Lately::default(),
        })
    }

    /// Lets tools ask whoever put the house together; how a rehearsal of it is put together.
    pub(super) fn look_after(&self) -> Arc<Rehearsal> {
        let rehearsal = Arc::new(Rehearsal::of(self));
        if let Some(place) = &self.place {
            let steward = Steward::new(Arc::clone(&rehearsal), place.clone(), &self.parts);
            self.parts.tools.set_steward(Arc::new(steward));
        }
        rehearsal
    }

    pub(super) async fn start_front(self, wake: Wake) -> Result<Front, Failure> {
        let zone = self.parts.settings.zone;
        let tools = Arc::clone(&self.parts.tools);
        let rehearsal = self.look_after();
        let outside = self.outside();
        let daemon =
            Daemon::start(self.parts, wake).await.map_err(|error| failures::start(&error))?;
        tools.set_desk(Arc::clone(&daemon) as _);
        let rehearsal = Some(rehearsal);
        let (me, spoken, lock) = (self.me, self.spoken, self.lock);
        Ok(Front { outside, daemon, tools, me, zone, rehearsal, spoken, _lock: lock })
    }
}
