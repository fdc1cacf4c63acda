//! Milestones: tickets of that type.

use super::call::Call;
use super::governor::Lane;
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::task_row::{disagreeing, is_task, line};
use super::wire::{self, Row};
use super::{LIST, LeantimeBoard, dates, fault};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Milestones, Result, check, write};
use crate::domain::{
    Entity, Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewMilestone, PersonId,
    ProjectId, Stamp, StatusId, StatusKind, Timestamp, Written,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};

/// What milestones without a color of their own have.
const NO_COLOR: &str = "#808080";

impl Noted for Milestone {
    const SHELF: &'static str = "milestone";
    const COLUMNS: &'static [&'static str] = &[
        "headline",
        "projectId",
        "editorId",
        "status",
        "tags",
        "editFrom",
        "editTo",
        "milestoneid",
    ];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        if is_task(row) {
            return None;
        }
        let project = row.id("projectId").map(ProjectId)?;
        let at = |column: &str| dates::read(&row.text(column));
        let created = at("date").unwrap_or(context.now);
        let from = known.or("editFrom", |m| m.from, || at("editFrom").unwrap_or(created));
        let to = known.or("editTo", |m| m.to, || at("editTo").unwrap_or(from));
        let color = row.text("tags");
        let is_color = color.len() == 7
            && color.starts_with('#')
            && color[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self {
            id: row.id("id").map(MilestoneId)?,
            project,
            headline: known.or("headline", |m| m.headline.clone(), || row.text("headline")),
            color: if is_color { color } else { NO_COLOR.to_owned() },
            assignee: row.id("editorId").map(PersonId),
            from,
            to: to.max(from),
            depends_on: row.id("milestoneid").map(MilestoneId),
            done: context.kind_of(project, row.int("status")) == StatusKind::Done,
            revision: known.thing.map_or(1, |m| m.revision),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        let about = About::milestone(after);
        let Some(before) = before else { return rows.created(about, &after.headline) };
        let every = [
            MilestoneEdit::Headline(String::new()),
            MilestoneEdit::Color(String::new()),
            MilestoneEdit::Assignee(None),
            MilestoneEdit::From(after.from),
            MilestoneEdit::To(after.to),
            MilestoneEdit::DependsOn(None),
            MilestoneEdit::Done(false),
        ];
        rows.milestone(before, after, &every);
    }

    fn place_of(row: &Row) -> String {
        row.text("projectId")
    }

    fn grow(&mut self, _: Timestamp) {
        self.revision += 1;
    }
}

impl LeantimeBoard {
    pub(super) async fn read_milestone(&self, lane: Lane, id: MilestoneId) -> Result<Milestone> {
        let not_found = || BoardError::NotFound { what: Entity::Milestone(id).to_string() };
        let notes = &self.shelves.milestones;
        let since = notes.generation();
        let row = self.read_ticket(lane, id.0).await?.filter(|row| !is_task(row));
        let rows = [row.ok_or_else(not_found)?];
        let context = self.context().await?;
        let seen = notes.observe(&self.book, &rows, since, true, &context).await?;
        seen.into_iter().next().ok_or_else(not_found)
    }

    pub(super) async fn all_milestones(&self) -> Result<Vec<Milestone>> {
        let notes = &self.shelves.milestones;
        let context = self.context().await?;
        let since = notes.generation();
        let rows = self.all_tickets(Lane::People, &context.projects, LIST).await?;
        let rows: Vec<Row> = rows.into_iter().filter(|row| !is_task(row)).collect();
        notes.observe(&self.book, &rows, since, true, &context).await
    }
}

fn id(id: Option<i64>) -> Value {
    id.unwrap_or(0).into()
}

impl LeantimeSession<'_> {
    pub(super) async fn new_milestone(&mut self, milestone: &Milestone) -> Result<MilestoneId> {
        let what = "add a milestone";
        let params = json!({
            "headline": line("headline", &milestone.headline)?,
            "projectId": milestone.project.0,
            "editorId": milestone.assignee.map_or_else(|| json!(""), |who| json!(who.0)),
            "editFrom": dates::instant(milestone.from),
            "editTo": dates::instant(milestone.to),
            "tags": milestone.color,
            "dependentMilestone": id(milestone.depends_on.map(|other| other.0)),
        });
        self.adds(&self.board.shelves.milestones, milestone.project.to_string());
        let call = Call::new("tickets.quickAddMilestone", json!({ "params": params }));
        let said = self.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(said.clone()) else {
            let said = wire::done(said).err().unwrap_or_default();
            return Err(self.refused(what, &said).await);
        };
        let thing = Milestone { id: MilestoneId(id), ..milestone.clone() };
        let wanted = self.values_of(None, &thing).await?;
        let read = self.board.read_ticket(self.lane(), id).await?;
        let mut row = read.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let others: Map<String, Value> = disagreeing(&wanted, &row)
            .into_iter()
            .filter_map(|name| wanted.get(&name).map(|value| (name, value.clone())))
            .collect();
        if !others.is_empty() {
            row = self.patch_ticket(id, &others, None, what).await?;
        }
        self.keep_milestone(thing, &wanted, &row, what)?;
        Ok(MilestoneId(id))
    }

    pub(super) async fn change_milestone(&mut self, milestone: &Milestone) -> Result<()> {
        let what = "change a milestone";
        let note = self.board.shelves.milestones.note(milestone.id.0);
        let before = note.as_ref().map(|note| &note.thing);
        let values = self.values_of(before, milestone).await?;
        self.touch(&self.board.shelves.milestones, milestone.id.0);
        let columns = note.as_ref().map(|note| &note.columns);
        let row = self.patch_ticket(milestone.id.0, &values, columns, what).await?;
        self.keep_milestone(milestone.clone(), &values, &row, what)
    }

    /// What of a milestone is to be sent.
    async fn values_of(
        &self,
        before: Option<&Milestone>,
        after: &Milestone,
    ) -> Result<Map<String, Value>> {
        let mut values = Map::new();
        let mut put = |name: &str, differs: bool, value: Value| {
            if differs {
                values.insert(name.to_owned(), value);
            }
        };
        let differs = |of: fn(&Milestone) -> Value| before.is_none_or(|b| of(b) != of(after));
        let headline = line("headline", &after.headline)?;
        put("headline", differs(|m| m.headline.as_str().into()), headline.into());
        put("tags", differs(|m| m.color.as_str().into()), after.color.as_str().into());
        let who = after.assignee.map_or_else(|| json!(""), |who| json!(who.0));
        put("editorId", differs(|m| id(m.assignee.map(|who| who.0))), who);
        let (from, to) = (dates::instant(after.from), dates::instant(after.to));
        put("editFrom", differs(|m| m.from.timestamp_millis().into()), from.into());
        put("editTo", differs(|m| m.to.timestamp_millis().into()), to.into());
        let other = id(after.depends_on.map(|other| other.0));
        put("milestoneid", differs(|m| id(m.depends_on.map(|other| other.0))), other);
        if before.is_some_and(|before| before.done != after.done) {
            let status = self.status_for(after).await?;
            put("status", true, status.0.into());
        }
        Ok(values)
    }

    async fn status_for(&self, milestone: &Milestone) -> Result<StatusId> {
        let kind = if milestone.done { StatusKind::Done } else { StatusKind::New };
        let home = self.board.find_project(milestone.project).await?;
        let status = home.as_ref().and_then(|home| home.status_of_kind(kind)).map(|s| s.id);
        match status {
            Some(status) => Ok(status),
            None => check::malformed(format!(
                "project {} has no status of kind {kind}: expected one in its settings",
                milestone.project
            )),
        }
    }

    fn keep_milestone(
        &mut self,
        thing: Milestone,
        sent: &Map<String, Value>,
        row: &Row,
        what: &str,
    ) -> Result<()> {
        let wrong = disagreeing(sent, row);
        if !wrong.is_empty() {
            let said = format!("{} is not as it was written", wrong.join(", "));
            return Err(fault::undone(what, &said));
        }
        let columns = row.columns(Milestone::COLUMNS);
        let note = Note { columns, thing, is_whole: true };
        self.keep(&self.board.shelves.milestones, note)
    }
}

#[async_trait]
impl Milestones for LeantimeBoard {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        self.read_milestone(Lane::People, id).await
    }

    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        check::asked_projects(query.projects.len())?;
        let mut all = self.all_milestones().await?;
        all.retain(|milestone| {
            (query.projects.is_empty() || query.projects.contains(&milestone.project))
                && query.to_from.is_none_or(|from| milestone.to >= from)
                && query.to_before.is_none_or(|to| milestone.to < to)
                && query.done.is_none_or(|done| milestone.done == done)
        });
        all.sort_by_key(|milestone| (milestone.to, milestone.id));
        Ok(all)
    }

    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        let mut session = LeantimeSession::new(self, stamp, self.locks.one("milestones").await);
        let written = write::add_milestone(&mut session, self.now(), stamp, new).await;
        session.end(written).await
    }

    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        let mut session = LeantimeSession::new(self, stamp, self.locks.one("milestones").await);
        let written = write::edit_milestone(&mut session, self.now(), stamp, id, edits).await;
        session.end(written).await
    }
}
