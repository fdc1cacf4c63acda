//! Comments on tickets, projects and goals.

use super::call::{Call, Parcel, Reply};
use super::governor::Lane;
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::task_row::long_text;
use super::wire::{self, Row};
use super::{LIST, LeantimeBoard, dates, fault, html, markers};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Comments, Result, check, write};
use crate::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, Cursor, GoalId, NewComment, Page, PersonId,
    ProjectId, Rating, Stamp, TaskId, Timestamp, Written,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// Why the server lets a comment be.
const AUTHOR_ONLY: &str = "only its author and managers may";

impl Noted for Comment {
    const SHELF: &'static str = "comment";
    const COLUMNS: &'static [&'static str] =
        &["text", "module", "moduleId", "userId", "commentParent", "status"];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let target = row.id("moduleId")?;
        let on = match row.text("module").as_str() {
            "ticket" => CommentTarget::Task(TaskId(target)),
            "project" => CommentTarget::Project(ProjectId(target)),
            "goalcanvasitem" | "goalcanvas" => CommentTarget::Goal(GoalId(target)),
            _ => return None,
        };
        let is_on_project = matches!(on, CommentTarget::Project(_));
        Some(Self {
            id: row.id("id").map(CommentId)?,
            on,
            author: PersonId(row.int("userId")),
            text: known.or("text", |c| c.text.clone(), || html::from_html(&row.text("text"))),
            parent: known.or(
                "commentParent",
                |c| c.parent,
                || row.id("commentParent").map(CommentId),
            ),
            rating: rating_of(&row.text("status")).filter(|_| is_on_project),
            created: known.thing.map_or_else(
                || dates::read(&row.text("date")).unwrap_or(context.now),
                |c| c.created,
            ),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, context: &Context) {
        let home = match after.on {
            CommentTarget::Task(id) => context.homes.get(&id).copied(),
            CommentTarget::Project(id) => Some(id),
            CommentTarget::Goal(_) => None,
        };
        let about = About::comment(after, home.unwrap_or(ProjectId(0)));
        match before {
            None => rows.created(about, &after.text),
            Some(before) => {
                rows.changed(
                    about,
                    "text",
                    before.text.as_str().into(),
                    after.text.as_str().into(),
                );
            }
        }
    }

    fn place_of(row: &Row) -> String {
        let module = row.text("module");
        place(if module == "goalcanvas" { "goalcanvasitem" } else { &module }, row.int("moduleId"))
    }

    fn grow(&mut self, _: Timestamp) {}
}

/// As it is sent.
fn as_html(comment: &Comment) -> Result<String> {
    let text = long_text("comment", &comment.text)?;
    if text.trim().is_empty() {
        return check::malformed("nothing of the comment is left as HTML: expected a text");
    }
    Ok(text)
}

/// A thread's name.
fn place(module: &str, id: i64) -> String {
    format!("{module} {id}")
}

/// What keeps two writes to one thread apart.
fn thread(on: CommentTarget) -> String {
    match on {
        CommentTarget::Task(id) => format!("task {id}"),
        on => format!("thread {on:?}"),
    }
}

fn rating_of(word: &str) -> Option<Rating> {
    match word.trim().to_ascii_lowercase().as_str() {
        "green" => Some(Rating::Green),
        "yellow" => Some(Rating::Yellow),
        "red" => Some(Rating::Red),
        _ => None,
    }
}

fn module_of(on: CommentTarget) -> (&'static str, i64) {
    match on {
        CommentTarget::Task(id) => ("ticket", id.0),
        CommentTarget::Project(id) => ("project", id.0),
        CommentTarget::Goal(id) => ("goalcanvasitem", id.0),
    }
}

/// The whole thread, the latest first.
pub(super) fn get_thread(on: CommentTarget) -> Call {
    let (module, id) = module_of(on);
    let params = json!({ "module": module, "entityId": id, "commentOrder": 0, "parent": -1 });
    Call::new("comments.getComments", params)
}

/// Asks for all comments on everything else and on these projects: those one by one, since the list
/// of all takes the number of a project for that of a ticket.
pub(super) fn poll(projects: &[ProjectId]) -> Vec<Call> {
    let of_project = |project: &ProjectId| get_thread(CommentTarget::Project(*project));
    let all = Call::new("comments.pollComments", json!({}));
    [all].into_iter().chain(projects.iter().map(of_project)).collect()
}

/// The rows of such answers, each comment once. A project whose thread fails is left out.
pub(super) fn polled(replies: &[Reply], projects: &[ProjectId]) -> Result<Vec<Row>> {
    let what = "read comments";
    let rows_of = |reply: &Reply| -> Result<Vec<Row>> {
        let value = reply.clone().map_err(|refusal| fault::refused(&refusal, what))?;
        wire::rows(value).ok_or_else(|| fault::no_sense(what))
    };
    let Some((all, threads)) = replies.split_first() else { return Err(fault::no_sense(what)) };
    let mut rows: Vec<Row> = rows_of(all)?.into_iter().map(markers::apart).collect();
    rows.retain(|row| row.text("module") != "project");
    for (project, thread) in projects.iter().zip(threads) {
        match rows_of(thread) {
            Ok(found) => rows.extend(of_thread(found, CommentTarget::Project(*project))),
            Err(error) => tracing::warn!(
                project = project.0,
                %error,
                "the comments on a project are left out"
            ),
        }
    }
    rows.sort_by_key(|row| row.int("id"));
    rows.dedup_by_key(|row| row.int("id"));
    Ok(rows)
}

/// Rows of a thread do not say what they are about.
pub(super) fn of_thread(rows: Vec<Row>, on: CommentTarget) -> Vec<Row> {
    let (module, _) = module_of(on);
    let named = |mut row: Row| {
        row.put("module", module);
        markers::apart(row)
    };
    rows.into_iter().map(named).collect()
}

/// Without those on tickets that this user does not see: the list of all may hold such.
pub(super) fn visible(mut rows: Vec<Row>, context: &Context) -> Vec<Row> {
    rows.retain(|row| {
        row.text("module") != "ticket" || context.homes.contains_key(&TaskId(row.int("moduleId")))
    });
    rows
}

fn means(query: &CommentQuery, comment: &Comment) -> bool {
    let comes_after = |after: CommentId| {
        if query.latest_first { comment.id < after } else { comment.id > after }
    };
    query.on.is_none_or(|on| comment.on == on)
        && (query.projects.is_empty()
            || matches!(comment.on, CommentTarget::Project(id) if query.projects.contains(&id)))
        && (!query.rated || comment.rating.is_some())
        && query.from.is_none_or(|from| comment.created >= from)
        && query.to.is_none_or(|to| comment.created < to)
        && query.after.is_none_or(comes_after)
}

impl LeantimeBoard {
    /// All comments that a question means, in its order.
    pub(super) async fn comments_meant(
        &self,
        lane: Lane,
        query: &CommentQuery,
    ) -> Result<Vec<Comment>> {
        let notes = &self.shelves.comments;
        let mut context = self.context().await?;
        let (since, rows);
        if let Some(on) = query.on {
            since = notes.generation();
            rows = self.thread_rows(lane, on, Duration::ZERO).await?;
            if let CommentTarget::Task(task) = on {
                let known = self.shelves.tasks.note(task.0).map(|note| note.thing.project);
                context.homes.extend(known.map(|home| (task, home)));
            }
        } else {
            let tasks = self.all_tasks(lane, LIST).await?;
            context.homes = tasks.iter().map(|task| (task.id, task.project)).collect();
            since = notes.generation();
            let homes: Vec<ProjectId> = context.projects.iter().map(|home| home.id).collect();
            let replies = self.ask(lane, poll(&homes), LIST).await?;
            rows = visible(polled(&replies, &homes)?, &context);
        }
        let mut found = notes.observe(&self.book, &rows, since, true, &context).await?;
        // What hangs on a ticket that is gone is gone with it.
        found.retain(|comment| means(query, comment) && !self.is_orphan(comment));
        found.sort_by_key(|comment| comment.id);
        if query.latest_first {
            found.reverse();
        }
        Ok(found)
    }

    /// The comments on one thing; none on what is gone.
    pub(super) async fn thread_rows(
        &self,
        lane: Lane,
        on: CommentTarget,
        fresh: Duration,
    ) -> Result<Vec<Row>> {
        let what = "read comments";
        let value = match self.ask_one(lane, get_thread(on), fresh, what).await {
            Err(BoardError::NotFound { .. }) => Value::Array(Vec::new()),
            value => value?,
        };
        let rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
        Ok(of_thread(rows, on))
    }

    fn is_orphan(&self, comment: &Comment) -> bool {
        match comment.on {
            CommentTarget::Task(id) => self.shelves.tasks.is_gone(id.0),
            CommentTarget::Project(_) | CommentTarget::Goal(_) => false,
        }
    }

    /// A write to a comment that is there; where it is not, the write says so.
    async fn session_at(&self, stamp: &Stamp, id: CommentId) -> Result<LeantimeSession<'_>> {
        let mark = stamp.mark.as_ref().map(|mark| format!("mark {mark}"));
        // What answers it is in the same thread; its marker is written by its own name.
        let thread = self.find_comment(id).await?.map(|comment| thread(comment.on));
        let names = mark.into_iter().chain(thread).chain([format!("comment {id}")]).collect();
        Ok(LeantimeSession::new(self, stamp, self.locks.some(names).await))
    }

    pub(super) async fn find_comment(&self, id: CommentId) -> Result<Option<Comment>> {
        self.shelves.comments.load(&self.book).await?;
        let on = self.shelves.comments.note(id.0).map(|note| note.thing.on);
        let query = CommentQuery { on, ..CommentQuery::default() };
        let found = self.comments_meant(Lane::People, &query).await?;
        Ok(found.into_iter().find(|comment| comment.id == id))
    }
}

impl LeantimeSession<'_> {
    pub(super) async fn new_comment(&mut self, comment: &Comment) -> Result<CommentId> {
        let what = "add a comment";
        let text = as_html(comment)?;
        let on_task = matches!(comment.on, CommentTarget::Task(_));
        let marker = self.stamp.marker.as_ref().filter(|_| on_task);
        let marker = marker.map(|new| self.board.new_marker(new)).unwrap_or_default();
        let mut values = json!({ "text": format!("{text}{marker}") });
        if let Some(parent) = comment.parent {
            values["father"] = parent.0.into();
        }
        if let Some(rating) = comment.rating {
            values["status"] = rating.to_string().into();
        }
        let (module, id) = module_of(comment.on);
        let mut params = json!({ "values": values, "module": module, "entityId": id });
        if let CommentTarget::Goal(goal) = comment.on {
            let project = self.board.project_of_goal(goal).await?;
            params["entity"] = json!({ "id": goal.0, "projectId": project.0 });
        }
        let writer = self.board.writer(self.stamp.actor).await?;
        self.adds(&self.board.shelves.comments, place(module, id));
        // It answers without the id: the latest of ours with this text is it.
        let calls = vec![Call::new("comments.addComment", params), get_thread(comment.on)];
        let mut replies = self.act(Parcel::Calls(calls)).await?.into_iter();
        let (Some(said), Some(thread)) = (replies.next(), replies.next()) else {
            return Err(fault::no_sense(what));
        };
        let said = said.map_err(|refusal| fault::refused(&refusal, what))?;
        if let Err(said) = wire::done(said) {
            return Err(self.refused(what, &said).await);
        }
        let thread = thread.map_err(|refusal| fault::refused(&refusal, what))?;
        let rows = of_thread(wire::rows(thread).unwrap_or_default(), comment.on);
        let is_it = |row: &&Row| {
            row.int("userId") == writer.0
                && row.text("text") == text
                && row.text(markers::COLUMN) == marker
        };
        let row = rows.iter().filter(is_it).max_by_key(|row| row.int("id"));
        let row = row.ok_or_else(|| fault::undone(what, "it is not there"))?;
        if let Some(written) = dates::read(&row.text("date")).filter(|_| !marker.is_empty()) {
            self.board.server_clock.written(written);
        }
        let id = CommentId(row.int("id"));
        let thing = Comment { id, author: writer, ..comment.clone() };
        let columns = row.columns(Comment::COLUMNS);
        let note = Note { columns, thing, is_whole: true };
        self.keep(&self.board.shelves.comments, note)?;
        Ok(id)
    }

    /// What it answers is kept here: the server has no way to change that.
    pub(super) async fn change_comment(&mut self, comment: &Comment) -> Result<()> {
        let notes = &self.board.shelves.comments;
        let known = notes.note(comment.id.0);
        if known.is_none_or(|note| note.thing.text != comment.text) {
            self.change_text(comment).await?;
        }
        self.amend(notes, comment.id.0, |known| known.parent = comment.parent)
    }

    /// Another text; the marker behind it stays as it is.
    async fn change_text(&mut self, comment: &Comment) -> Result<()> {
        let what = "change a comment";
        let text = as_html(comment)?;
        let is_it = |row: &&Row| row.int("id") == comment.id.0;
        let before = self.board.thread_rows(self.lane(), comment.on, Duration::ZERO).await?;
        let before = before.iter().find(is_it).ok_or_else(|| fault::undone(what, "it is gone"))?;
        let marked = format!("{text}{}", before.text(markers::COLUMN));
        self.touch(&self.board.shelves.comments, comment.id.0);
        let params = json!({ "id": comment.id.0, "values": { "text": marked } });
        let calls = vec![Call::new("comments.editComment", params), get_thread(comment.on)];
        let mut values = self.call(calls, what).await?.into_iter();
        let (Some(said), Some(thread)) = (values.next(), values.next()) else {
            return Err(fault::no_sense(what));
        };
        if wire::done(said).is_err() {
            return Err(self.refused(what, AUTHOR_ONLY).await);
        }
        let rows = of_thread(wire::rows(thread).unwrap_or_default(), comment.on);
        let row = rows.iter().find(is_it).filter(|row| row.text("text") == text);
        let row = row.ok_or_else(|| fault::undone(what, "it has another text"))?;
        let columns = row.columns(Comment::COLUMNS);
        let note = Note { columns, thing: comment.clone(), is_whole: true };
        self.keep(&self.board.shelves.comments, note)
    }

    pub(super) async fn drop_comment(&mut self, id: CommentId) -> Result<()> {
        let what = "remove a comment";
        self.touch(&self.board.shelves.comments, id.0);
        let call = Call::new("comments.deleteComment", json!({ "commentId": id.0 }));
        let said = self.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        if wire::done(said).is_err() {
            return Err(self.refused(what, AUTHOR_ONLY).await);
        }
        self.forget(&self.board.shelves.comments, id.0)
    }
}

#[async_trait]
impl Comments for LeantimeBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        check::asked_projects(query.projects.len())?;
        let size = query.page_size();
        let mut items = self.comments_meant(Lane::People, query).await?;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
        Ok(Page { items, next })
    }

    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        let mark = stamp.mark.as_ref().map(|mark| format!("mark {mark}"));
        // Two that say the same on one thing could not be told apart.
        let names = mark.into_iter().chain([thread(new.on)]).collect();
        let held = self.locks.some(names).await;
        let mut session = LeantimeSession::new(self, stamp, held);
        let written = write::add_comment(&mut session, self.now(), stamp, new).await;
        let written = session.end(written).await?;
        let note = self.shelves.comments.note(written.after.id.0).filter(|_| written.changed);
        let after = note.map_or(written.after, |note| note.thing);
        Ok(Written { after, ..written })
    }

    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        let mut session = self.session_at(stamp, id).await?;
        let written = write::delete_comment(&mut session, self.now(), stamp, id).await;
        session.end(written).await
    }

    async fn edit_comment(
        &self,
        stamp: &Stamp,
        id: CommentId,
        text: String,
    ) -> Result<Written<Comment>> {
        let mut session = self.session_at(stamp, id).await?;
        let written = write::edit_comment(&mut session, self.now(), stamp, id, text).await;
        session.end(written).await
    }
}
