//! A PostgreSQL that numbers as a file does, for tests that compare numbers: what a write took that was
//! undone is taken by the next one.

use super::postgres::Team;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

/// Every number that was given and kept has a row of activity that says so.
const GIVE_BACK: &str = "
select setval(pg_get_serial_sequence(noun, 'id'), coalesce(last, 1), last is not null) from (
    select noun, (select max(entity_id) from activity where entity = kind and field = 'created')
    from (values ('people', 'person'), ('projects', 'project'), ('milestones', 'milestone'),
        ('tasks', 'task'), ('comments', 'comment'), ('goal_boards', 'goal_board'),
        ('goals', 'goal'), ('events', 'event'), ('time_entries', 'time_entry'),
        ('timers', 'timer'), ('sprints', 'sprint')) as nouns (noun, kind)
    union all select 'activity', max(id) from activity
) as given (noun, last)";

/// Gives numbers back.
#[derive(Debug)]
pub struct Numbers(PgConnection);

impl Numbers {
    /// Those of a team's board.
    pub(crate) async fn of(team: &Team) -> Self {
        let mut connection = PgConnection::connect(team.url()).await.unwrap();
        let where_to = AssertSqlSafe(format!("set search_path = {}", team.schema_name()));
        sqlx::raw_sql(where_to).execute(&mut connection).await.unwrap();
        Self(connection)
    }

    /// Those that were taken since and are nobody's. Nobody may write meanwhile.
    pub async fn give_back(&mut self) {
        sqlx::raw_sql(GIVE_BACK).execute(&mut self.0).await.unwrap();
    }
}
