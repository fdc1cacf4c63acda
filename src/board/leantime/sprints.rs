//! Sprints.

use super::call::Call;
use super::governor::Lane;
use super::remote::{Remote, not_there};
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::wire::{self, Row};
use super::{DIRECTORY, LeantimeBoard, dates, fault};
use crate::board::Result;
use crate::board::record::Rows;
use crate::domain::{ProjectId, Sprint, SprintId, SprintQuery, Timestamp};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// Projects whose sprints are read in one request.
const READ: usize = 50;

impl Noted for Sprint {
    const SHELF: &'static str = "sprint";
    const COLUMNS: &'static [&'static str] = &["name", "startDate", "endDate", "projectId"];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let day = |name: &str| dates::day_of(&row.text(name), context.zone);
        let from = day("startDate")?;
        Some(Self {
            id: row.id("id").map(SprintId)?,
            project: row.id("projectId").map(ProjectId)?,
            name: known.or("name", |s| s.name.clone(), || row.text("name")),
            from,
            to: day("endDate").unwrap_or(from).max(from),
            revision: known.thing.map_or(1, |s| s.revision),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        let about = crate::board::record::About::kept(after, None, Some(after.project));
        if let Some(before) = before {
            rows.fields(about, before, after);
        }
    }

    fn grow(&mut self, _: Timestamp) {
        self.revision += 1;
    }
}

fn values(sprint: &Sprint) -> Value {
    json!({
        "name": sprint.name, "startDate": dates::day(sprint.from), "endDate": dates::day(sprint.to),
        "projectId": sprint.project.0,
    })
}

impl LeantimeSession<'_> {
    async fn keep_sprint(&mut self, thing: Sprint, what: &str) -> Result<()> {
        let call = Call::new("sprints.getSprint", json!({ "id": thing.id.0 }));
        let row = Row::of(self.ask(call, what).await?);
        let row = row.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let day = |name: &str| dates::day_of(&row.text(name), self.board.options.zone);
        let is_kept = row.text("name") == thing.name
            && day("startDate") == Some(thing.from)
            && day("endDate") == Some(thing.to);
        if !is_kept {
            return Err(fault::undone(what, "it is not as it was written"));
        }
        let note = Note { columns: row.columns(Sprint::COLUMNS), thing, is_whole: true };
        self.keep(&self.board.shelves.sprints, note)
    }
}

#[async_trait]
impl Remote for Sprint {
    async fn one(board: &LeantimeBoard, lane: Lane, id: SprintId) -> Result<Self> {
        let notes = &board.shelves.sprints;
        let since = notes.generation();
        let call = Call::new("sprints.getSprint", json!({ "id": id.0 }));
        let value = board.ask_one(lane, call, Duration::ZERO, "read a sprint").await?;
        let rows: Vec<Row> =
            Row::of(value).filter(|row| row.int("id") == id.0).into_iter().collect();
        let context = board.context().await?;
        let seen = notes.observe(&board.book, &rows, since, true, &context).await?;
        seen.into_iter().next().ok_or_else(|| not_there::<Self>(id))
    }

    async fn all(board: &LeantimeBoard, lane: Lane, query: &SprintQuery) -> Result<Vec<Self>> {
        let what = "list sprints";
        let notes = &board.shelves.sprints;
        let since = notes.generation();
        let mut ids = board.project_ids(DIRECTORY).await?;
        ids.retain(|id| query.projects.is_empty() || query.projects.contains(&ProjectId(*id)));
        let mut rows = Vec::new();
        for some in ids.chunks(READ) {
            let of = |id: &i64| Call::new("sprints.getAllSprints", json!({ "projectId": id }));
            let calls = some.iter().map(of).collect();
            for reply in board.ask(lane, calls, DIRECTORY).await? {
                let value = reply.map_err(|refusal| fault::refused(&refusal, what))?;
                rows.extend(wire::rows(value).ok_or_else(|| fault::no_sense(what))?);
            }
        }
        rows.sort_by_key(|row| row.int("id"));
        rows.dedup_by_key(|row| row.int("id"));
        let context = board.context().await?;
        notes.observe(&board.book, &rows, since, true, &context).await
    }

    async fn add(session: &mut LeantimeSession<'_>, sprint: &Self) -> Result<Self> {
        let what = "add a sprint";
        let call = Call::new("sprints.addSprint", json!({ "params": values(sprint) }));
        let said = session.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(said) else {
            return Err(session.refused(what, "it gives no id").await);
        };
        let thing = Self { id: SprintId(id), ..sprint.clone() };
        session.keep_sprint(thing.clone(), what).await?;
        Ok(thing)
    }

    async fn change(session: &mut LeantimeSession<'_>, sprint: &Self) -> Result<()> {
        let what = "change a sprint";
        let mut params = values(sprint);
        params["id"] = sprint.id.0.into();
        let call = Call::new("sprints.editSprint", json!({ "params": params }));
        let said = session.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        if let Err(said) = wire::done(said) {
            return Err(session.refused(what, &said).await);
        }
        session.keep_sprint(sprint.clone(), what).await
    }

    async fn remove(session: &mut LeantimeSession<'_>, id: SprintId) -> Result<()> {
        let what = "remove a sprint";
        session.call(vec![Call::new("sprints.deleteSprint", json!({ "id": id.0 }))], what).await?;
        let call = Call::new("sprints.getSprint", json!({ "id": id.0 }));
        // It says nothing: whether it is gone is seen by looking.
        if Row::of(session.ask(call, what).await?).is_some_and(|row| row.id("id").is_some()) {
            return Err(fault::undone(what, "it is still there"));
        }
        session.forget(&session.board.shelves.sprints, id.0)
    }
}
