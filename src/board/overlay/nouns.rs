//! Goals, calendars, time, timers, sprints and members: what was written, over what is below.

use super::super::{Calendar, Goals, Members, Result, Sprints, Timers, Timesheets, kept, write};
use super::Overlay;
use crate::domain::{
    CalendarEvent, EventEdit, EventId, EventQuery, Goal, GoalBoard, GoalBoardId, GoalBoardQuery,
    GoalEdit, GoalId, GoalQuery, Member, MemberQuery, NewEvent, NewGoal, NewGoalBoard, NewSprint,
    NewTimer, Page, PersonId, ProjectId, ScheduleQuery, Scheduled, Sprint, SprintEdit, SprintId,
    SprintQuery, Stamp, StopTimer, Stopped, TimeChange, TimeEntry, TimeEntryId, TimeGroup, TimeKey,
    TimeQuery, TimeSum, Timer, TimerId, TimerQuery, Written,
};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// One write over a board.
macro_rules! written {
    ($board:ident, $write:ident($($argument:expr),*)) => {{
        let mut session = $board.session().await;
        let written = write::$write(&mut session, $board.now(), $($argument),*).await?;
        session.commit();
        Ok(written)
    }};
}

#[async_trait]
impl Goals for Overlay {
    async fn goal_board(&self, id: GoalBoardId) -> Result<GoalBoard> {
        self.one(id).await
    }

    async fn goal_boards(&self, query: &GoalBoardQuery) -> Result<Page<GoalBoard>> {
        self.some(query).await
    }

    async fn add_goal_board(&self, stamp: &Stamp, new: NewGoalBoard) -> Result<Written<GoalBoard>> {
        written!(self, add_goal_board(stamp, new))
    }

    async fn delete_goal_board(
        &self,
        stamp: &Stamp,
        id: GoalBoardId,
    ) -> Result<Written<GoalBoard>> {
        written!(self, delete_goal_board(stamp, id))
    }

    async fn goal(&self, id: GoalId) -> Result<Goal> {
        self.one(id).await
    }

    async fn goals(&self, query: &GoalQuery) -> Result<Page<Goal>> {
        self.some(query).await
    }

    async fn add_goal(&self, stamp: &Stamp, new: NewGoal) -> Result<Written<Goal>> {
        written!(self, add_goal(stamp, new))
    }

    async fn edit_goal(
        &self,
        stamp: &Stamp,
        id: GoalId,
        edits: &[GoalEdit],
    ) -> Result<Written<Goal>> {
        written!(self, edit_goal(stamp, id, edits))
    }

    async fn delete_goal(&self, stamp: &Stamp, id: GoalId) -> Result<Written<Goal>> {
        written!(self, delete_goal(stamp, id))
    }
}

#[async_trait]
impl Calendar for Overlay {
    async fn event(&self, id: EventId) -> Result<CalendarEvent> {
        self.one(id).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<CalendarEvent>> {
        self.some(query).await
    }

    async fn add_event(&self, stamp: &Stamp, new: NewEvent) -> Result<Written<CalendarEvent>> {
        written!(self, add_event(stamp, new))
    }

    async fn edit_event(
        &self,
        stamp: &Stamp,
        id: EventId,
        edits: &[EventEdit],
    ) -> Result<Written<CalendarEvent>> {
        written!(self, edit_event(stamp, id, edits))
    }

    async fn delete_event(&self, stamp: &Stamp, id: EventId) -> Result<Written<CalendarEvent>> {
        written!(self, delete_event(stamp, id))
    }

    async fn schedule(&self, query: &ScheduleQuery) -> Result<Vec<Scheduled>> {
        let mut all = match &self.below {
            Some(below) => below.schedule(query).await?,
            None => Vec::new(),
        };
        let layer = self.layer();
        all.retain(|one| match one {
            Scheduled::Event(event) => !layer.shelves.events.contains_key(&event.id),
            Scheduled::Task(task) => !layer.tasks.contains_key(&task.id),
        });
        let events = layer.shelves.events.values().flatten();
        let events = events.filter(|event| event.owner == query.person);
        all.extend(events.cloned().map(Scheduled::Event));
        let tasks = layer.tasks.values().flatten();
        let tasks = tasks.filter(|task| task.assignee == Some(query.person));
        all.extend(tasks.map(|task| Scheduled::Task(Box::new(task.clone()))));
        kept::scheduled(query, all)
    }
}

#[async_trait]
impl Timesheets for Overlay {
    async fn time_entry(&self, id: TimeEntryId) -> Result<TimeEntry> {
        self.one(id).await
    }

    async fn time_entries(&self, query: &TimeQuery) -> Result<Page<TimeEntry>> {
        self.some(query).await
    }

    async fn log_time(&self, stamp: &Stamp, change: TimeChange) -> Result<Written<TimeEntry>> {
        written!(self, log_time(stamp, change))
    }

    /// The sums below, without what is hidden, and with what was written here.
    async fn time_sums(&self, query: &TimeQuery, by: TimeGroup) -> Result<Vec<TimeSum>> {
        kept::begin(&TimeQuery { after: None, ..query.clone() })?;
        let mut sums: BTreeMap<TimeKey, TimeSum> = BTreeMap::new();
        let written = self.layer().shelves.time_entries.clone();
        if let Some(below) = &self.below {
            let known = below.time_sums(query, by).await?;
            sums.extend(known.into_iter().map(|sum| (sum.key, sum)));
            for id in written.keys().filter(|id| id.0 <= super::layer::BASE) {
                if let Some(entry) = super::there(below.time_entry(*id).await)? {
                    count(&mut sums, query, by, &entry, u64::wrapping_sub);
                }
            }
        }
        for entry in written.values().flatten() {
            count(&mut sums, query, by, entry, u64::wrapping_add);
        }
        kept::few_sums(sums.into_values().filter(|sum| sum.entries > 0).collect())
    }
}

/// Counts an entry in or out, if it is meant.
fn count(
    sums: &mut BTreeMap<TimeKey, TimeSum>,
    query: &TimeQuery,
    by: TimeGroup,
    entry: &TimeEntry,
    change: fn(u64, u64) -> u64,
) {
    use super::super::kept::Kept;
    if !entry.is_meant(query) {
        return;
    }
    let key = TimeKey::of(entry, by);
    let sum = sums.entry(key).or_insert(TimeSum { key, seconds: 0, billable: 0, entries: 0 });
    let seconds = u64::from(entry.seconds);
    sum.seconds = change(sum.seconds, seconds);
    sum.billable = change(sum.billable, if entry.kind.is_billable() { seconds } else { 0 });
    sum.entries = change(sum.entries, 1);
}

#[async_trait]
impl Timers for Overlay {
    async fn timer(&self, id: TimerId) -> Result<Timer> {
        self.one(id).await
    }

    async fn timers(&self, query: &TimerQuery) -> Result<Page<Timer>> {
        self.some(query).await
    }

    async fn start_timer(&self, stamp: &Stamp, new: NewTimer) -> Result<Written<Timer>> {
        written!(self, start_timer(stamp, new))
    }

    async fn stop_timer(&self, stamp: &Stamp, stop: StopTimer) -> Result<Written<Stopped>> {
        written!(self, stop_timer(stamp, stop))
    }
}

#[async_trait]
impl Sprints for Overlay {
    async fn sprint(&self, id: SprintId) -> Result<Sprint> {
        self.one(id).await
    }

    async fn sprints(&self, query: &SprintQuery) -> Result<Page<Sprint>> {
        self.some(query).await
    }

    async fn add_sprint(&self, stamp: &Stamp, new: NewSprint) -> Result<Written<Sprint>> {
        written!(self, add_sprint(stamp, new))
    }

    async fn edit_sprint(
        &self,
        stamp: &Stamp,
        id: SprintId,
        edits: &[SprintEdit],
    ) -> Result<Written<Sprint>> {
        written!(self, edit_sprint(stamp, id, edits))
    }

    async fn delete_sprint(&self, stamp: &Stamp, id: SprintId) -> Result<Written<Sprint>> {
        written!(self, delete_sprint(stamp, id))
    }
}

#[async_trait]
impl Members for Overlay {
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>> {
        self.some(query).await
    }

    async fn put_member(&self, stamp: &Stamp, member: Member) -> Result<Written<Member>> {
        written!(self, put_member(stamp, member))
    }

    async fn remove_member(
        &self,
        stamp: &Stamp,
        project: ProjectId,
        person: PersonId,
    ) -> Result<Written<Member>> {
        written!(self, remove_member(stamp, project, person))
    }
}
