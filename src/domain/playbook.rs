//! A playbook as the house uses it: parsed, checked, with every default filled in. The TOML it
//! is written in belongs to the room `playbook`.

use super::{
    Check, Hours, OnFailure, PlaybookName, Report, StatusKind, TaskKind, Value, Verdict, Work,
    WorkspaceRules,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbook {
    /// Its name.
    pub name: PlaybookName,
    /// What it is for.
    pub description: String,
    /// The name of the board user it acts as.
    pub agent: String,
    /// Labels of the daemons that may run it; empty: any.
    pub runs_on: Vec<String>,
    /// Whether its writes happen.
    pub mode: Mode,
    /// When it wakes.
    pub on: On,
    /// Which tasks it takes; `None`: it takes none (a report).
    pub select: Option<Select>,
    /// What `--set` may say, and what holds without it.
    pub set: BTreeMap<String, String>,
    /// Data for templates and steps, by name.
    pub gather: BTreeMap<String, Gather>,
    /// The gates a task must pass.
    pub suitability: Suitability,
    /// How it claims; `None`: without claiming.
    pub claim: Option<ClaimRules>,
    /// Where its work has files; `None`: it needs none.
    pub workspace: Option<WorkspaceRules>,
    /// What may be run in its workspace, by name.
    pub checks: BTreeMap<String, Check>,
    /// How it works.
    pub work: Work,
    /// The family of the model behind its program, where it says so.
    pub family: Option<String>,
    /// Tools its work may call; `*` at the end stands for any rest.
    pub tools: Vec<String>,
    /// How it may end, by name.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Who looks at the work.
    pub review: Review,
    /// What it may change.
    pub scope: Scope,
    /// What it may use.
    pub limits: Limits,
    /// What people hear.
    pub report: Option<Report>,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// SHA-256 of the file, in hex.
    pub hash: String,
    /// The file's text.
    pub source: String,
    /// Where it was read from (for people).
    pub path: String,
}

/// Whether a playbook's writes happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They happen.
    #[default]
    Live,
    /// They become proposals that a person applies.
    Staged,
    /// They are only recorded.
    Shadow,
}

/// When a playbook wakes.
#[derive(Clone, Debug, PartialEq)]
pub struct On {
    /// A cron pattern: 5 fields, 6 with seconds first, or `@hourly` and its like.
    pub cron: Option<String>,
    /// An interval, counted from midnight in the zone so that it is the same after a restart.
    pub every: Option<Duration>,
    /// Changes on the board.
    pub events: Vec<BoardEvent>,
    /// What another program tells it.
    pub webhook: Option<Webhook>,
    /// The zone of `cron`, `every` and `hours`.
    pub zone: Tz,
    /// A local time that DST removes.
    pub gap: Gap,
    /// A local time that DST repeats.
    pub fold: Fold,
    /// After downtime or suspend.
    pub catch_up: CatchUp,
    /// At most so many are caught up.
    pub catch_up_max: u32,
    /// Older than this when we get to it: skipped.
    pub late: Option<Duration>,
    /// When the one before still runs.
    pub overlap: Overlap,
    /// The most by which starts are spread; the same offset every time, from the name.
    pub jitter: Duration,
    /// It may only start then.
    pub hours: Option<Hours>,
}

impl On {
    /// Whether anything wakes it but people.
    pub fn wakes(&self) -> bool {
        let by_others = !self.events.is_empty() || self.webhook.is_some();
        self.cron.is_some() || self.every.is_some() || by_others
    }
}

/// How other programs wake a playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The variable of the environment with the secret by which they sign.
    pub secret: String,
    /// Only what is called so; empty: everything.
    pub events: Vec<String>,
}

/// A change on the board that wakes a playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoardEvent {
    /// `task.created`
    TaskCreated,
    /// `task.status_changed`
    TaskStatusChanged,
    /// `task.assigned`
    TaskAssigned,
    /// `task.changed`: any field.
    TaskChanged,
    /// `comment.added`
    CommentAdded,
}

impl BoardEvent {
    /// All events, by the name playbooks give them.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::TaskCreated, "task.created"),
        (Self::TaskStatusChanged, "task.status_changed"),
        (Self::TaskAssigned, "task.assigned"),
        (Self::TaskChanged, "task.changed"),
        (Self::CommentAdded, "comment.added"),
    ];
}

/// What happens to a local time that DST removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// The first valid instant after it.
    #[default]
    Next,
    /// Nothing.
    Skip,
}

/// What happens to a local time that DST repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// The first of the two.
    #[default]
    First,
    /// The second.
    Second,
    /// Both.
    Both,
}

/// What happens to instants that passed while nobody watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are skipped.
    None,
    /// The latest runs, the others are skipped.
    #[default]
    Latest,
    /// The latest `catch_up_max` run, in order.
    All,
}

/// What happens to an instant while the one before still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits (one waits; the next is skipped).
    Queue,
    /// The one before is cancelled.
    Replace,
    /// Both run.
    Allow,
}

/// Which tasks a playbook takes; every part narrows, an empty list does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Names or ids of projects.
    pub projects: Vec<String>,
    /// Labels, ids or kinds.
    pub status: Vec<StatusSelector>,
    /// With all of these.
    pub tags_all: Vec<String>,
    /// With one of these.
    pub tags_any: Vec<String>,
    /// With none of these.
    pub tags_none: Vec<String>,
    /// Assigned so.
    pub assignee: AssigneeSelector,
    /// Of these sorts.
    pub kinds: Vec<TaskKind>,
    /// Due so.
    pub due: DueSelector,
    /// Unchanged for so long.
    pub unchanged_for: Option<Duration>,
    /// A CEL expression over `task`, `project`, `now`, `agent`.
    pub condition: Option<String>,
    /// What comes first.
    pub order: Vec<OrderKey>,
    /// At most so many in one occurrence.
    pub limit: usize,
}

/// A status, as playbooks name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StatusSelector {
    /// `kind:waiting`: the first label of that kind when one is written, any when one is looked for.
    Kind(StatusKind),
    /// A label, or an id.
    Label(String),
}

impl std::fmt::Display for StatusSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "of kind {kind}"),
            Self::Label(label) => write!(f, "{label:?}"),
        }
    }
}

/// An assignee, as playbooks name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AssigneeSelector {
    /// Anybody or nobody.
    #[default]
    Any,
    /// Nobody.
    Nobody,
    /// The playbook's own agent.
    Me,
    /// Some agent.
    Agent,
    /// Some person.
    Person,
    /// This one, by name.
    Named(String),
}

/// A due date, as playbooks name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DueSelector {
    /// Whatever it is.
    #[default]
    Any,
    /// There is none.
    Absent,
    /// It has passed.
    Overdue,
    /// It is today, in the playbook's zone.
    Today,
    /// It is between now and then.
    Within(Duration),
    /// It is between now and the end of the day so many days from today, in the playbook's zone.
    WithinDays(u32),
}

/// What tasks are ordered by; ties go to the smaller id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKey {
    /// Most urgent first.
    Priority,
    /// Soonest first.
    Due,
    /// Oldest first.
    Created,
    /// Longest unchanged first.
    Modified,
}

/// Data that is read before the work, by any read tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The tool.
    pub tool: String,
    /// Its arguments; texts are templates.
    pub args: Value,
    /// More items than this is a failure, never a silent cut.
    pub limit: usize,
}

/// The gates a task must pass before it is claimed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suitability {
    /// Each must hold.
    pub require: Vec<Gate>,
    /// What a model is asked about a task that passed all of them.
    pub rubric: Option<Rubric>,
    /// What is done, once per revision of the task, when one does not.
    pub when_unsuitable: Option<WhenUnsuitable>,
}

/// What a model is asked, once per revision of a task, before it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rubric {
    /// The template of the question.
    pub template: String,
    /// `[models.NAME]` of `rota.toml`.
    pub model: String,
}

/// A deterministic gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The task says when it is done.
    AcceptanceCriteria,
    /// The task has points or planned hours.
    Estimate,
    /// Nothing blocks it that is not done.
    NoOpenBlockers,
    /// The task has a text.
    Description,
}

/// What is done about an unsuitable task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenUnsuitable {
    /// The template of a comment.
    pub comment: Option<String>,
    /// Tags to add.
    pub add_tags: Vec<String>,
}

/// How a playbook claims.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRules {
    /// The status a claimed task gets.
    pub status: StatusSelector,
    /// Tags it gets.
    pub add_tags: Vec<String>,
    /// The template of the comment it gets.
    pub comment: String,
    /// How long a lease lasts without a renewal.
    pub lease: Duration,
    /// What happens to assignee and status after the last failed attempt.
    pub hand_back: HandBack,
    /// Whether a long run keeps a comment that tells how far it is.
    pub progress: bool,
}

/// What happens to assignee and status when a claim ends without a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandBack {
    /// They are put back as they were found.
    #[default]
    Restore,
    /// They stay.
    Leave,
}

/// What follows when the work ends by this name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Evidence: each must be a success in the run's journal, else the run ends `unverified`.
    pub requires: Vec<String>,
    /// The status the task gets.
    pub status: Option<StatusSelector>,
    /// Who it is assigned to (a template; empty unassigns).
    pub assign: Option<String>,
    /// The template of a comment.
    pub comment: Option<String>,
    /// Tags the task gets.
    pub add_tags: Vec<String>,
    /// Tags it loses.
    pub remove_tags: Vec<String>,
    /// The template of a question: the claim parks until a person answers.
    pub ask: Option<String>,
    /// How long an answer is waited for.
    pub answer_within: Duration,
    /// The agent may set a status of kind *done* itself.
    pub done_by_agent: bool,
    /// Another playbook takes the task next, past its `[select]`.
    pub rework: Option<PlaybookName>,
    /// What it says of the work that was looked at; `None`: it is no review's outcome.
    pub verdict: Option<Verdict>,
}

/// Who looks at the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// A person, another playbook, or nobody.
    pub by: Reviewer,
    /// After so many rounds a person decides.
    pub rounds: u32,
    /// No task is claimed while so many wait for a person.
    pub waiting_max: Option<u32>,
    /// Proposals that nobody has decided about for so long are not applied any more.
    pub apply_within: Duration,
    /// The reviewer is of another model family than the author, and acts as another user.
    pub independent: bool,
}

/// Who looks at the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reviewer {
    /// A person.
    #[default]
    Person,
    /// Another playbook.
    Playbook(PlaybookName),
    /// Nobody.
    Nobody,
}

/// What a playbook's work may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// How far writes reach.
    pub write: WriteScope,
    /// At most so many calls of a tool in one run.
    pub max: BTreeMap<String, u32>,
}

/// How far a playbook's writes reach.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum WriteScope {
    /// The claimed task, its subtasks and their comments.
    #[default]
    Claimed,
    /// The claimed task's project, or the selected projects.
    Project,
    /// The whole board.
    Board,
}

/// What a playbook may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Exchanges with a model in one run.
    pub turns: u32,
    /// Tokens in one run.
    pub tokens: u64,
    /// Money in one run, in millionths.
    pub cost_micros: Option<u64>,
    /// Wall time of one run.
    pub time: Duration,
    /// Without a sign of life for so long, a run has stalled.
    pub idle: Duration,
    /// Runs at one task, then it is handed back.
    pub attempts: u32,
    /// The wait before the second attempt; doubled before each further one.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// Runs at once.
    pub concurrent: u32,
    /// Runs in one civil day of the zone.
    pub runs_per_day: Option<u32>,
    /// Tokens and money of all its runs in one civil day of the team's zone.
    pub day: DayBudget,
}

/// What may be used in one civil day of the team's zone; `None`: as much as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayBudget {
    /// Tokens.
    pub tokens: Option<u64>,
    /// Money, in millionths.
    pub cost_micros: Option<u64>,
}
