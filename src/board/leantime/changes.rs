//! Looking for what others changed: one request, compared with what was seen before.
//!
//! The server tells nobody, and rows do not say when they were changed. So all tickets and comments
//! are asked for together from time to time; what differs from the last sight is a change, what is
//! in no list any more is looked at once more before it counts as removed.

use super::call::Call;
use super::governor::Lane;
use super::shelf::Context;
use super::task_row::{is_task, regular};
use super::tasks::{get, get_all, missing, ticket};
use super::wire::{self, Row};
use super::{LeantimeBoard, comments, fault};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result};
use crate::domain::{Activity, CommentTarget, PersonId, ProjectId, Stamp, StatusId, Task, TaskId};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Tickets that are looked at once more in one look.
const LOST_MAX: usize = 50;
/// Tickets that are in no list by default.
const ARCHIVED: StatusId = StatusId(-1);

impl LeantimeBoard {
    /// Looks for changes, if the last look is long enough ago.
    pub(super) async fn look_if_due(&self) -> Result<()> {
        let _one = self.looking.lock().await;
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| Instant::now() < at + self.options.look_every) {
            return Ok(());
        }
        self.look().await?;
        let now = Instant::now();
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    /// Looks for changes now: at most two requests, whatever the size of the board.
    pub async fn look(&self) -> Result<()> {
        let (tasks, comments) = (&self.shelves.tasks, &self.shelves.comments);
        tasks.load(&self.book).await?;
        comments.load(&self.book).await?;
        // What it takes to understand the answer is asked first, if it is not known.
        let mut context = self.context().await?;
        let (tasks_since, comments_since) = (tasks.generation(), comments.generation());
        let milestones_since = self.shelves.milestones.generation();
        if context.projects.is_empty() {
            return Ok(());
        }
        let calls = vec![
            get_all(&context.projects),
            comments::poll(),
            Call::new("notifications.getUnreadCount", json!({})),
        ];
        let replies = self.ask(Lane::Background, calls, Duration::ZERO).await?;
        let rows_of = |place: usize, what: &str| -> Result<Vec<Row>> {
            let reply = replies.get(place).cloned().ok_or_else(|| fault::no_sense(what))?;
            let value = reply.map_err(|refusal| fault::refused(&refusal, what))?;
            wire::rows(value).ok_or_else(|| fault::no_sense(what))
        };
        let rows: Vec<Row> = rows_of(0, "list tasks")?.into_iter().map(regular).collect();
        let (found, stones): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_task);
        let seen = tasks.observe(&self.book, &found, tasks_since, false, &context).await?;
        context.homes = seen.iter().map(|task| (task.id, task.project)).collect();
        let stone_notes = &self.shelves.milestones;
        stone_notes.observe(&self.book, &stones, milestones_since, true, &context).await?;
        let polled = rows_of(1, "read comments")?;
        let heard = comments.observe(&self.book, &polled, comments_since, true, &context).await?;
        let lost = missing(&self.listed(&context), seen.iter().map(|task| task.id.0));
        let gone = self.really_gone(&lost, tasks_since).await?;
        for task in &gone {
            self.lose_task(*task).await?;
        }
        let ids: BTreeSet<i64> = heard.iter().map(|comment| comment.id.0).collect();
        self.lose_comments(&ids, comments_since).await?;
        tasks.prime(&self.book).await?;
        comments.prime(&self.book).await?;
        stone_notes.prime(&self.book).await
    }

    /// Tickets that a list would show.
    fn listed(&self, context: &Context) -> Vec<i64> {
        let all = self.shelves.tasks.things();
        let is_listed =
            |task: &&Task| task.status != ARCHIVED && context.project(task.project).is_some();
        all.iter().filter(is_listed).map(|task| task.id.0).collect()
    }

    /// Of tickets that were in no list, those that are gone. Lists are empty now and then for no
    /// reason: only a ticket's own answer says that it is gone.
    async fn really_gone(&self, lost: &[i64], since: u64) -> Result<Vec<i64>> {
        let notes = &self.shelves.tasks;
        let lost: Vec<i64> =
            lost.iter().copied().filter(|id| notes.is_settled(*id, since)).take(LOST_MAX).collect();
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let calls = lost.iter().map(|id| get(*id)).collect();
        let replies = self.ask(Lane::Background, calls, Duration::ZERO).await?;
        let (mut gone, mut rows) = (Vec::new(), Vec::new());
        for (id, reply) in lost.iter().zip(replies) {
            match ticket(reply, "read a task") {
                Ok(Some(row)) => rows.push(row),
                // Denied: moved to where this user may not look, so gone as far as we can tell.
                Ok(None) | Err(BoardError::Denied(_)) => gone.push(*id),
                Err(error) => return Err(error),
            }
        }
        let context = self.context().await?;
        notes.observe(&self.book, &rows, since, true, &context).await?;
        gone.retain(|id| notes.is_settled(*id, since));
        Ok(gone)
    }

    /// A ticket that others removed.
    pub(super) async fn lose_task(&self, id: i64) -> Result<()> {
        let Some(note) = self.shelves.tasks.note(id) else { return Ok(()) };
        let task: Task = note.thing;
        let told = self.told(|rows| rows.deleted(About::task(&task), &task.headline));
        self.shelves.tasks.lose(&self.book, id, told).await
    }

    async fn lose_comments(&self, seen: &BTreeSet<i64>, since: u64) -> Result<()> {
        let notes = &self.shelves.comments;
        for comment in notes.things() {
            let id = comment.id.0;
            if seen.contains(&id) || !notes.is_settled(id, since) {
                continue;
            }
            let home = match comment.on {
                CommentTarget::Task(task) => self.home_of(task),
                CommentTarget::Project(project) => Some(project),
                CommentTarget::Goal(_) => None,
            };
            // With a ticket that is gone its comments are no news.
            let told = match home {
                Some(home) => {
                    self.told(|rows| rows.deleted(About::comment(&comment, home), &comment.text))
                }
                None => Vec::new(),
            };
            notes.lose(&self.book, id, told).await?;
        }
        Ok(())
    }

    fn home_of(&self, task: TaskId) -> Option<ProjectId> {
        self.shelves.tasks.note(task.0).map(|note| note.thing.project)
    }

    /// Rows about what somebody else did.
    fn told(&self, say: impl FnOnce(&mut Rows<'_>)) -> Vec<Activity> {
        let stamp = Stamp::by(PersonId(0));
        let mut rows = Rows::new(&stamp, self.now());
        say(&mut rows);
        rows.into_vec().into_iter().map(|row| Activity { actor: None, ..row }).collect()
    }
}
