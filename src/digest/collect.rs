//! Reads the board for a digest: to the end of every list, or not at all. What nobody would read is counted.

use super::section::{Growing, fit_together};
use super::{AgentWork, CivilDay, Digest, Line, LinkBase, Section, SectionKind};
use crate::board::{Board, BoardError};
use crate::domain::{
    Comment, CommentQuery, CommentTarget, Milestone, MilestoneQuery, Person, PersonId, PersonKind,
    PlaybookName, Project, ProjectId, Span, StatusKind, Task, TaskOrder, TaskQuery, Timestamp,
};
use chrono::NaiveTime;
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// Items asked for at a time.
const PAGE: usize = 500;
/// A list that goes on after so many items has no end.
const ITEMS_MAX: usize = 1_000_000;

/// What a digest is to be about.
#[derive(Clone, Debug)]
pub struct DigestRequest {
    /// The playbook that reports; it names the window.
    pub playbook: PlaybookName,
    /// The instant of the digest.
    pub now: Timestamp,
    /// Whose days are meant.
    pub zone: Tz,
    /// The instant of the last digest; `None` (the first one): the begin of yesterday.
    pub since: Option<Timestamp>,
    /// These projects, closed ones included; empty: all that are open.
    pub projects: Vec<ProjectId>,
    /// Where lines link to.
    pub links: LinkBase,
    /// What the agents did, from the ledger.
    pub agents: AgentWork,
}

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The board could not be read.
    #[error("the board could not be read for the digest")]
    Board(#[from] BoardError),
    /// A project asked for is not on the board.
    #[error("project {0} is not on the board")]
    UnknownProject(ProjectId),
    /// The board's pages do not end: it promised more and sent nothing new.
    #[error("the board's list for section {section:?} does not go on", section = .0.title())]
    StuckPage(SectionKind),
}

/// Collects a digest.
///
/// All days are civil days of the zone: *yesterday* and *today* last from midnight to midnight
/// whatever the clocks did. A task is in *became overdue yesterday* if it was due then and its
/// status is not of kind *done*; status updates are rated project comments of people (not of
/// agents) in `since..now`; milestones are open ones with a deadline from today to the end of the
/// seventh day from now.
pub async fn collect(board: &dyn Board, request: &DigestRequest) -> Result<Digest, CollectError> {
    let names = Names::read(board, &request.projects).await?;
    let today = CivilDay::of(request.now, request.zone);
    let yesterday = today.minus(1);
    let reader = Reader { board, request, names: &names };
    let updates = Span {
        from: request.since.unwrap_or_else(|| yesterday.start()).min(request.now),
        to: request.now,
    };
    let ahead = Span { from: today.start(), to: today.plus(8).start() };
    let mut sections = vec![
        reader.due(SectionKind::Overdue, yesterday.span()).await?,
        reader.due(SectionKind::DueToday, today.span()).await?,
        reader.updates(updates).await?,
        reader.milestones(ahead).await?,
    ];
    sections.extend(request.agents.sections(&request.links));
    fit_together(&mut sections);
    Ok(Digest {
        window: Digest::window_key(&request.playbook, today.date),
        date: today.date,
        zone: request.zone,
        sections,
    })
}

/// The names that lines mention, and which projects are reported on.
struct Names {
    projects: BTreeMap<ProjectId, Project>,
    people: BTreeMap<PersonId, Person>,
}

impl Names {
    async fn read(board: &dyn Board, wanted: &[ProjectId]) -> Result<Self, CollectError> {
        let mut projects: BTreeMap<_, _> =
            board.projects().await?.into_iter().map(|project| (project.id, project)).collect();
        if let Some(missing) = wanted.iter().find(|id| !projects.contains_key(id)) {
            return Err(CollectError::UnknownProject(*missing));
        }
        projects.retain(|id, project| wanted.contains(id) || wanted.is_empty() && !project.closed);
        let people = board.people().await?.into_iter().map(|person| (person.id, person)).collect();
        Ok(Self { projects, people })
    }

    fn person(&self, id: Option<PersonId>) -> String {
        match id {
            None => "nobody assigned".to_owned(),
            Some(id) => {
                self.people.get(&id).map_or_else(|| format!("person {id}"), |p| p.name.clone())
            }
        }
    }
}

/// One reading of one board.
struct Reader<'a> {
    board: &'a dyn Board,
    request: &'a DigestRequest,
    names: &'a Names,
}

impl Reader<'_> {
    /// Open tasks that are due within a span, soonest first.
    async fn due(&self, kind: SectionKind, span: Span) -> Result<Section, CollectError> {
        let open = StatusKind::ALL.into_iter().filter(|kind| *kind != StatusKind::Done);
        let mut query = TaskQuery {
            projects: self.request.projects.clone(),
            kinds_of_status: open.collect(),
            due_from: Some(span.from),
            due_to: Some(span.to),
            order: TaskOrder::Due,
            limit: PAGE,
            ..TaskQuery::default()
        };
        let mut section = Growing::new(kind);
        let mut read = 0;
        loop {
            let page = self.board.tasks(&query).await?;
            let is_empty = page.items.is_empty();
            read += page.items.len();
            let lines = page.items.iter().filter_map(|task| self.task_line(kind, task));
            lines.for_each(|line| section.add(line));
            if page.next.is_none() {
                return Ok(section.done());
            }
            check_progress(kind, is_empty || page.next == query.after, read)?;
            query.after = page.next;
        }
    }

    fn task_line(&self, kind: SectionKind, task: &Task) -> Option<Line> {
        let project = self.names.projects.get(&task.project)?;
        let mut notes = vec![project.name.clone(), self.names.person(task.assignee)];
        if let Some(due) = task.due {
            let due = due.with_timezone(&self.request.zone);
            // A board keeps "due on that day" as its midnight; nobody meant the hour.
            let is_day = due.time() == NaiveTime::MIN;
            let note = match kind {
                SectionKind::DueToday if is_day => "due today".to_owned(),
                SectionKind::DueToday => format!("due {}", due.format("%H:%M")),
                _ if is_day => format!("was due {}", due.format("%a %-d %b")),
                _ => format!("was due {}", due.format("%a %-d %b %H:%M")),
            };
            notes.push(note);
        }
        let evidence = self.request.links.task(task.id);
        Some(Line { evidence, headline: task.headline.clone(), notes })
    }

    /// Rated comments of people on projects, oldest first.
    async fn updates(&self, span: Span) -> Result<Section, CollectError> {
        let kind = SectionKind::StatusUpdates;
        let mut query = CommentQuery {
            projects: self.request.projects.clone(),
            rated: true,
            from: Some(span.from),
            to: Some(span.to),
            limit: PAGE,
            ..CommentQuery::default()
        };
        let mut section = Growing::new(kind);
        let mut read = 0;
        loop {
            let page = self.board.comments(&query).await?;
            let last = page.items.last().map(|comment| comment.id);
            read += page.items.len();
            let lines = page.items.iter().filter_map(|comment| self.update_line(comment));
            lines.for_each(|line| section.add(line));
            if page.next.is_none() {
                return Ok(section.done());
            }
            check_progress(kind, last <= query.after, read)?;
            query.after = last;
        }
    }

    fn update_line(&self, comment: &Comment) -> Option<Line> {
        let CommentTarget::Project(project) = comment.on else { return None };
        let project = self.names.projects.get(&project)?;
        let rating = comment.rating?;
        let is_agent = |person: &Person| person.kind == PersonKind::Agent;
        if self.names.people.get(&comment.author).is_some_and(is_agent) {
            return None;
        }
        let written = comment.created.with_timezone(&self.request.zone);
        let notes = vec![
            project.name.clone(),
            rating.to_string(),
            self.names.person(Some(comment.author)),
            written.format("%a %-d %b %H:%M").to_string(),
        ];
        let evidence = self.request.links.status_update(project.id, comment.id);
        Some(Line { evidence, headline: comment.text.clone(), notes })
    }

    /// Open milestones with a deadline within a span, soonest first.
    async fn milestones(&self, span: Span) -> Result<Section, CollectError> {
        let query = MilestoneQuery {
            projects: self.request.projects.clone(),
            to_from: Some(span.from),
            to_before: Some(span.to),
            done: Some(false),
        };
        let milestones = self.board.milestones(&query).await?;
        let lines = milestones.iter().filter_map(|milestone| self.milestone_line(milestone));
        Ok(Section::bounded(SectionKind::Milestones, lines))
    }

    fn milestone_line(&self, milestone: &Milestone) -> Option<Line> {
        let project = self.names.projects.get(&milestone.project)?;
        let deadline = milestone.to.with_timezone(&self.request.zone);
        let notes = vec![
            project.name.clone(),
            self.names.person(milestone.assignee),
            deadline.format("%a %-d %b").to_string(),
        ];
        let evidence = self.request.links.milestone(milestone.id);
        Some(Line { evidence, headline: milestone.headline.clone(), notes })
    }
}

/// Pages have to bring something new, and not without end.
fn check_progress(kind: SectionKind, is_stuck: bool, read: usize) -> Result<(), CollectError> {
    if is_stuck || read > ITEMS_MAX {
        return Err(CollectError::StuckPage(kind));
    }
    Ok(())
}
