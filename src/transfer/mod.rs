//! Copies what is on one board onto another: from the embedded board to a Leantime, and back.
//!
//! Both boards are known by the board's traits alone, so every pair of adapters works in both
//! directions. What is read is hostile: nobody gets rights because another board says so, and who
//! wrote a text is said above it in our own words.
//!
//! # What holds
//! - An item is copied once, however often the copy is broken off and begun again: it is written
//!   under a mark that the target remembers, looked for where the target cannot tell, and linked
//!   durably ([`Pair`]).
//! - A later run carries over what is new or changed on the source. What people changed on the target
//!   meanwhile stays as it is, field by field, and is told. Nothing is ever removed.
//! - What cannot be carried over is counted, and named with the reason.
//! - A rehearsal writes nothing, on neither board and not in the store.

mod engine;
mod item;
mod links;
mod noun;
mod nouns;
mod patience;
mod report;
mod stock;
mod way;

pub use links::Pair;
pub use noun::Kind;
pub use report::{Count, Early, Left, Report};

use crate::board::Board;
use crate::domain::{Comment, PersonId, Project, StatusId, StatusKind, default_statuses};
use crate::store::{Store, StoreError};
use engine::{Engine, Pass};
use links::Links;
use patience::{Halt, Patience};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stock::Stock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use way::{Home, Way, label_there};

/// From where to where.
#[derive(Clone, Debug)]
pub struct Ends {
    /// What is copied from; never written to.
    pub source: Arc<dyn Board>,
    /// What is copied to.
    pub target: Arc<dyn Board>,
    /// Where links are kept.
    pub store: Arc<dyn Store>,
    /// Both of them.
    pub pair: Pair,
    /// Whose name stands under what is written.
    pub writer: PersonId,
    /// What the boards are called in the report.
    pub names: (String, String),
}

/// What is copied, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// These projects only, by name or id; all where none is named.
    pub projects: Vec<String>,
    /// People who are not on the target are added to it.
    pub adds_people: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// Items that are under way at once: a board that packs calls sends them together.
    pub at_once: usize,
    /// The first pause before something is tried again.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            projects: Vec::new(),
            adds_people: false,
            dry_run: false,
            at_once: 48,
            pause: Duration::from_secs(1),
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What is being copied; `None`: the source is being read.
    pub noun: Option<Kind>,
    /// Items that are over.
    pub done: usize,
    /// Items in all.
    pub of: usize,
    /// Whether what had to wait for others is written now.
    pub is_late: bool,
}

/// Copies, and says what came of it, also where it ended early.
///
/// # Errors
/// When nothing was begun: the links cannot be read.
pub async fn copy(
    ends: Ends,
    options: Options,
    tell: watch::Sender<Step>,
    stop: CancellationToken,
) -> Result<Report, StoreError> {
    let patience = Patience { pause: options.pause, stop };
    let (from, to) = ends.names;
    let mut report = Report { from, to, dry_run: options.dry_run, ..Report::default() };
    let links = Links::load(Arc::clone(&ends.store), ends.pair).await?;
    let stock = match Stock::read(ends.source.as_ref(), &options.projects, &patience).await {
        Ok(stock) => stock,
        Err(halt) => {
            report.ended_early = Some(early(&halt));
            return Ok(report);
        }
    };
    let people = stock.people.clone();
    let way = Way::new(ends.target, ends.writer, links, options.adds_people, people);
    report.notes = notes(&stock, &way, options.projects.is_empty());
    let engine = Engine::new(way, options, report, tell, patience);
    engine.everything(&stock).await;
    let halted = engine.halted();
    let mut report = engine.report().clone();
    report.ended_early = halted.as_ref().map(early);
    Ok(report)
}

fn early(halt: &Halt) -> Early {
    let with_causes = |error: &dyn std::error::Error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    match halt {
        Halt::Stopped => Early::Stopped,
        Halt::Board(error) => Early::Failed(with_causes(error)),
        Halt::Store(error) => Early::Failed(format!("local state: {}", with_causes(error))),
    }
}

/// What is never carried over, if there is any.
fn notes(stock: &Stock, way: &Way, is_all: bool) -> Vec<String> {
    let mut notes: Vec<String> =
        stock.unread.iter().map(|what| format!("not read from the source: {what}")).collect();
    if !stock.tasks.is_empty() {
        let tasks = counted(stock.tasks.len(), "task");
        notes.push(format!(
            "author and dates of creation of {tasks} are those of the copy; the record of changes \
             stays behind"
        ));
    }
    if stock.timers > 0 {
        notes.push(format!("{} that run are not copied", counted(stock.timers, "timer")));
    }
    if !is_all {
        notes.push("events belong to no project: they are copied where none is named".to_owned());
    }
    let members: BTreeSet<_> = stock.members.iter().map(|member| member.project).collect();
    let open = stock.projects.iter().filter(|project| !members.contains(&project.id));
    let open: Vec<&str> = open.map(|project| project.name.as_str()).collect();
    if !open.is_empty() && !way.can.project_roles {
        notes.push(format!(
            "projects that list nobody are everybody's, but on the target their members' only: {}",
            open.join(", ")
        ));
    }
    notes
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Each item by itself.
fn apart<T>(items: Vec<T>) -> Vec<Vec<T>> {
    items.into_iter().map(|item| vec![item]).collect()
}

impl Engine {
    async fn everything(&self, stock: &Stock) {
        self.run(apart(stock.people_named()), Pass::First).await;
        // One after the other: names are looked for among all.
        self.run(vec![stock.projects.clone()], Pass::First).await;
        self.settle_homes(stock).await;
        self.run(vec![stock.members.clone()], Pass::First).await;
        self.run(apart(stock.sprints.clone()), Pass::First).await;
        self.run(apart(stock.milestones.clone()), Pass::First).await;
        self.run(apart(stock.milestones.clone()), Pass::Late).await;
        for wave in stock.task_waves() {
            self.run(apart(wave), Pass::First).await;
        }
        self.run(apart(stock.tasks.clone()), Pass::Late).await;
        self.run(vec![stock.goal_boards.clone()], Pass::First).await;
        self.run(apart(stock.goals.clone()), Pass::First).await;
        self.run(apart(stock.goals.clone()), Pass::Late).await;
        self.run::<Comment>(stock.threads(), Pass::First).await;
        self.run(apart(stock.time.clone()), Pass::First).await;
        self.run(apart(stock.events.clone()), Pass::First).await;
        self.run(vec![stock.projects.clone()], Pass::Late).await;
    }

    /// What each project's labels mean on the target.
    async fn settle_homes(&self, stock: &Stock) {
        for source in &stock.projects {
            if self.is_halted() {
                return;
            }
            let Some(id) = self.way.project(source.id) else { continue };
            let target = if id.0 < 0 {
                Ok(planned(source, self.way.can.labels))
            } else {
                self.patience.ask(|| self.way.target.project(id)).await
            };
            match target {
                Ok(target) => {
                    let home = Home { source: source.clone(), target };
                    self.tell_labels(&home, stock);
                    self.way.settle(home);
                }
                Err(Halt::Board(error)) => self.leave(source, error.to_string()),
                Err(halt) => return self.halt(halt),
            }
        }
    }

    /// Labels that tasks have and that are called otherwise on the target.
    fn tell_labels(&self, home: &Home, stock: &Stock) {
        let own = stock.tasks.iter().filter(|task| task.project == home.source.id);
        let used: BTreeSet<StatusId> = own.map(|task| task.status).collect();
        for status in used {
            let Some((there, false)) = label_there(home, status) else { continue };
            let name = |project: &Project, id: StatusId| {
                let found = project.status(id);
                found.map_or_else(
                    || format!("{id} ({})", StatusKind::New),
                    |status| format!("{:?} ({})", status.label, status.kind),
                )
            };
            let (old, new) = (name(&home.source, status), name(&home.target, there));
            self.leave(&home.source, format!("the status {old} is {new} there"));
        }
    }
}

/// A project that would be added.
fn planned(source: &Project, has_labels: bool) -> Project {
    let statuses = if has_labels { source.statuses.clone() } else { default_statuses() };
    Project { statuses, ..source.clone() }
}
