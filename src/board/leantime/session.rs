//! One write to the server: the steps that all boards share, with the server's part in them.
//!
//! There is no transaction to be dropped. What can be refused is refused before anything goes out;
//! from then on the mark stands as begun until the whole write is recorded.

use super::call::{Call, Parcel, Reply, Trouble};
use super::governor::Lane;
use super::locks::Held;
use super::notebook::Line;
use super::remote::Remote;
use super::shelf::{Context, Note, Noted, Shelf};
use super::wire::Row;
use super::writing::Part;
use super::{LeantimeBoard, fault, lane_of};
use crate::board::write::{Keeps, Seen, Session, Trace};
use crate::board::{BoardError, Result};
use crate::domain::{
    Activity, Comment, CommentId, CommentQuery, Fence, Mark, Milestone, MilestoneId, Person,
    PersonId, Project, ProjectId, Stamp, StatusKind, Task, TaskId, TaskQuery, Timestamp,
};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Dropped, what did not go out did not happen.
#[derive(Debug)]
pub(super) struct LeantimeSession<'a> {
    pub(super) board: &'a LeantimeBoard,
    pub(super) stamp: Stamp,
    /// Tasks as they were when this write looked at them.
    pub(super) before: BTreeMap<TaskId, Task>,
    /// What this write has in its hands.
    parts: Vec<Box<dyn Part + 'a>>,
    /// What is written down when it is recorded.
    lines: Vec<Line>,
    /// Rows of tasks that were read back: what else they show is somebody else's.
    pub(super) sights: BTreeMap<i64, (Row, Context)>,
    is_begun: bool,
    /// Something went out that was, or may have been, done.
    has_acted: bool,
    /// The same before the last request.
    had_acted: bool,
    _held: Held,
}

impl<'a> LeantimeSession<'a> {
    pub(super) fn new(board: &'a LeantimeBoard, stamp: &Stamp, held: Held) -> Self {
        Self {
            board,
            stamp: stamp.clone(),
            before: BTreeMap::new(),
            parts: Vec::new(),
            lines: Vec::new(),
            sights: BTreeMap::new(),
            is_begun: false,
            has_acted: false,
            had_acted: false,
            _held: held,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        lane_of(&self.stamp)
    }

    /// Writes: calls in their order, in one request; the mark stands as begun before they go out.
    pub(super) async fn act(&mut self, parcel: Parcel) -> Result<Vec<Reply>> {
        self.act_as(self.stamp.actor, parcel).await
    }

    /// The same with another's credential.
    pub(super) async fn act_as(&mut self, who: PersonId, parcel: Parcel) -> Result<Vec<Reply>> {
        if let Some(mark) = self.stamp.mark.as_ref().filter(|_| !self.is_begun) {
            self.board.book.begin(mark).await?;
            self.is_begun = true;
        }
        let methods: Vec<&'static str> = match &parcel {
            Parcel::Calls(calls) => calls.iter().map(|call| call.method).collect(),
            Parcel::GoalForm(_) => vec!["goalcanvas"],
        };
        let answer = self.board.governor_of(who).write(self.lane(), parcel).await;
        self.board.own.forget(&methods);
        self.had_acted = self.has_acted;
        match answer {
            Ok(replies) => {
                let mut of_writes = methods.iter().zip(replies.iter()).filter(|(m, _)| !reads(m));
                self.has_acted |= of_writes.any(|(_, reply)| may_be_done(reply));
                if replies.first().is_some_and(Reply::is_err) {
                    self.did_not().await?;
                }
                Ok(replies.to_vec())
            }
            Err(trouble) => {
                if matches!(trouble, Trouble::Unreachable { was_sent: true, .. }) {
                    self.has_acted = true;
                } else {
                    self.did_not().await?;
                }
                Err(fault::troubled(trouble))
            }
        }
    }

    /// What came of this write. Once something of it may be on the server, no error says any more that
    /// nothing happened.
    pub(super) async fn end<T>(&mut self, answer: Result<T>) -> Result<T> {
        let answer = match answer {
            Ok(written) if self.lines.is_empty() => Ok(written),
            Ok(written) => self.record(Vec::new(), None).await.map(|()| written),
            Err(error) => Err(error),
        };
        answer.map_err(|error| match error {
            BoardError::Unavailable { .. } | BoardError::Unusable { .. } => error,
            error if self.has_acted => BoardError::Unavailable {
                what: format!("something of this may have been written before it failed: {error}"),
                source: Some(Box::new(error)),
            },
            error => error,
        })
    }

    /// One is written from now on, until this write ends.
    pub(super) fn touch<T: Noted>(&mut self, notes: &'a Shelf<T>, number: i64) {
        self.parts.push(Box::new(notes.writing(number)));
    }

    /// A new one is added there from now on, until this write ends.
    pub(super) fn adds<T: Noted>(&mut self, notes: &'a Shelf<T>, place: String) {
        self.parts.push(Box::new(notes.adding(place)));
    }

    /// Keeps what was written, as it was written.
    pub(super) fn keep<T: Noted>(&mut self, notes: &'a Shelf<T>, note: Note<T>) -> Result<()> {
        self.hold(notes, note.thing.number(), Some(note))
    }

    /// Changes what is remembered beside the server.
    pub(super) fn amend<T: Noted>(
        &mut self,
        notes: &'a Shelf<T>,
        number: i64,
        change: impl FnOnce(&mut T),
    ) -> Result<()> {
        let Some(mut note) = notes.note(number) else { return Ok(()) };
        change(&mut note.thing);
        self.keep(notes, note)
    }

    pub(super) fn forget<T: Noted>(&mut self, notes: &'a Shelf<T>, number: i64) -> Result<()> {
        self.hold(notes, number, None)
    }

    fn hold<T: Noted>(
        &mut self,
        notes: &'a Shelf<T>,
        number: i64,
        note: Option<Note<T>>,
    ) -> Result<()> {
        let (line, part) = notes.hold(number, note)?;
        self.lines.retain(|(key, _)| *key != line.0);
        self.lines.push(line);
        self.parts.push(Box::new(part));
        Ok(())
    }

    /// It is on the server and in the notebook: others may look at it again.
    async fn recorded(&mut self) {
        self.parts.iter_mut().for_each(|part| part.recorded());
        self.parts.clear();
        let notes = &self.board.shelves.tasks;
        for (row, context) in std::mem::take(&mut self.sights).into_values() {
            let (since, rows) = (notes.generation(), [row]);
            // What fails here is found by the next look.
            let _ = notes.observe(&self.board.book, &rows, since, true, &context).await;
        }
    }

    /// Nothing of this write happened.
    pub(super) async fn did_not(&mut self) -> Result<()> {
        if let Some(mark) = self.stamp.mark.as_ref().filter(|_| self.is_begun && !self.has_acted) {
            self.board.book.forget(mark).await?;
            self.is_begun = false;
        }
        Ok(())
    }

    /// The server said that it did not, without an error: nothing of that call happened.
    pub(super) async fn refused(&mut self, what: &str, said: &str) -> BoardError {
        self.has_acted = self.had_acted;
        match self.did_not().await {
            Ok(()) => fault::undone(what, said),
            Err(error) => error,
        }
    }

    /// One call of a write, whose first reply must say that it was done.
    pub(super) async fn call(&mut self, calls: Vec<Call>, what: &str) -> Result<Vec<Value>> {
        let replies = self.act(Parcel::Calls(calls)).await?;
        let values: std::result::Result<Vec<Value>, _> = replies.into_iter().collect();
        values.map_err(|refusal| fault::refused(&refusal, what))
    }

    /// Reads within a write, under the board's own identity.
    pub(super) async fn ask(&self, call: Call, what: &str) -> Result<Value> {
        self.board.ask_one(self.lane(), call, Duration::ZERO, what).await
    }
}

impl Drop for LeantimeSession<'_> {
    fn drop(&mut self) {
        // The latest first: what was remembered at the beginning is what stays.
        while self.parts.pop().is_some() {}
    }
}

/// A call that changes nothing.
fn reads(method: &str) -> bool {
    let name = method.rsplit('.').next().unwrap_or(method);
    name.starts_with("get") || name.starts_with("poll")
}

/// Whether what was answered so may be on the server: an exception inside may come after the deed.
fn may_be_done(reply: &Reply) -> bool {
    reply.as_ref().map_or_else(|refusal| !refusal.is_before_the_deed(), |_| true)
}

fn there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(BoardError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Session for LeantimeSession<'_> {
    async fn seen(&mut self, stamp: &Stamp) -> Result<Seen> {
        self.board.book.seen(stamp).await
    }

    async fn keep_fence(&mut self, task: TaskId, fence: Fence) -> Result<()> {
        self.board.book.raise_fence(task, fence).await
    }

    async fn record(&mut self, rows: Vec<Activity>, trace: Option<(&Mark, Trace)>) -> Result<()> {
        let lines = std::mem::take(&mut self.lines);
        if self.board.book.record(rows, trace, Vec::new(), lines).await? {
            self.recorded().await;
            return Ok(());
        }
        Err(fault::unavailable("its notebook could not be written".to_owned()))
    }

    async fn find_person(&mut self, id: PersonId) -> Result<Option<Person>> {
        self.board.find_person(id).await
    }

    async fn person_named(&mut self, folded: &str) -> Result<Option<PersonId>> {
        let people = self.board.all_people().await?;
        let fold = crate::board::check::fold;
        Ok(people.iter().find(|person| fold(person.name.trim()) == folded).map(|p| p.id))
    }

    async fn insert_person(&mut self, person: &Person) -> Result<PersonId> {
        self.new_person(person).await
    }

    async fn find_project(&mut self, id: ProjectId) -> Result<Option<Project>> {
        self.board.find_project(id).await
    }

    async fn project_named(&mut self, folded: &str) -> Result<Option<ProjectId>> {
        let projects = self.board.all_projects().await?;
        let fold = crate::board::check::fold;
        Ok(projects.iter().find(|project| fold(project.name.trim()) == folded).map(|p| p.id))
    }

    async fn insert_project(&mut self, project: &Project) -> Result<ProjectId> {
        self.new_project(project).await
    }

    async fn update_project(&mut self, project: &Project) -> Result<()> {
        self.change_project(project).await
    }

    async fn find_task(&mut self, id: TaskId) -> Result<Option<Task>> {
        if let Some(known) = self.before.get(&id) {
            return Ok(Some(known.clone()));
        }
        let found = there(self.board.read_task(self.lane(), id).await)?;
        self.before.extend(found.clone().map(|task| (id, task)));
        Ok(found)
    }

    async fn tasks_where(&mut self, query: &TaskQuery, max: usize) -> Result<Vec<Task>> {
        let mut found = self.board.matching(query).await?;
        found.sort_by_key(|task| task.id);
        found.truncate(max);
        Ok(found)
    }

    async fn insert_task(&mut self, task: &Task, _: StatusKind) -> Result<TaskId> {
        self.new_task(task).await
    }

    async fn update_task(&mut self, task: &Task, _: StatusKind) -> Result<()> {
        self.change_task(task).await
    }

    async fn touch_task(&mut self, task: &Task, at: Timestamp) -> Result<()> {
        self.amend(&self.board.shelves.tasks, task.id.0, |task| task.modified = at)
    }

    async fn remove_task(&mut self, id: TaskId) -> Result<()> {
        self.drop_task(id).await
    }

    async fn find_milestone(&mut self, id: MilestoneId) -> Result<Option<Milestone>> {
        there(self.board.read_milestone(self.lane(), id).await)
    }

    async fn insert_milestone(&mut self, milestone: &Milestone) -> Result<MilestoneId> {
        self.new_milestone(milestone).await
    }

    async fn update_milestone(&mut self, milestone: &Milestone) -> Result<()> {
        self.change_milestone(milestone).await
    }

    async fn find_comment(&mut self, id: CommentId) -> Result<Option<Comment>> {
        self.board.find_comment(id).await
    }

    async fn comments_where(&mut self, query: &CommentQuery, max: usize) -> Result<Vec<Comment>> {
        let query = CommentQuery { limit: 0, ..query.clone() };
        let mut found = self.board.comments_meant(self.lane(), &query).await?;
        found.truncate(max);
        Ok(found)
    }

    async fn insert_comment(&mut self, comment: &Comment) -> Result<CommentId> {
        self.new_comment(comment).await
    }

    async fn update_comment(&mut self, comment: &Comment) -> Result<()> {
        self.change_comment(comment).await
    }

    async fn remove_comment(&mut self, id: CommentId) -> Result<()> {
        self.drop_comment(id).await
    }
}

#[async_trait]
impl<T: Remote> Keeps<T> for LeantimeSession<'_> {
    async fn find(&mut self, id: T::Id) -> Result<Option<T>> {
        there(T::one(self.board, self.lane(), id).await)
    }

    async fn list(&mut self, query: &T::Query, max: usize) -> Result<Vec<T>> {
        let mut found = T::all(self.board, self.lane(), query).await?;
        found.retain(|thing| thing.is_meant(query));
        found.sort_by_key(T::place);
        found.truncate(max);
        Ok(found)
    }

    async fn insert(&mut self, thing: &T) -> Result<T> {
        T::add(self, thing).await
    }

    async fn update(&mut self, thing: &T) -> Result<()> {
        T::change(self, thing).await
    }

    async fn remove(&mut self, id: T::Id) -> Result<()> {
        T::remove(self, id).await
    }
}
