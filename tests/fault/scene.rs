//! A folder with one task, a playbook that claims it and changes several things, and a scripted
//! model that does nothing twice; and what ledger and board hold once nobody uses them.

use super::checker::{Moment, acquit};
use super::evidence::{Evidence, Known};
use crate::support::rota::{Ran, Rota};
use rota::board::open::{BoardKind, BoardOptions};
use rota::clock::{Clock, SystemClock, SystemEntropy};
use rota::domain::{
    BoardName, Claim, Comment, CommentQuery, DaemonId, Effect, Fence, LifeId, Notice, Occurrence,
    PlaybookName, Run, RunState, StatusKind, Task, TaskId, TaskQuery,
};
use rota::ledger::{Ledger, LedgerOptions, RunFilter};
use rota::store::open::{StoreOptions, open as open_store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub const TASK: TaskId = TaskId(1);
pub const PLAYBOOK: &str = "worker";

const CONFIG: &str = r#"
arm = "auto"
[people]
me = "Ada"
[daemon]
id = "crashing"
tick = "1s"
drain = "30s"
[claims]
lease = "6s"
[models.worker]
kind = "scripted"
script = "model.toml"
[notify.file.told]
path = "told.md"
"#;

pub const WORKER: &str = r#"
description = "Takes a task, adds a subtask and a comment, and hands over."
agent = "AI-Worker"
[on]
event = ["task.created"]
[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
assignee = "none"
[claim]
status = "kind:in_progress"
add_tags = ["AI-Agent"]
[work]
runner = "model"
model = "worker"
prompt = "crash.md.hbs"
tools = ["addSubtask", "addComment", "finish"]
[outcome.ready]
status = "kind:waiting"
assign = "{{task.author}}"
comment = "hand-over.md.hbs"
[scope]
write = "claimed"
max = { addSubtask = 1, addComment = 1 }
[limits]
attempts = 3
backoff = "1s..1s"
[report]
template = "told"
to = ["file:told"]
when = "always"
[on_failure]
to = ["file:told"]
"#;

/// What earlier attempts did stands in the prompt; the script is chosen by it.
const PROMPT: &str = "task_id: {{task.id}}\n{{#each earlier}}did {{tool}} at {{entity}}\n{{/each}}";

pub const SCRIPT: &str = r#"
[[conversation]]
match = ["did addSubtask at task", "did addComment at comment"]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]

[[conversation]]
match = ["did addSubtask at task"]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "THE WORK" } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]

[[conversation]]
match = []
[[conversation.turn]]
call = [{ tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "A part" } }]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "THE WORK" } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]
"#;

/// The folder, with the task on the board.
pub fn scene() -> Rota {
    scene_of(WORKER)
}

/// The same with another playbook.
pub fn scene_of(playbook: &str) -> Rota {
    let rota = Rota::new();
    rota.write("rota.toml", CONFIG);
    rota.write("agents/worker.toml", playbook);
    rota.write("templates/crash.md.hbs", PROMPT);
    rota.write("templates/told.txt.hbs", "told {{#each tasks}}{{state}} {{/each}}");
    rota.write("model.toml", SCRIPT);
    rota.run(["project", "add", "Web"]).ok();
    add_task(&rota);
    rota
}

pub fn add_task(rota: &Rota) {
    rota.run(["task", "add", "Do it", "--tag", "AI-Suitable", "--acceptance", "done"]).ok();
}

/// `rota run-once` dies at this step.
#[track_caller]
pub fn dies_at(rota: &Rota, step: &str) {
    let ran = run_once(rota, step);
    assert_eq!(ran.code, -1, "it did not die at {step}: {ran:#?}");
}

pub fn run_once(rota: &Rota, step: &str) -> Ran {
    let mut command = rota.command(["--json", "run-once", PLAYBOOK, "--task", "1"]);
    if !step.is_empty() {
        command.env("ROTA_CRASH_AT", step);
    }
    Rota::finish(command)
}

/// The daemon starts, dies at this step of its own recovery, or at once after it.
#[track_caller]
pub fn serving_dies_at(rota: &Rota, step: &str) {
    let mut command = rota.command(["serve"]);
    command.env("ROTA_CRASH_AT", step);
    let ran = Rota::finish(command);
    assert_eq!(ran.code, -1, "it did not die at {step}: {ran:#?}");
}

/// The daemon starts, sees to what was left behind, and drains.
#[track_caller]
pub fn recovers(rota: &Rota) -> String {
    let serving = rota.serve(Vec::<&str>::new());
    let log = serving.log_path();
    let code = serving.stop();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    assert_eq!(code, 0, "{log}");
    log
}

/// What ledger and board hold.
#[derive(Debug)]
pub struct Rows {
    pub runs: Vec<Run>,
    pub effects: Vec<Effect>,
    pub claim: Option<Claim>,
    pub live: Vec<Claim>,
    pub orphans: Vec<Claim>,
    pub occurrences: Vec<Occurrence>,
    pub open: Vec<Occurrence>,
    pub notices: Vec<Notice>,
    pub task: Task,
    pub kind: StatusKind,
    pub subtasks: Vec<Task>,
    pub comments: Vec<Comment>,
}

/// Reads them; the daemon must have ended, after it had seen to everything. The checker judges too.
#[track_caller]
pub fn rows(rota: &Rota) -> Rows {
    acquit(&Evidence::read(&rota.state(), known(rota)), Moment::AtRest);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(read(rota));
    runtime.shutdown_timeout(Duration::from_secs(10));
    rows
}

/// What the checker is told beside the state folder.
fn known(rota: &Rota) -> Known {
    let read = |path: &str| std::fs::read_to_string(rota.path().join(path)).unwrap_or_default();
    let reporting = read("agents/worker.toml").contains("[report]");
    Known {
        reporting: reporting.then(|| PlaybookName::new(PLAYBOOK)).into_iter().collect(),
        told: read("told.md"),
        // No scene kills more often.
        kills: 3,
        ..Known::default()
    }
}

async fn read(rota: &Rota) -> Rows {
    let clock: Arc<dyn Clock> = SystemClock::shared();
    let life = LifeId::new("a look");
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("looking"),
        life: life.clone(),
        margin: Duration::from_millis(1),
        epoch: 0,
    };
    let store =
        open_store(&StoreOptions::default(), &rota.state(), &life, Arc::clone(&clock)).unwrap();
    let ledger = Ledger::new(store, Arc::clone(&clock), Arc::new(SystemEntropy), options);
    let board = BoardOptions {
        kind: BoardKind::Sqlite,
        path: Some("board.sqlite".into()),
        name: "main".to_owned(),
    };
    let board = rota::board::open::open(&board, &rota.state(), clock).await.unwrap();
    let mut runs = ledger.runs(&RunFilter::default(), 100).await.unwrap();
    runs.reverse();
    let mut effects = Vec::new();
    for run in &runs {
        effects.extend(ledger.effects(&run.id).await.unwrap());
    }
    let task = board.task(TASK).await.unwrap();
    let project = board.project(task.project).await.unwrap();
    let all = board.tasks(&TaskQuery { limit: 100, ..TaskQuery::default() }).await.unwrap().items;
    let comments = CommentQuery { limit: 100, ..CommentQuery::default() };
    Rows {
        effects,
        claim: ledger.claim(TASK).await.unwrap(),
        live: ledger.claims().await.unwrap(),
        orphans: ledger.orphans().await.unwrap(),
        occurrences: ledger.occurrences(&PlaybookName::new(PLAYBOOK), 100).await.unwrap(),
        open: ledger.open_occurrences().await.unwrap(),
        notices: ledger.notices(100, None).await.unwrap(),
        kind: project.kind_of(task.status),
        subtasks: all.into_iter().filter(|t| t.parent == Some(TASK)).collect(),
        comments: board.comments(&comments).await.unwrap().items,
        task,
        runs,
    }
}

impl Rows {
    /// So many comments have this in their text.
    pub fn comments_with(&self, text: &str) -> usize {
        self.comments.iter().filter(|comment| comment.text.contains(text)).count()
    }

    /// How often the work's own comment stands there; a hand-over may quote it.
    pub fn works(&self) -> usize {
        self.comments.iter().filter(|comment| comment.text == "THE WORK").count()
    }

    /// What holds after every crash, once a daemon has seen to it.
    #[track_caller]
    pub fn are_whole(&self) {
        assert!(self.live.is_empty(), "claims are left: {self:#?}");
        assert!(self.orphans.is_empty(), "ended claims that nobody saw to: {self:#?}");
        assert!(self.open.is_empty(), "occurrences are open: {self:#?}");
        for run in &self.runs {
            assert!(run.state != RunState::Running && run.ended.is_some(), "under way: {run:#?}");
            assert!(run.reason.is_some(), "ended for no reason: {run:#?}");
            let known = self.occurrences.iter().any(|o| o.id == run.occurrence);
            assert!(known, "the occurrence of {run:#?} is not there");
        }
        for effect in &self.effects {
            assert!(effect.result.is_some(), "nobody knows what became of {effect:#?}");
        }
        let fences: Vec<Fence> = self.runs.iter().filter_map(|run| run.fence).collect();
        assert!(fences.windows(2).all(|two| two[0] < two[1]), "fences: {fences:?}");
        assert!(self.subtasks.len() <= 1, "a subtask twice: {self:#?}");
        assert!(self.works() <= 1, "a comment twice: {self:#?}");
        assert!(self.comments_with("hands this over") <= 1, "handed over twice: {self:#?}");
        let keys: BTreeSet<&str> = self.notices.iter().map(|n| n.key.as_str()).collect();
        assert_eq!(keys.len(), self.notices.len(), "a notice twice: {:#?}", self.notices);
        let agents = self.kind == StatusKind::InProgress;
        assert!(!agents, "in progress without a claim: {self:#?}");
    }

    /// The work was done once and handed over.
    #[track_caller]
    pub fn are_done(&self) {
        self.are_whole();
        assert_eq!(self.kind, StatusKind::Waiting, "{self:#?}");
        assert_eq!(self.task.assignee, self.task.author, "{self:#?}");
        assert_eq!(self.subtasks.len(), 1, "{self:#?}");
        assert_eq!(self.works(), 1, "{self:#?}");
        assert_eq!(self.comments_with("hands this over"), 1, "{self:#?}");
        let last = self.runs.last().unwrap();
        assert_eq!(last.state, RunState::Succeeded, "{self:#?}");
        for run in &self.runs[..self.runs.len() - 1] {
            assert_eq!(run.state, RunState::Interrupted, "{run:#?}");
        }
    }

    /// The task is as it was, and may be taken again.
    #[track_caller]
    pub fn are_as_before(&self) {
        self.are_whole();
        assert_eq!(self.kind, StatusKind::New, "{self:#?}");
        assert_eq!(self.task.assignee, None, "{self:#?}");
        assert!(!self.task.has_tag("AI-Agent"), "{self:#?}");
    }
}
