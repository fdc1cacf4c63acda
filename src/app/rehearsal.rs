//! A rehearsal (`--dry-run`): the same daemon over an overlay board and a store in memory. Nothing
//! outside is changed; what would be is told.

use super::failures;
use super::front::Front;
use super::open::{self, Ground, Opened};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::board::Board;
use crate::board::overlay::Overlay;
use crate::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config, StoreConfig};
use crate::daemon::Wake;
use crate::daemon::control::{Answer, AnswerError, Answered, DryRun, Progress, ToolRequest};
use crate::domain::{BoardName, LifeId, Person, Reason, Value};
use crate::ledger::export;
use crate::model::Model;
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Store};
use crate::tools::desk::{RunReport, RunRequest};
use async_trait::async_trait;
use chrono::SecondsFormat;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows copied together from one store to another.
const ROWS: usize = 500;

/// The tool that runs a playbook.
const RUN: &str = "runPlaybook";

/// What a rehearsal is put together from.
pub(super) struct Rehearsal {
    config: Config,
    /// Whoever types, where it is known already.
    me: Option<Person>,
    board: Arc<dyn Board>,
    store: Arc<dyn Store>,
    epoch: u32,
    clock: Arc<dyn Clock>,
    models: BTreeMap<String, Arc<dyn Model>>,
    templates: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Rehearsal {
    /// Over an open house.
    pub(super) fn of(opened: &Opened) -> Self {
        let parts = &opened.parts;
        Self {
            config: opened.config.clone(),
            me: Some(opened.me.person.clone()),
            board: Arc::clone(&parts.board),
            store: Arc::clone(parts.ledger.store()),
            epoch: parts.ledger.options().epoch,
            clock: Arc::clone(&parts.clock),
            models: parts.models.clone(),
            templates: parts.settings.templates.clone(),
            environment: parts.settings.environment.clone(),
        }
    }

    /// Carries a call out in a rehearsal of its own, and tells what it would have changed.
    pub(super) async fn answer(
        &self,
        request: ToolRequest,
        dry_run: DryRun,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        self.carry_out(request, (dry_run, self.me.clone()), progress).await
    }

    /// One occurrence of a playbook as somebody would run it: what it would do. No program is started and
    /// no model asked.
    pub(super) async fn run(
        &self,
        request: RunRequest,
        person: Person,
    ) -> Result<RunReport, AnswerError> {
        let RunRequest { playbook, task, at, set, .. } = request;
        let at = at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let set = set.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let args = Value::map([
            ("playbook", Value::from(playbook.as_str())),
            ("task", task.map(|task| task.0).into()),
            ("at", at.into()),
            ("set", Value::Map(set)),
        ]);
        let request = ToolRequest {
            tool: RUN.to_owned(),
            args,
            zone: None,
            dry_run: None,
            token: None,
            assistant: false,
        };
        // What happens meanwhile is told to nobody.
        let (progress, _told) = mpsc::channel(1);
        let answered = self.carry_out(request, (DryRun::default(), Some(person)), progress).await?;
        report(&answered.value)
    }

    async fn carry_out(
        &self,
        request: ToolRequest,
        (dry_run, me): (DryRun, Option<Person>),
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        let overlay = Arc::new(Overlay::over(Arc::clone(&self.board), Arc::clone(&self.clock)));
        // What is executed works in folders that nobody sees again.
        let throw_away = dry_run.execute.then(ThrowAway::new);
        let front =
            self.front(&overlay, (dry_run, me), throw_away.as_ref()).await.map_err(|failure| {
                let source: &(dyn std::error::Error + 'static) = &failure;
                AnswerError::fatal(
                    Reason::StoreFailed,
                    "the rehearsal could not begin",
                    Some(source),
                )
            })?;
        let is_run = request.tool == RUN;
        let request = ToolRequest { dry_run: None, ..request };
        let answered = front.answer(request, progress).await;
        front.close().await;
        let mut answered = answered?;
        if is_run {
            let changes = overlay.changes_made();
            let report = RunReport { changes, ..report(&answered.value)? };
            let value = serde_json::to_value(&report).and_then(serde_json::from_value);
            answered.value = value.map_err(|error| unreadable(&error))?;
        }
        Ok(answered)
    }

    async fn front(
        &self,
        overlay: &Arc<Overlay>,
        (dry_run, me): (DryRun, Option<Person>),
        throw_away: Option<&ThrowAway>,
    ) -> Result<Front, Failure> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&self.clock)));
        copy(self.store.as_ref(), store.as_ref()).await.map_err(|error| failures::store(&error))?;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let ground = Ground {
            config: self.config.clone(),
            me,
            board: Arc::clone(overlay) as _,
            store,
            epoch: self.epoch,
            life: LifeId::new(format!("rehearsal-{}", entropy.nonce())),
            clock: Arc::clone(&self.clock),
            entropy,
            // Nobody is told; what would be told stands in the report.
            notifiers: BTreeMap::new(),
            models: self.models.clone(),
            state: None,
            templates: self.templates.clone(),
            composes_only: !dry_run.execute,
            by_hand: false,
            workspaces: throw_away.map(|folder| folder.path.clone()),
            environment: self.environment.clone(),
        };
        let opened = open::put_together(ground).await?;
        let zone = opened.parts.settings.zone;
        let tools = Arc::clone(&opened.parts.tools);
        let me = opened.me.clone();
        let outside = opened.outside();
        let daemon = crate::daemon::Daemon::start(opened.parts, Wake::ToLook)
            .await
            .map_err(|error| failures::start(&error))?;
        tools.set_desk(Arc::clone(&daemon) as _);
        Ok(Front { daemon, tools, me, zone, outside, rehearsal: None, spoken: None, _lock: None })
    }
}

fn report(value: &Value) -> Result<RunReport, AnswerError> {
    let report = serde_json::to_value(value).and_then(serde_json::from_value);
    report.map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> AnswerError {
    AnswerError::fatal(Reason::StoreFailed, "the report cannot be read", Some(error))
}

/// Where the workspaces of a rehearsal are, removed at the end; nothing is made before it is asked
/// for.
struct ThrowAway {
    path: PathBuf,
}

impl ThrowAway {
    fn new() -> Self {
        let name = format!("rota-rehearsal-{}", SystemEntropy.nonce());
        Self { path: std::env::temp_dir().join(name) }
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

async fn copy(from: &dyn Store, to: &dyn Store) -> crate::store::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let rows = from.scan("", after.as_deref(), ROWS).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.key.clone());
        let batch = rows.into_iter().fold(Batch::new(), |batch, row| batch.put(row.key, row.value));
        to.commit(batch).await?;
    }
}

/// Without a daemon: opens a copy of the state folder, which itself stays as it is, byte for byte.
pub(super) async fn open_copy(place: &Place) -> Result<Arc<dyn Answer>, Failure> {
    let config = open::config(place)?;
    if let StoreConfig::Postgres(named) = &config.store {
        // Nothing of it is in the state folder, and it is only read.
        let store = super::postgres::store(named).await?;
        return Ok(Arc::new(over(place, Some(store)).await?));
    }
    let store = open::store_options(&config).folder(&place.state);
    let copied = Copied::of(&place.state, &store)?;
    let place = Place { state: copied.folder.clone(), ..place.clone() };
    let front = if copied.is_empty {
        over(&place, None).await?
    } else {
        let house = open::house(&place, open::Speak::Nowhere, Wake::ToLook).await?;
        house.start_front(Wake::ToLook).await?
    };
    Ok(Arc::new(OfCopy { front, _copied: copied }))
}

/// Over what is on servers, with a store of one or none yet: what is not there, the rehearsal begins
/// without.
async fn over(place: &Place, store: Option<Arc<dyn Store>>) -> Result<Front, Failure> {
    let clock = SystemClock::shared();
    let config = open::config(place)?;
    // A board of another server is there without any state of ours.
    let (board, me): (Arc<dyn Board>, _) = match &config.board {
        BoardConfig::Sqlite { .. } => {
            let name = BoardName::new(config.board_name.clone());
            (Arc::new(Overlay::empty(name, Arc::clone(&clock))), None)
        }
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => {
            open::board_and_me(&config, place, &clock, None).await?
        }
    };
    let epoch = match &store {
        Some(store) => export::epoch_of(store.as_ref()).await,
        None => Ok(0),
    };
    let rehearsal = Rehearsal {
        models: open::models(&config)?,
        templates: config.templates.clone(),
        config,
        me,
        board: Arc::clone(&board),
        store: store.unwrap_or_else(|| Arc::new(MemoryStore::new(Arc::clone(&clock)))),
        epoch: epoch.map_err(|error| failures::export(&error))?,
        clock: Arc::clone(&clock),
        environment: BTreeMap::new(),
    };
    let below = Arc::new(Overlay::over(board, clock));
    let how = (DryRun::default(), rehearsal.me.clone());
    let front = rehearsal.front(&below, how, None).await?;
    Ok(Front { rehearsal: Some(Arc::new(rehearsal)), ..front })
}

/// A copy of a state folder, removed at the end.
struct Copied {
    folder: PathBuf,
    is_empty: bool,
}

impl Copied {
    fn of(state: &Path, store: &Path) -> Result<Self, Failure> {
        let trouble = |error: &std::io::Error| {
            Failure::io(
                FailureKind::State,
                "the state folder cannot be copied for a rehearsal",
                error,
            )
        };
        let name = format!("rota-rehearsal-{}", SystemEntropy.nonce());
        let folder = std::env::temp_dir().join(name);
        let copied = Self { folder, is_empty: !store.exists() };
        if copied.is_empty {
            std::fs::create_dir_all(&copied.folder).map_err(|error| trouble(&error))?;
            return Ok(copied);
        }
        let lock = store.join("lock");
        let held = std::fs::File::open(&lock).ok().map(|file| file.try_lock_shared());
        if matches!(held, Some(Err(std::fs::TryLockError::WouldBlock))) {
            return Err(Failure::locked("another process works in the state folder"));
        }
        copy_folder(state, &copied.folder).map_err(|error| trouble(&error))?;
        Ok(copied)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The front of a copy; the copy goes when it goes.
struct OfCopy {
    front: Front,
    _copied: Copied,
}

#[async_trait]
impl Answer for OfCopy {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        self.front.answer(request, progress).await
    }

    async fn close(&self) {
        self.front.close().await;
    }
}
