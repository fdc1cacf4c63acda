//! A board on which there are some projects only, over one on which there are more.

use crate::board::{self, BatchError, Board, BoardError, Capabilities, OneWrite, Result, Wrote};
use crate::domain::{
    Activity, ActivityId, ActivityQuery, BoardName, CalendarEvent, Comment, CommentId,
    CommentQuery, CommentTarget, EffectState, EventEdit, EventId, EventQuery, Fence, Goal,
    GoalBoard, GoalBoardId, GoalBoardQuery, GoalEdit, GoalId, GoalQuery, Mark, Member, MemberQuery,
    Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewComment, NewEvent, NewGoal,
    NewGoalBoard, NewMilestone, NewPerson, NewProject, NewSprint, NewTask, NewTimer, Page, Person,
    PersonId, Project, ProjectEdit, ProjectId, ScheduleQuery, Scheduled, Sprint, SprintEdit,
    SprintId, SprintQuery, Stamp, StopTimer, Stopped, Task, TaskEdit, TaskId, TaskQuery,
    TimeChange, TimeEntry, TimeEntryId, TimeGroup, TimeQuery, TimeSum, Timer, TimerId, TimerQuery,
    Written,
};
use async_trait::async_trait;
use std::sync::Arc;

/// So many pages of other projects' comments are passed over for one of ours; after them the page is
/// empty, and says where to go on.
const FOREIGN_PAGES_MAX: u32 = 20;

/// A board on which there are some projects only.
#[derive(Debug)]
pub(super) struct Limited {
    below: Arc<dyn Board>,
    /// Never empty.
    projects: Vec<ProjectId>,
}

impl Limited {
    pub(super) fn new(below: Arc<dyn Board>, projects: Vec<ProjectId>) -> Self {
        Self { below, projects }
    }

    /// Those of the projects asked for that are there; `None`: none of them is.
    fn narrowed(&self, asked: &[ProjectId]) -> Option<Vec<ProjectId>> {
        let mut both = self.projects.clone();
        both.retain(|project| asked.is_empty() || asked.contains(project));
        (!both.is_empty()).then_some(both)
    }

    fn seen<T>(&self, found: T, project: ProjectId, (noun, id): (&str, i64)) -> Result<T> {
        if self.projects.contains(&project) {
            return Ok(found);
        }
        // As if it were not there: whoever may not see it does not learn that it is.
        Err(BoardError::NotFound { what: format!("{noun} {id}") })
    }

    async fn shows(&self, target: CommentTarget) -> Result<bool> {
        match target {
            CommentTarget::Task(id) => is_there(board::Tasks::task(self, id).await),
            CommentTarget::Project(id) => Ok(self.projects.contains(&id)),
            CommentTarget::Goal(id) => is_there(board::Goals::goal(self, id).await),
        }
    }
}

/// Whether something is there; an error only when that cannot be told.
fn is_there<T>(found: Result<T>) -> Result<bool> {
    match found {
        Ok(_) => Ok(true),
        Err(BoardError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn nothing<T>() -> Page<T> {
    Page { items: Vec::new(), next: None }
}

/// A noun: what is narrowed is written out, the rest asks the board below.
macro_rules! noun {
    ($noun:ident { $($narrowed:tt)* } below {
        $($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*
    }) => {
        #[async_trait]
        impl board::$noun for Limited {
            $($narrowed)*
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer> {
                self.below.$name($($argument),*).await
            })*
        }
    };
}

/// A list that a query narrows to projects.
macro_rules! page {
    ($limited:ident.$list:ident($query:ident), $none:expr) => {{
        let Some(projects) = $limited.narrowed(&$query.projects) else { return Ok($none) };
        let mut query = $query.clone();
        query.projects = projects;
        $limited.below.$list(&query).await
    }};
}

noun!(People {} below {
    people() -> Vec<Person>;
    person(id: PersonId) -> Person;
    add_person(stamp: &Stamp, new: NewPerson) -> Written<Person>;
});

noun!(Projects {
    async fn projects(&self) -> Result<Vec<Project>> {
        let mut all = self.below.projects().await?;
        all.retain(|project| self.projects.contains(&project.id));
        Ok(all)
    }
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.seen((), id, ("project", id.0))?;
        self.below.project(id).await
    }
} below {
    add_project(stamp: &Stamp, new: NewProject) -> Written<Project>;
    edit_project(stamp: &Stamp, id: ProjectId, edits: &[ProjectEdit]) -> Written<Project>;
});

noun!(Tasks {
    async fn task(&self, id: TaskId) -> Result<Task> {
        let found = self.below.task(id).await?;
        let project = found.project;
        self.seen(found, project, ("task", id.0))
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        page!(self.tasks(query), nothing())
    }
} below {
    add_task(stamp: &Stamp, new: NewTask) -> Written<Task>;
    edit_task(stamp: &Stamp, id: TaskId, edits: &[TaskEdit]) -> Written<Task>;
    delete_task(stamp: &Stamp, id: TaskId) -> Written<Task>;
});

noun!(Milestones {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        let found = self.below.milestone(id).await?;
        let project = found.project;
        self.seen(found, project, ("milestone", id.0))
    }
    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        page!(self.milestones(query), Vec::new())
    }
} below {
    add_milestone(stamp: &Stamp, new: NewMilestone) -> Written<Milestone>;
    edit_milestone(
        stamp: &Stamp, id: MilestoneId, edits: &[MilestoneEdit]
    ) -> Written<Milestone>;
});

noun!(Members {
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>> {
        page!(self.members(query), nothing())
    }
} below {
    put_member(stamp: &Stamp, member: Member) -> Written<Member>;
    remove_member(stamp: &Stamp, project: ProjectId, person: PersonId) -> Written<Member>;
});

noun!(Sprints {
    async fn sprint(&self, id: SprintId) -> Result<Sprint> {
        let found = self.below.sprint(id).await?;
        let project = found.project;
        self.seen(found, project, ("sprint", id.0))
    }
    async fn sprints(&self, query: &SprintQuery) -> Result<Page<Sprint>> {
        page!(self.sprints(query), nothing())
    }
} below {
    add_sprint(stamp: &Stamp, new: NewSprint) -> Written<Sprint>;
    edit_sprint(stamp: &Stamp, id: SprintId, edits: &[SprintEdit]) -> Written<Sprint>;
    delete_sprint(stamp: &Stamp, id: SprintId) -> Written<Sprint>;
});

noun!(Goals {
    async fn goal_board(&self, id: GoalBoardId) -> Result<GoalBoard> {
        let found = self.below.goal_board(id).await?;
        let project = found.project;
        self.seen(found, project, ("goal board", id.0))
    }
    async fn goal_boards(&self, query: &GoalBoardQuery) -> Result<Page<GoalBoard>> {
        page!(self.goal_boards(query), nothing())
    }
    async fn goal(&self, id: GoalId) -> Result<Goal> {
        let found = self.below.goal(id).await?;
        let project = found.project;
        self.seen(found, project, ("goal", id.0))
    }
    async fn goals(&self, query: &GoalQuery) -> Result<Page<Goal>> {
        page!(self.goals(query), nothing())
    }
} below {
    add_goal_board(stamp: &Stamp, new: NewGoalBoard) -> Written<GoalBoard>;
    delete_goal_board(stamp: &Stamp, id: GoalBoardId) -> Written<GoalBoard>;
    add_goal(stamp: &Stamp, new: NewGoal) -> Written<Goal>;
    edit_goal(stamp: &Stamp, id: GoalId, edits: &[GoalEdit]) -> Written<Goal>;
    delete_goal(stamp: &Stamp, id: GoalId) -> Written<Goal>;
});

noun!(Calendar {
    async fn schedule(&self, query: &ScheduleQuery) -> Result<Vec<Scheduled>> {
        let mut all = self.below.schedule(query).await?;
        all.retain(|item| match item {
            Scheduled::Task(task) => self.projects.contains(&task.project),
            // A person's own days belong to no project.
            Scheduled::Event(_) => true,
        });
        Ok(all)
    }
} below {
    event(id: EventId) -> CalendarEvent;
    events(query: &EventQuery) -> Page<CalendarEvent>;
    add_event(stamp: &Stamp, new: NewEvent) -> Written<CalendarEvent>;
    edit_event(stamp: &Stamp, id: EventId, edits: &[EventEdit]) -> Written<CalendarEvent>;
    delete_event(stamp: &Stamp, id: EventId) -> Written<CalendarEvent>;
});

noun!(Timesheets {
    async fn time_entry(&self, id: TimeEntryId) -> Result<TimeEntry> {
        let found = self.below.time_entry(id).await?;
        let project = found.project;
        self.seen(found, project, ("time entry", id.0))
    }
    async fn time_entries(&self, query: &TimeQuery) -> Result<Page<TimeEntry>> {
        page!(self.time_entries(query), nothing())
    }
    async fn time_sums(&self, query: &TimeQuery, by: TimeGroup) -> Result<Vec<TimeSum>> {
        let Some(projects) = self.narrowed(&query.projects) else { return Ok(Vec::new()) };
        self.below.time_sums(&TimeQuery { projects, ..query.clone() }, by).await
    }
} below {
    log_time(stamp: &Stamp, change: TimeChange) -> Written<TimeEntry>;
});

noun!(Timers {
    async fn timer(&self, id: TimerId) -> Result<Timer> {
        let found = self.below.timer(id).await?;
        if let Some(task) = found.task {
            board::Tasks::task(self, task).await?;
        }
        Ok(found)
    }
    async fn timers(&self, query: &TimerQuery) -> Result<Page<Timer>> {
        let mut page = self.below.timers(query).await?;
        let mut shown = Vec::new();
        for timer in page.items {
            let is_there = match timer.task {
                Some(task) => self.shows(CommentTarget::Task(task)).await?,
                None => true,
            };
            shown.extend(is_there.then_some(timer));
        }
        page.items = shown;
        Ok(page)
    }
} below {
    start_timer(stamp: &Stamp, new: NewTimer) -> Written<Timer>;
    stop_timer(stamp: &Stamp, stop: StopTimer) -> Written<Stopped>;
});

noun!(Comments {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        if let Some(on) = query.on && !self.shows(on).await? {
            return Ok(nothing());
        }
        let mut ask = query.clone();
        let mut rounds = 1..=FOREIGN_PAGES_MAX;
        loop {
            let page = self.below.comments(&ask).await?;
            if query.on.is_some() {
                return Ok(page);
            }
            let mut shown = Vec::new();
            let last = page.items.last().map(|comment| comment.id);
            for comment in page.items {
                let is_there = self.shows(comment.on).await?;
                shown.extend(is_there.then_some(comment));
            }
            rounds.next();
            // A page without anything of ours would pass for the end.
            let is_over = !shown.is_empty() || page.next.is_none() || last.is_none();
            if is_over || rounds.is_empty() {
                return Ok(Page { items: shown, next: page.next });
            }
            ask.after = last;
        }
    }
} below {
    add_comment(stamp: &Stamp, new: NewComment) -> Written<Comment>;
    delete_comment(stamp: &Stamp, id: CommentId) -> Written<Comment>;
    edit_comment(stamp: &Stamp, id: CommentId, text: String) -> Written<Comment>;
});

noun!(History {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        page!(self.activity(query), nothing())
    }
} below {
    latest_activity() -> ActivityId;
});

#[async_trait]
impl Board for Limited {
    fn name(&self) -> BoardName {
        self.below.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    async fn write_all(
        &self,
        writes: &[(Stamp, OneWrite)],
    ) -> std::result::Result<Vec<Wrote>, BatchError> {
        self.below.write_all(writes).await
    }

    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        self.below.raise_fence(task, fence).await
    }

    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        self.below.effect_of(mark).await
    }
}
