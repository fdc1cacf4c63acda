//! What a template or step sees: the task with its names resolved, the run, what was gathered.

use crate::board::{self, Board};
use crate::domain::{
    Comment, CommentQuery, CommentTarget, Effect, EffectActor, EffectResult, Fence, Person, PersonKind,
    Project, Run, Task, Timestamp, Value,
};
use chrono::SecondsFormat;
use std::collections::BTreeMap;

/// At most so many comments of a task stand in a prompt, the latest ones.
const COMMENTS_MAX: usize = 50;

/// Everything a template of one run may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Brief {
    roots: BTreeMap<String, Value>,
}

impl Brief {
    /// The roots that every template has.
    pub(super) fn new(now: Timestamp, agent: &str, set: &BTreeMap<String, String>) -> Self {
        let mut brief = Self::default();
        brief.put("now", text_of(now));
        brief.put("agent", agent);
        brief.put("set", Value::map(set.iter().map(|(k, v)| (k.clone(), v.clone()))));
        brief.put("gathered", Value::Map(BTreeMap::new()));
        brief.put("earlier", Value::List(Vec::new()));
        brief
    }

    /// Sets one root.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.roots.insert(name.to_owned(), value.into());
    }

    /// The run and its claim.
    pub(super) fn put_run(&mut self, run: &Run, fence: Option<Fence>) {
        self.put(
            "run",
            Value::map([
                ("id", Value::from(run.id.as_str())),
                ("playbook", run.playbook.as_str().into()),
                ("attempt", run.attempt.into()),
                ("started", text_of(run.started).into()),
            ]),
        );
        let fence = fence.map(|f| i64::try_from(f.0).unwrap_or(i64::MAX));
        self.put("claim", Value::map([("fence", fence)]));
        self.put(
            "outcome",
            Value::map([
                ("name", run.outcome.clone().unwrap_or_default()),
                ("summary", run.summary.clone()),
            ]),
        );
    }

    /// The whole, as templates take it.
    pub(super) fn value(&self) -> Value {
        Value::Map(self.roots.clone())
    }
}

/// The task as templates see it.
pub(super) async fn task_value(board: &dyn Board, task: &Task) -> board::Result<(Value, Value)> {
    let project = board.project(task.project).await?;
    let people = board.people().await?;
    let comments = latest_comments(board, task).await?;
    Ok((describe_task(task, &project, &people, &comments), describe_project(&project)))
}

async fn latest_comments(board: &dyn Board, task: &Task) -> board::Result<Vec<Comment>> {
    let mut query = CommentQuery {
        on: Some(CommentTarget::Task(task.id)),
        limit: 1_000,
        ..CommentQuery::default()
    };
    let mut latest = std::collections::VecDeque::new();
    loop {
        let page = board.comments(&query).await?;
        query.after = page.items.last().map(|comment| comment.id);
        for comment in page.items {
            if latest.len() == COMMENTS_MAX {
                latest.pop_front();
            }
            latest.push_back(comment);
        }
        if page.next.is_none() || query.after.is_none() {
            return Ok(latest.into());
        }
    }
}

fn describe_project(project: &Project) -> Value {
    Value::map([
        ("id", Value::from(project.id.0)),
        ("name", project.name.as_str().into()),
        ("details", project.details.as_str().into()),
    ])
}

fn describe_task(task: &Task, project: &Project, people: &[Person], comments: &[Comment]) -> Value {
    let name = |id| people.iter().find(|p| Some(p.id) == id).map(|p| p.name.clone());
    let instant = |at: Option<Timestamp>| at.map(text_of);
    let status = project.status(task.status);
    Value::map([
        ("id", Value::from(task.id.0)),
        ("project", task.project.0.into()),
        ("project_name", project.name.as_str().into()),
        ("type", task.kind.as_str().into()),
        ("headline", task.headline.as_str().into()),
        ("description", task.description.as_str().into()),
        ("acceptance_criteria", task.acceptance_criteria.as_str().into()),
        ("status", task.status.0.into()),
        ("status_label", status.map(|s| s.label.clone()).into()),
        ("status_kind", project.kind_of(task.status).as_str().into()),
        ("priority", task.priority.into()),
        ("storypoints", task.storypoints.into()),
        ("plan_hours", task.plan_hours.into()),
        ("hours_remaining", task.hours_remaining.into()),
        ("tags", task.tags.clone().into()),
        ("author", task.author.map(|p| p.0).into()),
        ("author_name", name(task.author).into()),
        ("assignee", task.assignee.map(|p| p.0).into()),
        ("assignee_name", name(task.assignee).into()),
        ("due", instant(task.due).into()),
        ("work_from", instant(task.work_from).into()),
        ("work_to", instant(task.work_to).into()),
        ("milestone", task.milestone.map(|m| m.0).into()),
        ("sprint", task.sprint.map(|s| s.0).into()),
        ("parent", task.parent.map(|t| t.0).into()),
        ("blocked_by", task.blocked_by.iter().map(|t| t.0).collect::<Vec<_>>().into()),
        ("fields", Value::map(task.fields.clone())),
        ("created", text_of(task.created).into()),
        ("modified", text_of(task.modified).into()),
        ("revision", i64::try_from(task.revision).unwrap_or(i64::MAX).into()),
        ("comments", comments.iter().map(|c| describe_comment(c, people)).collect::<Vec<_>>().into()),
    ])
}

fn describe_comment(comment: &Comment, people: &[Person]) -> Value {
    let author = people.iter().find(|p| p.id == comment.author);
    Value::map([
        ("author", Value::from(author.map(|p| p.name.clone()))),
        ("is_agent", author.is_some_and(|p| p.kind == PersonKind::Agent).into()),
        ("text", comment.text.as_str().into()),
        ("at", text_of(comment.created).into()),
    ])
}

/// What earlier attempts did, so that the next one does not do it again.
pub(super) fn earlier_effects(effects: &[Effect]) -> Value {
    let lines = effects.iter().filter(|e| e.actor == EffectActor::Agent).map(|effect| {
        let became = match &effect.result {
            Some(EffectResult::Done { .. }) => "done",
            Some(EffectResult::Failed { .. }) => "failed",
            Some(EffectResult::Recorded) => "recorded only",
            Some(EffectResult::Unknown) | None => "unknown",
        };
        Value::map([
            ("tool", Value::from(effect.tool.as_str())),
            ("args", effect.args.to_string().into()),
            ("became", became.into()),
        ])
    });
    Value::List(lines.collect())
}

/// An instant as templates and tools exchange it: RFC 3339 in UTC.
pub(super) fn text_of(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
