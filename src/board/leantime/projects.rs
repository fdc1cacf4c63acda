//! Projects, and the labels of each.

use super::call::{Call, Reply};
use super::governor::Lane;
use super::rounds::turn;
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::task_row::long_text;
use super::wire::{self, Row};
use super::{DIRECTORY, LeantimeBoard, dates, fault, html};
use crate::board::record::Rows;
use crate::board::{BoardError, Projects, Result, check, write};
use crate::domain::{
    Entity, NewProject, Project, ProjectEdit, ProjectId, Stamp, Status, StatusId, StatusKind,
    Timestamp, Written, default_statuses,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Projects whose labels are asked for together; several such questions fit into one request.
const READ: usize = 4;
/// Characters of a name that fit.
const NAME_MAX: usize = 100;
/// The state of a project on which work has ended.
const CLOSED: i64 = -1;

impl Noted for Project {
    const SHELF: &'static str = "project";
    const COLUMNS: &'static [&'static str] = &["name", "details", "state"];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let details =
            known.or("details", |p| p.details.clone(), || html::from_html(&row.text("details")));
        Some(Self {
            id: row.id("id").map(ProjectId)?,
            name: known.or("name", |p| p.name.clone(), || row.text("name")),
            details,
            closed: row.int("state") == CLOSED,
            statuses: known.thing.map(|p| p.statuses.clone()).unwrap_or_default(),
            created: known.thing.map_or_else(
                || dates::read(&row.text("modified")).unwrap_or(context.now),
                |p| p.created,
            ),
        })
    }

    fn tell(_: Option<&Self>, _: &Self, _: &mut Rows<'_>, _: &Context) {}

    fn grow(&mut self, _: Timestamp) {}
}

fn get_all() -> Call {
    Call::new("projects.getAll", json!({ "showClosedProjects": true }))
}

fn get_labels(id: i64) -> Call {
    Call::new("tickets.getStatusLabels", json!({ "projectId": id }))
}

/// The labels of a project in the order of their columns.
pub(super) fn labels(value: Value, kinds: &BTreeMap<String, StatusKind>) -> Vec<Status> {
    let mut found = wire::keyed(value);
    found.sort_by_key(|(id, row)| (row.int("sortKey"), *id));
    let read = |(order, (id, row)): (i32, (i64, Row))| {
        let label = row.text("name");
        Status {
            id: StatusId(id),
            kind: kind_of(id, &label, &row.text("statusType"), kinds),
            label,
            order,
        }
    };
    (0..).zip(found).map(read).collect()
}

/// What a label means. The server knows three kinds; what waits and what is blocked is told by its
/// name, in the words of the configuration first, or by its number in the set that projects begin with.
fn kind_of(id: i64, label: &str, kind: &str, kinds: &BTreeMap<String, StatusKind>) -> StatusKind {
    let folded = check::fold(label.trim());
    if let Some((_, kind)) = kinds.iter().find(|(name, _)| check::fold(name.trim()) == folded) {
        return *kind;
    }
    let says = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    match kind {
        "NEW" => StatusKind::New,
        "DONE" => StatusKind::Done,
        // Neither here nor there: nobody is to begin with it.
        "NONE" => StatusKind::Waiting,
        _ if says(&["block", "stuck"]) => StatusKind::Blocked,
        _ if says(&["wait", "review", "approv", "feedback"]) => StatusKind::Waiting,
        _ if says(&["progress", "doing", "working"]) => StatusKind::InProgress,
        _ if id == 1 => StatusKind::Blocked,
        _ if id == 2 => StatusKind::Waiting,
        _ => StatusKind::InProgress,
    }
}

/// The projects of a list, by id.
fn rows_of(answer: &[Reply]) -> Result<Vec<Row>> {
    let what = "list projects";
    let reply = answer.first().cloned().ok_or_else(|| fault::no_sense(what))?;
    let value = reply.map_err(|refusal| fault::refused(&refusal, what))?;
    let mut rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
    rows.retain(|row| row.id("id").is_some());
    rows.sort_by_key(|row| row.int("id"));
    rows.dedup_by_key(|row| row.int("id"));
    Ok(rows)
}

impl LeantimeBoard {
    async fn list_of_projects(&self, fresh: Duration) -> Result<Arc<Vec<Reply>>> {
        self.ask_shared(Lane::People, vec![get_all()], fresh).await
    }

    pub(super) async fn project_ids(&self, fresh: Duration) -> Result<Vec<i64>> {
        let rows = rows_of(&self.list_of_projects(fresh).await?)?;
        Ok(rows.iter().map(|row| row.int("id")).collect())
    }

    /// All projects that this user sees, by id.
    pub(super) async fn all_projects(&self) -> Result<Arc<Vec<Project>>> {
        self.projects_within(DIRECTORY).await
    }

    /// The same; what was known so long ago will do.
    pub(super) async fn projects_within(&self, fresh: Duration) -> Result<Arc<Vec<Project>>> {
        let notes = &self.shelves.projects;
        let list = self.list_of_projects(fresh).await?;
        let ids: Vec<i64> = rows_of(&list)?.iter().map(|row| row.int("id")).collect();
        let mut answers = vec![Arc::clone(&list)];
        // At once: they go together, as many as fit into a request.
        let labels = ids.chunks(READ).map(|some| {
            let calls = some.iter().map(|id| get_labels(*id)).collect();
            self.ask_shared(Lane::People, calls, fresh)
        });
        answers.extend(futures::future::try_join_all(labels).await?);
        if let Some(projects) = self.homes.get(&answers, notes.version()) {
            return Ok(projects);
        }
        let projects = Arc::new(self.projects_of(&rows_of(&list)?, fresh).await?);
        self.homes.put(answers, notes.version(), &projects);
        Ok(projects)
    }

    async fn projects_of(&self, rows: &[Row], fresh: Duration) -> Result<Vec<Project>> {
        let notes = &self.shelves.projects;
        let context = self.bare_context();
        let mut projects =
            notes.observe(&self.book, rows, notes.generation(), true, &context).await?;
        let labels_of = |some: &[Project]| {
            let calls = some.iter().map(|project| get_labels(project.id.0)).collect();
            self.ask(Lane::People, calls, fresh)
        };
        let answers = futures::future::try_join_all(projects.chunks(READ).map(labels_of)).await?;
        for (some, replies) in projects.chunks_mut(READ).zip(answers) {
            for (project, reply) in some.iter_mut().zip(replies) {
                let found = reply.map(|value| labels(value, &self.options.kinds));
                let mut last = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
                match found {
                    Ok(found) if !found.is_empty() => {
                        last.insert(project.id, found.clone());
                        project.statuses = found;
                    }
                    // One project that fails does not stop the others.
                    _ => {
                        let known = last.get(&project.id).cloned();
                        tracing::warn!(
                            project = project.id.0,
                            "Leantime does not give the labels of a project: {}",
                            if known.is_some() { "the last known hold" } else { "it is left out" }
                        );
                        project.statuses = known.unwrap_or_default();
                    }
                }
            }
        }
        projects.retain(|project| !project.statuses.is_empty());
        Ok(projects)
    }

    /// Asks for what is known of projects and is old by now; what fails is asked again by whoever
    /// needs it.
    pub(super) async fn refresh_projects(&self, known: &[i64], number: usize) {
        // A few at a time, so that it fits into the request that a look is.
        let some: Vec<&[i64]> = known.chunks(READ).collect();
        let labels = turn(&some, 1, number).into_iter().map(|some| {
            let calls = some.iter().map(|id| get_labels(*id)).collect();
            self.ask_shared(Lane::Background, calls, DIRECTORY)
        });
        let projects = self.ask_shared(Lane::Background, vec![get_all()], DIRECTORY);
        let _ = futures::join!(projects, futures::future::join_all(labels));
    }

    pub(super) async fn find_project(&self, id: ProjectId) -> Result<Option<Project>> {
        let all = self.all_projects().await?;
        Ok(all.iter().find(|project| project.id == id).cloned())
    }

    /// A project as it is now, past what is remembered of the list.
    async fn fresh_project(&self, id: ProjectId) -> Result<Option<Project>> {
        let call = Call::new("projects.getProject", json!({ "id": id.0 }));
        let value = self.ask_one(Lane::People, call, Duration::ZERO, "read a project").await?;
        let rows: Vec<Row> =
            Row::of(value).filter(|row| row.int("id") == id.0).into_iter().collect();
        Ok(self.projects_of(&rows, DIRECTORY).await?.pop())
    }
}

fn name_to_send(name: &str) -> Result<&str> {
    if name.chars().count() > NAME_MAX {
        return check::malformed(format!(
            "the name has more than {NAME_MAX} characters, which Leantime would cut off: \
             expected fewer"
        ));
    }
    Ok(name)
}

fn no_labels() -> BoardError {
    BoardError::Unsupported(
        "Leantime gives no way to change a project's statuses but their names: change them in the \
         project's settings there"
            .to_owned(),
    )
}

impl LeantimeSession<'_> {
    pub(super) async fn new_project(&mut self, project: &Project) -> Result<ProjectId> {
        if project.statuses != default_statuses() {
            return Err(no_labels());
        }
        let what = "add a project";
        let values = json!({
            "name": name_to_send(&project.name)?,
            "details": long_text("details", &project.details)?,
            "clientId": 0, "hourBudget": "", "dollarBudget": "", "type": "project",
            "psettings": "restricted",
        });
        let call = Call::new("projects.addProject", json!({ "values": values }));
        let said = self.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(said.clone()) else {
            let said = wire::done(said).err().unwrap_or_default();
            return Err(self.refused(what, &said).await);
        };
        let thing = Project { id: ProjectId(id), ..project.clone() };
        self.keep_project(thing, true, what).await?;
        Ok(ProjectId(id))
    }

    pub(super) async fn change_project(&mut self, project: &Project) -> Result<()> {
        let what = "change a project";
        let found = self.board.find_project(project.id).await?;
        let before = found.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let mut values = Map::new();
        if before.name != project.name {
            values.insert("name".to_owned(), name_to_send(&project.name)?.into());
        }
        if before.details != project.details {
            let call = Call::new("projects.getProject", json!({ "id": project.id.0 }));
            let now = Row::of(self.ask(call, what).await?).unwrap_or_default();
            let text = format!("the details of project {} hold", project.id);
            html::may_replace(&now.text("details"), &before.details, &text)?;
            values.insert("details".to_owned(), long_text("details", &project.details)?.into());
        }
        if before.closed != project.closed {
            let state = if project.closed { CLOSED } else { 0 };
            values.insert("state".to_owned(), state.into());
        }
        let mut calls = renamed(&before, project)?;
        if !values.is_empty() {
            let params = json!({ "id": project.id.0, "values": values });
            calls.insert(0, Call::new("projects.patchProject", params));
        }
        let patches = !values.is_empty();
        let said = self.call(calls, what).await?.into_iter().next().unwrap_or(Value::Null);
        if let Err(said) = wire::done(said)
            && patches
        {
            return Err(self.refused(what, &said).await);
        }
        let is_told = before.details != project.details;
        self.keep_project(project.clone(), is_told, what).await
    }

    /// Reads it back, and keeps it as it was written. Details that were not sent are as people wrote
    /// them.
    async fn keep_project(&mut self, thing: Project, has_details: bool, what: &str) -> Result<()> {
        let call = Call::new("projects.getProject", json!({ "id": thing.id.0 }));
        let row = Row::of(self.ask(call, what).await?);
        let row = row.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let details = long_text("details", &thing.details)?;
        let is_kept = row.text("name") == thing.name
            && (!has_details || row.text("details") == details)
            && (row.int("state") == CLOSED) == thing.closed;
        if !is_kept {
            return Err(fault::undone(what, "it is not as it was written"));
        }
        let columns = row.columns(Project::COLUMNS);
        let note = Note { columns, thing, is_whole: true };
        self.keep(&self.board.shelves.projects, note)
    }
}

/// Calls that give labels other names, if nothing else about them changes.
fn renamed(before: &Project, after: &Project) -> Result<Vec<Call>> {
    let same = |status: &Status| (status.id, status.kind, status.order);
    if before.statuses.iter().map(same).ne(after.statuses.iter().map(same)) {
        return Err(no_labels());
    }
    let pairs = before.statuses.iter().zip(&after.statuses);
    let others = pairs.filter(|(old, new)| old.label != new.label);
    Ok(others
        .map(|(_, new)| {
            let params = json!({
                "module": "ticketlabels", "labelKey": new.id.0, "newLabel": new.label,
                "projectId": after.id.0,
            });
            Call::new("setting.saveProjectLabel", params)
        })
        .collect())
}

#[async_trait]
impl Projects for LeantimeBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        Ok(self.all_projects().await?.to_vec())
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        let found = self.find_project(id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Project(id).to_string() })
    }

    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        // One after the other: names are looked for among all.
        let mut session = LeantimeSession::new(self, stamp, self.locks.one("projects").await);
        let written = write::add_project(&mut session, self.now(), stamp, new).await;
        let written = session.end(written).await?;
        // Its labels are the server's.
        let found = self.fresh_project(written.after.id).await?;
        Ok(Written { after: found.unwrap_or(written.after), ..written })
    }

    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        let mut session = LeantimeSession::new(self, stamp, self.locks.one("projects").await);
        let written = write::edit_project(&mut session, self.now(), stamp, id, edits).await;
        session.end(written).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_that_projects_begin_with_are_understood_in_any_language() {
        let label = |name: &str, kind: &str, place: i64| json!({ "name": name, "statusType": kind, "sortKey": place });
        let value = json!({
            "-1": label("Archiviert", "DONE", 6), "0": label("Erledigt", "DONE", 5),
            "1": label("Blockiert", "INPROGRESS", 2), "2": label("Freigabe", "INPROGRESS", 4),
            "3": label("Neu", "NEW", 1), "4": label("In Arbeit", "INPROGRESS", 3),
        });
        let found = labels(value, &BTreeMap::new());
        let kinds: Vec<(i64, StatusKind)> = found.iter().map(|s| (s.id.0, s.kind)).collect();
        assert_eq!(
            kinds[..5],
            default_statuses().iter().map(|s| (s.id.0, s.kind)).collect::<Vec<_>>()
        );
        assert_eq!(kinds[5], (-1, StatusKind::Done));
    }

    #[test]
    fn a_teams_own_labels_mean_what_they_say_or_what_was_configured() {
        let kinds = BTreeMap::from([("QA".to_owned(), StatusKind::Waiting)]);
        let of = |label: &str, kind: &str| kind_of(21, label, kind, &kinds);
        assert_eq!(of("Code review", "INPROGRESS"), StatusKind::Waiting);
        assert_eq!(of("qa ", "INPROGRESS"), StatusKind::Waiting);
        assert_eq!(of("BLOCKED!", "INPROGRESS"), StatusKind::Blocked);
        assert_eq!(of("Building", "INPROGRESS"), StatusKind::InProgress);
        assert_eq!(of("Someday", "NONE"), StatusKind::Waiting);
        assert_eq!(of("", ""), StatusKind::InProgress);
    }
}
