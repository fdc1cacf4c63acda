//! Who has to say what in the morning.

use super::read::{self, dates};
use super::view::{
    LineView, SectionView, counted, day_text, due_note, filled, line, project_of, status_of,
    task_line, tasks_text, time_text,
};
use crate::domain::{
    PersonId, Role, Scheduled, Span, StatusKind, TaskQuery, Timestamp, Value, When,
};
use crate::reckon::{Seen, Standup, Stuck, last_workday, midnight, standup};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tool() -> Definition {
    Definition::read::<GetStandup, StandupView>(
        Words {
            name: "getStandup",
            title: "Get a standup",
            description: "For each person: what was finished since the last working day (on a Monday since \
                Friday; holidays of the playbook that asks do not count), what is for today with the calendar, what is blocked or overdue. Example: \
                {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website", "on": "today"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(get(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetStandup {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
    /// Who; absent: everybody.
    user_id: Option<OneOrMany<IdOrName>>,
    /// The day; default today.
    on: Option<String>,
}

/// What a person has to say.
#[derive(Serialize, JsonSchema)]
struct PersonStandup {
    person: i64,
    name: String,
    /// Done, Today, Calendar, Blocked or overdue: those that have lines.
    sections: Vec<SectionView>,
}

/// A standup.
#[derive(Serialize, JsonSchema)]
struct StandupView {
    /// Such as `Monday 26 October 2026`.
    day: String,
    date: String,
    /// The last working day before it, such as `Friday 23 October`.
    since: String,
    /// The counts as a sentence.
    summary: String,
    /// Those who have something to say.
    people: Vec<PersonStandup>,
    /// Nobody has anything to say.
    quiet: bool,
}

async fn get(parts: &Parts, context: &Context, args: GetStandup) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let people = read::people(&directory, args.user_id)?;
    let day = read::day_or(dates(parts, context), "on", args.on.as_deref(), "today")?;
    let before = last_workday(day, &read::holidays(context));
    let zone = context.zone;
    let next = day.succ_opt().unwrap_or(day);
    let today = Span { from: midnight(day, zone), to: midnight(next, zone) };
    let since = midnight(before, zone);
    let open = TaskQuery {
        projects: projects.clone(),
        kinds_of_status: read::open_kinds(),
        ..TaskQuery::default()
    };
    let mut tasks = read::tasks(parts, &directory, open).await?;
    let open = read::open_ids(parts, &directory, &tasks).await?;
    let done = TaskQuery {
        projects,
        kinds_of_status: vec![StatusKind::Done],
        modified_from: Some(since),
        ..TaskQuery::default()
    };
    let done = read::tasks(parts, &directory, done).await?;
    let done_at = read::done_since(parts, &directory, &done, since).await?;
    tasks.extend(done);
    let mut told = Vec::new();
    for person in people {
        let said = standup(person, &tasks, &done_at, &open, (since, today));
        let calendar = events(parts, context, person, day).await;
        let room = Room { directory: &directory, context, day, before, today: today.from };
        told.extend(room.person(person, &said, calendar));
    }
    let sum = |title: &str| -> u64 {
        let sections = told.iter().flat_map(|one: &PersonStandup| &one.sections);
        sections.filter(|section| section.title.starts_with(title)).map(|s| s.count).sum()
    };
    let summary = format!(
        "{}: {} done, {} for today, {} blocked or overdue",
        counted(told.len(), "person", "people"),
        sum("Done"),
        sum("Today"),
        sum("Blocked"),
    );
    Ok(show::value(&StandupView {
        day: day.format("%A %-d %B %Y").to_string(),
        date: day.to_string(),
        since: before.format("%A %-d %B").to_string(),
        summary,
        quiet: told.is_empty(),
        people: told,
    }))
}

/// What is in a person's calendar that day; a calendar that cannot be read says so.
async fn events(
    parts: &Parts,
    context: &Context,
    person: PersonId,
    day: NaiveDate,
) -> Vec<LineView> {
    let Ok(found) = read::calendar(parts, context, person, (day, day)).await else {
        return vec![line("the calendar could not be read", &[])];
    };
    let events = found.iter().filter_map(|one| match one {
        Scheduled::Event(event) => Some(event),
        Scheduled::Task(_) => None,
    });
    let shown = events.map(|event| {
        let when = match event.when {
            When::Timed(span) => {
                format!(
                    "{}–{}",
                    time_text(span.from, context.zone),
                    time_text(span.to, context.zone)
                )
            }
            When::Days { .. } => "all day".to_owned(),
        };
        line(&format!("{when} {}", event.title), std::slice::from_ref(&event.location))
    });
    shown.collect()
}

/// Where lines are put into words.
struct Room<'a> {
    directory: &'a Directory,
    context: &'a Context,
    day: NaiveDate,
    before: NaiveDate,
    today: Timestamp,
}

impl Room<'_> {
    fn person(
        &self,
        person: PersonId,
        said: &Standup<'_>,
        calendar: Vec<LineView>,
    ) -> Option<PersonStandup> {
        if said.is_empty() && calendar.is_empty() {
            return None;
        }
        let names = &self.directory.names;
        let when = if self.day.pred_opt() == Some(self.before) {
            "Done yesterday".to_owned()
        } else {
            format!("Done since {}", self.before.format("%A"))
        };
        let done =
            said.done.iter().map(|seen| task_line(&seen.task, &[project_of(names, &seen.task)]));
        let sections = filled(vec![
            SectionView::new(when, done.collect()),
            SectionView::new(
                "Today",
                said.today.iter().map(|seen| self.today_line(seen)).collect(),
            ),
            SectionView::new("Calendar", calendar),
            SectionView::new(
                "Blocked or overdue",
                said.stuck.iter().map(|(seen, stuck)| self.stuck_line(seen, stuck)).collect(),
            ),
        ]);
        let name = crate::digest::one_line(&names.person(Some(person)).unwrap_or_default());
        Some(PersonStandup { person: person.0, name, sections })
    }

    fn today_line(&self, seen: &Seen) -> LineView {
        let names = &self.directory.names;
        let mut notes = vec![project_of(names, &seen.task), status_of(names, &seen.task)];
        notes.extend(due_note(&seen.task, self.context.zone));
        task_line(&seen.task, &notes)
    }

    fn stuck_line(&self, seen: &Seen, stuck: &Stuck) -> LineView {
        let names = &self.directory.names;
        let mut notes = vec![project_of(names, &seen.task)];
        if stuck.is_blocked {
            notes.push(status_of(names, &seen.task));
        }
        if !stuck.waits_for.is_empty() {
            notes.push(format!("waits for {}", tasks_text(&stuck.waits_for)));
        }
        if let (true, Some(due)) = (seen.is_overdue(self.today), seen.task.due) {
            notes.push(format!("was due {}", day_text(due, self.context.zone)));
        }
        task_line(&seen.task, &notes)
    }
}
