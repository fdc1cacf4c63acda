//! Goals: rows of goal boards. Boards have no route; they are known by the goals on them.

use super::call::{Call, Parcel};
use super::governor::Lane;
use super::remote::{Remote, not_there};
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::task_row::{line, long_text};
use super::wire::{self, Row};
use super::{LIST, LeantimeBoard, dates, fault, html};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result};
use crate::domain::{
    Goal, GoalBoard, GoalBoardId, GoalBoardQuery, GoalId, GoalQuery, GoalStatus, Metric,
    MilestoneId, PersonId, ProjectId, Timestamp, from_millis,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

impl Noted for Goal {
    const SHELF: &'static str = "goal";
    const COLUMNS: &'static [&'static str] = &[
        "title",
        "description",
        "canvasId",
        "projectId",
        "assignedTo",
        "startValue",
        "currentValue",
        "endValue",
        "metricType",
        "status",
        "milestoneId",
        "parent",
        "startDate",
        "endDate",
        "author",
    ];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let value = |column: &str, kept: fn(&Goal) -> f64| {
            known.or(column, kept, || row.number(column).unwrap_or(0.0))
        };
        let day = |column: &str| dates::day_of(&row.text(column), context.zone);
        let created = dates::read(&row.text("created")).unwrap_or(context.now);
        let description = known.or(
            "description",
            |g| g.description.clone(),
            || html::from_html(&row.text("description")),
        );
        Some(Self {
            id: row.id("id").map(GoalId)?,
            board: row.id("canvasId").map(GoalBoardId)?,
            project: row.id("projectId").map(ProjectId)?,
            title: known.or("title", |g| g.title.clone(), || row.text("title")),
            description,
            owner: row.id("assignedTo").map(PersonId),
            start_value: value("startValue", |g| g.start_value),
            current_value: value("currentValue", |g| g.current_value),
            end_value: value("endValue", |g| g.end_value),
            metric: row.text("metricType").parse::<Metric>().unwrap_or_default(),
            status: status_of(&row.text("status")),
            milestone: row.id("milestoneId").map(MilestoneId),
            parent: row.id("parent").map(GoalId),
            start: known.or("startDate", |g| g.start, || day("startDate")),
            end: known.or("endDate", |g| g.end, || day("endDate")),
            author: PersonId(row.int("author")),
            created: known.thing.map_or(created, |g| g.created),
            modified: known.thing.map_or(created, |g| g.modified),
            revision: known.thing.map_or(1, |g| g.revision),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        let about = About::kept(after, None, Some(after.project));
        if let Some(before) = before {
            rows.fields(about, before, after);
        }
    }

    fn grow(&mut self, at: Timestamp) {
        self.revision += 1;
        self.modified = at;
    }
}

fn status_of(word: &str) -> GoalStatus {
    match word {
        "status_atrisk" => GoalStatus::AtRisk,
        "status_miss" => GoalStatus::Missed,
        _ => GoalStatus::OnTrack,
    }
}

fn status_to_send(status: GoalStatus) -> &'static str {
    match status {
        GoalStatus::OnTrack => "status_ontrack",
        GoalStatus::AtRisk => "status_atrisk",
        GoalStatus::Missed => "status_miss",
    }
}

/// One of a goal's numbers.
type ValueOf = fn(&Goal) -> f64;

/// What of a goal is to be sent: what differs from what is there; everything for a new one.
fn to_send(before: Option<&Goal>, after: &Goal) -> Result<Vec<(&'static str, String)>> {
    let mut fields = Vec::new();
    let mut put = |name: &'static str, differs: bool, text: String| {
        if differs {
            fields.push((name, text));
        }
    };
    let differs = |is: &dyn Fn(&Goal) -> bool| before.is_none_or(is);
    let id = |id: Option<i64>| id.unwrap_or(0).to_string();
    let day = |day: Option<chrono::NaiveDate>| {
        day.map(|day| format!("{} 00:00:00", dates::day(day))).unwrap_or_default()
    };
    put("title", differs(&|b| b.title != after.title), line("title", &after.title)?);
    let text = long_text("description", &after.description)?;
    put("description", differs(&|b| b.description != after.description), text);
    put("assignedTo", differs(&|b| b.owner != after.owner), id(after.owner.map(|who| who.0)));
    let values: [(_, ValueOf); 3] = [
        ("startValue", |g| g.start_value),
        ("currentValue", |g| g.current_value),
        ("endValue", |g| g.end_value),
    ];
    for (name, of) in values {
        let same = |b: &Goal| of(b).to_bits() != of(after).to_bits();
        put(name, differs(&same), of(after).to_string());
    }
    put("metricType", differs(&|b| b.metric != after.metric), after.metric.as_str().to_owned());
    let status = status_to_send(after.status).to_owned();
    put("status", differs(&|b| b.status != after.status), status);
    let milestone = id(after.milestone.map(|m| m.0));
    put("milestoneId", differs(&|b| b.milestone != after.milestone), milestone);
    let parent = id(after.parent.map(|goal| goal.0));
    put("parent", before.map_or(after.parent.is_some(), |b| b.parent != after.parent), parent);
    put("startDate", differs(&|b| b.start != after.start), day(after.start));
    put("endDate", differs(&|b| b.end != after.end), day(after.end));
    Ok(fields)
}

/// Fields that are not as they were sent.
fn wrong(sent: &[(&'static str, String)], row: &Row) -> Vec<&'static str> {
    let is_kept = |(name, text): &&(&'static str, String)| match *name {
        "title" | "description" | "metricType" | "status" => row.text(name) == *text,
        "startDate" | "endDate" => dates::read(text) == dates::read(&row.text(name)),
        // Two places behind the point is what the server keeps.
        "startValue" | "currentValue" | "endValue" => {
            let sent: f64 = text.parse().unwrap_or(f64::NAN);
            (row.number(name).unwrap_or(0.0) - sent).abs() < 1e-9
        }
        _ => row.int(name) == text.parse().unwrap_or(-1),
    };
    sent.iter().filter(|field| !is_kept(field)).map(|(name, _)| *name).collect()
}

fn poll() -> Call {
    Call::new("goalcanvas.pollGoals", json!({}))
}

impl LeantimeBoard {
    async fn all_goals(&self, lane: Lane, fresh: Duration) -> Result<Vec<Goal>> {
        let what = "list goals";
        let notes = &self.shelves.goals;
        let since = notes.generation();
        let value = self.ask_one(lane, poll(), fresh, what).await?;
        let rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
        let context = self.context().await?;
        notes.observe(&self.book, &rows, since, true, &context).await
    }

    pub(super) async fn project_of_goal(&self, id: GoalId) -> Result<ProjectId> {
        Ok(Goal::one(self, Lane::People, id).await?.project)
    }
}

fn no_boards() -> BoardError {
    BoardError::Unsupported(
        "Leantime gives no way to add, rename or remove goal boards: do it in its web pages; a \
         board is known here once it has a goal"
            .to_owned(),
    )
}

pub(super) fn no_removal() -> BoardError {
    let what = "Leantime gives no way to remove goals: do it in its web pages";
    BoardError::Unsupported(what.to_owned())
}

impl LeantimeSession<'_> {
    async fn goal_row(&self, id: GoalId, what: &str) -> Result<Row> {
        let rows = wire::rows(self.ask(poll(), what).await?).unwrap_or_default();
        let row = rows.into_iter().find(|row| row.int("id") == id.0);
        row.ok_or_else(|| fault::undone(what, "it is not there"))
    }

    /// Sends fields by the one way there is, and reads them back.
    async fn patch_goal(
        &mut self,
        goal: &Goal,
        fields: &[(&'static str, String)],
        what: &str,
    ) -> Result<Row> {
        if !fields.is_empty() {
            let mut form = vec![("id", goal.id.0.to_string())];
            form.extend(fields.iter().cloned());
            let reply = self.act(Parcel::GoalForm(form)).await?.into_iter().next();
            match reply {
                Some(Ok(_)) => {}
                Some(Err(refusal)) => return Err(fault::refused(&refusal, what)),
                None => return Err(fault::no_sense(what)),
            }
        }
        self.goal_row(goal.id, what).await
    }

    fn keep_goal(
        &mut self,
        thing: Goal,
        sent: &[(&'static str, String)],
        row: &Row,
        what: &str,
    ) -> Result<()> {
        let wrong = wrong(sent, row);
        if !wrong.is_empty() {
            let said = format!("{} is not as it was written", wrong.join(", "));
            return Err(fault::undone(what, &said));
        }
        let note = Note { columns: row.columns(Goal::COLUMNS), thing, is_whole: true };
        self.keep(&self.board.shelves.goals, note)
    }
}

#[async_trait]
impl Remote for Goal {
    async fn one(board: &LeantimeBoard, lane: Lane, id: GoalId) -> Result<Self> {
        let all = board.all_goals(lane, Duration::ZERO).await?;
        all.into_iter().find(|goal| goal.id == id).ok_or_else(|| not_there::<Self>(id))
    }

    async fn all(board: &LeantimeBoard, lane: Lane, _: &GoalQuery) -> Result<Vec<Self>> {
        board.all_goals(lane, LIST).await
    }

    async fn add(session: &mut LeantimeSession<'_>, goal: &Self) -> Result<Self> {
        let what = "add a goal";
        let fields = to_send(None, goal)?;
        let writer = session.board.writer(session.stamp.actor).await?;
        let mut values: Map<String, Value> = fields
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str())))
            .collect();
        values.insert("canvasId".to_owned(), goal.board.0.into());
        values.insert("box".to_owned(), "goal".into());
        values.insert("author".to_owned(), writer.0.into());
        let call = Call::new("goalcanvas.createGoal", json!({ "values": values }));
        let said = session.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(said) else {
            return Err(session.refused(what, "it gives no id").await);
        };
        let thing = Self { id: GoalId(id), author: writer, ..goal.clone() };
        let mut row = session.goal_row(thing.id, what).await?;
        let missing = wrong(&fields, &row);
        let again: Vec<_> =
            fields.iter().filter(|(name, _)| missing.contains(name)).cloned().collect();
        if !again.is_empty() {
            row = session.patch_goal(&thing, &again, what).await?;
        }
        session.keep_goal(thing.clone(), &fields, &row, what)?;
        Ok(thing)
    }

    async fn change(session: &mut LeantimeSession<'_>, goal: &Self) -> Result<()> {
        let what = "change a goal";
        let before = session.board.shelves.goals.note(goal.id.0).map(|note| note.thing);
        let fields = to_send(before.as_ref(), goal)?;
        if let Some(before) =
            before.filter(|_| fields.iter().any(|(name, _)| *name == "description"))
        {
            let now = session.goal_row(goal.id, what).await?.text("description");
            let text = format!("the description of goal {} holds", goal.id);
            html::may_replace(&now, &before.description, &text)?;
        }
        let row = session.patch_goal(goal, &fields, what).await?;
        session.keep_goal(goal.clone(), &fields, &row, what)
    }

    async fn remove(_: &mut LeantimeSession<'_>, _: GoalId) -> Result<()> {
        Err(no_removal())
    }
}

#[async_trait]
impl Remote for GoalBoard {
    async fn one(board: &LeantimeBoard, lane: Lane, id: GoalBoardId) -> Result<Self> {
        let all = Self::all(board, lane, &GoalBoardQuery::default()).await?;
        all.into_iter().find(|found| found.id == id).ok_or_else(|| not_there::<Self>(id))
    }

    /// Those that have a goal; their titles cannot be asked for.
    async fn all(board: &LeantimeBoard, lane: Lane, _: &GoalBoardQuery) -> Result<Vec<Self>> {
        let mut boards: BTreeMap<GoalBoardId, Self> = BTreeMap::new();
        for goal in board.all_goals(lane, LIST).await? {
            let one = boards.entry(goal.board).or_insert_with(|| Self {
                id: goal.board,
                project: goal.project,
                title: format!("Goal board {}", goal.board),
                description: String::new(),
                author: goal.author,
                created: goal.created,
            });
            one.created = one.created.min(goal.created).max(from_millis(0));
        }
        Ok(boards.into_values().collect())
    }

    async fn add(_: &mut LeantimeSession<'_>, _: &Self) -> Result<Self> {
        Err(no_boards())
    }

    async fn change(_: &mut LeantimeSession<'_>, _: &Self) -> Result<()> {
        Err(no_boards())
    }

    async fn remove(_: &mut LeantimeSession<'_>, _: GoalBoardId) -> Result<()> {
        Err(no_boards())
    }
}
