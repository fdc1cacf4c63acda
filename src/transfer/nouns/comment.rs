//! Comments. Who wrote one, and when, cannot be written: it stands above the text.

use super::super::noun::{Card, Key, Kind, Noun};
use super::super::way::{Way, letters, needed, quoted};
use super::{all, no_field};
use crate::board::Result;
use crate::domain::{Comment, CommentId, CommentQuery, CommentTarget, Cursor, NewComment, Stamp};
use async_trait::async_trait;

/// Characters of a comment that it is called by.
const TITLE_MAX: usize = 40;

/// What a comment is about, on the target.
fn on(comment: &Comment, way: &Way) -> Result<CommentTarget> {
    Ok(match comment.on {
        CommentTarget::Task(id) => CommentTarget::Task(needed(way.task(id), "its task")?),
        CommentTarget::Project(id) => {
            CommentTarget::Project(needed(way.project(id), "its project")?)
        }
        CommentTarget::Goal(id) => CommentTarget::Goal(needed(way.goal(id), "its goal")?),
    })
}

fn text(comment: &Comment, way: &Way) -> String {
    quoted(&way.name(comment.author), comment.created, &comment.text)
}

/// A comment's place in its thread.
pub(super) fn after(cursor: Option<Cursor>) -> Option<CommentId> {
    cursor.and_then(|Cursor(text)| text.parse().ok())
}

#[async_trait]
impl Noun for Comment {
    type Edit = ();
    const KIND: Kind = Kind::Comment;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        let line = self.text.lines().next().unwrap_or_default();
        line.chars().take(TITLE_MAX).collect()
    }

    /// A comment is never changed.
    fn card(&self) -> Card {
        Card::new()
    }

    fn wish(&self, field: &str, _: Option<&Self>, _: &Way) -> std::result::Result<Vec<()>, String> {
        no_field(field)
    }

    fn apply((): &(), _: &mut Self) {}

    fn refusal(&self, way: &Way) -> Option<String> {
        on(self, way).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query = CommentQuery { on: Some(on(self, way)?), ..CommentQuery::default() };
        let found = all(|cursor| {
            let query = CommentQuery { after: after(cursor), limit: 1_000, ..query.clone() };
            async move { way.target.comments(&query).await }
        });
        let (mut found, own) = (found.await?, letters(&text(self, way)));
        found.retain(|comment| letters(&comment.text) == own);
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        let query = CommentQuery { on: Some(on(self, way)?), ..CommentQuery::default() };
        let query = CommentQuery { after: Some(CommentId(key.0 - 1)), limit: 1, ..query };
        let found = way.target.comments(&query).await?.items;
        Ok(found.into_iter().find(|comment| comment.id.0 == key.0))
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[()]) -> Result<Self> {
        let parent = self.parent.and_then(|id| way.links.id(Kind::Comment, id.0)).map(CommentId);
        let new =
            NewComment { on: on(self, way)?, text: text(self, way), parent, rating: self.rating };
        Ok(way.target.add_comment(stamp, new).await?.after)
    }

    async fn edit(&self, _: &Way, _: &Stamp, was: &Self, _: &[()]) -> Result<Self> {
        Ok(was.clone())
    }
}
