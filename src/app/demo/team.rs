//! The sample team, its board as it stands in the morning, and what its people do in the course of
//! the day. They act through the same tools as everybody.

use crate::app::failure::Failure;
use crate::board::Board;
use crate::clock::ManualClock;
use crate::domain::{
    Initiative, NewPerson, Person, PersonKind, Principal, Role, Stamp, TaskId, Timestamp, Value,
};
use crate::tools::{Context, ToolRegistry};
use chrono::{TimeDelta, TimeZone as _};
use chrono_tz::{Europe::London, Tz};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Where the team lives: in November the same as UTC.
pub(super) const ZONE: Tz = London;

/// The day: a Tuesday.
pub(super) fn at(day: u32, hour: u32, minute: u32) -> Timestamp {
    ZONE.with_ymd_and_hms(2026, 11, day, hour, minute, 0)
        .earliest()
        .map_or(crate::domain::from_millis(0), |at| at.to_utc())
}

/// What the day begins with.
pub(super) const MORNING: (u32, u32, u32) = (24, 8, 5);

/// The people of the team.
pub(super) struct Team {
    pub tools: Arc<ToolRegistry>,
    pub maria: Person,
    pub jonas: Person,
}

impl Team {
    /// Two people and a board that has been in use for a while.
    pub(super) async fn gather(
        board: &dyn Board,
        tools: Arc<ToolRegistry>,
        clock: &ManualClock,
    ) -> Result<Self, Failure> {
        let maria = person(board, "Maria", Role::Owner).await?;
        let jonas = person(board, "Jonas", Role::Manager).await?;
        let team = Self { tools, maria, jonas };
        clock.step_wall(at(14, 10, 0));
        team.project().await?;
        team.tasks_of_last_week().await?;
        to(clock, at(23, 16, 30));
        team.tasks_of_yesterday().await?;
        to(clock, at(MORNING.0, MORNING.1, MORNING.2));
        Ok(team)
    }

    async fn project(&self) -> Result<(), Failure> {
        let statuses = json!([
            { "label": "New", "kind": "new" },
            { "label": "Changes Requested", "kind": "new" },
            { "label": "In Progress", "kind": "in_progress" },
            { "label": "Blocked", "kind": "blocked" },
            { "label": "Ready for Review", "kind": "waiting" },
            { "label": "Approved", "kind": "waiting" },
            { "label": "Done", "kind": "done" },
        ]);
        self.maria_does("addProject", &json!({ "name": "Web shop", "statuses": statuses })).await?;
        self.maria_does(
            "addMilestone",
            &json!({
                "headline": "Release 2.4", "projectId": 1, "color": "#2f855a", "editorId": "Maria",
                "editFrom": "2026-11-14", "editTo": "2026-11-28",
            }),
        )
        .await
    }

    /// Task 1 to 3: one that nobody has touched for long, one that is late, a finished feature.
    async fn tasks_of_last_week(&self) -> Result<(), Failure> {
        self.task("Redesign the footer", &json!({ "status": "In Progress", "editorId": "Jonas" }))
            .await?;
        self.task(
            "Order the new database server",
            &json!({ "status": "In Progress", "editorId": "Jonas", "dateToFinish": "2026-11-23" }),
        )
        .await?;
        self.task(
            "Dark mode",
            &json!({ "type": "story", "editorId": "Maria", "status": "In Progress" }),
        )
        .await
    }

    /// Task 4 to 9: what agents may take, and what keeps them off.
    async fn tasks_of_yesterday(&self) -> Result<(), Failure> {
        self.jonas_does(
            "addComment",
            &json!({ "module": "project", "entityId": 1, "status": "yellow",
                     "text": "Release 2.4 waits for the database server." }),
        )
        .await?;
        self.jonas_does(
            "addComment",
            &json!({ "module": "ticket", "entityId": 3, "text": "Looks good on my phone." }),
        )
        .await?;
        let login = json!({
            "tags": ["AI-Suitable"], "priority": 1, "dateToFinish": "2026-11-24",
            "description": "After the login everybody lands on the start page.",
            "acceptanceCriteria": "People land on the page they asked for. An expired session works too.",
        });
        self.task("Fix the login redirect", &login).await?;
        let notes = json!({
            "tags": ["AI-Suitable"], "priority": 2,
            "acceptanceCriteria": "What is new, what was mended, how to upgrade.",
        });
        self.task("Write the release notes for 2.4", &notes).await?;
        self.task("Make the search faster", &json!({ "tags": ["AI-Suitable"], "priority": 3 }))
            .await?;
        let database = json!({
            "tags": ["AI-Suitable"], "priority": 3, "params": { "addDependencies": [2] },
            "acceptanceCriteria": "Rehearsed on a copy; the steps are written down.",
        });
        self.task("Move the database", &database).await?;
        let key = json!({
            "tags": ["AI-Suitable", "AI-Stop"], "acceptanceCriteria": "The old name still works.",
        });
        self.task("Rename the API key setting", &key).await?;
        self.task(
            "Send the invoice template to Finance",
            &json!({ "editorId": "Maria", "dateToFinish": "2026-11-26" }),
        )
        .await
    }

    async fn task(&self, headline: &str, more: &serde_json::Value) -> Result<(), Failure> {
        let args = json!({ "headline": headline, "projectId": 1 });
        self.maria_does("addTask", &merged(&args, more)).await
    }

    pub(super) async fn maria_does(
        &self,
        tool: &str,
        args: &serde_json::Value,
    ) -> Result<(), Failure> {
        self.does(&self.maria, tool, args).await
    }

    pub(super) async fn jonas_does(
        &self,
        tool: &str,
        args: &serde_json::Value,
    ) -> Result<(), Failure> {
        self.does(&self.jonas, tool, args).await
    }

    async fn does(
        &self,
        who: &Person,
        tool: &str,
        args: &serde_json::Value,
    ) -> Result<(), Failure> {
        let principal = Principal { person: who.clone(), by: Initiative::Person };
        let args: Value = serde_json::from_value(args.clone())
            .map_err(|error| Failure::internal("the demo's own arguments").because(&error))?;
        let done = self.tools.call(tool, args, &Context::person(principal, ZONE)).await;
        done.map(|_| ()).map_err(|error| {
            Failure::internal(format!("the demo's {} could not {tool}", who.name)).because(&error)
        })
    }

    /// Jonas writes the release notes himself: in the middle of the agent's work.
    pub(super) async fn jonas_takes_over(&self) -> Result<(), Failure> {
        self.jonas_does(
            "editTask",
            &json!({ "id": RELEASE_NOTES.0, "params": { "editorId": "Jonas" } }),
        )
        .await
    }

    /// What people do at their hours.
    pub(super) async fn act(&self, number: usize) -> Result<(), Failure> {
        match number {
            0 => {
                let criteria = "The slow list answers in under 100 ms.";
                let params = json!({ "acceptanceCriteria": criteria });
                self.maria_does("editTask", &json!({ "id": 6, "params": params })).await
            }
            1 => {
                let text = "The product list, with 500 products.";
                let args = json!({ "module": "ticket", "entityId": 6, "text": text });
                self.maria_does("addComment", &args).await
            }
            2 => self.jonas_does("editTask", &status(2, "Done")).await,
            3 => self.maria_does("editTask", &status(3, "Done")).await,
            4 => self.maria_does("editTask", &status(4, "Done")).await,
            _ => {
                let text = "The server is there; 2.4 is on its way.";
                let args =
                    json!({ "module": "project", "entityId": 1, "status": "green", "text": text });
                self.jonas_does("addComment", &args).await
            }
        }
    }
}

/// The task that Jonas takes over.
pub(super) const RELEASE_NOTES: TaskId = TaskId(5);

/// When people act.
pub(super) fn hours() -> Vec<Timestamp> {
    [(9, 40), (11, 2), (13, 11), (14, 5), (16, 20), (16, 45)]
        .into_iter()
        .map(|(hour, minute)| at(MORNING.0, hour, minute))
        .collect()
}

fn status(task: i64, label: &str) -> serde_json::Value {
    json!({ "id": task, "params": { "status": label } })
}

fn merged(one: &serde_json::Value, other: &serde_json::Value) -> serde_json::Value {
    let mut map = one.as_object().cloned().unwrap_or_default();
    map.extend(other.as_object().cloned().unwrap_or_default());
    serde_json::Value::Object(map)
}

async fn person(board: &dyn Board, name: &str, role: Role) -> Result<Person, Failure> {
    let people = board.people().await.map_err(|error| crate::app::failures::board(&error))?;
    if let Some(known) = people.iter().find(|person| person.name == name) {
        return Ok(known.clone());
    }
    let new = NewPerson { name: name.to_owned(), email: None, kind: PersonKind::Person, role };
    let writer = people.first().map_or(crate::domain::PersonId(0), |person| person.id);
    let added = board.add_person(&Stamp::by(writer), new).await;
    added.map(|written| written.after).map_err(|error| crate::app::failures::board(&error))
}

/// Time passes on both clocks, up to an instant.
pub(super) fn to(clock: &ManualClock, instant: Timestamp) {
    use crate::clock::Clock as _;
    let ahead = (instant - clock.wall()).max(TimeDelta::zero());
    clock.advance(ahead.to_std().unwrap_or(Duration::ZERO));
}
