//! Daemons that share a board and no store keep off each other's tasks (C9).
//!
//! On a board with markers, announcing a claim begins with its comment, which is a marker, before any
//! field is written; then the thread is read back. The earliest open marker holds the task, by the
//! board's own order of comments. A loser takes its comment away and touches no field. The marker is
//! renewed while its claim is held, and closed with it; after a crash it ends by itself.
//!
//! A marker is ours if its run is in our store: among those, the claims of the store decide. All
//! others count, whoever wrote them, as long as they are open.

use super::parts::Parts;
use super::worker::{Worker, board_trouble, store_trouble};
use crate::board::{BoardError, Markers};
use crate::domain::{
    Claim, CommentId, EffectResult, Entity, Fence, Marker, NewMarker, PersonId, Reason, RunState,
    Stamp, Task, TaskId, Thread, Usage,
};
use crate::ledger::{LedgerError, TrustWindow};
use crate::runner::WorkEnd;
use std::time::Duration;

/// How long a marker lasts from each renewal on: the longest that a crash of its daemon keeps others
/// off the task.
const LASTS: Duration = Duration::from_mins(10);
/// What was read just now need not be read again.
const JUST_NOW: Duration = Duration::from_secs(2);

/// Our own marker, as far as we know. Clones share one trust window.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    comment: CommentId,
    task: TaskId,
    author: PersonId,
    trust: TrustWindow,
}

impl Standing {
    /// Whether it may still be believed.
    pub(super) fn is_open(&self, boot: Duration) -> bool {
        self.trust.is_open(boot)
    }

    fn is_due(&self, boot: Duration) -> bool {
        self.trust.closes().saturating_sub(boot) < LASTS / 2
    }
}

/// What came of a renewal.
pub(super) enum Renewed {
    Done,
    /// The comment is gone, or no marker any more.
    Gone,
    /// It may have counted as ended before the renewal arrived.
    TooLate,
}

/// The markers of a board, for the claims of a store.
#[derive(Clone, Copy)]
pub(super) struct Marking<'a> {
    parts: &'a Parts,
    board: &'a dyn Markers,
}

impl<'a> Marking<'a> {
    /// `None`: the board excludes by itself.
    pub(super) fn on(parts: &'a Parts) -> Option<Self> {
        parts.board.markers().map(|board| Self { parts, board })
    }

    async fn is_ours(&self, task: TaskId, marker: &Marker) -> Result<bool, LedgerError> {
        let run = self.parts.ledger.run(marker.run.as_str()).await?;
        Ok(run.is_some_and(|run| run.task == Some(task)))
    }

    /// The first open marker of others; of those before a comment, where one is given.
    async fn others(
        &self,
        task: TaskId,
        thread: &Thread,
        before: Option<CommentId>,
    ) -> Result<Option<Marker>, LedgerError> {
        let is_first = |marker: &&Marker| before.is_none_or(|own| marker.comment < own);
        for marker in thread.markers.iter().filter(|marker| thread.is_open(marker)) {
            if is_first(&marker) && !self.is_ours(task, marker).await? {
                return Ok(Some(marker.clone()));
            }
        }
        Ok(None)
    }

    /// The last comment on a task that nobody else has marked.
    pub(super) async fn first_look(&self, task: TaskId) -> Result<CommentId, (Reason, String)> {
        let thread = self.board.thread(task, Duration::ZERO).await;
        let thread = thread.map_err(|error| (Reason::BoardUnavailable, error.to_string()))?;
        match self.others(task, &thread, None).await {
            Ok(None) => Ok(thread.last),
            Ok(Some(other)) => Err((Reason::AlreadyClaimed, who(&other))),
            Err(error) => Err((Reason::StoreFailed, error.to_string())),
        }
    }

    /// Whether others have marked a task, as far as our own marker does not come first.
    pub(super) async fn is_others(
        &self,
        task: TaskId,
        own: Option<CommentId>,
        fresh: Duration,
    ) -> Result<Option<Marker>, WorkEnd> {
        let thread = self.board.thread(task, fresh).await.map_err(|e| board_trouble(&e))?;
        let own = own.filter(|own| thread.believed(*own).is_some());
        self.others(task, &thread, own).await.map_err(|error| store_trouble(&error))
    }

    /// Lets our marker last again.
    pub(super) async fn renew(&self, own: &Standing, fence: Fence) -> Result<Renewed, BoardError> {
        let asked = self.parts.clock.boot();
        let stamp = Stamp { claim: Some((own.task, fence)), ..Stamp::by(own.author) };
        let set = self.board.set_marker(&stamp, own.task, own.comment, Some(LASTS)).await;
        let thread = match set {
            Ok(thread) => thread,
            Err(BoardError::NotFound { .. }) => return Ok(Renewed::Gone),
            Err(error) => return Err(error),
        };
        let Some(left) = thread.believed(own.comment) else { return Ok(Renewed::Gone) };
        if !own.is_open(self.parts.clock.boot()) {
            return Ok(Renewed::TooLate);
        }
        own.trust.extend(asked, left, Duration::ZERO);
        Ok(Renewed::Done)
    }

    /// Lets the marker of a claim last for `lasts` again, where it would end before `lease` is over.
    pub(super) async fn outlast(
        &self,
        claim: &Claim,
        lease: Duration,
        lasts: Duration,
    ) -> Result<(), BoardError> {
        let Some(comment) = claim.marker else { return Ok(()) };
        let thread = self.board.thread(claim.task, JUST_NOW).await?;
        // One that is gone is seen by whoever looks at the claim; one that may count as ended is not
        // renewed any more, and its claim's lease has ended before.
        let found = thread.of(comment).zip(thread.believed(comment));
        let Some((marker, _)) = found.filter(|(_, left)| *left < lease) else { return Ok(()) };
        let stamp = Stamp { claim: Some((claim.task, claim.fence)), ..Stamp::by(marker.author) };
        self.board.set_marker(&stamp, claim.task, comment, Some(lasts)).await.map(|_| ())
    }

    /// Renews our marker while its claim is held; returns why it does not hold the task any more.
    pub(super) async fn keep(&self, own: &Standing, fence: Fence) -> (RunState, Reason, String) {
        let lost = |detail: String| (RunState::ClaimLost, Reason::ClaimLost, detail);
        let mut timer = super::upkeep::timer(self.parts.settings.renew);
        loop {
            timer.tick().await;
            if !own.is_due(self.parts.clock.boot()) {
                continue;
            }
            match self.renew(own, fence).await {
                Ok(Renewed::Done) => {}
                Ok(Renewed::Gone) => {
                    return (RunState::Yielded, Reason::PersonTookOver, REMOVED.to_owned());
                }
                Ok(Renewed::TooLate) => {
                    own.trust.lose();
                    return lost("its marker was renewed too late".to_owned());
                }
                Err(error) if !own.is_open(self.parts.clock.boot()) => {
                    own.trust.lose();
                    return lost(format!("its marker could not be renewed: {error}"));
                }
                Err(error) => tracing::warn!(%error, "a marker is renewed again later"),
            }
        }
    }

    /// Closes what markers of ours stand on a task that no claim of ours holds any more, and takes
    /// the comments away that say what never came to be.
    pub(super) async fn clear(
        &self,
        task: TaskId,
        goes: impl Fn(CommentId) -> bool,
    ) -> Result<(), BoardError> {
        let thread = match self.board.thread(task, Duration::ZERO).await {
            Ok(thread) => thread,
            Err(BoardError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        for marker in &thread.markers {
            if self.is_ours(task, marker).await.is_ok_and(|ours| ours) {
                self.close(task, marker, goes(marker.comment)).await?;
            }
        }
        Ok(())
    }

    async fn close(&self, task: TaskId, marker: &Marker, goes: bool) -> Result<(), BoardError> {
        let stamp = Stamp::by(marker.author);
        if goes {
            match self.parts.board.delete_comment(&stamp, marker.comment).await {
                Ok(_) | Err(BoardError::NotFound { .. }) => return Ok(()),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::debug!(%error, "a comment stays, without its marker"),
            }
        }
        match self.board.set_marker(&stamp, task, marker.comment, None).await {
            // A conflict: it is somebody else's, in our name, and ends by itself.
            Ok(_) | Err(BoardError::NotFound { .. } | BoardError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the comment that marks a claim's task was removed, or is no marker any more.
pub(super) async fn is_removed(board: &dyn Markers, claim: &Claim) -> Result<bool, BoardError> {
    let Some(comment) = claim.marker else { return Ok(false) };
    Ok(board.thread(claim.task, JUST_NOW).await?.of(comment).is_none())
}

/// What is said when a person takes an announcement away.
pub(super) const REMOVED: &str = "the comment that announced it was removed";

pub(super) fn who(other: &Marker) -> String {
    format!(
        "another daemon has marked it (comment {}, run {}), until {}",
        other.comment,
        other.run,
        super::brief::text_of(other.ends)
    )
}

impl Worker {
    /// Whether the board wants a marker before anything else is written for the claim.
    pub(super) fn needs_marker(&self) -> bool {
        self.held.is_some() && self.parts.board.markers().is_some()
    }

    /// Marks the task for the claim, if it is not so already; the comment is the announcement.
    pub(super) async fn mark(&mut self, task: &Task) -> Result<(), WorkEnd> {
        if !self.needs_marker() || self.has_marker().await? {
            return Ok(());
        }
        let parts = std::sync::Arc::clone(&self.parts);
        let Some(marking) = Marking::on(&parts) else { return Ok(()) };
        if let Some(other) = marking.is_others(task.id, None, JUST_NOW).await? {
            return Err(self.outrun(&other));
        }
        let asked = self.parts.clock.boot();
        let comment = self.write_marker(task).await?;
        let thread = marking.board.thread(task.id, Duration::ZERO).await;
        let thread = thread.map_err(|error| board_trouble(&error))?;
        let others = marking.others(task.id, &thread, Some(comment)).await;
        if let Some(other) = others.map_err(|error| store_trouble(&error))? {
            return Err(self.outrun(&other));
        }
        let Some(left) = thread.believed(comment) else {
            let (state, reason) = (RunState::Yielded, Reason::PersonTookOver);
            return Err(WorkEnd::ended(state, reason, REMOVED, Usage::default()));
        };
        let author = thread.of(comment).map_or(PersonId(0), |marker| marker.author);
        let trust = TrustWindow::new(asked, left, Duration::ZERO);
        self.standing = Some(Standing { comment, task: task.id, author, trust });
        Ok(())
    }

    /// Whether a marker of the claim stands already, from before a crash or an earlier attempt. One
    /// that may count as ended is never renewed: somebody else may have begun since.
    async fn has_marker(&mut self) -> Result<bool, WorkEnd> {
        let now = self.parts.clock.boot();
        if self.standing.as_ref().is_some_and(|own| own.is_open(now) && !own.is_due(now)) {
            return Ok(true);
        }
        let parts = std::sync::Arc::clone(&self.parts);
        let (Some(marking), Some(held)) = (Marking::on(&parts), &self.held) else {
            return Ok(false);
        };
        let (task, fence) = (held.claim.task, held.claim.fence);
        let Some(comment) = held.claim.marker else { return Ok(false) };
        let thread = marking.board.thread(task, Duration::ZERO).await;
        let thread = thread.map_err(|error| board_trouble(&error))?;
        let found = thread.of(comment).zip(thread.believed(comment));
        let Some((marker, left)) = found else { return Ok(false) };
        let trust = TrustWindow::new(now, left, Duration::ZERO);
        let own = Standing { comment, task, author: marker.author, trust };
        let renewed = marking.renew(&own, fence).await.map_err(|error| board_trouble(&error))?;
        let is_held = matches!(renewed, Renewed::Done);
        if matches!(renewed, Renewed::TooLate) {
            let closed = marking.close(task, marker, false).await;
            closed.map_err(|error| board_trouble(&error))?;
        }
        self.standing = is_held.then_some(own);
        Ok(is_held)
    }

    /// Writes the announcement; the claim's record knows its comment from then on.
    async fn write_marker(&mut self, task: &Task) -> Result<CommentId, WorkEnd> {
        let Some(rules) = self.job.playbook.claim.clone() else {
            let reason = Reason::NotArmed;
            return Err(WorkEnd::ended(RunState::Failed, reason, "no claim", Usage::default()));
        };
        let marker = NewMarker { run: self.run.id.clone(), lasts: LASTS };
        let text = self.render(&rules.comment)?;
        let said = self.announcement(task, text, marker).await;
        let said = said.map_err(|error| super::announce::tool_trouble(&error))?;
        let effect = said.effect.and_then(|effect| effect.result);
        let Some(EffectResult::Done { entity: Entity::Comment(comment), .. }) = effect else {
            let detail = "the announcement has no comment";
            let (state, reason) = (RunState::Failed, Reason::UnknownEffect);
            return Err(WorkEnd::ended(state, reason, detail, Usage::default()));
        };
        self.announced = Some(comment);
        if let Some(held) = &mut self.held {
            let noted = self.parts.ledger.mark(held, comment).await;
            noted.map_err(|error| super::announce::claim_trouble(&error))?;
        }
        Ok(comment)
    }

    /// Nothing but the announcement shows: it goes again, and all else stays as it is.
    pub(super) fn withdraw(&mut self, detail: &str) -> WorkEnd {
        self.is_withdrawn = true;
        WorkEnd::ended(RunState::Refused, Reason::LostRace, detail, Usage::default())
    }

    /// Somebody else was first: from here on the task is theirs, and no field of it is touched.
    fn outrun(&mut self, other: &Marker) -> WorkEnd {
        self.withdraw(&who(other))
    }

    /// The claim ends in good order: so does its marker. Where nothing else of it shows, its comment
    /// goes as well.
    pub(super) async fn close_marker(&mut self) {
        self.standing = None;
        let (Some(marking), Some(held)) = (Marking::on(&self.parts), &self.held) else { return };
        let announced = self.announced.filter(|_| self.is_withdrawn);
        let is_bare = held.claim.wrote.status.is_none();
        let goes = |comment| is_bare || announced == Some(comment);
        if let Err(error) = marking.clear(held.claim.task, goes).await {
            tracing::warn!(run = %self.run.id, %error, "its marker is not closed and ends by itself");
        }
    }

    /// A claim that is taken up only to be finished: others may have begun since its marker ended.
    pub(super) async fn is_outrun(&mut self) -> Result<Option<WorkEnd>, WorkEnd> {
        if !self.needs_marker() || self.has_marker().await? {
            return Ok(None);
        }
        let parts = std::sync::Arc::clone(&self.parts);
        let Some((marking, task)) = Marking::on(&parts).zip(self.job.task) else { return Ok(None) };
        let other = marking.is_others(task, None, Duration::ZERO).await?;
        Ok(other.map(|other| self.outrun(&other)))
    }

    /// Whether somebody else holds the task by now, so that nothing is to be put back.
    pub(super) async fn is_anothers(&self, task: TaskId) -> bool {
        let Some(marking) = Marking::on(&self.parts) else { return false };
        let own = self.standing.as_ref().map(|own| own.comment);
        // What cannot be told is left alone.
        let other = marking.is_others(task, own, Duration::ZERO).await;
        other.map_or(true, |other| other.is_some())
    }
}
