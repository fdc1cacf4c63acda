//! A board with somebody at its door: whoever looks on, holds up or lets go wrong what passes writes
//! two hooks, and this file alone hands everything through.

use async_trait::async_trait;
use rota::board::{
    BatchError, Board, BoardError, Calendar, Capabilities, Comments, Goals, History, Members,
    Milestones, OneWrite, People, Projects, Result, Sprints, Tasks, Timers, Timesheets, Wrote,
};
use rota::domain::*;
use std::sync::Arc;

/// Who stands at the door.
#[async_trait]
pub trait Watch: Send + Sync + std::fmt::Debug {
    /// Before a call; an error is the answer, and the board below is not asked.
    async fn before(&self, _call: &Call<'_>) -> Result<()> {
        Ok(())
    }

    /// After it, however it went (`Ok`: whether a write changed anything); an error is the answer
    /// instead of a good one.
    async fn after(
        &self,
        _call: &Call<'_>,
        _answer: std::result::Result<bool, &BoardError>,
    ) -> Result<()> {
        Ok(())
    }

    /// Whether what is before the board learns of its markers.
    fn sees_markers(&self) -> bool {
        true
    }

    /// What the board says of a write's fate.
    fn fate(&self, found: EffectState) -> EffectState {
        found
    }
}

/// A call that passes.
#[derive(Debug)]
pub struct Call<'a> {
    /// The board's method.
    pub name: &'static str,
    pub what: What<'a>,
}

#[derive(Debug)]
pub enum What<'a> {
    Question,
    Fence(TaskId, Fence),
    Write(&'a Stamp, Change<'a>),
}

/// What a write is about, where somebody at the door asks.
#[derive(Debug)]
pub enum Change<'a> {
    NewTask,
    Edits(TaskId, &'a [TaskEdit]),
    Comment(String),
    Other,
}

impl Call<'_> {
    pub fn is_write(&self) -> bool {
        matches!(self.what, What::Write(..))
    }

    /// The method as tools are named: `editTask`.
    pub fn tool(&self) -> String {
        let mut words = self.name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    }
}

/// The board below, and who stands before it.
#[derive(Debug)]
pub struct Watched<W> {
    pub below: Arc<dyn Board>,
    pub watch: W,
}

/// One noun of the board: its questions, then its writes and what they are about.
macro_rules! hand_through {
    ($noun:ident
        { $($ask:ident($($a:ident: $of_a:ty),*) -> $asked:ty;)* }
        { $($write:ident($($b:ident: $of_b:ty),*) -> $written:ty, $change:expr;)* }
    ) => {
        #[async_trait]
        impl<W: Watch> $noun for Watched<W> {
            $(async fn $ask(&self, $($a: $of_a),*) -> Result<$asked> {
                let call = Call { name: stringify!($ask), what: What::Question };
                self.watch.before(&call).await?;
                let answer = self.below.$ask($($a),*).await;
                self.watch.after(&call, answer.as_ref().map(|_| false)).await?;
                answer
            })*
            $(async fn $write(&self, stamp: &Stamp, $($b: $of_b),*) -> Result<Written<$written>> {
                let call = Call { name: stringify!($write), what: What::Write(stamp, $change) };
                self.watch.before(&call).await?;
                let answer = self.below.$write(stamp, $($b),*).await;
                self.watch.after(&call, answer.as_ref().map(|written| written.changed)).await?;
                answer
            })*
        }
    };
}

hand_through!(People {
    people() -> Vec<Person>;
    person(id: PersonId) -> Person;
} {
    add_person(new: NewPerson) -> Person, Change::Other;
});

hand_through!(Projects {
    projects() -> Vec<Project>;
    project(id: ProjectId) -> Project;
} {
    add_project(new: NewProject) -> Project, Change::Other;
    edit_project(id: ProjectId, edits: &[ProjectEdit]) -> Project, Change::Other;
});

hand_through!(Tasks {
    task(id: TaskId) -> Task;
    tasks(query: &TaskQuery) -> Page<Task>;
} {
    add_task(new: NewTask) -> Task, Change::NewTask;
    edit_task(id: TaskId, edits: &[TaskEdit]) -> Task, Change::Edits(id, edits);
    delete_task(id: TaskId) -> Task, Change::Other;
});

hand_through!(Milestones {
    milestone(id: MilestoneId) -> Milestone;
    milestones(query: &MilestoneQuery) -> Vec<Milestone>;
} {
    add_milestone(new: NewMilestone) -> Milestone, Change::Other;
    edit_milestone(id: MilestoneId, edits: &[MilestoneEdit]) -> Milestone, Change::Other;
});

hand_through!(Members {
    members(query: &MemberQuery) -> Page<Member>;
} {
    put_member(member: Member) -> Member, Change::Other;
    remove_member(project: ProjectId, person: PersonId) -> Member, Change::Other;
});

hand_through!(Sprints {
    sprint(id: SprintId) -> Sprint;
    sprints(query: &SprintQuery) -> Page<Sprint>;
} {
    add_sprint(new: NewSprint) -> Sprint, Change::Other;
    edit_sprint(id: SprintId, edits: &[SprintEdit]) -> Sprint, Change::Other;
    delete_sprint(id: SprintId) -> Sprint, Change::Other;
});

hand_through!(Goals {
    goal_board(id: GoalBoardId) -> GoalBoard;
    goal_boards(query: &GoalBoardQuery) -> Page<GoalBoard>;
    goal(id: GoalId) -> Goal;
    goals(query: &GoalQuery) -> Page<Goal>;
} {
    add_goal_board(new: NewGoalBoard) -> GoalBoard, Change::Other;
    delete_goal_board(id: GoalBoardId) -> GoalBoard, Change::Other;
    add_goal(new: NewGoal) -> Goal, Change::Other;
    edit_goal(id: GoalId, edits: &[GoalEdit]) -> Goal, Change::Other;
    delete_goal(id: GoalId) -> Goal, Change::Other;
});

hand_through!(Calendar {
    event(id: EventId) -> CalendarEvent;
    events(query: &EventQuery) -> Page<CalendarEvent>;
    schedule(query: &ScheduleQuery) -> Vec<Scheduled>;
} {
    add_event(new: NewEvent) -> CalendarEvent, Change::Other;
    edit_event(id: EventId, edits: &[EventEdit]) -> CalendarEvent, Change::Other;
    delete_event(id: EventId) -> CalendarEvent, Change::Other;
});

hand_through!(Timesheets {
    time_entry(id: TimeEntryId) -> TimeEntry;
    time_entries(query: &TimeQuery) -> Page<TimeEntry>;
    time_sums(query: &TimeQuery, by: TimeGroup) -> Vec<TimeSum>;
} {
    log_time(change: TimeChange) -> TimeEntry, Change::Other;
});

hand_through!(Timers {
    timer(id: TimerId) -> Timer;
    timers(query: &TimerQuery) -> Page<Timer>;
} {
    start_timer(new: NewTimer) -> Timer, Change::Other;
    stop_timer(stop: StopTimer) -> Stopped, Change::Other;
});

hand_through!(Comments {
    comments(query: &CommentQuery) -> Page<Comment>;
} {
    add_comment(new: NewComment) -> Comment, Change::Comment(new.text.clone());
    delete_comment(id: CommentId) -> Comment, Change::Other;
    edit_comment(id: CommentId, text: String) -> Comment, Change::Comment(text.clone());
});

hand_through!(History {
    activity(query: &ActivityQuery) -> Page<Activity>;
    latest_activity() -> ActivityId;
} {});

#[async_trait]
impl<W: Watch> Board for Watched<W> {
    fn name(&self) -> BoardName {
        self.below.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        let call = Call { name: "raise_fence", what: What::Fence(task, fence) };
        self.watch.before(&call).await?;
        let answer = self.below.raise_fence(task, fence).await;
        self.watch.after(&call, answer.as_ref().map(|()| true)).await?;
        answer
    }

    fn markers(&self) -> Option<&dyn rota::board::Markers> {
        self.below.markers().filter(|_| self.watch.sees_markers())
    }

    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        let call = Call { name: "effect_of", what: What::Question };
        self.watch.before(&call).await?;
        let answer = self.below.effect_of(mark).await;
        self.watch.after(&call, answer.as_ref().map(|_| false)).await?;
        Ok(self.watch.fate(answer?))
    }

    /// Somebody at the door sees each write of a step before the step, and each after it.
    async fn write_all(
        &self,
        writes: &[(Stamp, OneWrite)],
    ) -> std::result::Result<Vec<Wrote>, BatchError> {
        let call = |index: usize| {
            let (stamp, write) = &writes[index];
            let (name, change) = match write {
                OneWrite::AddTask(_) => ("add_task", Change::NewTask),
                OneWrite::EditTask(id, edits) => ("edit_task", Change::Edits(*id, edits)),
                OneWrite::AddMilestone(_) => ("add_milestone", Change::Other),
                OneWrite::AddEvent(_) => ("add_event", Change::Other),
                OneWrite::EditEvent(..) => ("edit_event", Change::Other),
                OneWrite::LogTime(_) => ("log_time", Change::Other),
            };
            Call { name, what: What::Write(stamp, change) }
        };
        let at = |index| move |error| BatchError { index: Some(index), error };
        for index in 0..writes.len() {
            self.watch.before(&call(index)).await.map_err(at(index))?;
        }
        let answer = self.below.write_all(writes).await;
        for index in 0..writes.len() {
            let came = answer.as_ref().map(|_| true).map_err(|error| &error.error);
            self.watch.after(&call(index), came).await.map_err(at(index))?;
        }
        answer
    }
}
