//! What the daemon is made of; put together by `app`.

use super::journal::RunJournal;
use crate::board::Board;
use crate::clock::{Clock, Entropy};
use crate::digest::LinkBase;
use crate::domain::{
    BoardName, Channel, DaemonId, DayBudget, Guards, LifeId, Playbook, PlaybookName, Recipient,
    ReviewRules, TimeKind, Value,
};
use crate::ledger::stop::{self, Stopped};
use crate::ledger::{Ledger, LedgerError};
use crate::model::Model;
use crate::notify::Notifier;
use crate::playbook::{Library, Vocabulary};
use crate::runner::{Door, Workspaces};
use crate::template::Templates;
use crate::tools::ToolRegistry;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Everything that the daemon works with.
#[derive(Debug)]
pub struct Parts {
    /// Where the team's data is.
    pub board: Arc<dyn Board>,
    /// What must not be forgotten.
    pub ledger: Arc<Ledger>,
    /// The ledger as the tools' guard sees it, people's edits included.
    pub journal: Arc<RunJournal>,
    /// The verbs.
    pub tools: Arc<ToolRegistry>,
    /// The playbooks.
    pub library: Mutex<Library>,
    /// The names that playbooks may use.
    pub vocabulary: Words,
    /// The templates, replaced as a whole when they are read again.
    pub templates: RwLock<Arc<Templates>>,
    /// The models of `rota.toml`, by name.
    pub models: BTreeMap<String, Arc<dyn Model>>,
    /// The channels of `rota.toml`.
    pub notifiers: BTreeMap<Channel, Arc<dyn Notifier>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Faults of playbooks and templates that were logged: each once, until it changes.
    pub logged_faults: Mutex<std::collections::BTreeSet<String>>,
    /// Whoever writes a decision to the board writes it alone.
    pub deciding: tokio::sync::Mutex<()>,
    /// The workspaces of tasks; `None` where nothing may be made: in a rehearsal.
    pub workspaces: Option<Arc<Workspaces>>,
    /// Where programs reach the tools of their runs; `None` where none are started.
    pub door: Option<Arc<dyn Door>>,
    /// Where what happens is told while it happens.
    pub progress: tokio::sync::broadcast::Sender<super::control::Progress>,
    /// The rest of `rota.toml`.
    pub settings: Settings,
}

/// Makes the vocabulary of playbooks around a set of templates.
pub struct Words(pub Box<dyn Fn(Arc<Templates>) -> Vocabulary + Send + Sync>);

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

/// How the daemon behaves.
#[derive(Clone)]
pub struct Settings {
    /// Its name.
    pub daemon: DaemonId,
    /// This life.
    pub life: LifeId,
    /// The board's name.
    pub board: BoardName,
    /// Labels that `runs_on` asks for.
    pub labels: Vec<String>,
    /// Runs at once.
    pub slots: u32,
    /// How often it looks at the board.
    pub tick: Duration,
    /// How long a drain waits.
    pub drain: Duration,
    /// How often a claim is renewed.
    pub renew: Duration,
    /// As which kind of work the time of a run at a claimed task is logged, if it is.
    pub log_time: Option<TimeKind>,
    /// The team's zone.
    pub zone: Tz,
    /// What all playbooks together may use in one of its days.
    pub budget: DayBudget,
    /// The families of the models of `rota.toml`, where they are known.
    pub families: BTreeMap<String, String>,
    /// What becomes of what waits too long for a person.
    pub review: ReviewRules,
    /// When people want to be told, and how much.
    pub recipients: Vec<Recipient>,
    /// The currency of costs.
    pub currency: String,
    /// How far agents go without a person.
    pub guards: Guards,
    /// How long history is kept.
    pub keep: Duration,
    /// New triggers and wider rights arm themselves.
    pub arms_itself: bool,
    /// The state folder: the stop file and the export are there; `None` in a rehearsal.
    pub state: Option<PathBuf>,
    /// The folder of templates.
    pub templates: PathBuf,
    /// What links in notices start with.
    pub links: LinkBase,
    /// The channel that is told what waits for a person, if one is.
    pub reviews: Option<Channel>,
    /// Names or e-mail addresses of people of the board, by the ids of Slack users.
    pub slack_people: BTreeMap<String, String>,
    /// Environment that programs may be given by name.
    pub environment: BTreeMap<String, String>,
    /// `command` runners are stopped after the prompt was composed (rehearsal).
    pub composes_only: bool,
}

/// The environment holds secrets: none of it is shown.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("daemon", &self.daemon)
            .field("life", &self.life)
            .field("board", &self.board)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// The templates as they are now.
    pub fn templates(&self) -> Arc<Templates> {
        Arc::clone(&self.templates.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells whoever listens; nobody may.
    pub(super) fn tell(&self, kind: &str, run: Option<&crate::domain::RunId>, text: String) {
        let _ = self.progress.send(super::control::Progress {
            at: self.clock.wall(),
            kind: kind.to_owned(),
            text,
            run: run.cloned(),
            data: Value::Null,
        });
    }

    /// The same of a line of a transcript.
    pub(super) fn tell_line(&self, run: &crate::domain::RunId, line: &crate::ledger::LogLine) {
        let _ = self.progress.send(super::control::Progress {
            at: line.at,
            kind: line.kind.clone(),
            text: line.text.clone(),
            run: Some(run.clone()),
            data: line.data.clone(),
        });
    }

    /// Who stopped everything, if somebody did: by the file here or, where daemons share a store, in that.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stopped(&self) -> Result<Option<Stopped>, LedgerError> {
        let here = self.settings.state.as_deref().and_then(stop::read);
        if here.is_some() || !self.ledger.is_shared() {
            return Ok(here);
        }
        self.ledger.stopped().await
    }

    /// A playbook as it is now.
    pub fn playbook(&self, name: &PlaybookName) -> Option<Arc<Playbook>> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner).get(name)
    }

    /// How often playbooks were read and something changed.
    pub fn loads(&self) -> u64 {
        self.library.lock().unwrap_or_else(PoisonError::into_inner).loads()
    }

    /// All playbooks as they are now, by name.
    pub fn playbooks(&self) -> Vec<Arc<Playbook>> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner).all()
    }
}
