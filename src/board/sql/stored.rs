//! Nouns that are kept under an id, in SQL: one way to find, list, write and remove them.

use super::super::kept::{self, Kept, Place};
use super::super::write::Keeps;
use super::super::{BoardError, Result};
use super::SqlBoard;
use super::dialect::{Connection, DbRow, failed};
use super::session::SqlSession;
use super::text::{Bind, Sql};
use crate::domain::Page;
use async_trait::async_trait;

/// How a noun is kept in a table.
pub(super) trait Stored: Kept {
    const TABLE: &'static str;
    /// As [`Stored::read`] reads them.
    const COLUMNS: &'static str;
    /// The columns of its place; one if the first part is always 0.
    const PLACE: &'static [&'static str] = &["id"];

    fn read(row: &DbRow) -> sqlx::Result<Self>;
    /// With the id that the table gave it.
    #[must_use]
    fn numbered(self, id: i64) -> Self;
    /// The columns and values that an id stands for.
    fn key(id: Self::Id) -> Vec<(&'static str, Bind)>;
    /// What is written.
    fn values(&self) -> Vec<(&'static str, Bind)>;
    /// `and …`: what a question means.
    fn narrow(sql: &mut Sql, query: &Self::Query);
    /// Which index leads, where the planner must be told.
    fn lead(_query: &Self::Query) -> Option<&'static str> {
        None
    }
}

fn read_all<T: Stored>(rows: &[DbRow]) -> Result<Vec<T>> {
    rows.iter().map(T::read).collect::<sqlx::Result<_>>().map_err(failed)
}

fn whose(sql: &mut Sql, key: Vec<(&'static str, Bind)>) {
    sql.push(" where true");
    for (column, value) in key {
        sql.push(" and ").push(column).push(" = ").bind(&value);
    }
}

pub(super) async fn find<T: Stored>(on: &mut Connection, id: T::Id) -> Result<Option<T>> {
    let mut sql = Sql::new("select ");
    sql.push(T::COLUMNS).push(" from ").push(T::TABLE);
    whose(&mut sql, T::key(id));
    Ok(read_all(&sql.fetch_all(on).await?)?.pop())
}

/// The statement for a page: after this place, at most `max`.
pub(super) fn page_sql<T: Stored>(query: &T::Query, after: Option<Place>, max: usize) -> Sql {
    let mut sql = Sql::new("select ");
    sql.push(T::COLUMNS).push(" from ").push(T::TABLE);
    if let Some(index) = T::lead(query) {
        sql.indexed_by(index);
    }
    sql.push(" where true");
    T::narrow(&mut sql, query);
    match (after, T::PLACE) {
        (Some((first, last)), [one, two]) => {
            sql.push(" and (").push(one).push(", ").push(two).push(") > (");
            sql.int(first).push(", ").int(last).push(")");
        }
        (Some((_, last)), [one, ..]) => {
            sql.push(" and ").push(one).push(" > ").int(last);
        }
        _ => {}
    }
    sql.push(" order by ").push(&T::PLACE.join(", ")).push(" limit ");
    sql.int(i64::try_from(max).unwrap_or(i64::MAX));
    sql
}

/// What is kept, in a place of its own in [`Stored::values`].
fn insert_sql<T: Stored>(thing: &T) -> Sql {
    let values = thing.values();
    let columns: Vec<&str> = values.iter().map(|(column, _)| *column).collect();
    let mut sql = Sql::new("insert into ");
    sql.push(T::TABLE).push(" (").push(&columns.join(", ")).push(") values (");
    for (place, (_, value)) in values.iter().enumerate() {
        sql.push(if place > 0 { ", " } else { "" }).bind(value);
    }
    sql.push(") returning ").push(T::PLACE.last().copied().unwrap_or("id"));
    sql
}

#[async_trait]
impl<T: Stored> Keeps<T> for SqlSession {
    async fn find(&mut self, id: T::Id) -> Result<Option<T>> {
        find(self.connection(), id).await
    }

    async fn list(&mut self, query: &T::Query, max: usize) -> Result<Vec<T>> {
        read_all(&page_sql::<T>(query, None, max).fetch_all(self.connection()).await?)
    }

    async fn insert(&mut self, thing: &T) -> Result<T> {
        let rows = insert_sql(thing).fetch_all(self.connection()).await?;
        let id = rows.first().map_or(Err(sqlx::Error::RowNotFound), |row| row.try_get(0));
        Ok(thing.clone().numbered(id.map_err(failed)?))
    }

    async fn update(&mut self, thing: &T) -> Result<()> {
        let mut sql = Sql::new("update ");
        sql.push(T::TABLE).push(" set ");
        for (place, (column, value)) in thing.values().iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" }).push(column).push(" = ").bind(value);
        }
        whose(&mut sql, T::key(thing.id()));
        sql.fetch_all(self.connection()).await.map(|_| ())
    }

    async fn remove(&mut self, id: T::Id) -> Result<()> {
        let mut sql = Sql::new("delete from ");
        sql.push(T::TABLE);
        whose(&mut sql, T::key(id));
        sql.fetch_all(self.connection()).await.map(|_| ())
    }
}

impl SqlBoard {
    /// One that must be there.
    pub(super) async fn one<T: Stored>(&self, id: T::Id) -> Result<T> {
        let found = find(&mut self.reader().await?, id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: T::entity(id).to_string() })
    }

    /// A page of those that a question means.
    pub(super) async fn some<T: Stored>(&self, query: &T::Query) -> Result<Page<T>> {
        let (size, after) = kept::begin(query)?;
        let sql = page_sql::<T>(query, after, size + 1);
        let mut items: Vec<T> = read_all(&sql.fetch_all(&mut self.reader().await?).await?)?;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| kept::cursor(last.place()));
        Ok(Page { items, next })
    }
}

/// One write of a SQL board: its steps in a transaction, from the beginning on where another was in
/// its way. What it takes as its `own` is copied only where there may be a second time.
macro_rules! written {
    ($board:ident, $write:ident($($argument:expr),*)) => {{
        let mut tries = 0;
        loop {
            let once = async {
                let mut session = $board.session().await?;
                let at = $board.now();
                let written = $crate::board::write::$write(&mut session, at, $($argument),*).await?;
                session.commit().await?;
                Ok::<_, $crate::board::BoardError>(written)
            };
            match once.await {
                Err(error) if $crate::board::sql::dialect::again(&error, &mut tries) => {}
                done => break done,
            }
        }
    }};
    ($board:ident, own $new:ident, $write:ident($($argument:expr),*)) => {{
        let (mut tries, mut new) = (0, $new);
        loop {
            let kept = $board.database.is_shared().then(|| new.clone());
            let once = async {
                let mut session = $board.session().await?;
                let at = $board.now();
                let written =
                    $crate::board::write::$write(&mut session, at, $($argument,)* new).await?;
                session.commit().await?;
                Ok::<_, $crate::board::BoardError>(written)
            };
            match (once.await, kept) {
                (Err(error), Some(kept))
                    if $crate::board::sql::dialect::again(&error, &mut tries) =>
                {
                    new = kept;
                }
                (done, _) => break done,
            }
        }
    }};
}
pub(super) use written;

#[cfg(test)]
mod tests {
    use super::super::calendar::work_sql;
    use super::super::time::sums_sql;
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{
        BoardName, CalendarEvent, CommentQuery, CommentTarget, During, EventQuery, Goal, GoalBoard,
        GoalBoardQuery, GoalId, GoalQuery, Member, MemberQuery, PersonId, ProjectId, ScheduleQuery,
        Span, Sprint, SprintQuery, TaskId, TimeEntry, TimeGroup, TimeKind, TimeQuery, Timer,
        TimerQuery, from_millis,
    };
    use std::sync::Arc;

    async fn board(folder: &tempfile::TempDir) -> SqlBoard {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let path = folder.path().join("board.db");
        SqlBoard::open(&path, BoardName::new("main"), clock).await.unwrap()
    }

    /// How SQLite would answer, one line a step.
    async fn plan(board: &SqlBoard, sql: Sql) -> Vec<String> {
        let rows = sql.explained().fetch_all(&mut board.reader().await.unwrap()).await.unwrap();
        rows.iter().map(|row| row.try_get::<String>(3).unwrap()).collect()
    }

    fn during() -> During {
        let span = Span { from: from_millis(0), to: from_millis(1) };
        let day = kept::day_of(0);
        During { span, first: day, last: day }
    }

    fn times() -> Vec<TimeQuery> {
        let (from, to) = (Some(kept::day_of(0)), Some(kept::day_of(7)));
        let span = TimeQuery { from, to, ..TimeQuery::default() };
        let people = |count| (0..count).map(PersonId).collect();
        vec![
            span.clone(),
            TimeQuery { people: people(1), ..span.clone() },
            TimeQuery { people: people(3), ..span.clone() },
            TimeQuery { projects: vec![ProjectId(1)], ..span.clone() },
            TimeQuery { tasks: vec![TaskId(1)], ..span.clone() },
            TimeQuery { kinds: vec![TimeKind::Testing], ..span },
        ]
    }

    #[tokio::test]
    async fn every_question_is_answered_from_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let board = board(&folder).await;
        let mut questions = Vec::new();
        let after = Some((3, 4));
        for query in times() {
            questions.push(page_sql::<TimeEntry>(&query, None, 9));
            questions.push(page_sql::<TimeEntry>(&query, after, 9));
        }
        let (one, who) = (vec![ProjectId(1)], vec![PersonId(1)]);
        for query in [
            GoalQuery { projects: one.clone(), ..GoalQuery::default() },
            GoalQuery { boards: vec![crate::domain::GoalBoardId(1)], ..GoalQuery::default() },
            GoalQuery { parent: Some(GoalId(1)), ..GoalQuery::default() },
            GoalQuery { milestone: Some(crate::domain::MilestoneId(1)), ..GoalQuery::default() },
        ] {
            questions.push(page_sql::<Goal>(&query, after, 9));
        }
        for owners in [vec![], who.clone(), vec![PersonId(1), PersonId(2)]] {
            let query = EventQuery { owners, during: Some(during()), ..EventQuery::default() };
            questions.push(page_sql::<CalendarEvent>(&query, after, 9));
        }
        let query = EventQuery { owners: who.clone(), ..EventQuery::default() };
        questions.push(page_sql::<CalendarEvent>(&query, after, 9));
        questions.push(work_sql(&ScheduleQuery { person: PersonId(1), during: during() }, 9));
        let query = GoalBoardQuery { projects: one.clone(), ..GoalBoardQuery::default() };
        questions.push(page_sql::<GoalBoard>(&query, after, 9));
        let query = SprintQuery { projects: one.clone(), ..SprintQuery::default() };
        questions.push(page_sql::<Sprint>(&query, after, 9));
        let query = MemberQuery { projects: one, ..MemberQuery::default() };
        questions.push(page_sql::<Member>(&query, after, 9));
        let query = MemberQuery { people: who.clone(), ..MemberQuery::default() };
        questions.push(page_sql::<Member>(&query, after, 9));
        let query = TimerQuery { people: who, ..TimerQuery::default() };
        questions.push(page_sql::<Timer>(&query, after, 9));
        let query = TimerQuery { tasks: vec![TaskId(1)], ..TimerQuery::default() };
        questions.push(page_sql::<Timer>(&query, after, 9));
        for question in questions {
            let plan = plan(&board, question.clone()).await;
            let scans: Vec<&String> = plan
                .iter()
                .filter(|step| step.starts_with("SCAN") && !step.contains("INDEX"))
                .collect();
            assert!(scans.is_empty(), "{question:?}: {plan:?}");
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{question:?}: {plan:?}");
        }
    }

    #[tokio::test]
    async fn one_persons_projects_or_tasks_time_comes_in_order_without_sorting() {
        let folder = tempfile::tempdir().unwrap();
        let board = board(&folder).await;
        for query in times() {
            let plan = plan(&board, page_sql::<TimeEntry>(&query, Some((1, 2)), 9)).await;
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{query:?}: {plan:?}");
            assert!(plan[0].starts_with("SEARCH"), "{query:?}: {plan:?}");
        }
    }

    #[tokio::test]
    async fn sums_read_nothing_but_an_index_within_its_span() {
        let folder = tempfile::tempdir().unwrap();
        let board = board(&folder).await;
        for query in times() {
            for by in TimeGroup::ALL {
                let plan = plan(&board, sums_sql(&query, *by)).await;
                let first = &plan[0];
                assert!(first.starts_with("SEARCH") && first.contains("COVERING"), "{plan:?}");
                assert!(first.contains("day>") && first.contains("day<"), "{plan:?}");
            }
        }
    }

    #[tokio::test]
    async fn comments_of_a_goal_are_found_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let board = board(&folder).await;
        let on = Some(CommentTarget::Goal(GoalId(1)));
        let query = CommentQuery { on, ..CommentQuery::default() };
        let found =
            super::super::comments::select(&mut board.reader().await.unwrap(), &query, 9).await;
        assert!(found.unwrap().is_empty());
        let mut sql = Sql::new("select id from comments where true and goal = ");
        sql.int(1).push(" order by +id");
        let plan = plan(&board, sql).await;
        assert!(plan[0].contains("comments_by_goal"), "{plan:?}");
    }
}
