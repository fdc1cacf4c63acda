//! `select.where` as the planner asks it: compiled once, and given no more of a task than it reads.

use crate::domain::{Timestamp, Value};
use crate::expression::{Expression, Facts, Member, SELECT_NAMES};
use crate::schedule::{Condition, Subject};
use std::sync::Arc;

/// A condition from its text; one that cannot be read says so for each task.
pub fn compile(text: &str) -> Arc<dyn Condition> {
    Arc::new(Where(Expression::compile(text, &SELECT_NAMES).map_err(|fault| fault.to_string())))
}

/// `select.where`, compiled; or why it could not be, told for each task.
#[derive(Debug)]
struct Where(Result<Expression, String>);

impl Condition for Where {
    fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        self.0.as_ref().map_err(Clone::clone)?.evaluate(&TaskFacts(*subject))
    }
}

/// What `where` is asked about. Most conditions read one or two plain fields of the task: these are
/// handed out as they are, everything else as the records' JSON has it.
struct TaskFacts<'a>(Subject<'a>);

impl Facts for TaskFacts<'_> {
    fn now(&self) -> Timestamp {
        self.0.now
    }

    fn whole(&self, name: &str) -> Option<Value> {
        match name {
            "task" => plain(self.0.task),
            "project" => self.0.project.map_or(Some(Value::Null), plain),
            "agent" => Some(self.0.agent.into()),
            _ => None,
        }
    }

    fn member(&self, name: &str, member: &str) -> Option<Member<'_>> {
        let task = self.0.task;
        let whole = |number: Option<i64>| number.map_or(Member::Null, Member::Int);
        let float = |number: Option<f64>| number.map_or(Member::Null, Member::Float);
        let at = |at: Option<Timestamp>| at.map_or(Member::Null, Member::At);
        if name != "task" {
            return None;
        }
        Some(match member {
            "id" => Member::Int(task.id.0),
            "project" => Member::Int(task.project.0),
            "kind" => Member::Text(task.kind.as_str()),
            "headline" => Member::Text(&task.headline),
            "description" => Member::Text(&task.description),
            "acceptance_criteria" => Member::Text(&task.acceptance_criteria),
            "status" => Member::Int(task.status.0),
            "priority" => whole(task.priority.map(i64::from)),
            "storypoints" => float(task.storypoints),
            "plan_hours" => float(task.plan_hours),
            "hours_remaining" => float(task.hours_remaining),
            "author" => whole(task.author.map(|id| id.0)),
            "assignee" => whole(task.assignee.map(|id| id.0)),
            "due" => at(task.due),
            "work_from" => at(task.work_from),
            "work_to" => at(task.work_to),
            "milestone" => whole(task.milestone.map(|id| id.0)),
            "parent" => whole(task.parent.map(|id| id.0)),
            "sort" => Member::Int(task.sort),
            "created" => Member::At(task.created),
            "modified" => Member::At(task.modified),
            _ => return None,
        })
    }
}

/// Any record as a value.
fn plain(record: &impl serde::Serialize) -> Option<Value> {
    let json = serde_json::to_value(record).ok()?;
    serde_json::from_value(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Task, TaskId, from_millis};

    fn task(is_full: bool) -> Task {
        let json = if is_full { FULL } else { BARE };
        let task: Task = serde_json::from_str(json).unwrap();
        assert_eq!(task.id, TaskId(7));
        task
    }

    const FULL: &str = r#"{"id":7,"project":3,"kind":"bug","headline":"Mend \"it\"","description":"a\nb",
        "acceptance_criteria":"é","status":4,"priority":2,"storypoints":2.5,"plan_hours":8.0,
        "hours_remaining":0.0,"tags":["x"],"author":1,"assignee":2,"collaborators":[1,2],
        "due":"2026-11-22T08:00:00.250Z","work_from":"2026-11-20T00:00:00Z",
        "work_to":"2026-11-21T00:00:00Z","milestone":5,"sprint":6,"parent":9,"blocked_by":[8],
        "sort":-3,"fields":{"branch":"main"},"created":"1969-12-31T23:59:59.999Z",
        "modified":"2026-11-01T12:00:00Z","revision":12}"#;
    const BARE: &str = r#"{"id":7,"project":3,"kind":"task","headline":"","description":"",
        "acceptance_criteria":"","status":0,"priority":null,"storypoints":null,"plan_hours":null,
        "hours_remaining":null,"tags":[],"author":null,"assignee":null,"collaborators":[],
        "due":null,"work_from":null,"work_to":null,"milestone":null,"sprint":null,"parent":null,
        "blocked_by":[],"sort":0,"fields":{},"created":"2026-11-01T12:00:00Z",
        "modified":"2026-11-01T12:00:00Z","revision":1}"#;

    /// The same task without short cuts.
    struct Whole<'a>(TaskFacts<'a>);

    impl Facts for Whole<'_> {
        fn now(&self) -> Timestamp {
            self.0.now()
        }
        fn whole(&self, name: &str) -> Option<Value> {
            self.0.whole(name)
        }
    }

    #[test]
    fn a_field_that_is_handed_out_by_itself_is_the_one_of_the_whole_task() {
        for task in [task(true), task(false)] {
            let now = from_millis(1_795_000_000_000);
            let subject = Subject { task: &task, project: None, now, agent: "AI" };
            let Some(Value::Map(fields)) = plain(&task) else { panic!("no object") };
            for field in fields.keys() {
                // Bound by a macro, the task is looked into as a whole.
                let text = format!("[task].all(t, t.{field} == task.{field})");
                let expression = Expression::compile(&text, &SELECT_NAMES).unwrap();
                assert_eq!(expression.evaluate(&TaskFacts(subject)), Ok(true), "{text}");
            }
            for text in [
                "task.due != null && task.due < now",
                "size(task.acceptance_criteria) > 0 && task.priority <= 3",
                "'x' in task.tags && task.fields.branch == 'main'",
                "has(task.nothing) || task.kind == 'bug'",
                "task.nothing == 1",
                "task.headline.contains('it') && agent == 'AI' && project == null",
                "[1].exists(task, task == 1)",
                "task.sprint == 6 && task.blocked_by == [8]",
            ] {
                let expression = Expression::compile(text, &SELECT_NAMES).unwrap();
                let whole = expression.evaluate(&Whole(TaskFacts(subject)));
                assert_eq!(expression.evaluate(&TaskFacts(subject)), whole, "{text}");
            }
        }
    }
}
