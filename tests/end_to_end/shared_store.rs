//! What people type where no daemon runs, on a store that daemons in other places share.

use super::team::{EVERY_SECOND, QUICK, json, until_status};
use crate::support::postgres::{self, Team};
use crate::support::rota::{Rota, until};

const NOTHING: [&str; 0] = [];

/// One of a team's places, with board and store in its schema.
fn place(team: &Team, daemon: &str) -> Rota {
    let rota = Rota::new().with_env("ROTA_POSTGRES_URL", team.url());
    rota.run(["init"]).ok();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write("agents/worker.toml", EVERY_SECOND);
    let there = format!(
        "kind = \"postgres\"\nurl = {{ env = \"ROTA_POSTGRES_URL\" }}\nschema = \"{}\"\n",
        team.schema_name()
    );
    let named = QUICK.replace("[daemon]", &format!("[daemon]\nid = \"{daemon}\""));
    rota.write("rota.toml", &format!("{named}[board]\n{there}[store]\n{there}"));
    rota
}

fn add_task(rota: &Rota, headline: &str) {
    rota.run([
        "task",
        "add",
        headline,
        "--project",
        "Website",
        "--tag",
        "AI-Suitable",
        "--acceptance",
        "It is there",
    ])
    .ok();
}

/// Whether everything is stopped, as a place says.
fn stopped(rota: &Rota) -> Option<String> {
    json(rota, &["status"])["stopped"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_typed_where_no_daemon_runs_stops_all_that_share_the_store() {
    let Some(team) = postgres::schema().await else { return };
    let (one, two) = (place(&team, "one"), place(&team, "two"));
    one.run(["project", "add", "Website"]).ok();
    let daemon = one.serve(NOTHING);
    let said = two.run(["stop-all", "--reason", "fire"]).ok();
    assert!(said.out.contains("at all daemons that share the store"), "{said:?}");
    daemon.wait_for_log("everything is stopped");
    assert!(stopped(&one).unwrap().contains("fire"));
    assert!(!one.state().join("STOPPED").exists(), "it is not its own file that stops it");
    let said = two.run(["start-all"]).ok();
    assert!(said.out.contains("is lifted"), "{said:?}");
    until("the daemon goes on", || stopped(&one).is_none().then_some(()));
    add_task(&two, "After the fire");
    until_status(&one, "1", "Done");
    assert_eq!(daemon.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_a_place_whose_daemon_is_at_work_elsewhere_waits_for_nobody() {
    let Some(team) = postgres::schema().await else { return };
    let (one, two) = (place(&team, "one"), place(&team, "one"));
    one.run(["project", "add", "Website"]).ok();
    let daemon = one.serve(NOTHING);
    let typed = two.run(["project", "add", "Shop"]).ok();
    assert!(!typed.err.contains("another life of this daemon"), "{typed:?}");
    let all = json(&one, &["daemons", "list"]);
    let all = all["items"].as_array().unwrap();
    assert_eq!((all.len(), all[0]["daemon"].as_str()), (1, Some("one")), "{all:?}");
    add_task(&two, "Fix the login");
    until_status(&one, "1", "Done");
    assert_eq!(daemon.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_of_the_database_fences_go_on_in_a_new_epoch() {
    let Some(team) = postgres::schema().await else { return };
    let (one, two) = (place(&team, "one"), place(&team, "two"));
    one.run(["project", "add", "Website"]).ok();
    add_task(&one, "Before");
    let daemon = one.serve(NOTHING);
    until_status(&one, "1", "Done");
    let refused = two.run(["restore", "--database"]).ended(1);
    assert!(refused.err.contains("is at work on this store"), "{refused:?}");
    // As a copy has it that was made before the daemon came.
    team.psql("delete from ledger where key like 'daemon/%'");
    let refused = one.run(["restore", "--database"]).ended(6);
    assert!(refused.err.contains("in use by process"), "{refused:?}");
    assert_eq!(daemon.stop(), 0);
    let before = json(&one, &["why", "1"])["claim"]["fence"].as_u64().unwrap();
    assert!(before < 1 << 32, "{before}");
    let epoch = json(&one, &["restore", "--database"])["epoch"].as_u64().unwrap();
    assert!(epoch > 0);
    assert!(stopped(&one).unwrap().contains("the database was put back"));
    one.run(["start-all"]).ok();
    let daemon = one.serve(NOTHING);
    add_task(&one, "After");
    until_status(&one, "2", "Done");
    let after = json(&one, &["why", "2"])["claim"]["fence"].as_u64().unwrap();
    assert_eq!(after >> 32, epoch);
    assert_eq!(daemon.stop(), 0);
    one.run(["audit", "verify"]).ok();
}

#[test]
fn a_state_folder_is_not_restored_as_a_database_is() {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    let typed = rota.run(["restore", "--database"]).ended(2);
    assert!(typed.err.contains("not on PostgreSQL"), "{typed:?}");
    rota.run(["restore"]).ended(2);
    rota.run(["restore", "x.tar", "--database"]).ended(2);
}
