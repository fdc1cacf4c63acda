//! Markers, at the end of a comment's HTML, where the web pages do not show them:
//! `<!-- rota r-0123456789ab until 2026-11-22T14:10:00Z -->`.
//!
//! What people and agents write through this board is escaped, so that no such thing comes of it. Who
//! writes to the server by another way may forge one: it ends some hours later at most, and does no
//! more until then than a comment that says `stop`.

use super::call::{Call, Parcel};
use super::comments::{get_thread, of_thread};
use super::governor::Lane;
use super::session::LeantimeSession;
use super::wire::{self, Row};
use super::{LeantimeBoard, dates, fault, lane_of};
use crate::board::{BoardError, Markers, Result, check};
use crate::domain::{
    CommentId, CommentTarget, Entity, Marker, NewMarker, PersonId, RunId, Stamp, TaskId, Thread,
    Timestamp, to_delta,
};
use async_trait::async_trait;
use serde_json::json;
use std::time::Duration;

const BEGIN: &str = "<!-- rota ";
const UNTIL: &str = " until ";
const END: &str = " -->";
/// The column of a row in which its marker is, once its text is without.
pub(super) const COLUMN: &str = "marker";
/// Characters of the name of a run.
const NAME_MAX: usize = 64;

/// As it is written.
fn shown(run: &RunId, ends: Timestamp) -> String {
    format!("{BEGIN}{run}{UNTIL}{}{END}", dates::instant(ends))
}

/// A text without its marker, and the marker.
fn parted(html: &str) -> (&str, Option<(RunId, Timestamp)>) {
    let read = || {
        let place = html.rfind(BEGIN)?;
        let inside = html[place..].strip_prefix(BEGIN)?.trim_end().strip_suffix(END)?;
        let (run, until) = inside.split_once(UNTIL)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_run = !run.is_empty() && run.len() <= NAME_MAX && run.chars().all(is_name);
        let ends = dates::read(until).filter(|_| is_run)?;
        Some((&html[..place], (RunId::new(run), ends)))
    };
    match read() {
        Some((text, marker)) => (text, Some(marker)),
        None => (html, None),
    }
}

/// A comment's row, its marker in a column of its own: whatever happens to that is no change.
pub(super) fn apart(mut row: Row) -> Row {
    let html = row.text("text");
    if let (text, Some((run, ends))) = parted(&html) {
        row.put("text", text);
        row.put(COLUMN, shown(&run, ends));
    }
    row
}

fn marker_of(row: &Row) -> Option<Marker> {
    let (run, ends) = parted(&row.text(COLUMN)).1?;
    let (comment, author) = (CommentId(row.id("id")?), PersonId(row.int("userId")));
    Some(Marker { comment, author, run, ends })
}

impl LeantimeBoard {
    /// The server's time; our own before it said anything.
    fn server_now(&self) -> Timestamp {
        self.server_clock.now().unwrap_or_else(|| self.now())
    }

    fn thread_of(&self, rows: &[Row]) -> Thread {
        let mut markers: Vec<Marker> = rows.iter().filter_map(marker_of).collect();
        markers.sort_by_key(|marker| marker.comment);
        let last = rows.iter().map(|row| row.int("id")).max().unwrap_or(0);
        Thread { now: self.server_now(), last: CommentId(last), markers }
    }

    /// What is to stand behind a comment's text.
    pub(super) fn new_marker(&self, new: &NewMarker) -> String {
        shown(&new.run, self.server_now() + to_delta(new.lasts))
    }
}

fn no_marker(comment: CommentId) -> BoardError {
    BoardError::NotFound { what: format!("a marker in {}", Entity::Comment(comment)) }
}

/// The same comment with another end, or none.
fn edit(rows: &[Row], comment: CommentId, ends: Option<Timestamp>) -> Result<Call> {
    let row = rows.iter().find(|row| row.int("id") == comment.0);
    let (row, marker) =
        row.and_then(|row| Some((row, marker_of(row)?))).ok_or_else(|| no_marker(comment))?;
    let marker = ends.map(|ends| shown(&marker.run, ends)).unwrap_or_default();
    let text = format!("{}{marker}", row.text("text"));
    let params = json!({ "id": comment.0, "values": { "text": text } });
    Ok(Call::new("comments.editComment", params))
}

#[async_trait]
impl Markers for LeantimeBoard {
    async fn thread(&self, task: TaskId, fresh: Duration) -> Result<Thread> {
        let rows = self.thread_rows(Lane::Claims, CommentTarget::Task(task), fresh).await?;
        Ok(self.thread_of(&rows))
    }

    async fn set_marker(
        &self,
        stamp: &Stamp,
        task: TaskId,
        comment: CommentId,
        lasts: Option<Duration>,
    ) -> Result<Thread> {
        let what = "set a marker";
        // Nobody asks later whether this was done: the thread says it.
        let stamp = &Stamp { mark: None, ..stamp.clone() };
        check::stamp(stamp)?;
        let seen = self.book.seen(stamp).await?.fence;
        if let Some((task, offered)) = stamp.claim.filter(|(_, offered)| *offered < seen) {
            return Err(BoardError::Fenced { task, offered, seen });
        }
        let held = self.locks.some(vec![format!("comment {comment}")]).await;
        let on = CommentTarget::Task(task);
        let rows = self.thread_rows(lane_of(stamp), on, Duration::ZERO).await?;
        let call = edit(&rows, comment, lasts.map(|lasts| self.server_now() + to_delta(lasts)))?;
        let mut session = LeantimeSession::new(self, stamp, held);
        let replies = session.act(Parcel::Calls(vec![call, get_thread(on)])).await?;
        let mut replies = replies.into_iter();
        let (Some(said), Some(thread)) = (replies.next(), replies.next()) else {
            return Err(fault::no_sense(what));
        };
        let said = said.map_err(|refusal| fault::refused(&refusal, what))?;
        let rows = thread.map_err(|refusal| fault::refused(&refusal, what))?;
        let rows = of_thread(wire::rows(rows).unwrap_or_default(), on);
        if wire::done(said).is_err() {
            let is_there = rows.iter().any(|row| row.int("id") == comment.0);
            let denied = || fault::undone(what, "only the comment's author and managers may");
            return Err(if is_there { denied() } else { no_marker(comment) });
        }
        Ok(self.thread_of(&rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written_and_nothing_else_is_one() {
        let run = RunId::new("r-0123456789ab");
        let ends: Timestamp = "2026-11-22T14:10:00Z".parse().unwrap();
        let text = format!("<p>Hello</p>{}", shown(&run, ends));
        assert!(text.ends_with("<!-- rota r-0123456789ab until 2026-11-22T14:10:00Z -->"));
        assert_eq!(parted(&text), ("<p>Hello</p>", Some((run.clone(), ends))));
        for text in [
            "<!-- rota r-1 until soon -->",
            "<!-- rota r 1 until 2026-11-22T14:10:00Z -->",
            "<!-- rota  until 2026-11-22T14:10:00Z -->",
            "<!-- rota r-1 until 2026-11-22T14:10:00Z --> and more",
            "&lt;!-- rota r-1 until 2026-11-22T14:10:00Z --&gt;",
            "<!-- rota",
            "",
        ] {
            assert_eq!(parted(text), (text, None));
        }
        let long = format!("<!-- rota r-{} until 2026-11-22T14:10:00Z -->", "1".repeat(80));
        assert_eq!(parted(&long).1, None);
    }
}
