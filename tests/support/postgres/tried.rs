//! The server, its teams and the proxy do what tests rely on.

use super::{Proxy, Server, schema};
use rota::postgres::{Cluster, steps};
use sqlx::Row as _;
use std::path::Path;
use std::time::Duration;

/// A table of one part, made as daemons make theirs.
async fn make(cluster: &Cluster) {
    steps::make(cluster, "board", &["create table kept (word text primary key)"]).await.unwrap();
}

async fn keep(cluster: &Cluster, word: &str) -> sqlx::Result<()> {
    let mut connection = cluster.acquire().await.map_err(|_| sqlx::Error::PoolTimedOut)?;
    let insert = sqlx::query("insert into kept values ($1)").bind(word);
    insert.execute(&mut *connection).await.map(|_| ())
}

/// Again and again until it is kept: at most one try of a word succeeds.
async fn keep_at_last(cluster: &Cluster, word: &str) {
    let trying = async {
        while keep(cluster, word).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), trying).await.unwrap();
}

#[tokio::test]
async fn a_team_has_a_schema_of_its_own_and_no_rights_in_anothers() {
    let (Some(one), Some(other)) = (schema().await, schema().await) else { return };
    let cluster = one.cluster(2);
    make(&cluster).await;
    keep(&cluster, "word").await.unwrap();
    assert_eq!(one.psql("select word, 1 from kept"), "word|1");
    let stranger = other.cluster(1);
    let look = format!("select count(*) from {}.kept", one.schema_name());
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(look)).execute(stranger.pool()).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
}

#[tokio::test]
async fn the_order_of_texts_is_not_that_of_their_bytes() {
    let Some(team) = schema().await else { return };
    if team.psql("select current_setting('server_version_num')::int < 150000") == "t" {
        return;
    }
    assert_eq!(team.psql("select 'a' < 'B'"), "t");
}

#[tokio::test]
async fn connections_of_a_team_are_ended_and_those_of_others_are_not() {
    let (Some(one), Some(other)) = (schema().await, schema().await) else { return };
    let (cluster, stranger) = (one.cluster(1), other.cluster(1));
    let pid = async |cluster: &Cluster| -> sqlx::Result<i32> {
        sqlx::query("select pg_backend_pid()").fetch_one(cluster.pool()).await?.try_get(0)
    };
    let before = (pid(&cluster).await.unwrap(), pid(&stranger).await.unwrap());
    one.terminate_others().await;
    assert!(pid(&cluster).await.is_err());
    assert_ne!(pid(&cluster).await.unwrap(), before.0);
    assert_eq!(pid(&stranger).await.unwrap(), before.1);
}

#[tokio::test]
async fn a_server_comes_back_with_what_it_acknowledged() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let cluster = team.cluster(2);
    make(&cluster).await;
    keep(&cluster, "before").await.unwrap();
    server.stop().await;
    assert!(keep(&cluster, "meanwhile").await.is_err());
    server.start_again().await;
    keep_at_last(&cluster, "after").await;
    server.restart().await;
    keep_at_last(&cluster, "later").await;
    assert_eq!(team.psql("select word from kept order by word"), "after\nbefore\nlater");
}

#[tokio::test]
async fn a_standby_has_what_its_primary_acknowledged_and_is_found_when_it_is_promoted() {
    let Some(primary) = Server::start().await else { return };
    let team = primary.team();
    let standby = primary.standby().await;
    let cluster = team.cluster_at(&[primary.port(), standby.port()], 2);
    make(&cluster).await;
    keep(&cluster, "before").await.unwrap();
    primary.stop().await;
    standby.promote().await;
    keep_at_last(&cluster, "after").await;
    let table = format!("select word from {}.kept order by word", team.schema_name());
    assert_eq!(standby.psql(&table), "after\nbefore");
}

#[tokio::test]
async fn a_way_is_cut_silenced_slowed_and_healed() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let proxy = Proxy::to(server.port());
    let cluster = team.cluster_at(&[proxy.port()], 1);
    make(&cluster).await;
    let taken = proxy.taken();
    assert!(taken > 0);
    proxy.cut();
    assert!(keep(&cluster, "cut").await.is_err());
    assert_eq!(proxy.taken(), taken, "nobody came through");
    proxy.heal();
    keep_at_last(&cluster, "healed").await;
    proxy.slow(Duration::from_millis(50));
    let begin = tokio::time::Instant::now();
    keep(&cluster, "slowed").await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(100), "both ways take longer");
    proxy.silence();
    let silenced = keep(&cluster, "silenced");
    tokio::pin!(silenced);
    let waited = tokio::time::timeout(Duration::from_millis(100), &mut silenced).await;
    assert!(waited.is_err(), "nobody is told anything");
    proxy.heal();
    silenced.await.unwrap();
    assert_eq!(team.psql("select count(*) from kept"), "3");
}

#[tokio::test]
async fn nothing_of_a_server_is_left_behind() {
    let Some(server) = Server::start().await else { return };
    let folder = server.psql("show data_directory");
    assert!(Path::new(&folder).exists());
    drop(server);
    assert!(!Path::new(&folder).parent().unwrap().exists());
}
