//! Looking for what others changed: one request, compared with what was seen before.
//!
//! The server tells nobody, and rows do not say when they were changed. So all tickets and comments
//! are asked for together from time to time; what differs from the last sight is a change, what is
//! in no list any more is looked at once more before it counts as removed.

use super::call::{Call, DENIED, NOT_THERE};
use super::governor::Lane;
use super::rounds::{THREADS, turn};
use super::shelf::Context;
use super::task_row::is_task;
use super::tasks::{get, get_all, missing, ticket, tickets_of};
use super::wire::{self, Row};
use super::{LeantimeBoard, comments};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result};
use crate::domain::{
    Activity, Comment, CommentTarget, PersonId, ProjectId, Stamp, StatusId, Task, TaskId,
};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

/// Tickets that are looked at once more in one look.
const LOST_MAX: usize = 50;
/// How old what is known of projects may be for a look.
const KNOWN: Duration = Duration::from_mins(10);
/// Tickets that are in no list by default.
const ARCHIVED: StatusId = StatusId(-1);

/// Whose rows were asked for when.
struct Since {
    tasks: u64,
    milestones: u64,
    comments: u64,
}

impl LeantimeBoard {
    /// Looks for changes now: at most two requests, whatever the size of the board.
    pub async fn look(&self) -> Result<()> {
        let (tasks, comments) = (&self.shelves.tasks, &self.shelves.comments);
        tasks.load(&self.book).await?;
        comments.load(&self.book).await?;
        // What it takes to understand the answer is asked first only if it is not known at all; what
        // is old is asked for in the same request.
        let projects = self.projects_within(KNOWN).await?;
        let known = self.project_ids(KNOWN).await?;
        let mut context = Context { projects, ..self.bare_context() };
        let since = Since {
            tasks: tasks.generation(),
            milestones: self.shelves.milestones.generation(),
            comments: comments.generation(),
        };
        if context.projects.is_empty() {
            return Ok(());
        }
        let number = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).begin();
        let all: Vec<ProjectId> = context.projects.iter().map(|project| project.id).collect();
        // What is there at the first look is no news, so that one has to see everything.
        let homes = if comments.is_primed() { turn(&all, THREADS, number) } else { all };
        // Together in one request, but each by itself: whoever asks for the list next has it.
        let (tickets, polled, ()) = futures::join!(
            self.ask_shared(Lane::Background, vec![get_all(&context.projects)], Duration::ZERO),
            self.ask(Lane::Background, comments::poll(&homes), Duration::ZERO),
            self.refresh_projects(&known, number)
        );
        let (rows, polled) = (tickets_of(&tickets?)?, polled?);
        let (found, stones): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_task);
        let seen = tasks.observe(&self.book, &found, since.tasks, false, &context).await?;
        context.homes = seen.iter().map(|task| (task.id, task.project)).collect();
        let stone_notes = &self.shelves.milestones;
        stone_notes.observe(&self.book, &stones, since.milestones, true, &context).await?;
        let heard = comments::polled(&polled, &homes)?;
        let heard = comments::visible(heard, &context);
        let heard = comments.observe(&self.book, &heard, since.comments, true, &context).await?;
        let lost = missing(&self.listed(&context), seen.iter().map(|task| task.id.0));
        let heard: BTreeSet<i64> = heard.iter().map(|comment| comment.id.0).collect();
        self.settle_lost(&lost, &self.unheard(&heard, &homes), &since).await?;
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

    /// Comments that the lists of this look would show and did not: not those on other projects than
    /// these.
    fn unheard(&self, heard: &BTreeSet<i64>, homes: &[ProjectId]) -> Vec<Comment> {
        let was_asked = |comment: &Comment| match comment.on {
            CommentTarget::Project(project) => homes.contains(&project),
            _ => true,
        };
        let all = self.shelves.comments.things();
        all.into_iter().filter(|c| was_asked(c) && !heard.contains(&c.id.0)).collect()
    }

    /// What was in no list is looked at by itself, in one more request: lists are empty now and then
    /// for no reason, and only a thing's own answer says that it is gone.
    async fn settle_lost(&self, lost: &[i64], unheard: &[Comment], since: &Since) -> Result<()> {
        let (notes, comments) = (&self.shelves.tasks, &self.shelves.comments);
        let lost: Vec<i64> = lost
            .iter()
            .copied()
            .filter(|id| notes.is_settled(*id, since.tasks) && !notes.is_busy(*id))
            .take(LOST_MAX)
            .collect();
        let mut threads: Vec<CommentTarget> = unheard
            .iter()
            .filter(|comment| comments.is_settled(comment.id.0, since.comments))
            .map(|comment| comment.on)
            .collect();
        threads.sort_unstable();
        threads.dedup();
        threads.truncate(LOST_MAX);
        if lost.is_empty() && threads.is_empty() {
            return Ok(());
        }
        let mut calls: Vec<Call> = lost.iter().map(|id| get(*id)).collect();
        calls.extend(threads.iter().map(|on| comments::get_thread(*on)));
        let mut replies = self.ask(Lane::Background, calls, Duration::ZERO).await?.into_iter();
        let (mut gone, mut rows) = (Vec::new(), Vec::new());
        for (id, reply) in lost.iter().zip(replies.by_ref().take(lost.len())) {
            match ticket(reply, "read a task") {
                Ok(Some(row)) => rows.push(row),
                // Denied: moved to where this user may not look, so gone as far as we can tell.
                Ok(None) | Err(BoardError::Denied(_)) => gone.push(*id),
                // The others are looked at all the same; this one the next time.
                Err(error) => tracing::warn!(task = id, %error, "a task is left out of a look"),
            }
        }
        let context = self.context().await?;
        notes.observe(&self.book, &rows, since.tasks, true, &context).await?;
        for (on, thread) in threads.iter().zip(replies) {
            let rows = match thread {
                Ok(value) => wire::rows(value),
                Err(refusal) if refusal.code == NOT_THERE || refusal.code == DENIED => {
                    Some(Vec::new())
                }
                Err(_) => None,
            };
            // A thread that fails says nothing of its comments.
            let Some(rows) = rows else { continue };
            let there: BTreeSet<i64> = rows.iter().map(|row| row.int("id")).collect();
            let is_lost = |comment: &&Comment| {
                comment.on == *on
                    && !there.contains(&comment.id.0)
                    && comments.is_settled(comment.id.0, since.comments)
                    && !comments.is_busy(comment.id.0)
            };
            for comment in unheard.iter().filter(is_lost) {
                self.lose_comment(comment, &gone).await?;
            }
        }
        let is_free = |id: &i64| notes.is_settled(*id, since.tasks) && !notes.is_busy(*id);
        for id in gone.into_iter().filter(is_free) {
            self.lose_task(id).await?;
        }
        Ok(())
    }

    /// A ticket that others removed.
    pub(super) async fn lose_task(&self, id: i64) -> Result<()> {
        let Some(note) = self.shelves.tasks.note(id) else { return Ok(()) };
        let task: Task = note.thing;
        let told = self.told(|rows| rows.deleted(About::task(&task), &task.headline));
        self.shelves.tasks.lose(&self.book, id, told).await
    }

    /// A comment that others removed; with a ticket that is gone, its comments are no news.
    async fn lose_comment(&self, comment: &Comment, gone: &[i64]) -> Result<()> {
        let home = match comment.on {
            CommentTarget::Task(task) if gone.contains(&task.0) => None,
            CommentTarget::Task(task) => self.home_of(task),
            CommentTarget::Project(project) => Some(project),
            CommentTarget::Goal(_) => None,
        };
        let told = match home {
            Some(home) => {
                self.told(|rows| rows.deleted(About::comment(comment, home), &comment.text))
            }
            None => Vec::new(),
        };
        self.shelves.comments.lose(&self.book, comment.id.0, told).await
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
