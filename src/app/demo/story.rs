//! The story of the day, read from what activity and ledger hold: nothing is told that did not happen.

use crate::app::failure::Failure;
use crate::app::failures;
use crate::board::Board;
use crate::daemon::control::Progress;
use crate::domain::{
    Activity, ActivityId, ActivityQuery, Decision, Entity, Notice, Person, Project, Run, Task,
    TaskId, Timestamp, Value,
};
use crate::ledger::{Ledger, LedgerError, RunFilter};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows and records looked at in one go; the day has far fewer.
const LATEST_MAX: usize = 500;
/// Characters of a comment that are told.
const COMMENT_CHARS: usize = 88;

/// Tells what is new since the last time.
pub(super) struct Story {
    board: Arc<dyn Board>,
    ledger: Arc<Ledger>,
    tell: mpsc::Sender<Progress>,
    seen: ActivityId,
    runs: BTreeSet<String>,
    decisions: BTreeSet<String>,
    notices: BTreeSet<String>,
    people: Vec<Person>,
    projects: Vec<Project>,
    headlines: BTreeMap<TaskId, String>,
    /// Every line, for `--json`.
    pub lines: Vec<Value>,
}

impl Story {
    /// Begins after what is on the board already.
    pub(super) async fn begin(
        board: Arc<dyn Board>,
        ledger: Arc<Ledger>,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Self, Failure> {
        let seen = board.latest_activity().await.map_err(|error| failures::board(&error))?;
        let people = board.people().await.map_err(|error| failures::board(&error))?;
        let projects = board.projects().await.map_err(|error| failures::board(&error))?;
        Ok(Self {
            board,
            ledger,
            tell,
            seen,
            runs: BTreeSet::new(),
            decisions: BTreeSet::new(),
            notices: BTreeSet::new(),
            people,
            projects,
            headlines: BTreeMap::new(),
            lines: Vec::new(),
        })
    }

    /// One line that belongs to the frame, not to the story.
    pub(super) async fn frame(&mut self, at: Timestamp, text: &str) {
        self.line(at, "frame", text.to_owned()).await;
    }

    async fn line(&mut self, at: Timestamp, kind: &str, text: String) {
        self.lines.push(Value::map([
            ("at", Value::from(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))),
            ("kind", kind.into()),
            ("text", text.as_str().into()),
        ]));
        let progress = Progress { at, kind: kind.to_owned(), text, run: None, data: Value::Null };
        // Whoever stopped listening misses the rest; the result still holds every line.
        let _ = self.tell.send(progress).await;
    }

    /// Tells everything that has happened since; `stirred`: the daemon said that it did something.
    pub(super) async fn go_on(&mut self, stirred: bool) -> Result<(), Failure> {
        let seen = self.seen;
        self.activity().await?;
        if seen == self.seen && !stirred {
            return Ok(());
        }
        self.refusals().await.map_err(|error| ledger(&error))?;
        self.ended_runs().await.map_err(|error| ledger(&error))?;
        self.told().await.map_err(|error| ledger(&error))
    }

    async fn activity(&mut self) -> Result<(), Failure> {
        let query =
            ActivityQuery { after: Some(self.seen), limit: LATEST_MAX, ..ActivityQuery::default() };
        let rows =
            self.board.activity(&query).await.map_err(|error| failures::board(&error))?.items;
        let mut rows = rows.as_slice();
        while let Some(first) = rows.first() {
            let same = |row: &&Activity| {
                row.actor == first.actor
                    && row.entity == first.entity
                    && row.at == first.at
                    && row.mark == first.mark
            };
            let count = rows.iter().take_while(same).count();
            let (now, later) = rows.split_at(count);
            self.seen = now.last().map_or(self.seen, |row| row.id);
            rows = later;
            let text = self.describe(now).await;
            let kind = if first.mark.is_some() { "agent" } else { "person" };
            self.line(first.at, kind, text).await;
        }
        Ok(())
    }

    async fn describe(&mut self, rows: &[Activity]) -> String {
        let Some(first) = rows.first() else { return String::new() };
        let who = self.name(first.actor.map(|id| id.0));
        let project = self.projects.iter().find(|project| Some(project.id) == first.project);
        let about = match (first.task, project) {
            (Some(task), _) => self.task(task).await,
            (None, Some(project)) => format!("project “{}”", project.name),
            (None, None) => first.entity.to_string(),
        };
        let what: Vec<String> = rows.iter().map(|row| self.change(row)).collect();
        format!("{who:<12}  {about}: {}", what.join(", "))
    }

    fn change(&self, row: &Activity) -> String {
        match (row.entity, row.field.as_str()) {
            (Entity::Comment(_), "created") => format!("“{}”", shortened(&row.after.to_string())),
            (_, "created") => "added".to_owned(),
            (_, "status") => {
                format!("status {} → {}", self.label(row, &row.before), self.label(row, &row.after))
            }
            (_, "assignee") => format!(
                "assignee {} → {}",
                self.name(row.before.as_int()),
                self.name(row.after.as_int())
            ),
            (_, "acceptance_criteria") => {
                format!("acceptance criteria “{}”", shortened(&row.after.to_string()))
            }
            (_, "tags") => tags(&row.before, &row.after),
            (_, field) => format!("{field} changed"),
        }
    }

    fn label(&self, row: &Activity, status: &Value) -> String {
        let project = self.projects.iter().find(|project| Some(project.id) == row.project);
        let id = status.as_int().map(crate::domain::StatusId);
        let label = project.zip(id).and_then(|(project, id)| project.status(id));
        label.map_or_else(|| status.to_string(), |label| label.label.clone())
    }

    fn name(&self, person: Option<i64>) -> String {
        let found = self.people.iter().find(|known| Some(known.id.0) == person);
        match (found, person) {
            (Some(known), _) => known.name.clone(),
            (None, Some(id)) => format!("person {id}"),
            (None, None) => "nobody".to_owned(),
        }
    }

    async fn task(&mut self, id: TaskId) -> String {
        if !self.headlines.contains_key(&id)
            && let Ok(Task { headline, .. }) = self.board.task(id).await
        {
            self.headlines.insert(id, headline);
        }
        match self.headlines.get(&id) {
            Some(headline) => format!("task {id} “{headline}”"),
            None => format!("task {id}"),
        }
    }

    /// Why tasks were not taken, each reason once.
    async fn refusals(&mut self) -> Result<(), LedgerError> {
        for task in (1..=20).map(TaskId) {
            let mut decisions = self.ledger.decisions_about_task(task, None).await?;
            decisions.reverse();
            let told = decisions.into_iter().filter(|d| d.run.is_none() && is_telling(d));
            for decision in told {
                let Decision { playbook, reason, detail, at, .. } = decision;
                if self.decisions.insert(format!("{task} {playbook} {reason} {detail}")) {
                    let about = self.task(task).await;
                    let text = format!(
                        "{:<12}  {about} not taken by {playbook}: {reason} ({detail})",
                        "refused"
                    );
                    self.line(at, "refused", text).await;
                }
            }
        }
        Ok(())
    }

    async fn ended_runs(&mut self) -> Result<(), LedgerError> {
        let mut runs = self.ledger.runs(&RunFilter::default(), LATEST_MAX).await?;
        runs.reverse();
        for run in runs {
            let Some(ended) = run.ended else { continue };
            if run.task.is_some() && self.runs.insert(run.id.to_string()) {
                let text = self.run_line(&run).await;
                self.line(ended, "run", text).await;
            }
        }
        Ok(())
    }

    async fn run_line(&mut self, run: &Run) -> String {
        let about = match run.task {
            Some(task) => self.task(task).await,
            None => run.playbook.to_string(),
        };
        let reason = run.reason.map_or("", crate::domain::Reason::code);
        let mut text =
            format!("{:<12}  {about}, {}: {} ({reason})", "run ended", run.playbook, run.state);
        if !run.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&run.detail);
        }
        if let Some(fence) = run.fence {
            let _ = write!(text, ", fence {fence}");
        }
        text
    }

    /// Messages, as people see them.
    async fn told(&mut self) -> Result<(), LedgerError> {
        let mut notices = self.ledger.notices(LATEST_MAX, None).await?;
        notices.reverse();
        for notice in notices {
            if self.notices.insert(notice.key.clone()) {
                let Notice { to, body, created, .. } = notice;
                let first = body.text.lines().next().unwrap_or_default().to_owned();
                let more = body.text.lines().count().saturating_sub(1);
                let rest = if more > 0 { format!(" (+{more} lines)") } else { String::new() };
                self.line(created, "notice", format!("{:<12}  {to}: {first}{rest}", "told")).await;
            }
        }
        Ok(())
    }
}

/// Refusals that say something about the task; that it is simply another sort of task, or that a
/// slot was taken for a moment, belongs to `rota why`.
fn is_telling(decision: &Decision) -> bool {
    use crate::domain::Reason;
    matches!(
        decision.reason,
        Reason::NoAcceptanceCriteria
            | Reason::NoEstimate
            | Reason::OpenBlockers
            | Reason::ExcludedTag
            | Reason::LostRace
            | Reason::AttemptsUsedUp
    )
}

fn ledger(error: &LedgerError) -> Failure {
    Failure::internal("the demo's ledger cannot be read").because(error)
}

fn tags(before: &Value, after: &Value) -> String {
    let list = |value: &Value| -> BTreeSet<String> {
        value.as_list().into_iter().flatten().map(ToString::to_string).collect()
    };
    let (before, after) = (list(before), list(after));
    let added = after.difference(&before).map(|tag| format!("+{tag}"));
    let removed = before.difference(&after).map(|tag| format!("−{tag}"));
    format!("tags {}", added.chain(removed).collect::<Vec<_>>().join(" "))
}

/// The first line of a comment, without Markdown's stars.
fn shortened(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().replace("**", "");
    if line.chars().count() <= COMMENT_CHARS {
        return line;
    }
    let cut: String = line.chars().take(COMMENT_CHARS).collect();
    let at_word = cut.rfind(' ').map_or(cut.as_str(), |end| &cut[..end]);
    format!("{at_word} …")
}
