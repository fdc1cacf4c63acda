//! For boards that tests put before another one: the nouns that they do nothing about.

/// Implements the nouns of planning and time by asking another board, in parentheses.
macro_rules! delegate_nouns {
    ($board:ty, $self:ident, $to:tt) => {
        $crate::support::delegate::delegate!($board, $self, $to, Members {
            members(query: &MemberQuery) -> Page<Member>;
            put_member(stamp: &Stamp, member: Member) -> Written<Member>;
            remove_member(stamp: &Stamp, project: ProjectId, person: PersonId) -> Written<Member>;
        });
        $crate::support::delegate::delegate!($board, $self, $to, Sprints {
            sprint(id: SprintId) -> Sprint;
            sprints(query: &SprintQuery) -> Page<Sprint>;
            add_sprint(stamp: &Stamp, new: NewSprint) -> Written<Sprint>;
            edit_sprint(stamp: &Stamp, id: SprintId, edits: &[SprintEdit]) -> Written<Sprint>;
            delete_sprint(stamp: &Stamp, id: SprintId) -> Written<Sprint>;
        });
        $crate::support::delegate::delegate!($board, $self, $to, Goals {
            goal_board(id: GoalBoardId) -> GoalBoard;
            goal_boards(query: &GoalBoardQuery) -> Page<GoalBoard>;
            add_goal_board(stamp: &Stamp, new: NewGoalBoard) -> Written<GoalBoard>;
            delete_goal_board(stamp: &Stamp, id: GoalBoardId) -> Written<GoalBoard>;
            goal(id: GoalId) -> Goal;
            goals(query: &GoalQuery) -> Page<Goal>;
            add_goal(stamp: &Stamp, new: NewGoal) -> Written<Goal>;
            edit_goal(stamp: &Stamp, id: GoalId, edits: &[GoalEdit]) -> Written<Goal>;
            delete_goal(stamp: &Stamp, id: GoalId) -> Written<Goal>;
        });
        $crate::support::delegate::delegate!($board, $self, $to, Calendar {
            event(id: EventId) -> CalendarEvent;
            events(query: &EventQuery) -> Page<CalendarEvent>;
            add_event(stamp: &Stamp, new: NewEvent) -> Written<CalendarEvent>;
            edit_event(stamp: &Stamp, id: EventId, edits: &[EventEdit]) -> Written<CalendarEvent>;
            delete_event(stamp: &Stamp, id: EventId) -> Written<CalendarEvent>;
            schedule(query: &ScheduleQuery) -> Vec<Scheduled>;
        });
        $crate::support::delegate::delegate!($board, $self, $to, Timesheets {
            time_entry(id: TimeEntryId) -> TimeEntry;
            time_entries(query: &TimeQuery) -> Page<TimeEntry>;
            log_time(stamp: &Stamp, change: TimeChange) -> Written<TimeEntry>;
            time_sums(query: &TimeQuery, by: TimeGroup) -> Vec<TimeSum>;
        });
        $crate::support::delegate::delegate!($board, $self, $to, Timers {
            timer(id: TimerId) -> Timer;
            timers(query: &TimerQuery) -> Page<Timer>;
            start_timer(stamp: &Stamp, new: NewTimer) -> Written<Timer>;
            stop_timer(stamp: &Stamp, stop: StopTimer) -> Written<Stopped>;
        });
    };
}
pub(crate) use delegate_nouns;

macro_rules! delegate {
    ($board:ty, $self:ident, $to:tt, $noun:ident {
        $($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*
    }) => {
        #[async_trait]
        impl rota::board::$noun for $board {
            $(async fn $name(&$self, $($argument: $kind),*) -> Result<$answer> {
                $to.$name($($argument),*).await
            })*
        }
    };
}
pub(crate) use delegate;
