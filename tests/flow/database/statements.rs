//! Statements that the server ends, because others were in the way or it took too long: of a claim, and of
//! what an agent does.

use super::{Scene, Wanted, each_second};
use crate::support::playbooks::DILIGENT;
use crate::support::postgres::{Team as Database, schema};

/// As two transactions that cannot have been one after the other.
const IN_THE_WAY: &str = "raise exception 'could not serialize access' using errcode = '40001'";
/// Longer than a statement may take.
const SLOW: &str = "perform pg_sleep(60)";

/// Of the rows of a table that are such, the first so many writes go wrong.
fn fail(database: &Database, (table, such): (&str, &str), times: u32, how: &str) {
    let schema = database.schema_name();
    database.psql(&format!(
        "create sequence tries; grant usage on sequence tries to public; \
         create function goes_wrong() returns trigger language plpgsql as $$ begin \
         if nextval('{schema}.tries') <= {times} then {how}; end if; return new; end $$; \
         create trigger goes_wrong before insert or update on {table} \
         for each row when ({such}) execute function goes_wrong()"
    ));
}

/// How many writes came by.
fn tries(database: &Database) -> u32 {
    database.psql("select last_value from tries").parse().unwrap()
}

/// Works at one task while the first writes of such rows go wrong.
async fn works(rows: (&str, &str), times: u32, how: &str, script: &str) {
    let Some(database) = schema().await else { return };
    let worker = ("ai-worker", each_second());
    let scene = Scene::new(database, &[], worker, &[script]).await;
    let task = scene.task("Fix the login").await;
    fail(&scene.database, rows, times, how);
    let one = scene.start(Wanted::named("one")).await;
    let two = scene.start(Wanted::named("two")).await;
    scene.handed_over(task).await;
    let tries = tries(&scene.database);
    assert!(tries > times, "{how}: it went wrong {tries} times only");
    scene.is_sound(&[task]).await;
    assert_eq!(scene.said(task, "I found it.").await, 1, "{how}");
    assert_eq!(scene.said(task, "hands this over").await, 1, "{how}");
    one.stop().await;
    two.stop().await;
}

const CLAIMS: (&str, &str) = ("ledger", "new.key like 'claim/%'");
const COMMENTS: (&str, &str) = ("comments", "new.text like '%I found it.%'");

/// Says it again where the board could not.
const PERSISTENT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } }]

[[conversation.turn]]
expect = "longer than a statement may take"
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } }]

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_that_others_were_in_the_way_of_is_taken_once_and_the_work_done_once() {
    // Fewer and more often than a commit is tried again by itself.
    for times in [3, 12] {
        works(CLAIMS, times, IN_THE_WAY, DILIGENT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_whose_statement_took_too_long_is_taken_once_and_the_work_done_once() {
    works(CLAIMS, 2, SLOW, DILIGENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_effect_that_others_were_in_the_way_of_is_done_once() {
    works(COMMENTS, 2, IN_THE_WAY, DILIGENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_effect_whose_statement_took_too_long_is_told_as_not_done_and_done_once_when_asked_again()
 {
    works(COMMENTS, 1, SLOW, PERSISTENT).await;
}
