//! What runs wrote, or propose to write, as reports tell it: a line for each write of the agent's own, and
//! for each that waits for a person.

use super::linked::linked;
use super::parts::Parts;
use crate::digest::one_line;
use crate::domain::{Effect, EffectActor, EffectResult, Entity, Playbook, Timestamp, Value};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// What a written thing is called by, the first that it has.
const HEADLINES: [&str; 6] = ["headline", "comment", "name", "title", "eventTitle", "description"];

/// The lines of these effects, in their order.
pub(super) async fn lines(parts: &Parts, playbook: &Playbook, effects: &[Effect]) -> Value {
    let names = Names::read(parts).await;
    let zone = playbook.on.zone;
    let lines = effects.iter().filter_map(|effect| line(effect, &names, zone)).collect();
    linked(Value::List(lines), &parts.settings.links)
}

/// Who and what the ids of an effect's fields stand for.
#[derive(Default)]
struct Names {
    people: BTreeMap<i64, String>,
    projects: BTreeMap<i64, String>,
}

impl Names {
    /// A report without names is better than none.
    async fn read(parts: &Parts) -> Self {
        let people = parts.board.people().await.unwrap_or_default();
        let projects = parts.board.projects().await.unwrap_or_default();
        Self {
            people: people.into_iter().map(|person| (person.id.0, person.name)).collect(),
            projects: projects.into_iter().map(|project| (project.id.0, project.name)).collect(),
        }
    }
}

fn line(effect: &Effect, names: &Names, zone: Tz) -> Option<Value> {
    let is_own = effect.actor == EffectActor::Agent && !effect.is_beside_board();
    let (entity, after) = match effect.result.as_ref()? {
        EffectResult::Done { entity, after, .. } if is_own => (*entity, after),
        EffectResult::Proposed { entity, after, .. } => (*entity, after),
        EffectResult::Done { .. }
        | EffectResult::Failed { .. }
        | EffectResult::Unknown
        | EffectResult::Recorded => return None,
    };
    let text = |key: &str| after.get(key).and_then(Value::as_text).filter(|text| !text.is_empty());
    let headline = HEADLINES.into_iter().find_map(text).map_or_else(
        || {
            let fields: Vec<&str> =
                after.as_map().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
            format!("{} ({})", effect.tool, fields.join(", "))
        },
        str::to_owned,
    );
    Some(Value::map([
        ("tool", Value::from(effect.tool.as_str())),
        ("reference", reference(entity, after).into()),
        ("headline", one_line(&headline).into()),
        ("notes", notes(after, names, zone).join(" · ").into()),
    ]))
}

/// What a line rests on: the written thing, else what it belongs to.
fn reference(entity: Entity, after: &Value) -> String {
    let is_named = matches!(entity, Entity::Task(_) | Entity::Milestone(_) | Entity::Project(_));
    if is_named && entity.number() != 0 {
        return entity.to_string();
    }
    let belongs = |key: &str, what: &str| Some(format!("{what} {}", after.get(key)?.as_int()?));
    [("task", "task"), ("parent", "task"), ("project", "project")]
        .into_iter()
        .find_map(|(key, what)| belongs(key, what))
        .unwrap_or_default()
}

/// Where, who, how long and when, as far as it says so.
fn notes(after: &Value, names: &Names, zone: Tz) -> Vec<String> {
    let known = |key: &str, of: &BTreeMap<i64, String>| {
        of.get(&after.get(key)?.as_int()?).map(|name| one_line(name))
    };
    let hours = after.get("hours").filter(|hours| !hours.is_null());
    let day = |key: &str| {
        let at: Timestamp = after.get(key)?.as_text()?.parse().ok()?;
        Some(at.with_timezone(&zone).format("%a %-d %b").to_string())
    };
    [
        known("project", &names.projects),
        known("assignee", &names.people),
        hours.map(|hours| format!("{hours} h")),
        after.get("day").and_then(Value::as_text).map(str::to_owned),
        day("due").map(|day| format!("due {day}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CommentId, Mark, RunId, TaskId, TimeEntryId, from_millis};

    fn told(tool: &str, entity: Entity, after: Value) -> Option<Value> {
        let result = EffectResult::Done {
            entity,
            before: Value::Null,
            after,
            inverse: None,
            at: from_millis(0),
        };
        told_of(tool, EffectActor::Agent, result)
    }

    fn told_of(tool: &str, actor: EffectActor, result: EffectResult) -> Option<Value> {
        let effect = Effect {
            mark: Mark { run: RunId::new("r-1"), seq: 1 },
            actor,
            tool: tool.to_owned(),
            bulk: None,
            args: Value::Null,
            claimed: None,
            fence: None,
            intended: from_millis(0),
            result: Some(result),
        };
        let names = Names {
            people: [(2, "Bo".to_owned())].into(),
            projects: [(1, "Website".to_owned())].into(),
        };
        line(&effect, &names, Tz::Europe__Berlin)
    }

    fn parts(value: &Value) -> [&str; 3] {
        ["reference", "headline", "notes"]
            .map(|key| value.get(key).and_then(Value::as_text).unwrap())
    }

    #[test]
    fn a_line_says_what_was_written_where_and_for_whom() {
        let task = Value::map([
            ("headline", Value::from("Send the\ninvoice")),
            ("project", 1.into()),
            ("assignee", 2.into()),
            ("due", "2026-10-30T22:59:59Z".into()),
        ]);
        let line = told("addTask", Entity::Task(TaskId(7)), task).unwrap();
        assert_eq!(parts(&line), ["task 7", "Send the invoice", "Website · Bo · due Fri 30 Oct"]);
        let comment = Value::map([("comment", Value::from("Late.")), ("project", 1.into())]);
        let line = told("addComment", Entity::Comment(CommentId(9)), comment).unwrap();
        assert_eq!(parts(&line), ["project 1", "Late.", "Website"]);
        let entry = Value::map([
            ("task", Value::from(7)),
            ("hours", 1.5.into()),
            ("day", "2026-10-23".into()),
        ]);
        let line = told("logTime", Entity::TimeEntry(TimeEntryId(0)), entry).unwrap();
        assert_eq!(parts(&line), ["task 7", "logTime (day, hours, task)", "1.5 h · 2026-10-23"]);
    }

    #[test]
    fn what_did_not_happen_and_what_rota_does_for_a_run_is_no_line() {
        let failed = EffectResult::Failed { code: "x".into(), message: "y".into() };
        assert_eq!(told_of("addTask", EffectActor::Agent, failed), None);
        assert_eq!(told_of("addTask", EffectActor::Agent, EffectResult::Recorded), None);
        let done = EffectResult::Done {
            entity: Entity::Task(TaskId(7)),
            before: Value::Null,
            after: Value::Null,
            inverse: None,
            at: from_millis(0),
        };
        assert_eq!(told_of("editTask", EffectActor::Rota, done), None);
        let proposed = EffectResult::Proposed {
            number: 1,
            entity: Entity::Task(TaskId(0)),
            before: Value::Null,
            after: Value::map([("headline", Value::from("A part")), ("parent", 7.into())]),
            revision: None,
        };
        let line = told_of("addSubtask", EffectActor::Rota, proposed).unwrap();
        assert_eq!(parts(&line), ["task 7", "A part", ""]);
    }
}
