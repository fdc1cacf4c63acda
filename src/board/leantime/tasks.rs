//! Tasks: tickets that are no milestones.

use super::call::{Call, NO_METHOD, NOT_THERE, Parcel, Reply};
use super::governor::Lane;
use super::reach::names;
use super::session::LeantimeSession;
use super::shelf::{Context, Note, Noted};
use super::task_row::{disagreeing, is_task, may_replace, regular, to_send};
use super::wire::{self, Columns, Row};
use super::{LIST, LeantimeBoard, fault};
use crate::board::{BoardError, Result, Tasks, page, write};
use crate::domain::{
    Entity, NewTask, Page, Project, Stamp, Task, TaskEdit, TaskId, TaskQuery, Written,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Tickets that are read in one request.
const READ: usize = 50;

pub(super) fn get(id: i64) -> Call {
    Call::new("tickets.getTicket", json!({ "id": id }))
}

/// Every ticket of these projects; closed ones must be named to be looked into.
pub(super) fn get_all(projects: &[Project]) -> Call {
    let ids: Vec<String> = projects.iter().map(|project| project.id.to_string()).collect();
    let criteria = json!({ "projects": ids.join(","), "status": "all" });
    Call::new("tickets.getAll", json!({ "searchCriteria": criteria }))
}

fn not_found(id: TaskId) -> BoardError {
    BoardError::NotFound { what: Entity::Task(id).to_string() }
}

/// A ticket from an answer; `None` for the server's ways to say that there is none.
pub(super) fn ticket(reply: Reply, what: &str) -> Result<Option<Row>> {
    match reply {
        Ok(value) => Ok(Row::of(value).filter(|row| row.id("id").is_some()).map(regular)),
        Err(refusal) if refusal.code == NOT_THERE => Ok(None),
        Err(refusal) => Err(fault::refused(&refusal, what)),
    }
}

/// The tickets of a list.
pub(super) fn tickets_of(answer: &[Reply]) -> Result<Vec<Row>> {
    let what = "list tasks";
    let reply = answer.first().cloned().ok_or_else(|| fault::no_sense(what))?;
    let value = reply.map_err(|refusal| fault::refused(&refusal, what))?;
    let rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
    Ok(rows.into_iter().map(regular).collect())
}

impl LeantimeBoard {
    /// One ticket as it is now.
    pub(super) async fn read_ticket(&self, lane: Lane, id: i64) -> Result<Option<Row>> {
        let replies = self.ask(lane, vec![get(id)], Duration::ZERO).await?;
        match replies.into_iter().next() {
            Some(reply) => ticket(reply, "read a task"),
            None => Err(fault::no_sense("read a task")),
        }
    }

    /// One task as it is now, with everything that is remembered of it.
    pub(super) async fn read_task(&self, lane: Lane, id: TaskId) -> Result<Task> {
        let notes = &self.shelves.tasks;
        notes.load(&self.book).await?;
        loop {
            let since = notes.generation();
            let row = self.read_ticket(lane, id.0).await?.filter(is_task);
            let row = row.ok_or_else(|| not_found(id))?;
            let context = self.context().await?;
            let settled = notes.is_settled(id.0, since);
            let seen = notes.observe(&self.book, &[row], since, true, &context).await?;
            match seen.into_iter().next() {
                // Written by us meanwhile: what was read may be older than that.
                Some(_) if !settled => {}
                Some(task) => return Ok(task),
                None if settled => return Err(not_found(id)),
                None => {}
            }
        }
    }

    /// All tasks; a list of this age will do.
    pub(super) async fn all_tasks(&self, lane: Lane, fresh: Duration) -> Result<Arc<Vec<Task>>> {
        let notes = &self.shelves.tasks;
        let context = self.context().await?;
        let since = notes.generation();
        let Some(answer) = self.list_of_tickets(lane, &context.projects, fresh).await? else {
            return Ok(Arc::default());
        };
        let known = [Arc::clone(&answer)];
        if let Some(tasks) = self.listed.get(&known, notes.version()) {
            return Ok(tasks);
        }
        let rows = tickets_of(&answer)?.into_iter().filter(is_task).collect::<Vec<Row>>();
        let tasks = notes.observe(&self.book, &rows, since, false, &context).await?;
        let tasks = Arc::new(tasks);
        self.listed.put(known.into(), notes.version(), &tasks);
        Ok(tasks)
    }

    async fn list_of_tickets(
        &self,
        lane: Lane,
        projects: &[Project],
        fresh: Duration,
    ) -> Result<Option<Arc<Vec<Reply>>>> {
        if projects.is_empty() {
            // Naming none would mean all of them.
            return Ok(None);
        }
        self.ask_shared(lane, vec![get_all(projects)], fresh).await.map(Some)
    }

    /// All tickets, milestones too.
    pub(super) async fn all_tickets(
        &self,
        lane: Lane,
        projects: &[Project],
        fresh: Duration,
    ) -> Result<Vec<Row>> {
        match self.list_of_tickets(lane, projects, fresh).await? {
            Some(answer) => tickets_of(&answer),
            None => Ok(Vec::new()),
        }
    }

    /// All tasks that a question means, in no order.
    pub(super) async fn matching(&self, query: &TaskQuery) -> Result<Vec<Task>> {
        let tasks = self.all_tasks(Lane::People, LIST).await?;
        let context = self.context().await?;
        let is_meant =
            |task: &&Task| page::matches(query, task, context.kind_of(task.project, task.status.0));
        Ok(tasks.iter().filter(is_meant).cloned().collect())
    }

    /// What lists leave out of tasks, read where it is not known.
    pub(super) async fn complete(&self, tasks: &mut [Task]) -> Result<()> {
        let notes = &self.shelves.tasks;
        let is_partly = |task: &Task| notes.note(task.id.0).is_none_or(|note| !note.is_whole);
        let missing: Vec<TaskId> =
            tasks.iter().filter(|task| is_partly(task)).map(|task| task.id).collect();
        let mut whole = BTreeMap::new();
        for some in missing.chunks(READ) {
            let since = notes.generation();
            let calls = some.iter().map(|id| get(id.0)).collect();
            let replies = self.ask(Lane::People, calls, Duration::ZERO).await?;
            let mut rows = Vec::new();
            for reply in replies {
                rows.extend(ticket(reply, "read a task")?.filter(is_task));
            }
            let context = self.context().await?;
            let seen = notes.observe(&self.book, &rows, since, true, &context).await?;
            whole.extend(seen.into_iter().map(|task| (task.id, task)));
        }
        for task in tasks {
            if let Some(seen) = whole.remove(&task.id) {
                *task = seen;
            }
        }
        Ok(())
    }
}

fn patch(is_old: bool, id: i64, values: &Map<String, Value>) -> Call {
    if is_old {
        return Call::new("tickets.patch", json!({ "id": id, "params": values }));
    }
    Call::new("tickets.patchTicket", json!({ "id": id, "values": values }))
}

/// Whether all of these columns are as they were.
fn is_as_before(before: &Columns, now: &Columns) -> bool {
    !now.is_empty() && now.iter().all(|(name, value)| before.get(name) == Some(value))
}

impl LeantimeSession<'_> {
    /// Changes some columns of a ticket, and reads it back.
    pub(super) async fn patch_ticket(
        &mut self,
        id: i64,
        values: &Map<String, Value>,
        before: Option<&Columns>,
        what: &str,
    ) -> Result<Row> {
        // Versions before 3.9 have the same under another name.
        let mut is_old = self.board.is_old.load(Ordering::Relaxed);
        let mut is_second = false;
        let (patched, read) = loop {
            let calls = vec![patch(is_old, id, values), get(id)];
            let mut replies = self.act(Parcel::Calls(calls)).await?.into_iter();
            let (Some(patched), Some(read)) = (replies.next(), replies.next()) else {
                return Err(fault::no_sense(what));
            };
            let is_unknown = patched.as_ref().is_err_and(|refusal| refusal.code == NO_METHOD);
            if !is_unknown || is_second {
                break (patched, read);
            }
            // The opposite of what this one tried: others may try at the same moment.
            is_second = true;
            is_old = !is_old;
            self.board.is_old.store(is_old, Ordering::Relaxed);
        };
        let row = ticket(read, what);
        match patched {
            Ok(said) => {
                if let Err(said) = wire::done(said) {
                    return Err(self.refused(what, &said).await);
                }
            }
            Err(refusal) if refusal.is_before_the_deed() => {
                return Err(fault::refused(&refusal, what));
            }
            // An exception may come before or after the deed: the row says which.
            Err(refusal) => {
                let Ok(Some(row)) = &row else { return Err(fault::refused(&refusal, what)) };
                let names: Vec<&str> = values.keys().map(String::as_str).collect();
                if before.is_some_and(|before| is_as_before(before, &row.columns(&names))) {
                    self.refused(what, "").await;
                    return Err(fault::refused(&refusal, what));
                }
                if !disagreeing(values, row).is_empty() {
                    return Err(fault::refused(&refusal, what));
                }
            }
        }
        row?.ok_or_else(|| fault::undone(what, "it is not there any more"))
    }

    pub(super) async fn new_task(&mut self, task: &Task) -> Result<TaskId> {
        let zone = self.board.options.zone;
        let what = "add a task";
        let mut values = to_send(None, task, zone)?;
        let sort = values.remove("sortIndex");
        let sent = values.clone();
        values.insert("projectId".to_owned(), task.project.0.into());
        if task.headline == "0" {
            // It takes this for none; it is put right below.
            values.insert("headline".to_owned(), "0 ".into());
        }
        let context = self.board.context().await?;
        self.adds(&self.board.shelves.tasks, task.project.to_string());
        let mut said = self
            .call(vec![Call::new("tickets.addTicket", json!({ "values": values }))], what)
            .await?;
        let value = said.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(value.clone()) else {
            let said = wire::done(value).err().unwrap_or_default();
            return Err(self.refused(what, &said).await);
        };
        self.touch(&self.board.shelves.tasks, id);
        let read = self.board.read_ticket(self.lane(), id).await?;
        let mut row = read.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let mut again: Map<String, Value> = disagreeing(&sent, &row)
            .into_iter()
            .filter_map(|name| sent.get(&name).map(|value| (name, value.clone())))
            .collect();
        again.extend(sort.map(|sort| ("sortIndex".to_owned(), sort)));
        if !again.is_empty() {
            row = self.patch_ticket(id, &again, None, what).await?;
            agree(&again, &row, id)?;
        }
        let author = row.id("userId").map(crate::domain::PersonId);
        let thing = Task { id: TaskId(id), author: author.or(task.author), ..task.clone() };
        self.kept(thing, None, (row, context), &sent)?;
        Ok(TaskId(id))
    }

    pub(super) async fn change_task(&mut self, task: &Task) -> Result<()> {
        let notes = &self.board.shelves.tasks;
        let before = match self.before.get(&task.id) {
            Some(before) => before.clone(),
            None => self.board.read_task(self.lane(), task.id).await?,
        };
        let values = to_send(Some(&before), task, self.board.options.zone)?;
        let context = self.board.context().await?;
        let note = notes.note(task.id.0);
        if let Some(note) = &note {
            may_replace(&values, &note.columns, &before)?;
        }
        self.touch(notes, task.id.0);
        if values.is_empty() {
            // Kept here alone.
            if let Some(note) = note {
                self.keep(notes, Note { thing: task.clone(), ..note })?;
            }
        } else {
            let columns = note.as_ref().map(|note| &note.columns);
            let row = self.patch_ticket(task.id.0, &values, columns, "change a task").await?;
            agree(&values, &row, task.id.0)?;
            self.kept(task.clone(), note, (row, context), &values)?;
        }
        self.before.insert(task.id, task.clone());
        Ok(())
    }

    /// Keeps a task as it was written. Whatever else its row shows is somebody else's change.
    fn kept(
        &mut self,
        thing: Task,
        before: Option<Note<Task>>,
        (row, context): (Row, Context),
        sent: &Map<String, Value>,
    ) -> Result<()> {
        let mut columns = row.columns(Task::COLUMNS);
        if let Some(before) = before {
            for (name, value) in before.columns {
                if !sent.contains_key(&name) {
                    columns.insert(name, value);
                }
            }
        }
        self.sights.insert(thing.id.0, (row, context));
        self.keep(&self.board.shelves.tasks, Note { columns, thing, is_whole: true })
    }

    pub(super) async fn drop_task(&mut self, id: TaskId) -> Result<()> {
        let what = "remove a task";
        self.touch(&self.board.shelves.tasks, id.0);
        let calls = vec![Call::new("tickets.delete", json!({ "id": id.0 })), get(id.0)];
        let mut replies = self.act(Parcel::Calls(calls)).await?.into_iter();
        let (Some(said), Some(read)) = (replies.next(), replies.next()) else {
            return Err(fault::no_sense(what));
        };
        let said = said.map_err(|refusal| fault::refused(&refusal, what))?;
        if let Err(said) = wire::done(said) {
            return Err(self.refused(what, &said).await);
        }
        if ticket(read, what)?.is_some() {
            return Err(fault::undone(what, "it is still there"));
        }
        self.before.remove(&id);
        self.sights.remove(&id.0);
        self.forget(&self.board.shelves.tasks, id.0)
    }
}

/// The server kept what was sent.
fn agree(sent: &Map<String, Value>, row: &Row, id: i64) -> Result<()> {
    let wrong = disagreeing(sent, row);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(BoardError::Conflict(format!(
        "Leantime said that it changed ticket {id}, but {} is not as it was written: somebody else \
         changed it in the same moment, or Leantime does not keep such a value",
        wrong.join(", ")
    )))
}

#[async_trait]
impl Tasks for LeantimeBoard {
    async fn task(&self, id: TaskId) -> Result<Task> {
        self.read_task(Lane::Claims, id).await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        self.task_page(query).await
    }

    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        let held = self.locks.some(names(stamp, new.parent, &new.edits)).await;
        let mut session = LeantimeSession::new(self, stamp, held);
        let written = write::add_task(&mut session, self.now(), stamp, new).await;
        let written = session.end(written).await?;
        // The author is whose name the server wrote.
        let note = self.shelves.tasks.note(written.after.id.0).filter(|_| written.changed);
        let after = note.map_or(written.after, |note| note.thing);
        Ok(Written { after, ..written })
    }

    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        let held = self.locks.some(names(stamp, [id], edits)).await;
        let mut session = LeantimeSession::new(self, stamp, held);
        let written = write::edit_task(&mut session, self.now(), stamp, id, edits).await;
        session.end(written).await
    }

    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        let held = self.hold_removed(stamp, id).await?;
        let mut session = LeantimeSession::new(self, stamp, held);
        let written = write::delete_task(&mut session, self.now(), stamp, id).await;
        session.end(written).await
    }
}

/// What was known and is in no list any more.
pub(super) fn missing(known: &[i64], seen: impl Iterator<Item = i64>) -> Vec<i64> {
    let seen: BTreeSet<i64> = seen.collect();
    known.iter().copied().filter(|id| !seen.contains(id)).collect()
}
