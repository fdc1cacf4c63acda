//! Timers: they run here and do not show on the server, whose own book time of a kind of its own as
//! soon as they are stopped. What was timed is logged there like any other time.

use super::LeantimeBoard;
use super::governor::Lane;
use super::remote::{Remote, not_there};
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::wire::{Columns, Row};
use crate::board::Result;
use crate::board::record::Rows;
use crate::domain::{Timer, TimerId, TimerQuery, Timestamp};
use async_trait::async_trait;

impl Noted for Timer {
    const SHELF: &'static str = "timer";
    const COLUMNS: &'static [&'static str] = &[];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(_: &Row, known: &Known<'_, Self>, _: &Context) -> Option<Self> {
        known.thing.cloned()
    }

    fn tell(_: Option<&Self>, _: &Self, _: &mut Rows<'_>, _: &Context) {}

    fn grow(&mut self, _: Timestamp) {}
}

impl LeantimeSession<'_> {
    fn keep_timer(&mut self, thing: Timer) -> Result<()> {
        let note = Note { columns: Columns::new(), thing, is_whole: true };
        self.keep(&self.board.shelves.timers, note)
    }
}

#[async_trait]
impl Remote for Timer {
    async fn one(board: &LeantimeBoard, lane: Lane, id: TimerId) -> Result<Self> {
        let all = Self::all(board, lane, &TimerQuery::default()).await?;
        all.into_iter().find(|timer| timer.id == id).ok_or_else(|| not_there::<Self>(id))
    }

    async fn all(board: &LeantimeBoard, _: Lane, _: &TimerQuery) -> Result<Vec<Self>> {
        board.shelves.timers.load(&board.book).await?;
        Ok(board.shelves.timers.things())
    }

    async fn add(session: &mut LeantimeSession<'_>, timer: &Self) -> Result<Self> {
        session.board.shelves.timers.load(&session.board.book).await?;
        let id = TimerId(session.board.book.next_number("timer").await?);
        let thing = Self { id, ..timer.clone() };
        session.keep_timer(thing.clone())?;
        Ok(thing)
    }

    async fn change(session: &mut LeantimeSession<'_>, timer: &Self) -> Result<()> {
        session.keep_timer(timer.clone())
    }

    async fn remove(session: &mut LeantimeSession<'_>, id: TimerId) -> Result<()> {
        session.forget(&session.board.shelves.timers, id.0)
    }
}
