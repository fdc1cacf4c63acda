//! Fills a board's file far faster than a board would: with SQL of its own, indexes made last.

use rota::board::sql::SqlBoard;
use rota::board::{Comments, Milestones, People, Projects};
use rota::domain::{
    CommentTarget, NewComment, NewMilestone, NewPerson, NewProject, PersonId, PersonKind,
    ProjectId, Rating, Role, Stamp, Timestamp,
};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

pub const PEOPLE: i64 = 200;
pub const PROJECTS: i64 = 50;
pub const TAGS: i64 = 200;

/// People, projects, milestones and status updates, through the board.
pub async fn surroundings(board: &SqlBoard, now: Timestamp) -> anyhow::Result<()> {
    let by = Stamp::by(PersonId(1));
    for number in 1..=PEOPLE {
        let new = NewPerson {
            name: format!("Person {number}"),
            email: None,
            kind: PersonKind::Person,
            role: Role::Editor,
        };
        board.add_person(&by, new).await?;
    }
    for number in 1..=PROJECTS {
        let new = NewProject {
            name: format!("Project {number}"),
            details: String::new(),
            statuses: Vec::new(),
        };
        let project = board.add_project(&by, new).await?.after.id;
        around(board, &by, project, number, now).await?;
    }
    Ok(())
}

async fn around(
    board: &SqlBoard,
    by: &Stamp,
    project: ProjectId,
    number: i64,
    now: Timestamp,
) -> anyhow::Result<()> {
    for week in 0..4 {
        let new = NewMilestone {
            project,
            headline: format!("Milestone {week}"),
            color: "#124F7D".to_owned(),
            assignee: None,
            from: now,
            to: now + chrono::TimeDelta::days(week * 7 + number % 7),
            depends_on: None,
        };
        board.add_milestone(by, new).await?;
        let new = NewComment {
            on: CommentTarget::Project(project),
            text: "As planned.".to_owned(),
            parent: None,
            rating: Some(Rating::Green),
        };
        board.add_comment(by, new).await?;
    }
    Ok(())
}

/// The tasks, seven of ten done, six of ten with a due date, each with one or two tags.
pub async fn tasks(file: &std::path::Path, tasks: i64, now: Timestamp) -> anyhow::Result<()> {
    let url = format!("sqlite:{}", file.display());
    let mut to = SqliteConnection::connect(&url).await?;
    sqlx::raw_sql("pragma synchronous = off; pragma cache_size = -200000").execute(&mut to).await?;
    let indexes =
        sqlx::query("select name, sql from sqlite_master where type = 'index' and sql is not null")
            .fetch_all(&mut to)
            .await?;
    for row in &indexes {
        let drop = format!("drop index {}", row.try_get::<String, _>(0)?);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut to).await?;
    }
    let now = now.timestamp_millis();
    sqlx::raw_sql(AssertSqlSafe(format!("begin; {}; commit", rows(tasks, now))))
        .execute(&mut to)
        .await?;
    for row in &indexes {
        sqlx::raw_sql(AssertSqlSafe(row.try_get::<String, _>(1)?)).execute(&mut to).await?;
    }
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut to).await?;
    to.close().await?;
    Ok(())
}

fn rows(tasks: i64, now: i64) -> String {
    format!(
        "insert into tasks (id, project, kind, status, status_kind, priority, assignee, author, \
         due, modified, created, revision, sort, headline, tags, collaborators, blocked_by, \
         fields, acceptance_criteria, description) \
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {tasks}), \
         r as (select i, i * 2654435761 % 1000003 as a, i * 40503 % 999983 as b, \
               i * 69621 % 999979 as c from n) \
         select i, 1 + a % {PROJECTS}, 'task', \
         case when b % 100 < 70 then 0 when b % 100 < 90 then 3 when b % 100 < 95 then 4 \
              when b % 100 < 97 then 1 else 2 end, \
         case when b % 100 < 70 then 4 when b % 100 < 90 then 0 when b % 100 < 95 then 1 \
              when b % 100 < 97 then 2 else 3 end, \
         nullif(c % 6, 0), nullif((a + c) % ({PEOPLE} + 1), 0), 1, \
         case when (a + b) % 10 < 6 then {now} + ((b + c) % 360 - 300) * 86400000 \
              + a % 86400000 end, \
         {now} - (c * 31 + a) % 10000000 * 1000, {now} - 10000000000, 1 + a % 9, 0, \
         'Task number ' || i || ' about ' || (a % 1000), \
         case when a % 2 = 0 then '[\"tag ' || (b % {TAGS}) || '\"]' else '[\"tag ' || \
         (b % {TAGS}) || '\",\"team ' || (c % 10) || '\"]' end, '[]', '[]', '{{}}', '', \
         'Something that somebody wrote about task ' || i || ', with some more words in it.' \
         from r; \
         insert into task_tags (folded, task, status_kind, priority_key, due_key, recent) \
         select j.value, t.id, t.status_kind, t.priority_key, t.due_key, t.recent \
         from tasks t, json_each(t.tags) j; \
         insert into task_words (task, headline, description) \
         select id, lower(headline), lower(description) from tasks; \
         insert into comments (task, author, text, created) \
         select id, 1, 'A comment.', {now} - id % 100000 * 10000 from tasks where id % 5 = 0"
    )
}
