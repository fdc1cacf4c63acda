//! Everything of the source that is to be copied, read once.

use super::nouns::all;
use super::patience::{Halt, Patience};
use crate::board::{Board, BoardError};
use crate::domain::{
    CalendarEvent, Comment, CommentId, CommentQuery, CommentTarget, Cursor, EventQuery, Goal,
    GoalBoard, GoalBoardQuery, GoalQuery, Member, MemberQuery, Milestone, MilestoneQuery, Person,
    PersonId, Project, ProjectId, Sprint, SprintQuery, Task, TaskId, TaskQuery, TimeEntry,
    TimeQuery, TimerQuery,
};
use std::collections::BTreeSet;

/// Items of a page.
const PAGE: usize = 1_000;

/// What is copied.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// Everybody.
    pub(super) people: Vec<Person>,
    pub(super) projects: Vec<Project>,
    pub(super) members: Vec<Member>,
    pub(super) sprints: Vec<Sprint>,
    pub(super) milestones: Vec<Milestone>,
    pub(super) tasks: Vec<Task>,
    pub(super) goal_boards: Vec<GoalBoard>,
    pub(super) goals: Vec<Goal>,
    pub(super) comments: Vec<Comment>,
    pub(super) time: Vec<TimeEntry>,
    pub(super) events: Vec<CalendarEvent>,
    /// Timers that run.
    pub(super) timers: usize,
    /// What the board does not let be read, and why.
    pub(super) unread: Vec<String>,
}

macro_rules! pages {
    ($reader:ident.$ask:ident($query:ident)) => {{
        let (board, patience) = ($reader.board, $reader.patience);
        patience
            .ask(|| {
                all(|after| {
                    let query = $query { after, limit: PAGE, ..$query::default() };
                    async move { board.$ask(&query).await }
                })
            })
            .await
    }};
}

struct Reader<'a> {
    board: &'a dyn Board,
    patience: &'a Patience,
    unread: Vec<String>,
}

impl Reader<'_> {
    /// What may be missing: the board may not let it be read, which is told.
    fn optional<T: Default>(&mut self, what: &str, answer: Result<T, Halt>) -> Result<T, Halt> {
        match answer {
            Err(Halt::Board(error @ (BoardError::Denied(_) | BoardError::Unsupported(_)))) => {
                self.unread.push(format!("{what}: {error}"));
                Ok(T::default())
            }
            answer => answer,
        }
    }
}

/// The projects that are named, by name or id; all where none is.
fn chosen(projects: Vec<Project>, wanted: &[String]) -> Result<Vec<Project>, Halt> {
    if wanted.is_empty() {
        return Ok(projects);
    }
    let mut ids = BTreeSet::new();
    for want in wanted {
        let folded = want.trim().to_lowercase();
        let by_name = projects.iter().find(|project| project.name.trim().to_lowercase() == folded);
        let by_id = || {
            let id: i64 = folded.parse().ok()?;
            projects.iter().find(|project| project.id.0 == id)
        };
        let Some(found) = by_name.or_else(by_id) else {
            let all: Vec<&str> = projects.iter().map(|p| p.name.as_str()).collect();
            return Err(Halt::Board(BoardError::NotFound {
                what: format!("project {want:?} (there are {})", all.join(", ")),
            }));
        };
        ids.insert(found.id);
    }
    Ok(projects.into_iter().filter(|project| ids.contains(&project.id)).collect())
}

impl Stock {
    /// Reads a board; of some projects only, where they are named.
    pub(super) async fn read(
        board: &dyn Board,
        wanted: &[String],
        patience: &Patience,
    ) -> Result<Self, Halt> {
        let mut reader = Reader { board, patience, unread: Vec::new() };
        let people = patience.ask(|| board.people()).await?;
        let projects = chosen(patience.ask(|| board.projects()).await?, wanted)?;
        let scope: BTreeSet<ProjectId> = projects.iter().map(|project| project.id).collect();
        let members = pages!(reader.members(MemberQuery));
        let mut members = reader.optional("members", members)?;
        members.retain(|member| scope.contains(&member.project));
        let sprints = pages!(reader.sprints(SprintQuery));
        let mut sprints = reader.optional("sprints", sprints)?;
        sprints.retain(|sprint| scope.contains(&sprint.project));
        let query = MilestoneQuery::default();
        let mut milestones = patience.ask(|| board.milestones(&query)).await?;
        milestones.retain(|milestone| scope.contains(&milestone.project));
        milestones.sort_by_key(|milestone| milestone.id);
        let mut tasks = pages!(reader.tasks(TaskQuery))?;
        tasks.retain(|task| scope.contains(&task.project));
        let goal_boards = pages!(reader.goal_boards(GoalBoardQuery));
        let mut goal_boards = reader.optional("goal boards", goal_boards)?;
        goal_boards.retain(|board| scope.contains(&board.project));
        let goals = pages!(reader.goals(GoalQuery));
        let mut goals = reader.optional("goals", goals)?;
        goals.retain(|goal| scope.contains(&goal.project));
        let time = pages!(reader.time_entries(TimeQuery));
        let mut time = reader.optional("time entries", time)?;
        time.retain(|entry| scope.contains(&entry.project));
        let mut stock = Self {
            people,
            projects,
            members,
            sprints,
            milestones,
            tasks,
            goal_boards,
            goals,
            time,
            ..Self::default()
        };
        stock.comments = stock.comments_of(&reader).await?;
        stock.read_calendar(&mut reader, wanted.is_empty()).await?;
        stock.unread = reader.unread;
        Ok(stock)
    }

    async fn comments_of(&self, reader: &Reader<'_>) -> Result<Vec<Comment>, Halt> {
        let board = reader.board;
        let found = reader.patience.ask(|| {
            all(|cursor: Option<Cursor>| {
                let after = cursor.and_then(|Cursor(text)| text.parse().ok()).map(CommentId);
                let query = CommentQuery { after, limit: PAGE, ..CommentQuery::default() };
                async move { board.comments(&query).await }
            })
        });
        let mut found = found.await?;
        let tasks: BTreeSet<TaskId> = self.tasks.iter().map(|task| task.id).collect();
        found.retain(|comment| match comment.on {
            CommentTarget::Task(id) => tasks.contains(&id),
            CommentTarget::Project(id) => self.projects.iter().any(|project| project.id == id),
            CommentTarget::Goal(id) => self.goals.iter().any(|goal| goal.id == id),
        });
        found.sort_by_key(|comment| comment.id);
        Ok(found)
    }

    /// Events belong to no project: they are read where no project is named.
    async fn read_calendar(&mut self, reader: &mut Reader<'_>, is_all: bool) -> Result<(), Halt> {
        let tasks: BTreeSet<TaskId> = self.tasks.iter().map(|task| task.id).collect();
        let timers = pages!(reader.timers(TimerQuery));
        let timers = reader.optional("timers", timers)?;
        let is_meant = |task: Option<TaskId>| task.map_or(is_all, |id| tasks.contains(&id));
        self.timers = timers.into_iter().filter(|timer| is_meant(timer.task)).count();
        if is_all {
            let events = pages!(reader.events(EventQuery));
            self.events = reader.optional("events", events)?;
        }
        Ok(())
    }

    /// Everybody who is named by something that is copied.
    pub(super) fn people_named(&self) -> Vec<Person> {
        let mut ids: BTreeSet<PersonId> = self.members.iter().map(|m| m.person).collect();
        ids.extend(self.milestones.iter().filter_map(|milestone| milestone.assignee));
        ids.extend(self.tasks.iter().filter_map(|task| task.assignee));
        ids.extend(self.tasks.iter().flat_map(|task| task.collaborators.iter().copied()));
        ids.extend(self.goals.iter().filter_map(|goal| goal.owner));
        ids.extend(self.time.iter().map(|entry| entry.person));
        ids.extend(self.events.iter().map(|event| event.owner));
        self.people.iter().filter(|person| ids.contains(&person.id)).cloned().collect()
    }

    /// The tasks in waves: parents before their parts, each wave at once.
    pub(super) fn task_waves(&self) -> Vec<Vec<Task>> {
        let mut open: Vec<Task> = self.tasks.clone();
        let mut waves = Vec::new();
        while !open.is_empty() {
            let waiting: BTreeSet<TaskId> = open.iter().map(|task| task.id).collect();
            let waits = |task: &Task| task.parent.is_some_and(|id| waiting.contains(&id));
            let (later, now): (Vec<Task>, Vec<Task>) = open.into_iter().partition(waits);
            if now.is_empty() {
                // They are parts of each other, as only a damaged board says.
                waves.push(later);
                break;
            }
            waves.push(now);
            open = later;
        }
        waves
    }

    /// The comments by what they are about, each thread from its beginning.
    pub(super) fn threads(&self) -> Vec<Vec<Comment>> {
        let mut threads = std::collections::BTreeMap::new();
        for comment in &self.comments {
            threads.entry(comment.on).or_insert_with(Vec::new).push(comment.clone());
        }
        threads.into_values().collect()
    }
}
