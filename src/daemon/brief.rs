//! What a template or step sees. The names are those of [`crate::template::vocabulary`]; one without
//! a value is `null`, never missing.

use crate::board::{self, Board};
use crate::domain::{
    Arrival, Comment, CommentQuery, CommentTarget, Effect, EffectActor, EffectResult, Person,
    PersonKind, Playbook, Project, RUN_CHECK, Run, Task, Timestamp, Value,
};
use crate::template::vocabulary;
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
    /// All names, most of them without a value yet.
    pub(super) fn new(now: Timestamp, playbook: &Playbook, set: &BTreeMap<String, String>) -> Self {
        let mut brief = Self::default();
        let names = vocabulary::args().into_iter().chain(vocabulary::report());
        for name in names {
            brief.put(name, Value::Null);
        }
        let zone = playbook.on.zone;
        brief.roots.extend(vocabulary::instants(now, zone));
        brief.put("now", text_of(now));
        brief.put("zone", zone.name());
        brief.put("agent", playbook.agent.as_str());
        brief.put(
            "playbook",
            Value::map([
                ("name", playbook.name.as_str()),
                ("description", playbook.description.as_str()),
            ]),
        );
        brief.put("outcomes", playbook.outcomes.keys().cloned().collect::<Vec<_>>());
        let set = playbook.set.iter().chain(set);
        brief.put("set", Value::map(set.map(|(k, v)| (k.clone(), v.clone()))));
        for list in ["earlier", "missing", "findings", "tasks", "problems", "changes"] {
            brief.put(list, Value::List(Vec::new()));
        }
        brief.put("gathered", Value::Map(BTreeMap::new()));
        brief
    }

    /// Sets one name.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.roots.insert(name.to_owned(), value.into());
    }

    /// The run and its claim.
    pub(super) fn put_run(&mut self, run: &Run, attempts_max: u32) {
        self.put(
            "run",
            Value::map([
                ("id", Value::from(run.id.as_str())),
                ("playbook", run.playbook.as_str().into()),
                ("attempt", run.attempt.into()),
                ("attempts_max", attempts_max.into()),
            ]),
        );
        let fence = run.fence.map(|f| i64::try_from(f.0).unwrap_or(i64::MAX));
        self.put("claim", fence.map(|fence| Value::map([("fence", fence)])));
    }

    /// The ids that `args` may name.
    pub(super) fn put_projects(&mut self, all: &[Project], selected: &[crate::domain::ProjectId]) {
        self.put("all_project_ids", all.iter().map(|p| p.id.0).collect::<Vec<_>>());
        let selected: Vec<i64> = if selected.is_empty() {
            all.iter().map(|p| p.id.0).collect()
        } else {
            selected.iter().map(|id| id.0).collect()
        };
        self.put("project_ids", selected);
    }

    /// One value.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.roots.get(name)
    }

    /// The whole, as templates take it.
    pub(super) fn value(&self) -> Value {
        Value::Map(self.roots.clone())
    }
}

/// The task and its project as templates see them.
pub(super) async fn describe(
    board: &dyn Board,
    task: &Task,
    url: Option<String>,
) -> board::Result<(Value, Value)> {
    let project = board.project(task.project).await?;
    let people = board.people().await?;
    let comments = latest_comments(board, task).await?;
    Ok((describe_task(task, &project, &people, &comments, url), describe_project(&project)))
}

async fn latest_comments(board: &dyn Board, task: &Task) -> board::Result<Vec<Comment>> {
    let query = CommentQuery {
        on: Some(CommentTarget::Task(task.id)),
        limit: COMMENTS_MAX,
        latest_first: true,
        ..CommentQuery::default()
    };
    let mut latest = board.comments(&query).await?.items;
    latest.reverse();
    Ok(latest)
}

fn describe_project(project: &Project) -> Value {
    let statuses = project.statuses.iter().map(|s| s.label.clone()).collect::<Vec<_>>();
    Value::map([
        ("id", Value::from(project.id.0)),
        ("name", project.name.as_str().into()),
        ("details", project.details.as_str().into()),
        ("statuses", statuses.into()),
    ])
}

fn describe_task(
    task: &Task,
    project: &Project,
    people: &[Person],
    comments: &[Comment],
    url: Option<String>,
) -> Value {
    let name = |id| people.iter().find(|p| Some(p.id) == id).map(|p| p.name.clone());
    let mut map = match plain(task) {
        Value::Map(map) => map,
        _ => BTreeMap::new(),
    };
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("project_name", project.name.as_str().into());
    put("status_label", project.status(task.status).map(|s| s.label.clone()).into());
    put("status_kind", project.kind_of(task.status).as_str().into());
    put("author_name", name(task.author).into());
    put("assignee_name", name(task.assignee).into());
    put("url", url.into());
    put("outcome", Value::Null);
    put("state", Value::Null);
    put(
        "comments",
        comments.iter().map(|c| describe_comment(c, people)).collect::<Vec<_>>().into(),
    );
    Value::Map(map)
}

/// What another program told, as templates see it.
pub(super) fn describe_arrival(arrival: &Arrival) -> Value {
    let payload = serde_json::from_str::<Value>(&arrival.text).unwrap_or(Value::Null);
    Value::map([
        ("name", Value::from(arrival.name.as_str())),
        ("delivery", arrival.delivery.as_str().into()),
        ("payload", payload),
        ("text", arrival.text.as_str().into()),
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

/// What a run changed, so that the next one does not do it again. A check it does have run again: it is
/// evidence for its own run alone.
pub(super) fn effect_lines(attempt: u32, effects: &[Effect]) -> Vec<Value> {
    let is_own = |effect: &&Effect| effect.actor == EffectActor::Agent && effect.tool != RUN_CHECK;
    let own = effects.iter().filter(is_own);
    own.map(|effect| {
        let (entity, summary) = match &effect.result {
            Some(EffectResult::Done { after, .. }) if effect.is_beside_board() => {
                ("the review".to_owned(), after.to_string())
            }
            Some(EffectResult::Done { entity, after, .. }) => {
                (entity.to_string(), after.to_string())
            }
            Some(EffectResult::Failed { message, .. }) => {
                (String::new(), format!("failed: {message}"))
            }
            Some(EffectResult::Proposed { number, .. }) => {
                (String::new(), format!("proposed as number {number}; a person decides"))
            }
            Some(EffectResult::Recorded) => (String::new(), "recorded only".to_owned()),
            Some(EffectResult::Unknown) | None => {
                (String::new(), "it is not known whether it happened".to_owned())
            }
        };
        Value::map([
            ("attempt", Value::from(attempt)),
            ("tool", effect.tool.as_str().into()),
            ("entity", entity.into()),
            ("summary", summary.into()),
        ])
    })
    .collect()
}

/// Any record as a value.
pub(super) fn plain(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).and_then(serde_json::from_value).unwrap_or(Value::Null)
}

/// An instant as templates and tools exchange it: RFC 3339 in UTC.
pub(super) fn text_of(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CODE_COMMENT, Entity, Mark, RunId, from_millis};

    #[test]
    fn a_check_is_not_among_what_is_not_to_be_done_again() {
        let effect = |tool: &str, entity| Effect {
            mark: Mark { run: RunId::new("r-1"), seq: 1 },
            actor: EffectActor::Agent,
            tool: tool.to_owned(),
            bulk: None,
            args: Value::Null,
            claimed: None,
            fence: None,
            intended: from_millis(0),
            result: Some(EffectResult::Done {
                entity,
                before: Value::Null,
                after: Value::map([("text", "x")]),
                inverse: None,
                at: from_millis(0),
            }),
        };
        let effects = [
            effect(RUN_CHECK, Entity::Outside),
            effect(CODE_COMMENT, Entity::Outside),
            effect("calendar:send", Entity::Outside),
        ];
        let lines = effect_lines(1, &effects);
        let entities: Vec<_> =
            lines.iter().map(|line| line.get("entity").and_then(Value::as_text).unwrap()).collect();
        assert_eq!(entities.len(), 2);
        assert_eq!(entities[0], "the review");
        assert!(entities[1].starts_with("something outside"));
    }
}
