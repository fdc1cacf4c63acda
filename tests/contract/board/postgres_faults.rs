//! The board that daemons share, when the answer to a commit is lost: what the server may still be at is
//! decided before anybody looks whether it is there, so that whoever writes it again writes it once.

use super::postgres::{impatient, over, say, until};
use super::{mark, person, project};
use crate::support::postgres::{Proxy, Server, Team, schema};
use rota::board::sql::SqlBoard;
use rota::board::{Board as _, BoardError, Comments as _, People as _, Projects as _, Result};
use rota::domain::{
    Comment, CommentQuery, CommentTarget, EffectState, Entity, NewComment, PersonId, ProjectId,
    Stamp, Written,
};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_mins(1);
/// Under which commits are held back.
const GATE: &str = "hashtext('gate'), hashtext(current_schema())";

/// A board with a person and a project.
struct Scene {
    board: SqlBoard,
    ann: PersonId,
    alpha: ProjectId,
}

impl Scene {
    async fn on(board: SqlBoard) -> Self {
        let ann = board.add_person(&Stamp::by(PersonId(0)), person("Ann")).await.unwrap();
        let ann = ann.after.id;
        let alpha = board.add_project(&Stamp::by(ann), project("Alpha")).await.unwrap();
        Self { board, ann, alpha: alpha.after.id }
    }

    /// Writes the one comment under this mark.
    async fn write(&self, seq: u32) -> Result<Written<Comment>> {
        let stamp = Stamp { mark: Some(mark(seq)), ..Stamp::by(self.ann) };
        let on = CommentTarget::Project(self.alpha);
        let new = NewComment { on, text: "Once".into(), parent: None, rating: None };
        self.board.add_comment(&stamp, new).await
    }

    async fn count(&self) -> usize {
        let query = CommentQuery { limit: 9, ..CommentQuery::default() };
        self.board.comments(&query).await.unwrap().items.len()
    }
}

/// Keeps comments from being committed: who commits one waits here, whether or not anybody still listens.
struct Gate(PgConnection);

impl Gate {
    async fn closed(team: &Team) -> Self {
        team.psql(&format!(
            "create function held() returns trigger language plpgsql \
             set lock_timeout = 0 set client_connection_check_interval = 0 as $$ begin \
             perform pg_advisory_xact_lock_shared({GATE}); return null; end $$; \
             create constraint trigger held after insert on comments \
             deferrable initially deferred for each row execute function held()"
        ));
        let mut keeper = PgConnection::connect(team.url()).await.unwrap();
        say(&mut keeper, &format!("set search_path = {}", team.schema_name())).await;
        say(&mut keeper, &format!("select pg_advisory_lock({GATE})")).await;
        Self(keeper)
    }

    async fn open(mut self) {
        say(&mut self.0, &format!("select pg_advisory_unlock({GATE})")).await;
    }
}

/// Whether so many sessions of the team wait to commit.
fn waiting(count: u32) -> String {
    format!(
        "select count(*) = {count} from pg_locks join pg_stat_activity using (pid) \
         where locktype = 'advisory' and not granted and usename = current_schema()"
    )
}

async fn until_one_waits(team: &Team) {
    timeout(LONG, until(team, &waiting(1))).await.unwrap();
}

#[track_caller]
fn for_later<T: std::fmt::Debug>(answer: Result<T>, says: &str) {
    match answer {
        Err(error @ BoardError::Unavailable { .. }) => {
            assert!(error.to_string().contains(says), "{error}");
        }
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

#[tokio::test]
async fn a_commit_whose_connection_is_lost_is_decided_before_it_is_looked_for() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let scene = Scene::on(over(team.cluster_at(&[proxy.port()], 3)).await.unwrap()).await;
    let gate = Gate::closed(&team).await;
    let cut = async {
        until_one_waits(&team).await;
        proxy.cut();
    };
    let (lost, ()) = tokio::join!(scene.write(1), cut);
    for_later(lost, "a write may still be under way");
    assert_eq!(team.psql(&waiting(1)), "t", "its session goes on without it");
    proxy.heal();
    assert_eq!(scene.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
    // It would come now if it came at all, and before the next, which waits for its turn.
    gate.open().await;
    scene.write(2).await.unwrap();
    assert_eq!(scene.count().await, 1);
    assert_eq!(scene.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
}

#[tokio::test]
async fn a_commit_whose_connection_is_lost_is_decided_when_that_is_told_if_there_is_another_way() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let ways = [proxy.port(), server.port()];
    let scene = Scene::on(over(team.cluster_at(&ways, 3)).await.unwrap()).await;
    let gate = Gate::closed(&team).await;
    let cut = async {
        until_one_waits(&team).await;
        proxy.cut();
    };
    let (lost, ()) = tokio::join!(scene.write(1), cut);
    for_later(lost, "before it said what became of a write");
    assert_eq!(team.psql(&waiting(0)), "t", "its session still waits to commit");
    gate.open().await;
    scene.write(2).await.unwrap();
    assert_eq!(scene.count().await, 1);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_decided_before_it_is_looked_for() {
    let Some(team) = schema().await else { return };
    let scene = Scene::on(over(team.cluster(3)).await.unwrap()).await;
    let gate = Gate::closed(&team).await;
    tokio::select! {
        biased;
        answer = scene.write(1) => panic!("nothing was in its way: {answer:?}"),
        () = until_one_waits(&team) => {}
    }
    assert_eq!(scene.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
    gate.open().await;
    scene.write(2).await.unwrap();
    assert_eq!(scene.count().await, 1);
}

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_is_not_looked_for_until_it_is_decided() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let standby = server.standby().await;
    over(team.cluster(1)).await.unwrap().close().await;
    let scene = Scene::on(over(impatient(&team, team.url())).await.unwrap()).await;
    standby.stop().await;
    // Nothing is answered for as long as an answer is waited for.
    for_later(scene.write(1).await, "a write may still be under way");
    for_later(scene.board.effect_of(&mark(1)).await, "still under way at PostgreSQL");
    for_later(scene.write(2).await, "still under way at PostgreSQL");
    standby.start_again().await;
    let found = async {
        loop {
            match scene.board.effect_of(&mark(1)).await {
                Ok(state) => return state,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let found = timeout(LONG, found).await.unwrap();
    assert!(matches!(found, EffectState::Applied(Entity::Comment(_))), "{found:?}");
    assert_eq!(scene.count().await, 1);
}

/// It takes its time, and waits for nobody.
#[tokio::test]
async fn a_commit_that_is_done_in_a_moment_is_let_come_to_its_end() {
    let Some(team) = schema().await else { return };
    let scene = Scene::on(over(team.cluster(3)).await.unwrap()).await;
    team.psql(
        "create function slow() returns trigger language plpgsql \
         set client_connection_check_interval = 0 as $$ begin \
         perform pg_sleep(0.8); return null; end $$; \
         create constraint trigger slow after insert on comments \
         deferrable initially deferred for each row execute function slow()",
    );
    let is_slow = "select count(*) = 1 from pg_stat_activity \
                   where wait_event = 'PgSleep' and usename = current_schema()";
    tokio::select! {
        biased;
        answer = scene.write(1) => panic!("it was quicker than it can be: {answer:?}"),
        found = timeout(LONG, until(&team, is_slow)) => found.unwrap(),
    }
    let found = scene.board.effect_of(&mark(1)).await.unwrap();
    assert!(matches!(found, EffectState::Applied(Entity::Comment(_))), "{found:?}");
}
