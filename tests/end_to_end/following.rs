//! `rota runs follow --json`: a line of JSON for each thing that happens, and last how the run ended.

use super::team::{EVERY_SECOND, json, team_with};
use crate::support::http_double::Double;
use crate::support::model_double::{Said, answer};
use crate::support::playbooks::changed;
use crate::support::rota::{Rota, until};
use rota::domain::Timestamp;
use rota::model::open::Wire;
use serde_json::{Value, json as value};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// A model that looks at its task again and again, until somebody has seen enough.
fn model(is_enough: &Arc<AtomicBool>) -> Double {
    let is_enough = Arc::clone(is_enough);
    Double::start_other(
        |_| None,
        move |_| {
            let said = if is_enough.load(SeqCst) {
                Said::call("z", "finish", r#"{"outcome": "ready", "summary": "Seen."}"#)
                    .tokens((7, 0, 1))
            } else {
                Said::call("a", "getTicket", r#"{"id": 1}"#).tokens((7, 0, 1))
            };
            answer(Wire::Completions, &said).after(Duration::from_millis(20))
        },
    )
}

fn team_of(double: &Double) -> Rota {
    let text = changed(
        EVERY_SECOND,
        &[
            ("[on]\ncron = \"* * * * * *\"\n", ""),
            ("tools = [\"addComment\", \"finish\"]", "tools = [\"getTicket\", \"finish\"]"),
        ],
    );
    let limits = "[limits]\nturns = 10_000\ntime = \"50s\"\nattempts = 1\n";
    let rota = team_with("worker", &format!("{text}{limits}"));
    let config = format!(
        "timezone = \"Europe/Berlin\"\narm = \"auto\"\n[models.worker]\nkind = \"openai\"\nmodel = \"m\"\n\
         url = \"http://{}\"\n",
        double.address
    );
    rota.write("rota.toml", &config);
    rota
}

/// One thing that happened: when, of what sort, in words, in which run, and its parts where it has some.
#[track_caller]
fn is_told(line: &Value, run: &str) {
    let members: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let known = ["at", "kind", "text", "run", "data"];
    assert!(members.iter().all(|member| known.contains(member)), "{line:#}");
    assert!(line["at"].as_str().unwrap().parse::<Timestamp>().is_ok(), "{line:#}");
    assert!(line["kind"].as_str().is_some_and(|kind| !kind.is_empty()), "{line:#}");
    assert!(line["text"].is_string() && line["run"] == run, "{line:#}");
}

#[test]
fn whoever_follows_by_program_reads_a_line_of_json_for_each_thing_and_last_how_it_ended() {
    let is_enough = Arc::new(AtomicBool::new(false));
    let double = model(&is_enough);
    let rota = team_of(&double);
    let serving = rota.serve(Vec::<&str>::new());
    let mut begun = rota.command(["run-once", "worker"]);
    let mut begun = begun.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let run = until("a run is under way", || {
        let runs = json(&rota, &["runs", "list", "--in-state", "running"]);
        Some(runs["items"][0]["id"].as_str()?.to_owned())
    });

    let mut following = rota.command(["runs", "follow", &run, "--json"]);
    let mut following = following.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut told = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    // It hears of the run as it goes on; were it not so, the run's own time would end it.
    let first = told.next().expect("it told nothing");
    is_enough.store(true, SeqCst);
    let lines: Vec<Value> = std::iter::once(first)
        .chain(told)
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    assert!(following.wait().unwrap().success());
    assert!(begun.wait().unwrap().success());

    let (last, happened) = lines.split_last().unwrap();
    for line in happened {
        is_told(line, &run);
    }
    let of_kind = |kind: &str| happened.iter().find(|line| line["kind"] == kind).unwrap();
    let call = &of_kind("tool")["data"];
    assert_eq!(
        (&call["tool"], &call["args"]),
        (&"getTicket".into(), &value!({"id": 1})),
        "{call:#}"
    );
    assert!(call["is_error"] == false && call["result"].is_string(), "{call:#}");
    assert_eq!(of_kind("model")["data"]["usage"]["tokens_in"], 7);
    let ended = happened.last().unwrap();
    assert_eq!(ended["kind"], "ended", "{ended:#}");
    assert!(ended["text"].as_str().unwrap().contains("succeeded"), "{ended:#}");
    let record = &last["run"];
    assert_eq!((&record["id"], &record["state"]), (&run.as_str().into(), &"succeeded".into()));
    assert_eq!((&record["outcome"], &record["summary"]), (&"ready".into(), &"Seen.".into()));
    assert!(record["reason"].is_string() && record["ended"].is_string(), "{record:#}");

    // Of a run that is over there is nothing to hear but how it ended.
    let over = rota.run(["runs", "follow", &run, "--json"]).ok();
    assert_eq!(over.out.lines().count(), 1, "{over:#?}");
    assert_eq!(over.json()["run"], *record);
    assert_eq!(record, &json(&rota, &["runs", "show", &run])["run"]);
    assert_eq!(serving.stop(), 0);
}
