//! `rota audit verify`, typed over a state folder in which somebody changed what is recorded.

use super::team::{json, team_with};
use crate::fault::evidence::with_store;
use crate::support::rota::Rota;
use rota::store::{Batch, Row, Store};

/// Ends at once, and comments as it hands over.
const WORKER: &str = r#"
description = "Writes it."
agent = "AI-Worker"
[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
[claim]
[work]
runner = "command"
command = ["sh", "-c", "echo '{\"outcome\": \"done\", \"summary\": \"Written.\"}'"]
[outcome.done]
status = "Ready for Review"
[limits]
attempts = 1
"#;

/// A team in whose state people did four things, and a run ended.
fn recorded() -> Rota {
    let rota = team_with("worker", WORKER);
    let report = json(&rota, &["run-once", "worker"]);
    assert_eq!(report["state"], "succeeded", "{report:#}");
    for what in ["pause", "resume", "pause", "resume"] {
        rota.run([what, "worker"]).ok();
    }
    rota
}

/// All rows whose keys begin so.
fn rows(rota: &Rota, prefix: &str) -> Vec<Row> {
    with_store(&rota.state(), async |store: &dyn Store| {
        store.scan(prefix, None, 500).await.unwrap()
    })
}

fn commit(rota: &Rota, batch: &Batch) {
    with_store(&rota.state(), async |store: &dyn Store| {
        store.commit(batch.clone()).await.unwrap();
    });
}

/// The row with another text in it.
fn forged(row: &Row, from: &str, to: &str) -> Batch {
    let text = String::from_utf8(row.value.clone()).unwrap();
    assert!(text.contains(from), "{}: {text}", row.key);
    Batch::new().put(row.key.clone(), text.replace(from, to))
}

fn cut_out(row: &Row) -> Batch {
    Batch::new().delete(row.key.clone())
}

/// It is refused, to people and to programs, and names this.
fn is_broken(rota: &Rota, what: &str, named: &str) {
    let told = rota.run(["audit", "verify"]).ended(1);
    assert!(told.err.contains(named), "{what}: {told:#?}");
    assert_eq!(told.out, "", "{what}");
    let told = rota.run(["audit", "verify", "--json"]).ended(1).json();
    assert_eq!(told["error"]["reason"], "audit_broken", "{what}: {told:#}");
    assert!(told["error"]["message"].as_str().unwrap().contains(named), "{what}: {told:#}");
}

#[test]
fn what_was_changed_or_cut_out_is_found_and_the_first_of_it_named() {
    let rota = recorded();
    let (acts, endings) = (rows(&rota, "audit/"), rows(&rota, "ending/"));
    assert!(acts.len() >= 4 && endings.len() == 1, "{} {}", acts.len(), endings.len());
    let (run, effects) = (rows(&rota, "run/").remove(0), rows(&rota, "effect/"));
    let run_id = run.key.trim_start_matches("run/").to_owned();
    let whole = json(&rota, &["audit", "verify"]);
    assert_eq!((&whole["intact"], &whole["entries"]), (&true.into(), &(acts.len() + 1).into()));

    let last = acts.len() - 1;
    let at =
        |number: usize, why: &str| format!("the audit log: link {number} does not hold: {why}");
    let renamed = |row: &Row| forged(row, "\"who\":\"", "\"who\":\"Not ");
    let of_run = |what: &str| format!("run {run_id}: link 1 does not hold: its {what} was changed");
    let plants = [
        ("a changed act", renamed(&acts[last - 1]), at(last, "it was changed")),
        ("an act that is cut out", cut_out(&acts[last - 2]), at(last - 1, "an entry is missing")),
        (
            "two of them",
            renamed(&acts[last]).and(renamed(&acts[last - 2])),
            at(last - 1, "it was changed"),
        ),
        ("the last one cut off", cut_out(&acts[last]), at(last, "the end of the chain is missing")),
        ("how a run ended", forged(&run, "\"succeeded\"", "\"failed\""), of_run("record")),
        ("what a run wrote", cut_out(&effects[0]), of_run("journal of effects")),
        (
            "that a run ended",
            cut_out(&endings[0]),
            "the chain of runs: link 0 does not hold: the end of the chain is missing".to_owned(),
        ),
    ];
    let kept: Vec<&Row> = acts.iter().chain(&endings).chain([&run]).chain(&effects).collect();
    for (what, plant, named) in plants {
        commit(&rota, &plant);
        is_broken(&rota, what, &named);
        let restore = kept
            .iter()
            .fold(Batch::new(), |batch, row| batch.put(row.key.clone(), row.value.clone()));
        commit(&rota, &restore);
    }
    assert_eq!(json(&rota, &["audit", "verify"]), whole);
}
