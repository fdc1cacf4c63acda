//! A task as the server keeps it: columns read, and columns written.

use super::shelf::{Context, Known, Noted};
use super::wire::{Columns, Row};
use super::{dates, html};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result, check};
use crate::domain::{
    MilestoneId, PersonId, ProjectId, SprintId, StatusId, Task, TaskEdit, TaskId, TaskKind,
    Timestamp, from_millis,
};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Bytes of a long text.
const TEXT_BYTES_MAX: usize = 65_535;
/// What fits into a column of tags.
const TAGS_MAX: usize = 255;

pub(super) fn is_task(row: &Row) -> bool {
    row.text("type") != "milestone"
}

/// Lists and single tickets name some columns differently.
pub(super) fn regular(mut row: Row) -> Row {
    row.alias("userId", "authorId");
    row.alias("sortIndex", "sortindex");
    if row.has("collaborators") {
        let ids: Vec<Value> = row.ids("collaborators").into_iter().map(Value::from).collect();
        row.put("collaborators", ids);
    }
    for (text, loses) in TEXTS {
        if row.has(text) {
            row.put(loses, if html::loses(&row.text(text)) { "1" } else { "" });
        }
    }
    row
}

/// Long texts, and the columns made here that say whether writing them anew would lose something.
const TEXTS: [(&str, &str); 2] =
    [("description", "description loses"), ("acceptanceCriteria", "acceptanceCriteria loses")];

/// What people put into a text is not overwritten by one that was read without it.
pub(super) fn may_replace(sent: &Map<String, Value>, known: &Columns, before: &Task) -> Result<()> {
    let was = [&before.description, &before.acceptance_criteria];
    for ((text, loses), was) in TEXTS.into_iter().zip(was) {
        let has_more = known.get(loses).is_some_and(|loses| !loses.is_empty());
        let mut own = Row::default();
        own.put(text, html::to_html(was));
        let is_own = own.columns(&[text]).get(text) == known.get(text);
        if sent.contains_key(text) && has_more && !is_own {
            return Err(BoardError::Unsupported(format!(
                "the {text} of task {} holds pictures, tables or the like, which would be lost: \
                 change it in Leantime's pages, or write a comment",
                before.id
            )));
        }
    }
    Ok(())
}

fn kind_of(text: &str) -> TaskKind {
    text.parse().unwrap_or_default()
}

fn tags_of(text: &str) -> Vec<String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut tags: Vec<String> = words.map(str::to_owned).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn amount(row: &Row, name: &str) -> Option<f64> {
    row.number(name).filter(|number| *number > 0.0)
}

impl Noted for Task {
    const SHELF: &'static str = "task";
    const COLUMNS: &'static [&'static str] = &[
        "headline",
        "type",
        "description",
        "projectId",
        "editorId",
        "userId",
        "priority",
        "status",
        "date",
        "dateToFinish",
        "storypoints",
        "planHours",
        "hourRemaining",
        "sprint",
        "acceptanceCriteria",
        "tags",
        "editFrom",
        "editTo",
        "dependingTicketId",
        "milestoneid",
        "collaborators",
        "sortIndex",
        "description loses",
        "acceptanceCriteria loses",
    ];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let id = row.id("id").map(TaskId)?;
        let text = |column: &str, kept: fn(&Task) -> String| {
            known.or(column, kept, || html::from_html(&row.text(column)))
        };
        let at = |column: &str, kept: fn(&Task) -> Option<Timestamp>| {
            known.or(column, kept, || dates::read(&row.text(column)))
        };
        let number = |column: &str, kept: fn(&Task) -> Option<f64>| {
            known.or(column, kept, || amount(row, column))
        };
        let created = known.or(
            "date",
            |t| t.created,
            || dates::read(&row.text("date")).unwrap_or(context.now),
        );
        Some(Self {
            id,
            project: row.id("projectId").map(ProjectId)?,
            kind: kind_of(&row.text("type")),
            headline: known.or("headline", |t| t.headline.clone(), || row.text("headline")),
            description: text("description", |t| t.description.clone()),
            acceptance_criteria: text("acceptanceCriteria", |t| t.acceptance_criteria.clone()),
            status: StatusId(row.int("status")),
            priority: u8::try_from(row.int("priority")).ok().filter(|p| (1..=5).contains(p)),
            storypoints: number("storypoints", |t| t.storypoints),
            plan_hours: number("planHours", |t| t.plan_hours),
            hours_remaining: number("hourRemaining", |t| t.hours_remaining),
            tags: known.or("tags", |t| t.tags.clone(), || tags_of(&row.text("tags"))),
            author: row.id("userId").map(PersonId),
            assignee: row.id("editorId").map(PersonId),
            collaborators: known.or(
                "collaborators",
                |t| t.collaborators.clone(),
                || row.ids("collaborators").into_iter().map(PersonId).collect(),
            ),
            due: known.or(
                "dateToFinish",
                |t| t.due,
                || dates::due(&row.text("dateToFinish"), context.zone),
            ),
            work_from: at("editFrom", |t| t.work_from),
            work_to: at("editTo", |t| t.work_to),
            milestone: row.id("milestoneid").map(MilestoneId),
            sprint: row.id("sprint").map(SprintId),
            parent: row.id("dependingTicketId").map(TaskId),
            blocked_by: known.thing.map(|t| t.blocked_by.clone()).unwrap_or_default(),
            sort: row.int("sortIndex"),
            fields: known.thing.map(|t| t.fields.clone()).unwrap_or_default(),
            created,
            modified: known.thing.map_or(created, |t| t.modified),
            revision: known.thing.map_or(1, |t| t.revision),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        match before {
            None => rows.created(About::task(after), &after.headline),
            Some(before) => {
                if before.project != after.project {
                    let (old, new) = (before.project.0.into(), after.project.0.into());
                    rows.changed(About::task(after), "project", old, new);
                }
                rows.task(before, after, &every_field());
            }
        }
    }

    fn place_of(row: &Row) -> String {
        row.text("projectId")
    }

    fn grow(&mut self, at: Timestamp) {
        self.revision += 1;
        self.modified = at;
    }
}

/// An edit of each field that the server keeps, to ask it for the field's value.
fn every_field() -> Vec<TaskEdit> {
    vec![
        TaskEdit::Headline(String::new()),
        TaskEdit::Description(String::new()),
        TaskEdit::AcceptanceCriteria(String::new()),
        TaskEdit::Kind(TaskKind::Task),
        TaskEdit::Status(StatusId(0)),
        TaskEdit::Priority(None),
        TaskEdit::Storypoints(None),
        TaskEdit::PlanHours(None),
        TaskEdit::HoursRemaining(None),
        TaskEdit::AddTag(String::new()),
        TaskEdit::Assignee(None),
        TaskEdit::Collaborators(Vec::new()),
        TaskEdit::Due(None),
        TaskEdit::WorkFrom(None),
        TaskEdit::WorkTo(None),
        TaskEdit::Milestone(None),
        TaskEdit::Sprint(None),
        TaskEdit::Parent(None),
        TaskEdit::Sort(0),
    ]
}

/// A long text as it is sent.
pub(super) fn long_text(what: &str, markdown: &str) -> Result<String> {
    let text = html::to_html(markdown);
    if text.len() > TEXT_BYTES_MAX {
        return check::malformed(format!(
            "the {what} has {} bytes as HTML, which Leantime would cut off: expected at most \
             {TEXT_BYTES_MAX}",
            text.len()
        ));
    }
    Ok(text)
}

/// Characters that a column of 255 of four bytes at most takes.
pub(super) fn line(what: &str, text: &str) -> Result<String> {
    if text.chars().count() > 255 {
        return check::malformed(format!(
            "the {what} has more than 255 characters, which Leantime would cut off: expected fewer"
        ));
    }
    Ok(text.to_owned())
}

fn tags_to_send(tags: &[String]) -> Result<String> {
    if let Some(tag) = tags.iter().find(|tag| tag.contains(',')) {
        return check::malformed(format!(
            "tag {tag:?} has a comma, at which Leantime would part it: expected one without"
        ));
    }
    let all = tags.join(",");
    if all.chars().count() > TAGS_MAX {
        return check::malformed(format!(
            "all tags together have {} characters, which Leantime would cut off: expected at most \
             {TAGS_MAX}",
            all.chars().count()
        ));
    }
    Ok(all)
}

fn sort_to_send(sort: i64) -> Result<i64> {
    match i32::try_from(sort) {
        Ok(sort) => Ok(i64::from(sort)),
        Err(_) => check::malformed(format!(
            "place {sort} in a column: expected one of 32 bits, as Leantime keeps"
        )),
    }
}

/// What of a task is to be sent: what differs from what is there; everything for a new one.
pub(super) fn to_send(before: Option<&Task>, after: &Task, zone: Tz) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    let is_new = before.is_none();
    let blank = blank(after);
    let before = before.unwrap_or(&blank);
    let mut put = |name: &str, differs: bool, value: Value| {
        if differs {
            values.insert(name.to_owned(), value);
        }
    };
    let id = |id: Option<i64>| json!(id.unwrap_or(0));
    let at = |at: Option<Timestamp>| json!(at.map(dates::instant).unwrap_or_default());
    let hours = |hours: Option<f64>| json!(hours.unwrap_or(0.0));
    put("headline", before.headline != after.headline, line("headline", &after.headline)?.into());
    let text = long_text("description", &after.description)?;
    put("description", before.description != after.description, text.into());
    let text = long_text("acceptance criteria", &after.acceptance_criteria)?;
    let differs = before.acceptance_criteria != after.acceptance_criteria;
    put("acceptanceCriteria", differs, text.into());
    put("type", is_new || before.kind != after.kind, after.kind.as_str().into());
    put("status", is_new || before.status != after.status, after.status.0.into());
    let priority = after.priority.map_or_else(|| json!(""), |p| json!(p.to_string()));
    put("priority", before.priority != after.priority, priority);
    put("storypoints", before.storypoints != after.storypoints, hours(after.storypoints));
    put("planHours", before.plan_hours != after.plan_hours, hours(after.plan_hours));
    let differs = before.hours_remaining != after.hours_remaining;
    put("hourRemaining", differs, hours(after.hours_remaining));
    put("tags", before.tags != after.tags, tags_to_send(&after.tags)?.into());
    let who = after.assignee.map_or_else(|| json!(""), |who| json!(who.0));
    put("editorId", is_new || before.assignee != after.assignee, who);
    let people: Vec<i64> = after.collaborators.iter().map(|who| who.0).collect();
    put("collaborators", before.collaborators != after.collaborators, json!(people));
    let due = after.due.map(|due| dates::due_to_send(due, zone)).unwrap_or_default();
    put("dateToFinish", before.due != after.due, due.into());
    put("editFrom", before.work_from != after.work_from, at(after.work_from));
    put("editTo", before.work_to != after.work_to, at(after.work_to));
    let milestone = id(after.milestone.map(|m| m.0));
    put("milestoneid", before.milestone != after.milestone, milestone);
    put("sprint", before.sprint != after.sprint, id(after.sprint.map(|s| s.0)));
    put("dependingTicketId", before.parent != after.parent, id(after.parent.map(|t| t.0)));
    put("sortIndex", before.sort != after.sort, sort_to_send(after.sort)?.into());
    Ok(values)
}

/// A task about which nothing is said.
fn blank(of: &Task) -> Task {
    Task {
        headline: String::new(),
        description: String::new(),
        acceptance_criteria: String::new(),
        priority: None,
        storypoints: None,
        plan_hours: None,
        hours_remaining: None,
        tags: Vec::new(),
        assignee: None,
        collaborators: Vec::new(),
        due: None,
        work_from: None,
        work_to: None,
        milestone: None,
        sprint: None,
        parent: None,
        blocked_by: Vec::new(),
        sort: 0,
        fields: BTreeMap::new(),
        created: from_millis(0),
        ..of.clone()
    }
}

/// The columns that are not as they were sent.
pub(super) fn disagreeing(sent: &Map<String, Value>, row: &Row) -> Vec<String> {
    let mut other = Row::default();
    sent.iter().for_each(|(name, value)| other.put(name, value.clone()));
    let is_kept = |name: &str| match name {
        "dateToFinish" | "editFrom" | "editTo" => {
            dates::read(&other.text(name)) == dates::read(&row.text(name))
        }
        "storypoints" | "planHours" | "hourRemaining" => {
            let of = |row: &Row| row.number(name).unwrap_or(0.0);
            (of(&other) - of(row)).abs() <= of(&other).abs() * 1e-6
        }
        "headline" | "description" | "acceptanceCriteria" | "tags" | "type" => {
            other.text(name) == row.text(name)
        }
        "collaborators" => other.ids(name) == row.ids(name),
        _ => other.int(name) == row.int(name),
    };
    sent.keys().filter(|name| !is_kept(name)).cloned().collect()
}
