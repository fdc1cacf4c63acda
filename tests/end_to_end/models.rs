//! A language model behind a server, with the real binary: a run from the prompt to the hand-over, its
//! transcript, and what the doctor says.

use super::team::{EVERY_SECOND, team_with};
use crate::support::http_double::{Double, Reply};
use crate::support::model_double::{KEY, ModelDouble, Said, Turn};
use crate::support::rota::Rota;
use rota::model::open::Wire;
use std::path::Path;

fn team_of(kind: &str, address: std::net::SocketAddr) -> Rota {
    let rota = team_with("ai-worker", EVERY_SECOND).with_env("MODEL_KEY", KEY);
    let config = format!(
        "timezone = \"Europe/Berlin\"\narm = \"auto\"\n[models.worker]\nkind = \"{kind}\"\nmodel = \"m\"\n\
         url = \"http://{address}\"\nkey = \"${{MODEL_KEY}}\"\n\
         price = {{ input = \"3.00 USD\", cached = \"0.30 USD\", output = \"15.00 USD\" }}\n"
    );
    rota.write("rota.toml", &config);
    rota
}

/// Whether any file below holds these bytes.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn a_run_by_a_model_goes_from_the_prompt_to_the_hand_over_and_its_transcript_has_every_part() {
    for (kind, wire) in [("openai", Wire::Completions), ("anthropic", Wire::Messages)] {
        let comment = r#"{"module": "ticket", "entityId": 1, "text": "I look at it."}"#;
        let finish = r#"{"outcome": "ready", "summary": "It is written."}"#;
        let double = ModelDouble::start(
            wire,
            vec![
                Turn::Said(
                    Said::text("I begin.")
                        .and_call("a", "addComment", comment)
                        .tokens((1_000, 0, 100)),
                ),
                Turn::Said(Said::call("b", "finish", finish).tokens((100, 1_000, 10))),
            ],
        );
        let rota = team_of(kind, double.double.address);
        let ran = rota.run(["run-once", "ai-worker", "--json"]).ok().json();
        let run = ran["run"].as_str().unwrap().to_owned();
        let shown = rota.run(["runs", "show", &run, "--json"]).ok();
        assert!(!shown.out.contains(KEY));
        let shown = shown.json();
        let usage = &shown["run"]["usage"];
        assert_eq!((&usage["tokens_in"], &usage["tokens_cached"]), (&2_100.into(), &1_000.into()));
        // 1,100 sent at 3, 1,000 read before at 0.3, 110 back at 15.
        assert_eq!(usage["cost_micros"], 3_300 + 300 + 1_650, "{usage}");
        let lines = shown["transcript"].as_array().unwrap();
        let of_kind =
            |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        assert_eq!((of_kind("model").len(), of_kind("tool").len()), (2, 2), "{lines:?}");
        assert_eq!(of_kind("model")[0]["text"], "I begin.");
        assert_eq!(of_kind("tool")[0]["data"]["args"]["text"], "I look at it.");
        assert_eq!(of_kind("tool")[1]["data"]["turn"], 2);
        let numbers: Vec<_> = lines.iter().map(|line| line["number"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted() && lines.iter().all(|line| line["at"].is_string()));
        let page = rota.run(["runs", "show", &run]).ok();
        assert!(
            page.out.contains("model: I begin.") && page.out.contains("tool: finish: done"),
            "{page:#?}"
        );
        let task = rota.run(["task", "show", "1", "--json"]).ok();
        assert!(task.out.contains("It is written."), "{task:#?}");
        assert!(!holds(&rota.state(), KEY), "the key is in the state folder");
    }
}

#[test]
fn the_doctor_looks_at_models_for_nothing_and_asks_them_only_when_told() {
    let double = ModelDouble::start(Wire::Messages, vec![Turn::Said(Said::text("ready"))]);
    let rota = team_of("anthropic", double.double.address);
    let looked = rota.run(["doctor"]).ok();
    assert!(
        looked.out.contains("model worker") && looked.out.contains("anthropic:m"),
        "{looked:#?}"
    );
    assert!(double.bodies().is_empty());
    let asked = rota.run(["doctor", "--ask-models"]).ok();
    assert!(asked.out.contains("answers (10 tokens in, 5 out)"), "{asked:#?}");
    assert_eq!(double.bodies().len(), 1);

    let denying = Double::start_other(
        |_| None,
        |asked| {
            let key = asked.header("authorization").unwrap_or_default();
            let body = format!("{{\"error\": {{\"message\": \"Incorrect key {key}\"}}}}");
            Reply::text(401, "application/json", &body)
        },
    );
    let rota = team_of("openai", denying.address);
    let denied = rota.run(["doctor", "--ask-models"]).ended(1);
    assert!(denied.out.contains("does not take the key"), "{denied:#?}");
    assert!(!denied.out.contains(KEY) && !denied.err.contains(KEY), "{denied:#?}");
    let other = Double::start_other(
        |_| None,
        |_| Reply::json(&serde_json::json!({"data": [{"id": "another"}]})),
    );
    let listed = team_of("openai", other.address).run(["doctor"]).ok();
    assert!(listed.out.contains("does not list this model"), "{listed:#?}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = team_of("openai", nobody).run(["doctor"]).ended(1);
    assert!(gone.out.contains("no connection"), "{gone:#?}");
}
