//! What stands in the way is told before anything is changed.

use super::Scene;
use rota::app::App;
use rota::app::failure::FailureKind;
use rota::app::house::{House as _, MoveTo, Need};
use rota::board::Tasks as _;
use rota::domain::{NewTask, Stamp};
use rota::postgres::moves;
use rota::store::{Batch, Store as _};

/// The state folder can be used as before.
async fn is_usable(scene: &Scene) {
    App.open(&scene.place(), Need::Look).await.unwrap().close().await;
}

#[tokio::test]
async fn a_folder_that_somebody_has_open_is_not_moved() {
    let Some(scene) = Scene::new().await else { return };
    let daemon = scene.store();
    let refused = scene.go(scene.to_server()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Locked, "{refused:?}");
    assert!(refused.message.contains("process"), "it says who: {refused:?}");
    drop(daemon);
    is_usable(&scene).await;
}

#[tokio::test]
async fn a_schema_that_holds_something_else_is_not_filled() {
    let Some(scene) = Scene::new().await else { return };
    let rows = scene.rows().await;
    let store = scene.store_there().await;
    store.commit(Batch::new().put("audit-head", "1")).await.unwrap();
    let refused = scene.go(scene.to_server()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused, "{refused:?}");
    assert!(refused.message.contains("the ledger of other daemons"), "{refused:?}");
    is_usable(&scene).await;
    store.commit(Batch::new().delete("audit-head")).await.unwrap();
    let board = scene.board_there().await;
    super::Sample::put_onto(&board).await;
    let there = super::super::transfer::seen::seen(&board, &["Website", "Shop"]).await;
    let refused = scene.go(scene.to_server()).await.unwrap_err();
    assert!(refused.message.contains("a board (rows in table people)"), "{refused:?}");
    assert!(refused.hints[0].contains("--schema"), "{refused:?}");
    assert_eq!(super::super::transfer::seen::seen(&board, &["Website", "Shop"]).await, there);
    is_usable(&scene).await;
    assert_eq!(scene.rows().await, rows);
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_leaves_the_folder_usable() {
    let Some(scene) = Scene::new().await else { return };
    let to = |url: &str, schema: &str| MoveTo::Postgres {
        url: url.to_owned().into(),
        schema: schema.to_owned(),
        plain: false,
    };
    let nowhere = scene.go(to("postgres://u:SECRET@127.0.0.1:1/d", "rota")).await.unwrap_err();
    assert_eq!(nowhere.kind, FailureKind::Unreachable, "{nowhere:?}");
    assert!(!format!("{nowhere:?}").contains("SECRET"), "{nowhere:?}");
    let far = scene.go(to("postgres://u:SECRET@db.example/d?sslmode=disable", "rota")).await;
    let far = far.unwrap_err();
    assert_eq!(far.kind, FailureKind::Usage, "{far:?}");
    assert!(far.message.contains("another machine") && !far.message.contains("SECRET"), "{far:?}");
    let named = scene.go(to(scene.team.url(), "Team")).await.unwrap_err();
    assert!(named.message.contains("--schema"), "{named:?}");
    let home = scene.go(MoveTo::Embedded).await.unwrap_err();
    assert!(home.message.contains("is on PostgreSQL"), "{home:?}");
    is_usable(&scene).await;
}

#[tokio::test]
async fn two_folders_do_not_fill_one_schema() {
    let (Some(one), Some(other)) = (Scene::new().await, Scene::new().await) else { return };
    one.go(one.to_server()).await.unwrap();
    let refused = other.go(one.to_server()).await.unwrap_err();
    assert!(refused.message.contains("what was moved there from"), "{refused:?}");
    is_usable(&other).await;
    let board = one.board_there().await;
    let by = Stamp::by(one.sample.ann);
    board.add_task(&by, NewTask::new(one.sample.shop, "Still open")).await.unwrap();
}

#[tokio::test]
async fn a_move_that_was_cut_off_before_it_looked_looks_when_it_goes_on() {
    let Some(scene) = Scene::new().await else { return };
    let store = scene.store_there().await;
    store.commit(Batch::new().put("audit-head", "1")).await.unwrap();
    let cluster = scene.team.cluster(1);
    moves::begin_filling(&cluster, "move-1", "here").await.unwrap();
    let to = format!("{}, schema {}", cluster.place(), cluster.schema().as_str());
    let mark = serde_json::json!({"id": "move-1", "to": to, "at": "2026-12-01T08:00:00Z"});
    std::fs::write(scene.state().join("moving.json"), mark.to_string()).unwrap();
    let refused = scene.go(scene.to_server()).await.unwrap_err();
    assert!(refused.message.contains("the ledger of other daemons"), "{refused:?}");
    is_usable(&scene).await;
    assert_eq!(scene.team.psql("select count(*) from moves"), "0");
}

#[tokio::test]
async fn a_schema_that_this_move_closed_is_open_again_where_another_one_refuses() {
    let (Some(one), Some(other)) = (Scene::new().await, Scene::new().await) else { return };
    let report = one.go(one.to_server()).await.unwrap();
    one.as_told(&report);
    let (by, new) = (Stamp::by(one.sample.ann), NewTask::new(one.sample.shop, "Still open"));
    // Its store is in a schema that is being left for elsewhere.
    let there = other.team.cluster(1);
    drop(other.store_there().await);
    moves::begin_leaving(&there, "move-2", "elsewhere").await.unwrap();
    let (config, named) = (std::fs::read_to_string(one.config()).unwrap(), other.team.url());
    let (board, _) = config.split_once("[store]").unwrap();
    let store = format!(
        "[store]\nkind = \"postgres\"\nurl = \"{named}\"\nschema = \"{}\"\n",
        other.team.schema_name()
    );
    std::fs::write(one.config(), format!("{board}{store}")).unwrap();
    let refused = one.go(MoveTo::Embedded).await.unwrap_err();
    assert!(refused.message.contains("an unfinished move to elsewhere"), "{refused:?}");
    one.board_there().await.add_task(&by, new.clone()).await.unwrap();
    // Closed by this very move, before the other schema was looked at.
    moves::begin_leaving(&one.team.cluster(1), "move-3", "here").await.unwrap();
    assert!(one.board_there().await.add_task(&by, new.clone()).await.is_err());
    moves::reopen(&one.team.cluster(1), "move-2").await.unwrap();
    assert!(one.board_there().await.add_task(&by, new.clone()).await.is_err());
    moves::reopen(&one.team.cluster(1), "move-3").await.unwrap();
    one.board_there().await.add_task(&by, new).await.unwrap();
}
