//! How a calendar is shown: what has instants, in the zone of whoever asks; what has days, in days.

use super::Names;
use crate::domain::{Scheduled, When};
use schemars::JsonSchema;
use serde::Serialize;

/// What one person has to do in a span.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct CalendarView {
    pub person: i64,
    pub person_name: Option<String>,
    /// The span that was meant: its first instant.
    pub from: String,
    /// The first instant after it.
    pub until: String,
    /// Whole days first, then by begin.
    pub items: Vec<CalendarItem>,
}

/// An event, or a task whose work is planned.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct CalendarItem {
    /// event or task.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of the event or task.
    pub id: i64,
    pub title: String,
    pub all_day: bool,
    /// An instant in the caller's zone; the first day of what is all day.
    pub from: Option<String>,
    /// An instant; the last day, which is still meant.
    pub to: Option<String>,
    pub description: String,
    pub location: Option<String>,
    pub project: Option<i64>,
    pub project_name: Option<String>,
    pub status_label: Option<String>,
    /// Grows by one with every change.
    pub revision: u64,
}

impl Names {
    pub(in crate::tools) fn scheduled(&self, scheduled: Scheduled) -> CalendarItem {
        let when = scheduled.when();
        let local = |at: crate::domain::Timestamp| at.with_timezone(&self.zone).to_rfc3339();
        let (from, to) = match when {
            Some(When::Timed(span)) => (Some(local(span.from)), Some(local(span.to))),
            Some(When::Days { first, last }) => (Some(first.to_string()), Some(last.to_string())),
            None => (None, None),
        };
        let all_day = matches!(when, Some(When::Days { .. }));
        match scheduled {
            Scheduled::Event(event) => CalendarItem {
                kind: "event",
                id: event.id.0,
                title: event.title,
                all_day,
                from,
                to,
                description: event.description,
                location: Some(event.location).filter(|place| !place.is_empty()),
                project: None,
                project_name: None,
                status_label: None,
                revision: event.revision,
            },
            Scheduled::Task(task) => {
                let project = self.projects.get(&task.project);
                let status = project.and_then(|project| project.status(task.status));
                CalendarItem {
                    kind: "task",
                    id: task.id.0,
                    all_day,
                    from,
                    to,
                    location: None,
                    project: Some(task.project.0),
                    project_name: project.map(|project| project.name.clone()),
                    status_label: status.map(|status| status.label.clone()),
                    revision: task.revision,
                    title: task.headline,
                    description: task.description,
                }
            }
        }
    }
}
