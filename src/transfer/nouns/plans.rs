//! Sprints and milestones.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::Way;
use super::{all, home, no_field};
use crate::board::Result;
use crate::domain::{
    Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewMilestone, NewSprint, Sprint,
    SprintEdit, SprintId, SprintQuery, Stamp,
};
use async_trait::async_trait;

#[async_trait]
impl Noun for Sprint {
    type Edit = SprintEdit;
    const KIND: Kind = Kind::Sprint;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.name.clone()
    }

    fn card(&self) -> Card {
        vec![
            ("name", self.name.as_str().into()),
            ("from", self.from.to_string().into()),
            ("to", self.to.to_string().into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        _: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        Ok(vec![match field {
            "name" => SprintEdit::Name(self.name.clone()),
            "from" => SprintEdit::From(self.from),
            "to" => SprintEdit::To(self.to),
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        edit.apply(to);
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        home(way, self.project).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query =
            SprintQuery { projects: vec![home(way, self.project)?], ..SprintQuery::default() };
        let found = all(|after| {
            let query = SprintQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.sprints(&query).await }
        });
        let mut found = found.await?;
        found.retain(|sprint| sprint.name.trim() == self.name.trim());
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.sprint(SprintId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[Self::Edit]) -> Result<Self> {
        let project = home(way, self.project)?;
        let new = NewSprint { project, name: self.name.clone(), from: self.from, to: self.to };
        Ok(way.target.add_sprint(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_sprint(stamp, was.id, edits).await?.after)
    }
}

#[async_trait]
impl Noun for Milestone {
    type Edit = MilestoneEdit;
    const KIND: Kind = Kind::Milestone;
    const LATE: &'static [&'static str] = &["depends_on", "done"];

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.headline.clone()
    }

    fn card(&self) -> Card {
        vec![
            ("headline", self.headline.as_str().into()),
            ("color", self.color.as_str().into()),
            ("assignee", self.assignee.map(|who| who.0).into()),
            ("from", self.from.timestamp_millis().into()),
            ("to", self.to.timestamp_millis().into()),
            ("depends_on", self.depends_on.map(|other| other.0).into()),
            ("done", self.done.into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        way: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        let other = |id: MilestoneId| {
            way.milestone(id).ok_or_else(|| format!("milestone {id} is not there"))
        };
        Ok(vec![match field {
            "headline" => MilestoneEdit::Headline(self.headline.clone()),
            "color" => MilestoneEdit::Color(self.color.clone()),
            "assignee" => {
                MilestoneEdit::Assignee(self.assignee.map(|id| way.person(id)).transpose()?)
            }
            "from" => MilestoneEdit::From(self.from),
            "to" => MilestoneEdit::To(self.to),
            "depends_on" => MilestoneEdit::DependsOn(self.depends_on.map(other).transpose()?),
            "done" => MilestoneEdit::Done(self.done),
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        edit.apply(to);
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        home(way, self.project).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query = MilestoneQuery {
            projects: vec![home(way, self.project)?],
            ..MilestoneQuery::default()
        };
        let mut found = way.target.milestones(&query).await?;
        found.retain(|milestone| milestone.headline.trim() == self.headline.trim());
        found.sort_by_key(|milestone| milestone.id);
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.milestone(MilestoneId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self> {
        let mut whole = Self { assignee: None, ..self.clone() };
        for edit in edits {
            Self::apply(edit, &mut whole);
        }
        let new = NewMilestone {
            project: home(way, self.project)?,
            headline: whole.headline,
            color: whole.color,
            assignee: whole.assignee,
            from: whole.from,
            to: whole.to,
            depends_on: None,
        };
        Ok(way.target.add_milestone(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_milestone(stamp, was.id, edits).await?.after)
    }
}
