//! What moves is all there, and what was left is left alone.

use super::super::transfer::seen::seen;
use super::{FENCE, Scene, Team, content, nobody, postgres};
use rota::app::App;
use rota::app::house::{House as _, MigrateOptions, MoveTo, Need, Place};
use rota::board::Tasks as _;
use rota::domain::{Fence, NewTask, Stamp, TaskEdit};
use rota::postgres::moves::{self, Begun};
use rota::store::Batch;
use rota::store::Store as _;
use rota::store::postgres::PostgresStore;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PROJECTS: &[&str] = &["Website", "Shop"];

#[tokio::test]
async fn a_house_moves_to_postgresql_and_back_and_is_what_it_was() {
    let Some(scene) = Scene::new().await else { return };
    let (rows, before) = (scene.rows().await, seen(&scene.board().await, PROJECTS).await);
    let ledger = content(&scene.store()).await;
    let report = scene.go(scene.to_server()).await.unwrap();
    assert!(!report.resumed && !report.stopped && !report.dry_run, "{report:#?}");
    let activity = report.board.iter().find(|table| table.name == "activity").unwrap();
    assert!(activity.rows > 600 && activity.sha256.len() == 64, "{activity:?}");
    assert_eq!(report.store.iter().map(|range| range.rows).sum::<u64>(), ledger.len() as u64);
    // What it was moved from is as it was.
    assert_eq!(scene.rows().await, rows);
    scene.as_told(&report);
    assert_eq!(seen(&scene.board_there().await, PROJECTS).await, before);
    assert_eq!(content(&scene.store_there().await).await, ledger);
    let report = scene.go(MoveTo::Embedded).await.unwrap();
    let aside = |name: &str| report.left.iter().any(|left| left.contains(name));
    assert!(aside("board.sqlite.before-") && aside("store.before-"), "{report:#?}");
    scene.at_home();
    assert_eq!(scene.rows().await, rows);
    assert_eq!(content(&scene.store()).await, ledger);
    assert_eq!(std::fs::read_to_string(scene.state().join("epoch")).unwrap().trim(), "3");
}

#[tokio::test]
async fn numbers_and_fences_never_go_back() {
    let Some(scene) = Scene::new().await else { return };
    let by = Stamp::by(scene.sample.ann);
    let older = Stamp { claim: Some((scene.fenced, Fence(FENCE.0 - 1))), ..by.clone() };
    let report = scene.go(scene.to_server()).await.unwrap();
    let there = scene.board_there().await;
    let new = NewTask::new(scene.sample.shop, "New");
    let first = there.add_task(&by, new.clone()).await.unwrap().after.id;
    assert_eq!(first.0, scene.gone.0 + 1, "the number of a deleted task is not given again");
    let late = there.edit_task(&older, scene.fenced, &[TaskEdit::Sort(1)]).await;
    assert!(late.unwrap_err().to_string().contains("fence"), "a late write is refused");
    scene.as_told(&report);
    scene.go(MoveTo::Embedded).await.unwrap();
    let home = scene.board().await;
    assert_eq!(home.add_task(&by, new).await.unwrap().after.id.0, first.0 + 1);
    assert!(home.edit_task(&older, scene.fenced, &[TaskEdit::Sort(1)]).await.is_err());
}

#[tokio::test]
async fn nobody_goes_on_in_a_place_that_was_left() {
    let Some(scene) = Scene::new().await else { return };
    let report = scene.go(scene.to_server()).await.unwrap();
    let refused = App.open(&scene.place(), Need::Look).await.err().unwrap();
    assert!(refused.message.contains(scene.team.schema_name()), "{refused:?}");
    assert!(refused.hints[0].contains("rota.toml"), "{refused:?}");
    let again = scene.go(scene.to_server()).await.unwrap_err();
    assert!(again.message.contains("already"), "{again:?}");
    scene.as_told(&report);
    App.open(&scene.place(), Need::Look).await.unwrap().close().await;
    // Of other daemons, which nobody asked.
    let (board, store) = (scene.board_there().await, scene.store_there().await);
    scene.go(MoveTo::Embedded).await.unwrap();
    let by = Stamp::by(scene.sample.ann);
    let late = board.add_task(&by, NewTask::new(scene.sample.shop, "Late")).await;
    let late = late.unwrap_err().to_string();
    assert!(late.contains("was moved away") && late.contains("rota.toml"), "{late}");
    let late = store.commit(Batch::new().put("claim/main/1", "late")).await.unwrap_err();
    let why = std::error::Error::source(&late).unwrap().to_string();
    assert!(why.contains("was moved away") && why.contains("rota.toml"), "{why}");
    let refused = App.open(&scene.place(), Need::Look).await.err().unwrap();
    assert!(refused.message.contains("was left for"), "{refused:?}");
    scene.at_home();
    App.open(&scene.place(), Need::Look).await.unwrap().close().await;
}

#[tokio::test]
async fn a_board_in_another_place_is_opened_by_nobody_after_it_was_moved() {
    let Some(scene) = Scene::new().await else { return };
    let elsewhere = scene.folder.path().join("data");
    std::fs::create_dir(&elsewhere).unwrap();
    let board = elsewhere.join("team.sqlite");
    std::fs::rename(scene.state().join("board.sqlite"), &board).unwrap();
    let config = format!("[board]\npath = \"{}\"\n", board.display());
    std::fs::write(scene.config(), config).unwrap();
    scene.go(scene.to_server()).await.unwrap();
    // From a state folder that knows nothing of the move.
    let place = Place { state: scene.folder.path().join("other"), ..scene.place() };
    let refused = App.open(&place, Need::Look).await.err().unwrap();
    assert!(refused.message.contains("team.sqlite"), "{refused:?}");
    assert!(refused.message.contains(scene.team.schema_name()), "{refused:?}");
    assert!(refused.hints[0].contains("team.sqlite.moved.json"), "{refused:?}");
    std::fs::remove_file(elsewhere.join("team.sqlite.moved.json")).unwrap();
    App.open(&place, Need::Look).await.unwrap().close().await;
}

/// `rota.toml` names the board's file by this path.
fn named(scene: &Scene, path: &str) {
    std::fs::write(scene.config(), format!("[board]\npath = \"{path}\"\n")).unwrap();
}

/// From another state folder, which knows nothing of the move, the board is neither opened nor moved.
async fn is_refused_elsewhere(scene: &Scene, name: &str) {
    let place = Place { state: scene.folder.path().join("other"), ..scene.place() };
    std::fs::create_dir(&place.state).unwrap();
    let refused = App.open(&place, Need::Look).await.err().unwrap();
    let stop = CancellationToken::new();
    let options = MigrateOptions { to: scene.to_server(), dry_run: false };
    let unmoved = App.migrate(&place, options, nobody(), stop).await.unwrap_err();
    for failure in [refused, unmoved] {
        let is_told = failure.message.contains("what was in") && failure.message.contains(name);
        assert!(is_told && failure.message.contains(scene.team.schema_name()), "{failure:?}");
        assert!(failure.hints[0].contains(&format!("{name}.moved.json")), "{failure:?}");
    }
}

#[tokio::test]
async fn a_board_named_by_its_whole_path_into_the_folder_is_refused_from_another_one() {
    let Some(scene) = Scene::new().await else { return };
    named(&scene, &scene.state().join("board.sqlite").display().to_string());
    scene.go(scene.to_server()).await.unwrap();
    is_refused_elsewhere(&scene, "board.sqlite").await;
}

#[tokio::test]
async fn a_board_beside_the_folder_is_refused_from_another_one() {
    let Some(scene) = Scene::new().await else { return };
    let beside = scene.folder.path().join("team.sqlite");
    std::fs::rename(scene.state().join("board.sqlite"), beside).unwrap();
    named(&scene, "../team.sqlite");
    scene.go(scene.to_server()).await.unwrap();
    is_refused_elsewhere(&scene, "team.sqlite").await;
}

#[tokio::test]
async fn a_board_that_came_back_is_opened_however_its_path_is_named() {
    let Some(scene) = Scene::new().await else { return };
    let whole = scene.state().join("board.sqlite").display().to_string();
    named(&scene, &whole);
    let report = scene.go(scene.to_server()).await.unwrap();
    named(&scene, &whole);
    let refused = App.open(&scene.place(), Need::Look).await.err().unwrap();
    assert!(refused.message.contains(scene.team.schema_name()), "{refused:?}");
    scene.as_told(&report);
    scene.go(MoveTo::Embedded).await.unwrap();
    scene.at_home();
    App.open(&scene.place(), Need::Look).await.unwrap().close().await;
    named(&scene, &whole);
    App.open(&scene.place(), Need::Look).await.unwrap().close().await;
}

/// Waits until one connection of the team waits for a lock of this kind.
async fn until_one_waits(team: &Team, kind: &str) {
    let question = format!(
        "select count(*) = 1 from pg_locks join pg_stat_activity using (pid) \
         where locktype = '{kind}' and not granted and usename = current_schema()"
    );
    while team.psql(&question) != "t" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_schema_is_closed_after_the_commit_that_is_under_way() {
    let Some(team) = postgres::schema().await else { return };
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    let mut another = PgConnection::connect(team.url()).await.unwrap();
    let in_the_way =
        format!("begin; insert into {}.ledger values ('a', 1, '')", team.schema_name());
    sqlx::raw_sql(AssertSqlSafe(in_the_way)).execute(&mut another).await.unwrap();
    let commit = Batch::new().put("a", "1").put("b", "2");
    let mut committing = JoinSet::new();
    committing.spawn(async move { store.commit(commit).await });
    until_one_waits(&team, "transactionid").await;
    let cluster = team.cluster(1);
    let mut closing = JoinSet::new();
    closing.spawn(async move { moves::begin_leaving(&cluster, "move-1", "elsewhere").await });
    until_one_waits(&team, "advisory").await;
    sqlx::raw_sql("rollback").execute(&mut another).await.unwrap();
    committing.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(closing.join_next().await.unwrap().unwrap().unwrap(), Begun::New);
    assert_eq!(team.psql("select count(*) from ledger"), "2");
}

#[tokio::test]
async fn a_dry_run_counts_and_makes_nothing() {
    let Some(scene) = Scene::new().await else { return };
    let rows = scene.rows().await;
    let options = MigrateOptions { to: scene.to_server(), dry_run: true };
    let stop = CancellationToken::new();
    let report = App.migrate(&scene.place(), options, nobody(), stop).await.unwrap();
    assert!(report.dry_run, "{report:#?}");
    let tasks = report.board.iter().find(|table| table.name == "tasks").unwrap();
    assert_eq!(tasks.rows, 10);
    assert_eq!(report.store[0].rows, 1_500);
    let schemas = "select count(*) from pg_namespace where nspname = ";
    let schemas = format!("{schemas}'{}'", scene.team.schema_name());
    assert_eq!(scene.team.psql(&schemas), "0");
    assert_eq!(scene.rows().await, rows);
    let left: Vec<String> = std::fs::read_dir(scene.state())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("mov"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
