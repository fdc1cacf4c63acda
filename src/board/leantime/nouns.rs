//! Goals, calendars, time, timers, sprints and members: by the steps and pages that all share.

use super::governor::Lane;
use super::remote::Remote;
use super::session::LeantimeSession;
use super::{LeantimeBoard, goals};
use crate::board::{Calendar, Goals, Members, Result, Sprints, Timers, Timesheets, kept, write};
use crate::domain::{
    AssigneeFilter, CalendarEvent, EventEdit, EventId, EventQuery, Goal, GoalBoard, GoalBoardId,
    GoalBoardQuery, GoalEdit, GoalId, GoalQuery, Member, MemberQuery, NewEvent, NewGoal,
    NewGoalBoard, NewSprint, NewTimer, Page, PersonId, ProjectId, ScheduleQuery, Scheduled, Sprint,
    SprintEdit, SprintId, SprintQuery, Stamp, StopTimer, Stopped, TaskId, TaskQuery, TimeChange,
    TimeEntry, TimeEntryId, TimeGroup, TimeKey, TimeQuery, TimeSum, Timer, TimerId, TimerQuery,
    Written,
};
use async_trait::async_trait;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// One write, beside which nobody else writes to what is held.
macro_rules! written {
    ($board:ident, $held:expr, $write:ident($stamp:expr $(, $argument:expr)*)) => {{
        let mut session = LeantimeSession::new($board, $stamp, $held.await);
        let written = write::$write(&mut session, $board.now(), $stamp $(, $argument)*).await;
        session.end(written).await
    }};
}

/// What a person spent on a day is looked at as a whole.
fn time_name(person: PersonId, day: NaiveDate) -> String {
    format!("time {person} {day}")
}

/// What a timer is about: its person's timers, and the task whose time is logged.
fn timer_names(person: PersonId, task: Option<TaskId>) -> Vec<String> {
    let task = task.map(|task| format!("task {task}"));
    std::iter::once(format!("timer {person}")).chain(task).collect()
}

#[async_trait]
impl Goals for LeantimeBoard {
    async fn goal_board(&self, id: GoalBoardId) -> Result<GoalBoard> {
        GoalBoard::one(self, Lane::People, id).await
    }

    async fn goal_boards(&self, query: &GoalBoardQuery) -> Result<Page<GoalBoard>> {
        self.some(query).await
    }

    async fn add_goal_board(&self, stamp: &Stamp, new: NewGoalBoard) -> Result<Written<GoalBoard>> {
        written!(self, self.locks.one("goals"), add_goal_board(stamp, new))
    }

    async fn delete_goal_board(
        &self,
        stamp: &Stamp,
        id: GoalBoardId,
    ) -> Result<Written<GoalBoard>> {
        written!(self, self.locks.one("goals"), delete_goal_board(stamp, id))
    }

    async fn goal(&self, id: GoalId) -> Result<Goal> {
        Goal::one(self, Lane::People, id).await
    }

    async fn goals(&self, query: &GoalQuery) -> Result<Page<Goal>> {
        self.some(query).await
    }

    async fn add_goal(&self, stamp: &Stamp, new: NewGoal) -> Result<Written<Goal>> {
        written!(self, self.locks.one("goals"), add_goal(stamp, new))
    }

    async fn edit_goal(
        &self,
        stamp: &Stamp,
        id: GoalId,
        edits: &[GoalEdit],
    ) -> Result<Written<Goal>> {
        written!(self, self.locks.one("goals"), edit_goal(stamp, id, edits))
    }

    /// Refused before its comments are removed.
    async fn delete_goal(&self, _: &Stamp, id: GoalId) -> Result<Written<Goal>> {
        self.goal(id).await?;
        Err(goals::no_removal())
    }
}

#[async_trait]
impl Calendar for LeantimeBoard {
    async fn event(&self, id: EventId) -> Result<CalendarEvent> {
        CalendarEvent::one(self, Lane::People, id).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<CalendarEvent>> {
        self.some(query).await
    }

    async fn add_event(&self, stamp: &Stamp, new: NewEvent) -> Result<Written<CalendarEvent>> {
        written!(self, self.locks.one("events"), add_event(stamp, new))
    }

    async fn edit_event(
        &self,
        stamp: &Stamp,
        id: EventId,
        edits: &[EventEdit],
    ) -> Result<Written<CalendarEvent>> {
        written!(self, self.locks.one("events"), edit_event(stamp, id, edits))
    }

    async fn delete_event(&self, stamp: &Stamp, id: EventId) -> Result<Written<CalendarEvent>> {
        written!(self, self.locks.one("events"), delete_event(stamp, id))
    }

    async fn schedule(&self, query: &ScheduleQuery) -> Result<Vec<Scheduled>> {
        let own = EventQuery { owners: vec![query.person], ..EventQuery::default() };
        let mut events = CalendarEvent::all(self, Lane::People, &own).await?;
        events.retain(|event| event.owner == query.person);
        let assigned = TaskQuery {
            assignee: AssigneeFilter::OneOf(vec![query.person]),
            ..TaskQuery::default()
        };
        let tasks = self.matching(&assigned).await?;
        let tasks = tasks.into_iter().map(|task| Scheduled::Task(Box::new(task)));
        kept::scheduled(query, events.into_iter().map(Scheduled::Event).chain(tasks).collect())
    }
}

#[async_trait]
impl Timesheets for LeantimeBoard {
    async fn time_entry(&self, id: TimeEntryId) -> Result<TimeEntry> {
        TimeEntry::one(self, Lane::People, id).await
    }

    async fn time_entries(&self, query: &TimeQuery) -> Result<Page<TimeEntry>> {
        self.some(query).await
    }

    async fn log_time(&self, stamp: &Stamp, change: TimeChange) -> Result<Written<TimeEntry>> {
        let names = vec![time_name(change.person, change.day), format!("task {}", change.task)];
        written!(self, self.locks.some(names), log_time(stamp, change))
    }

    async fn time_sums(&self, query: &TimeQuery, by: TimeGroup) -> Result<Vec<TimeSum>> {
        kept::begin(&TimeQuery { after: None, ..query.clone() })?;
        let mut entries = TimeEntry::all(self, Lane::People, query).await?;
        entries.retain(|entry| kept::Kept::is_meant(entry, query));
        let mut sums: BTreeMap<TimeKey, TimeSum> = BTreeMap::new();
        for entry in &entries {
            let key = TimeKey::of(entry, by);
            let sum =
                sums.entry(key).or_insert(TimeSum { key, seconds: 0, billable: 0, entries: 0 });
            sum.seconds += u64::from(entry.seconds);
            sum.billable += if entry.kind.is_billable() { u64::from(entry.seconds) } else { 0 };
            sum.entries += 1;
        }
        kept::few_sums(sums.into_values().collect())
    }
}

#[async_trait]
impl Timers for LeantimeBoard {
    async fn timer(&self, id: TimerId) -> Result<Timer> {
        Timer::one(self, Lane::People, id).await
    }

    async fn timers(&self, query: &TimerQuery) -> Result<Page<Timer>> {
        self.some(query).await
    }

    async fn start_timer(&self, stamp: &Stamp, new: NewTimer) -> Result<Written<Timer>> {
        let names = timer_names(new.person, new.task);
        written!(self, self.locks.some(names), start_timer(stamp, new))
    }

    async fn stop_timer(&self, stamp: &Stamp, stop: StopTimer) -> Result<Written<Stopped>> {
        let mut names = timer_names(stop.person, stop.task);
        names.extend(stop.log.as_ref().map(|log| time_name(stop.person, log.day)));
        written!(self, self.locks.some(names), stop_timer(stamp, stop))
    }
}

#[async_trait]
impl Sprints for LeantimeBoard {
    async fn sprint(&self, id: SprintId) -> Result<Sprint> {
        Sprint::one(self, Lane::People, id).await
    }

    async fn sprints(&self, query: &SprintQuery) -> Result<Page<Sprint>> {
        self.some(query).await
    }

    async fn add_sprint(&self, stamp: &Stamp, new: NewSprint) -> Result<Written<Sprint>> {
        written!(self, self.locks.one("sprints"), add_sprint(stamp, new))
    }

    async fn edit_sprint(
        &self,
        stamp: &Stamp,
        id: SprintId,
        edits: &[SprintEdit],
    ) -> Result<Written<Sprint>> {
        written!(self, self.locks.one("sprints"), edit_sprint(stamp, id, edits))
    }

    async fn delete_sprint(&self, stamp: &Stamp, id: SprintId) -> Result<Written<Sprint>> {
        // Nobody puts a task into it meanwhile.
        let names = vec!["sprints".to_owned(), format!("sprint {id}")];
        written!(self, self.locks.some(names), delete_sprint(stamp, id))
    }
}

#[async_trait]
impl Members for LeantimeBoard {
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>> {
        self.some(query).await
    }

    async fn put_member(&self, stamp: &Stamp, member: Member) -> Result<Written<Member>> {
        written!(self, self.locks.one("members"), put_member(stamp, member))
    }

    async fn remove_member(
        &self,
        stamp: &Stamp,
        project: ProjectId,
        person: PersonId,
    ) -> Result<Written<Member>> {
        written!(self, self.locks.one("members"), remove_member(stamp, project, person))
    }
}
