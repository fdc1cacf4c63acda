//! A pool that somebody has emptied: whoever wants a connection hears it, and nothing is lost.

use super::{Scene, Wanted, each_second};
use crate::support::playbooks::DILIGENT;
use crate::support::postgres::schema;
use rota::store::Store as _;

/// An error and what caused it.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_whose_only_connection_is_kept_says_so_begins_nothing_and_goes_on_when_it_is_back()
{
    let Some(database) = schema().await else { return };
    let worker = ("ai-worker", each_second());
    let scene = Scene::new(database, &[], worker, &[DILIGENT]).await;
    let one = scene.start(Wanted { connections: 1, ..Wanted::named("one") }).await;
    let kept = one.store.cluster().acquire().await.unwrap();
    let task = scene.task("Fix the login").await;
    for _ in 0..2 {
        let error = one.store.now().await.unwrap_err();
        let told = told(&error);
        assert!(told.contains("all connections to it were in use"), "{told}");
        assert!(told.contains("`connections` of [store]"), "{told}");
    }
    assert!(scene.runs(task).await.is_empty(), "nobody could have claimed it");
    drop(kept);
    scene.handed_over(task).await;
    scene.is_sound(&[task]).await;
    assert_eq!(scene.said(task, "I found it.").await, 1);
    one.stop().await;
}
