//! A team moves to PostgreSQL and back by the commands that people type.

use super::team::{EVERY_SECOND, json, team_with, until_status};
use crate::support::postgres;
use crate::support::rota::Rota;
use serde_json::Value;

const NOTHING: [&str; 0] = [];

/// What a command printed, a document in each line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What people look at of what was done.
fn seen(rota: &Rota) -> (Value, Value) {
    let tasks = json(rota, &["task", "list"]);
    let runs = json(rota, &["runs", "list"]);
    (tasks["items"].clone(), runs["items"].clone())
}

/// A daemon takes what is new.
fn works(rota: &Rota, headline: &str) {
    let daemon = rota.serve(NOTHING);
    rota.run(["task", "add", headline, "--tag", "AI-Suitable", "--acceptance", "It is there"]).ok();
    let tasks = json(rota, &["task", "list"]);
    let tasks = tasks["items"].as_array().unwrap();
    let id = tasks.iter().find(|task| task["headline"] == headline).unwrap()["id"].to_string();
    until_status(rota, &id, "Done");
    assert_eq!(daemon.stop(), 0);
    rota.run(["audit", "verify"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_moves_to_postgresql_and_back_and_works_on() {
    let Some(team) = postgres::schema().await else { return };
    let rota = team_with("worker", EVERY_SECOND).with_env("ROTA_POSTGRES_URL", team.url());
    let at_home = rota.read("rota.toml");
    let there = ["migrate", "--to", team.url(), "--schema", team.schema_name()];
    let daemon = rota.serve(NOTHING);
    until_status(&rota, "1", "Done");
    let refused = rota.run(there).ended(6);
    assert!(refused.err.contains("is in use by process"), "{refused:?}");
    assert_eq!(daemon.stop(), 0);
    let before = seen(&rota);

    let counted = rota.run(there.into_iter().chain(["--dry-run"])).ok();
    assert!(counted.out.contains("nothing was moved") && counted.out.contains("tasks"));
    assert!(counted.err.contains("list of processes"), "{counted:?}");
    let by_variable = ["migrate", "--to", "postgres", "--schema", team.schema_name()];
    let counted = rota.run(by_variable.into_iter().chain(["--dry-run"])).ok();
    assert!(!counted.err.contains("list of processes"), "{counted:?}");
    let moved = lines(&rota.run(by_variable.into_iter().chain(["--json"])).ok().out);
    let (report, steps) = moved.split_last().unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| step["part"].is_string()), "{steps:?}");
    let said = report["lines"].as_str().unwrap();
    assert!(said.contains(&format!("schema = \"{}\"", team.schema_name())), "{said}");
    let refused = rota.run(["task", "list"]).ended(1);
    assert!(refused.err.contains(team.schema_name()), "{refused:?}");

    rota.write("rota.toml", &format!("{at_home}\n{said}"));
    assert_eq!(seen(&rota), before);
    rota.run(["audit", "verify"]).ok();
    works(&rota, "After the move");
    let doctor = rota.run(["doctor"]);
    assert!(doctor.out.contains("takes writes (PostgreSQL"), "{doctor:?}");
    let kept = rota.run(["backup", "x.tar"]).ended(1);
    assert!(kept.err.contains("pg_dump") && kept.err.contains("docs/scaling.md"), "{kept:?}");
    let new = ["task", "add", "Rehearsed", "--tag", "AI-Suitable", "--acceptance", "It is there"];
    rota.run(new).ok();
    let rehearsed = rota.run(["run-once", "worker", "--dry-run"]).ok();
    for line in ["dry run: nothing outside was changed", "assignee: – → AI-Worker"] {
        assert!(rehearsed.out.contains(line), "{line}: {rehearsed:?}");
    }
    let before = seen(&rota);

    let back = rota.run(["migrate", "--to", "embedded"]).ok();
    assert!(back.out.contains("[board]\nkind = \"sqlite\""), "{back:?}");
    let refused = rota.run(["task", "list"]).ended(1);
    assert!(refused.err.contains("was left for"), "{refused:?}");
    rota.write("rota.toml", &at_home);
    assert_eq!(seen(&rota), before);
    works(&rota, "Back home");
}

#[test]
fn where_to_is_said_or_told_without_what_was_typed() {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    let typed = rota.run(["migrate", "--to", "mysql://u:SECRET@h/d"]).ended(2);
    assert!(typed.err.contains("--to takes postgres://"), "{typed:?}");
    assert!(!typed.err.contains("SECRET"), "{typed:?}");
    let far = ["migrate", "--to", "postgres://u:SECRET@db.example/d?sslmode=prefer"];
    let far = rota.run(far).ended(2);
    assert!(far.err.contains("another machine") && !far.err.contains("SECRET"), "{far:?}");
    let nothing = rota.run(["migrate", "--to", "postgres://u@127.0.0.1/d"]).ended(2);
    assert!(nothing.err.contains("can be moved"), "{nothing:?}");
    let unset = rota.run(["migrate", "--to", "postgres"]).ended(2);
    assert!(unset.err.contains("ROTA_POSTGRES_URL"), "{unset:?}");
    let home = rota.run(["migrate", "--to", "embedded"]).ended(2);
    assert!(home.err.contains("is on PostgreSQL"), "{home:?}");
}
