//! What only a shared PostgreSQL can do: be opened by many at once, be newer, be full of others, go away.

use super::{World, mark, noon, person};
use crate::support::postgres::{Proxy, Server, Team, schema};
use futures::future::join_all;
use rota::board::sql::SqlBoard;
use rota::board::{BoardError, History as _, OneWrite, People as _, Projects as _, Tasks as _};
use rota::clock::ManualClock;
use rota::domain::{
    ActivityId, ActivityQuery, BoardName, EffectState, Entity, Fence, NewTask, PersonId, Stamp,
    Task, TaskEdit, TaskQuery,
};
use rota::postgres::{Address, Cluster, PostgresOptions, Schema, steps};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// What a write takes first.
const LOCK: &str = "hashtext('rota board'), hashtext(current_schema())";

pub(super) async fn over(cluster: Cluster) -> rota::board::Result<SqlBoard> {
    SqlBoard::shared(cluster, BoardName::new("main"), Arc::new(ManualClock::at(noon()))).await
}

/// A world, its team and somebody's own connection to the team's schema.
async fn with_another() -> Option<(World, PgConnection)> {
    let world = World::postgres().await?;
    let team = world.team.as_ref().unwrap();
    let mut another = PgConnection::connect(team.url()).await.unwrap();
    say(&mut another, &format!("set search_path = {}", team.schema_name())).await;
    Some((world, another))
}

pub(super) async fn say(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// A pool whose statements have half a second.
pub(super) fn impatient(team: &Team, url: &str) -> Cluster {
    Cluster::new(PostgresOptions {
        address: Address::parse(url, false).unwrap(),
        schema: Schema::parse(team.schema_name()).unwrap(),
        connections: 2,
        statement_timeout: Duration::from_millis(500),
    })
}

/// Waits until the team's database says so.
pub(super) async fn until(team: &Team, question: &str) {
    while team.psql(question) != "t" {
        tokio::task::yield_now().await;
    }
}

#[track_caller]
fn unusable<T: std::fmt::Debug>(answer: rota::board::Result<T>, says: &str) {
    match answer {
        Err(BoardError::Unusable { what, .. }) => assert!(what.contains(says), "{what}"),
        other => panic!("expected Unusable, got {other:?}"),
    }
}

#[tokio::test]
async fn of_many_who_begin_at_once_one_makes_the_tables() {
    let Some(team) = schema().await else { return };
    let boards: Vec<_> = join_all((0..6).map(|_| over(team.cluster(2)))).await;
    for board in boards {
        assert!(board.unwrap().people().await.unwrap().is_empty());
    }
    assert_eq!(team.psql("select version from versions where part = 'board'"), "1");
}

#[tokio::test]
async fn tables_one_version_newer_are_used_and_newer_ones_are_not() {
    let Some(team) = schema().await else { return };
    let board = over(team.cluster(2)).await.unwrap();
    board.add_person(&Stamp::by(PersonId(0)), person("Ann")).await.unwrap();
    team.psql("update versions set version = 2 where part = 'board'");
    assert_eq!(over(team.cluster(2)).await.unwrap().people().await.unwrap().len(), 1);
    assert_eq!(team.psql("select version from versions where part = 'board'"), "2");
    team.psql("update versions set version = 3 where part = 'board'");
    unusable(over(team.cluster(2)).await, "use a newer program");
}

#[tokio::test]
async fn of_many_who_begin_at_once_with_outdated_tables_one_makes_the_step() {
    const FIRST: &str = "create table parcels (id bigint primary key)";
    // A second time it would fail.
    const SECOND: &str = "alter table parcels add column weight bigint";
    let Some(team) = schema().await else { return };
    steps::make(&team.cluster(1), "parcels", &[FIRST]).await.unwrap();
    let clusters: Vec<Cluster> = (0..6).map(|_| team.cluster(2)).collect();
    let begin = |cluster| steps::make(cluster, "parcels", &[FIRST, SECOND]);
    for made in join_all(clusters.iter().map(begin)).await {
        made.unwrap();
    }
    assert_eq!(team.psql("select version from versions where part = 'parcels'"), "2");
    // One of the release before works on beside it; one of two releases before hears what to do.
    steps::make(&clusters[0], "parcels", &[FIRST]).await.unwrap();
    assert_eq!(team.psql("select version from versions where part = 'parcels'"), "2");
    let refused = steps::make(&clusters[0], "parcels", &[]).await.unwrap_err();
    assert!(refused.to_string().contains("use a newer program"), "{refused}");
}

#[tokio::test]
async fn whoever_may_not_make_the_tables_hears_who_has_to() {
    let Some(team) = schema().await else { return };
    let database = team.psql("select quote_ident(current_database())");
    team.psql(&format!("revoke create on database {database} from {}", team.schema_name()));
    unusable(over(team.cluster(1)).await, "let somebody begin who may create schemas");
}

#[tokio::test]
async fn a_schema_that_is_there_is_filled_by_whoever_may_make_no_other() {
    let Some(team) = schema().await else { return };
    let (name, database) = (team.schema_name(), "select quote_ident(current_database())");
    let database = team.psql(database);
    team.psql(&format!(
        "revoke create on database {database} from {name}; create schema {name} authorization {name}"
    ));
    assert!(over(team.cluster(1)).await.unwrap().people().await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_lost_the_right_to_write_hears_it_and_reads_on() {
    let Some(w) = World::postgres().await else { return };
    let team = w.team.as_ref().unwrap();
    let task = w.task("One").await;
    team.psql(&format!("revoke update on tasks from {}", team.schema_name()));
    unusable(w.edit(task.id, &[TaskEdit::Sort(7)]).await, "grant its user");
    assert_eq!(w.board.task(task.id).await.unwrap(), task);
}

#[tokio::test]
async fn two_teams_in_one_database_know_nothing_of_each_other() {
    let (Some(one), Some(other)) = (World::postgres().await, World::postgres().await) else {
        return;
    };
    let task = one.task("Ours").await;
    one.board.raise_fence(task.id, Fence(9)).await.unwrap();
    let theirs = other.task("Theirs").await;
    assert_eq!(theirs.id, task.id, "each team numbers for itself");
    assert_eq!(other.board.task(task.id).await.unwrap().headline, "Theirs");
    let old = other.fenced(task.id, 8);
    other.board.edit_task(&old, task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    assert_eq!(one.board.task(task.id).await.unwrap(), task);
}

#[tokio::test]
async fn a_fence_that_is_raised_while_a_write_waits_for_its_turn_refuses_it() {
    let Some((w, mut another)) = with_another().await else { return };
    let team = w.team.as_ref().unwrap();
    let task = w.task("Claimed").await;
    say(&mut another, &format!("select pg_advisory_lock({LOCK})")).await;
    let mut writing = JoinSet::new();
    let (board, stamp) = (w.board.clone(), w.fenced(task.id, 5));
    writing.spawn(async move { board.edit_task(&stamp, task.id, &[TaskEdit::Sort(1)]).await });
    let it_waits = "select count(*) = 1 from pg_locks join pg_stat_activity using (pid) \
                   where locktype = 'advisory' and not granted and usename = current_schema()";
    until(team, it_waits).await;
    // As another daemon's write that was first.
    say(&mut another, &format!("insert into fences values ({}, 6)", task.id.0)).await;
    say(&mut another, &format!("select pg_advisory_unlock({LOCK})")).await;
    let answer = writing.join_next().await.unwrap().unwrap();
    match answer {
        Err(BoardError::Fenced { offered, seen, .. }) => {
            assert_eq!((offered, seen), (Fence(5), Fence(6)));
        }
        other => panic!("expected Fenced, got {other:?}"),
    }
    assert_eq!(w.board.task(task.id).await.unwrap().sort, task.sort);
}

#[tokio::test]
async fn a_write_that_is_given_up_while_it_waits_is_in_nobodys_way() {
    let Some((w, mut another)) = with_another().await else { return };
    say(&mut another, &format!("select pg_advisory_lock({LOCK})")).await;
    let stamp = w.marked(1);
    let waits = w.board.add_task(&stamp, NewTask::new(w.alpha, "Given up"));
    assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err());
    say(&mut another, &format!("select pg_advisory_unlock({LOCK})")).await;
    for number in 0..8 {
        w.task(&format!("{number}")).await;
    }
    assert_eq!(w.find(TaskQuery::default()).await.len(), 8);
    assert_eq!(w.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
}

#[tokio::test]
async fn as_many_writes_given_up_as_there_are_connections_leave_one_to_those_who_read() {
    let Some((w, mut another)) = with_another().await else { return };
    say(&mut another, &format!("select pg_advisory_lock({LOCK})")).await;
    for _ in 0..4 {
        let stamp = w.by();
        let waits = w.board.add_task(&stamp, NewTask::new(w.alpha, "Given up"));
        assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err());
    }
    assert!(w.find(TaskQuery::default()).await.is_empty());
    say(&mut another, &format!("select pg_advisory_unlock({LOCK})")).await;
    let later = w.task("Later").await;
    assert_eq!(w.find(TaskQuery::default()).await, [later.id]);
}

/// Questions of the team that wait for the lock of a table.
const WAITING: &str = "from pg_locks join pg_stat_activity using (pid) \
     where locktype = 'relation' and not granted and usename = current_schema()";

/// Asks until a question of the team waits for the lock of a table, in another session than this one, and
/// then no more; in which session it did.
async fn given_up<T: std::fmt::Debug>(
    asks: impl Future<Output = rota::board::Result<T>>,
    team: &Team,
    other: &str,
) -> String {
    let session = async {
        loop {
            let sessions = format!("select pid {WAITING} and pid <> {other} limit 1");
            let pid = team.psql(&sessions);
            if !pid.is_empty() {
                return pid;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = asks => panic!("nothing was in its way: {answer:?}"),
        pid = session => pid,
    }
}

#[tokio::test]
async fn a_read_that_is_given_up_half_way_leaves_its_answer_to_nobody() {
    let Some((w, mut another)) = with_another().await else { return };
    let team = w.team.as_ref().unwrap();
    let (first, second) = (w.task("First").await, w.task("Second").await);
    // Whoever asks next is lent what was lent before.
    let board = over(team.cluster(1)).await.unwrap();
    assert_eq!(board.task(first.id).await.unwrap(), first);
    say(&mut another, "begin; lock table tasks in access exclusive mode").await;
    // A question by itself, and one within a transaction.
    let alone = given_up(board.task(first.id), team, "0").await;
    given_up(board.tasks(&TaskQuery::default()), team, &alone).await;
    assert_eq!(board.people().await.unwrap().len(), 3, "what nothing is in the way of goes on");
    // The server ends what nobody waits for, long before a statement's own limit.
    let nobody = format!("select count(*) = 0 {WAITING}");
    let ended = tokio::time::timeout(Duration::from_secs(10), until(team, &nobody)).await;
    assert!(ended.is_ok(), "{}", team.psql(&format!("select pid, query {WAITING}")));
    say(&mut another, "commit").await;
    for _ in 0..25 {
        assert_eq!(board.task(second.id).await.unwrap(), second);
        assert_eq!(board.task(first.id).await.unwrap(), first);
    }
    let page = board.tasks(&TaskQuery::default()).await.unwrap();
    assert_eq!(page.items, [first, second]);
}

#[tokio::test]
async fn a_write_that_waits_too_long_for_others_may_be_tried_again_and_reading_goes_on() {
    let Some((w, mut another)) = with_another().await else { return };
    let team = w.team.as_ref().unwrap();
    let board = over(impatient(team, team.url())).await.unwrap();
    say(&mut another, &format!("select pg_advisory_lock({LOCK})")).await;
    let new = NewTask::new(w.alpha, "One");
    let error = board.add_task(&w.by(), new.clone()).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("take too long"), "{error}");
    assert!(board.tasks(&TaskQuery::default()).await.unwrap().items.is_empty());
    say(&mut another, &format!("select pg_advisory_unlock({LOCK})")).await;
    board.add_task(&w.by(), new).await.unwrap();
}

/// Lets the first of so many tasks fail as a serialization failure does, each try anew.
fn fail(team: &Team, tries: u32) {
    team.psql(&format!(
        "create sequence tries; grant usage on sequence tries to public; \
         create function fail() returns trigger language plpgsql as $$ begin \
         if nextval('tries') <= {tries} then \
         raise exception 'could not serialize access' using errcode = '40001'; \
         end if; return new; end $$; \
         create trigger fails before insert on tasks for each row execute function fail()"
    ));
}

#[tokio::test]
async fn a_write_that_another_was_in_the_way_of_is_done_again_and_once() {
    let Some(w) = World::postgres().await else { return };
    fail(w.team.as_ref().unwrap(), 2);
    let new = NewTask::new(w.alpha, "One").with(TaskEdit::AddTag("t".into()));
    let written = w.board.add_task(&w.marked(1), new).await.unwrap();
    assert!(written.changed);
    assert_eq!(w.find(TaskQuery::default()).await, [written.after.id]);
    let applied = EffectState::Applied(Entity::Task(written.after.id));
    assert_eq!(w.board.effect_of(&mark(1)).await.unwrap(), applied);
}

#[tokio::test]
async fn a_write_that_others_are_always_in_the_way_of_is_given_up_and_may_be_tried_later() {
    let Some(w) = World::postgres().await else { return };
    fail(w.team.as_ref().unwrap(), 1_000);
    let new = NewTask::new(w.alpha, "One");
    let error = w.board.add_task(&w.marked(1), new).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("in the way"), "{error}");
    assert_eq!(w.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
    assert!(w.rows_after(ActivityId(0)).await.iter().all(|row| row.task.is_none()));
}

/// Follows the activity from its beginning until all is done and nothing comes any more.
async fn follow(board: &SqlBoard, is_done: &AtomicBool) -> Vec<ActivityId> {
    let mut met: Vec<ActivityId> = Vec::new();
    loop {
        let was_done = is_done.load(Ordering::SeqCst);
        let after = met.last().copied();
        let query = ActivityQuery { after, limit: 7, ..ActivityQuery::default() };
        let page = board.activity(&query).await.unwrap().items;
        if was_done && page.is_empty() {
            return met;
        }
        met.extend(page.iter().map(|row| row.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_daemons_that_write_at_once_no_write_is_lost_and_no_row_appears_behind_a_reader() {
    let Some(w) = World::postgres().await else { return };
    let common = w.task("Common").await.id;
    let daemons = [w.board.clone(), w.beside().await];
    let mut writers = JoinSet::new();
    for number in 0..4 {
        let (board, by, alpha) = (daemons[number % 2].clone(), w.by(), w.alpha);
        writers.spawn(async move {
            for round in 0..20 {
                let name = format!("{number}-{round}");
                board.add_task(&by, NewTask::new(alpha, name.clone())).await.unwrap();
                board.edit_task(&by, common, &[TaskEdit::AddTag(name)]).await.unwrap();
            }
        });
    }
    let reader = over(w.team.as_ref().unwrap().cluster(1)).await.unwrap();
    let is_done = AtomicBool::new(false);
    let write = async {
        writers.join_all().await;
        is_done.store(true, Ordering::SeqCst);
    };
    let ((), met) = tokio::join!(write, follow(&reader, &is_done));
    let all: Vec<ActivityId> =
        w.rows_after(ActivityId(0)).await.into_iter().map(|row| row.id).collect();
    assert_eq!(met, all);
    let common = w.board.task(common).await.unwrap();
    assert_eq!((common.revision, common.tags.len()), (1 + 80, 80));
    let tasks = TaskQuery { limit: 1_000, ..TaskQuery::default() };
    assert_eq!(w.find(tasks).await.len(), 81);
}

#[tokio::test]
async fn a_number_that_an_undone_write_took_is_given_to_nobody() {
    let Some(w) = World::postgres().await else { return };
    let first = w.task("One").await;
    let writes = [
        (w.by(), OneWrite::AddTask(NewTask::new(w.alpha, "Undone"))),
        (w.by(), OneWrite::AddTask(NewTask::new(w.alpha, " "))),
    ];
    assert_eq!(w.board.write_all(&writes).await.unwrap_err().index, Some(1));
    let next = w.task("Two").await;
    assert!(next.id > first.id);
    assert_eq!(w.find(TaskQuery::default()).await, [first.id, next.id]);
}

#[tokio::test]
async fn whoever_finds_an_older_copy_in_the_place_of_the_board_reads_it_anew() {
    let Some(w) = World::postgres().await else { return };
    let team = w.team.as_ref().unwrap();
    assert_eq!(w.board.people().await.unwrap()[0].name, "Ann");
    team.psql("delete from activity where id > 1; update people set name = 'Anna' where id = 1");
    assert_eq!(w.board.people().await.unwrap()[0].name, "Anna");
    // One that has gone on since.
    team.psql("delete from activity; update people set name = 'Annie' where id = 1");
    let new = NewTask::new(w.alpha, "Later");
    w.beside().await.add_task(&w.by(), new).await.unwrap();
    assert_eq!(w.board.people().await.unwrap()[0].name, "Annie");
}

/// Whatever is asked first of a board whose connections have gone.
async fn goes_on(w: &World, task: &Task, which: usize) {
    match which {
        0 => assert_eq!(w.board.task(task.id).await.unwrap(), *task),
        1 => assert_eq!(w.find(TaskQuery::default()).await, [task.id]),
        2 => assert_eq!(w.board.people().await.unwrap().len(), 3),
        _ => {
            let answer = w.board.edit_task(&w.by(), task.id, &[TaskEdit::Sort(task.sort)]).await;
            assert_eq!(answer.unwrap().after, *task);
        }
    }
}

#[tokio::test]
async fn connections_that_went_away_unused_are_noticed_by_nobody() {
    let Some(w) = World::postgres().await else { return };
    let team = w.team.as_ref().unwrap();
    let task = w.task("One").await;
    for which in 0..4 {
        // All connections that there may be.
        join_all((0..8).map(|_| w.board.task(task.id))).await;
        team.terminate_others().await;
        until(team, "select count(*) = 0 from pg_stat_activity where usename = current_schema()")
            .await;
        goes_on(&w, &task, which).await;
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_calls_is_noticed_by_nobody() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let board = over(team.cluster(3)).await.unwrap();
    let by = Stamp::by(PersonId(1));
    board.add_person(&by, person("Ann")).await.unwrap();
    let new = super::project("Alpha");
    let alpha = board.add_project(&by, new).await.unwrap().after.id;
    let task = board.add_task(&by, NewTask::new(alpha, "Before")).await.unwrap().after;
    server.restart().await;
    assert_eq!(board.task(task.id).await.unwrap(), task);
    server.restart().await;
    let later = board.add_task(&by, NewTask::new(alpha, "After")).await.unwrap().after;
    assert!(later.id > task.id);
    assert_eq!(board.tasks(&TaskQuery::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_server_that_is_away_makes_every_call_one_for_later() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let board = over(team.cluster(2)).await.unwrap();
    server.stop().await;
    let by = Stamp::by(PersonId(1));
    let read = board.people().await.unwrap_err();
    let write = board.add_person(&by, person("Ann")).await.unwrap_err();
    for error in [read, write] {
        assert!(error.is_transient() && error.to_string().contains("PostgreSQL"), "{error}");
    }
    server.start_again().await;
    board.add_person(&by, person("Ann")).await.unwrap();
    assert_eq!(board.people().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_falls_silent_makes_a_call_one_for_later_and_is_used_on_when_it_is_back() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    over(team.cluster(1)).await.unwrap().close().await;
    let board = over(impatient(&team, &team.url_at(&[proxy.port()]))).await.unwrap();
    let by = Stamp::by(PersonId(1));
    board.add_person(&by, person("Ann")).await.unwrap();
    proxy.silence();
    // Who waits for ever is found out here.
    let silent = async { tokio::join!(board.people(), board.add_person(&by, person("Bob"))) };
    let (read, write) = tokio::time::timeout(Duration::from_mins(1), silent).await.unwrap();
    for error in [read.unwrap_err(), write.unwrap_err()] {
        assert!(error.is_transient() && error.to_string().contains("PostgreSQL"), "{error}");
    }
    proxy.heal();
    board.add_person(&by, person("Bob")).await.unwrap();
    assert_eq!(board.people().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused() {
    let Some(server) = Server::start().await else { return };
    server.psql("create database latin template template0 encoding latin1 locale 'C'");
    let team = server.team();
    let url = team.url().rsplit_once('/').unwrap().0.to_owned() + "/latin";
    let cluster = Cluster::new(PostgresOptions {
        address: Address::parse(&url, false).unwrap(),
        schema: Schema::parse(team.schema_name()).unwrap(),
        connections: 1,
        statement_timeout: Duration::from_secs(15),
    });
    unusable(over(cluster).await, "created with encoding UTF8");
}
