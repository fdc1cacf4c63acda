//! Projects: found by their name, which no two of a board have.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::Way;
use super::no_field;
use crate::board::Result;
use crate::domain::{NewProject, Project, ProjectEdit, ProjectId, Stamp};
use async_trait::async_trait;

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

#[async_trait]
impl Noun for Project {
    type Edit = ProjectEdit;
    const KIND: Kind = Kind::Project;
    /// Work goes into it first.
    const LATE: &'static [&'static str] = &["closed"];

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.name.clone()
    }

    fn card(&self) -> Card {
        vec![
            ("name", self.name.as_str().into()),
            ("details", self.details.as_str().into()),
            ("closed", self.closed.into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        _: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        Ok(vec![match field {
            "name" => ProjectEdit::Name(self.name.clone()),
            "details" => ProjectEdit::Details(self.details.clone()),
            "closed" => ProjectEdit::Closed(self.closed),
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        match edit.clone() {
            ProjectEdit::Name(name) => to.name = name,
            ProjectEdit::Details(text) => to.details = text,
            ProjectEdit::Closed(closed) => to.closed = closed,
            ProjectEdit::Statuses(statuses) => to.statuses = statuses,
        }
    }

    async fn twin(&self, way: &Way) -> Result<Option<Self>> {
        let projects = way.target.projects().await?;
        Ok(projects.into_iter().find(|project| folded(&project.name) == folded(&self.name)))
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        Ok(self.twin(way).await?.into_iter().collect())
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.project(ProjectId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self> {
        let mut whole = Self { details: String::new(), ..self.clone() };
        for edit in edits {
            Self::apply(edit, &mut whole);
        }
        let statuses = if way.can.labels { self.statuses.clone() } else { Vec::new() };
        let new = NewProject { name: whole.name, details: whole.details, statuses };
        Ok(way.target.add_project(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_project(stamp, was.id, edits).await?.after)
    }
}
