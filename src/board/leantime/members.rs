//! Members of projects. The server has one list for each user, which is replaced as a whole.

use super::call::{Call, Parcel};
use super::governor::Lane;
use super::people::role_of;
use super::remote::Remote;
use super::session::LeantimeSession;
use super::wire::{self, Row};
use super::{DIRECTORY, LeantimeBoard, fault};
use crate::board::{BoardError, Result};
use crate::domain::{Member, MemberQuery, PersonId, ProjectId};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// Projects whose members are read in one request.
const READ: usize = 50;

fn member(row: &Row, project: ProjectId) -> Option<Member> {
    let number = row.int("projectRole");
    let role = (number > 0).then(|| role_of(number));
    Some(Member { project, person: row.id("id").map(PersonId)?, role })
}

fn get(project: ProjectId) -> Call {
    Call::new("projects.getUsersAssignedToProject", json!({ "projectId": project.0 }))
}

impl LeantimeBoard {
    async fn members_of(
        &self,
        lane: Lane,
        projects: &[ProjectId],
        fresh: Duration,
    ) -> Result<Vec<Member>> {
        let what = "read the members of a project";
        let mut found = Vec::new();
        for some in projects.chunks(READ) {
            let calls = some.iter().map(|id| get(*id)).collect();
            for (project, reply) in some.iter().zip(self.ask(lane, calls, fresh).await?) {
                let value = reply.map_err(|refusal| fault::refused(&refusal, what))?;
                let rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
                found.extend(rows.iter().filter_map(|row| member(row, *project)));
            }
        }
        Ok(found)
    }
}

impl LeantimeSession<'_> {
    /// Changes the list of a user's projects, all of which is written anew.
    async fn put_projects(
        &mut self,
        person: PersonId,
        change: impl FnOnce(&mut Vec<i64>),
    ) -> Result<Vec<i64>> {
        let what = "change who belongs to a project";
        let mut projects = self.relation(person, what).await?;
        if projects.is_empty() {
            // Lists are empty now and then for no reason, and what is not in this one is lost.
            projects = self.relation(person, what).await?;
            self.belongs_nowhere(person, &projects).await?;
        }
        change(&mut projects);
        projects.sort_unstable();
        projects.dedup();
        let params = json!({ "id": person.0, "projects": projects });
        let calls = vec![Call::new("projects.editUserProjectRelations", params)];
        let reply = self.act(Parcel::Calls(calls)).await?.into_iter().next();
        let said = match reply {
            Some(reply) => reply.map_err(|refusal| fault::refused(&refusal, what))?,
            None => Value::Null,
        };
        if let Err(said) = wire::done(said) {
            return Err(self.refused(what, &said).await);
        }
        if self.relation(person, what).await? != projects {
            return Err(fault::undone(
                what,
                "the projects of this user are not as they were written",
            ));
        }
        Ok(projects)
    }

    /// A user's projects, in order; an answer that is no list says nothing.
    async fn relation(&self, person: PersonId, what: &str) -> Result<Vec<i64>> {
        let call = Call::new("projects.getUserProjectRelation", json!({ "userId": person.0 }));
        let value = self.ask(call, what).await?;
        let Some(rows) = value.as_array().filter(|rows| rows.iter().all(Value::is_object)) else {
            return Err(fault::no_sense(what));
        };
        let rows = rows.iter().cloned().filter_map(Row::of);
        let mut projects: Vec<i64> = rows.filter_map(|row| row.id("projectId")).collect();
        projects.sort_unstable();
        projects.dedup();
        Ok(projects)
    }

    /// Where a user is in no project by their own list, they are in no project's list either.
    async fn belongs_nowhere(&self, person: PersonId, projects: &[i64]) -> Result<()> {
        if !projects.is_empty() {
            return Ok(());
        }
        let ids = self.board.project_ids(DIRECTORY).await?;
        let ids: Vec<ProjectId> = ids.into_iter().map(ProjectId).collect();
        let all = self.board.members_of(self.lane(), &ids, Duration::ZERO).await?;
        match all.iter().find(|member| member.person == person) {
            None => Ok(()),
            Some(member) => Err(fault::unavailable(format!(
                "Leantime lists no project for person {person}, who is in project {}: their \
                 projects are not changed, since that would take them out of all others",
                member.project
            ))),
        }
    }
}

#[async_trait]
impl Remote for Member {
    async fn one(
        board: &LeantimeBoard,
        lane: Lane,
        (project, person): (ProjectId, PersonId),
    ) -> Result<Self> {
        let all = board.members_of(lane, &[project], Duration::ZERO).await?;
        let found = all.into_iter().find(|member| member.person == person);
        found.ok_or_else(|| BoardError::NotFound {
            what: format!("person {person} as a member of project {project}"),
        })
    }

    async fn all(board: &LeantimeBoard, lane: Lane, query: &MemberQuery) -> Result<Vec<Self>> {
        let ids = board.project_ids(DIRECTORY).await?;
        let meant: Vec<ProjectId> = ids
            .into_iter()
            .map(ProjectId)
            .filter(|id| query.projects.is_empty() || query.projects.contains(id))
            .collect();
        board.members_of(lane, &meant, DIRECTORY).await
    }

    async fn add(session: &mut LeantimeSession<'_>, member: &Self) -> Result<Self> {
        if member.role.is_some() {
            return Err(BoardError::Unsupported(
                "Leantime gives no way to give somebody another role in one project: add them \
                 without a role, and do that in the project's settings there"
                    .to_owned(),
            ));
        }
        session.put_projects(member.person, |all| all.push(member.project.0)).await?;
        let found = Self::one(session.board, session.lane(), (member.project, member.person)).await;
        match found {
            Ok(found) => Ok(found),
            // Users of API keys are members that nobody sees.
            Err(BoardError::NotFound { .. }) => Ok(member.clone()),
            Err(error) => Err(error),
        }
    }

    async fn change(session: &mut LeantimeSession<'_>, member: &Self) -> Result<()> {
        Self::add(session, member).await?;
        Ok(())
    }

    async fn remove(
        session: &mut LeantimeSession<'_>,
        (project, person): (ProjectId, PersonId),
    ) -> Result<()> {
        session.put_projects(person, |all| all.retain(|id| *id != project.0)).await?;
        Ok(())
    }
}
