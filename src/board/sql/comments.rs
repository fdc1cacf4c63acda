//! Comments in SQL.

use super::super::{Comments, Result, check};
use super::SqlBoard;
use super::columns::at_or_after;
use super::dialect::{Connection, DbRow, failed, query};
use super::memo::Question;
use super::people::{thing_of, word_of};
use super::stored::written;
use super::text::Sql;
use crate::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, Cursor, GoalId, NewComment, Page, PersonId,
    ProjectId, Rating, Stamp, TaskId, Written, from_millis,
};
use async_trait::async_trait;

const RATINGS: [(Rating, &str); 3] =
    [(Rating::Green, "green"), (Rating::Yellow, "yellow"), (Rating::Red, "red")];
const SELECT: &str = "select id, task, project, author, text, parent, rating, created, goal \
                      from comments where true";

fn read(row: &DbRow) -> sqlx::Result<Comment> {
    let number = |at: usize| row.try_get::<Option<i64>>(at);
    let on = match (number(1)?, number(2)?, number(8)?) {
        (Some(task), None, None) => CommentTarget::Task(TaskId(task)),
        (None, Some(project), None) => CommentTarget::Project(ProjectId(project)),
        (None, None, Some(goal)) => CommentTarget::Goal(GoalId(goal)),
        _ => return Err(sqlx::Error::Decode("a comment on nothing or on two things".into())),
    };
    let rating: Option<&str> = row.try_get(6)?;
    Ok(Comment {
        id: CommentId(row.try_get(0)?),
        on,
        author: PersonId(row.try_get(3)?),
        text: row.try_get(4)?,
        parent: row.try_get::<Option<i64>>(5)?.map(CommentId),
        rating: rating.map(|word| thing_of(&RATINGS, word)).transpose()?,
        created: from_millis(row.try_get(7)?),
    })
}

pub(super) async fn find(on: &mut Connection, id: CommentId) -> Result<Option<Comment>> {
    let mut sql = Sql::new(SELECT);
    sql.push(" and id = ").int(id.0);
    let rows = sql.fetch_all(on).await?;
    rows.first().map(read).transpose().map_err(failed)
}

/// In the order asked for, at most `max`.
pub(super) async fn select(
    on: &mut Connection,
    query: &CommentQuery,
    max: usize,
) -> Result<Vec<Comment>> {
    let mut sql = Sql::new(SELECT);
    match query.on {
        Some(CommentTarget::Task(id)) => sql.and_int("task =", Some(id.0)),
        Some(CommentTarget::Project(id)) => sql.and_int("project =", Some(id.0)),
        Some(CommentTarget::Goal(id)) => sql.and_int("goal =", Some(id.0)),
        None => {}
    }
    sql.and_ints("project", query.projects.iter().map(|id| id.0));
    if query.rated {
        sql.push(" and rating is not null");
    }
    sql.and_int("created >=", query.from.map(at_or_after));
    sql.and_int("created <", query.to.map(at_or_after));
    // The plus keeps the planner from walking all comments in their order where a narrower index
    // fits: a page of a span is small to sort. The index of a thread is in its order already.
    let narrow = query.from.is_some() || query.to.is_some();
    let id = if narrow { "+id" } else { "id" };
    let (beyond, order) = if query.latest_first { ("<", " desc") } else { (">", "") };
    sql.and_int(&format!("{id} {beyond}"), query.after.map(|id| id.0));
    sql.push(" order by ").push(id).push(order).push(" limit ");
    sql.int(i64::try_from(max).unwrap_or(i64::MAX));
    let rows = sql.fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) async fn insert(on: &mut Connection, comment: &Comment) -> Result<CommentId> {
    let (task, project, goal) = match comment.on {
        CommentTarget::Task(id) => (Some(id.0), None, None),
        CommentTarget::Project(id) => (None, Some(id.0), None),
        CommentTarget::Goal(id) => (None, None, Some(id.0)),
    };
    let id = query(
        "insert into comments (task, project, author, text, parent, rating, created, goal) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
    )
    .bind(task)
    .bind(project)
    .bind(comment.author.0)
    .bind(&comment.text)
    .bind(comment.parent.map(|id| id.0))
    .bind(comment.rating.map(|rating| word_of(&RATINGS, &rating)))
    .bind(comment.created.timestamp_millis())
    .bind(goal)
    .int(on)
    .await?;
    Ok(CommentId(id))
}

/// Only what a comment answers and what it says ever change.
pub(super) async fn update(on: &mut Connection, comment: &Comment) -> Result<()> {
    query("update comments set parent = $1, text = $2 where id = $3")
        .bind(comment.parent.map(|id| id.0))
        .bind(&comment.text)
        .bind(comment.id.0)
        .execute(on)
        .await
}

pub(super) async fn remove(on: &mut Connection, id: CommentId) -> Result<()> {
    query("delete from comments where id = $1").bind(id.0).execute(on).await
}

#[async_trait]
impl Comments for SqlBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        let ask = async {
            check::asked_projects(query.projects.len())?;
            let size = query.page_size();
            let mut items = select(&mut self.reader().await?, query, size + 1).await?;
            let more = items.len() > size;
            items.truncate(size);
            let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
            Ok(Page { items, next })
        };
        self.memo.recall(Question::Comments(query.clone()), ask).await
    }

    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        written!(self, own new, add_comment(stamp))
    }

    async fn edit_comment(
        &self,
        stamp: &Stamp,
        id: CommentId,
        text: String,
    ) -> Result<Written<Comment>> {
        written!(self, own text, edit_comment(stamp, id))
    }

    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        written!(self, delete_comment(stamp, id))
    }
}
