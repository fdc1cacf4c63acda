//! Goal boards and goals.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::{Way, begins_alike, missing};
use super::{all, home, no_field};
use crate::board::Result;
use crate::domain::{
    Goal, GoalBoard, GoalBoardId, GoalBoardQuery, GoalEdit, GoalId, GoalQuery, NewGoal,
    NewGoalBoard, ProjectId, Stamp,
};
use async_trait::async_trait;

/// The goal boards of a project of the target.
async fn boards(way: &Way, project: ProjectId) -> Result<Vec<GoalBoard>> {
    if project.0 < 0 {
        return Ok(Vec::new());
    }
    let query = GoalBoardQuery { projects: vec![project], ..GoalBoardQuery::default() };
    all(|after| {
        let query = GoalBoardQuery { after, limit: 1_000, ..query.clone() };
        async move { way.target.goal_boards(&query).await }
    })
    .await
}

#[async_trait]
impl Noun for GoalBoard {
    type Edit = ();
    const KIND: Kind = Kind::GoalBoard;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    /// A goal board is never changed.
    fn card(&self) -> Card {
        Card::new()
    }

    fn wish(&self, field: &str, _: Option<&Self>, _: &Way) -> std::result::Result<Vec<()>, String> {
        no_field(field)
    }

    fn apply((): &(), _: &mut Self) {}

    /// The one of the same title; where none can be added, any one of the project will do.
    async fn twin(&self, way: &Way) -> Result<Option<Self>> {
        let found = boards(way, home(way, self.project)?).await?;
        let same = found.iter().find(|board| board.title.trim() == self.title.trim());
        let any = found.first().filter(|_| !way.can.goal_boards);
        Ok(same.or(any).cloned())
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        let what = "its project has no goal board there, and none can be added: make one there, with a \
                    goal on it";
        (!way.can.goal_boards).then(|| what.to_owned())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        Ok(self.twin(way).await?.into_iter().collect())
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.goal_board(GoalBoardId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[()]) -> Result<Self> {
        let new = NewGoalBoard {
            project: home(way, self.project)?,
            title: self.title.clone(),
            description: self.description.clone(),
        };
        Ok(way.target.add_goal_board(stamp, new).await?.after)
    }

    async fn edit(&self, _: &Way, _: &Stamp, was: &Self, _: &[()]) -> Result<Self> {
        Ok(was.clone())
    }
}

#[async_trait]
impl Noun for Goal {
    type Edit = GoalEdit;
    const KIND: Kind = Kind::Goal;
    const LATE: &'static [&'static str] = &["parent"];

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn card(&self) -> Card {
        vec![
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("owner", self.owner.map(|who| who.0).into()),
            ("start_value", self.start_value.into()),
            ("current_value", self.current_value.into()),
            ("end_value", self.end_value.into()),
            ("metric", self.metric.as_str().into()),
            ("status", self.status.as_str().into()),
            ("milestone", self.milestone.map(|id| id.0).into()),
            ("start", self.start.map(|day| day.to_string()).into()),
            ("end", self.end.map(|day| day.to_string()).into()),
            ("parent", self.parent.map(|goal| goal.0).into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        way: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        Ok(vec![match field {
            "title" => GoalEdit::Title(self.title.clone()),
            "description" => GoalEdit::Description(self.description.clone()),
            "owner" => GoalEdit::Owner(self.owner.map(|id| way.person(id)).transpose()?),
            "start_value" => GoalEdit::StartValue(self.start_value),
            "current_value" => GoalEdit::CurrentValue(self.current_value),
            "end_value" => GoalEdit::EndValue(self.end_value),
            "metric" => GoalEdit::Metric(self.metric),
            "status" => GoalEdit::Status(self.status),
            "milestone" => {
                let there = self.milestone.map(|id| {
                    way.milestone(id).ok_or_else(|| format!("milestone {id} is not there"))
                });
                GoalEdit::Milestone(there.transpose()?)
            }
            "start" => GoalEdit::Start(self.start),
            "end" => GoalEdit::End(self.end),
            "parent" => {
                let there = self
                    .parent
                    .map(|id| way.goal(id).ok_or_else(|| format!("goal {id} is not there")));
                GoalEdit::Parent(there.transpose()?)
            }
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        edit.apply(to);
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        let is_there = way.links.id(Kind::GoalBoard, self.board.0).is_some();
        (!is_there).then(|| "its goal board is not there".to_owned())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query = GoalQuery { projects: vec![home(way, self.project)?], ..GoalQuery::default() };
        let found = all(|after| {
            let query = GoalQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.goals(&query).await }
        });
        let mut found = found.await?;
        found.retain(|goal| {
            goal.title.trim() == self.title.trim()
                && begins_alike(&goal.description, &self.description)
        });
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.goal(GoalId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self> {
        let board = way.links.id(Kind::GoalBoard, self.board.0).map(GoalBoardId);
        let is_begun_with = |edit: &&GoalEdit| {
            matches!(edit, GoalEdit::Title(_) | GoalEdit::StartValue(_) | GoalEdit::EndValue(_))
        };
        let new = NewGoal {
            board: board.ok_or_else(|| missing("its goal board"))?,
            title: self.title.clone(),
            start_value: self.start_value,
            end_value: self.end_value,
            edits: edits.iter().filter(|edit| !is_begun_with(edit)).cloned().collect(),
        };
        Ok(way.target.add_goal(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_goal(stamp, was.id, edits).await?.after)
    }
}
